"""Decide what is due: a batch of enrolments, one transaction, a fixed number of statements however many there are.

Killed anywhere, nothing has happened; run twice at the same instant, the second finds nothing due.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from recare.base import db
from recare.campaigns import closing, review, versions
from recare.campaigns import material as materials
from recare.campaigns.contexts import Reader
from recare.campaigns.ladder import Due, Heard, Move, Touch, Walker, review_key
from recare.compliance.packs import load_packs
from recare.patients import changes

if TYPE_CHECKING:
    from collections.abc import Sequence

log = structlog.get_logger()
FAILURES: Final = 3  # a poison pill is set aside for good after so many tries
SET_ASIDE: Final = timedelta(hours=1)


def advance_batch(practice_id: int, now: datetime, limit: int = 500) -> int:
    """Decide at most ``limit`` due enrolments, write touches and the next due time; return how many moved.

    Nothing is decided while the practice or its group is held, or the campaign is paused. Opens its own transaction.
    """
    with db.scope(practice_id):
        over = _let_controls_go(practice_id, now)
        due = db.rows(Due, _CLAIM, practice=practice_id, now=now, limit=limit)
        if due:
            moves = decide_all(practice_id, due, now)
            _write(practice_id, moves, now)
    return over + len(due)


def decide_all(practice_id: int, due: Sequence[Due], now: datetime) -> list[Move]:
    """Return the move of each due enrolment, in order. Writes nothing; one that fails is set aside with its error."""
    plans = versions.Shelf(practice_id, {enrolment.version_id for enrolment in due})
    material = materials.gather(practice_id, [enrolment.patient_id for enrolment in due], now)
    walker = Walker(Reader(material), load_packs(), now, _heard(practice_id, due))
    moves = []
    for enrolment in due:
        try:
            moves.append(walker.walk(enrolment, plans[enrolment.version_id]))
        except Exception as error:  # noqa: BLE001  # one broken row must not hold up everybody else
            moves.append(_set_aside(enrolment, error, now))
    return moves


def _set_aside(due: Due, error: Exception, now: datetime) -> Move:
    text = f"{type(error).__name__}: {error}"[:300]
    failures = due.failures + 1
    log.warning("enrolment set aside", enrolment=due.id, error=type(error).__name__, failures=failures)
    waits = Move(
        due.id, due.patient_id, (), "waiting", due.step, due.attempt, now + SET_ASIDE, failures=failures, error=text
    )
    return waits if failures < FAILURES else replace(waits, state="stopped", due_at=None, stop_reason="error")


def _let_controls_go(practice_id: int, now: datetime) -> int:
    """Controls whose time of measurement is over may be invited by another campaign."""
    return db.run(
        "UPDATE enrolment SET state = 'finished', stop_reason = 'measured', ended_at = %(now)s, due_at = NULL "
        "WHERE practice_id = %(practice)s AND state = 'held_out' AND due_at <= %(now)s",
        practice=practice_id,
        now=now,
    )


# Household members stand next to each other, so that one message can stand for all of them.
_CLAIM: Final = """
WITH claimed AS (
    SELECT e.practice_id, e.id, e.campaign_id, e.version_id, e.patient_id, e.household_id, e.assigned_at, e.step, e.attempt, e.failures,
           e.waiting_for, e.due_at, e.contacted_at
    FROM enrolment e
    JOIN campaign c ON c.practice_id = e.practice_id AND c.id = e.campaign_id AND c.state = 'running'
    WHERE e.practice_id = %(practice)s AND e.state = 'waiting' AND e.due_at <= %(now)s AND NOT (SELECT sending_held(%(practice)s))
    ORDER BY e.due_at, e.household_id, e.id LIMIT %(limit)s
    FOR UPDATE OF e SKIP LOCKED
)
SELECT id, campaign_id, version_id, patient_id, assigned_at, step, attempt, failures, waiting_for, contacted_at IS NOT NULL AS sent
FROM claimed ORDER BY due_at, household_id, id
"""


def _heard(practice_id: int, due: Sequence[Due]) -> Heard:
    clicked = db.values(
        "SELECT DISTINCT enrolment_id FROM message "
        "WHERE practice_id = %(practice)s AND enrolment_id = ANY(%(ids)s::bigint[]) AND clicked_at IS NOT NULL",
        practice=practice_id, ids=[enrolment.id for enrolment in due],
    )  # fmt: skip
    answers = review.answers(practice_id, [(enrolment.id, enrolment.step) for enrolment in due])
    cleared = {review_key(*step): codes for step, (outcome, codes) in answers.items() if outcome == "approved"}
    refused = frozenset(review_key(*step) for step, (outcome, _) in answers.items() if outcome == "refused")
    return Heard(frozenset(clicked), cleared, refused)


def _write(practice_id: int, moves: Sequence[Move], now: datetime) -> None:
    touches = [touch for move in moves for touch in move.touches]
    _write_touches(practice_id, touches, now)
    _write_moves(practice_id, moves, now)
    told = [touch.patient_id for touch in touches if touch.verdict == "send" or touch.shares is not None]
    if told:
        changes.mark(practice_id, told)
    closing.open_tasks(practice_id, _chores(moves), now)
    closing.guard(practice_id, [m.enrolment_id for m in moves if m.state != "waiting"], now)


_COLUMNS: Final = (
    "practice_id", "id", "enrolment_id", "patient_id", "step", "attempt", "channel", "message_class", "verdict", "reasons", "until",
    "decided_at", "contact_point_id", "template_version_id", "consent_event_id", "offer", "shared_with", "shares_touch_id",
)  # fmt: skip


def _write_touches(practice_id: int, touches: list[Touch], now: datetime) -> None:
    if not touches:
        return
    ids = db.values(
        "SELECT nextval(pg_get_serial_sequence('touch', 'id')) FROM generate_series(1, %(n)s)", n=len(touches)
    )
    for touch, touch_id in zip(touches, ids, strict=True):
        touch.id = touch_id
    db.copy("touch", _COLUMNS, (_row(practice_id, touch, now) for touch in touches))
    joined = [(touch.shares, touch.enrolment_id) for touch in touches if isinstance(touch.shares, int)]
    if joined:
        db.run(
            "UPDATE touch t SET shared_with = t.shared_with || j.enrolments FROM (SELECT touch_id, array_agg(enrolment_id) AS enrolments "
            "FROM unnest(%(touches)s::bigint[], %(enrolments)s::bigint[]) AS u (touch_id, enrolment_id) GROUP BY touch_id) j "
            "WHERE t.practice_id = %(practice)s AND t.id = j.touch_id",
            practice=practice_id, touches=[one[0] for one in joined], enrolments=[one[1] for one in joined],
        )  # fmt: skip


def _row(practice_id: int, touch: Touch, now: datetime) -> tuple[Any, ...]:
    shares = touch.shares.id if isinstance(touch.shares, Touch) else touch.shares
    return (
        practice_id, touch.id, touch.enrolment_id, touch.patient_id, touch.step, touch.attempt, touch.channel, touch.message_class,
        touch.verdict, db.json(touch.reasons), touch.until, now, touch.contact_point_id, touch.template_version_id,
        touch.consent_event_id, touch.offer, touch.shared_with, shares,
    )  # fmt: skip


def _write_moves(practice_id: int, moves: Sequence[Move], now: datetime) -> None:
    reached = [any(t.verdict == "send" or t.shares is not None for t in m.touches) for m in moves]
    db.run(
        "UPDATE enrolment e SET state = u.state, step = u.step, attempt = u.attempt, due_at = u.due_at, stop_reason = u.stop_reason, "
        "waiting_for = u.waiting_for, failures = u.failures, error = u.error, "
        "ended_at = CASE WHEN u.state <> 'waiting' THEN %(now)s::timestamptz END, "
        "contacted_at = coalesce(e.contacted_at, CASE WHEN u.reached THEN %(now)s::timestamptz END) "
        "FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(steps)s::int[], %(attempts)s::int[], %(dues)s::timestamptz[], "
        "%(stops)s::text[], %(waits)s::text[], %(failures)s::int[], %(errors)s::text[], %(reached)s::boolean[]) "
        "AS u (id, state, step, attempt, due_at, stop_reason, waiting_for, failures, error, reached) "
        "WHERE e.practice_id = %(practice)s AND e.id = u.id AND e.state = 'waiting'",
        practice=practice_id, now=now, ids=[m.enrolment_id for m in moves], states=[m.state for m in moves],
        steps=[m.step for m in moves], attempts=[m.attempt for m in moves], dues=[m.due_at for m in moves],
        stops=[m.stop_reason for m in moves], waits=[m.waiting_for for m in moves], failures=[m.failures for m in moves],
        errors=[m.error for m in moves], reached=reached,
    )  # fmt: skip


def _chores(moves: Sequence[Move]) -> list[closing.Chore]:
    chores = []
    for move in moves:
        for touch in move.touches:
            if touch.verdict == "review":
                codes = sorted({reason["code"] for reason in touch.reasons if reason["verdict"] == "review"})
                key = review_key(move.enrolment_id, touch.step)
                detail = {"codes": codes, "step": touch.step, "channel": touch.channel}
                chores.append(closing.Chore("contact_review", 5, move.patient_id, move.enrolment_id, key, detail))
        if move.stop_reason == "error":
            key = f"engine_error:{move.enrolment_id}"
            chores.append(
                closing.Chore("engine_error", 3, move.patient_id, move.enrolment_id, key, {"error": move.error})
            )
    return chores
