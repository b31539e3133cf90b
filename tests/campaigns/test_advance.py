"""What is due is decided once, with every reason, in a fixed number of statements."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recare.base import db
from recare.campaigns import advance, campaign, stop
from tests.campaigns import build
from tests.campaigns.build import NOW
from tests.factories import insert, make_point, make_visit

if TYPE_CHECKING:
    from recare.practices.practice import Practice

DAY = timedelta(days=1)


def test_each_step_goes_once_and_the_ladder_ends(practice: Practice) -> None:
    enrolment = build.enrolment(practice.id, build.version(practice), build.person(practice.id))
    build.refresh(practice.id)
    at = NOW
    for channel in ("email", "sms", "call"):
        assert advance.advance_batch(practice.id, at) == 1
        assert build.touches(practice.id)[-1][3:5] == (channel, "send")
        at += 14 * DAY
    assert build.state(practice.id, enrolment)[:2] == ("waiting", 3)  # listens for a late answer
    at += 30 * DAY
    assert advance.advance_batch(practice.id, at) == 1
    assert build.state(practice.id, enrolment) == ("finished", 3, None, "no_answer")
    assert [touch[4] for touch in build.touches(practice.id)] == ["send"] * 3


def test_a_second_run_at_the_same_instant_changes_nothing(practice: Practice) -> None:
    version = build.version(practice)
    for _ in range(5):
        build.enrolment(practice.id, version, build.person(practice.id, sms_level=0))
    build.refresh(practice.id)
    assert advance.advance_batch(practice.id, NOW) == 5
    before = db.tuples(
        "SELECT id, state, step, attempt, due_at FROM enrolment WHERE practice_id = %(p)s ORDER BY id", p=practice.id
    )
    touches = build.touches(practice.id)
    assert advance.advance_batch(practice.id, NOW) == 0
    after = db.tuples(
        "SELECT id, state, step, attempt, due_at FROM enrolment WHERE practice_id = %(p)s ORDER BY id", p=practice.id
    )
    assert (after, build.touches(practice.id)) == (before, touches)


def test_a_night_waits_for_the_morning_and_the_same_wait_is_written_once(practice: Practice) -> None:
    steps = [{"channel": "sms", "template": "winback_text"}]
    enrolment = build.enrolment(practice.id, build.version(practice, steps=steps), build.person(practice.id))
    build.refresh(practice.id)
    night = NOW.replace(hour=4)  # 22:00 in Chicago
    db.run("UPDATE enrolment SET due_at = %(n)s WHERE practice_id = %(p)s", n=night, p=practice.id)
    assert advance.advance_batch(practice.id, night) == 1
    assert [(t[4], t[5]) for t in build.touches(practice.id)] == [("wait", ["QUIET_HOURS"])]
    morning = NOW.replace(hour=16)  # 10:00
    assert build.state(practice.id, enrolment)[:3] == ("waiting", 0, morning)
    assert advance.advance_batch(practice.id, morning) == 1
    assert [t[4] for t in build.touches(practice.id)] == ["wait", "send"]


def test_a_step_without_consent_falls_back_and_keeps_the_reasons_of_both_channels(practice: Practice) -> None:
    steps = [{"channel": "sms", "template": {"sms": "winback_text", "email": "winback"}, "fallback": ["email"]}]
    build.enrolment(practice.id, build.version(practice, steps=steps), build.person(practice.id, sms_level=0))
    build.refresh(practice.id)
    advance.advance_batch(practice.id, NOW)
    (touch,) = build.touches(practice.id)
    assert touch[3:] == ("email", "send", ["NO_CONSENT_SMS"])
    reason, allowed = db.value("SELECT reasons FROM touch WHERE practice_id = %(p)s", p=practice.id)
    assert reason["rule"] == "CON-01"
    assert reason["channel"] == "sms"
    assert reason["pack"]
    assert reason["words"]
    assert (allowed["code"], allowed["channel"], bool(allowed["pack"])) == ("ALLOWED", "email", True)


def test_a_patient_nobody_may_write_to_is_let_go_with_the_reason_of_every_step(practice: Practice) -> None:
    patient = build.person(practice.id, phone="-", email_level=0)
    enrolment = build.enrolment(practice.id, build.version(practice), patient)
    build.refresh(practice.id)
    advance.advance_batch(practice.id, NOW)
    assert build.state(practice.id, enrolment)[0::3] == ("stopped", "unreachable")
    assert [(t[1], t[4]) for t in build.touches(practice.id)] == [(0, "skip"), (1, "skip"), (2, "skip")]
    assert build.touches(practice.id)[0][5] == ["NO_CONSENT_EMAIL"]


@pytest.mark.parametrize(
    ("more", "code", "reason"),
    [
        ({"status": "deceased"}, "DECEASED", "deceased"),
        ({"dismissed_on": date(2026, 1, 1)}, "DISMISSED", "dismissed"),
        ({"standing": "transferred"}, "TRANSFERRED", "left"),
        ({"do_not_contact": True}, "PATIENT_RESTRICTION", "restricted"),
    ],
)
def test_whoever_may_never_be_invited_is_stopped(
    practice: Practice, more: dict[str, Any], code: str, reason: str
) -> None:
    enrolment = build.enrolment(practice.id, build.version(practice), build.person(practice.id, **more))
    build.refresh(practice.id)
    advance.advance_batch(practice.id, NOW)
    (touch,) = build.touches(practice.id)
    assert touch[4] == "stop"
    assert code in touch[5]
    assert build.state(practice.id, enrolment)[0::3] == ("stopped", reason)


def test_a_visit_booked_since_the_freeze_ends_it(practice: Practice) -> None:
    patient = build.person(practice.id)
    enrolment = build.enrolment(practice.id, build.version(practice), patient)
    build.refresh(practice.id)
    make_visit(practice.id, patient, 5, "scheduled")  # facts do not know it yet; the decision does
    advance.advance_batch(practice.id, NOW)
    assert build.state(practice.id, enrolment)[0::3] == ("stopped", "booked")


def test_a_complaint_in_the_household_waits_for_a_person_and_opens_one_task(practice: Practice) -> None:
    home = build.household(practice.id, "h1")
    patient = build.person(practice.id, household_id=home)
    build.person(practice.id, household_id=home, hold="complaint")
    enrolment = build.enrolment(practice.id, build.version(practice), patient)
    build.refresh(practice.id)
    advance.advance_batch(practice.id, NOW)
    advance.advance_batch(practice.id, NOW + 7 * DAY)
    assert [(t[2], t[4], t[5]) for t in build.touches(practice.id)] == [
        (0, "review", ["LEGAL_HOLD"]),
        (1, "review", ["LEGAL_HOLD"]),
    ]
    assert db.tuples("SELECT kind, patient_id FROM task WHERE practice_id = %(p)s", p=practice.id) == [
        ("contact_review", patient)
    ]
    db.run("UPDATE task SET done_at = %(n)s, outcome = 'approved' WHERE practice_id = %(p)s", n=NOW, p=practice.id)
    advance.advance_batch(practice.id, NOW + 14 * DAY)
    assert build.touches(practice.id)[-1][4] == "send"
    assert build.state(practice.id, enrolment)[1] == 1


def test_a_household_that_shares_a_phone_gets_one_message(practice: Practice) -> None:
    steps = [{"channel": "sms", "template": "winback_text"}]
    version, home = build.version(practice, steps=steps), build.household(practice.id, "h1")
    mother = build.person(practice.id, household_id=home)
    point = db.value(
        "SELECT contact_point_id FROM patient_contact WHERE practice_id = %(p)s AND label = 'mobile'", p=practice.id
    )
    son = build.person(practice.id, phone="-", household_id=home)
    insert(
        "patient_contact",
        practice_id=practice.id,
        patient_id=son,
        contact_point_id=point,
        label="mobile",
        source="test",
    )
    first, second = build.enrolment(practice.id, version, mother), build.enrolment(practice.id, version, son)
    build.refresh(practice.id)
    assert advance.advance_batch(practice.id, NOW) == 2
    rows = db.tuples(
        "SELECT id, enrolment_id, verdict, shared_with, shares_touch_id FROM touch WHERE practice_id = %(p)s ORDER BY id",
        p=practice.id,
    )
    sent = rows[0][0]
    assert rows == [(sent, first, "send", [second], None), (rows[1][0], second, "skip", [], sent)]
    assert [build.state(practice.id, e)[:2] for e in (first, second)] == [("waiting", 1), ("waiting", 1)]


def test_the_household_is_recognised_across_two_batches(practice: Practice) -> None:
    steps = [{"channel": "sms", "template": "winback_text"}]
    version = build.version(practice, steps=steps)
    mother, son = build.person(practice.id), build.person(practice.id, phone="-")
    point = db.value(
        "SELECT contact_point_id FROM patient_contact WHERE practice_id = %(p)s AND label = 'mobile'", p=practice.id
    )
    insert(
        "patient_contact",
        practice_id=practice.id,
        patient_id=son,
        contact_point_id=point,
        label="mobile",
        source="test",
    )
    build.enrolment(practice.id, version, mother)
    second = build.enrolment(practice.id, version, son)
    build.refresh(practice.id)
    assert [advance.advance_batch(practice.id, NOW, limit=1) for _ in range(3)] == [1, 1, 0]
    assert db.values("SELECT shared_with FROM touch WHERE practice_id = %(p)s AND verdict = 'send'", p=practice.id) == [
        [second]
    ]


def test_two_strangers_on_one_number_are_a_week_apart(practice: Practice) -> None:
    steps = [{"channel": "sms", "template": "winback_text"}]
    one, two = build.version(practice, steps=steps), build.version(practice, name="Another campaign", steps=steps)
    first, second = build.person(practice.id), build.person(practice.id, phone="-")
    point = db.value(
        "SELECT contact_point_id FROM patient_contact WHERE practice_id = %(p)s AND label = 'mobile'", p=practice.id
    )
    insert(
        "patient_contact",
        practice_id=practice.id,
        patient_id=second,
        contact_point_id=point,
        label="mobile",
        source="test",
    )
    build.enrolment(practice.id, one, first)
    later = build.enrolment(practice.id, two, second)
    build.refresh(practice.id)
    advance.advance_batch(practice.id, NOW)
    assert [(t[4], t[5]) for t in build.touches(practice.id)] == [("send", []), ("wait", ["FREQ_DAY", "FREQ_WEEK"])]
    assert build.state(practice.id, later)[2] == NOW + 7 * DAY


def test_a_condition_that_does_not_hold_skips_its_step(practice: Practice) -> None:
    steps = [
        {"channel": "email", "template": "winback", "condition": "unfinished_plan"},
        {"channel": "email", "template": "winback", "wait_days": 5},
    ]
    build.enrolment(practice.id, build.version(practice, steps=steps), build.person(practice.id))
    build.refresh(practice.id)
    advance.advance_batch(practice.id, NOW)
    assert [(t[1], t[4], t[5]) for t in build.touches(practice.id)] == [
        (0, "skip", ["CONDITION_UNFINISHED_PLAN"]),
        (1, "send", []),
    ]


def test_the_kill_switch_and_a_pause_stop_deciding(practice: Practice) -> None:
    enrolment = build.enrolment(practice.id, build.version(practice), build.person(practice.id))
    build.refresh(practice.id)
    db.run("UPDATE practice SET held_at = now() WHERE id = %(p)s", p=practice.id)
    assert advance.advance_batch(practice.id, NOW) == 0
    db.run("UPDATE practice SET held_at = NULL WHERE id = %(p)s", p=practice.id)
    db.run("UPDATE campaign SET state = 'paused' WHERE practice_id = %(p)s", p=practice.id)
    assert advance.advance_batch(practice.id, NOW) == 0
    assert build.state(practice.id, enrolment)[:2] == ("waiting", 0)


def test_a_broken_enrolment_is_set_aside_and_the_third_time_stopped_with_a_task(practice: Practice) -> None:
    good, bad = build.version(practice), build.version(practice, name="A version nobody can read")
    broken = insert(
        "campaign_version", practice_id=practice.id, number=2, spec=db.json({"playbook": {}}), spec_sha256="1", salt="s", published_at=NOW,
        published_by="test", campaign_id=db.value("SELECT campaign_id FROM campaign_version WHERE id = %(v)s", v=bad),
    )  # fmt: skip
    spoiled = build.enrolment(practice.id, broken, build.person(practice.id))
    build.enrolment(practice.id, good, build.person(practice.id))
    build.refresh(practice.id)
    at: datetime = NOW
    for hours in range(3):
        at = NOW + timedelta(hours=hours)
        advance.advance_batch(practice.id, at)
    assert [t[4] for t in build.touches(practice.id)] == ["send"]
    assert build.state(practice.id, spoiled)[0::3] == ("stopped", "error")
    assert db.values("SELECT kind FROM task WHERE practice_id = %(p)s", p=practice.id) == ["engine_error"]


def test_an_unfinished_plan_never_ends_in_silence(practice: Practice) -> None:
    version = build.version(practice)
    silent, refused, booked, waiting = (build.person(practice.id) for _ in range(4))
    for patient in (silent, refused, booked, waiting):
        insert(
            "treatment_plan_item", practice_id=practice.id, source="test", source_key=f"T{patient}", patient_id=patient, code="D2740",
            status="proposed", planned_on=date(2026, 1, 5), fee_cents=90000,
        )  # fmt: skip
        build.enrolment(
            practice.id,
            version,
            patient,
            step=3 if patient == silent else 0,
            due_at=NOW + timedelta(days=patient == waiting),
        )
    build.refresh(practice.id)
    assert stop.stop(practice.id, [refused], "opted_out", NOW) == 1
    assert stop.stop(practice.id, [booked], "booked", NOW) == 1
    advance.advance_batch(practice.id, NOW)
    (row,) = campaign.every(practice.id)
    assert campaign.finish(practice.id, row.id, "owner", NOW) == 1
    tasks = db.tuples(
        "SELECT kind, patient_id, detail ->> 'reason' FROM task WHERE practice_id = %(p)s ORDER BY patient_id",
        p=practice.id,
    )
    assert tasks == [
        ("closing", silent, "no_answer"),
        ("closing", refused, "opted_out"),
        ("closing", waiting, "campaign_finished"),
    ]


def test_a_reply_stops_unless_the_playbook_says_otherwise(practice: Practice) -> None:
    ends = build.enrolment(practice.id, build.version(practice), first := build.person(practice.id))
    goes_on = build.enrolment(
        practice.id,
        build.version(practice, name="Keeps on", stop=["booked", "opted_out", "left", "complaint"]),
        second := build.person(practice.id),
    )
    assert stop.stop(practice.id, [first, second], "replied", NOW) == 1
    assert build.state(practice.id, ends)[0] == "stopped"
    assert build.state(practice.id, goes_on)[0] == "waiting"
    assert stop.stop(practice.id, [second], "opted_out", NOW) == 1


def test_a_stop_for_the_household_reaches_everybody_who_lives_there(practice: Practice) -> None:
    version, home = build.version(practice), build.household(practice.id, "h1")
    mother, son, stranger = (build.person(practice.id, household_id=h) for h in (home, home, None))
    for patient in (mother, son, stranger):
        build.enrolment(practice.id, version, patient)
    assert stop.stop(practice.id, [mother], "complaint", NOW, household=True) == 2


def test_a_control_is_let_go_when_its_measurement_is_over(practice: Practice) -> None:
    control = build.enrolment(
        practice.id,
        build.version(practice),
        build.person(practice.id),
        arm="held_out",
        state="held_out",
        due_at=NOW + 90 * DAY,
    )
    assert advance.advance_batch(practice.id, NOW + 89 * DAY) == 0
    assert advance.advance_batch(practice.id, NOW + 90 * DAY) == 1
    assert build.state(practice.id, control)[0::3] == ("finished", "measured")
    assert build.touches(practice.id) == []


def test_three_patients_cost_as_many_statements_as_one(practice: Practice) -> None:
    version = build.version(practice)
    counts = []
    for size in (1, 3):
        for _ in range(size):
            build.enrolment(practice.id, version, build.person(practice.id))
        build.refresh(practice.id)
        with CaptureQueriesContext(connection) as queries:
            assert advance.advance_batch(practice.id, NOW) == size
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_guardian_is_written_to_in_the_place_of_a_child(practice: Practice) -> None:
    mother = build.person(practice.id)
    child = build.person(practice.id, phone="-", email="-", birthdate=date(2018, 5, 1), guarantor_id=mother)
    build.enrolment(practice.id, build.version(practice), child)
    build.refresh(practice.id)
    advance.advance_batch(practice.id, NOW)
    mail = db.value("SELECT id FROM contact_point WHERE practice_id = %(p)s AND kind = 'email'", p=practice.id)
    assert db.tuples("SELECT verdict, contact_point_id FROM touch WHERE practice_id = %(p)s", p=practice.id) == [
        ("send", mail)
    ]


def test_an_opt_out_names_itself_even_where_facts_show_no_number(practice: Practice) -> None:
    patient = build.person(practice.id, phone="-", email="-")
    make_point(practice.id, patient, sms_level=2, sms_out_at=NOW, call_out_at=NOW)
    build.enrolment(practice.id, build.version(practice), patient)
    build.refresh(practice.id)
    advance.advance_batch(practice.id, NOW)
    codes = [touch[5] for touch in build.touches(practice.id)]
    assert codes[0] == ["NO_ADDRESS"]
    assert "OPTED_OUT" in codes[1]
    assert "OPTED_OUT" in codes[2]
