"""Everything that moves a practice's outreach forward, in the order of a patient's way. The one list of background work.

Each stage reads the rows that the stage before left; none calls the next. Every batch can run twice, or be killed, without harm, so
this list may be walked by any number of workers, by a rehearsal with a virtual clock, or by a test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from recare.base import db
from recare.bookings import book, chart
from recare.calls import worklist
from recare.campaigns import advance, stop
from recare.consent import stops_file
from recare.inbox import apply, mailbox
from recare.jobs import counting
from recare.messages import reconcile, render, send, settle, templates, tidy
from recare.reports import outcomes
from recare.segments import facts, listing

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
Batch = Callable[[int, datetime], int]
ROUNDS: Final = 200
"""No stage runs for ever: what is left over waits for the next step."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One kind of work. ``batch(practice_id, now)`` returns how many pieces it did; 0 means there is nothing left."""

    name: str
    batch: Batch
    again: bool = True
    """Whether it is asked again until nothing is left."""
    every: timedelta | None = None
    """Work that is looked for only so often, and then once."""


STAGES: Final = (
    Stage("library", templates.install_batch, every=HOUR),
    Stage("mailboxes", mailbox.read_batch, again=False),
    Stage("replies", apply.apply_batch),
    Stage("unread replies", apply.expire_reviews_batch),
    Stage("opt-outs on file", stops_file.write_batch),
    Stage("holds", book.expire_batch),
    Stage("bookings", chart.match_batch, every=HOUR),
    Stage("leavers", stop.leavers_batch, again=False),
    Stage("facts", facts.refresh_batch, again=False),
    Stage("lists", listing.refresh_batch, again=False),
    Stage("decide", advance.advance_batch),
    Stage("render", render.render_batch),
    Stage("calls", worklist.open_batch),
    Stage("send", send.send_batch),
    Stage("settle", settle.settle_batch, again=False),
    Stage("suppression lists", reconcile.reconcile_batch, every=DAY),
    Stage("old texts", tidy.tidy_batch, every=DAY),
    Stage("outcomes", outcomes.record_batch, every=HOUR),
    Stage("figures", counting.ahead_batch, every=HOUR),
)


def step(practice_id: int, now: datetime) -> dict[str, int]:
    """Run every stage that is due until it finds nothing to do; return how much each did. Opens its own transactions."""
    last, done = _last_runs(practice_id), {}
    try:
        for stage in STAGES:
            if stage.every is None or stage.name not in last or now - last[stage.name] >= stage.every:
                done[stage.name] = _run(stage, practice_id, now)
    finally:
        _remember(practice_id, [stage.name for stage in STAGES if stage.every is not None and stage.name in done], now)
    return done


def _run(stage: Stage, practice_id: int, now: datetime) -> int:
    total = 0
    for _ in range(ROUNDS if stage.again and stage.every is None else 1):
        count = stage.batch(practice_id, now)
        total += count
        if not count:
            break
    return total


def _last_runs(practice_id: int) -> dict[str, datetime]:
    with db.scope(practice_id):
        return dict(
            db.tuples("SELECT stage, ran_at FROM stage_run WHERE practice_id = %(practice)s", practice=practice_id)
        )


def _remember(practice_id: int, stages: Sequence[str], now: datetime) -> None:
    if stages:
        with db.scope(practice_id):
            db.run(
                "INSERT INTO stage_run (practice_id, stage, ran_at) SELECT %(practice)s, unnest(%(stages)s::text[]), %(now)s "
                "ON CONFLICT (practice_id, stage) DO UPDATE SET ran_at = EXCLUDED.ran_at",
                practice=practice_id, stages=list(stages), now=now,
            )  # fmt: skip
