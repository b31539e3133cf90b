"""Facts of random charts equal those of a slow oracle, whichever way they were computed, and whatever the day."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from recare.base import db
from recare.patients import changes
from recare.segments import facts
from recare.segments.facts import CARE, COLUMNS
from tests.conftest import new_practice
from tests.segments.charts import facts_by_hand, make_chart, some_day

if TYPE_CHECKING:
    from recare.practices.practice import Practice

TIMES = "xmin::text, ctid::text"


def stored(practice_id: int) -> dict[int, dict[str, Any]]:
    rows = db.tuples(f"SELECT {', '.join(COLUMNS)} FROM patient_facts WHERE practice_id = %(p)s", p=practice_id)
    return {row[1]: dict(zip(COLUMNS, row, strict=True)) for row in rows}


def versions(practice_id: int) -> dict[int, tuple[str, ...]]:
    rows = db.tuples(f"SELECT patient_id, {TIMES} FROM patient_facts WHERE practice_id = %(p)s", p=practice_id)
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("seed", range(12))
def test_facts_of_random_charts_equal_the_oracle(practice: Practice, seed: int) -> None:
    rng = random.Random(seed)
    make_chart(practice.id, rng, practice.zone)
    facts.rebuild([practice.id])
    found, wanted = stored(practice.id), facts_by_hand(practice.id, practice.zone)
    assert found.keys() == wanted.keys()
    for patient, columns in wanted.items():
        columns["care"] = sum(CARE[kind] for kind in columns["care"])
        assert {name: found[patient][name] for name in columns} == columns


def shake(practice_id: int, rng: random.Random, patients: list[int]) -> list[int]:
    """Change something about a few patients and return whom."""
    moved = rng.sample(patients, 6)
    homes = db.values("SELECT id FROM household WHERE practice_id = %(p)s", p=practice_id)
    for patient in moved:
        change = rng.choice((
            "UPDATE patient SET household_id = %(home)s, status = 'deceased' WHERE practice_id = %(p)s AND id = %(patient)s",
            "UPDATE patient SET household_id = %(home)s WHERE practice_id = %(p)s AND id = %(patient)s",
            "DELETE FROM procedure WHERE practice_id = %(p)s AND patient_id = %(patient)s",
            "UPDATE appointment SET status = 'completed', starts_at = %(day)s WHERE practice_id = %(p)s AND patient_id = %(patient)s",
            "UPDATE recall SET due_on = %(day)s WHERE practice_id = %(p)s AND patient_id = %(patient)s",
        ))  # fmt: skip
        db.run(
            change.replace("%(p)s", "%(p)s::bigint"), p=practice_id, patient=patient, home=rng.choice(homes), day=some_day(rng),
        )  # fmt: skip
    return moved


@pytest.mark.parametrize("seed", range(4))
def test_a_refresh_of_what_changed_equals_a_full_rebuild(practice: Practice, seed: int) -> None:
    rng = random.Random(100 + seed)
    patients = make_chart(practice.id, rng, practice.zone)
    facts.rebuild([practice.id])
    for _ in range(3):
        changes.mark(practice.id, shake(practice.id, rng, patients))
        while facts.refresh(practice.id, limit=4):
            pass
        refreshed = stored(practice.id)
        assert facts.rebuild([practice.id]) == 0
        assert stored(practice.id) == refreshed
    assert db.value("SELECT count(*) FROM patient_change WHERE practice_id = %(p)s", p=practice.id) == 0


def test_nothing_that_is_the_same_is_written_again(practice: Practice) -> None:
    rng = random.Random(7)
    patients = make_chart(practice.id, rng, practice.zone, people=12)
    assert facts.rebuild([practice.id]) == 12
    before = versions(practice.id)
    assert facts.rebuild([practice.id]) == 0
    changes.mark(practice.id, patients)
    assert facts.refresh(practice.id) == 12
    assert versions(practice.id) == before


def test_a_day_passing_changes_no_row_and_only_how_it_reads(practice: Practice) -> None:
    rng = random.Random(8)
    patients = make_chart(practice.id, rng, practice.zone)
    facts.rebuild([practice.id])
    before = versions(practice.id)
    readings = []
    for days in (0, 1, 400):
        readings.append(facts.read(practice.id, patients, date(2026, 6, 1) + timedelta(days=days)))
        assert facts.rebuild([practice.id]) == 0
    assert versions(practice.id) == before
    assert readings[0] != readings[2]


@pytest.mark.django_db
def test_two_practices_never_mix() -> None:
    first, second = new_practice(), new_practice()
    rng = random.Random(9)
    with db.scope([first.id, second.id]):
        make_chart(first.id, rng, first.zone, people=15)
        make_chart(second.id, rng, second.zone, people=15)
        facts.rebuild([first.id, second.id])
        together = stored(first.id), stored(second.id)
        assert not {row["household_id"] for row in together[0].values()} & {
            row["household_id"] for row in together[1].values()
        } - {None}
    with db.scope(first.id):
        assert facts.rebuild([first.id, second.id]) == 0
        assert stored(first.id) == together[0]
        assert not stored(second.id)
