"""Three pieces of work cost as many statements as one: no batch asks the database once a patient.

Deciding, contexts, preview, writing, sending and the idle step hold the same in their own rooms. Answers are read, and providers asked
about silent claims, one by one on purpose; there it is the cost of one more that may not grow.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recare.base import db
from recare.bookings import book, chart, openings
from recare.calls import worklist
from recare.campaigns import audience, enrol
from recare.consent import ledger, points
from recare.consent.event import NewEvent
from recare.inbox import apply
from recare.messages import settle
from recare.patients import changes
from recare.practices.practice import Practice
from recare.reports import outcomes
from recare.segments import facts, segment
from tests.bookings.clinic import make_clinic
from tests.calls import rows as calls
from tests.campaigns import build
from tests.factories import fictional_phone, insert, make_patient, make_visit
from tests.inbox import people
from tests.messages import outbox
from tests.messages.outbox import NOW

Prepare = Callable[[Practice, int], Callable[[], Any]]


def calls_to_list(practice: Practice, count: int) -> Callable[[], Any]:
    case = calls.make_case(practice.id)
    for _ in range(count):
        calls.decided(case)
    return lambda: worklist.open_batch(practice.id, NOW)


def calls_to_show(practice: Practice, count: int) -> Callable[[], Any]:
    calls_to_list(practice, count)()
    return lambda: worklist.due(practice.id, NOW, 50)


def changed_charts(practice: Practice, count: int) -> Callable[[], Any]:
    for _ in range(count):
        patient = make_patient(practice.id)
        make_visit(practice.id, patient, -900)
        changes.mark(practice.id, [patient])
    return lambda: facts.refresh(practice.id)


def kept_visits(practice: Practice, count: int) -> Callable[[], Any]:
    version = build.version(practice)
    for _ in range(count):
        patient = build.person(practice.id)
        build.enrolment(practice.id, version, patient, assigned_at=NOW - timedelta(days=20), due_at=None)
        make_visit(practice.id, patient, -3)
    return lambda: outcomes.record_batch(practice.id, NOW)


def people_to_enrol(practice: Practice, count: int) -> Callable[[], Any]:
    segment.install(practice.id, NOW)
    for _ in range(count):
        build.person(practice.id)
    build.refresh(practice.id)
    version = build.version(practice)
    [(campaign, spec)] = db.tuples("SELECT campaign_id, spec FROM campaign_version WHERE id = %(v)s", v=version)
    whom = {"segment": audience.frozen_segment(practice.id, {"contactable": {"is": True}})}
    insert(
        "campaign_version", practice_id=practice.id, campaign_id=campaign, number=2, spec=db.json(spec | whom), spec_sha256="1",
        salt="salt", published_at=NOW, published_by="test",
    )  # fmt: skip
    return lambda: enrol.freeze_and_enrol(practice.id, campaign, NOW)


def holds_run_out(practice: Practice, count: int) -> Callable[[], Any]:
    _booked(practice, count, confirmed=False)
    return lambda: book.expire_batch(practice.id, NOW + timedelta(hours=1))


def bookings_entered(practice: Practice, count: int) -> Callable[[], Any]:
    for patient, start in _booked(practice, count, confirmed=True):
        insert(
            "appointment", practice_id=practice.id, source="csv", source_key=f"entered{patient}", patient_id=patient, status="scheduled",
            starts_at=start, minutes=60,
        )  # fmt: skip
    return lambda: chart.match_batch(practice.id, NOW + timedelta(hours=1))


def _booked(practice: Practice, count: int, *, confirmed: bool) -> list[tuple[int, datetime]]:
    if not db.value("SELECT count(*) FROM operatory"):
        make_clinic(practice)
    free, made = openings.find(practice, NOW.date(), 7, 60, NOW), []
    for opening in free[: count * 3 : 3]:
        patient = make_patient(practice.id)
        (book.take if confirmed else book.hold)(practice.id, patient, opening, "staff", NOW)
        made.append((patient, opening.starts_at))
    return made


def silent_claims(practice: Practice, count: int) -> Callable[[], Any]:
    case = outbox.make_case(practice.id)
    sender = db.value("SELECT id FROM sender") or outbox.make_sender(practice.id)
    for _ in range(count):
        outbox.make_message(
            case, state="sending", claimed_at=NOW - timedelta(hours=1), claimed_by="gone", attempt=1, sender_id=sender
        )
    return lambda: settle.settle_batch(practice.id, NOW)


def consents(practice: Practice, count: int) -> Callable[[], Any]:
    wanted = [("phone", fictional_phone()) for _ in range(count)]
    found = points.ensure(practice.id, wanted, NOW)
    events = [
        NewEvent(point, "sms", "granted", "paper", 2, effective_at=NOW, evidence_ref="scan:1")
        for point in found.values()
    ]
    return lambda: ledger.append(practice.id, events, NOW)


BATCHES: Final[tuple[Prepare, ...]] = (
    calls_to_list, calls_to_show, changed_charts, kept_visits, people_to_enrol, holds_run_out, bookings_entered, consents,
)  # fmt: skip


def statements(work: Callable[[], Any]) -> tuple[int, Any]:
    with CaptureQueriesContext(connection) as asked:
        done = work()
    return len(asked), done


@pytest.mark.parametrize("prepare", BATCHES, ids=lambda prepare: prepare.__name__.replace("_", " "))
def test_three_cost_as_many_statements_as_one(practice: Practice, prepare: Prepare) -> None:
    statements(prepare(practice, 1))  # what is read once and kept in memory is not counted
    one, did_one = statements(prepare(practice, 1))
    three, did_three = statements(prepare(practice, 3))
    assert did_one, "nothing was done"
    assert did_three != did_one, "no more was done, so this shows nothing"
    assert three == one


def answers(practice: Practice, count: int) -> Callable[[], Any]:
    case = people.make_case(practice.id)
    for person in [people.texted(case) for _ in range(count)]:
        people.writes(person, "STOP", NOW)
    return lambda: apply.apply_batch(practice.id, NOW)


@pytest.mark.parametrize("prepare", [answers, silent_claims], ids=["answers", "silent claims"])
def test_what_is_done_one_by_one_costs_the_same_each_time(practice: Practice, prepare: Prepare) -> None:
    _, one, two, four = (statements(prepare(practice, number))[0] for number in (1, 1, 2, 4))
    assert four - two == 2 * (two - one)
