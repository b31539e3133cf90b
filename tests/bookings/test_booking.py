from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from recare.base import db
from recare.bookings import book, booking, chart, openings
from recare.bookings.booking import AlreadyBooked, Booking, Gone, Taken
from recare.practices.practice import Practice
from tests.bookings.clinic import NOW, Clinic, make_clinic
from tests.factories import insert, make_patient, make_visit

LATER = NOW + timedelta(minutes=11)


def states(clinic: Clinic) -> list[str]:
    return db.values(
        "SELECT state FROM booking WHERE practice_id = %(practice)s ORDER BY id", practice=clinic.practice.id
    )


def booked(clinic: Clinic, patient: int, which: int = 0, via: Any = "link") -> Booking:
    held = book.hold(clinic.practice.id, patient, clinic.openings()[which], via, NOW)
    return book.confirm(clinic.practice.id, held.id, NOW)


def open_tasks(clinic: Clinic) -> list[str]:
    return db.values(
        "SELECT kind FROM task WHERE practice_id = %(practice)s AND done_at IS NULL ORDER BY id",
        practice=clinic.practice.id,
    )


def next_visit(clinic: Clinic, patient: int) -> datetime | None:
    found: datetime | None = db.value(
        "SELECT min(starts_at) FROM appointment WHERE practice_id = %(practice)s AND patient_id = %(patient)s "
        "AND status = 'scheduled' AND deleted_at IS NULL",
        practice=clinic.practice.id, patient=patient,
    )  # fmt: skip
    return found


def test_what_is_held_vanishes_from_the_openings_with_all_it_overlaps(clinic: Clinic) -> None:
    first = clinic.openings()[0]
    book.hold(clinic.practice.id, make_patient(clinic.practice.id), first, "link", NOW)
    assert not [o for o in clinic.openings() if o.starts_at < first.ends_at and o.ends_at > first.starts_at]


def test_a_hold_that_has_run_out_frees_the_chair_even_before_anybody_sweeps(clinic: Clinic) -> None:
    first = clinic.openings()[5]
    book.hold(clinic.practice.id, make_patient(clinic.practice.id), first, "link", NOW)
    with pytest.raises(Taken):
        book.hold(clinic.practice.id, make_patient(clinic.practice.id), first, "link", NOW)
    assert first in clinic.openings(LATER)
    book.hold(clinic.practice.id, make_patient(clinic.practice.id), first, "link", LATER)
    assert states(clinic) == ["expired", "held"]


def test_whose_time_is_gone_is_shown_the_three_nearest(clinic: Clinic) -> None:
    free = clinic.openings()
    booked(clinic, make_patient(clinic.practice.id), 3)
    with pytest.raises(Taken):
        book.hold(clinic.practice.id, make_patient(clinic.practice.id), free[3], "link", NOW)
    assert set(openings.nearest(clinic.practice, free[3], NOW)) == {free[0], free[1], free[2]}


def test_a_booking_is_seen_by_every_gate_and_asks_the_front_desk_to_enter_it(clinic: Clinic) -> None:
    patient = make_patient(clinic.practice.id)
    made = booked(clinic, patient)
    assert (made.state, next_visit(clinic, patient)) == ("booked", made.starts_at)
    assert open_tasks(clinic) == ["enter_booking"]
    assert db.value(
        "SELECT true FROM patient_change WHERE practice_id = %(p)s AND patient_id = %(i)s",
        p=clinic.practice.id,
        i=patient,
    )
    assert book.confirm(clinic.practice.id, made.id, LATER) == made
    assert open_tasks(clinic) == ["enter_booking"]


def test_a_hold_that_ran_out_while_the_patient_was_reading_is_taken_anew_when_the_time_is_still_free(
    clinic: Clinic,
) -> None:
    held = book.hold(clinic.practice.id, make_patient(clinic.practice.id), clinic.openings()[0], "link", NOW)
    db.run("UPDATE booking SET state = 'expired' WHERE practice_id = %(p)s", p=clinic.practice.id)
    assert book.confirm(clinic.practice.id, held.id, LATER).state == "booked"


def test_a_hold_that_ran_out_and_was_taken_by_somebody_else_is_not_confirmed(clinic: Clinic) -> None:
    first = clinic.openings()[0]
    mine = book.hold(clinic.practice.id, make_patient(clinic.practice.id), first, "link", NOW)
    book.hold(clinic.practice.id, make_patient(clinic.practice.id), first, "link", LATER)
    with pytest.raises(Taken):
        book.confirm(clinic.practice.id, mine.id, LATER)


def test_a_visit_that_appeared_in_the_office_meanwhile_wins_over_a_hold(clinic: Clinic) -> None:
    first = clinic.openings()[0]
    held = book.hold(clinic.practice.id, make_patient(clinic.practice.id), first, "link", NOW)
    other = make_patient(clinic.practice.id)
    make_visit(clinic.practice.id, other, 0, "scheduled", operatory_id=clinic.hygiene_chair)
    db.run(
        "UPDATE appointment SET starts_at = %(at)s WHERE patient_id = %(patient)s", at=first.starts_at, patient=other
    )
    with pytest.raises(Taken):
        book.confirm(clinic.practice.id, held.id, NOW)
    assert states(clinic) == ["expired"]


def test_a_patient_is_never_in_two_places(clinic: Clinic) -> None:
    patient, free = make_patient(clinic.practice.id), clinic.openings()
    booked(clinic, patient, via="staff")
    doctors = openings.find(clinic.practice, free[0].starts_at.date(), 1, 30, NOW, hygiene=False)
    same_time = next(o for o in doctors if o.starts_at < free[0].ends_at and o.ends_at > free[0].starts_at)
    with pytest.raises(Taken):
        book.hold(clinic.practice.id, patient, same_time, "staff", NOW)


def test_by_link_a_patient_books_one_visit_and_is_led_to_it_afterwards(clinic: Clinic) -> None:
    patient = make_patient(clinic.practice.id)
    first_tab = book.hold(clinic.practice.id, patient, clinic.openings()[0], "link", NOW)
    made = book.confirm(clinic.practice.id, first_tab.id, NOW)
    with pytest.raises(AlreadyBooked) as told:
        book.hold(clinic.practice.id, patient, clinic.openings()[5], "link", NOW)
    assert told.value.booking == made


def test_moving_swaps_one_visit_for_another(clinic: Clinic) -> None:
    patient = make_patient(clinic.practice.id)
    old = booked(clinic, patient)
    new = book.move(clinic.practice.id, old.id, clinic.openings()[4], NOW)
    assert states(clinic) == ["moved", "booked"]
    assert (new.calendar_uid, new.sequence) == (old.calendar_uid, 1)
    assert next_visit(clinic, patient) == new.starts_at
    assert old.opening in clinic.openings()
    assert open_tasks(clinic) == ["enter_booking"]
    with pytest.raises(Gone):
        book.move(clinic.practice.id, old.id, clinic.openings()[6], NOW)


def test_moving_by_ten_minutes_into_ones_own_time_works(clinic: Clinic) -> None:
    old = booked(clinic, make_patient(clinic.practice.id), 1)
    shifted = type(old.opening)(
        old.operatory_id, old.provider_id, old.starts_at + timedelta(minutes=10), old.ends_at + timedelta(minutes=10)
    )
    assert book.move(clinic.practice.id, old.id, shifted, NOW).starts_at == shifted.starts_at


def test_moving_to_a_time_that_is_gone_leaves_the_visit_where_it_was(clinic: Clinic) -> None:
    free = clinic.openings()
    mine = booked(clinic, make_patient(clinic.practice.id), 0)
    booked(clinic, make_patient(clinic.practice.id), 0)
    with pytest.raises(Taken):
        book.move(clinic.practice.id, mine.id, free[1], NOW)
    assert booking.get(clinic.practice.id, mine.id).state == "booked"
    assert states(clinic) == ["booked", "booked"]


def test_cancelling_frees_the_chair_and_takes_the_request_off_the_front_desk(clinic: Clinic) -> None:
    patient = make_patient(clinic.practice.id)
    made = booked(clinic, patient)
    assert book.cancel(clinic.practice.id, made.id, NOW).state == "cancelled"
    assert made.opening in clinic.openings()
    assert next_visit(clinic, patient) is None
    assert open_tasks(clinic) == []
    assert book.cancel(clinic.practice.id, made.id, NOW).state == "cancelled"


@pytest.mark.parametrize("minutes_off", [-15, 0, 15])
def test_a_visit_the_office_has_entered_takes_over_from_ours(clinic: Clinic, minutes_off: int) -> None:
    patient = make_patient(clinic.practice.id)
    made = booked(clinic, patient)
    theirs = make_visit(clinic.practice.id, patient, 0, "scheduled", operatory_id=clinic.hygiene_chair)
    at = made.starts_at + timedelta(minutes=minutes_off)
    db.run("UPDATE appointment SET starts_at = %(at)s WHERE id = %(id)s", at=at, id=theirs)
    _in_scope_of_batch(clinic)
    assert booking.get(clinic.practice.id, made.id).appointment_id == theirs
    assert next_visit(clinic, patient) == at
    assert open_tasks(clinic) == []
    book.cancel(clinic.practice.id, made.id, NOW)
    assert open_tasks(clinic) == ["booking_cancelled"]


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("status = 'cancelled'", "cancelled"),
        ("deleted_at = starts_at", "cancelled"),
        ("starts_at = starts_at + interval '1 day'", "moved"),
    ],
)
def test_what_the_office_changes_in_its_own_system_is_what_counts(clinic: Clinic, change: str, state: str) -> None:
    patient = make_patient(clinic.practice.id)
    made = booked(clinic, patient)
    theirs = make_visit(clinic.practice.id, patient, 0, "scheduled", operatory_id=clinic.hygiene_chair)
    db.run("UPDATE appointment SET starts_at = %(at)s WHERE id = %(id)s", at=made.starts_at, id=theirs)
    _in_scope_of_batch(clinic)
    db.run(f"UPDATE appointment SET {change} WHERE id = %(id)s", id=theirs)
    _in_scope_of_batch(clinic)
    assert states(clinic) == [state]


def _in_scope_of_batch(clinic: Clinic) -> None:
    chart.match_batch(clinic.practice.id, NOW)


@pytest.mark.parametrize("status", ["broken", "note"])
def test_a_broken_visit_that_still_holds_its_chair_blocks_it(clinic: Clinic, status: str) -> None:
    first = clinic.openings()[0]
    visit = make_visit(
        clinic.practice.id, make_patient(clinic.practice.id), 0, status, operatory_id=clinic.hygiene_chair
    )
    db.run("UPDATE appointment SET starts_at = %(at)s WHERE id = %(id)s", at=first.starts_at, id=visit)
    assert first not in clinic.openings()
    with pytest.raises(Taken):
        book.hold(clinic.practice.id, make_patient(clinic.practice.id), first, "link", NOW)


def test_closures_holidays_and_weekends_offer_nothing(clinic: Clinic) -> None:
    insert("closure", practice_id=clinic.practice.id, day=date(2027, 1, 14))
    days = {opening.starts_at.astimezone(clinic.practice.zone).day for opening in clinic.openings(days=9)}
    assert days == {12, 13, 15, 19, 20}  # 14 closed, 16 and 17 a weekend, 18 Martin Luther King's day


def test_twenty_patients_at_the_same_instant_make_one_booking(committed_practice: Practice) -> None:
    clinic = make_clinic(committed_practice)
    with db.scope(clinic.practice.id):
        patients = [make_patient(clinic.practice.id) for _ in range(20)]
        opening = clinic.openings()[0]
    start, lock = threading.Barrier(20), threading.Lock()
    outcomes: list[str] = []

    def race(patient: int) -> None:
        outcome = "?"
        try:
            start.wait()
            with db.scope(clinic.practice.id):
                held = book.hold(clinic.practice.id, patient, opening, "link", NOW)
            with db.scope(clinic.practice.id):
                outcome = book.confirm(clinic.practice.id, held.id, NOW).state
        except Taken:
            outcome = "taken"
        except Exception as error:  # noqa: BLE001 (a deadlock must fail the test, not the thread)
            outcome = repr(error)
        finally:
            connection.close()
            with lock:
                outcomes.append(outcome)

    threads = [threading.Thread(target=race, args=(patient,)) for patient in patients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["booked"] + ["taken"] * 19
    with db.scope(clinic.practice.id):
        assert states(clinic) == ["booked"]


def test_two_tabs_of_one_patient_make_one_booking(committed_practice: Practice) -> None:
    clinic = make_clinic(committed_practice)
    with db.scope(clinic.practice.id):
        patient = make_patient(clinic.practice.id)
        free = clinic.openings()
        made = booked(clinic, patient)
    start = threading.Barrier(2)
    moved: list[str] = []

    def move(which: int) -> None:
        try:
            start.wait()
            with db.scope(clinic.practice.id):
                book.move(clinic.practice.id, made.id, free[which], NOW)
            moved.append("moved")
        except Gone:
            moved.append("gone")
        finally:
            connection.close()

    threads = [threading.Thread(target=move, args=(which,)) for which in (4, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(moved) == ["gone", "moved"]
    with db.scope(clinic.practice.id):
        assert sorted(states(clinic)) == ["booked", "moved"]
