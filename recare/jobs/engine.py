"""Everything that moves a practice's outreach forward, in the order of a patient's way. The one list of background work.

Each stage reads the rows that the stage before left; none calls the next. Every batch can run twice, or be killed, without harm, so
this list may be walked by any number of workers, by a rehearsal with a virtual clock, or by a test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from recare.bookings import book, chart
from recare.calls import worklist
from recare.campaigns import advance
from recare.inbox import apply
from recare.messages import reconcile, render, send, settle, templates, tidy
from recare.reports import outcomes
from recare.segments import facts, listing

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


STAGES: Final = (
    Stage("library", templates.install_batch, again=False),
    Stage("replies", apply.apply_batch),
    Stage("unread replies", apply.expire_reviews_batch),
    Stage("holds", book.expire_batch),
    Stage("bookings", chart.match_batch, again=False),
    Stage("facts", facts.refresh_batch),
    Stage("lists", listing.refresh_batch, again=False),
    Stage("decide", advance.advance_batch),
    Stage("render", render.render_batch),
    Stage("calls", worklist.open_batch),
    Stage("send", send.send_batch),
    Stage("settle", settle.settle_batch, again=False),
    Stage("suppression lists", reconcile.reconcile_batch, again=False),
    Stage("old texts", tidy.tidy_batch),
    Stage("outcomes", outcomes.record_batch, again=False),
)


def step(practice_id: int, now: datetime) -> dict[str, int]:
    """Run every stage until it finds nothing to do; return how much each did. Opens its own transactions."""
    done: dict[str, int] = {}
    for stage in STAGES:
        total = 0
        for _ in range(ROUNDS if stage.again else 1):
            count = stage.batch(practice_id, now)
            total += count
            if not count:
                break
        done[stage.name] = total
    return done
