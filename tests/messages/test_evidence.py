"""I1: every contact cites the consent it rests on, and one question shows the proof."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, transaction

from recare.base import db
from recare.campaigns import advance
from recare.consent import grant, revoke
from recare.consent.grant import Evidence
from recare.messages import evidence, render, send
from tests.campaigns import build
from tests.messages import outbox

if TYPE_CHECKING:
    from recare.practices.practice import Practice

NOW = build.NOW
PHONE = "+16305550177"
SHOWN = "I agree to get texts about visits from Maple Dental, P.C. at this number. Not a condition of any purchase."


@pytest.fixture
def texted(practice: Practice) -> int:
    """A patient who signed a form last year, and has just been texted by a campaign."""
    patient = build.person(practice.id, phone=PHONE, email="-", sms_level=0, call_level=0)
    point: int = db.value("SELECT contact_point_id FROM patient_contact WHERE practice_id = %(p)s AND patient_id = %(a)s", p=practice.id, a=patient)  # fmt: skip
    signed = Evidence(
        "paper", "scan:17", exact_text=SHOWN, text_version="form 3", signature="Ada Example", seller_named=True,
        not_condition_of_purchase=True, person_id=patient, effective_at=NOW - timedelta(days=300),
    )  # fmt: skip
    grant.grant(practice.id, point, "sms", 3, signed, NOW)
    grant.grant(practice.id, point, "call", 3, Evidence("verbal", "note:1", person_id=patient), NOW)
    text = "Maple Dental: Hi, it's been a while. Call 630-555-0100. Reply STOP to opt out."
    version = build.version(practice, steps=[{"channel": "sms", "template": "winback_text"}])
    db.run("UPDATE template_version SET body = %(t)s WHERE practice_id = %(p)s", t=text, p=practice.id)
    build.enrolment(practice.id, version, patient)
    build.refresh(practice.id)
    assert advance.advance_batch(practice.id, NOW) == 1
    render.render_batch(practice.id, NOW)
    send.send_batch(practice.id, NOW)
    return point


def test_i1_why_was_this_number_texted_at_that_minute(practice: Practice, texted: int) -> None:
    [found] = evidence.contacted(practice.id, "(630) 555-0177", NOW + timedelta(seconds=50))
    assert found.consent is not None
    assert (found.consent.exact_text, found.consent.signature, found.consent.evidence_ref) == (
        SHOWN,
        "Ada Example",
        "scan:17",
    )
    assert found.consent.hash == bytes(db.value("SELECT hash FROM consent_event WHERE practice_id = %(p)s AND seq = %(s)s", p=practice.id, s=found.consent.seq))  # fmt: skip
    assert found.local_time == "2027-01-12 11:00 CST"
    assert found.scrub.last_confirmed_on is not None
    assert found.packs
    assert [r["code"] for r in found.reasons] == ["ALLOWED", "ALLOWED"]
    lines = "\n".join(evidence.in_lines(found))
    for said in (SHOWN, "Ada Example", "scan:17", found.consent.hash.hex(), found.packs[0], "11:00 CST"):
        assert said in lines


def test_i1_every_message_of_a_campaign_has_a_decision_that_cites_its_consent(practice: Practice, texted: int) -> None:
    rows = db.tuples(
        "SELECT m.touch_id, v.channel, v.level FROM message m JOIN touch t ON t.practice_id = m.practice_id AND t.id = m.touch_id "
        "LEFT JOIN consent_event v ON v.practice_id = t.practice_id AND v.id = t.consent_event_id WHERE m.practice_id = %(p)s",
        p=practice.id,
    )  # fmt: skip
    assert [(channel, level) for _, channel, level in rows] == [("sms", 3)]


def test_DNC_01_RND_01_what_the_lists_said_then_is_shown_as_it_was_then(practice: Practice, texted: int) -> None:  # noqa: N802
    """Asked anew afterwards, with another answer: the proof of the old text does not change."""
    asked = "UPDATE contact_point SET dnc_listed = true, dnc_checked_on = '2027-02-01', reassigned = 'no_data', reassigned_checked_on = '2027-02-02', last_confirmed_on = '2027-02-03' WHERE practice_id = %(p)s"  # fmt: skip
    db.run(asked, p=practice.id)
    [found] = evidence.contacted(practice.id, PHONE, NOW)
    nothing = evidence.Scrub(last_confirmed_on=date(2026, 12, 1))
    assert (found.scrub_decided, found.scrub) == (nothing, nothing)
    said = "\n".join(evidence.in_lines(found))
    assert "When it was decided: national do-not-call list never checked" in said
    assert "2027-02" not in said


def test_DNC_01_a_list_asked_between_decision_and_claim_is_kept_with_both(practice: Practice) -> None:  # noqa: N802
    case = outbox.make_case(practice.id)
    outbox.make_sender(practice.id)
    message = outbox.make_message(case)
    db.run("UPDATE contact_point SET dnc_listed = false, dnc_checked_on = '2027-01-11' WHERE practice_id = %(p)s", p=practice.id)  # fmt: skip
    send.send_batch(practice.id, NOW)
    found = evidence.proof(practice.id, message)
    assert (found.scrub_decided.dnc_checked_on, found.scrub.dnc_checked_on) == (None, date(2027, 1, 11))


BREAKS = {
    "no consent named": "UPDATE message SET state = 'sent' WHERE id = %(m)s",
    "a consent taken away afterwards": "UPDATE message SET state = 'sent', consent_event_id = %(good)s WHERE id = %(m)s; "
    "UPDATE message SET consent_event_id = NULL WHERE id = %(m)s",
    "a no in the place of a yes": "UPDATE message SET state = 'sending', consent_event_id = %(no)s WHERE id = %(m)s",
    "the consent of another number": "UPDATE message SET state = 'sent', consent_event_id = %(other)s WHERE id = %(m)s",
    "an event that is none": "UPDATE message SET state = 'unknown', consent_event_id = 999999999 WHERE id = %(m)s",
    "a number in the chart for an invitation": "UPDATE message SET state = 'sent', basis = 'chart' WHERE id = %(m)s",
    "another number put in": "UPDATE message SET state = 'sent', consent_event_id = %(good)s WHERE id = %(m)s; "
    "UPDATE message SET contact_point_id = %(elsewhere)s WHERE id = %(m)s",
    "a finished row put in": "INSERT INTO message (practice_id, touch_id, contact_point_id, channel, message_class, body_text, state, not_before, "
    "not_after, created_at) SELECT practice_id, touch_id, contact_point_id, channel, 'R', '', 'sent', now(), now(), now() FROM message "
    "WHERE id = %(other_m)s",
}  # fmt: skip


@pytest.mark.parametrize("how", BREAKS)
def test_i1_the_database_itself_refuses_a_contact_without_its_consent(practice: Practice, how: str) -> None:
    case = outbox.make_case(practice.id)
    message, other = outbox.make_message(case), outbox.make_message(case)
    here, there = (outbox.message(practice.id, one).contact_point_id for one in (message, other))
    [no, *_] = revoke.revoke(practice.id, here, ("email",), "front_desk", "desk", "", "note", NOW)
    events = dict(db.tuples("SELECT contact_point_id, id FROM consent_event WHERE practice_id = %(p)s AND channel = 'sms'", p=practice.id))  # fmt: skip
    values = {
        "m": message,
        "other_m": other,
        "good": events[here],
        "other": events[there],
        "no": no,
        "elsewhere": there,
    }
    *before, breaking = BREAKS[how].split("; ")
    for statement in before:
        db.run(statement, **values)
    with pytest.raises(DatabaseError, match="without the consent it rests on"), transaction.atomic():
        db.run(breaking, **values)


@pytest.mark.parametrize(("channel", "kind"), [("letter", "R"), ("sms", "A")])
def test_i1_what_needs_no_consent_says_so(practice: Practice, channel: str, kind: str) -> None:
    message = outbox.make_message(outbox.make_case(practice.id), message_class=kind)
    db.run("UPDATE message SET channel = %(c)s, state = 'sent', basis = 'chart', sent_at = now() WHERE id = %(m)s", c=channel, m=message)  # fmt: skip
    assert "stands in the chart" in "\n".join(evidence.in_lines(evidence.proof(practice.id, message)))


def test_i1_a_level_that_no_event_stands_behind_sends_nothing(practice: Practice) -> None:
    outbox.make_sender(practice.id)
    message = outbox.make_message(outbox.make_case(practice.id), point={"sms_level": 0})
    db.run("UPDATE contact_point SET sms_level = 2 WHERE practice_id = %(p)s", p=practice.id)
    send.send_batch(practice.id, NOW)
    assert (outbox.message(practice.id, message).state, outbox.message(practice.id, message).codes) == (
        "withheld",
        ["CONSENT_UNKNOWN"],
    )


def test_i3_a_fresh_consent_after_a_no_is_cited_not_the_better_one_before_it(practice: Practice) -> None:
    outbox.make_sender(practice.id)
    message = outbox.make_message(outbox.make_case(practice.id), point={"sms_level": 3})
    point = outbox.message(practice.id, message).contact_point_id
    revoke.revoke(practice.id, point, ("sms",), "front_desk", "desk", "", "note", NOW - timedelta(days=30))
    db.run("UPDATE message SET state = 'queued' WHERE id = %(m)s", m=message)
    fresh = grant.grant(
        practice.id, point, "sms", 2, Evidence("paper", "scan:2", effective_at=NOW - timedelta(days=2)), NOW
    )
    send.send_batch(practice.id, NOW)
    assert db.value("SELECT consent_event_id FROM message WHERE id = %(m)s", m=message) == fresh


def test_i1_another_minute_and_another_number_have_nothing_to_show(practice: Practice, texted: int) -> None:
    assert evidence.contacted(practice.id, PHONE, NOW + timedelta(minutes=3)) == []
    assert evidence.contacted(practice.id, "+16305550178", NOW) == []
    with pytest.raises(ValueError, match="no telephone number"):
        evidence.contacted(practice.id, "garbage", NOW)
