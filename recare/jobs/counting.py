"""The one list of figures that are counted for pages: who counts what. A page asks (base/counted.py), a worker counts here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from recare.base import counted, db
from recare.base.counted import Counted, Figures
from recare.campaigns import rehearsed, runs
from recare.practices import practice as practices
from recare.practices.practice import Practice
from recare.reports import kept, today
from recare.segments import reach

log = structlog.get_logger()
Say = Callable[[int, int], None]
Counter = Callable[[Practice, str, datetime, Say], Figures]

COUNTERS: Final[dict[str, Counter]] = {
    "today": lambda practice, _, now, __: today.count(practice, now),
    "segments": lambda practice, _, now, __: reach.count(practice, now),
    "report": lambda practice, about, now, _: kept.count(practice, int(about) or None, now),
    "run": lambda practice, about, _, __: runs.count(practice.id, int(about)),
    "preview": lambda practice, about, now, say: rehearsed.count(practice.id, int(about), now, say),
}
"""By the first word of a name; the second word says what about. ``say(done, total)`` tells whoever waits how far it has come."""


def count_batch(practice_id: int, now: datetime) -> int:
    """Count everything that pages of a practice wait for and return how many counts that were. Opens its own transactions."""
    with db.scope(practice_id):
        practice, waiting = practices.get(practice_id), counted.wanted(practice_id)
    for one in waiting:
        try:
            _count(practice, one, now)
        except Exception as error:  # the next page's figures can be counted though these cannot
            log.exception("count failed", practice=practice_id, what=one.what, error=type(error).__name__)
            with db.scope(practice_id):
                counted.failed(practice_id, one.what, "This could not be counted. The log of the worker says why.")
    return len(waiting)


def _count(practice: Practice, asked: Counted, now: datetime) -> None:
    kind, _, about = asked.what.partition(":")
    say = partial(_say, practice.id, asked.what)
    if kind == "preview":  # long: in transactions of its own, so that its progress can be seen
        figures = COUNTERS[kind](practice, about, now, say)
    else:
        with db.scope(practice.id):
            figures = COUNTERS[kind](practice, about, now, say)
    with db.scope(practice.id):
        counted.keep(practice.id, asked.what, figures, now, wanted_at=asked.wanted_at)


def _say(practice_id: int, what: str, done: int, total: int) -> None:
    with db.scope(practice_id):
        counted.came_to(practice_id, what, done, total)
