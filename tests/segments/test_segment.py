"""Segments: shipped, versioned, counted, listed page by page, and explained."""

from __future__ import annotations

import random
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from recare.base import db
from recare.segments import bands, data_quality, facts, priority, segment
from recare.segments.predicate import PredicateError, parse
from tests.factories import insert, make_patient, make_point, make_visit
from tests.segments.charts import make_chart

if TYPE_CHECKING:
    from datetime import datetime

    from recare.practices.practice import Practice
    from recare.segments.segment import Order

TODAY = date(2027, 1, 12)
EVERYBODY = parse({"any": [{"adult": {"is": True}}, {"adult": {"is": False}}]})


def lapsed(practice: Practice, days: int, **more: Any) -> int:
    patient = make_patient(practice.id, **more)
    make_visit(practice.id, patient, -days)
    return patient


def test_a_practice_gets_the_ready_made_segments_once(practice: Practice, now: datetime) -> None:
    assert segment.install(practice.id, now) == 11
    assert segment.install(practice.id, now) == 0
    assert {each.slug for each in segment.every(practice.id)} >= {
        "long_lapsed", "just_slipped", "missed_recall", "unfinished_plan", "broken_not_rebooked", "benefits_expiring", "families", "seniors",
        "young_adults", "birthday_month",
    }  # fmt: skip


def row(table: str, practice: Practice, patient: int, **more: Any) -> None:
    insert(
        table,
        practice_id=practice.id,
        patient_id=patient,
        source="t",
        source_key=f"{table}{patient}{len(more)}",
        **more,
    )


def test_each_ready_made_segment_finds_whom_it_says(practice: Practice) -> None:
    wanted: dict[str, int] = {
        "long_lapsed": lapsed(practice, 800), "just_slipped": lapsed(practice, 250), "missed_recall": lapsed(practice, 20),
        "unfinished_plan": lapsed(practice, 30), "broken_not_rebooked": lapsed(practice, 100), "benefits_expiring": lapsed(practice, 40),
        "seniors": lapsed(practice, 500, birthdate=date(1950, 3, 3)), "young_adults": lapsed(practice, 500, birthdate=date(2002, 3, 3)),
        "birthday_month": lapsed(practice, 500, birthdate=date(1985, 1, 31)), "inactive": lapsed(practice, 400),
    }  # fmt: skip
    home = insert("household", practice_id=practice.id, key="home")
    wanted["families"] = lapsed(practice, 450, household_id=home)
    lapsed(practice, 10, household_id=home)
    row("recall", practice, wanted["missed_recall"], kind="prophy", due_on=date(2019, 5, 5))
    row(
        "treatment_plan_item",
        practice,
        wanted["unfinished_plan"],
        code="D2740",
        status="accepted",
        planned_on=date(2026, 11, 1),
        fee_cents=90_000,
    )
    make_visit(practice.id, wanted["broken_not_rebooked"], -60, "broken")
    make_visit(practice.id, lapsed(practice, 20), -60, "broken")  # came since
    row(
        "coverage",
        practice,
        wanted["benefits_expiring"],
        payer_class="commercial",
        renews_month=3,
        annual_max_cents=150_000,
        used_cents=20_000,
    )
    for patient in list(wanted.values()):
        twin = db.value("INSERT INTO patient (practice_id, source, source_key, household_id, status, birthdate) SELECT practice_id, 'twin', source_key,"
                        " household_id, status, birthdate FROM patient WHERE practice_id = %(p)s AND id = %(id)s RETURNING id", p=practice.id, id=patient)  # fmt: skip
        make_visit(practice.id, twin, -800)
        make_visit(practice.id, twin, 30, "scheduled")  # has a visit ahead, so is in none
    facts.rebuild([practice.id])
    for each in segment.ready_made():
        found = segment.patient_ids(practice.id, parse(each.predicate), TODAY)
        assert wanted[each.slug] in found, each.slug
        assert len(found) < len(wanted), each.slug


def test_an_own_interval_of_a_year_keeps_somebody_out_of_just_slipped(practice: Practice) -> None:
    patient = lapsed(practice, 220)
    row("recall", practice, patient, kind="prophy", due_on=date(2027, 6, 6), interval_months=12)
    facts.rebuild([practice.id])
    just_slipped = next(each for each in segment.ready_made() if each.slug == "just_slipped")
    assert segment.patient_ids(practice.id, parse(just_slipped.predicate), TODAY) == []


def test_saving_makes_a_version_and_saving_the_same_makes_none(practice: Practice, now: datetime) -> None:
    first = segment.save(practice.id, "mine", "Mine", {"age": {"at_least": 40}}, now=now, actor="ada@example.com")
    again = segment.save(practice.id, "mine", "Mine", {"age": {"at_least": 40}}, now=now)
    second = segment.save(practice.id, "mine", "Mine", {"age": {"at_least": 50}}, now=now, bands=bands.get("ada"))
    assert (first, first.version, second.version, second.bands) == (again, 1, 2, "ada 1")
    assert segment.get(practice.id, "mine") == second
    assert db.values("SELECT version FROM segment WHERE practice_id = %(p)s ORDER BY version", p=practice.id) == [1, 2]


def test_a_predicate_that_cannot_be_used_is_not_saved(practice: Practice, now: datetime) -> None:
    with pytest.raises(PredicateError):
        segment.save(practice.id, "mine", "Mine", {"age": {"at_least": "40"}}, now=now)
    assert segment.every(practice.id) == []


def test_a_count_says_how_many_each_channel_reaches(practice: Practice) -> None:
    by_text, by_both, by_post, by_none = (make_patient(practice.id) for _ in range(4))
    make_point(practice.id, by_text, sms_level=2)
    make_point(practice.id, by_both, sms_level=2, call_level=1)
    make_point(practice.id, by_both, "ada@example.com", email_level=2)
    db.run(
        "UPDATE patient SET street = '1 Elm St' WHERE practice_id = %(p)s AND id = %(id)s", p=practice.id, id=by_post
    )
    facts.rebuild([practice.id])
    assert segment.count(practice.id, EVERYBODY, TODAY) == segment.Count(
        total=4, sms=2, email=1, call=2, letter=1, none=1
    )
    assert by_none in segment.patient_ids(
        practice.id, parse({"reach": {"none_of": ["sms", "email", "call", "letter"]}}), TODAY
    )


@pytest.mark.parametrize("order", ["priority", "last_visit", "name"])
def test_a_list_read_page_by_page_is_the_whole_list_in_order(practice: Practice, order: Order) -> None:
    make_chart(practice.id, random.Random(5), practice.zone)
    db.run(
        "UPDATE patient SET last_name = (ARRAY['Abel', 'O''Neil', 'Ćosić'])[1 + id %% 3], first_name = '' WHERE practice_id = %(p)s",
        p=practice.id,
    )
    facts.rebuild([practice.id])
    whole = segment.patients(practice.id, EVERYBODY, TODAY, order=order, limit=1000)
    pages: list[segment.Member] = []
    while page := segment.patients(
        practice.id, EVERYBODY, TODAY, order=order, limit=7, cursor=pages[-1].cursor if pages else ""
    ):
        pages += page
    assert pages == whole
    assert len({each.patient_id for each in whole}) == segment.count(practice.id, EVERYBODY, TODAY).total > 30
    if order == "priority":
        assert [each.priority_cents for each in whole] == sorted((each.priority_cents for each in whole), reverse=True)


@pytest.mark.parametrize("cursor", ["x", "{}", "[1]", "[1, 2, 3]", '["a", "b"]', "null"])
def test_a_cursor_that_is_not_ours_is_refused(practice: Practice, cursor: str) -> None:
    with pytest.raises(ValueError, match="open it again"):
        segment.patients(practice.id, EVERYBODY, TODAY, cursor=cursor)


def test_why_not_names_the_parts_that_fail_and_what_is_so(practice: Practice) -> None:
    patient = lapsed(practice, 30)
    facts.rebuild([practice.id])
    made = parse({"all": [{"contactable": {"is": True}}, {"last_visit": {"before": "18 months ago"}},
                          {"any": [{"care": {"any_of": ["perio"]}}, {"unscheduled": {"at_least": 250}}]}, {"not": {"adult": {"is": True}}}]})  # fmt: skip
    said = segment.why_not(practice.id, patient, made, TODAY)
    assert [str(each) for each in said] == [
        "Last visit before 12 Jul 2025 (18 months ago): 2026-12-13",
        "Kinds of care received has any of perio or Unscheduled treatment at least $250.00: none of these holds",
        "not (Adult: yes): it holds",
    ]
    assert said[0].place == "all[1].last_visit.before"[:17]


def test_why_not_is_empty_for_somebody_inside_and_asks_for_facts_first(practice: Practice) -> None:
    patient = lapsed(practice, 900)
    with pytest.raises(LookupError):
        segment.why_not(practice.id, patient, EVERYBODY, TODAY)
    facts.rebuild([practice.id])
    assert segment.why_not(practice.id, patient, EVERYBODY, TODAY) == []


@pytest.mark.parametrize("seed", range(3))
def test_the_explained_score_is_the_one_that_lists_are_ordered_by(practice: Practice, seed: int) -> None:
    patients = make_chart(practice.id, random.Random(seed), practice.zone)
    facts.rebuild([practice.id])
    db.run("UPDATE patient_facts SET touches_since_reply = patient_id %% 8 WHERE practice_id = %(p)s", p=practice.id)
    found = facts.read(practice.id, patients, TODAY)
    listed = segment.patients(practice.id, EVERYBODY, TODAY, limit=1000)
    scores = {each.patient_id: each.priority_cents for each in listed}
    for patient, cents in scores.items():
        assert priority.score(found[patient], TODAY).cents == pytest.approx(cents, rel=1e-9, abs=1e-9)
        lines = priority.explain(found[patient], TODAY)
        assert f"${cents / 100:,.2f}" in lines[-1]
    assert any(scores.values())


def test_a_score_is_called_a_propensity_and_never_a_lift(practice: Practice) -> None:
    patient = lapsed(practice, 400)
    make_point(practice.id, patient, sms_level=2)
    facts.rebuild([practice.id])
    said = " ".join(priority.explain(facts.read(practice.id, [patient], TODAY)[patient], TODAY))
    assert "a propensity, not a lift (expected-value 1)" in said
    assert "14%" in said


def test_nobody_reached_by_nothing_has_a_score(practice: Practice) -> None:
    patient = lapsed(practice, 400)
    facts.rebuild([practice.id])
    assert segment.patients(practice.id, EVERYBODY, TODAY)[0].priority_cents == 0
    assert priority.score(facts.read(practice.id, [patient], TODAY)[patient], TODAY).cents == 0


# --- data quality -----------------------------------------------------------------------------------------------


def test_every_kind_of_finding_is_found_and_a_sound_chart_has_none(practice: Practice) -> None:
    sound = lapsed(practice, 200)
    row("recall", practice, sound, kind="prophy", due_on=date(2027, 1, 1), previous_on=date(2026, 6, 26))
    make_visit(practice.id, sound, 20, "scheduled", codes=["D1110"])
    faults = {kind: lapsed(practice, 200) for kind in data_quality.KINDS}
    row("recall", practice, faults["child_on_adult"], kind="child", due_on=date(2027, 1, 1))
    row("recall", practice, faults["prophy_and_perio"], kind="prophy", due_on=date(2027, 1, 1))
    row("recall", practice, faults["prophy_and_perio"], kind="perio", due_on=date(2027, 1, 1), interval_months=3)
    row(
        "recall",
        practice,
        faults["due_reset_by_broken"],
        kind="prophy",
        due_on=date(2027, 5, 3),
        previous_on=date(2026, 11, 3),
    )
    make_visit(practice.id, faults["due_reset_by_broken"], -70, "broken")
    row("recall", practice, faults["recall_behind_visit"], kind="prophy", due_on=date(2026, 6, 1))
    make_visit(practice.id, faults["recall_behind_visit"], -100, is_hygiene=True)
    make_visit(practice.id, faults["booked_without_code"], 20, "scheduled")
    make_visit(practice.id, faults["still_scheduled"], -3, "scheduled", codes=["D1110"])
    facts.rebuild([practice.id])
    found = data_quality.findings(practice.id, TODAY)
    assert {each.kind: each.patient_id for each in found} == faults
    assert data_quality.counts(practice.id, TODAY) == dict.fromkeys(data_quality.KINDS, 1)
    assert all(each.advice for each in found)
