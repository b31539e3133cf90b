"""Rows become contexts: everything known is there, everything unknown stays unknown."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recare.base import db
from recare.campaigns import contexts, review
from recare.campaigns.contexts import Ask
from recare.compliance.gates import decide
from recare.compliance.packs import load_packs
from tests.campaigns import build
from tests.campaigns.build import NOW
from tests.factories import insert, make_point

if TYPE_CHECKING:
    from recare.compliance.context import Context
    from recare.practices.practice import Practice


def point(practice_id: int, kind: str = "phone") -> int:
    return int(
        db.value("SELECT id FROM contact_point WHERE practice_id = %(p)s AND kind = %(k)s", p=practice_id, k=kind)
    )


def one(practice: Practice, patient: int, **more: object) -> Context:
    build.refresh(practice.id)
    ask = Ask(patient, "sms", "R", point(practice.id), **more)  # type: ignore[arg-type]
    return contexts.load(practice.id, [ask], NOW)[0]


def test_HIP_05_what_one_of_the_family_forbids_is_forbidden_on_the_number_they_share(practice: Practice) -> None:  # noqa: N802
    patient = build.person(practice.id)
    sister = build.person(practice.id)
    shared = db.value("SELECT contact_point_id FROM patient_contact WHERE practice_id = %(p)s AND patient_id = %(i)s ORDER BY 1 LIMIT 1", p=practice.id, i=patient)  # fmt: skip
    insert(
        "patient_contact",
        practice_id=practice.id,
        patient_id=sister,
        contact_point_id=shared,
        label="mobile",
        source="test",
    )
    db.run(
        "UPDATE patient SET banned_channels = '{sms}' WHERE practice_id = %(p)s AND id = %(i)s", p=practice.id, i=sister
    )
    build.refresh(practice.id)
    asked = {
        channel: contexts.load(practice.id, [Ask(patient, channel, "R", shared)], NOW)[0] for channel in ("sms", "call")
    }
    found = {channel: decide(context, load_packs(), NOW).codes for channel, context in asked.items()}
    assert "PATIENT_RESTRICTION" in found["sms"]
    assert "PATIENT_RESTRICTION" not in found["call"]
    db.run(
        "UPDATE patient_contact SET ended_at = %(now)s WHERE practice_id = %(p)s AND patient_id = %(i)s",
        p=practice.id,
        i=sister,
        now=NOW,
    )
    again = contexts.load(practice.id, [Ask(patient, "sms", "R", shared)], NOW)[0]
    assert "PATIENT_RESTRICTION" not in decide(again, load_packs(), NOW).codes


def test_a_contact_of_anybody_on_the_number_counts_also_a_call_and_not_the_touch_asked_about(
    practice: Practice,
) -> None:
    patient = build.person(practice.id)
    enrolment = build.enrolment(practice.id, build.version(practice), patient)
    common = {
        "practice_id": practice.id,
        "enrolment_id": enrolment,
        "patient_id": patient,
        "contact_point_id": point(practice.id),
    }
    touches = [
        insert("touch", step=n, attempt=0, channel="sms", verdict="send", decided_at=NOW - timedelta(days=n), **common)
        for n in range(4)
    ]
    for touch, state in ((touches[1], "withheld"), (touches[2], "unknown")):
        insert(
            "message", practice_id=practice.id, touch_id=touch, patient_id=patient, contact_point_id=point(practice.id), channel="sms",
            message_class="R", body_text="x", state=state, not_before=NOW, not_after=NOW, created_at=NOW,
        )  # fmt: skip
    call = insert(
        "call", practice_id=practice.id, touch_id=touches[3], enrolment_id=enrolment, patient_id=patient, contact_point_id=point(practice.id),
        due_at=NOW, not_after=NOW, created_at=NOW, state="done",
        campaign_id=db.value("SELECT campaign_id FROM enrolment WHERE practice_id = %(p)s AND id = %(e)s", p=practice.id, e=enrolment),
    )  # fmt: skip
    insert(
        "call_outcome", practice_id=practice.id, call_id=call, patient_id=patient, contact_point_id=point(practice.id), outcome="no_answer",
        staff="jo", at=NOW - timedelta(hours=5),
    )  # fmt: skip
    found = one(practice, patient, touch_id=touches[0])
    assert sorted(found.history.number_touches) == [NOW - timedelta(days=2), NOW - timedelta(hours=5)]


def test_consent_comes_with_its_event_and_another_owner_of_the_practice_is_seen(practice: Practice) -> None:
    patient = build.person(practice.id)
    event = insert(
        "consent_event", practice_id=practice.id, seq=99, prev_hash=b"", hash=b"", recorded_at=NOW, effective_at=NOW - timedelta(days=9),
        contact_point_id=point(practice.id), channel="sms", address_hash=b"", type="granted", level=2, method="paper",
        practice_legal_name="Somebody Else, P.C.",
    )  # fmt: skip
    found = one(practice, patient).point
    assert found is not None
    assert (found.level, found.consent_event_id, found.consent_written, found.seller_changed) == (2, event, True, True)
    assert found.consented_on == (NOW - timedelta(days=9)).date()


def test_a_number_the_family_no_longer_holds_is_no_number(practice: Practice) -> None:
    patient = build.person(practice.id)
    db.run("UPDATE patient_contact SET ended_at = %(n)s WHERE practice_id = %(p)s", n=NOW, p=practice.id)
    assert one(practice, patient).point is None


def test_an_opt_out_of_calls_is_an_opt_out_of_the_number(practice: Practice) -> None:
    patient = build.person(practice.id, phone="-")
    make_point(practice.id, patient, sms_level=2, call_out_at=NOW)
    found = one(practice, patient).point
    assert found is not None
    assert (found.opted_out_at, found.all_calls_out_at, found.internal_dnc) == (None, NOW, True)


def test_what_the_policy_says_narrows_and_a_missing_document_lifts_nothing(practice: Practice) -> None:
    policy = {
        "window": {"weekday": ["11:00", "16:00"], "saturday": ["10:00", "12:00"]},
        "max_per_week": 1,
        "recall_is_solicitation": False,
    }
    db.run("UPDATE practice SET policy = %(policy)s WHERE id = %(p)s", policy=db.json(policy), p=practice.id)
    facts = one(practice, build.person(practice.id)).practice
    assert (facts.window.weekday, facts.window.saturday, facts.window.sunday) == (
        (time(11), time(16)),
        (time(10), time(12)),
        None,
    )
    assert facts.recall_is_solicitation
    signed = policy | {"recall_document": {"document": "opinion.pdf", "name": "Counsel", "date": "2026-12-01"}}
    db.run("UPDATE practice SET policy = %(policy)s WHERE id = %(p)s", policy=db.json(signed), p=practice.id)
    assert not contexts.load(practice.id, [Ask(build.person(practice.id), "email", "R")], NOW)[
        0
    ].practice.recall_is_solicitation


def test_a_real_practice_that_never_imported_knows_of_no_visits(practice: Practice) -> None:
    db.run("UPDATE practice SET is_rehearsal = false WHERE id = %(p)s", p=practice.id)
    patient = build.person(practice.id)
    assert one(practice, patient).patient.visits_known_at is None
    read = NOW - timedelta(hours=3)
    insert(
        "sync_run",
        practice_id=practice.id,
        source="csv",
        state="done",
        started_at=read,
        finished_at=read,
        appointments_as_of=read,
    )
    assert one(practice, patient).patient.visits_known_at == read


def test_a_child_has_a_guardian_only_when_that_is_an_adult(practice: Practice) -> None:
    for birthdate, expected in ((date(1985, 1, 1), True), (date(2012, 1, 1), False), (None, False)):
        other = build.person(practice.id, birthdate=birthdate)
        child = build.person(practice.id, birthdate=date(2018, 1, 1), guarantor_id=other)
        found = contexts.load(practice.id, [Ask(child, "email", "R")], NOW)[0]
        assert found.patient.has_guardian is expected


def test_three_asks_cost_as_many_statements_as_one(practice: Practice) -> None:
    asks = [Ask(build.person(practice.id), "email", "R", None) for _ in range(3)]
    build.refresh(practice.id)
    counts = []
    for some in (asks[:1], asks):
        with CaptureQueriesContext(connection) as queries:
            assert [c.patient.id for c in contexts.load(practice.id, some, NOW)] == [ask.patient_id for ask in some]
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_an_unknown_patient_is_an_error_not_a_guess(practice: Practice) -> None:
    with pytest.raises(LookupError, match="There is no patient"):
        contexts.load(practice.id, [Ask(10**9, "email", "R")], NOW)


@pytest.mark.parametrize("approved", [True, False])
def test_a_review_is_answered_once_with_a_note(practice: Practice, *, approved: bool) -> None:
    enrolment = build.enrolment(
        practice.id, build.version(practice), build.person(practice.id), due_at=NOW + timedelta(days=7)
    )
    task = insert(
        "task", practice_id=practice.id, kind="contact_review", subject_table="enrolment", subject_id=enrolment, created_at=NOW,
        detail=db.json({"codes": ["RND_NEEDED"], "step": 0}),
    )  # fmt: skip
    with pytest.raises(ValueError, match="note"):
        review.answer(practice.id, task, "owner", " ", NOW, approved=approved)
    assert review.answer(practice.id, task, "owner", "Spoke to her at the desk.", NOW, approved=approved)
    assert not review.answer(practice.id, task, "owner", "again", NOW, approved=approved)
    assert build.state(practice.id, enrolment)[1:3] == (0, NOW)
