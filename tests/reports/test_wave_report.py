"""A campaign with waves, from the real draw to the page: each wave is measured from its own turn."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from recare.base import db
from recare.campaigns import campaign, enrol, playbook
from recare.practices.practice import Practice
from recare.reports import outcomes, printed
from recare.reports.report import build
from recare.segments import segment
from tests.campaigns import build as ladder
from tests.campaigns.build import NOW
from tests.factories import insert
from tests.reports.test_report import spends

GAP = 30


def launched(practice: Practice, people: int, hold_out: float = 0.2, count: int = 3) -> int:
    """A campaign of waves, launched through the real freeze; return its id."""
    segment.install(practice.id, NOW)
    plan = ladder.text(hold_out=hold_out, waves={"count": count, "days_between": GAP})
    ladder.templates(practice.id, playbook.read(plan))
    campaign_id = campaign.create(practice.id, "Waves", plan, "owner", NOW)
    campaign.publish(practice.id, campaign_id, "owner", NOW)
    for _ in range(people):
        ladder.person(practice.id)
    ladder.refresh(practice.id)
    enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
    return campaign_id


def comes(practice: Practice, wave: int | None, days: int, share: int = 1) -> None:
    """Every ``share``-th patient of a wave (None: of those left alone) keeps a visit so many days after the draw."""
    patients = db.values(
        "SELECT patient_id FROM enrolment WHERE practice_id = %(p)s AND CASE WHEN arm = 'held_out' THEN 0 ELSE wave END = %(wave)s "
        "ORDER BY patient_id",
        p=practice.id, wave=wave or 0,
    )  # fmt: skip
    for patient in patients[::share]:
        insert(
            "procedure", practice_id=practice.id, patient_id=patient, source="t", source_key=f"{patient}", code="D1110", status="completed",
            done_on=(NOW + timedelta(days=days)).date(),
        )  # fmt: skip


LATER = NOW + timedelta(days=2 * GAP + 92)


def test_each_wave_is_measured_from_its_own_turn(practice: Practice) -> None:
    campaign_id = launched(practice, 60)
    comes(practice, 3, 2 * GAP + 60, share=2)  # day 120 after the draw, day 60 of its own
    outcomes.record_batch(practice.id, LATER)
    report = build(practice, campaign_id, LATER)
    assert report.waves is not None
    assert [(line.number, line.starts, line.watched) for line in report.waves.lines] == [
        (1, 0, 90),
        (2, 30, 90),
        (3, 60, 90),
    ]
    assert [line.treated.came for line in report.waves.lines][:2] == [0, 0]
    assert report.waves.lines[2].treated.came > 0
    assert report.treated.kept.count == report.waves.lines[2].treated.came
    assert report.held_out.kept.value == 0


def test_a_wave_that_has_not_had_its_turn_is_a_control_and_nothing_more(practice: Practice) -> None:
    campaign_id = launched(practice, 60)
    comes(practice, 2, 20, share=2)  # before the turn of wave 2
    outcomes.record_batch(practice.id, LATER)
    report = build(practice, campaign_id, LATER)
    assert report.waves is not None
    assert sum(line.treated.came for line in report.waves.lines) == 0
    assert report.waves.lines[0].control.share > 0
    assert report.held_out.kept.count > 0
    assert "belongs to neither side" in report.waves.in_words


def test_waves_are_read_one_after_another_when_their_days_are_over(practice: Practice) -> None:
    campaign_id = launched(practice, 40)
    outcomes.record_batch(practice.id, LATER)
    early = build(practice, campaign_id, NOW + timedelta(days=90))
    assert early.verdict == "too early"
    first = build(practice, campaign_id, NOW + timedelta(days=92))
    assert first.waves is not None
    assert [line.number for line in first.waves.lines] == [1]
    assert "Waves 2, 3 will be read when the days are over." in first.waves.in_words


def test_without_a_hold_out_the_last_wave_is_not_counted_and_the_page_says_so(practice: Practice) -> None:
    campaign_id = launched(practice, 40, hold_out=0.0)
    outcomes.record_batch(practice.id, LATER)
    report = build(practice, campaign_id, LATER)
    assert report.waves is not None
    assert [(line.number, line.watched) for line in report.waves.lines] == [(1, 60), (2, 30)]
    assert "nobody is left to be compared with: wave 3." in report.waves.in_words


def test_a_wave_whose_turn_would_have_come_after_the_end_is_left_alone_for_good(practice: Practice) -> None:
    campaign_id = launched(practice, 40, hold_out=0.0)
    campaign.finish(practice.id, campaign_id, "owner", NOW + timedelta(days=GAP + 5))
    outcomes.record_batch(practice.id, LATER)
    report = build(practice, campaign_id, LATER)
    assert report.waves is not None
    assert [(line.number, line.watched) for line in report.waves.lines] == [(1, 90), (2, 90)]


def test_who_is_left_alone_stays_alone_until_the_last_wave_is_measured(practice: Practice) -> None:
    launched(practice, 30)
    let_go = set(
        db.values("SELECT due_at FROM enrolment WHERE practice_id = %(p)s AND arm = 'held_out'", p=practice.id)
    )
    assert let_go == {NOW + timedelta(days=2 * GAP + 90)}


def test_a_wave_is_never_drawn_again(practice: Practice) -> None:
    campaign_id = launched(practice, 30)
    sql = "SELECT patient_id, arm, wave, wave_at FROM enrolment WHERE practice_id = %(p)s ORDER BY 1"
    before = db.tuples(sql, p=practice.id)
    enrol.freeze_and_enrol(practice.id, campaign_id, NOW + timedelta(days=40))
    assert db.tuples(sql, p=practice.id) == before
    with pytest.raises(Exception, match="never redrawn"), db.scope(practice.id):
        db.run("UPDATE enrolment SET wave = 3 - wave WHERE practice_id = %(p)s AND wave = 1", p=practice.id)


def test_a_wave_costs_what_was_spent_on_draws_that_are_old_enough_to_be_compared(practice: Practice) -> None:
    campaign_id = launched(practice, 40)
    comes(practice, 1, 20)
    outcomes.record_batch(practice.id, LATER)
    draws = (
        "SELECT id, patient_id, version_id FROM enrolment WHERE practice_id = %(p)s AND arm = 'treated' AND wave = 1"
    )
    first = db.tuples(draws, p=practice.id)
    late = NOW + timedelta(days=100)  # drawn later, so that their days are not over
    patient = ladder.person(practice.id)
    young = ladder.enrolment(practice.id, first[0][2], patient, assigned_at=late, wave=1, wave_at=late)
    for enrolment, whom in [(each, whom) for each, whom, _ in first] + [(young, patient)]:
        spends(practice, enrolment, whom, dollars=3)
    report = build(practice, campaign_id, LATER)
    assert report.waves is not None
    assert [line.treated.people for line in report.waves.lines][:1] == [len(first)]
    assert report.cost_cents == 300 * (len(first) + 1)
    assert report.cost_naive_cents == 300


def test_all_campaigns_together_hold_waves_and_plain_draws(practice: Practice) -> None:
    launched(practice, 40)
    plain = ladder.version(practice, name="Plain")
    for number in range(20):
        patient = ladder.person(practice.id)
        arm = "treated" if number % 2 else "held_out"
        ladder.enrolment(
            practice.id,
            plain,
            patient,
            arm=arm,
            state="finished",
            due_at=None,
            ended_at=NOW,
        )
    outcomes.record_batch(practice.id, LATER)
    report = build(practice, None, LATER)
    own = db.value("SELECT count(*) FROM enrolment WHERE practice_id = %(p)s AND arm = 'treated'", p=practice.id)
    assert report.treated.patients == own


def test_the_page_shows_wave_by_wave(practice: Practice, as_role: Callable[[str], Client]) -> None:
    campaign_id = launched(practice, 40)
    outcomes.record_batch(practice.id, LATER)
    db.run("UPDATE practice SET is_rehearsal = true, clock_at = %(now)s WHERE id = %(id)s", now=LATER, id=practice.id)
    page = as_role("owner").get(f"/results/?campaign={campaign_id}").content.decode()
    assert "Wave by wave" in page
    assert "households whose own turn had not come" in page


def test_text_csv_and_json_say_what_is_compared(practice: Practice) -> None:
    campaign_id = launched(practice, 40)
    outcomes.record_batch(practice.id, LATER)
    report = build(practice, campaign_id, LATER)
    assert report.waves is not None
    for written in (printed.as_text(report), printed.as_csv(report)):
        assert report.waves.in_words in written.replace('""', '"')
        assert "wave 2, 90 days from day 30" in written
    assert len(json.loads(printed.as_json(report))["waves"]["lines"]) == 3
