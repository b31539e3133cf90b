"""What a rule leaves to a person: the page that asks, one note, one answer, and what follows from it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from recare.base import db
from recare.campaigns import advance, why
from recare.practices.practice import Practice
from tests.campaigns import build
from tests.campaigns.build import NOW
from tests.conftest import SignIn


@pytest.fixture
def asked(practice: Practice) -> tuple[int, int]:
    """(task, enrolment) of a patient in whose household somebody has complained."""
    db.run("UPDATE practice SET clock_at = %(now)s WHERE id = %(p)s", now=NOW, p=practice.id)
    home = build.household(practice.id, "h1")
    patient = build.person(practice.id, household_id=home)
    build.person(practice.id, household_id=home, hold="complaint")
    enrolment = build.enrolment(practice.id, build.version(practice), patient)
    build.refresh(practice.id)
    advance.advance_batch(practice.id, NOW)
    return db.value("SELECT id FROM task WHERE kind = 'contact_review'"), enrolment


def test_the_page_says_why_and_a_yes_with_a_note_lets_the_step_go(
    practice: Practice, as_role: SignIn, asked: tuple[int, int]
) -> None:
    task, _ = asked
    owner, page = as_role("owner"), f"/reviews/{task}/"
    assert f'href="{page}"' in owner.get("/tasks/").content.decode()
    shown = owner.get(page).content.decode()
    assert "complaint" in shown
    assert owner.post(page, {"do": "approve", "note": " "}).status_code == 422
    assert owner.post(page, {"do": "approve", "note": "Spoke to the mother."}).status_code == 302
    advance.advance_batch(practice.id, NOW)
    assert [touch[4] for touch in build.touches(practice.id)] == ["review", "send"]
    assert "Decided" in owner.get(page).content.decode()
    assert owner.post(page, {"do": "refuse", "note": "No."}).status_code == 302
    assert db.value("SELECT outcome FROM task WHERE id = %(t)s", t=task) == "approved"


def test_a_no_passes_the_step_over_and_stands_in_the_patients_history(
    practice: Practice, as_role: SignIn, asked: tuple[int, int]
) -> None:
    task, enrolment = asked
    as_role("clinician").post(f"/reviews/{task}/", {"do": "refuse", "note": "Leave them alone."})
    advance.advance_batch(practice.id, NOW)
    assert [touch[3:] for touch in build.touches(practice.id)][1] == ("email", "skip", ["REFUSED"])
    patient = db.value("SELECT patient_id FROM enrolment WHERE id = %(e)s", e=enrolment)
    said = [line for entry in why.for_patient(practice.id, patient, NOW) for line in entry.reasons]
    assert any("A person has decided against this step." in line for line in said)


def test_a_no_at_the_last_step_ends_the_ladder_as_any_other_that_reached_nobody(
    practice: Practice, as_role: SignIn, asked: tuple[int, int]
) -> None:
    _, enrolment = asked
    for turn in range(3):
        task = db.value("SELECT id FROM task WHERE kind = 'contact_review' AND done_at IS NULL")
        as_role("owner").post(f"/reviews/{task}/", {"do": "refuse", "note": "Leave them alone."})
        advance.advance_batch(practice.id, NOW + timedelta(days=turn))
    assert build.state(practice.id, enrolment)[0::3] == ("stopped", "unreachable")


@pytest.mark.parametrize("posted", [{"outcome": "approved"}, {}])
def test_no_button_answers_in_passing(
    practice: Practice, as_role: SignIn, asked: tuple[int, int], posted: dict[str, str]
) -> None:
    task, _ = asked
    answer = as_role("front_desk").post(f"/tasks/{task}/done/", posted)
    assert answer["Location"] == f"/reviews/{task}/"
    assert db.value("SELECT done_at FROM task WHERE id = %(t)s", t=task) is None
    advance.advance_batch(practice.id, NOW + timedelta(days=7))
    assert "send" not in [touch[4] for touch in build.touches(practice.id)]


def test_the_front_desk_does_not_decide(as_role: SignIn, asked: tuple[int, int]) -> None:
    assert as_role("front_desk").get(f"/reviews/{asked[0]}/").status_code == 403
