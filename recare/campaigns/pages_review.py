"""What a rule leaves to a person: its reasons, a note, and a yes or a no."""

from __future__ import annotations

from typing import Final

from django.contrib import messages as toasts
from django.http import HttpResponse
from django.shortcuts import redirect, render

from recare.base import audit
from recare.campaigns import kept, review
from recare.campaigns.why import CHANNELS
from recare.practices.access import StaffRequest, staff

DECIDERS: Final = ("owner", "manager", "clinician")


@staff(*DECIDERS)
def decide(request: StaffRequest, task_id: int) -> HttpResponse:
    """Show why a rule asks; on POST answer it, once and with a note."""
    practice, problem = request.practice, ""
    found = review.asked(practice.id, task_id)
    if found is None:  # a task of another kind is done from the list of tasks
        return redirect("web:tasks")
    if request.method == "POST":
        approved, note = request.POST.get("do") == "approve", request.POST.get("note", "")
        try:
            if review.answer(practice.id, task_id, request.staff, note, request.now, approved=approved):
                toasts.success(
                    request, "Noted. Every other rule is asked again." if approved else "This step is left out."
                )
            else:
                toasts.warning(request, "Somebody has decided that already.")
        except ValueError as error:
            problem = str(error)
        else:
            return redirect("web:tasks")
    else:
        audit.record(practice.id, request.staff, "viewed a contact review", f"task:{task_id}", request.now)
    context = {
        "found": found, "channel": CHANNELS.get(found.channel, found.channel), "problem": problem,
        "reasons": kept.said(kept.against(found.reasons), practice.zone),
    }  # fmt: skip
    return render(request, "campaigns/review.html", context, status=422 if problem else 200)
