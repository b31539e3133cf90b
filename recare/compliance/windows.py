"""When a text or call may go: the intersection of every window, in every possible zone and state (TIM-01 to TIM-06).

Edges are local wall times, made instants with zoneinfo and compared in UTC, half-open: a window ends before its closing second. Holidays
and the row of a state are those of the local date in each zone. Open hours are laid out a week at a time and kept.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from recare.compliance.closed_days import closed_days

if TYPE_CHECKING:
    from recare.compliance.context import Window
    from recare.compliance.packs import Hours, PackSet

WEEK: Final = 7 * 86400
HORIZON_WEEKS: Final = 60
"""No opening in more than a year: there is none."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which windows apply. ``states`` empty: federal (or country) hours and the product's own window only."""

    zones: tuple[str, ...]
    states: tuple[str, ...]
    countries: tuple[str, ...]
    practice: Window | None
    automated: bool = True


@dataclass(slots=True, eq=False)
class Schedule:
    """Open hours of one scope. ``next_open`` answers for any instant; instants are seconds since 1970, UTC."""

    packs: PackSet
    scope: Scope
    _weeks: dict[int, tuple[list[float], list[float]]] = field(default_factory=dict)
    _because: tuple[int, tuple[str, str, str]] = (-1, ("", "", ""))

    def next_open(self, stamp: float) -> float | None:
        """``stamp`` itself when open, else the next opening; None when there is none within a year."""
        week = int(stamp // WEEK)
        for number in range(week, week + HORIZON_WEEKS):
            starts, ends = self._weeks.get(number) or self._lay_out(number)
            at = bisect.bisect_right(ends, stamp)
            if at < len(starts):
                return max(stamp, starts[at])
        return None

    def closed_because(self, stamp: float) -> tuple[str, str, str]:
        """Code, rule and the state that closes this local day, asked when closed: its Sunday, its holiday, or just the hour."""
        slot = int(stamp // 900)
        kept = self._because
        if kept[0] != slot:
            kept = self._because = (slot, self._closed(stamp))
        return kept[1]

    def _closed(self, stamp: float) -> tuple[str, str, str]:
        days = {datetime.fromtimestamp(stamp, ZoneInfo(zone)).date() for zone in self.scope.zones}
        for day in days:
            for state in self.scope.states:
                row = self.packs.packs["US"].row(state, day)
                if row is None:
                    continue
                if day.weekday() == 6 and row.week(automated=self.scope.automated).sunday is None:
                    return "STATE_SUNDAY", "TIM-02", state
                if row.holidays and day in closed_days("US", state, day.year):
                    return "STATE_HOLIDAY", "TIM-02", state
        return "QUIET_HOURS", "TIM-01", ""

    def _lay_out(self, number: int) -> tuple[list[float], list[float]]:
        begin = number * WEEK
        open_hours: list[Interval] = [(begin, begin + WEEK)]
        for zone in self.scope.zones:
            open_hours = _both(open_hours, self._zone(zone, begin))
        if not self.scope.zones:
            open_hours = []
        laid = [start for start, _ in open_hours], [end for _, end in open_hours]
        if len(self._weeks) > HORIZON_WEEKS:
            self._weeks.clear()
        self._weeks[number] = laid
        return laid

    def _zone(self, zone: str, begin: float) -> list[Interval]:
        clock = ZoneInfo(zone)
        first = datetime.fromtimestamp(begin, clock).date() - timedelta(days=1)
        found = []
        for number in range(10):
            interval = self._day(first + timedelta(days=number), clock)
            if interval is not None:
                found.append(interval)
        return found

    def _day(self, day: date, clock: ZoneInfo) -> Interval | None:
        legal = self._legal(day)
        ours = self._ours(day)
        if legal is None or ours is None:
            return None
        start = max(_instant(day, legal[0], clock), _instant(day, ours[0], clock))
        end = min(_instant(day, legal[1], clock) - self.packs.margin.total_seconds(), _instant(day, ours[1], clock))
        return (start, end) if start < end else None

    def _legal(self, day: date) -> Hours:
        """Hours that countries and states allow on a local day."""
        hours: list[Hours] = []
        for country in self.scope.countries:
            pack = self.packs.packs[country]
            hours.append(None if pack.holidays and day in closed_days(country, "", day.year) else pack.on(day))
        for state in self.scope.states:
            row = self.packs.packs["US"].row(state, day)
            if row is not None:
                closed = row.holidays and day in closed_days("US", state, day.year)
                hours.append(None if closed else row.week(automated=self.scope.automated).on(day))
        return _narrowest(hours)

    def _ours(self, day: date) -> Hours:
        """The product's own window within which a practice may narrow, never widen (TIM-03, ENG-03)."""
        hours: list[Hours] = [(time(0), time.max)]
        national = self.packs.national
        if national is not None:
            hours.append(None if national.holidays and self._is_holiday(day) else national.on(day))
        practice = self.scope.practice
        if practice is not None:
            number = day.weekday()
            hours.append(practice.weekday if number < 5 else practice.saturday if number == 5 else practice.sunday)
            if not practice.holidays and self._is_holiday(day):
                hours.append(None)
        return _narrowest(hours)

    def _is_holiday(self, day: date) -> bool:
        return any(day in closed_days(country, "", day.year) for country in self.scope.countries)


def schedule(packs: PackSet, scope: Scope) -> Schedule:
    """The kept schedule of a scope."""
    key = ("schedule", scope)
    found = packs.cache.get(key)
    if found is None:
        found = Schedule(packs, scope)
        packs.keep(key, found)
    assert isinstance(found, Schedule)  # noqa: S101  # the cache is untyped, its keys are not
    return found


def _instant(day: date, at: time, clock: ZoneInfo) -> float:
    if at == time.max:
        return datetime.combine(day + timedelta(days=1), time(0), clock).timestamp()
    return datetime.combine(day, at, clock).timestamp()


def _narrowest(hours: list[Hours]) -> Hours:
    opens, closes = time(0), time.max
    for pair in hours:
        if pair is None:
            return None
        opens, closes = max(opens, pair[0]), min(closes, pair[1])
    return (opens, closes) if opens < closes else None


def _both(left: list[Interval], right: list[Interval]) -> list[Interval]:
    """Intersection of two sorted lists of half-open intervals."""
    found: list[Interval] = []
    at = other = 0
    while at < len(left) and other < len(right):
        start, end = max(left[at][0], right[other][0]), min(left[at][1], right[other][1])
        if start < end:
            found.append((start, end))
        if left[at][1] < right[other][1]:
            at += 1
        else:
            other += 1
    return found
