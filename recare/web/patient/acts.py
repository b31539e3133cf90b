"""The buttons of a patient's page. Each goes through the verbs that the gates and the ledger know, and says what now counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from typing import TYPE_CHECKING, Final

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from recare.base import audit, db
from recare.campaigns.stop import stop
from recare.consent import grant, hold, revoke
from recare.patients import standing, status, tasks
from recare.practices.access import StaffRequest, staff
from recare.web.patient import chart
from recare.web.patient.chart import Person, Point
from recare.web.patient.forms import DismissForm, GrantForm, PauseForm, StandingForm, WhyForm
from recare.web.patient.page import ACTORS, SENIOR, found, show

if TYPE_CHECKING:
    from django import forms

    from recare.consent.event import Channel

Act = Callable[[StaffRequest, Person], HttpResponse]
_SETTLERS: Final = ("owner", "manager", "clinician")
_STOPS: Final = {
    "moved": "moved", "transferred": "transferred", "deceased": "deceased", "do_not_contact": "opted_out", "disputed": "complaint",
    "bad_debt": "restricted", "scheduling_restricted": "restricted",
}  # fmt: skip
_CHANNEL_OF: Final[dict[str, tuple[Channel, ...]]] = {"phone": revoke.NUMBER, "email": ("email",)}


def _act(*roles: str) -> Callable[[Act], Callable[..., HttpResponseBase]]:
    """Take a POST from these roles about a patient of this practice."""

    def decorate(act: Act) -> Callable[..., HttpResponseBase]:
        @require_POST
        @staff(*roles)
        def view(request: StaffRequest, patient_id: int) -> HttpResponse:
            return act(request, found(request, patient_id))

        return view

    return decorate


def _point(request: StaffRequest, who: Person) -> Point:
    wanted = request.POST.get("point", "")
    for point in chart.points(request.practice.id, who.id):
        if str(point.id) == wanted:
            return point
    raise Http404("The patient has no such number or address.")


def _back(who: Person) -> HttpResponse:
    return redirect("web:patient", who.id)


def _reason(form: forms.Form) -> str:
    return " ".join(str(error) for errors in form.errors.values() for error in errors)


@_act(*ACTORS)
def opt_out(request: StaffRequest, who: Person) -> HttpResponse:
    """Record that the patient wants no more messages to one number or address, or by any way at all. One click, at once (OPT-02)."""
    practice, now = request.practice.id, request.now
    evidence, everything = f"front_desk:{request.staff}", request.POST.get("point") == "all"
    if everything:
        points = [point.id for point in chart.points(practice, who.id)]
        if points:
            revoke.revoke_points(
                practice, points, revoke.EVERYTHING, "front_desk", request.staff, "told the front desk", evidence, now
            )
        if who.standing not in status.FOR_GOOD:  # a dismissal or a death says more, and stays
            standing.set_standing(practice, who.id, "do_not_contact", request.staff, "told the front desk", now)
    else:
        point = _point(request, who)
        revoke.revoke(
            practice,
            point.id,
            _CHANNEL_OF[point.kind],
            "front_desk",
            request.staff,
            "told the front desk",
            evidence,
            now,
        )
    ended = stop(practice, [who.id], "opted_out", now)
    audit.record(
        practice,
        request.staff,
        "recorded an opt-out",
        f"patient:{who.id}",
        now,
        {"point": request.POST.get("point", ""), "stopped": ended},
    )
    toasts.success(
        request,
        "Recorded. Nothing more is sent "
        + ("to this patient by any way." if everything else "there, whoever holds it."),
    )
    return _back(who)


@_act(*ACTORS)
def record_consent(request: StaffRequest, who: Person) -> HttpResponse:
    """Record a yes with its evidence; the ledger stores what the evidence carries (I2)."""
    point, form = _point(request, who), GrantForm(request.POST, prefix="grant")
    if form.is_valid() and (form.cleaned_data["channel"] == "email") != (point.kind == "email"):
        form.add_error("channel", "That does not fit the number or address you chose.")
    if not form.is_valid():
        return show(request, who, {"grant": form}, status=422)
    given_on, now = form.cleaned_data["given_on"], request.now
    if given_on and given_on > now.astimezone(request.practice.zone).date():
        form.add_error("given_on", "That day is still to come.")
        return show(request, who, {"grant": form}, status=422)
    # nobody knows the hour, so a stop of the same day counts as the later word (I3)
    given_at = datetime.combine(given_on, time(0), request.practice.zone) if given_on else None
    wanted = form.cleaned_data["level"]
    event = grant.grant(
        request.practice.id, point.id, form.cleaned_data["channel"], wanted,
        form.evidence(who.id, request.staff, min(given_at, now) if given_at else None), now,
    )  # fmt: skip
    audit.record(
        request.practice.id,
        request.staff,
        "recorded a consent",
        f"patient:{who.id}",
        now,
        {"event": event, "point": point.id},
    )
    stored = db.value(
        "SELECT level FROM consent_event WHERE practice_id = %(practice)s AND id = %(event)s",
        practice=request.practice.id,
        event=event,
    )
    if stored < wanted:
        toasts.warning(
            request,
            f"Recorded for reminders only (C{stored}): for offers it must be signed, name this practice, and say that consent is no condition of treatment.",
        )
    else:
        toasts.success(request, f"Recorded (C{stored}).")
    if given_at and point_ended(request, point.id, form.cleaned_data["channel"]):
        toasts.warning(request, "A later no stands: this yes is older, so nothing is sent there.")
    return _back(who)


def point_ended(request: StaffRequest, point_id: int, channel: str) -> bool:
    """Whether a channel of a number or address is ended at this moment."""
    column = {"sms": "sms_out_at", "email": "email_out_at", "call": "call_out_at"}[channel]
    return bool(
        db.value(
            f"SELECT {column} IS NOT NULL FROM contact_point WHERE practice_id = %(practice)s AND id = %(point)s",
            practice=request.practice.id, point=point_id,
        )
    )  # fmt: skip


@_act(*ACTORS)
def release(request: StaffRequest, who: Person) -> HttpResponse:
    """Let automation go on to a number whose message a person has read."""
    point, form = _point(request, who), WhyForm(request.POST)
    if not form.is_valid():
        toasts.error(request, _reason(form))
    elif hold.release(request.practice.id, point.id, request.staff, form.cleaned_data["why"], request.now):
        toasts.success(request, "Released. Everything passes every check anew before it goes there.")
    else:
        toasts.warning(request, "It was not held any more.")
    return _back(who)


@_act(*ACTORS)
def wrong_number(request: StaffRequest, who: Person) -> HttpResponse:
    """Rest a number or address that belongs to somebody else, for everybody here who holds it (NUM-01)."""
    point, practice, now = _point(request, who), request.practice.id, request.now
    revoke.wrong_number(practice, point.id, "front_desk", request.staff, f"front_desk:{request.staff}", now)
    tasks.open_task(
        practice,
        "wrong_number",
        5,
        now,
        once_key=f"wrong_number:point:{point.id}:{now.date()}",
        patient_id=who.id,
        contact_point_id=point.id,
    )
    audit.record(practice, request.staff, "noted a wrong number", f"patient:{who.id}", now, {"point": point.id})
    toasts.success(
        request, "Noted. Nothing goes there any more, for anybody who holds it. A task asks for the right one."
    )
    return _back(who)


@_act(*ACTORS)
def set_standing(request: StaffRequest, who: Person) -> HttpResponse:
    """Say where a patient stands; imports keep a person's word."""
    form = StandingForm(request.POST, prefix="standing")
    if not form.is_valid():
        return show(request, who, {"standing": form}, status=422)
    word = form.cleaned_data["word"]
    try:
        standing.set_standing(
            request.practice.id,
            who.id,
            word,
            request.staff,
            form.cleaned_data["why"].strip(),
            request.now,
            senior=_is_senior(request),
        )
    except ValueError as error:
        form.add_error(None, str(error))
        return show(request, who, {"standing": form}, status=422)
    if word in _STOPS:
        stop(request.practice.id, [who.id], _STOPS[word], request.now)
    toasts.success(request, f"Noted: {standing.WORDS[word]}.")
    return _back(who)


@_act(*SENIOR)
def dismiss(request: StaffRequest, who: Person) -> HttpResponse:
    """Enter a dismissal with its written notice (PAT-02)."""
    form = DismissForm(request.POST, prefix="dismiss")
    if form.is_valid():
        try:
            standing.dismiss(
                request.practice.id, who.id, standing.Notice(**form.cleaned_data), request.staff, request.now
            )
        except ValueError as error:
            form.add_error(None, str(error))
        else:
            stop(request.practice.id, [who.id], "dismissed", request.now)
            toasts.success(request, "Entered. Nothing automatic goes to this patient; letters are written by a person.")
            return _back(who)
    return show(request, who, {"dismiss": form}, status=422)


@_act(*ACTORS)
def pause(request: StaffRequest, who: Person) -> HttpResponse:
    """Leave the patient alone until a day; without a day, end the pause."""
    form = PauseForm(request.POST, prefix="pause")
    today = request.now.astimezone(request.practice.zone).date()
    if form.is_valid() and form.cleaned_data["until"] and form.cleaned_data["until"] <= today:
        form.add_error("until", "Choose a day after today.")
    if not form.is_valid():
        return show(request, who, {"pause": form}, status=422)
    until = form.cleaned_data["until"]
    standing.pause(request.practice.id, who.id, until, request.staff, request.now)
    toasts.success(
        request, f"Left alone until {until:%b} {until.day}, {until.year}." if until else "The pause is over."
    )
    return _back(who)


@_act(*ACTORS)
def complaint(request: StaffRequest, who: Person) -> HttpResponse:
    """Note a complaint, or (owner, manager, clinician) how it was settled. It rests the household (D28)."""
    form, on = WhyForm(request.POST), request.POST.get("on") == "yes"
    if not form.is_valid():
        toasts.error(request, _reason(form))
    elif on:
        if standing.hold(request.practice.id, who.id, form.cleaned_data["why"], request.staff, request.now):
            stop(request.practice.id, [who.id], "complaint", request.now, household=True)
        toasts.success(request, "Noted. Everything automatic rests for this household until it is settled.")
    elif request.role not in _SETTLERS:
        toasts.error(request, "Only the owner, a manager or a clinician settles a complaint.")
    elif standing.end_hold(request.practice.id, who.id, form.cleaned_data["why"], request.staff, request.now):
        toasts.success(request, "Settled. The patient may be invited again.")
    return _back(who)


@_act(*ACTORS)
def do_not_call(request: StaffRequest, who: Person) -> HttpResponse:
    """Put every number of the patient on the practice's own do-not-call list (DNC-04), or allow calls again with a reason."""
    practice, now = request.practice.id, request.now
    if request.POST.get("on") != "yes":
        try:
            standing.unban(practice, who.id, "call", request.POST.get("why", "").strip()[:200], request.staff, now)
        except ValueError as error:
            toasts.error(request, str(error))
        else:
            toasts.success(
                request,
                "Calls are allowed again, as far as each number's own consent goes: record a fresh yes where one was ended.",
            )
        return _back(who)
    phones = [point.id for point in chart.points(practice, who.id) if point.kind == "phone"]
    if phones:
        revoke.revoke_points(
            practice, phones, ("call",), "front_desk", request.staff, "DNC_INTERNAL", f"front_desk:{request.staff}", now
        )
    standing.ban(practice, who.id, "call", request.staff, now)
    toasts.success(request, "Noted. Nobody here calls this patient any more, at any number.")
    return _back(who)


def _is_senior(request: StaffRequest) -> bool:
    return request.role in SENIOR
