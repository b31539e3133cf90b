"""Where a patient stands, what people are asked, and who is invited together."""

from __future__ import annotations

from datetime import UTC, date, datetime
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from recare.base import db
from recare.patients import changes, households, status, tasks
from recare.patients.status import Chart, Standing, resolve
from tests.factories import make_patient, make_point

if TYPE_CHECKING:
    from recare.practices.practice import Practice

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("chart", "word"),
    [
        (Chart(1, "active"), ""),
        (Chart(1, "prospective"), ""),
        (Chart(1, "inactive", ever_seen=True), "lapsed"),
        (Chart(1, "inactive"), "unknown"),
        (Chart(1, "archived"), "unknown"),
        (Chart(1, "unknown"), "unknown"),
        (Chart(1, "archived", note_flags=("moved",)), "moved"),
        (Chart(1, "inactive", pms_status="Transferred"), "transferred"),
        (Chart(1, "archived", merged=True), "merged"),
        (Chart(1, "active", note_flags=("dismissed",)), "dismissed"),
        (Chart(1, "active", standing="dismissed", standing_set_by="rules"), "dismissed"),
        (Chart(1, "active", deceased_on=date(2026, 1, 1)), "deceased"),
        (Chart(1, "active", note_flags=("deceased", "dismissed")), "deceased"),
        (Chart(1, "active", billing_class="Zz - Sent to Collections"), "bad_debt"),
        (Chart(1, "active", cannot_schedule=True), "scheduling_restricted"),
        (Chart(1, "active", hold="complaint"), "disputed"),
        (Chart(1, "deleted"), "gone"),
        (Chart(1, "non_patient"), "gone"),
    ],
)
def test_the_gravest_finding_decides(chart: Chart, word: str) -> None:
    assert resolve(chart).word == word


@given(
    st.sampled_from(["active", "inactive", "archived", "unknown", "prospective"]),
    st.sets(st.sampled_from(["moved", "merged", "legal", "custody"])),
)
def test_no_export_ever_lifts_a_dismissal(state: str, flags: set[str]) -> None:
    assert (
        resolve(Chart(1, state, note_flags=tuple(flags), dismissed_on=date(2024, 3, 1), ever_seen=True)).word
        == "dismissed"
    )


def stand(practice: Practice, patient: int) -> tuple[str, str]:
    status.apply(practice.id, "SELECT id FROM patient WHERE practice_id = %(practice)s", NOW)
    return db.tuples("SELECT standing, standing_set_by FROM patient WHERE id = %(id)s", id=patient)[0]


def test_what_nobody_can_tell_is_asked_once(practice: Practice) -> None:
    patient = make_patient(practice.id, status="archived")
    assert stand(practice, patient) == ("unknown", "rules")
    assert stand(practice, patient) == ("unknown", "rules")
    (task,) = tasks.list_open(practice.id, ["standing"])
    assert (task.patient_id, task.detail["why"]) == (patient, "archived, nothing says why")


def test_a_persons_word_stays_but_death_is_always_heard(practice: Practice) -> None:
    patient = make_patient(practice.id, status="archived")
    stand(practice, patient)
    status.set_by_person(practice.id, patient, "lapsed", "amy@mapledental.example.com", NOW)
    assert tasks.count_open(practice.id) == 0
    assert stand(practice, patient) == ("lapsed", "amy@mapledental.example.com")
    db.run("UPDATE patient SET status = 'deceased' WHERE id = %(id)s", id=patient)
    assert stand(practice, patient)[0] == "deceased"


def test_a_persons_word_that_comes_in_between_stays(
    committed_practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = committed_practice
    with db.scope(place.id):
        patient = make_patient(place.id, status="archived")
    resolve = status.resolve

    def meanwhile(chart: Chart) -> Standing:
        def say() -> None:
            with db.scope(place.id):
                status.set_by_person(place.id, patient, "lapsed", "amy", NOW)
            connections.close_all()

        speaking = Thread(target=say)
        speaking.start()
        speaking.join()
        return resolve(chart)

    monkeypatch.setattr(status, "resolve", meanwhile)
    with db.scope(place.id):
        assert stand(place, patient) == ("lapsed", "amy")
        assert tasks.count_open(place.id) == 0


def test_a_change_of_standing_marks_the_patient(practice: Practice) -> None:
    patient, other = (
        make_patient(practice.id, status="inactive", first_visit_on=date(2020, 1, 1)),
        make_patient(practice.id),
    )
    stand(practice, patient)
    assert db.values("SELECT patient_id FROM patient_change") == [patient]
    assert changes.mark(practice.id, [patient, other, other]) == 1


def test_the_same_event_never_makes_two_tasks_and_a_closed_one_stays_closed(practice: Practice) -> None:
    patient = make_patient(practice.id)
    first = tasks.open_task(practice.id, "reply", 3, NOW, once_key="reply:1", patient_id=patient)
    assert first is not None
    assert tasks.open_task(practice.id, "reply", 3, NOW, once_key="reply:1", patient_id=patient) is None
    assert tasks.close_task(practice.id, first, "amy", "answered", NOW)
    assert not tasks.close_task(practice.id, first, "bo", "answered", NOW)
    assert tasks.open_task(practice.id, "reply", 3, NOW, once_key="reply:1") is None


def test_the_most_urgent_task_comes_first(practice: Practice) -> None:
    for kind, urgency in (("whenever", 9), ("angry", 1), ("reply", 4)):
        tasks.open_task(practice.id, kind, urgency, NOW)
    assert [task.kind for task in tasks.list_open(practice.id)] == ["angry", "reply", "whenever"]


def test_a_task_refuses_what_it_does_not_have(practice: Practice) -> None:
    with pytest.raises(TypeError, match="colour"):
        tasks.open_task(practice.id, "reply", 3, NOW, colour="red")


def homes(practice: Practice, *patients: int) -> list[int]:
    households.regroup(practice.id)
    found = dict(db.tuples("SELECT id, household_id FROM patient"))
    return [found[patient] for patient in patients]


def test_a_chain_of_guarantors_and_shared_numbers_is_one_household(practice: Practice) -> None:
    payer = make_patient(practice.id)
    mother = make_patient(practice.id, guarantor_id=payer)
    child, stranger, lodger = make_patient(practice.id), make_patient(practice.id), make_patient(practice.id)
    point = make_point(practice.id, mother)
    held = "INSERT INTO patient_contact (practice_id, patient_id, contact_point_id, label, source) VALUES (%(p)s, %(patient)s, %(point)s, %(label)s, 'test')"
    db.run(held, p=practice.id, patient=child, point=point, label="mobile")
    db.run(held, p=practice.id, patient=lodger, point=point, label="work")
    first, second, third, alone, at_work = homes(practice, payer, mother, child, stranger, lodger)
    assert first == second == third
    assert len({first, alone, at_work}) == 3


def test_a_number_on_many_charts_joins_nobody_and_nothing_moves_twice(practice: Practice) -> None:
    patients = [make_patient(practice.id) for _ in range(households.LARGEST + 1)]
    point = make_point(practice.id, patients[0])
    for patient in patients[1:]:
        db.run(
            "INSERT INTO patient_contact (practice_id, patient_id, contact_point_id, label, source) VALUES (%(p)s, %(patient)s, %(point)s, 'home', 'test')",
            p=practice.id, patient=patient, point=point,
        )  # fmt: skip
    assert len(set(homes(practice, *patients))) == len(patients)
    assert households.regroup(practice.id) == 0
