"""The schedule as Recare sees it: what patients have booked, what the front desk must still enter, and booking for somebody on the phone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Final

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from recare.base import audit, db
from recare.bookings import book, chart, days, openings, visits
from recare.bookings.booking import Gone, Taken, Via
from recare.bookings.schedule import DAY
from recare.practices.access import StaffRequest, staff

if TYPE_CHECKING:
    from recare.practices.practice import Practice

_DAYS: Final = 7
_BOOKERS: Final = ("owner", "manager", "front_desk", "clinician")

_ENTRIES: Final = """
SELECT b.id, b.state, lower(b.during) AS starts_at, upper(b.during) AS ends_at, b.reason, b.via, b.patient_id,
    coalesce(nullif(p.preferred_name, ''), p.first_name) || ' ' || p.last_name AS patient, o.name AS chair, v.name AS provider,
    b.appointment_id IS NOT NULL AS seen, t.id AS task_id
FROM booking b
JOIN patient p ON p.practice_id = b.practice_id AND p.id = b.patient_id
JOIN operatory o ON o.practice_id = b.practice_id AND o.id = b.operatory_id
JOIN provider v ON v.practice_id = b.practice_id AND v.id = b.provider_id
LEFT JOIN task t ON t.practice_id = b.practice_id AND t.once_key = 'booking:' || b.ref AND t.done_at IS NULL
WHERE b.practice_id = %(practice)s AND b.during && tstzrange(%(start)s, %(end)s)
  AND (b.state = 'booked' OR (b.state = 'held' AND b.held_until > %(now)s))
ORDER BY lower(b.during), o.position, b.id
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One visit or hold on the page."""

    id: int
    state: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    via: str
    patient_id: int
    patient: str
    chair: str
    provider: str
    seen: bool
    task_id: int | None


@dataclass(frozen=True, slots=True)
class Day:
    """One day: what is booked here, and how many different times are still offered."""

    day: date
    entries: list[Entry]
    free: int


@staff()
def schedule(request: StaffRequest) -> HttpResponse:
    """Show a week of holds and bookings, and what is still offered."""
    practice, now = request.practice, request.now
    today = now.astimezone(practice.zone).date()
    first = days.first(request.GET.get("from", ""), today)
    start, end = (datetime.combine(day, time(0), practice.zone).astimezone(UTC) for day in (first, first + _DAYS * DAY))
    entries = db.rows(Entry, _ENTRIES, practice=practice.id, start=start, end=end, now=now)
    free = {
        day.day: len(day.openings) for day in days.by_day(openings.find(practice, first, _DAYS, 60, now), practice.zone)
    }
    week = [first + number * DAY for number in range(_DAYS)]
    shown = [
        Day(
            day,
            [entry for entry in entries if entry.starts_at.astimezone(practice.zone).date() == day],
            free.get(day, 0),
        )
        for day in week
    ]
    context = {
        "days": [day for day in shown if day.entries or day.free], "first": first, "last": week[-1], "later": first + _DAYS * DAY,
        "earlier": first - _DAYS * DAY if first > today else None, "any_booked": bool(entries),
    }  # fmt: skip
    return render(request, "bookings/schedule.html", context)


@require_POST
@staff(*_BOOKERS)
def entered(request: StaffRequest, booking_id: int) -> HttpResponse:
    """The front desk has entered a visit into the office's own system."""
    if chart.entered(request.practice.id, booking_id, request.staff, request.now):
        audit.record(request.practice.id, request.staff, "entered a booking", f"booking:{booking_id}", request.now)
        toasts.success(request, "Noted. The next import will recognise the visit.")
    return redirect("bookings:schedule")


@require_POST
@staff(*_BOOKERS)
def cancel(request: StaffRequest, booking_id: int) -> HttpResponse:
    """Cancel a visit for a patient who has called."""
    try:
        book.cancel(request.practice.id, booking_id, request.now)
    except Gone as gone:
        toasts.warning(request, str(gone))
        return redirect("bookings:schedule")
    audit.record(request.practice.id, request.staff, "cancelled a booking", f"booking:{booking_id}", request.now)
    toasts.success(request, "Cancelled. The time is open again.")
    return redirect("bookings:schedule")


@staff(*_BOOKERS)
def book_patient(request: StaffRequest, patient_id: int) -> HttpResponse:
    """Times for a patient on the phone; a button books one. ``touch`` in the address names the call it came from."""
    practice, now = request.practice, request.now
    today = now.astimezone(practice.zone).date()
    name = _name(practice, patient_id)
    visit = visits.for_patient(practice, patient_id, today)
    touch = int(request.GET["touch"]) if request.GET.get("touch", "").isdecimal() else None
    if request.method == "POST":
        starts_at = days.moment(request.POST.get("time", ""))
        via: Via = "staff" if touch is None else "call"
        free = openings.same_time(practice, starts_at, visit.minutes, now, hygiene=visit.hygiene) if starts_at else []
        for opening in free:
            try:
                made = book.take(practice.id, patient_id, opening, via, now, touch)
            except Taken:
                continue
            audit.record(practice.id, request.staff, "booked a visit", f"booking:{made.id}", now)
            toasts.success(request, f"{name} is booked.")
            return redirect("bookings:schedule")
        toasts.warning(request, "Somebody has just taken that time, or the patient has a visit then. Pick another.")
    first = days.first(request.GET.get("from", ""), today)
    found = days.by_day(openings.find(practice, first, 14, visit.minutes, now, visit.hygiene), practice.zone)
    context = {
        "days": found[:_DAYS],
        "name": name,
        "visit": visit,
        "patient_id": patient_id,
        "later": first + 14 * DAY,
        "touch": touch,
    }
    return render(request, "bookings/book.html", context)


def _name(practice: Practice, patient_id: int) -> str:
    found = db.value(
        "SELECT coalesce(nullif(preferred_name, ''), first_name) || ' ' || last_name FROM patient "
        "WHERE practice_id = %(practice)s AND id = %(patient)s",
        practice=practice.id, patient=patient_id,
    )  # fmt: skip
    if found is None:
        raise Http404
    return str(found)
