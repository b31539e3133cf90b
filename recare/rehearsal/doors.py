"""How simulated patients, staff and providers reach the product: by the same doors as real ones, and by no other."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from recare.base import db
from recare.bookings import book
from recare.bookings.booking import AlreadyBooked, Taken, Via
from recare.calls import outcomes, worklist
from recare.campaigns import review
from recare.consent import revoke
from recare.inbox import release
from recare.inbox.receive import Inbound, receive
from recare.messages.deliveries import DeliveryEvent, record_delivery
from recare.patients.tasks import close_task, list_open
from recare.rehearsal import office
from recare.rehearsal.behaviour import Bounces, Clicks, Complains, Phones, Replies
from recare.rehearsal.world import Happening, Heard, World

STAFF: Final = "front desk (simulated)"
CALLS_A_DAY: Final = 40
"""Assumption: what one person manages beside the counter; about 15 attempts an hour (requirements F24)."""
# What a call led to in the simulation, in the words of the worklist.
_OUTCOMES: Final[dict[str, outcomes.Outcome]] = {
    "booked": "booked", "left_message": "left_message", "no_answer": "no_answer", "call_later": "call_later",
    "wrong_number": "wrong_number", "do_not_call": "do_not_call", "angry": "angry", "declined": "not_interested",
    "other_dentist": "new_dentist",
}  # fmt: skip
# Which code a provider would report for a message that came back (SMS-03, EML-04).
_BOUNCES: Final = {
    "undeliverable": ("undelivered", "30005"),
    "hard": ("bounced", "5.1.1"),
    "soft": ("bounced", "4.2.2"),
}


def play(world: World, happening: Happening, now: datetime) -> None:
    """Let one thing happen, in a transaction of its own."""
    with db.scope(world.practice.id):
        match happening.reaction:
            case Replies() as reply:
                _write_back(world, happening, reply, now)
            case Clicks(books=True):
                click(world, happening, now)
                book_by_link(world, happening.patient_id, happening.heard, now)
            case Clicks():
                click(world, happening, now)
            case Phones():
                office.book_by_telephone(world, happening.patient_id, now)
            case Bounces() as bounce:
                _come_back(world, happening, bounce, now)
            case Complains() as complaint:
                _complain(world, happening, complaint, now)


def _write_back(world: World, happening: Happening, reply: Replies, now: datetime) -> None:
    heard = happening.heard
    if heard is None:
        return
    inbound = Inbound(
        practice_id=world.practice.id, provider="sandbox", provider_event_id=happening.key,
        channel="sms" if heard.channel == "sms" else "email", sender=heard.address, recipient="", body=reply.text, raw={},
    )  # fmt: skip
    receive(inbound, now)


def click(world: World, happening: Happening, now: datetime) -> None:
    """The patient opens the link of a message."""
    if happening.heard is not None:
        db.run(
            "UPDATE message SET clicked_at = %(now)s WHERE practice_id = %(practice)s AND id = %(id)s AND clicked_at IS NULL",
            practice=world.practice.id, id=happening.heard.message_id, now=now,
        )  # fmt: skip


def book_by_link(world: World, patient_id: int, heard: Heard | None, now: datetime) -> bool:
    """The patient books on their own page; who has a visit already just closes it."""
    return _book(world, patient_id, "link", heard.touch_id if heard else None, now)


def _book(world: World, patient_id: int, via: Via, touch_id: int | None, now: datetime) -> bool:
    practice_id = world.practice.id
    if office.has_visit(practice_id, patient_id, now):
        return False
    opening = office.wished_opening(world, patient_id, now)
    if opening is None:
        return False
    try:
        held = book.hold(practice_id, patient_id, opening, via, now, touch_id)
        book.confirm(practice_id, held.id, now)
    except (Taken, AlreadyBooked):
        return False
    return True


def _come_back(world: World, happening: Happening, bounce: Bounces, now: datetime) -> None:
    if happening.heard is None or bounce.kind not in _BOUNCES:
        return
    kind, code = _BOUNCES[bounce.kind]
    event = DeliveryEvent(
        provider="sandbox", event_id=happening.key, kind=kind, at=now, message_id=happening.heard.message_id, code=code,  # type: ignore[arg-type]
    )  # fmt: skip
    record_delivery(world.practice.id, event, now)


def _complain(world: World, happening: Happening, complaint: Complains, now: datetime) -> None:
    if happening.heard is None:
        return
    practice_id, heard = world.practice.id, happening.heard
    if complaint.how == "spam":
        event = DeliveryEvent("sandbox", happening.key, "complained", now, message_id=heard.message_id)
        record_delivery(practice_id, event, now)
        return
    revoke.revoke(
        practice_id, heard.contact_point_id, ("email",), method="one_click", actor="patient", reason="one-click unsubscribe",
        evidence_ref=f"message:{heard.message_id}", now=now,
    )  # fmt: skip


def dial(world: World, now: datetime, limit: int) -> int:
    """Work the call list from the top as a front desk would; return how many calls were made."""
    made = 0
    with db.scope(world.practice.id):
        waiting = [entry.item for entry in worklist.due(world.practice.id, now, limit, STAFF) if not entry.locked]
    for item in waiting:
        if item.patient_id in world.people:
            made += _call(world, item, now)
    return made


def _call(world: World, item: worklist.Item, now: datetime) -> bool:
    practice_id = world.practice.id
    with db.scope(practice_id):
        try:
            worklist.take(practice_id, item.id, STAFF, now)
        except (worklist.CallNotFree, LookupError):  # something has changed since the list was drawn up
            return False
        result = world.ring(item.patient_id, item.phone, now, offer=bool(item.offer))
        outcome = _OUTCOMES[result.outcome]
        if outcome == "booked" and not _book(world, item.patient_id, "call", item.touch_id, now):
            outcome = "call_later"
        again = now + timedelta(days=3) if outcome == "call_later" else None
        seconds = int((result.at - now).total_seconds())
        outcomes.record(practice_id, item.id, outcome, STAFF, now, call_again_at=again, seconds=seconds)
    return True


def read_replies(world: World, now: datetime) -> int:
    """The front desk reads what waits for a person; who would like to come is rung and booked; doubts count as a stop."""
    with db.scope(world.practice.id):
        waiting = list_open(world.practice.id, limit=200)
    for task in waiting:
        with db.scope(world.practice.id):
            if task.kind in {"booking_request", "call_me"} and task.patient_id in world.people:
                office.book_by_telephone(world, task.patient_id, now)
            if task.kind == "contact_review":
                review.answer(world.practice.id, task.id, STAFF, "the owner has looked at it", now, approved=True)
                continue
            stops = task.kind == "maybe_optout"
            if not release.by_person(world.practice.id, task.id, STAFF, stops=stops, why="read", now=now):
                close_task(world.practice.id, task.id, STAFF, "done", now)
    return len(waiting)
