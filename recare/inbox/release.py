"""Who may end a hold: a person who has read what came in, and a narrow allow-list (science 6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.campaigns import stop
from recare.consent import hold, revoke
from recare.patients.tasks import close_task

if TYPE_CHECKING:
    from datetime import datetime

    from recare.consent.event import Channel, Method

GRAVE: Final = ("maybe_optout", "angry", "wrong_number", "deceased")
"""Open questions that even a booking does not answer."""


def by_exact_answer(practice_id: int, point_id: int, event_id: int, why: str, now: datetime) -> bool:
    """Release the hold that this event made, unless something else from the address is unread or waits for a person."""
    if _waits(practice_id, point_id, event_id, None):
        return False
    return hold.release(practice_id, point_id, "allow-list", why, now, only_event=event_id)


def by_booking(practice_id: int, patient_id: int, now: datetime) -> int:
    """Release the addresses of a patient who has booked, as far as nothing grave is open there; return how many."""
    held = db.values(
        "SELECT p.id FROM contact_point p WHERE p.practice_id = %(practice)s AND p.held_at IS NOT NULL AND p.id IN ("
        "  SELECT contact_point_id FROM patient_contact WHERE practice_id = %(practice)s AND patient_id = %(patient)s "
        "  AND ended_at IS NULL) ORDER BY p.id",
        practice=practice_id, patient=patient_id,
    )  # fmt: skip
    free = [point for point in held if not _waits(practice_id, point, None, list(GRAVE))]
    return sum(hold.release(practice_id, point, "allow-list", "booked", now) for point in free)


def by_person(practice_id: int, task_id: int, actor: str, *, stops: bool, why: str, now: datetime) -> bool:
    """Close a task about something that came in, as a person has read it: it was a request to stop, or automation may go on.

    The hold ends when nothing else from the address waits. Returns False when the task is closed already or not about a reply.
    """
    found = db.tuples(
        "SELECT t.contact_point_id, i.id, i.channel, i.received_at, t.detail FROM task t JOIN inbound_event i "
        "ON i.practice_id = t.practice_id AND i.id = t.subject_id WHERE t.practice_id = %(practice)s AND t.id = %(task)s "
        "AND t.subject_table = 'inbound_event' AND t.done_at IS NULL FOR UPDATE OF t",
        practice=practice_id, task=task_id,
    )  # fmt: skip
    if not found:
        return False
    point, event, channel, received_at, detail = found[0]
    close_task(practice_id, task_id, actor, "opted out" if stops else "read", now)
    if stops:
        opt_out(practice_id, point, (event, channel, received_at), actor, why, now)
        stop.stop(practice_id, detail.get("patients", ()), "opted_out", now)
    elif not _waits(practice_id, point, None, None):
        hold.release(practice_id, point, actor, why, now)
    return True


def opt_out(
    practice_id: int, point_id: int, event: tuple[int, str, datetime], actor: str, why: str, now: datetime
) -> None:
    """Revoke because of an inbound event (id, channel, received at) whose meaning was in doubt; it counts from when it came in."""
    event_id, channel, received_at = event
    channels: tuple[Channel, ...] = ("email",) if channel in {"email", "one_click"} else revoke.NUMBER
    method: Method = "system" if actor == "rules" else "front_desk"
    revoke.revoke(
        practice_id, point_id, channels, method, actor, why, f"inbound:{event_id}", now, effective_at=received_at
    )  # fmt: skip


def _waits(practice_id: int, point_id: int, event_id: int | None, kinds: list[str] | None) -> Any:
    return db.value(
        "SELECT EXISTS (SELECT FROM inbound_event WHERE practice_id = %(practice)s AND contact_point_id = %(point)s "
        "AND applied_at IS NULL AND id IS DISTINCT FROM %(event)s::bigint) OR EXISTS (SELECT FROM task "
        "WHERE practice_id = %(practice)s AND contact_point_id = %(point)s AND done_at IS NULL AND CASE WHEN %(kinds)s::text[] IS NULL "
        "THEN subject_table = 'inbound_event' ELSE kind = ANY(%(kinds)s) END)",
        practice=practice_id, point=point_id, event=event_id, kinds=kinds,
    )  # fmt: skip
