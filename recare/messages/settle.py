"""Calls whose end nobody wrote down: a worker that died, a time-out. The provider is asked; else a person. Never sent again."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from recare.base import db
from recare.channels.outgoing import Result
from recare.messages import outbox, send, senders
from recare.patients import tasks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from recare.messages.senders import Sender

LEASE: Final = timedelta(minutes=15)
"""How long a claim may stay silent. Longer than a whole batch with every call at its time limit, so that no living worker is overtaken."""


@dataclass(frozen=True, slots=True)
class _Open:
    id: int
    state: str
    sender_id: int | None
    patient_id: int | None
    contact_point_id: int
    claimed_at: datetime


def settle_batch(practice_id: int, now: datetime, limit: int = 200) -> int:
    """Settle claims gone silent and calls that timed out: ask the provider by our id; return how many changed state.

    Accepted becomes sent; surely never received becomes failed, not queued, because the claim's gates are old; where the provider
    cannot tell, the message is unknown and a person gets a task.
    """
    with db.scope(practice_id):
        found = db.rows(
            _Open,
            "SELECT id, state, sender_id, patient_id, contact_point_id, claimed_at FROM message WHERE practice_id = %(practice)s "
            "AND state IN ('sending', 'unknown') AND claimed_at < %(silent)s "
            "AND (state = 'sending' OR settled_at IS NULL) ORDER BY claimed_at, id LIMIT %(limit)s",
            practice=practice_id, silent=now - LEASE, limit=limit,
        )  # fmt: skip
        known = senders.by_id(practice_id, [message.sender_id for message in found if message.sender_id])
    by_sender: dict[int | None, list[_Open]] = defaultdict(list)
    for message in found:
        by_sender[message.sender_id].append(message)
    changed = 0
    for sender_id, messages in by_sender.items():
        answers = _ask(practice_id, known.get(sender_id or 0), messages)
        with db.scope(practice_id):
            changed += sum(_write(practice_id, message, result, now) for message, result in answers)
    return changed


def _ask(practice_id: int, sender: Sender | None, messages: Sequence[_Open]) -> list[tuple[_Open, Result]]:
    """Ask the provider about each message, with no transaction open."""
    if sender is None:
        return [(message, Result("unknown")) for message in messages]
    try:
        transport = senders.line(practice_id, sender)
    except senders.SenderError:
        return [(message, Result("unknown")) for message in messages]
    with contextlib.closing(transport):
        return [(message, transport.lookup(send.our_id(practice_id, message.id))) for message in messages]


def _write(practice_id: int, message: _Open, result: Result, now: datetime) -> int:
    """Write one answer, guarded by the state in which the question found the row.

    ``settled_at`` of an unknown message says that a person has it now, so that it is asked about no more.
    """
    state = {"accepted": "sent", "refused": "failed", "unknown": "unknown"}[result.outcome]
    written = db.run(
        "UPDATE message SET state = %(state)s, provider_ref = CASE WHEN %(ref)s = '' THEN provider_ref ELSE %(ref)s END, "
        "error = CASE WHEN %(code)s = '' THEN error ELSE %(code)s END, settled_at = %(now)s, "
        "sent_at = CASE WHEN %(state)s = 'sent' THEN claimed_at ELSE sent_at END "
        "WHERE practice_id = %(practice)s AND id = %(message)s AND state = %(was)s AND settled_at IS NULL",
        practice=practice_id, message=message.id, was=message.state, state=state, ref=result.ref, code=result.code, now=now,
    )  # fmt: skip
    if written and state == "unknown":
        tasks.open_task(
            practice_id, "send_unknown", 4, now, once_key=outbox.unknown_key(message.id), patient_id=message.patient_id,
            contact_point_id=message.contact_point_id, subject_table="message", subject_id=message.id,
        )  # fmt: skip
    return written


def decide_unknown(practice_id: int, message_id: int, actor: str, *, was_sent: bool, now: datetime) -> bool:
    """Write what a person found out about an unknown message, and end its task; False when it was settled before."""
    decided = db.run(
        "UPDATE message SET state = %(state)s, settled_at = %(now)s, "
        "sent_at = CASE WHEN %(state)s = 'sent' THEN claimed_at ELSE NULL END "
        "WHERE practice_id = %(practice)s AND id = %(message)s AND state = 'unknown'",
        practice=practice_id, message=message_id, state="sent" if was_sent else "failed", now=now,
    )  # fmt: skip
    if decided:
        tasks.close_known(
            practice_id, [outbox.unknown_key(message_id)], actor, "went out" if was_sent else "did not go out", now
        )
    return bool(decided)
