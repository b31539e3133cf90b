"""Every contact, and every silence, can be told in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from recare.base import db
from recare.campaigns import advance, enrol, stop, why
from tests.campaigns import build
from tests.campaigns.build import NOW
from tests.campaigns.test_enrol import running
from tests.factories import make_patient, make_visit

if TYPE_CHECKING:
    from recare.practices.practice import Practice


def test_the_whole_story_of_a_patient_is_told_with_its_reasons(practice: Practice) -> None:
    campaign_id = running(practice, hold_out=0)
    patient = build.person(practice.id, source_key="17", email_level=0)
    build.refresh(practice.id)
    enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
    advance.advance_batch(practice.id, NOW)
    stop.stop(practice.id, [patient], "booked", NOW)
    told = why.explain(practice.slug, "17", NOW)
    text = "\n".join(told)
    assert told[0] == f"Patient {patient}: active; last visit 8 Jan 2024; nothing booked."
    assert "consent level C0" in text
    assert "Came into 'Win-back' (version 1)." in text
    assert "Step 1: No e-mail at this step." in text
    assert "Has not agreed to e-mail like this. (e-mail, CON-03)" in text
    assert "Step 2: Text message decided: it may go." in text
    assert "Left 'Win-back': a visit was booked." in text
    assert "Now, by e-mail: Has not agreed to e-mail like this." in text
    address = db.value("SELECT address FROM contact_point WHERE practice_id = %(p)s AND kind = 'phone'", p=practice.id)
    assert address not in text
    entries = why.for_patient(practice.id, patient, NOW)
    assert [entry.kind for entry in entries] == ["enrolment", "end", "touch", "touch"]


def test_a_patient_who_was_never_enrolled_hears_which_part_of_the_segment_fails(practice: Practice) -> None:
    running(practice)
    patient = make_patient(practice.id)
    make_visit(practice.id, patient, -40)
    build.refresh(practice.id)
    told = "\n".join(why.explain(practice.slug, str(patient), NOW))
    assert "Was never in a campaign." in told
    assert "Not in 'Win-back': the segment 'Long lapsed' does not take this patient." in told
    assert "Band is long lapsed: active." in told


def test_a_patient_left_out_at_the_freeze_hears_why(practice: Practice) -> None:
    running(practice)
    patient = build.person(practice.id, phone="-", email_level=0)
    build.refresh(practice.id)
    told = why.explain(practice.slug, str(patient), NOW)
    assert "Not in 'Win-back': has agreed to none of the channels of this campaign." in told


def test_a_control_hears_that_it_was_drawn(practice: Practice) -> None:
    campaign_id = running(practice, hold_out=0.5)
    for _ in range(12):
        build.person(practice.id)
    build.refresh(practice.id)
    enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
    control = db.value(
        "SELECT patient_id FROM enrolment WHERE practice_id = %(p)s AND arm = 'held_out' LIMIT 1", p=practice.id
    )
    (entry,) = why.for_patient(practice.id, control, NOW)
    assert (
        entry.title == "Left alone on purpose: drawn into the 50% of 'Win-back' that everybody else is compared with."
    )


def test_a_run_is_counted_whole(practice: Practice) -> None:
    campaign_id = running(
        practice,
        hold_out=0,
        steps=[
            {"channel": "email", "template": "winback"},
            {"channel": "call", "template": "winback_call", "wait_days": 9},
        ],
    )
    for _ in range(3):
        build.person(practice.id)
    build.person(practice.id, phone="-", email_level=0)
    build.person(practice.id, email_level=2, hold="")
    refused = build.person(practice.id)
    build.refresh(practice.id)
    enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
    db.run("UPDATE contact_point SET email_out_at = %(n)s, call_out_at = %(n)s WHERE practice_id = %(p)s AND id IN "
           "(SELECT contact_point_id FROM patient_contact WHERE patient_id = %(i)s)", n=NOW, p=practice.id, i=refused)  # fmt: skip
    advance.advance_batch(practice.id, NOW)
    run = why.for_run(practice.id, campaign_id)
    assert (run.contacted, run.not_contacted) == (4, 2)
    assert [(cause.patients, cause.words) for cause in run.causes] == [
        (1, "Asked us to stop."),
        (1, "has agreed to none of the channels of this campaign"),
    ]


def test_an_unknown_patient_or_practice_is_one_sentence(practice: Practice) -> None:
    with pytest.raises(LookupError, match="There is no patient 'nobody'"):
        why.explain(practice.slug, "nobody", NOW)
    with pytest.raises(LookupError, match="There is no practice 'nowhere'"):
        why.explain("nowhere", "1", NOW)
