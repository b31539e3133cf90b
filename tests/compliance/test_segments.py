from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recare.compliance.segments import GSM7, Count, count, foreign, plain

# The alphabet once more, by another road: as code points, so that a slip in one list shows in the other.
ALPHABET = {
    *range(0x20, 0x24), *range(0x25, 0x40), *range(0x41, 0x5B), *range(0x61, 0x7B),
    0x40, 0xA3, 0x24, 0xA5, 0xE8, 0xE9, 0xF9, 0xEC, 0xF2, 0xC7, 0x0A, 0xD8, 0xF8, 0x0D, 0xC5, 0xE5, 0x394, 0x5F, 0x3A6, 0x393, 0x39B, 0x3A9,
    0x3A0, 0x3A8, 0x3A3, 0x398, 0x39E, 0xC6, 0xE6, 0xDF, 0xC9, 0xA4, 0xA1, 0xC4, 0xD6, 0xD1, 0xDC, 0xA7, 0xBF, 0xE4, 0xF6, 0xF1, 0xFC, 0xE0,
}  # fmt: skip
ESCAPED = {0x0C, 0x5E, 0x7B, 0x7D, 0x5C, 0x5B, 0x7E, 0x5D, 0x7C, 0x20AC}


def slow_count(text: str, *, toll_free: bool) -> Count:
    """Fewest parts by trying every cut between whole characters, instead of filling part after part."""
    septets = all(ord(c) in ALPHABET | ESCAPED for c in text)
    widths = [(2 if ord(c) in ESCAPED else 1) if septets else (2 if ord(c) > 0xFFFF else 1) for c in text]
    single, part = (160, 152 if toll_free else 153) if septets else (70, 66 if toll_free else 67)
    total = sum(widths)
    if total <= single:
        return Count("GSM-7" if septets else "UCS-2", total, min(total, 1))
    fewest = [0] + [10**9] * len(widths)
    for end in range(1, len(widths) + 1):
        size = 0
        for start in range(end - 1, -1, -1):
            size += widths[start]
            if size > part:
                break
            fewest[end] = min(fewest[end], fewest[start] + 1)
    return Count("GSM-7" if septets else "UCS-2", total, fewest[-1])


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 0),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("a" * 158 + "€", 1),
        ("a" * 159 + "€", 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("ê" * 70, 1),
        ("ê" * 71, 2),
        ("a" * 68 + "😀", 1),
        ("a" * 69 + "😀", 2),
        ("a" * 66 + "😀" + "a" * 66, 3),
        ("Ç" * 160, 1),
        ("ç" * 71, 2),
        ("a" * 160 + "\u00a0", 3),
    ],
)
def test_sms_02_vectors(text: str, segments: int) -> None:
    assert count(text).segments == segments


@pytest.mark.parametrize("text", ["We\u2019ve", "ça va", "a\u00a0b", "\u201chi\u201d", "tab\there", "back`tick"])
def test_what_looks_plain_but_is_not_in_gsm_7(text: str) -> None:
    assert count(text).encoding == "UCS-2"
    assert GSM7.issuperset(plain(text))
    assert foreign(text)


@pytest.mark.parametrize(
    ("text", "ordinary", "toll_free"), [("a" * 306, 2, 3), ("a" * 304, 2, 2), ("ê" * 134, 2, 3), ("ê" * 132, 2, 2)]
)
def test_toll_free_parts_are_shorter(text: str, ordinary: int, toll_free: int) -> None:
    assert count(text).segments == ordinary
    assert count(text, toll_free=True).segments == toll_free


def test_alphabets_agree() -> None:
    assert {ord(c) for c in GSM7} == ALPHABET | ESCAPED


texts = st.one_of(
    st.text(alphabet=st.sampled_from("ab €{}"), min_size=100, max_size=480),
    st.text(alphabet=st.sampled_from("aê😀"), min_size=40, max_size=240),
    st.text(max_size=120),
)


@given(texts, st.booleans())
def test_counts_as_the_slow_way_does(text: str, toll_free: bool) -> None:  # noqa: FBT001
    assert count(text, toll_free=toll_free) == slow_count(text, toll_free=toll_free)


@given(st.text(max_size=80))
def test_plain_text_is_always_gsm_7_and_stays_as_it_is(text: str) -> None:
    once = plain(text)
    assert GSM7.issuperset(once)
    assert plain(once) == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zoë", "Zoe"),
        ("José", "José"),
        ("María", "Maria"),
        ("Muñoz", "Muñoz"),
        ("Łukasz", "Lukasz"),
        ("李", ""),
        ("½", "1/2"),
        ("I\u015f\u0131k", "Isik"),
        ("Cœur", "Coeur"),
    ],
)
def test_names_in_gsm_7(text: str, expected: str) -> None:
    assert plain(text) == expected
