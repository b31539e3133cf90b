"""The closing letter: a draft, a person who edits and approves it, and paper."""

from __future__ import annotations

from typing import Final

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from recare.base import audit, db
from recare.messages import closing
from recare.messages.closing import Case
from recare.patients import tasks
from recare.practices.access import StaffRequest, staff

WRITERS: Final = ("owner", "manager", "clinician")


@staff(*WRITERS)
def letter(request: StaffRequest, task_id: int) -> HttpResponse:
    """Show the draft; on POST approve it, or end without a letter and say why."""
    case = closing.find(request.practice.id, task_id)
    if case is None:
        return _elsewhere(request, task_id)
    if request.method != "POST":
        body = case.letter or closing.draft(request.practice, case, request.now)
        audit.record(request.practice.id, request.staff, "viewed a closing letter", f"task:{task_id}", request.now)
        return _page(request, case, body)
    if case.done_at is not None:
        return _decided(request, case)
    return _without(request, case) if request.POST.get("do") == "none" else _approve(request, case)


def _elsewhere(request: StaffRequest, task_id: int) -> HttpResponse:
    """A task of another kind is done from the list of tasks."""
    known = "SELECT EXISTS (SELECT FROM task WHERE practice_id = %(practice)s AND id = %(task)s)"
    if not db.value(known, practice=request.practice.id, task=task_id):
        raise Http404("There is no such task.")
    return redirect("web:tasks")


def _decided(request: StaffRequest, case: Case) -> HttpResponse:
    toasts.warning(request, "Somebody has decided that already.")
    return redirect("web:closing", case.task_id)


def _approve(request: StaffRequest, case: Case) -> HttpResponse:
    practice, now = request.practice, request.now
    body = request.POST.get("body", "").replace("\r\n", "\n").strip()
    wrong = [*closing.against(practice, case, now), *closing.problems(practice, case, body)]
    if wrong:
        return _page(request, case, body, wrong)
    if not closing.approve(practice, case, body, request.staff, now):
        return _decided(request, case)
    toasts.success(request, "Approved. Print it and put it in the mail.")
    return redirect("web:closing", case.task_id)


def _without(request: StaffRequest, case: Case) -> HttpResponse:
    why = request.POST.get("why", "").strip()[:200]
    if not why:
        return _page(request, case, request.POST.get("body", ""), ["Say why there is no letter: care is unfinished."])
    if not tasks.close_task(request.practice.id, case.task_id, request.staff, "no letter", request.now):
        return _decided(request, case)
    audit.record(
        request.practice.id, request.staff, "ended without a letter", f"task:{case.task_id}", request.now, {"why": why}
    )
    toasts.success(request, "Noted.")
    return redirect("web:tasks")


def _page(request: StaffRequest, case: Case, body: str, wrong: list[str] | None = None) -> HttpResponse:
    forbidden = [] if case.done_at else closing.against(request.practice, case, request.now)
    context = {"case": case, "body": body, "wrong": wrong or [], "forbidden": forbidden}
    return render(request, "web/closing.html", context, status=422 if wrong else 200)
