"""The inbox: what people wrote, what was made of it, and what a person decides about it."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from recare.base import audit
from recare.calls import outcomes
from recare.calls.outcomes import Ended
from recare.compliance.finding import Finding
from recare.inbox import decide, release, threads
from recare.inbox.forms import CallForm, ReplyForm
from recare.inbox.threads import Point, Said, Task
from recare.messages import answers, pages_why
from recare.practices.access import StaffRequest, staff

WORKERS: Final = ("owner", "manager", "front_desk", "clinician")
AUTOMATIC: Final = "auto_reply"
_PAGE: Final = 40


@staff(*WORKERS)
def every(request: StaffRequest) -> HttpResponse:
    """List conversations, those that need a person first; ``task`` in the address leads to the one it is about."""
    task = request.GET.get("task", "")
    if task:
        return _of_task(request, int(task) if task.isdecimal() and len(task) < 19 else 0)
    before = request.GET.get("before", "")
    last = int(before) if before.isdecimal() and len(before) < 19 else None
    recent = threads.recent(request.practice.id, last, _PAGE)
    waiting = [] if last else threads.waiting(request.practice.id)
    context = {
        "waiting": [thread for thread in waiting if set(thread.tasks) != {AUTOMATIC}],
        "automatic": [thread for thread in waiting if set(thread.tasks) == {AUTOMATIC}],
        "recent": recent,
        "older": f"?before={recent[-1].event_id}" if len(recent) == _PAGE else None,
        "newer": reverse("inbox:list") if last else None,
    }
    return render(request, "inbox/list.html", context)


@require_POST
@staff(*WORKERS)
def read_automatic(request: StaffRequest) -> HttpResponse:
    """A person has looked at automatic answers: automation may go on where nothing else waits."""
    practice, now, who = request.practice.id, request.now, request.staff
    chosen = [int(point) for point in request.POST.getlist("point") if point.isdecimal() and len(point) < 19]
    found = [task.id for point in chosen for task in threads.tasks(practice, point) if task.kind == AUTOMATIC]
    done = sum(release.by_person(practice, task, who, stops=False, why="automatic answer", now=now) for task in found)
    if done:
        audit.record(practice, who, "read automatic answers", "inbox", now, {"tasks": found})
        toasts.success(request, f"{done} read. Automation goes on there once nothing else waits.")
    return redirect("inbox:list")


def _of_task(request: StaffRequest, task_id: int) -> HttpResponse:
    point, event, patient = threads.of_task(request.practice.id, task_id)
    if point is not None:
        return redirect(reverse("inbox:thread", args=[point]) + (f"#event-{event}" if event else ""))
    if patient is not None:
        return redirect("web:patient", patient)
    raise Http404("There is no such task, or it is about nobody.")


@staff(*WORKERS)
def thread(request: StaffRequest, point_id: int) -> HttpResponse:
    """Show one conversation; the look is on the audit trail."""
    where = _point(request, point_id)
    audit.record(request.practice.id, request.staff, "read a conversation", f"contact_point:{point_id}", request.now)
    return _page(request, where)


def _page(request: StaffRequest, where: Point, status: int = 200, **more: Any) -> HttpResponse:
    practice = request.practice.id
    about = threads.holders(practice, where.id)
    open_tasks = threads.tasks(practice, where.id)
    answerable = threads.answerable(practice, where.id, request.now - answers.ANSWER_WITHIN)
    grave = {"maybe_optout", "angry"} & {task.kind for task in open_tasks}
    context = {
        "where": where, "holders": about, "tasks": open_tasks, "entries": _entries(request, where, open_tasks), "answerable": answerable,
        "reply": ReplyForm(about, initial={"go_on": not grave}), "call": CallForm(about), "may_settle": "maybe_optout" not in grave,
    }  # fmt: skip
    return render(request, "inbox/thread.html", context | more, status=status)


def _entries(request: StaffRequest, where: Point, open_tasks: list[Task]) -> list[tuple[Said, str, str, list[Task]]]:
    """Each thing said, its text and the whole mail with dead links, and what waits about it."""
    return [
        (
            said,
            pages_why.without_tokens(said.text),
            pages_why.without_tokens(said.whole),
            [task for task in open_tasks if said.what == "in" and task.event_id == said.id],
        )
        for said in threads.conversation(request.practice.id, where.id)
    ]


def _point(request: StaffRequest, point_id: int) -> Point:
    found = threads.point(request.practice.id, point_id)
    if found is None:
        raise Http404("There is no such conversation.")
    return found


@require_POST
@staff(*WORKERS)
def decide_task(request: StaffRequest, point_id: int) -> HttpResponse:
    """A person has read it: a stop, no stop, somebody else's number, or one for the owner."""
    where = _point(request, point_id)
    practice, now, who = request.practice.id, request.now, request.staff
    said, number = request.POST.get("decision", ""), request.POST.get("task", "")
    task_id = int(number) if number.isdecimal() and len(number) < 19 else 0
    why = request.POST.get("why", "").replace("\x00", "").strip()[:200]
    if task_id not in {task.id for task in threads.tasks(practice, where.id)}:
        toasts.warning(request, "A colleague has decided that already.")
        return redirect("inbox:thread", point_id)
    if said == "go_on" and not why:
        toasts.error(request, "Say why automation may go on: a few words.")
        return redirect("inbox:thread", point_id)
    match said:
        case "stop":
            done = release.by_person(practice, task_id, who, stops=True, why=why or "read as a stop", now=now)
        case "go_on":
            done = release.by_person(practice, task_id, who, stops=False, why=why, now=now)
        case "wrong_number":
            done = decide.wrong_number(practice, task_id, who, now)
        case "owner":
            done = decide.hand_to_owner(practice, task_id, who, now)
        case _:
            return HttpResponse("Say what it is: a stop, not a stop, a wrong number, or one for the owner.", status=400)
    if done:
        audit.record(
            practice,
            who,
            "decided about a reply",
            f"contact_point:{point_id}",
            now,
            {"decision": said, "task": task_id},
        )
        toasts.success(request, _DONE[said])
    return redirect("inbox:thread", point_id)


_DONE: Final = {
    "stop": "Noted as a stop, from the moment it came in.",
    "go_on": "Noted. Automation goes on once nothing else from here waits.",
    "wrong_number": "This number rests for everybody who had it. Find the right one.",
    "owner": "Handed to the owner. Nothing automatic goes to the household.",
}


@require_POST
@staff(*WORKERS)
def reply(request: StaffRequest, point_id: int) -> HttpResponse:
    """Answer in one's own words. The same checks as for everything else; a text with health details is refused."""
    where = _point(request, point_id)
    practice, about = request.practice, threads.holders(request.practice.id, point_id)
    form = ReplyForm(about, request.POST)
    open_to = threads.answerable(practice.id, point_id, request.now - answers.ANSWER_WITHIN)
    if open_to is None:
        toasts.error(request, "There is nothing here that a message may still answer: ring instead.")
        return redirect("inbox:thread", point_id)
    if not form.is_valid():
        return _page(request, where, 422, reply=form)
    words = decide.words_for(practice, str(open_to["channel"]), form.cleaned_data["text"].strip())
    found = decide.objections(practice, str(open_to["channel"]), words, about)
    if found:
        form.add_error("text", _said_of(found))
        return _page(request, where, 422, reply=form)
    message = decide.reply(practice.id, point_id, form.cleaned_data["patient"], words, request.now)
    if message is not None:
        audit.record(practice.id, request.staff, "answered a patient", f"message:{message}", request.now)
        if form.cleaned_data["go_on"]:
            _settle(request, point_id)
        toasts.success(request, "Your answer is on its way.")
    return redirect("inbox:thread", point_id)


def _said_of(found: list[Finding]) -> str:
    return " ".join(f"{one.what} {one.why}" for one in found)


def _settle(request: StaffRequest, point_id: int) -> None:
    """Close what was answered; what may be a stop is never closed by an answer."""
    for task in threads.tasks(request.practice.id, point_id):
        if task.kind != "maybe_optout":
            release.by_person(request.practice.id, task.id, request.staff, stops=False, why="answered", now=request.now)


@require_POST
@staff(*WORKERS)
def log_call(request: StaffRequest, point_id: int) -> HttpResponse:
    """Note a call to this number."""
    where = _point(request, point_id)
    form = CallForm(threads.holders(request.practice.id, point_id), request.POST)
    if where.kind != "phone" or not form.is_valid():
        return _page(request, where, 422, call=form)
    ended = Ended(form.cleaned_data["outcome"], note=form.cleaned_data["note"])
    outcomes.log(request.practice.id, form.cleaned_data["patient"], point_id, ended, request.staff, request.now)
    audit.record(
        request.practice.id,
        request.staff,
        "noted a call",
        f"contact_point:{point_id}",
        request.now,
        {"outcome": ended.outcome},
    )
    toasts.success(request, "Noted. Decide above whether automation may go on.")
    return redirect("inbox:thread", point_id)


@require_POST
@staff(*WORKERS)
def release_hold(request: StaffRequest, point_id: int) -> HttpResponse:
    """End a hold about which nothing waits."""
    where = _point(request, point_id)
    why = request.POST.get("why", "").replace("\x00", "").strip()[:200]
    if not why:
        toasts.error(request, "Say why automation may go on: a few words.")
    elif decide.release(request.practice.id, where.id, request.staff, why, request.now):
        toasts.success(request, "Released. Everything queued passes every check anew.")
    else:
        toasts.warning(request, "Something from here still waits to be read, or it was released already.")
    return redirect("inbox:thread", point_id)
