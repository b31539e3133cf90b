"""The standing hold-out: drawn once a year by household, left alone by every campaign, compared on Results."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db.utils import DatabaseError

from recare.base import db
from recare.campaigns import campaign, enrol, playbook, standing, why
from recare.practices import practice as practices
from recare.reports.report import build as report_of
from recare.segments import segment
from tests.campaigns import build
from tests.campaigns.build import NOW
from tests.factories import insert

if TYPE_CHECKING:
    from django.test import Client

    from recare.practices.practice import Practice


def left_alone(practice: Practice, share: float) -> Practice:
    db.run(
        "UPDATE practice SET policy = policy || %(p)s WHERE id = %(id)s",
        p=db.json({"standing_hold_out": share}),
        id=practice.id,
    )
    return practices.get(practice.id)


def launched(practice: Practice, name: str = "Win-back", **changes: Any) -> int:
    segment.install(practice.id, NOW)
    plan = build.text(name=name, **changes)
    build.templates(practice.id, playbook.read(plan))
    campaign_id = campaign.create(practice.id, name, plan, "owner", NOW)
    campaign.publish(practice.id, campaign_id, "owner", NOW)
    return campaign_id


def draws(practice: Practice) -> dict[int, bool]:
    return dict(db.tuples("SELECT patient_id, held_out FROM standing_draw WHERE practice_id = %(p)s", p=practice.id))


@pytest.fixture
def people(practice: Practice) -> list[int]:
    left_alone(practice, 0.1)
    found = [build.person(practice.id) for _ in range(80)]
    build.refresh(practice.id)
    return found


def test_some_are_left_alone_by_every_campaign_and_both_sides_are_written_down(
    practice: Practice, people: list[int]
) -> None:
    first = enrol.freeze_and_enrol(practice.id, launched(practice), NOW)
    kept = draws(practice)
    held = {patient for patient, held in kept.items() if held}
    assert set(kept) == set(people)
    assert first.left_out == {"STANDING_HOLD_OUT": len(held)}
    assert 0 < len(held) < 25
    db.run(
        "UPDATE enrolment SET state = 'finished', ended_at = %(n)s, due_at = NULL WHERE practice_id = %(p)s",
        n=NOW - timedelta(days=400),
        p=practice.id,
    )
    enrol.freeze_and_enrol(practice.id, launched(practice, "Another"), NOW + timedelta(days=100))
    enrolled = set(db.values("SELECT patient_id FROM enrolment WHERE practice_id = %(p)s", p=practice.id))
    assert not enrolled & held
    assert draws(practice) == kept


def test_the_draw_is_the_one_python_makes_and_nobody_can_change_it(practice: Practice, people: list[int]) -> None:
    enrol.freeze_and_enrol(practice.id, launched(practice), NOW)
    salt = standing.salt_of(practices.get(practice.id), NOW.year)
    for unit, drawn, held in db.tuples(
        "SELECT unit, draw, held_out FROM standing_draw WHERE practice_id = %(p)s", p=practice.id
    ):
        assert drawn == pytest.approx(enrol.draw(salt, unit), abs=1e-15)
        assert held == (drawn < 0.1)
    with pytest.raises(DatabaseError), db.scope(practice.id):
        db.run("UPDATE standing_draw SET held_out = NOT held_out WHERE practice_id = %(p)s", p=practice.id)


def test_a_larger_share_later_in_the_year_draws_nobody_again(practice: Practice, people: list[int]) -> None:
    left_alone(practice, 0.02)
    campaign_id = launched(practice)
    enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
    before = draws(practice)
    left_alone(practice, 0.1)
    enrol.freeze_and_enrol(practice.id, campaign_id, NOW + timedelta(days=30))
    assert draws(practice) == before


def test_treatment_to_be_finished_is_never_held_back(practice: Practice, people: list[int]) -> None:
    done = enrol.freeze_and_enrol(practice.id, launched(practice, purpose="continued_treatment"), NOW)
    assert "STANDING_HOLD_OUT" not in done.left_out
    assert draws(practice) == {}


def test_turned_off_nobody_is_drawn(practice: Practice, people: list[int]) -> None:
    left_alone(practice, 0)
    done = enrol.freeze_and_enrol(practice.id, launched(practice), NOW)
    assert done.treated + done.held_out == len(people)
    assert draws(practice) == {}


def test_who_is_left_alone_is_told_so_by_why(practice: Practice, people: list[int]) -> None:
    enrol.freeze_and_enrol(practice.id, launched(practice), NOW)
    held = next(patient for patient, held in draws(practice).items() if held)
    assert any(
        "left alone by all campaigns this year" in line
        for lines in why.not_chosen(practice.id, held, NOW)
        for line in lines
    )


def test_results_show_the_years_comparison_from_both_sides(practice: Practice, people: list[int]) -> None:
    enrol.freeze_and_enrol(practice.id, launched(practice), NOW)
    early = report_of(practices.get(practice.id), None, NOW + timedelta(days=100)).years[0]
    assert "too early" in early.finding
    invited = [patient for patient, held in draws(practice).items() if not held]
    for patient in invited[:30]:
        insert(
            "procedure", practice_id=practice.id, patient_id=patient, source="t", source_key=str(patient), code="D1110", status="completed",
            done_on=(NOW + timedelta(days=120)).date(),
        )  # fmt: skip
    year = report_of(practices.get(practice.id), None, NOW + timedelta(days=181)).years[0]
    assert (year.invited.count, year.invited.of, year.alone.count) == (30, len(invited), 0)
    assert year.lift.value == pytest.approx(30 / len(invited))


def test_the_setting_is_the_owners_and_at_most_a_tenth(practice: Practice, as_role: Callable[[str], Client]) -> None:
    owner = as_role("owner")
    assert owner.post("/settings/outreach/", {"standing_percent": "11"}).status_code == 422
    owner.post("/settings/outreach/", {"standing_percent": "5"})
    assert standing.share_of(practices.get(practice.id)) == 0.05
    assert "changed the standing hold-out" in db.values(
        "SELECT verb FROM audit_entry WHERE practice_id = %(p)s", p=practice.id
    )
