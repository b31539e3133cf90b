"""D22, PAT-02: nobody with unfinished care ends in silence, and no machine says goodbye."""

from __future__ import annotations

import re
from datetime import date, datetime

import pytest

from recare.base import db
from recare.patients import tasks
from recare.practices.practice import Practice
from tests.conftest import SignIn
from tests.factories import make_patient


@pytest.fixture
def patient(practice: Practice) -> int:
    return make_patient(practice.id, first_name="Ada", last_name="Example")


@pytest.fixture
def task(practice: Practice, patient: int, now: datetime) -> int:
    db.run("UPDATE practice SET clock_at = %(now)s WHERE id = %(p)s", now=now, p=practice.id)
    made = tasks.open_task(practice.id, "closing", 6, now, patient_id=patient, detail={"reason": "no_answer"})
    assert made is not None
    return made


def words(page: str) -> str:
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert found is not None
    return found[1].replace("&#x27;", "'").strip()


def test_PAT_02_a_person_edits_approves_and_prints_the_letter(  # noqa: N802
    practice: Practice, as_role: SignIn, task: int
) -> None:
    desk = as_role("owner")
    letter = words(desk.get(f"/closing/{task}/").content.decode())
    assert letter.startswith("Dear Ada,")
    assert "new dentist" in letter
    assert desk.post(f"/closing/{task}/", {"do": "approve", "body": letter + "\nP.S. We miss you."}).status_code == 302
    page = desk.get(f"/closing/{task}/").content.decode()
    assert "P.S. We miss you." in page
    assert re.search(r"/p/book/[\w-]{20,}", page)
    assert re.search(r"/p/preferences/[\w-]{20,}", page)
    kept = "SELECT outcome, done_by FROM task WHERE practice_id = %(p)s AND id = %(t)s"
    assert db.tuples(kept, p=practice.id, t=task) == [("letter", f"owner-{practice.slug}@example.com")]
    assert db.value("SELECT count(*) FROM message WHERE practice_id = %(p)s", p=practice.id) == 0


@pytest.mark.parametrize(
    ("gone", "told"),
    [("[booking link]", "booking link"), ("[preferences link]", "preferences link"), ("Dear", "")],
)  # fmt: skip
def test_PAT_02_a_letter_without_one_of_the_ways_is_not_approved(  # noqa: N802
    practice: Practice, as_role: SignIn, task: int, gone: str, told: str
) -> None:
    desk = as_role("clinician")
    letter = words(desk.get(f"/closing/{task}/").content.decode()).replace(gone, "")
    answer = desk.post(f"/closing/{task}/", {"do": "approve", "body": letter})
    assert (answer.status_code, told in answer.content.decode()) == ((422, True) if told else (302, True))


def test_PAT_02_no_button_closes_it_in_passing(as_role: SignIn, task: int) -> None:  # noqa: N802
    assert as_role("front_desk").post(f"/tasks/{task}/done/")["Location"] == f"/closing/{task}/"
    assert db.value("SELECT done_at FROM task WHERE id = %(t)s", t=task) is None


def test_PAT_02_no_letter_needs_a_reason(practice: Practice, as_role: SignIn, task: int) -> None:  # noqa: N802
    desk = as_role("manager")
    assert desk.post(f"/closing/{task}/", {"do": "none", "why": " "}).status_code == 422
    assert desk.post(f"/closing/{task}/", {"do": "none", "why": "rang her"}).status_code == 302
    assert (
        db.value("SELECT outcome FROM task WHERE practice_id = %(p)s AND id = %(t)s", p=practice.id, t=task)
        == "no letter"
    )
    assert desk.post(f"/closing/{task}/", {"do": "approve", "body": "x" * 50}).status_code == 302
    assert db.value("SELECT count(*) FROM closing_letter WHERE practice_id = %(p)s", p=practice.id) == 0


@pytest.mark.parametrize("column", ["deceased_on", "dismissed_on"])
def test_PAT_03_nobody_writes_to_the_dead_or_the_dismissed_from_here(  # noqa: N802
    practice: Practice, as_role: SignIn, patient: int, task: int, column: str
) -> None:
    standing = column.partition("_")[0]
    db.run(f"UPDATE patient SET {column} = %(d)s, standing = %(s)s WHERE practice_id = %(p)s AND id = %(a)s", d=date(2026, 12, 1), s=standing, p=practice.id, a=patient)  # fmt: skip
    desk = as_role("owner")
    page = desk.get(f"/closing/{task}/").content.decode()
    assert "No letter now" in page
    assert desk.post(f"/closing/{task}/", {"do": "approve", "body": words(page)}).status_code == 422


@pytest.mark.parametrize("role", ["front_desk", "auditor"])
def test_only_who_answers_for_care_writes_the_letter(practice: Practice, as_role: SignIn, task: int, role: str) -> None:
    assert as_role(role).get(f"/closing/{task}/").status_code == 403


def test_a_task_of_another_kind_is_done_elsewhere(
    practice: Practice, as_role: SignIn, patient: int, now: datetime
) -> None:
    other = tasks.open_task(practice.id, "reply", 3, now, patient_id=patient)
    desk = as_role("owner")
    assert desk.get(f"/closing/{other}/").status_code == 302
    assert desk.get("/closing/999999/").status_code == 404
