"""Who may end a hold: a person who has read what came in, and a narrow allow-list (science 6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recare.base import db
from recare.campaigns import stop
from recare.consent import hold, revoke
from recare.patients.tasks import close_task

if TYPE_CHECKING:
    from datetime import datetime

    from recare.consent.event import Channel, Method


def by_exact_answer(practice_id: int, point_id: int, event_id: int, why: str, now: datetime) -> bool:
    """Release the hold that this event made, unless something else from the address is unread or waits for a person."""
    if _waits(practice_id, point_id, event_id):
        return False
    return hold.release(practice_id, point_id, "allow-list", why, now, only_event=event_id)


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
    elif not _waits(practice_id, point, None):
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


def _waits(practice_id: int, point_id: int, event_id: int | None) -> bool:
    """Whether anything from this address but this event is unread, or waits for a person."""
    return bool(
        db.value(
            "SELECT EXISTS (SELECT FROM inbound_event WHERE practice_id = %(practice)s AND contact_point_id = %(point)s "
            "AND applied_at IS NULL AND id IS DISTINCT FROM %(event)s::bigint) OR EXISTS (SELECT FROM task "
            "WHERE practice_id = %(practice)s AND contact_point_id = %(point)s AND done_at IS NULL AND subject_table = 'inbound_event')",
            practice=practice_id, point=point_id, event=event_id,
        )
    )  # fmt: skip
