"""Caps on a day's online bookings, and a household's trip: all or none, side by side or one after another."""

from __future__ import annotations

import threading
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from time import sleep
from typing import Any

import pytest
from django.db import connection

from recare.base import db
from recare.bookings import book, caps, openings, sets
from recare.bookings.booking import Gone, Taken
from recare.bookings.schedule import Opening
from recare.bookings.visits import Visit
from recare.practices import practice as practices
from recare.practices.practice import Practice
from recare.segments import facts
from tests.bookings.clinic import NOW, Clinic, make_clinic
from tests.factories import insert, make_patient, make_point, make_visit

RECALL = Visit("recall", 60)
CHILD = Visit("child", 40)


def capped(practice: Practice, **booking: int) -> Practice:
    db.run("UPDATE practice SET policy = %(p)s WHERE id = %(id)s", p=db.json({"booking": booking}), id=practice.id)
    return practices.get(practice.id)


def second_chair(clinic: Clinic) -> int:
    names: dict[str, Any] = {"practice_id": clinic.practice.id, "source": "test"}
    other = insert("provider", source_key="H2", name="Kim Lee", kind="hygienist", **names)
    return insert(
        "operatory",
        source_key="3",
        name="Hygiene 2",
        position=3,
        is_hygiene=True,
        bookable=True,
        provider_id=other,
        **names,
    )


def on(clinic: Clinic, found: list[Opening], day: date) -> list[Opening]:
    return [one for one in found if one.starts_at.astimezone(clinic.practice.zone).date() == day]


def test_a_full_day_offers_patients_nothing_and_the_front_desk_everything(clinic: Clinic) -> None:
    practice = capped(clinic.practice, online_per_day=1)
    free = clinic.openings()
    day = free[0].starts_at.astimezone(practice.zone).date()
    book.take(practice.id, make_patient(practice.id), free[0], "link", NOW)
    left = openings.find(practice, day, 7, 60, NOW)
    assert on(clinic, left, day)
    online = caps.within(practice, left, NOW)
    assert not on(clinic, online, day)
    assert online
    with pytest.raises(Taken):
        book.hold(practice.id, make_patient(practice.id), on(clinic, left, day)[0], "link", NOW)
    assert not on(clinic, list(openings.nearest(practice, on(clinic, left, day)[0], NOW, online=True)), day)
    assert book.take(practice.id, make_patient(practice.id), on(clinic, left, day)[0], "staff", NOW).state == "booked"


def test_a_hygiene_chair_has_a_limit_of_its_own(clinic: Clinic) -> None:
    second_chair(clinic)
    practice = capped(clinic.practice, online_per_hygiene_chair=1)
    free = clinic.openings()
    book.take(practice.id, make_patient(practice.id), free[0], "link", NOW)
    day = free[0].starts_at.astimezone(practice.zone).date()
    left = on(clinic, caps.within(practice, openings.find(practice, day, 1, 60, NOW), NOW), day)
    assert {one.operatory_id for one in left} == {one.operatory_id for one in free} - {free[0].operatory_id}


def test_ones_own_hold_and_a_visit_that_is_moved_do_not_stand_in_the_way(clinic: Clinic) -> None:
    practice = capped(clinic.practice, online_per_day=1)
    patient, free = make_patient(practice.id), clinic.openings()
    day = free[0].starts_at.astimezone(practice.zone).date()
    same_day = on(clinic, free, day)
    book.hold(practice.id, patient, same_day[0], "link", NOW)
    assert on(clinic, caps.within(practice, clinic.openings(), NOW, [patient]), day)
    held = book.hold(practice.id, patient, same_day[1], "link", NOW)
    made = book.confirm(practice.id, held.id, NOW)
    assert book.move(practice.id, made.id, same_day[2], NOW).state == "booked"


def test_a_hold_whose_minutes_are_over_gives_its_place_to_whoever_came_meanwhile(clinic: Clinic) -> None:
    practice = capped(clinic.practice, online_per_day=1)
    day = on(clinic, clinic.openings(), clinic.openings()[0].starts_at.astimezone(practice.zone).date())
    slow = book.hold(practice.id, make_patient(practice.id), day[0], "link", NOW)
    later = NOW + timedelta(minutes=11)
    book.take(practice.id, make_patient(practice.id), day[1], "link", later)
    with pytest.raises(Taken):
        book.confirm(practice.id, slow.id, later)


def test_twelve_patients_at_once_never_pass_the_days_limit(committed_practice: Practice) -> None:
    clinic = make_clinic(committed_practice)
    with db.scope(clinic.practice.id):
        capped(clinic.practice, online_per_day=2)
        patients = [make_patient(clinic.practice.id) for _ in range(12)]
        day = clinic.openings()[-1].starts_at.astimezone(clinic.practice.zone).date()
        free = on(clinic, clinic.openings(), day)
    start, outcomes = threading.Barrier(12), list[str]()

    def race(number: int) -> None:
        try:
            start.wait()
            with db.scope(clinic.practice.id):
                book.take(clinic.practice.id, patients[number], free[number % len(free)], "link", NOW)
            outcomes.append("booked")
        except Taken:
            outcomes.append("taken")
        except Exception as error:  # noqa: BLE001 (a deadlock must fail the test, not the thread)
            outcomes.append(repr(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["booked"] * 2 + ["taken"] * 10


def trip(clinic: Clinic, *people: tuple[int, Visit]) -> list[sets.Trip]:
    return sets.trips(clinic.practice, people, NOW.date(), 3, NOW)


def test_with_one_chair_visits_follow_one_another(clinic: Clinic) -> None:
    found = trip(clinic, (1, RECALL), (2, CHILD), (3, CHILD))
    for one in found:
        times = sorted((place.opening.starts_at, place.opening.ends_at) for place in one)
        assert all(end == start for (_, end), (start, _) in pairwise(times))
    assert found


def test_with_two_chairs_they_are_side_by_side(clinic: Clinic) -> None:
    second_chair(clinic)
    first = trip(clinic, (1, RECALL), (2, CHILD))[0]
    assert len({place.opening.starts_at for place in first}) == 1
    assert len({place.opening.operatory_id for place in first}) == 2
    assert len({place.opening.provider_id for place in first}) == 2


def test_no_set_shares_a_chair_or_a_provider_and_none_reaches_into_what_is_taken(clinic: Clinic) -> None:
    second_chair(clinic)
    day = NOW.date() + timedelta(days=1)
    for hour in (9, 11):
        make_visit(
            clinic.practice.id, make_patient(clinic.practice.id), 1, "scheduled", operatory_id=clinic.hygiene_chair,
            provider_id=clinic.hygienist,
        )  # fmt: skip
        db.run(
            "UPDATE appointment SET starts_at = %(at)s WHERE id = (SELECT max(id) FROM appointment)",
            at=datetime.combine(day, time(hour), clinic.practice.zone),
        )
    busy = db.tuples(
        "SELECT starts_at, starts_at + interval '1 hour' FROM appointment WHERE practice_id = %(p)s",
        p=clinic.practice.id,
    )
    found = trip(clinic, (1, RECALL), (2, CHILD), (3, CHILD), (4, RECALL))
    assert found
    for one in found:
        places = [place.opening for place in one]
        for number, a in enumerate(places):
            for b in places[number + 1 :]:
                if a.starts_at < b.ends_at and b.starts_at < a.ends_at:
                    assert a.operatory_id != b.operatory_id
                    assert a.provider_id != b.provider_id
            if a.operatory_id == clinic.hygiene_chair:
                assert not any(start < a.ends_at and end > a.starts_at for start, end in busy)


def test_a_set_keeps_to_the_days_limit(clinic: Clinic) -> None:
    practice = capped(clinic.practice, online_per_day=2)
    assert sets.trips(practice, [(1, CHILD), (2, CHILD)], NOW.date(), 3, NOW)
    assert not sets.trips(practice, [(1, CHILD), (2, CHILD), (3, CHILD)], NOW.date(), 3, NOW)


def states(clinic: Clinic) -> list[str]:
    return db.values("SELECT state FROM booking WHERE practice_id = %(p)s ORDER BY id", p=clinic.practice.id)


def test_all_are_held_and_booked_or_none(clinic: Clinic) -> None:
    family = [make_patient(clinic.practice.id) for _ in range(3)]
    found = trip(clinic, *((each, CHILD) for each in family))[0]
    in_the_way = sorted(found, key=lambda place: place.opening.starts_at)[2].opening
    stranger = book.hold(clinic.practice.id, make_patient(clinic.practice.id), in_the_way, "link", NOW)
    with pytest.raises(Taken):
        sets.hold(clinic.practice, family[0], found, NOW, None)
    assert states(clinic) == ["held"]
    book.cancel(clinic.practice.id, stranger.id, NOW)
    ref = sets.hold(clinic.practice, family[0], found, NOW, None)
    assert states(clinic) == ["cancelled", "held", "held", "held"]
    made = sets.confirm(clinic.practice, family[0], ref, NOW)
    assert {one.patient_id for one in made} == set(family)
    assert [one.state for one in sets.confirm(clinic.practice, family[0], ref, NOW)] == ["booked"] * 3
    with pytest.raises(Gone):
        sets.confirm(clinic.practice, family[1], ref, NOW)  # somebody else's set


def test_a_set_of_which_one_has_run_out_and_gone_is_not_booked_by_half(clinic: Clinic) -> None:
    family = [make_patient(clinic.practice.id) for _ in range(2)]
    found = trip(clinic, *((each, CHILD) for each in family))[0]
    ref = sets.hold(clinic.practice, family[0], found, NOW, None)
    later = NOW + timedelta(minutes=11)
    book.take(clinic.practice.id, make_patient(clinic.practice.id), found[1].opening, "link", later)
    with pytest.raises((Taken, Gone)):
        sets.confirm(clinic.practice, family[0], ref, later)
    assert states(clinic).count("booked") == 1


def test_two_who_ask_for_one_day_while_an_old_hold_is_in_the_way_wait_for_one_another(
    committed_practice: Practice,
) -> None:
    """The day is claimed before any row is taken; the other way round each would wait for what the other has."""
    clinic = make_clinic(committed_practice)
    with db.scope(clinic.practice.id):
        practice = capped(clinic.practice, online_per_day=5)
        first, second, third = clinic.openings()[:3]
        late, early = make_patient(practice.id), make_patient(practice.id)
        book.hold(practice.id, late, first, "link", NOW)
    later, failed = NOW + timedelta(minutes=15), list[Exception]()

    def chooses_anew() -> None:
        try:
            with db.scope(practice.id):
                book.hold(practice.id, late, third, "link", later)
        except Exception as error:  # noqa: BLE001 (a deadlock may hit either of the two)
            failed.append(error)
        connection.close()

    other = threading.Thread(target=chooses_anew)
    with db.scope(practice.id):
        assert caps.claim(practice, second, later, early)
        other.start()
        sleep(0.3)  # until it waits for the day
        book.hold(practice.id, early, first, "link", later)
    other.join()
    assert failed == []


def test_families_that_want_the_same_times_at_once_book_all_or_nothing(committed_practice: Practice) -> None:
    clinic = make_clinic(committed_practice)
    with db.scope(clinic.practice.id):
        second_chair(clinic)
        families = [[make_patient(clinic.practice.id) for _ in range(3)] for _ in range(8)]
        trips = [trip(clinic, *((each, CHILD) for each in family))[:2] for family in families]
    start, outcomes = threading.Barrier(8), list[str]()

    def race(number: int) -> None:
        try:
            start.wait()
            with db.scope(clinic.practice.id):
                ref = sets.hold(clinic.practice, families[number][0], trips[number][number % 2], NOW, None)
            with db.scope(clinic.practice.id):
                sets.confirm(clinic.practice, families[number][0], ref, NOW)
            outcomes.append("booked")
        except Taken:
            outcomes.append("taken")
        except Exception as error:  # noqa: BLE001
            outcomes.append(repr(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {"booked", "taken"}
    assert "booked" in outcomes
    with db.scope(clinic.practice.id):
        sizes = db.values(
            "SELECT count(*) FROM booking WHERE practice_id = %(p)s AND state = 'booked' GROUP BY set_ref",
            p=clinic.practice.id,
        )
    assert sizes == [3] * outcomes.count("booked")


def member(practice: Practice, guarantor: int | None, years: int, **more: Any) -> int:
    born = date(NOW.year - years, 1, 5)
    patient = make_patient(practice.id, birthdate=born, guarantor_id=guarantor, **more)
    make_visit(practice.id, patient, -400)
    return patient


def test_one_books_for_ones_own_children_and_who_shares_the_telephone_and_for_nobody_else(practice: Practice) -> None:
    mother = member(practice, None, 40)
    phone = make_point(practice.id, mother)
    child = member(practice, mother, 9, first_name="Mia")
    partner = member(practice, mother, 41, first_name="Lee")
    insert(
        "patient_contact",
        practice_id=practice.id,
        patient_id=partner,
        contact_point_id=phone,
        label="mobile",
        source="test",
    )
    member(practice, mother, 20, first_name="Grown")  # an adult with a life of their own
    other = member(practice, None, 38)
    member(practice, other, 7, first_name="Neighbour")
    booked = member(practice, mother, 11, first_name="Booked")
    make_visit(practice.id, booked, 5, "scheduled")
    member(practice, mother, 12, first_name="Held", hold="complaint")
    facts.rebuild([practice.id])
    assert [(one.id, one.name) for one in sets.due(practice, mother, NOW)] == [(partner, "Lee"), (child, "Mia")]
    assert sets.due(practice, child, NOW) == []


def test_who_was_here_lately_is_not_due(practice: Practice) -> None:
    mother = member(practice, None, 40)
    child = make_patient(practice.id, birthdate=date(2018, 1, 5), guarantor_id=mother)
    make_visit(practice.id, child, -30)
    facts.rebuild([practice.id])
    assert sets.due(practice, mother, NOW) == []


def test_the_settings_page_sets_and_lifts_the_limits(practice: Practice, as_role: Any) -> None:
    owner = as_role("owner")
    owner.post("/settings/outreach/", {"online_per_day": "6", "online_per_hygiene_chair": "2"})
    assert caps.of(practices.get(practice.id)) == caps.Caps(6, 2)
    assert owner.post("/settings/outreach/", {"online_per_day": "0"}).status_code == 422
    owner.post("/settings/outreach/", {"online_per_day": "", "online_per_hygiene_chair": "2"})
    assert caps.of(practices.get(practice.id)) == caps.Caps(None, 2)
    assert as_role("front_desk").post("/settings/outreach/", {}).status_code == 403
