"""Book, look at, move and cancel a visit. Looking changes nothing; every change is a form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse

from recare.base import db
from recare.bookings import book as booking_book
from recare.bookings import booking as bookings
from recare.bookings import ics, openings, sets
from recare.bookings import visits as right_visits
from recare.bookings.booking import AlreadyBooked, Booking, Gone, Taken
from recare.bookings.sets import Theirs
from recare.messages import links
from recare.portal import family, times
from recare.portal.page import Visitor, go, patient_page, show

if TYPE_CHECKING:
    from recare.bookings.schedule import Opening
    from recare.bookings.visits import Visit


@patient_page("book")
def book(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Times first; a button holds one."""
    if not v.person.may_book:
        return show(request, v, "call")
    if _next_visit(v) is not None:
        return go(v, "manage")
    visit = _visit(v)
    if request.method != "POST":
        return _times(request, v, visit)
    asked = times.picked(v, request.POST.get("time", ""), visit.minutes, hygiene=visit.hygiene)
    if asked is None:
        return go(v, "book")
    wanted, free = asked
    return _hold(v, free) or _gone(request, v, visit, wanted)


def _hold(v: Visitor, free: list[Opening]) -> HttpResponse | None:
    for opening in free:
        try:
            booking_book.hold(v.practice.id, v.person.id, opening, "link", v.now, v.link.touch_id)
        except Taken:
            continue
        except AlreadyBooked:
            return go(v, "manage")
        links.use(v.practice.id, v.link.id, v.now)
        return go(v, "book", "confirm")
    return None


@patient_page("book")
def confirm(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Show what is held; the button books it."""
    if request.method != "POST":
        held = bookings.held(v.practice.id, v.person.id, v.now)
        return go(v, "book") if held is None else show(request, v, "confirm", booking=held)
    held = _own(v, request.POST.get("ref", ""))
    if held is None or not v.person.may_book:
        return go(v, "book")
    try:
        booking_book.confirm(v.practice.id, held.id, v.now)
    except Taken:
        return _gone(request, v, _visit(v), held.opening)
    except AlreadyBooked:
        return go(v, "manage")
    except Gone:
        return go(v, "book")
    links.use(v.practice.id, v.link.id, v.now)
    return go(v, "book", "done")


@patient_page("book", "GET", "HEAD")
def done(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Say that it is booked, and what can be done with it."""
    there = bookings.upcoming(v.practice.id, v.person.id, v.now)
    return go(v, "book") if there is None else show(request, v, "done", booking=there)


@patient_page("manage", "GET", "HEAD")
def manage(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Show the next visit, whether booked here or by telephone, and those that the patient has booked for the family."""
    there = bookings.upcoming(v.practice.id, v.person.id, v.now)
    said = request.GET.get("said", "")
    return show(
        request, v, "manage", booking=there, at=there.starts_at if there else _next_visit(v),
        changeable=there is not None and there.starts_at > v.now, theirs=sets.theirs(v.practice, v.person.id, v.now),
        said=said if said in {"moved", "cancelled"} else "", family=family.names(v),
    )  # fmt: skip


@patient_page("manage")
def move(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Times for another visit; a button swaps the two."""
    there = _changeable(request, v)
    if there is None or not there.may_book:
        return go(v, "manage")
    visit = _same_visit(v, there.booking)
    if request.method != "POST":
        return _times(request, v, visit, moving=there)
    asked = times.picked(v, request.POST.get("time", ""), visit.minutes, hygiene=visit.hygiene)
    if asked is None:
        return go(v, "manage", "move", visit=there.booking.ref)
    wanted, free = asked
    for opening in free:
        try:
            booking_book.move(v.practice.id, there.booking.id, opening, v.now)
        except Taken:
            continue
        except Gone:
            return go(v, "manage")
        return go(v, "manage", said="moved")
    return _gone(request, v, visit, wanted, moving=there)


@patient_page("manage")
def cancel(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Ask once, then cancel."""
    there = _changeable(request, v)
    if there is None:
        return go(v, "manage")
    if request.method != "POST":
        return show(request, v, "cancel", there=there, action=v.url("manage", "cancel", visit=there.booking.ref))
    try:
        booking_book.cancel(v.practice.id, there.booking.id, v.now)
    except Gone:
        return go(v, "manage")
    return go(v, "manage", said="cancelled")


def _changeable(request: HttpRequest, v: Visitor) -> Theirs | None:
    """Return the visit that an address names, the patient's own or one they booked for the family; their own next one when it names none.

    Forms name it, so that an older tab never cancels the visit that took its place.
    """
    named, own = request.GET.get("visit", ""), bookings.upcoming(v.practice.id, v.person.id, v.now)
    if own is not None and own.starts_at > v.now and named in {"", str(own.ref)}:
        return Theirs("", v.person.may_book, own)
    return next((one for one in sets.theirs(v.practice, v.person.id, v.now) if str(one.booking.ref) == named), None)


@patient_page("manage", "GET", "HEAD")
def calendar(_request: HttpRequest, v: Visitor) -> HttpResponse:
    """The visit as a calendar file."""
    there = bookings.upcoming(v.practice.id, v.person.id, v.now)
    if there is None:
        return go(v, "manage")
    file = ics.build(there, v.practice, v.now, v.language)
    headers = {"Content-Disposition": 'attachment; filename="visit.ics"'}
    return HttpResponse(file, content_type="text/calendar; charset=utf-8; method=PUBLISH", headers=headers)


@dataclass(frozen=True, slots=True)
class _Missed:
    """A time that somebody else was quicker to take, and what is close to it."""

    at: datetime
    close: tuple[Opening, ...]


def _times(
    request: HttpRequest, v: Visitor, visit: Visit, moving: Theirs | None = None, missed: _Missed | None = None
) -> HttpResponse:
    there = moving.booking if moving else None
    offer = times.offered(v, visit.minutes, request.GET.get("from", ""), hygiene=visit.hygiene, moving=there)
    address = partial(v.url, "manage", "move", visit=there.ref) if there else partial(v.url, "book")
    return show(
        request, v, "times", 409 if missed else 200, offer=offer, visit=visit, moving=moving, missed=missed, action=address(),
        later=address(**{"from": offer.later.isoformat()}) if offer.later else "", family="" if moving else family.names(v),
    )  # fmt: skip


def _gone(
    request: HttpRequest, v: Visitor, visit: Visit, wanted: Opening, moving: Theirs | None = None
) -> HttpResponse:
    close = openings.nearest(v.practice, wanted, v.now, hygiene=visit.hygiene, online=True)
    return _times(request, v, visit, moving, _Missed(wanted.starts_at, close))


def _visit(v: Visitor) -> Visit:
    plan = right_visits.is_treatment(v.practice.id, v.link.touch_id)
    return right_visits.for_patient(v.practice, v.person.id, v.today, treatment=plan)


def _same_visit(v: Visitor, there: Booking) -> Visit:
    """A visit that moves keeps its length and its kind of chair."""
    hygiene = db.value(
        "SELECT is_hygiene FROM operatory WHERE practice_id = %(practice)s AND id = %(chair)s",
        practice=v.practice.id, chair=there.operatory_id,
    )  # fmt: skip
    minutes = int((there.ends_at - there.starts_at) / timedelta(minutes=1))
    return right_visits.Visit(there.reason, minutes, hygiene=bool(hygiene))  # type: ignore[arg-type]


def _own(v: Visitor, ref: str) -> Booking | None:
    return db.one(
        Booking,
        f"SELECT {bookings.COLUMNS} FROM booking WHERE practice_id = %(practice)s AND patient_id = %(patient)s AND ref::text = %(ref)s",
        practice=v.practice.id, patient=v.person.id, ref=ref,
    )  # fmt: skip


def _next_visit(v: Visitor) -> datetime | None:
    found: datetime | None = db.value(
        "SELECT min(starts_at) FROM appointment WHERE practice_id = %(practice)s AND patient_id = %(patient)s "
        "AND status = 'scheduled' AND deleted_at IS NULL AND starts_at > %(now)s",
        practice=v.practice.id, patient=v.person.id, now=v.now,
    )  # fmt: skip
    return found
