"""Openings of a practice: its hours, chairs and providers, less everything the chart or Recare has put there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.bookings import caps
from recare.bookings.schedule import DAY, Busy, Chair, Hours, Opening, Rules, Schedule, search
from recare.compliance.closed_days import closed_days

if TYPE_CHECKING:
    from recare.practices.practice import Practice

__all__ = ["Opening", "find", "free_visits", "load", "nearest", "rules_of", "same_time"]

_USUAL_MINUTES: Final = 60  # of a visit whose length the chart does not say

# Broken visits that still hold a chair block it, as on the office's own screen; so do notes somebody has put into the schedule.
_BUSY: Final = """
SELECT a.starts_at, a.starts_at + make_interval(mins => coalesce(nullif(a.minutes, 0), %(usual)s)) AS ends_at, a.operatory_id, a.provider_id
FROM appointment a
WHERE a.practice_id = %(practice)s AND a.deleted_at IS NULL AND a.source <> 'recare' AND a.status = 'scheduled'
  AND a.starts_at > %(start)s - interval '1 day' AND a.starts_at < %(end)s
UNION ALL
SELECT a.starts_at, a.starts_at + make_interval(mins => coalesce(nullif(a.minutes, 0), %(usual)s)), a.operatory_id, a.provider_id
FROM appointment a
WHERE a.practice_id = %(practice)s AND a.deleted_at IS NULL AND a.status IN ('broken', 'note') AND a.operatory_id IS NOT NULL
  AND a.starts_at > %(start)s - interval '1 day' AND a.starts_at < %(end)s
UNION ALL
SELECT lower(b.during), upper(b.during), b.operatory_id, b.provider_id
FROM booking b
WHERE b.practice_id = %(practice)s AND b.state IN ('held', 'booked') AND b.during && tstzrange(%(start)s, %(end)s)
  AND (b.state = 'booked' OR (b.state = 'held' AND b.held_until > %(now)s))
"""


@dataclass(frozen=True, slots=True)
class _Operatory:
    id: int
    is_hygiene: bool
    bookable: bool
    provider_id: int | None


def find(
    practice: Practice,
    first_day: date,
    days: int,
    minutes: int,
    now: datetime,
    hygiene: bool = True,  # noqa: FBT001, FBT002
) -> list[Opening]:
    """Return what may be offered for a visit of ``minutes`` on ``days`` local days from ``first_day``, earliest first."""
    return search(load(practice, first_day, days, now, hygiene=hygiene), first_day, days, minutes, now)


def nearest(
    practice: Practice, to: Opening, now: datetime, *, hygiene: bool = True, online: bool = False
) -> tuple[Opening, ...]:
    """Return the three other times closest to one that is gone, within a week before and after, in order of time.

    ``online``: only what a patient may still book online.
    """
    minutes = int((to.ends_at - to.starts_at) / timedelta(minutes=1))
    today = now.astimezone(practice.zone).date()
    first = max(to.starts_at.astimezone(practice.zone).date() - 7 * DAY, today)
    free: dict[datetime, Opening] = {}
    found = find(practice, first, 15, minutes, now, hygiene)
    for opening in caps.within(practice, found, now) if online else found:
        free.setdefault(opening.starts_at, opening)
    closest = sorted(free.values(), key=lambda opening: (abs(opening.starts_at - to.starts_at), opening.starts_at))
    return tuple(sorted(closest[:3], key=lambda opening: opening.starts_at))


def same_time(
    practice: Practice, starts_at: datetime, minutes: int, now: datetime, *, hygiene: bool = True
) -> list[Opening]:
    """Return every chair in which a visit can start at this very time, the preferred one first."""
    day = starts_at.astimezone(practice.zone).date()
    return [opening for opening in find(practice, day, 1, minutes, now, hygiene) if opening.starts_at == starts_at]


def free_visits(practice: Practice, first_day: date, days: int, minutes: int, now: datetime) -> list[tuple[date, int]]:
    """Return (local day, hygiene visits of ``minutes`` that still fit on it), earliest first, days without room left out."""
    found = _one_after_another(find(practice, first_day, days, minutes, now, hygiene=True))
    return sorted(Counter(opening.starts_at.astimezone(practice.zone).date() for opening in found).items())


def _one_after_another(found: list[Opening]) -> list[Opening]:
    """Keep openings that can all be taken, earliest first in each chair."""
    free_from: dict[int, datetime] = {}
    kept = []
    for opening in sorted(found, key=lambda one: (one.operatory_id, one.starts_at)):
        if opening.starts_at >= free_from.get(opening.operatory_id, opening.starts_at):
            free_from[opening.operatory_id] = opening.ends_at
            kept.append(opening)
    return kept


def load(practice: Practice, first_day: date, days: int, now: datetime, *, hygiene: bool) -> Schedule:
    """Read the schedule of these days in five queries."""
    start = datetime.combine(first_day, time(0), practice.zone).astimezone(UTC)
    end = datetime.combine(first_day + days * DAY, time(0), practice.zone).astimezone(UTC)
    return Schedule(
        practice.zone,
        _chairs(practice.id, hygiene=hygiene),
        tuple(
            db.rows(
                Hours,
                "SELECT weekday, starts, ends, operatory_id FROM opening_hours WHERE practice_id = %(practice)s",
                practice=practice.id,
            )
        ),
        tuple(db.rows(Busy, _BUSY, practice=practice.id, start=start, end=end, now=now, usual=_USUAL_MINUTES)),
        _closed(practice, first_day, days),
        rules_of(practice),
    )


def rules_of(practice: Practice) -> Rules:
    """Read the practice's own booking rules from its settings (``policy.booking``)."""
    said: dict[str, Any] = practice.policy.get("booking", {})
    usual = Rules()
    return Rules(
        notice=timedelta(hours=float(said.get("notice_hours", usual.notice / timedelta(hours=1)))),
        days_ahead=int(said.get("days_ahead", usual.days_ahead)),
        step=int(said.get("step_minutes", usual.step)),
    )


def _chairs(practice_id: int, *, hygiene: bool) -> tuple[Chair, ...]:
    rows = db.rows(
        _Operatory,
        "SELECT id, is_hygiene, bookable, provider_id FROM operatory WHERE practice_id = %(practice)s ORDER BY position, id",
        practice=practice_id,
    )
    workers = db.tuples(
        "SELECT id, kind FROM provider WHERE practice_id = %(practice)s AND active ORDER BY id", practice=practice_id
    )
    kinds = {row.is_hygiene for row in rows}
    wanted = (
        hygiene if hygiene in kinds else not hygiene
    )  # a practice that does not tell its chairs apart uses all of them
    kind = "hygienist" if hygiene and any(of == "hygienist" for _, of in workers) else "dentist"
    able = tuple(provider for provider, of in workers if of == kind)
    active = {provider for provider, _ in workers}
    return tuple(
        Chair(row.id, _providers(row, able, active), row.bookable and row.is_hygiene == wanted) for row in rows
    )


def _providers(row: _Operatory, able: tuple[int, ...], active: set[int]) -> tuple[int, ...]:
    if row.provider_id is None:
        return able
    return (row.provider_id,) if row.provider_id in active else ()


def _closed(practice: Practice, first_day: date, days: int) -> frozenset[date]:
    """Return the days the practice has closed, and public holidays unless its settings say that it works on them."""
    last = first_day + days * DAY
    closed = set(
        db.values(
            "SELECT day FROM closure WHERE practice_id = %(practice)s AND day BETWEEN %(first)s AND %(last)s",
            practice=practice.id, first=first_day, last=last,
        )
    )  # fmt: skip
    if not practice.policy.get("booking", {}).get("open_on_holidays", False):
        for year in range(first_day.year, last.year + 1):
            closed |= closed_days(practice.country, "", year)
    return frozenset(closed)
