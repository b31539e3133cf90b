"""Calls: the list of whom to ring, and one patient at a time with the script, their answers, and times to book (CAL-1 to CAL-7).

Who works here sees name, number, kind of call and script, and not the chart (HIP-06).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import messages as toasts
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from recare.base import audit, db
from recare.bookings import book
from recare.bookings.booking import Taken
from recare.calls import outcomes, worklist
from recare.calls.outcomes import Ended
from recare.calls.worklist import CallNotFree, TakenCall
from recare.practices.access import StaffRequest, staff
from recare.web import call_times
from recare.web.call_words import BARRIERS, CLASSES, ENDS

CALLERS: Final = ("owner", "manager", "front_desk", "clinician")
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Spot:
    """A call as it stands: what it counts, and since when it has been on somebody's screen."""

    patient_id: int
    touch_id: int
    attempts: int
    state: str
    taken_at: datetime | None


@staff(*CALLERS)
def calls(request: StaffRequest) -> HttpResponse:
    """Show whom to call now, best first, and who must wait until when and why."""
    entries = worklist.due(request.practice.id, request.now, _SHOWN, request.staff)
    audit.record(
        request.practice.id, request.staff, "viewed the call list", "calls", request.now, {"shown": len(entries)}
    )
    context = {
        "free": [entry for entry in entries if not entry.locked],
        "locked": [entry for entry in entries if entry.locked],
        "classes": CLASSES,
        "ends": ENDS,
    }
    return render(request, "web/calls.html", context)


@staff(*CALLERS)
def following(request: StaffRequest) -> HttpResponse:
    """Go to the best call that is free now; to the list, which says why, when there is none."""
    entries = worklist.due(request.practice.id, request.now, 1, request.staff)
    if not entries or entries[0].locked:
        return redirect("web:calls")
    return redirect("web:call", entries[0].item.id)


@staff(*CALLERS)
def call(request: StaffRequest, call_id: int) -> HttpResponse:
    """Put a call on the screen of whoever opens it, or say in words why it may not be dialled."""
    return _screen(request, call_id)


def _screen(request: StaffRequest, call_id: int, wrong: str = "", status: int = 200) -> HttpResponse:
    practice, now = request.practice, request.now
    wish = call_times.wish(request.POST if request.method == "POST" else request.GET)
    spot = _spot(practice.id, call_id)
    times = call_times.offered(practice, spot.patient_id, wish, now) if spot else None
    try:
        taken = worklist.take(
            practice.id,
            call_id,
            request.staff,
            now,
            caller_name=_name(request),
            openings=times.in_words if times else (),
        )
    except (CallNotFree, LookupError) as refused:
        return render(request, "web/call_refused.html", {"why": str(refused)}, status=409)
    audit.record(practice.id, request.staff, "took a call", f"call:{call_id}", now)
    return render(request, "web/call.html", _context(request, taken, times, wrong), status=status)


def _context(request: StaffRequest, taken: TakenCall, times: call_times.Times | None, wrong: str) -> dict[str, Any]:
    item = taken.item
    return {
        "item": item, "script": taken.script, "times": times, "wrong": wrong, "ends": ENDS, "barriers": BARRIERS,
        "kind": CLASSES.get(item.message_class, ""), "sees_chart": request.role != "front_desk",
        "entered": request.POST, "page": reverse("web:call", args=[item.id]), "most": outcomes.MOST_ATTEMPTS, "number": item.attempts + 1,
        "last": ENDS[item.last_outcome].label if item.last_outcome in ENDS else "",
    }  # fmt: skip


@require_POST
@staff(*CALLERS)
def end(request: StaffRequest, call_id: int) -> HttpResponse:
    """Note how a call ended, do what follows from it, and go to the next one."""
    found = _mine(request, call_id)
    if isinstance(found, HttpResponse):
        return found
    try:
        ended = _ended(request, found)
        _record(request, call_id, ended)
    except CallNotFree as taken:
        toasts.warning(request, f"{taken} Nothing was noted.")
        return redirect("web:calls")
    except ValueError as error:
        return _screen(request, call_id, wrong=str(error), status=422)
    toasts.success(request, f"Noted: {ENDS[ended.outcome].noted}")
    return redirect("web:call-next")


@require_POST
@staff(*CALLERS)
def book_time(request: StaffRequest, call_id: int) -> HttpResponse:
    """Book a time for the person on the phone and note the call as booked, both or neither."""
    practice, now = request.practice, request.now
    found = _mine(request, call_id)
    if isinstance(found, HttpResponse):
        return found
    opening = call_times.picked(practice, found.patient_id, request.POST, now)
    if opening is None:
        return _screen(request, call_id, wrong="That time is not open any more. Offer another.", status=409)
    try:
        with db.scope(practice.id):
            _record(request, call_id, Ended("booked", *_said(request), seconds=_seconds(found, now)))
            made = book.take(practice.id, found.patient_id, opening, "call", now, found.touch_id)
    except Taken:
        return _screen(request, call_id, wrong="Somebody has just taken that time. Offer another.", status=409)
    except CallNotFree as taken:
        toasts.warning(request, f"{taken} Nothing was booked.")
        return redirect("web:calls")
    except ValueError as error:
        return _screen(request, call_id, wrong=str(error), status=422)
    audit.record(practice.id, request.staff, "booked a visit", f"booking:{made.id}", now)
    toasts.success(
        request,
        f"Booked for {call_times.words(practice, opening)}. Enter it into your practice system: it is under Schedule.",
    )
    return redirect("web:call-next")


@require_POST
@staff(*CALLERS)
def put_back(request: StaffRequest, call_id: int) -> HttpResponse:
    """Take a call off one's screen without having called."""
    if worklist.put_back(request.practice.id, call_id, request.staff):
        toasts.success(request, "Put back. Nobody was called.")
    return redirect("web:calls")


def _spot(practice_id: int, call_id: int) -> Spot | None:
    return db.one(
        Spot,
        "SELECT patient_id, touch_id, attempts, state, taken_at FROM call WHERE practice_id = %(practice)s AND id = %(call)s",
        practice=practice_id, call=call_id,
    )  # fmt: skip


def _mine(request: StaffRequest, call_id: int) -> Spot | HttpResponse:
    """Return the call if this form is the first to end this attempt: a double click, or an older tab, must not note it twice.

    Callers of one call queue up here before they touch anything else.
    """
    practice_id = request.practice.id
    db.value(
        "SELECT pg_advisory_xact_lock(hashtextextended('call:' || %(practice)s || ':' || %(call)s, 0))",
        practice=practice_id, call=call_id,
    )  # fmt: skip
    found = _spot(practice_id, call_id)
    if found is None or found.state != "open" or str(found.attempts) != request.POST.get("attempts"):
        toasts.warning(request, "How this call ended has been noted already. Here is the next one.")
        return redirect("web:call-next")
    return found


def _record(request: StaffRequest, call_id: int, ended: Ended) -> None:
    practice_id, now = request.practice.id, request.now
    outcomes.record(
        practice_id, call_id, ended.outcome, request.staff, now, barrier=ended.barrier, note=ended.note,
        call_again_at=ended.call_again_at, seconds=ended.seconds,
    )  # fmt: skip
    audit.record(practice_id, request.staff, "noted a call", f"call:{call_id}", now, {"outcome": ended.outcome})


def _ended(request: StaffRequest, spot: Spot) -> Ended:
    """Read the form. A branch of the script names outcome and barrier: ``moved/moved``. Raises ValueError in words."""
    outcome, _, heard = request.POST.get("outcome", "").partition("/")
    if outcome not in ENDS:
        raise ValueError("Choose how the call ended.")
    barrier, note = _said(request)
    again = call_times.again(request.practice, request.POST.get("again", "")) if outcome == "call_later" else None
    return Ended(outcome, barrier or heard, note, again, _seconds(spot, request.now))


def _said(request: StaffRequest) -> tuple[str, str]:
    return request.POST.get("barrier", ""), request.POST.get("note", "").replace("\x00", "").strip()[:1000]


def _seconds(spot: Spot, now: datetime) -> int:
    """How long the call was on the screen."""
    if spot.taken_at is None:
        return 0
    return int(min(max((now - spot.taken_at).total_seconds(), 0), worklist.TAKEN_FOR.total_seconds()))


def _name(request: StaffRequest) -> str:
    """How the caller introduces himself: the name of the sign-in, else what stands before the @."""
    name = str(getattr(request.user, "name", "")).strip()
    return name or request.staff.partition("@")[0].replace(".", " ").title()
