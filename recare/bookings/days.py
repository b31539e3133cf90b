"""Openings as people choose from them: by day, few enough to look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final

from recare.bookings.schedule import Opening

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

APART: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Day:
    """The times of one local day."""

    day: date
    openings: tuple[Opening, ...]


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
