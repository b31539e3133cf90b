"""Before anything is sent: who, when, by which channel, at what cost, and why the others not."""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recare.base import db
from recare.campaigns import campaign, enrol, playbook, preview
from recare.segments import segment
from tests.campaigns import build
from tests.campaigns.build import NOW
from tests.factories import insert

if TYPE_CHECKING:
    from recare.practices.practice import Practice


def draft(practice: Practice) -> int:
    segment.install(practice.id, NOW)
    plan = build.text()
    build.templates(practice.id, playbook.read(plan))
    return campaign.create(practice.id, "Win-back", plan, "owner", NOW)


def test_a_preview_says_what_the_freeze_and_the_first_decisions_then_do(practice: Practice) -> None:
    campaign_id = draft(practice)
    for _ in range(20):
        build.person(practice.id)
    build.person(practice.id, email_level=0)  # goes to step 2, a text
    build.person(practice.id, phone="-", email_level=0)
    build.person(practice.id, hold="legal")
    build.refresh(practice.id)
    before = db.tuples(
        "SELECT (SELECT count(*) FROM enrolment), (SELECT count(*) FROM touch), (SELECT count(*) FROM task)"
    )
    seen = preview.preview(practice.id, campaign_id, NOW)
    assert (
        db.tuples("SELECT (SELECT count(*) FROM enrolment), (SELECT count(*) FROM touch), (SELECT count(*) FROM task)")
        == before
    )
    assert [(reason.code, reason.patients) for reason in seen.left_out] == [("NO_CONSENT", 1)]
    assert seen.segment == 22  # the held patient is not in the segment
    assert seen.held_out + seen.contacted == seen.eligible == 21
    campaign.publish(practice.id, campaign_id, "owner", NOW)
    done = enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
    assert (done.treated, done.held_out) == (seen.contacted, seen.held_out)
    assert sum(seen.channels.values()) == seen.contacted
    assert seen.days == {NOW.date(): seen.contacted}
    assert seen.expected.low < seen.expected.high
    assert seen.expected.evidence.startswith("assumption")
    assert seen.steps[0].channels == {"email": seen.contacted - seen.channels.get("sms", 0)}
    assert seen.cost_micros > 0


def test_every_reason_is_counted_not_only_the_first(practice: Practice) -> None:
    campaign_id = draft(practice)
    for _ in range(3):
        build.person(practice.id, email_level=0, state="FL", zip="33101", sms_level=2)
    build.refresh(practice.id)
    seen = preview.preview(practice.id, campaign_id, NOW)
    assert {reason.code: reason.patients for reason in seen.every_code}.keys() >= {"NO_CONSENT_EMAIL", "NO_PEWC"}
    assert all(reason.words.endswith(".") for reason in seen.every_code)


def test_three_patients_cost_as_many_statements_as_one(practice: Practice) -> None:
    campaign_id, counts = draft(practice), []
    for size in (1, 3):
        for _ in range(size):
            build.person(practice.id)
        build.refresh(practice.id)
        with CaptureQueriesContext(connection) as queries:
            preview.preview(practice.id, campaign_id, NOW)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_plan_that_names_what_is_not_there_is_told_in_sentences(practice: Practice) -> None:
    campaign_id = campaign.create(practice.id, "Win-back", build.text(segment="nobody_knows"), "owner", NOW)
    with pytest.raises(campaign.CannotPublishError) as caught:
        campaign.publish(practice.id, campaign_id, "owner", NOW)
    assert caught.value.problems == [
        "There is no e-mail template 'winback'. Make it under Templates, or name another in the playbook.",
        "There is no text message template 'winback_text'. Make it under Templates, or name another in the playbook.",
        "There is no call script template 'winback_call'. Make it under Templates, or name another in the playbook.",
        "The practice has nothing to send from by e-mail. Set up a sender first.",
        "The practice has nothing to send from by text message. Set up a sender first.",
        "There is no segment 'nobody_knows'. Choose one under Segments, or write the predicate into the playbook.",
    ]
    insert("template", practice_id=practice.id, slug="winback", channel="email", name="x", created_at=NOW)
    with pytest.raises(campaign.CannotPublishError, match="'winback' has no approved version"):
        campaign.publish(practice.id, campaign_id, "owner", NOW)


def test_a_published_version_is_frozen_and_a_second_publishing_of_the_same_makes_none(practice: Practice) -> None:
    campaign_id = draft(practice)
    first = campaign.publish(practice.id, campaign_id, "owner", NOW)
    assert campaign.publish(practice.id, campaign_id, "owner", NOW + timedelta(days=1)) == first
    campaign.save(practice.id, campaign_id, build.text(rest_days=200), "owner", NOW)
    second = campaign.publish(practice.id, campaign_id, "owner", NOW + timedelta(days=1))
    assert campaign.get(practice.id, campaign_id).version == 2
    rows = db.tuples(
        "SELECT id, salt, spec -> 'playbook' ->> 'rest_days', spec -> 'segment' ->> 'slug', spec ->> 'bands', "
        "jsonb_array_length(spec -> 'templates') FROM campaign_version WHERE practice_id = %(p)s ORDER BY number",
        p=practice.id,
    )
    assert [row[0] for row in rows] == [first, second]
    assert rows[0][1] == rows[1][1]
    assert [row[2:] for row in rows] == [
        ("183", "long_lapsed", "founding-article 1", 3),
        ("200", "long_lapsed", "founding-article 1", 3),
    ]


def test_pausing_resuming_and_finishing_leave_their_actors(practice: Practice) -> None:
    campaign_id = draft(practice)
    assert not campaign.pause(practice.id, campaign_id, "too many calls", "owner", NOW)
    campaign.publish(practice.id, campaign_id, "owner", NOW)
    build.person(practice.id)
    build.refresh(practice.id)
    enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
    assert campaign.pause(practice.id, campaign_id, "too many calls", "owner", NOW)
    with pytest.raises(enrol.NotRunningError):
        enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
    assert campaign.resume(practice.id, campaign_id, "manager", NOW)
    assert campaign.finish(practice.id, campaign_id, "owner", NOW) == 1
    verbs = db.values(
        "SELECT verb FROM audit_entry WHERE practice_id = %(p)s AND object LIKE 'campaign:%%' ORDER BY seq",
        p=practice.id,
    )
    assert verbs == [
        "campaign.created",
        "campaign.published",
        "campaign.paused",
        "campaign.running",
        "campaign.finished",
    ]


def test_free_chairs_are_opening_hours_less_what_is_taken(practice: Practice) -> None:
    chair = insert(
        "operatory",
        practice_id=practice.id,
        source="test",
        source_key="1",
        name="Hygiene 1",
        is_hygiene=True,
        bookable=True,
    )
    for weekday in range(5):
        insert("opening_hours", practice_id=practice.id, weekday=weekday, starts=time(8), ends=time(12))
    insert("closure", practice_id=practice.id, day=(NOW + timedelta(days=2)).date(), label="Closed")
    patient = build.person(practice.id)
    insert(
        "appointment", practice_id=practice.id, source="test", source_key="a", patient_id=patient, status="scheduled", minutes=60,
        starts_at=NOW + timedelta(days=3), operatory_id=chair,
    )  # fmt: skip
    weekdays = sum((NOW + timedelta(days=n)).weekday() < 5 for n in range(1, 31))
    assert preview.free_visits(practice.id, NOW) == (weekdays - 1) * 4 - 1
