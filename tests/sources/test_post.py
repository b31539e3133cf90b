"""A chart's address becomes a place that letters go to: one for all who live there, ended when they move."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from recare.base import db
from recare.consent import revoke
from recare.sources.csv import importer

if TYPE_CHECKING:
    from pathlib import Path

    from recare.practices.practice import Practice

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)


def bring(folder: Path, practice: Practice, *rows: tuple[str, str, str], at: datetime = NOW) -> None:
    """Import patients as (number, street, ZIP)."""
    folder.mkdir(exist_ok=True)
    with (folder / "patients.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["PatNum", "LName", "FName", "Birthdate", "Address", "City", "State", "Zip"])
        writer.writerows(
            [key, "Example", "Ada", "5/17/1980", street, "Naperville", "IL", zip_] for key, street, zip_ in rows
        )
    importer.write([folder], practice, at, "test")


def places(practice: Practice) -> dict[str, list[int]]:
    """Where letters go, by patient."""
    with db.scope(practice.id):
        found = db.tuples(
            "SELECT p.source_key, array_agg(t.id) FROM patient p JOIN patient_contact c ON c.practice_id = p.practice_id AND c.patient_id = p.id "
            "JOIN contact_point t ON t.practice_id = c.practice_id AND t.id = c.contact_point_id "
            "WHERE p.practice_id = %(p)s AND t.kind = 'post' AND c.ended_at IS NULL GROUP BY 1",
            p=practice.id,
        )  # fmt: skip
    return dict(found)


def test_whoever_lives_at_one_address_shares_it_however_it_is_typed(
    committed_practice: Practice, tmp_path: Path
) -> None:
    bring(
        tmp_path, committed_practice, ("1", "12 Oak St., Apt #4", "60540"), ("2", "12 OAK ST  Apt 4", "60540-1234"),
        ("3", "12 Oak St Apt 5", "60540"), ("4", "", "60540"),
    )  # fmt: skip
    found = places(committed_practice)
    assert found["1"] == found["2"] != found["3"]
    assert "4" not in found


def test_a_move_ends_the_old_address_and_a_second_import_changes_nothing(
    committed_practice: Practice, tmp_path: Path
) -> None:
    bring(tmp_path, committed_practice, ("1", "12 Oak St", "60540"))
    before = places(committed_practice)
    bring(tmp_path, committed_practice, ("1", "12 Oak St", "60540"), at=NOW + timedelta(days=1))
    assert places(committed_practice) == before
    bring(tmp_path, committed_practice, ("1", "7 Elm St", "60540"), at=NOW + timedelta(days=2))
    after = places(committed_practice)
    assert len(after["1"]) == 1
    assert after != before


def test_an_address_from_which_a_letter_came_back_does_not_return_by_import(
    committed_practice: Practice, tmp_path: Path
) -> None:
    bring(tmp_path, committed_practice, ("1", "12 Oak St", "60540"))
    [point] = places(committed_practice)["1"]
    with db.scope(committed_practice.id):
        revoke.wrong_number(committed_practice.id, point, "front_desk", "olga", "", NOW)
    bring(
        tmp_path,
        committed_practice,
        ("1", "12 Oak St", "60540"),
        ("2", "12 Oak St", "60540"),
        at=NOW + timedelta(days=1),
    )
    with db.scope(committed_practice.id):
        assert db.value("SELECT wrong_number_at FROM contact_point WHERE id = %(i)s", i=point) is not None
