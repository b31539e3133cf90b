"""Marks of changed patients: consumed with the facts, and none is ever lost to a race."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from recare.base import db
from recare.patients import changes
from recare.segments import facts
from tests.conftest import NOW, new_practice
from tests.factories import insert, make_patient

if TYPE_CHECKING:
    from recare.practices.practice import Practice


def marks(practice_id: int) -> list[int]:
    return db.values("SELECT patient_id FROM patient_change WHERE practice_id = %(p)s ORDER BY 1", p=practice_id)


def size(practice_id: int, patient: int) -> int:
    return int(
        db.value(
            "SELECT household_size FROM patient_facts WHERE practice_id = %(p)s AND patient_id = %(id)s",
            p=practice_id,
            id=patient,
        )
    )


def test_a_limit_leaves_the_rest_for_the_next_time(practice: Practice) -> None:
    patients = [make_patient(practice.id) for _ in range(5)]
    changes.mark(practice.id, patients)
    assert [facts.refresh(practice.id, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert db.value("SELECT count(*) FROM patient_facts WHERE practice_id = %(p)s", p=practice.id) == 5


def test_people_of_the_old_and_the_new_household_are_counted_again(practice: Practice) -> None:
    first, second = (insert("household", practice_id=practice.id, key=key) for key in "ab")
    mover, left, joined = (make_patient(practice.id, household_id=home) for home in (first, first, second))
    facts.rebuild([practice.id])
    assert size(practice.id, left) == 2
    db.run(
        "UPDATE patient SET household_id = %(home)s WHERE practice_id = %(p)s AND id = %(id)s",
        home=second,
        p=practice.id,
        id=mover,
    )
    changes.mark(practice.id, [mover])
    assert facts.refresh(practice.id) == 1
    assert (size(practice.id, left), size(practice.id, joined)) == (1, 2)


def test_a_refresh_of_few_looks_few_up_also_where_the_statistics_know_of_nobody(practice: Practice) -> None:
    db.run(
        "WITH home AS (INSERT INTO household (practice_id, key) SELECT %(p)s, g FROM generate_series(1, 400) g RETURNING id) "
        "INSERT INTO patient (practice_id, source, source_key, household_id, last_name, status) SELECT %(p)s, 'test', id || '-' || k, id, 'Example', 'active' "
        "FROM home, generate_series(1, 2) k",
        p=practice.id,
    )
    db.analyze("patient", "patient_facts")  # the second still empty, as at a first import
    facts.rebuild([practice.id])
    looked_up = "SELECT idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'patient'"
    changes.mark(practice.id, db.values("SELECT min(id) FROM patient GROUP BY household_id LIMIT 20"))
    before = db.value(looked_up)
    assert facts.refresh(practice.id) == 20
    assert db.value(looked_up) - before < 400


def test_a_refresh_that_fails_keeps_its_marks(practice: Practice) -> None:
    patient = make_patient(practice.id)
    changes.mark(practice.id, [patient])
    with suppress(RuntimeError), db.scope(practice.id):
        facts.refresh(practice.id)
        raise RuntimeError
    assert marks(practice.id) == [patient]


def test_a_batch_leaves_no_mark_however_many_there_are_and_then_finds_nothing(committed_practice: Practice) -> None:
    with db.scope(committed_practice.id):
        changes.mark(committed_practice.id, [make_patient(committed_practice.id) for _ in range(5)])
    assert [facts.refresh_batch(committed_practice.id, NOW, limit=2) for _ in range(2)] == [5, 0]


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize("marked_before", [True, False])
def test_a_change_that_commits_after_its_mark_was_consumed_is_not_lost(marked_before: bool) -> None:  # noqa: FBT001
    """A writer changes and marks, a refresh runs, the writer commits: the mark must be there afterwards."""
    practice = new_practice()
    with db.scope(practice.id):
        patient = make_patient(practice.id)
        if marked_before:
            changes.mark(practice.id, [patient])
    changed, looked = threading.Event(), threading.Event()

    def write() -> None:
        with db.scope(practice.id):
            db.run(
                "UPDATE patient SET zip = '60601' WHERE practice_id = %(p)s AND id = %(id)s", p=practice.id, id=patient
            )
            changes.mark(practice.id, [patient])
            changed.set()
            looked.wait(10)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert changed.wait(10)
    with db.scope(practice.id):
        assert facts.refresh(practice.id) == 0  # the mark belongs to somebody who has not finished
    looked.set()
    writer.join(10)
    with db.scope(practice.id):
        assert marks(practice.id) == [patient]
        facts.refresh(practice.id)
        assert (
            db.value(
                "SELECT zip FROM patient_facts WHERE practice_id = %(p)s AND patient_id = %(id)s",
                p=practice.id,
                id=patient,
            )
            == "60601"
        )


@pytest.mark.usefixtures("committed")
def test_a_mark_that_arrives_while_facts_are_computed_waits_and_stays() -> None:
    practice = new_practice()
    with db.scope(practice.id):
        patient = make_patient(practice.id)
        changes.mark(practice.id, [patient])
    done = threading.Event()

    def write() -> None:
        with db.scope(practice.id):
            changes.mark(practice.id, [patient])
        done.set()
        connection.close()

    writer = threading.Thread(target=write)
    with db.scope(practice.id):
        assert facts.refresh(practice.id) == 1
        writer.start()
        assert not done.wait(0.3)
    writer.join(10)
    with db.scope(practice.id):
        assert marks(practice.id) == [patient]


@pytest.mark.usefixtures("committed")
def test_who_has_looked_at_an_older_chart_does_not_write_over_newer_facts() -> None:
    """Two workers compute one patient, the second from a newer chart; it waits for the first, and the newer facts stay."""
    practice = new_practice()
    with db.scope(practice.id):
        patient = make_patient(practice.id, zip="60540")
    done = threading.Event()

    def second() -> None:
        with db.scope(practice.id):
            db.run(
                "UPDATE patient SET zip = '60601' WHERE practice_id = %(p)s AND id = %(id)s", p=practice.id, id=patient
            )
            changes.mark(practice.id, [patient])
        facts.refresh_batch(practice.id, NOW)
        done.set()
        connection.close()

    worker = threading.Thread(target=second)
    with db.scope(practice.id):
        facts.rebuild([practice.id])
        worker.start()
        assert not done.wait(0.3)
    worker.join(10)
    with db.scope(practice.id):
        assert facts.read(practice.id, [patient], NOW.date())[patient].zip == "60601"
