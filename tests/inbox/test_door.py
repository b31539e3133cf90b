"""The door: what comes in is routed, kept once and held, however often and however many at once."""

# the rule id stands in the name of its test; the rules table is made from it
from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connections

from recare.base import db
from recare.consent import ledger, revoke
from recare.inbox import apply, receive
from recare.inbox.receive import Inbound
from tests.factories import fictional_phone, make_patient, make_point

if TYPE_CHECKING:
    from recare.practices.practice import Practice


def test_a_number_is_routed_to_its_practice_before_anything_of_it_is_known(practice: Practice) -> None:
    phone = f"+1630555{practice.id:04d}"
    db.run(
        "INSERT INTO sender_route (channel, address, practice_id) VALUES ('sms', %(a)s, %(p)s)", a=phone, p=practice.id
    )
    assert receive.route("sms", phone) == practice.id
    assert receive.route("sms", "+16305559999x") is None


def test_the_same_event_delivered_many_times_at_once_is_kept_once(committed_practice: Practice, now: datetime) -> None:
    practice, phone = committed_practice.id, fictional_phone()
    got: list[int | None] = []

    def deliver() -> None:
        try:
            got.append(receive.receive(Inbound(practice, "sandbox", "in-same", "sms", phone, "", "STOP"), now))
            apply.apply_batch(practice, now)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=deliver) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([event for event in got if event is not None]) == 1
    with db.scope(practice):
        counts = db.tuples(
            "SELECT (SELECT count(*) FROM inbound_event WHERE practice_id = %(p)s), (SELECT count(*) FROM reply WHERE practice_id = %(p)s), "
            "(SELECT count(*) FROM consent_event WHERE practice_id = %(p)s)",
            p=practice,
        )
        assert counts == [(1, 1, 2)]  # texts and calls
        assert (
            db.value(
                "SELECT count(*) FROM contact_point WHERE practice_id = %(p)s AND sms_out_at IS NOT NULL", p=practice
            )
            == 1
        )


def test_many_people_writing_at_once_are_each_applied_once(committed_practice: Practice, now: datetime) -> None:
    practice = committed_practice.id
    phones = [fictional_phone() for _ in range(12)]
    with db.scope(practice):
        for number, phone in enumerate(phones):
            receive.receive(
                Inbound(practice, "sandbox", f"in-{number}", "sms", phone, "", "STOP" if number % 2 else "hours?"), now
            )
    done: list[int] = []

    def work() -> None:
        try:
            done.append(apply.apply_batch(practice, now))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 12
    with db.scope(practice):
        assert db.value("SELECT count(*) FROM reply WHERE practice_id = %(p)s", p=practice) == 12
        assert ledger.verify(practice) is None


def test_a_stop_spoken_at_the_desk_needs_one_verb(practice: Practice, now: datetime) -> None:
    point = make_point(practice.id, make_patient(practice.id))
    revoke.revoke(practice.id, point, revoke.EVERYTHING, "front_desk", "staff:7", "asked at the desk", "note:1", now)
    assert (
        db.value(
            "SELECT call_out_at FROM contact_point WHERE practice_id = %(p)s AND id = %(i)s", p=practice.id, i=point
        )
        == now
    )
