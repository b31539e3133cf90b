"""I1: every contact cites the consent it rests on, and one question shows the proof."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from recare.base import db
from recare.campaigns import advance
from recare.consent import grant
from recare.consent.grant import Evidence
from recare.messages import evidence, render, send
from tests.campaigns import build

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


def test_i1_another_minute_and_another_number_have_nothing_to_show(practice: Practice, texted: int) -> None:
    assert evidence.contacted(practice.id, PHONE, NOW + timedelta(minutes=3)) == []
    assert evidence.contacted(practice.id, "+16305550178", NOW) == []
    with pytest.raises(ValueError, match="no telephone number"):
        evidence.contacted(practice.id, "garbage", NOW)
