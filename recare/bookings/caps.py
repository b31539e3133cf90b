"""How many visits patients may book online for one day: in the whole practice, and in each hygiene chair. Patients only see fewer times.

The settings are ``policy.booking.online_per_day`` and ``online_per_hygiene_chair``; none means no limit. What the front desk books, on the
telephone or at the desk, neither counts nor is held up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from recare.base import db
from recare.bookings.schedule import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from recare.bookings.schedule import Opening
    from recare.practices.practice import Practice

# What counts: holds that still run and bookings by link. Whoever chooses another time gives the own one back first, so it does not count.
_TAKEN = """
SELECT lower(b.during) AS at, b.operatory_id FROM booking b
WHERE b.practice_id = %(practice)s AND b.via = 'link' AND b.during && tstzrange(%(start)s, %(end)s)
  AND (b.state = 'booked' OR (b.state = 'held' AND b.held_until > %(now)s)) AND NOT (b.id = ANY(%(but)s::bigint[]))
  AND NOT (b.state = 'held' AND b.patient_id = ANY(%(own)s::bigint[]))
"""


@dataclass(frozen=True, slots=True)
class Caps:
    """The practice's limits on one local day; None: no limit."""

    a_day: int | None = None
    a_chair: int | None = None


def of(practice: Practice) -> Caps:
    """Read the practice's limits."""
    said = practice.policy.get("booking", {})
    return Caps(said.get("online_per_day"), said.get("online_per_hygiene_chair"))


class Room:
    """What is left of the limits on some days."""

    def __init__(
        self,
        practice: Practice,
        first_day: date,
        days: int,
        now: datetime,
        own: Iterable[int] = (),
        but: Iterable[int] = (),
    ) -> None:
        self._caps, self._zone = of(practice), practice.zone
        self._days, self._chairs = Counter[date](), Counter[tuple[date, int]]()
        self._hygiene: set[int] = set()
        if self._caps == Caps():
            return
        start, end = (_midnight(day, practice) for day in (first_day, first_day + days * DAY))
        taken = db.tuples(_TAKEN, practice=practice.id, start=start, end=end, now=now, own=list(own), but=list(but))
        for at, chair in taken:
            day = at.astimezone(self._zone).date()
            self._days[day] += 1
            self._chairs[day, chair] += 1
        self._hygiene = set(
            db.values("SELECT id FROM operatory WHERE practice_id = %(p)s AND is_hygiene", p=practice.id)
        )

    def takes(self, together: Sequence[Opening]) -> bool:
        """Whether these visits may all be booked, on top of what is."""
        days = Counter(opening.starts_at.astimezone(self._zone).date() for opening in together)
        chairs = Counter(
            (opening.starts_at.astimezone(self._zone).date(), opening.operatory_id)
            for opening in together
            if opening.operatory_id in self._hygiene
        )
        a_day, a_chair = self._caps.a_day, self._caps.a_chair
        return (a_day is None or all(self._days[day] + more <= a_day for day, more in days.items())) and (
            a_chair is None or all(self._chairs[key] + more <= a_chair for key, more in chairs.items())
        )


def within(
    practice: Practice, found: Sequence[Opening], now: datetime, own: Iterable[int] = (), but: Iterable[int] = ()
) -> list[Opening]:
    """Return those openings (earliest first) that a patient may still book online. ``own``: whose holds do not count; ``but``: bookings that
    are being moved.
    """
    if not found or of(practice) == Caps():
        return list(found)
    first, last = (found[at].starts_at.astimezone(practice.zone).date() for at in (0, -1))
    room = Room(practice, first, (last - first).days + 1, now, own, but)
    return [opening for opening in found if room.takes([opening])]


def claim(practice: Practice, opening: Opening, now: datetime, own: int, but: Iterable[int] = ()) -> bool:
    """Whether one more visit may be booked online on that day. Two who ask at the same instant are answered one after the other."""
    wait_for_day(practice, opening)
    return Room(practice, _day(opening, practice), 1, now, [own], but).takes([opening])


def wait_for_day(practice: Practice, opening: Opening) -> None:
    """Wait until whoever else books online on that day has done so, where days have limits; before any booking is touched."""
    if of(practice) != Caps():
        day = _day(opening, practice).toordinal()
        db.run("SELECT pg_advisory_xact_lock(%(practice)s::int, %(day)s::int)", practice=practice.id, day=day)


def _day(opening: Opening, practice: Practice) -> date:
    return opening.starts_at.astimezone(practice.zone).date()


def _midnight(day: date, practice: Practice) -> datetime:
    return datetime.combine(day, time(0), practice.zone).astimezone(UTC)
