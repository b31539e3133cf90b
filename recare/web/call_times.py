"""Times to offer on the phone: of the right length, with the hygienist asked for, longer for who is afraid (SRV-3, SRV-4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from recare.base import db
from recare.bookings import days, openings, visits
from recare.bookings.days import Day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recare.bookings.schedule import Opening
    from recare.bookings.visits import Visit
    from recare.practices.practice import Practice

_LOOK: Final = 21
_DAYS: Final = 6
_MORE: Final = 15
_FORENOON: Final = 12


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person asked for: more time, a certain provider."""

    longer: bool = False
    provider_id: int | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """What may be offered. ``in_words`` are the two times that the caller reads out first."""

    visit: Visit
    wish: Wish
    days: tuple[Day, ...]
    providers: tuple[tuple[int, str], ...]
    in_words: tuple[str, ...]


def wish(said: Mapping[str, str]) -> Wish:
    """Read the wish from an address or a form."""
    who = said.get("with", "")
    return Wish(said.get("longer", "") == "1", int(who) if who.isdecimal() and len(who) < 12 else None)


def offered(practice: Practice, patient_id: int, asked: Wish, now: datetime) -> Times:
    """Return the next days with times for this patient."""
    today = now.astimezone(practice.zone).date()
    visit = _visit(practice, patient_id, asked, now)
    found = openings.find(practice, today, _LOOK, visit.minutes, now, visit.hygiene)
    able = {opening.provider_id for opening in found}
    wanted = [opening for opening in found if asked.provider_id in {None, opening.provider_id}]
    shown = tuple(days.by_day(wanted, practice.zone)[:_DAYS])
    return Times(visit, asked, shown, _names(practice.id, able), _in_words(practice, shown))


def picked(practice: Practice, patient_id: int, said: Mapping[str, str], now: datetime) -> Opening | None:
    """Return the opening behind a button (seconds since 1970), in a chair that is free now; None when there is none."""
    starts_at = days.moment(said.get("time", ""))
    if starts_at is None:
        return None
    asked = wish(said)
    visit = _visit(practice, patient_id, asked, now)
    free = openings.same_time(practice, starts_at, visit.minutes, now, hygiene=visit.hygiene)
    return next((one for one in free if asked.provider_id in {None, one.provider_id}), None)


def words(practice: Practice, opening: Opening) -> str:
    """Say a time as one reads it out: ``Wednesday, January 13 at 8:30 am``."""
    there = opening.starts_at.astimezone(practice.zone)
    hour = f"{there:%I:%M %p}".lstrip("0").lower()
    return f"{there:%A}, {there:%B} {there.day} at {hour}"


def again(practice: Practice, text: str) -> datetime | None:
    """Read when to call again, in the practice's own time; None when nothing was entered. Raises ValueError for no time at all."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text[:19]).replace(tzinfo=practice.zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("That is no date and time; write them as 2027-01-13T10:00.") from None


def _visit(practice: Practice, patient_id: int, asked: Wish, now: datetime) -> Visit:
    visit = visits.for_patient(practice, patient_id, now.astimezone(practice.zone).date())
    return replace(visit, minutes=visit.minutes + _MORE) if asked.longer else visit


def _in_words(practice: Practice, shown: tuple[Day, ...]) -> tuple[str, ...]:
    """The soonest time, and one on another day in the other half of the day: a choice is easier to answer than "when?"."""

    def is_early(one: Opening) -> bool:
        return one.starts_at.astimezone(practice.zone).hour < _FORENOON

    soonest = [day.openings[0] for day in shown[:1]]
    others = [one for day in shown[1:] or shown for one in day.openings if one not in soonest]
    other = [one for one in others if is_early(one) != is_early(soonest[0])] or others
    return tuple(words(practice, one) for one in soonest + other[:1])


def _names(practice_id: int, ids: set[int]) -> tuple[tuple[int, str], ...]:
    return tuple(
        (int(key), str(name))
        for key, name in db.tuples(
            "SELECT id, name FROM provider WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[]) ORDER BY name, id",
            practice=practice_id, ids=sorted(ids),
        )
    )  # fmt: skip
