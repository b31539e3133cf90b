"""How far a rehearsal has come: one row, written by whoever turns the clock and read by whoever watches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from recare.base import db

DAYS: Final = 182
"""Six months, as in the founding article's case."""


@dataclass(frozen=True, slots=True)
class Run:
    """A row of ``rehearsal_run``. ``figures`` are counts of the whole practice so far."""

    id: int
    seed: int
    state: str
    clock_from: datetime
    clock_at: datetime
    days_done: int
    days_total: int
    days_wanted: int
    figures: dict[str, Any]
    error: str


_COLUMNS = "id, seed, state, clock_from, clock_at, days_done, days_total, days_wanted, figures, error"


def current(practice_id: int) -> Run | None:
    """Return the newest rehearsal of the practice, or None."""
    return db.one(
        Run,
        f"SELECT {_COLUMNS} FROM rehearsal_run WHERE practice_id = %(practice)s ORDER BY id DESC LIMIT 1",
        practice=practice_id,
    )


def begin(practice_id: int, seed: int, now: datetime, days: int = DAYS) -> None:
    """Make a rehearsal that waits to be started; ``now`` is where its virtual clock stands."""
    db.run(
        "INSERT INTO rehearsal_run (practice_id, seed, state, clock_from, clock_to, clock_at, days_total, started_at) "
        "VALUES (%(practice)s, %(seed)s, 'ready', %(now)s, %(until)s, %(now)s, %(days)s, %(now)s)",
        practice=practice_id, seed=seed, now=now, until=now + timedelta(days=days), days=days,
    )  # fmt: skip


def ask(practice_id: int, days: int) -> None:
    """Ask for ``days`` more days, never beyond the end."""
    db.run(
        "UPDATE rehearsal_run SET days_wanted = least(days_total, greatest(days_wanted, days_done) + %(days)s), state = 'running', "
        "error = '' WHERE practice_id = %(practice)s AND state IN ('ready', 'paused', 'failed', 'running')",
        practice=practice_id, days=days,
    )  # fmt: skip


def pause(practice_id: int) -> None:
    """Stop after the day that is being played."""
    db.run(
        "UPDATE rehearsal_run SET days_wanted = days_done, state = 'paused' WHERE practice_id = %(practice)s AND state = 'running'",
        practice=practice_id,
    )


def day_done(practice_id: int, run_id: int, clock: datetime, figures: dict[str, Any]) -> Run:
    """Count one more day, and rest when as many as were asked for are done."""
    db.run(
        "UPDATE rehearsal_run SET days_done = days_done + 1, clock_at = %(clock)s, figures = %(figures)s, "
        "state = CASE WHEN days_done + 1 >= days_total THEN 'done' WHEN days_done + 1 >= days_wanted THEN 'paused' ELSE state END, "
        "finished_at = CASE WHEN days_done + 1 >= days_total THEN %(clock)s END "
        "WHERE practice_id = %(practice)s AND id = %(run)s",
        practice=practice_id, run=run_id, clock=clock, figures=db.json(figures),
    )  # fmt: skip
    found = current(practice_id)
    if found is None:
        raise LookupError("The rehearsal is gone.")
    return found


def failed(practice_id: int, run_id: int, sentence: str) -> None:
    """Keep why it stopped; it can be asked to go on."""
    db.run(
        "UPDATE rehearsal_run SET state = 'failed', error = %(error)s WHERE practice_id = %(practice)s AND id = %(run)s",
        practice=practice_id, run=run_id, error=sentence,
    )  # fmt: skip


_FIGURES = """
SELECT jsonb_build_object(
    'enrolled', e.treated, 'left_alone', e.held_out, 'emails', m.emails, 'texts', m.texts, 'opted_out', p.opted_out,
    'wrong_numbers', p.wrong_numbers, 'booked', o.booked, 'kept', o.kept, 'kept_left_alone', o.kept_left_alone,
    'calls', (SELECT count(*) FROM call_outcome WHERE practice_id = %(practice)s),
    'replies', (SELECT count(*) FROM inbound_event WHERE practice_id = %(practice)s))
FROM (SELECT count(*) FILTER (WHERE arm = 'treated') AS treated, count(*) FILTER (WHERE arm = 'held_out') AS held_out
      FROM enrolment WHERE practice_id = %(practice)s) e,
     (SELECT count(*) FILTER (WHERE channel = 'email') AS emails,
             count(*) FILTER (WHERE channel = 'sms' AND touch_id IS NOT NULL) AS texts
      FROM message WHERE practice_id = %(practice)s AND sent_at IS NOT NULL) m,
     (SELECT count(*) FILTER (WHERE greatest(sms_out_at, email_out_at, call_out_at) > %(since)s) AS opted_out,
             count(*) FILTER (WHERE wrong_number_at IS NOT NULL) AS wrong_numbers
      FROM contact_point WHERE practice_id = %(practice)s) p,
     (SELECT count(*) FILTER (WHERE o.kind = 'booked' AND e.arm = 'treated') AS booked,
             count(*) FILTER (WHERE o.kind = 'kept' AND e.arm = 'treated') AS kept,
             count(*) FILTER (WHERE o.kind = 'kept' AND e.arm = 'held_out') AS kept_left_alone
      FROM outcome o JOIN enrolment e ON e.practice_id = o.practice_id AND e.id = o.enrolment_id WHERE o.practice_id = %(practice)s) o
"""


def figures(practice_id: int, since: datetime) -> dict[str, Any]:
    """Count what has happened in the practice since its rehearsal began."""
    found: dict[str, Any] = db.value(_FIGURES, practice=practice_id, since=since)
    return found
