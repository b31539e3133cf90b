"""Openings as people choose from them: by day, few enough to look at; and what their addresses and buttons say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final

from recare.bookings.schedule import Opening

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

APART: Final = timedelta(minutes=30)
_YEARS: Final = timedelta(days=2 * 365)


@dataclass(frozen=True, slots=True)
class Day:
    """The times of one local day."""

    day: date
    openings: tuple[Opening, ...]


def first(asked: str, today: date) -> date:
    """Return the day a page begins with: the one its address asks for (ISO), or today when that is none, over, or years away."""
    try:
        day = date.fromisoformat(asked)
    except ValueError:
        return today
    return day if today <= day <= today + _YEARS else today


def moment(said: str) -> datetime | None:
    """Read the time of a button, in seconds since 1970; None when it is no time."""
    return datetime.fromtimestamp(int(said), UTC) if said.isdecimal() and len(said) <= 10 else None


def by_day(found: Iterable[Opening], zone: ZoneInfo) -> list[Day]:
    """Group openings (earliest first) by local day and keep starts at least half an hour apart; the chair does not matter here."""
    return [
        Day(day, _spread(rows))
        for day, rows in groupby(found, lambda opening: opening.starts_at.astimezone(zone).date())
    ]


def _spread(rows: Iterable[Opening]) -> tuple[Opening, ...]:
    kept: list[Opening] = []
    for opening in rows:
        if not kept or opening.starts_at - kept[-1].starts_at >= APART:
            kept.append(opening)
    return tuple(kept)
