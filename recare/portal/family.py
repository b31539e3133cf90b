"""One trip for a family: who is due, times at which all of them can come, one button (D8).

A page shows given names only, and only of those whom the link's own patient pays for and may book for (bookings/sets.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from recare.base import db
from recare.bookings import days, openings, sets
from recare.bookings import visits as right_visits
from recare.bookings.booking import AlreadyBooked, Gone, Taken
from recare.bookings.schedule import DAY
from recare.bookings.sets import Relative
from recare.messages import links
from recare.portal.page import Visitor, go, patient_page, show
from recare.portal.words import say

if TYPE_CHECKING:
    from recare.bookings.booking import Booking
    from recare.bookings.sets import Trip

_LOOK: Final = 21
_DAYS: Final = 3


@dataclass(frozen=True, slots=True)
class Shown:
    """One trip as a button: when it starts, and who comes when."""

    starts_at: datetime
    visits: tuple[tuple[str, datetime], ...]


def names(v: Visitor) -> str:
    """Return who of the family could be booked for, in words; empty when there is nobody."""
    found = [one.name for one in _family(v)]
    return f" {say('family.and', v.language)} ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def _family(v: Visitor) -> list[Relative]:
    return sets.due(v.practice, v.person.id, v.now) if v.person.may_book else []


def _people(v: Visitor) -> list[Relative]:
    """Everybody who may be on the trip, the link's own patient first unless they have a visit already."""
    family = _family(v)
    if not family or _has_visit(v):
        return family
    return [Relative(v.person.id, v.person.name or "1"), *family][: sets.MOST]


def _has_visit(v: Visitor) -> bool:
    return bool(
        db.value(
            "SELECT EXISTS (SELECT FROM appointment WHERE practice_id = %(practice)s AND patient_id = %(patient)s "
            "AND status = 'scheduled' AND deleted_at IS NULL AND starts_at > %(now)s)",
            practice=v.practice.id, patient=v.person.id, now=v.now,
        )
    )  # fmt: skip


def _chosen(asked: list[str], people: list[Relative]) -> list[int]:
    return [one.id for one in people if str(one.id) in asked]


def _trips(v: Visitor, chosen: list[int], first_day: date, days: int) -> list[Trip]:
    plan = v.person.id if right_visits.is_treatment(v.practice.id, v.link.touch_id) else None
    wanted = sets.visits(v.practice, chosen, v.today, plan)
    return sets.trips(v.practice, wanted, first_day, days, v.now)


@patient_page("book")
def choose(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Ask who comes, and show times for all of them; a button holds a set."""
    people = _people(v)
    if not people:
        return go(v, "book")
    if request.method == "POST":
        return _hold(request, v, people)
    return _page(request, v, people, _chosen(request.GET.getlist("who"), people), request.GET.get("from", ""))


def _page(
    request: HttpRequest, v: Visitor, people: list[Relative], chosen: list[int], asked: str, **more: Any
) -> HttpResponse:
    first_day = days.first(asked, v.today)
    found = sets.spread(_trips(v, chosen, first_day, _LOOK)) if chosen else []
    shown = [
        (day, [_shown(trip, people) for trip in rows])
        for day, rows in groupby(found, lambda trip: trip[0].opening.starts_at.astimezone(v.practice.zone).date())
    ]
    later = shown[_DAYS][0] if len(shown) > _DAYS else first_day + _LOOK * DAY
    horizon = v.today + openings.rules_of(v.practice).days_ahead * DAY
    address = v.url("book", "family")
    mark = ("&" if "?" in address else "?") + urlencode([("who", each) for each in chosen])
    context = {
        "people": people, "chosen": chosen, "days": shown[:_DAYS], "first": first_day == v.today, "earlier": address + mark,
        "later": f"{address}{mark}&from={later.isoformat()}" if chosen and later <= horizon else "",
    }  # fmt: skip
    return show(request, v, "family", 409 if more.get("taken") else 200, **context, **more)


def _shown(trip: Trip, people: list[Relative]) -> Shown:
    called = {one.id: one.name for one in people}
    visits = sorted(((called[one.patient_id], one.opening.starts_at) for one in trip), key=lambda pair: pair[1])
    return Shown(trip[0].opening.starts_at, tuple(visits))


def _hold(request: HttpRequest, v: Visitor, people: list[Relative]) -> HttpResponse:
    chosen, starts_at = _chosen(request.POST.getlist("who"), people), days.moment(request.POST.get("time", ""))
    if not chosen or starts_at is None:
        return go(v, "book", "family")
    for trip in _trips(v, chosen, starts_at.astimezone(v.practice.zone).date(), 1):
        if trip[0].opening.starts_at != starts_at:
            continue
        try:
            sets.hold(v.practice, v.person.id, trip, v.now, v.link.touch_id)
        except (Taken, AlreadyBooked):
            break
        links.use(v.practice.id, v.link.id, v.now)
        return go(v, "book", "family/confirm")
    return _page(request, v, people, chosen, "", taken=True)


@patient_page("book")
def confirm(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Show what is held for everybody; the button books it all."""
    if request.method != "POST":
        held = sets.of(v.practice.id, v.person.id, "held", v.now)
        return _set(request, v, held, done=False) if held else go(v, "book", "family")
    try:
        sets.confirm(v.practice, v.person.id, UUID(request.POST.get("set", "")), v.now)
    except (Taken, AlreadyBooked, Gone):
        people = _people(v)
        return _page(request, v, people, [], "", taken=True) if people else go(v, "book")
    except ValueError:
        return go(v, "book", "family")
    links.use(v.practice.id, v.link.id, v.now)
    return go(v, "book", "family/done")


@patient_page("book", "GET", "HEAD")
def done(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Say that everybody is booked."""
    booked = sets.of(v.practice.id, v.person.id, "booked", v.now)
    return _set(request, v, booked, done=True) if booked else go(v, "book")


def _set(request: HttpRequest, v: Visitor, found: list[Booking], *, done: bool) -> HttpResponse:
    called = dict(
        db.tuples(
            "SELECT id, coalesce(nullif(preferred_name, ''), first_name) FROM patient WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])",
            practice=v.practice.id, ids=[one.patient_id for one in found],
        )
    )  # fmt: skip
    visits = [(called[one.patient_id], one.starts_at) for one in found]
    day = found[0].starts_at.astimezone(v.practice.zone).date()
    return show(request, v, "family_set", visits=visits, day=day, ref=found[0].set_ref, done=done)
