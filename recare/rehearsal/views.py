"""The case study, step by step: look, launch, let time pass, read the result."""

from __future__ import annotations

from typing import Final

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from recare.base import db
from recare.practices.access import StaffRequest, staff
from recare.rehearsal import progress
from recare.rehearsal.queue import enqueue
from recare.rehearsal.rates import rates

_SPANS: Final = {"1": 1, "7": 7, "30": 30, "all": progress.DAYS}


def _run(request: StaffRequest) -> progress.Run:
    found = progress.current(request.practice.id)
    if found is None:
        raise Http404("This practice has no rehearsal.")
    return found


@staff()
def case_study(request: StaffRequest) -> HttpResponse:
    """Show where the rehearsal stands and what to do next; as a partial, only what changes while it runs."""
    run = _run(request)
    campaigns = db.tuples(
        "SELECT id, name, state FROM campaign WHERE practice_id = %(practice)s ORDER BY id",
        practice=request.practice.id,
    )
    launched = any(state != "draft" for _, _, state in campaigns)
    template = "rehearsal/progress.html" if getattr(request, "htmx", False) else "rehearsal/case_study.html"
    context = {"run": run, "campaigns": campaigns, "launched": launched, "rates": rates().listed()}
    return render(request, template, context)


@require_POST
@staff("owner", "manager")
def let_time_pass(request: StaffRequest) -> HttpResponse:
    """Ask for more days; a worker turns the clock."""
    _run(request)
    days = _SPANS.get(request.POST.get("days", ""))
    if days is None:
        toasts.error(request, "Choose a day, a week, a month or all of it.")
    else:
        progress.ask(request.practice.id, days)
        enqueue(request.practice.id)
    return redirect("rehearsal:case-study")


@require_POST
@staff("owner", "manager")
def stop_the_clock(request: StaffRequest) -> HttpResponse:
    """Rest after the day that is being played."""
    _run(request)
    progress.pause(request.practice.id)
    return redirect("rehearsal:case-study")
