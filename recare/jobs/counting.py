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
from recare.segments import listing, reach

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


def ahead_batch(practice_id: int, now: datetime) -> int:
    """Count what a large practice's pages will show and nobody has looked at yet, so that no first look waits; return how many counts.

    Opens its own transactions.
    """
    with db.scope(practice_id):
        practice = practices.get(practice_id)
        names = [what for what in _large(practice, now) if counted.latest(practice_id, what).figures is None]
    for what in names:
        _count(practice, Counted(what), now)
    return len(names)


def _large(practice: Practice, now: datetime) -> list[str]:
    """Name the figures that are kept and not counted at every look, because they are of many patients."""
    found = []
    if listing.relation(practice, now.astimezone(practice.zone).date()).kept:
        found += ["today", "segments"]
    if kept.is_large(practice.id, None):
        found.append("report:0")
        launched = db.values("SELECT id FROM campaign WHERE practice_id = %(p)s AND state <> 'draft'", p=practice.id)
        large = [campaign for campaign in launched if kept.is_large(practice.id, campaign)]
        found += [f"{kind}:{campaign}" for campaign in large for kind in ("report", "run")]
    return found


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
