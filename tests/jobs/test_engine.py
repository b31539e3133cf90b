"""The one list of background work: what is due is done, what is rare is not repeated, and only practices with work are asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recare.base import db
from recare.inbox.receive import Inbound, receive
from recare.jobs import engine, queue
from recare.patients import changes
from recare.practices.practice import Practice
from tests.conftest import new_practice
from tests.factories import make_patient
from tests.messages import outbox


def test_a_step_that_follows_another_at_once_leaves_rare_work_alone(practice: Practice, now: datetime) -> None:
    first, second = engine.step(practice.id, now), engine.step(practice.id, now + timedelta(minutes=5))
    rare = {stage.name for stage in engine.STAGES if stage.every is not None}
    assert rare <= set(first)
    assert not rare & set(second)
    later = engine.step(practice.id, now + timedelta(days=1))
    assert rare <= set(later)


def test_a_changed_chart_is_noticed_and_its_facts_are_computed(practice: Practice, now: datetime) -> None:
    patient = make_patient(practice.id)
    changes.mark(practice.id, [patient])
    engine.step(practice.id, now)
    assert db.values("SELECT patient_id FROM patient_facts") == [patient]


def test_a_new_practice_gets_the_shipped_templates_by_itself(practice: Practice, now: datetime) -> None:
    engine.step(practice.id, now)
    assert db.value("SELECT count(*) FROM template WHERE practice_id = %(practice)s", practice=practice.id) > 20


def test_only_practices_with_work_are_asked(practice: Practice, now: datetime) -> None:
    busy, idle = new_practice(), new_practice()
    virtual = new_practice(clock_at=now)
    for place in (busy, idle):
        engine.step(place.id, now)
    with db.scope(busy.id):
        changes.mark(busy.id, [make_patient(busy.id)])
    found = queue.due_practices(now + timedelta(minutes=1))
    assert busy.id in found
    assert not {idle.id, virtual.id} & set(found)
    assert idle.id in queue.due_practices(now + timedelta(hours=2))


@pytest.mark.parametrize(
    "waits",
    [
        {
            "channel": "email",
            "state": "unknown",
            "claimed_at": outbox.NOW,
            "settled_at": outbox.NOW,
        },  # a person looks into it
        {"channel": "sms"},  # the practice has no sender for texts
    ],
)
def test_what_only_a_person_can_move_on_asks_no_worker_every_few_seconds(
    practice: Practice, waits: dict[str, Any]
) -> None:
    place = new_practice()
    engine.step(place.id, outbox.NOW)
    with db.scope(place.id):
        outbox.make_sender(place.id, "email")
        outbox.make_message(outbox.make_case(place.id), **waits)
    soon = outbox.NOW + timedelta(minutes=1)
    assert place.id not in queue.due_practices(soon)
    with db.scope(place.id):
        db.run("UPDATE message SET settled_at = NULL WHERE practice_id = %(p)s", p=place.id)
        outbox.make_sender(place.id, "sms")
    assert place.id in queue.due_practices(soon)


def test_what_patients_write_is_read_while_the_practice_has_stopped_all_sending(
    practice: Practice, now: datetime
) -> None:
    stopped = new_practice(held_at=now)
    engine.step(stopped.id, now)
    with db.scope(stopped.id):
        receive(Inbound(stopped.id, "sandbox", "1", "sms", "+16305550142", "", "STOP"), now)
    assert stopped.id in queue.due_practices(now + timedelta(minutes=1))


def test_looking_for_work_costs_the_same_for_one_practice_as_for_three(practice: Practice, now: datetime) -> None:
    counts = []
    for more in (0, 2):
        for _ in range(more):
            new_practice()
        with CaptureQueriesContext(connection) as queries:
            queue.due_practices(now)
        counts.append(len(queries))
    assert counts[0] == counts[1]
