"""From the outbox to the provider: claim, commit, call, settle.

The claim asks every gate again under the lock that revocation takes, and commits. The call happens outside any transaction, after a last
look that nothing has changed meanwhile. What may have gone out is never sent again (ENG-02). A worker may be killed anywhere: what it
leaves in ``sending`` is settled by asking the provider (settle.py).
"""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import structlog

from recare.base import db
from recare.channels.outgoing import Outgoing, Result, Transport
from recare.messages import codes, deliveries, gate, outbox, senders
from recare.messages.outbox import Ruling, Settlement, Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from recare.compliance.decision import Reason
    from recare.messages.gate import Asked
    from recare.messages.senders import Sender

SETTLE_EVERY: Final = 1.0
"""Seconds after which finished calls are written, so that a slow provider's results do not wait for the batch."""
BATCH_SECONDS: Final = 60.0
"""After so long the rest of a batch goes back: the decision it rests on is no longer fresh."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages claimed by ``worker`` and committed as ``sending``, with the sender each leaves by."""

    practice_id: int
    worker: str
    items: tuple[tuple[Waiting, Sender], ...]
    decided: int
    """How many messages the claim has moved in all, allowed or not."""


def our_id(practice_id: int, message_id: int) -> str:
    """Return the id a provider knows the message by. It stays the same for every attempt."""
    return f"{practice_id}-{message_id}"


def send_batch(practice_id: int, now: datetime, limit: int = 200, worker: str = "worker") -> int:
    """Claim up to ``limit`` due messages, send and settle them; return how many changed state. ``worker`` names the caller uniquely."""
    batch = claim(practice_id, now, limit, worker)
    by_sender: dict[int, list[Waiting]] = defaultdict(list)
    found = {sender.id: sender for _, sender in batch.items}
    for waiting, sender in batch.items:
        by_sender[sender.id].append(waiting)
    for sender_id, claimed in by_sender.items():
        dispatch(batch, found[sender_id], claimed, now)
    return batch.decided


def claim(practice_id: int, now: datetime, limit: int, worker: str) -> Batch:
    """Decide about due messages under lock and commit; the allowed ones come back as this worker's to send."""
    with db.scope(practice_id):
        if senders.held(practice_id):
            return Batch(practice_id, worker, (), 0)
        expired = outbox.expire(practice_id, now)
        ready = senders.ready(practice_id)
        locked = _one_a_point(outbox.lock_due(practice_id, list(ready), now, limit))
        answers = gate.ask(practice_id, locked, now)
        rulings = [
            ruling
            for waiting, asked in zip(locked, answers, strict=True)
            if (ruling := ruling_of(waiting, asked, ready[waiting.message.channel].id)) is not None
        ]
        outbox.rule(practice_id, rulings, worker, now)
        gate.note_reviews(practice_id, rulings, now)
    items = tuple(
        (ruling.waiting, ready[ruling.waiting.message.channel]) for ruling in rulings if ruling.state == "sending"
    )
    return Batch(practice_id, worker, items, expired + len(rulings))


def _one_a_point(messages: list[Waiting]) -> list[Waiting]:
    """The first message of each address; a second waits until the first counts in its history (FRQ-01)."""
    first: dict[int, Waiting] = {}
    for waiting in messages:
        first.setdefault(waiting.point.id, waiting)
    return list(first.values())


def ruling_of(waiting: Waiting, asked: Asked, sender_id: int | None) -> Ruling | None:
    """Return what becomes of a message by its gates' answer; None leaves it queued as it is. Paper has no sender."""
    enrolment, decision = waiting.enrolment, asked.decision
    if enrolment is not None and enrolment.state == "stopped":
        ended = {"code": "ENROLMENT_ENDED", "rule": "ENG-02", "verdict": "deny", "detail": enrolment.stop_reason}
        return Ruling(waiting, "cancelled", [ended])
    reasons = [as_data(reason) for reason in decision.reasons]
    if decision.allowed:
        allowed = {"code": "ALLOWED", "rule": "ENG-02", "verdict": "allow", "pack": decision.pack}
        cleared = [as_data(reason) | {"cleared": True} for reason in decision.cleared]
        basis = "" if asked.consent_event_id or waiting.message.touch_id is None else "chart"
        return Ruling(
            waiting, "sending", [allowed, *cleared], sender_id=sender_id, consent_event_id=asked.consent_event_id, basis=basis,
            scrub=asked.scrub,
        )  # fmt: skip
    if decision.verdict == "delay":
        late = decision.until is not None and decision.until >= waiting.message.not_after
        return Ruling(waiting, "expired" if late else "queued", reasons, not_before=decision.until)
    if decision.waits_for_practice:
        return None
    return Ruling(waiting, "withheld", reasons)


def as_data(reason: Reason) -> dict[str, Any]:
    """Return a reason as it is kept on the row."""
    kept = {
        "code": reason.code,
        "rule": reason.rule,
        "verdict": reason.verdict,
        "pack": reason.pack,
        "detail": reason.detail,
    }
    return kept | ({"until": reason.until} if reason.until else {})


def dispatch(batch: Batch, sender: Sender, messages: Sequence[Waiting], now: datetime) -> None:
    """Hand claimed messages to their provider one by one, and settle them in the order in which they end."""
    practice_id, worker = batch.practice_id, batch.worker
    try:
        transport = senders.line(practice_id, sender)
    except senders.SenderError as error:
        _halt(batch, sender, messages, str(error), now)
        return
    with contextlib.closing(transport):
        results: list[tuple[Waiting, Result]] = []
        settled_at = started_at = time.monotonic()
        for number, waiting in enumerate(messages):
            result = call(batch, sender, transport, waiting, now)
            if result is None:
                continue
            results.append((waiting, result))
            halts = result.outcome == "refused" and codes.meaning(sender.channel, result.code).step == "halt_sender"
            if halts or time.monotonic() - started_at > BATCH_SECONDS:
                write(batch, sender, results, now)
                rest = messages[number + 1 :]
                _halt(batch, sender, rest, f"The provider answered {result.code}.", now) if halts else _return(
                    batch, rest
                )
                return
            if time.monotonic() - settled_at > SETTLE_EVERY:
                write(batch, sender, results, now)
                results, settled_at = [], time.monotonic()
        write(batch, sender, results, now)
    log.debug("sent", practice=practice_id, worker=worker, messages=len(messages))


def call(batch: Batch, sender: Sender, transport: Transport, waiting: Waiting, now: datetime) -> Result | None:
    """Take the last look and call the provider; None when the message went back to the queue instead."""
    if not outbox.may_go(batch.practice_id, waiting, batch.worker):
        _return(batch, [waiting])
        return None
    return transport.send(_outgoing(batch.practice_id, sender, waiting), now)


def _outgoing(practice_id: int, sender: Sender, waiting: Waiting) -> Outgoing:
    message = waiting.message
    return Outgoing(
        our_id=our_id(practice_id, message.id), practice_id=practice_id, channel=message.channel, sender=sender.address,
        sender_name=sender.name, reply_to=sender.reply_to or sender.address, recipient=waiting.point.address,
        subject=message.subject, text=message.body_text, html=message.body_html, list_unsubscribe=message.list_unsubscribe,
    )  # fmt: skip


def write(batch: Batch, sender: Sender, results: Sequence[tuple[Waiting, Result]], now: datetime) -> None:
    """Settle calls that have ended, and do what their codes ask for, in one transaction."""
    if not results:
        return
    settlements, troubles = [], []
    for waiting, result in results:
        settlement = settlement_of(waiting, result, sender.provider, now)
        settlements.append(settlement)
        if result.outcome == "refused":
            troubles.append(
                deliveries.Trouble(
                    waiting.id, sender.channel, waiting.point.id, waiting.message.patient_id, sender.id, result.code, settlement.state
                )
            )  # fmt: skip
    with db.scope(batch.practice_id):
        deliveries.lock(batch.practice_id, troubles)
        outbox.settle(batch.practice_id, settlements, batch.worker, now)
        deliveries.act(batch.practice_id, troubles, now)


def settlement_of(waiting: Waiting, result: Result, provider: str, now: datetime) -> Settlement:
    """Return the row's next state after a call: only what was surely not accepted is tried again, through all gates."""
    attempt = waiting.next_attempt
    state = {"accepted": "sent", "unknown": "unknown", "refused": "failed"}[result.outcome]
    ended = Settlement(waiting.id, attempt, state, provider, result.ref, result.code)
    if result.outcome != "refused":
        return ended
    meaning = codes.meaning(waiting.message.channel, result.code, retryable=result.retryable)
    if meaning.retry_after is None or attempt >= meaning.tries:
        return ended
    again = now + meaning.retry_after * 2 ** min(attempt - 1, 5)
    return ended if again >= waiting.message.not_after else replace(ended, state="queued", not_before=again)


def _halt(batch: Batch, sender: Sender, rest: Sequence[Waiting], reason: str, now: datetime) -> None:
    """The fault is the sender's: stop it, tell a person, leave every patient as he was."""
    with db.scope(batch.practice_id):
        outbox.give_back(batch.practice_id, rest, batch.worker)
        deliveries.halt(batch.practice_id, sender.id, reason, now)


def _return(batch: Batch, messages: Sequence[Waiting]) -> None:
    with db.scope(batch.practice_id):
        outbox.give_back(batch.practice_id, messages, batch.worker)
