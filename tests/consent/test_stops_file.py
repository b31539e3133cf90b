"""The file of opt-outs beside the database follows the ledger, whatever happens to either (I5)."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it

from __future__ import annotations

import json
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from recare.consent import grant, points, revoke, stops_file
from recare.practices.practice import Practice


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECARE_STOPS_DIR", str(tmp_path / "stops"))
    return tmp_path / "stops"


def a_point(practice: Practice, now: datetime) -> int:
    address = ("email", f"{uuid.uuid4().hex}@example.com")
    return points.ensure(practice.id, [address], now)[address]


def say_no(practice: Practice, now: datetime, count: int = 1) -> None:
    for _ in range(count):
        revoke.revoke(practice.id, a_point(practice, now), ("email",), "one_click", "patient", "", "link", now)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]


def test_I5_each_no_is_written_once_and_no_yes_ever(practice: Practice, now: datetime, folder: Path) -> None:
    point = a_point(practice, now)
    grant.grant(practice.id, point, "email", 2, grant.Evidence("paper", "scan:1"), now)
    say_no(practice, now, 2)
    assert (stops_file.write_batch(practice.id, now), stops_file.write_batch(practice.id, now)) == (2, 0)
    say_no(practice, now)
    assert (stops_file.write_batch(practice.id, now), stops_file.write_batch(practice.id, now)) == (1, 0)
    assert {line["type"] for line in lines(folder)} == {"revoked"}
    assert len(stops_file.read(practice)) == 3


def test_I5_a_line_that_a_kill_cut_in_two_is_written_again(practice: Practice, now: datetime, folder: Path) -> None:
    say_no(practice, now, 3)
    stops_file.write_batch(practice.id, now)
    (file,) = folder.glob("*.jsonl")
    file.write_bytes(file.read_bytes()[:-20])
    assert len(stops_file.read(practice)) == 2
    assert stops_file.write_batch(practice.id, now) == 1
    assert len(lines(folder)) == 3


def test_I5_a_file_that_was_removed_is_made_anew(practice: Practice, now: datetime, folder: Path) -> None:
    say_no(practice, now, 3)
    stops_file.write_batch(practice.id, now)
    next(folder.glob("*.jsonl")).unlink()
    assert stops_file.write_batch(practice.id, now) == 3


def test_I5_after_a_restore_the_file_keeps_what_the_ledger_has_lost(
    practice: Practice, now: datetime, folder: Path
) -> None:
    say_no(practice, now, 2)
    stops_file.write_batch(practice.id, now)
    (file,) = folder.glob("*.jsonl")
    newer = lines(folder)[-1] | {"seq": 99, "event_id": str(uuid.uuid4())}  # the restored ledger does not know it
    file.write_text(f"{file.read_text()}{json.dumps(newer)}\n")
    say_no(practice, now)
    assert stops_file.write_batch(practice.id, now) == 3
    assert {str(no.event_id) for no in stops_file.read(practice)} >= {newer["event_id"]}
    assert stops_file.write_batch(practice.id, now) == 0


def test_lines_that_cannot_be_read_do_not_keep_the_others_from_counting(
    practice: Practice, now: datetime, folder: Path
) -> None:
    say_no(practice, now, 2)
    stops_file.write_batch(practice.id, now)
    (file,) = folder.glob("*.jsonl")
    file.write_bytes(b"\xff\x00noise\n[1, 2]\n{}\n" + file.read_bytes())
    assert len(stops_file.read(practice)) == 2


def test_hashes_of_another_salt_match_no_address(practice: Practice, now: datetime, folder: Path) -> None:
    say_no(practice, now)
    stops_file.write_batch(practice.id, now)
    (file,) = folder.glob("*.jsonl")
    file.write_text(json.dumps(lines(folder)[0] | {"salt": "of another"}) + "\n")
    assert [no.address_hash for no in stops_file.read(practice)] == [b""]


def test_a_folder_that_cannot_be_written_stops_no_other_work(
    practice: Practice, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_no(practice, now)
    (tmp_path / "file").touch()
    monkeypatch.setenv("RECARE_STOPS_DIR", str(tmp_path / "file" / "stops"))
    assert stops_file.write_batch(practice.id, now) == 0
    assert "Not a directory" in str(stops_file.problem())
