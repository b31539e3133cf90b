"""Figures that take long to count, kept with the moment they were counted: a page shows both, and a worker counts again.

``what`` names the figures and what they are about: ``segments``, ``report:12``. Whoever can count which is listed in the room of the jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from recare.base import db, jobs

FRESH_FOR: Final = timedelta(minutes=15)
"""A look at figures older than this asks for new ones."""
Figures = dict[str, Any]
Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True)
class Counted:
    """Figures as they were at ``counted_at``; both None: never counted. ``done`` of ``total`` says how far a count under way has come."""

    what: str
    figures: Figures | None = None
    counted_at: datetime | None = None
    wanted_at: datetime | None = None
    done: int = 0
    total: int = 0
    error: str = ""

    @property
    def waiting(self) -> bool:
        """Whether a new count has been asked for and is not there yet."""
        return self.wanted_at is not None


_COLUMNS: Final = "what, figures, counted_at, wanted_at, done, total, error"


def latest(practice_id: int, what: str) -> Counted:
    """Return what is kept, however old."""
    found = db.one(
        Counted,
        f"SELECT {_COLUMNS} FROM counted WHERE practice_id = %(practice)s AND what = %(what)s",
        practice=practice_id,
        what=what,
    )
    return found or Counted(what)


def wanted(practice_id: int) -> list[Counted]:
    """Return what somebody waits for, the longest wait first."""
    return db.rows(
        Counted,
        f"SELECT {_COLUMNS} FROM counted WHERE practice_id = %(practice)s AND wanted_at IS NOT NULL ORDER BY wanted_at, what",
        practice=practice_id,
    )


def looked_at(practice_id: int, what: str, now: datetime, count: Callable[[], Figures]) -> Counted:
    """Return figures for a page: counted on the spot when none are kept, and asked for anew when they have become old."""
    found = latest(practice_id, what)
    if found.figures is None or found.counted_at is None:
        return keep(practice_id, what, count(), now)
    if not found.waiting and not timedelta(0) <= now - found.counted_at < FRESH_FOR:
        want(practice_id, what, now)
    return found


def shaped(
    shape: TypeAdapter[Shape], practice_id: int, what: str, now: datetime, count: Callable[[], Figures]
) -> tuple[Shape, Counted]:
    """Return figures for a page in their own shape; those that another release kept in another one are counted anew."""
    found = looked_at(practice_id, what, now, count)
    try:
        return shape.validate_python(found.figures), found
    except ValidationError:
        found = keep(practice_id, what, count(), now)
        return shape.validate_python(found.figures), found


def want(practice_id: int, what: str, now: datetime) -> None:
    """Ask a worker to count; what is kept stays until then. Asking twice is asking once."""
    db.run(
        "INSERT INTO counted (practice_id, what, wanted_at) VALUES (%(practice)s, %(what)s, %(now)s) "
        "ON CONFLICT (practice_id, what) DO UPDATE SET wanted_at = excluded.wanted_at, done = 0, total = 0, error = '' "
        "WHERE counted.wanted_at IS NULL",
        practice=practice_id, what=what, now=now,
    )  # fmt: skip
    jobs.ask("count", practice_id, "count")


def keep(practice_id: int, what: str, figures: Figures, now: datetime, wanted_at: datetime | None = None) -> Counted:
    """Keep figures as of ``now``. Whoever has asked for others than at ``wanted_at`` meanwhile still waits."""
    db.run(
        "INSERT INTO counted (practice_id, what, figures, counted_at) VALUES (%(practice)s, %(what)s, %(figures)s, %(now)s) "
        "ON CONFLICT (practice_id, what) DO UPDATE SET figures = excluded.figures, counted_at = excluded.counted_at, error = '', "
        "wanted_at = nullif(counted.wanted_at, %(wanted)s)",
        practice=practice_id, what=what, figures=db.json(figures), now=now, wanted=wanted_at,
    )  # fmt: skip
    return latest(practice_id, what)


def came_to(practice_id: int, what: str, done: int, total: int) -> None:
    """Say how far a count has come."""
    db.run(
        "UPDATE counted SET done = %(done)s, total = %(total)s WHERE practice_id = %(practice)s AND what = %(what)s",
        practice=practice_id, what=what, done=done, total=total,
    )  # fmt: skip


def failed(practice_id: int, what: str, sentence: str) -> None:
    """Say that a count failed; nobody waits for it any more, and what was kept stays as it was."""
    db.run(
        "UPDATE counted SET wanted_at = NULL, error = %(error)s WHERE practice_id = %(practice)s AND what = %(what)s",
        practice=practice_id, what=what, error=sentence,
    )  # fmt: skip
