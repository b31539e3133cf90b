"""As of when appointments are known: an old export must not make anybody look as if they had no visit ahead."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from recare.base import db
from recare.campaigns import material
from recare.sources.csv import importer
from tests.conftest import new_practice

if TYPE_CHECKING:
    from pathlib import Path

    from recare.practices.practice import Practice

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PATIENTS = "PatNum,LName,FName,DOB\n1,Example,Ada,5/17/1980\n"
HEAD = "AptNum,PatNum,AptDateTime,AptStatus,DateTStamp\n"
PAST = "1,1,1/11/2027 9:00 AM,Complete,1/11/2027 10:00 AM\n"
AHEAD = "2,1,3/1/2027 9:00 AM,Scheduled,1/12/2027 8:00 AM\n"


@pytest.fixture
def place(practice: Practice) -> Practice:
    """A practice of real time, beside the test's own."""
    return new_practice(is_rehearsal=False)


def exported(folder: Path, appointments: str, dated: datetime) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "patients.csv").write_text(PATIENTS, encoding="utf-8")
    (folder / "appointments.csv").write_text(appointments, encoding="utf-8")
    os.utime(folder / "appointments.csv", (dated.timestamp(), dated.timestamp()))
    return folder


def as_of(place: Practice) -> list[datetime | None]:
    with db.scope(place.id):
        return db.values("SELECT appointments_as_of FROM sync_run ORDER BY id")


def findings(place: Practice) -> list[str]:
    with db.scope(place.id):
        return db.values("SELECT rule FROM import_issue WHERE resolved_at IS NULL ORDER BY rule")


def test_appointments_are_known_as_of_the_date_of_their_file(place: Practice, tmp_path: Path) -> None:
    folder = exported(tmp_path, HEAD + PAST + AHEAD, NOW - 2 * HOUR)
    assert importer.plan([folder], place, NOW).as_of == NOW - 2 * HOUR
    importer.write([folder], place, NOW, "test")
    assert as_of(place) == [NOW - 2 * HOUR]


def test_a_person_knows_better_and_nobody_knows_the_future(place: Practice, tmp_path: Path) -> None:
    folder = exported(tmp_path, HEAD + PAST + AHEAD, NOW + DAY)
    assert importer.plan([folder], place, NOW).as_of == NOW
    assert importer.plan([folder], place, NOW, as_of=NOW - 5 * HOUR).as_of == NOW - 5 * HOUR
    assert importer.plan([folder], place, NOW, as_of=NOW + DAY).as_of == NOW


def test_a_fresh_copy_of_an_old_export_is_as_old_as_what_it_tells(place: Practice, tmp_path: Path) -> None:
    old = HEAD + "1,1,10/2/2026 9:00 AM,Complete,10/2/2026 10:00 AM\n" + AHEAD.replace("1/12/2027 8", "10/5/2026 8")
    found = importer.plan([exported(tmp_path, old, NOW)], place, NOW)
    assert found.as_of == datetime(2026, 10, 5, 13, 0, tzinfo=UTC)  # 8:00 in Chicago
    assert "newest visit or change" in found.as_of_why


def test_a_title_that_says_when_it_was_printed_is_believed(place: Practice, tmp_path: Path) -> None:
    found = importer.plan(
        [exported(tmp_path, "Appointments\nPrinted: 1/10/2027 4:15 PM\n" + HEAD + PAST + AHEAD, NOW)], place, NOW
    )
    assert (found.as_of, found.as_of_why) == (datetime(2027, 1, 11, 5, 59, tzinfo=UTC), "the day printed in the file")


def test_a_file_that_was_imported_before_does_not_become_fresher(place: Practice, tmp_path: Path) -> None:
    importer.write([exported(tmp_path, HEAD + PAST + AHEAD, NOW - HOUR)], place, NOW, "test")
    importer.write([exported(tmp_path, HEAD + PAST + AHEAD, NOW + DAY)], place, NOW + DAY, "test")
    assert as_of(place) == [NOW - HOUR, NOW - HOUR]


def test_an_export_older_than_the_chart_is_refused_and_says_what_to_do(place: Practice, tmp_path: Path) -> None:
    importer.write([exported(tmp_path, HEAD + PAST + AHEAD, NOW)], place, NOW, "test")
    old = exported(tmp_path / "old", HEAD + PAST, NOW - 9 * DAY)
    said: list[str] = []
    assert importer.run_import([old], place.slug, False, NOW + DAY, said.append) == 1
    assert "are of 3 Jan 2027, 11:00 (the date of the file), but appointments of 12 Jan 2027, 11:00" in said[-1]
    with db.scope(place.id):
        assert db.value("SELECT count(*) FROM appointment WHERE deleted_at IS NULL AND status = 'scheduled'") == 1
    assert (
        importer.run_import(
            [old], place.slug, False, NOW + DAY, said.append, datetime.fromisoformat("2027-01-13T09:00")
        )
        == 0
    )


@pytest.mark.parametrize("rows", [PAST, "", AHEAD.replace("3/1/2027", "13/13/2027")])
def test_a_file_without_a_visit_ahead_proves_nothing_about_visits_ahead(
    place: Practice, tmp_path: Path, rows: str
) -> None:
    importer.write([exported(tmp_path, HEAD + rows, NOW)], place, NOW, "test")
    assert as_of(place) == [None]
    assert {"no_visits_ahead", "no_rows"} & set(findings(place))


def test_a_part_of_the_appointments_proves_nothing_either(place: Practice, tmp_path: Path) -> None:
    many = "".join(f"{n},1,3/{n % 28 + 1}/2027 9:00 AM,Scheduled,\n" for n in range(1, 30))
    importer.write([exported(tmp_path, HEAD + many, NOW)], place, NOW, "test")
    few = "".join(f"{n},1,3/{n % 28 + 1}/2027 9:00 AM,Scheduled,\n" for n in (1, 27))
    importer.write([exported(tmp_path, HEAD + few, NOW + DAY)], place, NOW + DAY, "test")
    assert as_of(place) == [NOW, None]
    assert findings(place) == ["looks_partial"]


def test_patients_alone_say_nothing_about_appointments(place: Practice, tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text(PATIENTS, encoding="utf-8")
    importer.write([tmp_path], place, NOW, "test")
    assert as_of(place) == [None]
    with db.scope(place.id):
        assert material.practice(place.id, NOW).visits_known_at is None
