"""Whatever the order in which things were written down: a no is never lost, and nothing but a fresh yes undoes it."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it
from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from recare.consent.event import GRANTS, STOPS
from recare.consent.fold import CHANNELS, Line, State, fold

_START = datetime(2026, 1, 1, tzinfo=UTC)
_TYPES = (
    "granted", "confirmed", "pending", "revoked", "restricted", "complaint", "expired", "number_changed", "wrong_number", "reassigned",
    "hard_bounce", "sms_incapable", "unencrypted_warned", "corrected",
)  # fmt: skip
_METHODS = ("paper", "web", "import", "sms_keyword", "verbal", "system", "provider", "one_click")


@st.composite
def _lines(draw: st.DrawFn) -> list[Line]:
    count = draw(st.integers(0, 8))
    return [
        Line(
            contact_point_id=1, id=number, seq=number, channel=draw(st.sampled_from((*CHANNELS, "all"))),
            type=draw(st.sampled_from(_TYPES)), level=draw(st.integers(0, 3)), method=draw(st.sampled_from(_METHODS)),
            evidence_ref=draw(st.sampled_from(("", "scan:1"))),
            effective_at=_START + timedelta(days=draw(st.integers(0, 5))),
            supersedes_id=draw(st.one_of(st.none(), st.integers(1, 8))),
        )
        for number in range(1, count + 1)
    ]  # fmt: skip


def _open(state: State, channel: str) -> int:
    """How much may be sent on a channel: its level, or nothing when it is out or the address is somebody else's."""
    closed = (
        getattr(state, f"{channel}_out_at") or state.wrong_number_at or (channel == "email" and state.complained_at)
    )
    return -1 if closed else int(getattr(state, f"{channel}_level"))


@given(_lines(), st.sampled_from((*CHANNELS, "all")), st.integers(0, 5), st.sampled_from(sorted(STOPS)))
def test_I3_adding_a_revocation_never_widens_anything(lines: list[Line], channel: str, day: int, kind: str) -> None:
    number = len(lines) + 1
    no = Line(1, number, number, channel, kind, 0, "verbal", "", _START + timedelta(days=day), None)
    before, after = fold(lines), fold([*lines, no])
    for each in CHANNELS:
        assert _open(after, each) <= _open(before, each)


@given(_lines(), st.sampled_from((*CHANNELS, "all")), st.integers(0, 3), st.integers(0, 5))
def test_I3_an_import_never_lifts_a_no(lines: list[Line], channel: str, level: int, day: int) -> None:
    number = len(lines) + 1
    yes = Line(1, number, number, channel, "granted", level, "import", "row:1", _START + timedelta(days=day), None)
    before, after = fold(lines), fold([*lines, yes])
    for each in CHANNELS:
        if getattr(before, f"{each}_out_at"):
            assert getattr(after, f"{each}_out_at") == getattr(before, f"{each}_out_at")


@given(_lines(), st.randoms())
def test_the_order_in_which_events_are_read_does_not_matter(lines: list[Line], chance: random.Random) -> None:
    shuffled = list(lines)
    chance.shuffle(shuffled)
    assert fold(shuffled) == fold(lines)


@given(_lines())
def test_I3_after_a_no_only_a_later_evidenced_optin_of_the_person_opens_a_channel(lines: list[Line]) -> None:
    state = fold(lines)
    corrected = {line.supersedes_id for line in lines if line.type == "corrected"}
    for channel in CHANNELS:
        here = [line for line in lines if line.channel in {channel, "all"}]
        noes = [line.effective_at for line in here if line.type in STOPS]
        if not noes:
            assert getattr(state, f"{channel}_out_at") is None
            continue
        fresh = [
            line for line in here
            if line.type in GRANTS and line.effective_at > max(noes) and line.method not in {"import", "system", "provider", "one_click"}
            and line.level >= 2 and line.evidence_ref and line.id not in corrected
        ]  # fmt: skip
        if not fresh:
            assert getattr(state, f"{channel}_out_at") == max(noes)
            assert getattr(state, f"{channel}_level") == 0
