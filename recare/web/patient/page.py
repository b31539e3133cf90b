"""One patient: who they are, the next best step, what happened and why, and what may be sent where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.http import Http404, HttpResponse
from django.shortcuts import render

from recare.base import audit
from recare.campaigns import why
from recare.practices.access import StaffRequest, staff
from recare.segments import bands as band_definitions
from recare.segments import facts as fact_rows
from recare.segments import priority
from recare.web.patient import chart, step, timeline
from recare.web.patient.forms import DismissForm, GrantForm, PauseForm, StandingForm
from recare.web.patient_list.page import READERS

if TYPE_CHECKING:
    from datetime import date

    from django import forms

    from recare.practices.practice import Practice
    from recare.segments.facts import Facts
    from recare.web.patient.chart import Person

ACTORS: Final = ("owner", "manager", "front_desk", "clinician")
SENIOR: Final = ("owner", "clinician")
_FORMS: Final = {"grant": GrantForm, "standing": StandingForm, "dismiss": DismissForm, "pause": PauseForm}


@dataclass(frozen=True, slots=True)
class Why:
    """What a campaign would do if it asked now, and why it does not have the patient."""

    now: list[str]
    not_in: list[list[str]]
    score: list[str]


def found(request: StaffRequest, patient_id: int) -> Person:
    """Return the patient of an address. Raises Http404 for one this practice does not have."""
    who = chart.person(request.practice.id, patient_id)
    if who is None:
        raise Http404("There is no such patient.")
    return who


@staff(*READERS)
def patient(request: StaffRequest, patient_id: int) -> HttpResponse:
    """Show the page; the look is on the audit trail."""
    who = found(request, patient_id)
    audit.record(request.practice.id, request.staff, "viewed a patient", f"patient:{patient_id}", request.now)
    return show(request, who)


def show(
    request: StaffRequest, who: Person, wrong: dict[str, forms.Form] | None = None, status: int = 200
) -> HttpResponse:
    """Render the page; ``wrong`` are forms that came back with something to mend."""
    practice, now = request.practice, request.now
    today = now.astimezone(practice.zone).date()
    facts = fact_rows.read(practice.id, [who.id], today).get(who.id)
    bands = band_definitions.of_practice(practice.policy)
    points, tasks = chart.points(practice.id, who.id), step.tasks(practice.id, who.id)
    entered = {name: form(prefix=name) for name, form in _FORMS.items()} | (wrong or {})
    context = {
        "who": who, "age": who.age(today), "facts": facts, "today": today, "badges": _badges(who, today),
        "band": bands.title_of(bands.of(facts.last_visit_on, facts.recall_interval_days, today)) if facts else "",
        "step": step.next_step(practice, who, facts, tasks, now, held=any(point.held_at for point in points)), "tasks": tasks,
        "why": _why(practice, who, facts, request), "entries": timeline.entries(practice, who.id, now),
        "points": points, "family": chart.family(practice.id, who),
        "may_act": request.role in ACTORS, "senior": request.role in SENIOR, "forms": entered, "open": set(wrong or {}),
    }  # fmt: skip
    return render(request, "web/patient.html", context, status=status)


def _why(practice: Practice, who: Person, facts: Facts | None, request: StaffRequest) -> Why:
    today = request.now.astimezone(practice.zone).date()
    score = priority.explain(facts, today, band_definitions.of_practice(practice.policy)) if facts else []
    return Why(why.would_now(practice.id, who.id, request.now), why.not_chosen(practice.id, who.id, request.now), score)


def _badges(who: Person, today: date) -> list[tuple[str, str]]:
    shown = []
    if who.standing:
        kind = {"dismissed": "harm", "deceased": "harm", "do_not_contact": "harm", "lapsed": ""}.get(
            who.standing, "needs-you"
        )
        shown.append((who.standing.replace("_", " "), kind))
    if who.hold:
        shown.append((f"hold: {who.hold.replace('_', ' ')}", "needs-you"))
    if who.paused_until and who.paused_until > today:
        shown.append((f"paused until {who.paused_until.day} {who.paused_until:%b %Y}", "needs-you"))
    if who.do_not_contact and who.standing != "do_not_contact":
        shown.append(("do not contact", "harm"))
    shown += [
        (f"no {chart.CHANNEL_WORDS.get(each, each)}s".replace("no e-mails", "no e-mail"), "harm")
        for each in who.banned_channels
    ]
    return shown or [(who.status, "")]
