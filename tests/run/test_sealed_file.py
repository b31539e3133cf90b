"""A backup is whole or it is refused: a byte anywhere, an end, an order, a key (SEC-04, SEC-06)."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recare.run import archive, sealed_file
from recare.run.archive import Column, Head, Noted, Writer
from recare.run.sealed_file import DamagedError, Keys, Sealer, WrongKeyError

KEY = "the key of one installation"
PHRASE = "four quiet molars at noon"
ROWS = [f"{number}\tPatient {number * 7919 % 10007}\n".encode() for number in range(400)]
HEAD = Head(
    "0.1.0",
    "18.6",
    "2027-01-12T17:00:00+00:00",
    ("base.0001",),
    {"patient": (Column("id", "bigint", True),)},
    ((1, "maple"),),
    (),
)
ENDS = (Noted(1, "maple", 3, "ab" * 32, 2, "cd" * 32),)


def written(keys: Keys, rows: list[bytes] = ROWS, head: Head = HEAD) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.backup"
        with path.open("wb") as file:
            writer = Writer(Sealer(file, {"made_at": head.made_at}, keys), head)
            writer.table("patient", rows)
            writer.finish({"patient_id_seq": 400}, ENDS, (KEY,))
        return path.read_bytes()


WHOLE = written(Keys((KEY,)))


def read(data: bytes, keys: Keys = Keys((KEY,))) -> archive.Contents:  # noqa: B008
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.backup"
        path.write_bytes(data)
        return archive.check(path, keys)


def length_of_head(data: bytes) -> int:
    file = io.BytesIO(data)
    sealed_file.head_of(file)
    return file.tell()


def test_what_was_written_is_read() -> None:
    contents = read(WHOLE)
    assert contents.head == HEAD
    assert (contents.tail.rows, contents.tail.ends, contents.tail.keys) == ({"patient": 400}, ENDS, (KEY,))


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_sec_06_one_changed_byte_anywhere_is_noticed(place: int, change: int) -> None:
    data = bytearray(WHOLE)
    data[place] ^= change
    with pytest.raises(DamagedError):
        read(bytes(data))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(WHOLE) - 1))
def test_sec_06_a_file_that_was_cut_off_anywhere_is_noticed(length: int) -> None:
    with pytest.raises(DamagedError):
        read(WHOLE[:length])


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=1, max_size=2000))
def test_sec_06_bytes_behind_the_end_are_noticed(more: bytes) -> None:
    with pytest.raises(DamagedError):
        read(WHOLE + more)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000))
def test_any_other_file_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedError):
        read(data)
    with pytest.raises(DamagedError):
        read(sealed_file.FORMAT + data)


def test_sec_06_parts_in_another_order_missing_or_doubled_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_file, "PIECE", 500)
    data = written(Keys((KEY,)))
    start = length_of_head(data)
    part = 500 + 16
    one, two, rest = data[start : start + part], data[start + part : start + 2 * part], data[start + 2 * part :]
    assert len(rest) > part
    assert read(data).tail.rows == {"patient": 400}
    for other in (two + one + rest, one + rest, one + one + two + rest, one + two):
        with pytest.raises(DamagedError):
            read(data[:start] + other)


def test_an_end_that_is_missing_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_file, "PIECE", 500)
    data = written(Keys((KEY,)))
    start = length_of_head(data)
    with pytest.raises(DamagedError, match=r"its end is missing"):
        read(data[: start + 3 * 516])


def test_sec_04_only_the_right_key_or_pass_phrase_opens_it() -> None:
    data = written(Keys((KEY,), PHRASE))
    assert read(data, Keys(("another", KEY))).tail.rows == {"patient": 400}
    assert read(data, Keys((), PHRASE)).tail.rows == {"patient": 400}
    with pytest.raises(WrongKeyError, match=r"opened by secret.key of the installation .* or by its pass phrase"):
        read(data, Keys(("another",), "a phrase of somebody else"))
    with pytest.raises(WrongKeyError, match="The key here is none"):
        read(data, Keys())


def test_sec_04_a_file_without_a_pass_phrase_is_not_opened_by_one() -> None:
    with pytest.raises(WrongKeyError):
        read(WHOLE, Keys((), PHRASE))


def test_sec_04_nothing_of_the_rows_or_the_key_stands_in_the_file() -> None:
    data = written(Keys((KEY,), PHRASE), [b"1\tMargaret Example\n"] * 3)
    assert not any(word in data for word in (b"Margaret", KEY.encode(), PHRASE.encode(), b"patient"))


def test_a_table_that_was_announced_and_is_not_there_is_named() -> None:
    schema = HEAD.schema | {"recall": (Column("id", "bigint", True),)}
    head = Head(HEAD.release, HEAD.postgres, HEAD.made_at, HEAD.migrations, schema, HEAD.practices, ())
    with pytest.raises(DamagedError, match="the table recall is missing from it"):
        read(written(Keys((KEY,)), head=head))


def test_large_rows_are_read_in_blocks_of_bounded_size() -> None:
    data = written(Keys((KEY,)), [b"0" * 3_000_000 + b"\n"] * 8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.backup"
        path.write_bytes(data)
        with path.open("rb") as file:
            sizes = [len(block) for block in sealed_file.opened(file, Keys((KEY,)))]
    assert sum(sizes) > 24_000_000
    assert max(sizes) <= sealed_file.PIECE
