"""The first screen: what to do next. Replies that need a person, calls to make now, chairs to fill, then three figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.contrib import messages as toasts
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from recare.base import audit, db
from recare.patients import tasks
from recare.practices.access import StaffRequest, staff
from recare.reports import today as figures_today
from recare.web.task_words import DECIDED, Shown, shown, title

_SOON: Final = 4
"""Tasks up to this urgency are shown one by one; the others as a count of each kind."""


@dataclass(frozen=True, slots=True)
class Running:
    """A campaign that is contacting people now, or is paused."""

    id: int
    name: str
    state: str
    waiting: int | None
    """Patients on their way; None when it was launched after they were counted."""


@staff()
def today(request: StaffRequest) -> HttpResponse:
    """Show the day."""
    from recare.calls import worklist

    practice, now = request.practice, request.now
    figures, counted = figures_today.look(practice, now)
    context = {
        "tasks": [shown(task) for task in tasks.list_open(practice.id, limit=8, most_urgent=_SOON)],
        "later": [(title(kind), kind, count) for kind, count in tasks.counts(practice.id, from_urgency=_SOON + 1)],
        "calls": [entry for entry in worklist.due(practice.id, now, 8, request.staff) if not entry.locked],
        "running": [
            Running(*row, figures.waiting.get(str(row[0]), None if counted else 0)) for row in _running(practice.id)
        ],
        "figures": figures,
        "counted": counted,
    }
    return render(request, "web/today.html", context)


def _running(practice_id: int) -> list[tuple[int, str, str]]:
    return db.tuples(
        "SELECT id, name, state FROM campaign WHERE practice_id = %(practice)s AND state IN ('running', 'paused') ORDER BY id",
        practice=practice_id,
    )


@staff()
def all_tasks(request: StaffRequest) -> HttpResponse:
    """Show everything that waits for a person, or one kind of it."""
    kinds = [kind] if (kind := request.GET.get("kind", "")) else None
    found: list[Shown] = [shown(task) for task in tasks.list_open(request.practice.id, kinds, limit=200)]
    return render(
        request, "web/tasks.html", {"tasks": found, "task_count": tasks.count_open(request.practice.id, kinds)}
    )


@require_POST
@staff("owner", "manager", "front_desk", "clinician")
def task_done(request: StaffRequest, task_id: int) -> HttpResponse:
    """Mark a task as done by whoever presses the button; what needs a decision is decided on its own page, with a reason."""
    kind = db.value(
        "SELECT kind FROM task WHERE practice_id = %(practice)s AND id = %(task)s", practice=request.practice.id, task=task_id
    )  # fmt: skip
    if kind in DECIDED:
        return redirect(DECIDED[kind].format(task_id))
    if tasks.close_task(request.practice.id, task_id, request.staff, "done", request.now):
        audit.record(request.practice.id, request.staff, "closed a task", f"task:{task_id}", request.now)
        toasts.success(request, "Done.")
    else:
        toasts.warning(request, "Somebody has done that already.")
    return redirect("web:tasks" if request.POST.get("next") == "tasks" else "web:today")
