"""Free chair time as plain data: hours, chairs and what is taken in; openings out. No database, no clock.

Rules as Open Dental's own online booking has them (11 of 11 of its published cases are reproduced in tests/bookings), plus a minimum
notice, a horizon and closed days, which it leaves to the office.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

DAY: Final = timedelta(days=1)
_TRIES: Final = 300  # arrangements looked at for one start; a family of five on a full day has thousands


@dataclass(frozen=True, slots=True)
class Opening:
    """Time that may be offered: one chair, one provider, aware UTC instants."""

    operatory_id: int
    provider_id: int
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Hours:
    """Open on a weekday (0 = Monday) between two local wall times; ``operatory_id`` None means the whole practice."""

    weekday: int
    starts: time
    ends: time
    operatory_id: int | None = None


@dataclass(frozen=True, slots=True)
class Chair:
    """An operatory and who may work in it, the usual provider first. ``offered``: patients may book it for this kind of visit."""

    id: int
    providers: tuple[int, ...]
    offered: bool = True


@dataclass(frozen=True, slots=True)
class Busy:
    """Time that is taken. Without chair and provider it takes one chair, nobody knows which."""

    starts_at: datetime
    ends_at: datetime
    operatory_id: int | None = None
    provider_id: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the practice allows. ``step`` in minutes is the grid on which visits start."""

    notice: timedelta = timedelta(hours=2)
    days_ahead: int = 60
    step: int = 10


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything the search reads. Chairs come in the order in which they are preferred."""

    zone: ZoneInfo
    chairs: tuple[Chair, ...]
    hours: tuple[Hours, ...]
    busy: tuple[Busy, ...] = ()
    closed: frozenset[date] = frozenset()
    rules: Rules = field(default_factory=Rules)


def search(schedule: Schedule, first_day: date, days: int, minutes: int, now: datetime) -> list[Opening]:
    """Return what may be offered on ``days`` local days from ``first_day``, earliest first, then by chair.

    Openings of one chair may overlap each other: after a visit that starts off the grid of its length the search goes back to it.
    """
    length, earliest = timedelta(minutes=minutes), now + schedule.rules.notice
    last_day = now.astimezone(schedule.zone).date() + schedule.rules.days_ahead * DAY
    found: list[tuple[datetime, int, Opening]] = []
    for day in (first_day + number * DAY for number in range(days)):
        if day in schedule.closed or day > last_day:
            continue
        taken = _Taken(schedule, day)
        for order, chair in enumerate(schedule.chairs):
            spans = _working(schedule, chair.id, day) if chair.offered else []
            for start, end in spans:
                found += [
                    (opening.starts_at, order, opening)
                    for opening in _openings(taken, chair, (start, end), length, schedule.rules.step)
                    if opening.starts_at >= earliest
                ]
    return [opening for _, _, opening in sorted(found, key=lambda row: row[:2])]


def together(
    schedules: Sequence[Schedule], lengths: Sequence[int], first_day: date, days: int, now: datetime
) -> list[tuple[Opening, ...]]:
    """Return sets of openings for several visits on one trip, one for each schedule and length (minutes), earliest first.

    All schedules are of one practice and the same days; they may offer different chairs. The first visit of a set starts with it, every
    other at the same instant in another chair or where one before ends. No two of a set share a chair or a provider at a time.
    """
    rules, zone = schedules[0].rules, schedules[0].zone
    earliest, last_day = now + rules.notice, now.astimezone(zone).date() + rules.days_ahead * DAY
    found = []
    for day in (first_day + number * DAY for number in range(days)):
        if day in schedules[0].closed or day > last_day:
            continue
        planner = _Day(schedules, [timedelta(minutes=minutes) for minutes in lengths], day)
        found += [one for at in planner.starts() if at >= earliest and (one := planner.place((), at)) is not None]
    return found


class _Day:
    """Places several visits on one local day."""

    def __init__(self, schedules: Sequence[Schedule], lengths: Sequence[timedelta], day: date) -> None:
        self._tries = 0
        self._lengths, self._step = lengths, timedelta(minutes=schedules[0].rules.step)
        self._taken = [_Taken(schedule, day) for schedule in schedules]
        self._chairs = [
            [(chair, _working(schedule, chair.id, day)) for chair in schedule.chairs if chair.offered] for schedule in schedules
        ]  # fmt: skip

    def starts(self) -> list[datetime]:
        """Every instant of the grid at which the first visit could begin."""
        spans = {span for _, worked in self._chairs[0] for span in worked}
        return sorted(
            {
                start + number * self._step
                for start, end in spans
                for number in range(max(0, (end - self._lengths[0] - start) // self._step + 1))
            }
        )

    def place(self, placed: tuple[Opening, ...], first: datetime) -> tuple[Opening, ...] | None:
        """Add the next visit, as early as it can be, and all that follow; None when they do not fit."""
        number = len(placed)
        if number == len(self._lengths):
            return placed
        self._tries = self._tries + 1 if placed else 0
        if self._tries > _TRIES:
            return None
        for at in sorted({first, *(one.ends_at for one in placed)}) if placed else [first]:
            for chair, worked in self._chairs[number]:
                opening = self._fits(number, chair, worked, at, placed)
                if opening is not None and (whole := self.place((*placed, opening), first)) is not None:
                    return whole
        return None

    def _fits(
        self,
        number: int,
        chair: Chair,
        worked: list[tuple[datetime, datetime]],
        at: datetime,
        placed: tuple[Opening, ...],
    ) -> Opening | None:
        until = at + self._lengths[number]
        if not any(start <= at and until <= end for start, end in worked):
            return None
        beside = [one for one in placed if one.starts_at < until and one.ends_at > at]
        if any(one.operatory_id == chair.id for one in beside):
            return None
        provider = self._taken[number].free_provider(chair, at, until, frozenset(one.provider_id for one in beside))
        return None if provider is None else Opening(chair.id, provider, at, until)


def _openings(
    taken: _Taken, chair: Chair, span: tuple[datetime, datetime], length: timedelta, step: int
) -> Iterator[Opening]:
    first, end = span
    at = first
    while at + length <= end:
        provider = taken.free_provider(chair, at, at + length)
        if provider is None:
            at += timedelta(minutes=step)
            continue
        yield Opening(chair.id, provider, at, at + length)
        at = first + ((at - first) // length + 1) * length  # the next point of the length's own grid


class _Taken:
    """What is taken on one local day, by chair and by provider."""

    def __init__(self, schedule: Schedule, day: date) -> None:
        start = datetime.combine(day, time(0), schedule.zone).astimezone(UTC)
        end = datetime.combine(day + DAY, time(0), schedule.zone).astimezone(UTC)
        here = [busy for busy in schedule.busy if busy.starts_at < end and busy.ends_at > start]
        self.chairs: dict[int, list[Busy]] = {chair.id: [] for chair in schedule.chairs}
        self.providers: dict[int, list[Busy]] = {}
        for busy in here:
            if busy.operatory_id in self.chairs:
                self.chairs[busy.operatory_id].append(busy)
            if busy.provider_id is not None:
                self.providers.setdefault(busy.provider_id, []).append(busy)
        self.somewhere = [busy for busy in here if busy.operatory_id is None and busy.provider_id is None]

    def free_provider(
        self, chair: Chair, start: datetime, end: datetime, but: frozenset[int] = frozenset()
    ) -> int | None:
        """Return who can see a patient in this chair at this time, or None. ``but``: providers who are wanted elsewhere."""
        if _overlap(self.chairs[chair.id], start, end) or not self._room_for_unplaced(start, end):
            return None
        free = (
            one for one in chair.providers if one not in but and not _overlap(self.providers.get(one, ()), start, end)
        )
        return next(free, None)

    def _room_for_unplaced(self, start: datetime, end: datetime) -> bool:
        unplaced = sum(busy.starts_at < end and busy.ends_at > start for busy in self.somewhere)
        return not unplaced or unplaced < sum(not _overlap(busy, start, end) for busy in self.chairs.values())


def _overlap(busy: Iterable[Busy], start: datetime, end: datetime) -> bool:
    return any(taken.starts_at < end and taken.ends_at > start for taken in busy)


def _working(schedule: Schedule, chair: int, day: date) -> list[tuple[datetime, datetime]]:
    """Return when a chair is worked in on a day: the practice's hours, narrowed by the chair's own when it has any."""
    whole = [row for row in schedule.hours if row.operatory_id is None and row.weekday == day.weekday()]
    own = [row for row in schedule.hours if row.operatory_id == chair]
    if not own:
        spans = [(row.starts, row.ends) for row in whole]
    else:
        todays = [row for row in own if row.weekday == day.weekday()]
        spans = [(max(a.starts, b.starts), min(a.ends, b.ends)) for a in whole for b in todays]
    step = schedule.rules.step
    return [
        (_on_grid(day, starts, step, schedule.zone), _closing(day, ends, schedule.zone))
        for starts, ends in sorted(spans)
        if starts < ends
    ]


def _on_grid(day: date, starts: time, step: int, zone: ZoneInfo) -> datetime:
    """Round a local start up to the grid, then leave wall time: lengths are added in UTC, so a night of 23 hours keeps its visits apart."""
    minutes = -(-(starts.hour * 60 + starts.minute + bool(starts.second)) // step) * step
    wall = datetime.combine(day, time(0)) + timedelta(minutes=minutes)
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _closing(day: date, ends: time, zone: ZoneInfo) -> datetime:
    """Leave wall time at the end of a span; where that night has it twice, or not at all, the earlier meaning counts."""
    wall = datetime.combine(day, ends).replace(tzinfo=zone)
    return min(wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC))
