"""Campaigns: the gallery, one campaign live, its plan, the rehearsal and the launch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from recare.campaigns import campaign as campaigns
from recare.campaigns import pages, pages_launch, playbook, rehearsed, runs
from recare.campaigns.campaign import Campaign, CannotPublishError
from recare.campaigns.enrol import NotRunningError
from recare.campaigns.forms import NewCampaignForm, PlaybookForm
from recare.campaigns.pages_launch import LaunchedBeforeError, NumberChangedError
from recare.campaigns.playbook import PlaybookError
from recare.practices.access import EVERYBODY, StaffRequest, staff

if TYPE_CHECKING:
    from recare.campaigns.playbook import Playbook

EDITORS: Final = ("owner", "manager")
LOOKERS: Final = ("owner", "manager", "auditor", "group_admin")
"""Who may see a rehearsal: it names patients."""


def _found(request: StaffRequest, campaign_id: int) -> Campaign:
    try:
        return campaigns.get(request.practice.id, campaign_id)
    except LookupError as error:
        raise Http404(str(error)) from error


def _plan(row: Campaign) -> tuple[Playbook | None, list[str]]:
    """Read a campaign's plan; one written for another release may not be readable."""
    try:
        return playbook.read(row.playbook), []
    except PlaybookError as error:
        return None, error.problems


@staff(*EVERYBODY)
def every(request: StaffRequest) -> HttpResponse:
    """Show what runs and what could."""
    return _list(request)


def _list(request: StaffRequest, form: NewCampaignForm | None = None, status: int = 200) -> HttpResponse:
    context = {
        "lines": pages.lines(request.practice.id), "gallery": pages.gallery(), "may_edit": request.role in EDITORS, "form": form,
    }  # fmt: skip
    return render(request, "campaigns/list.html", context, status=status)


@require_POST
@staff(*EDITORS)
def create(request: StaffRequest) -> HttpResponse:
    """Make a draft from a shipped playbook."""
    text = playbook.shipped().get(request.POST.get("playbook", ""))
    if text is None:
        raise Http404("There is no such playbook.")
    form = NewCampaignForm({"name": playbook.read(text).name} | request.POST.dict())
    if not form.is_valid():
        return _list(request, form, status=422)
    campaign_id = campaigns.create(request.practice.id, form.cleaned_data["name"], text, request.staff, request.now)
    toasts.success(request, "A draft is made. Nobody is contacted before you launch it.")
    return redirect("campaigns:detail", campaign_id)


@staff(*EVERYBODY)
def detail(request: StaffRequest, campaign_id: int) -> HttpResponse:
    """Show one campaign: its ladder, where everybody stands, and who was left out."""
    row = _found(request, campaign_id)
    plan, problems = _plan(row)
    context: dict[str, Any] = {
        "campaign": row, "badge": pages.STATES[row.state], "problems": problems, "may_edit": request.role in EDITORS,
        "may_look": request.role in LOOKERS,
    }  # fmt: skip
    if plan is not None:
        context |= {"plan": plan, "why": plan.why, "purpose": pages.PURPOSES[plan.purpose], "rules": pages.rules(plan)}
        context["tallies"] = pages.tallies(request.practice.id, row.id, plan)
    if row.version is not None:
        standing = pages.standing(request.practice.id, row.id)
        run, counted = runs.look(request.practice.id, row.id, standing.treated + standing.held_out, request.now)
        context |= {"standing": standing, "run": run, "causes": pages.causes(run), "counted": counted}
    if (before := rehearsed.before_launch(request.practice.id, row.id)) is not None:
        context |= {"before": pages.in_short(before[0]), "before_at": before[1]}
    return render(request, "campaigns/detail.html", context)


@staff(*EDITORS)
def edit(request: StaffRequest, campaign_id: int) -> HttpResponse:
    """Change the plan; what runs keeps its version."""
    row = _found(request, campaign_id)
    if row.state == "finished":
        toasts.error(request, "This campaign is finished, so its plan stays as it was. Make a new one.")
        return redirect("campaigns:detail", row.id)
    form, problems, status = PlaybookForm(request.POST or None, initial={"text": row.playbook}), [], 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                campaigns.save(request.practice.id, row.id, form.cleaned_data["text"], request.staff, request.now)
            except PlaybookError as error:
                problems = error.problems
            else:
                toasts.success(
                    request,
                    "Saved. Patients already enrolled keep the plan they were enrolled under."
                    if row.version
                    else "Saved.",
                )
                return redirect("campaigns:detail", row.id)
    return render(request, "campaigns/edit.html", {"campaign": row, "form": form, "problems": problems}, status=status)


@staff(*LOOKERS)
def rehearse(request: StaffRequest, campaign_id: int) -> HttpResponse:
    """Show what a launch would do before it does anything; a worker counts it, and the page waits for that."""
    row = _found(request, campaign_id)
    if request.method == "POST":
        rehearsed.again(request.practice.id, row.id, request.now)
        return redirect("campaigns:rehearse", row.id)
    if getattr(request, "htmx", False):
        return _progress(request, row)
    return _rehearsal(request, row)


def _progress(request: StaffRequest, row: Campaign) -> HttpResponse:
    """Answer the page that waits: how far it is, or that the whole page is to be read again."""
    found = rehearsed.under_way(request.practice.id, row.id)
    if found is None:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "campaigns/rehearsal_progress.html", {"campaign": row, "counted": found})


def _rehearsal(request: StaffRequest, row: Campaign, warning: str = "", status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {
        "campaign": row,
        "warning": warning,
        "may_launch": request.role in EDITORS and row.state in {"draft", "running"},
    }
    try:
        look = rehearsed.look(request.practice.id, row, request.now)
    except (CannotPublishError, PlaybookError) as error:
        return render(request, "campaigns/rehearsal.html", context | {"problems": error.problems}, status=status)
    context["counted"] = look.counted
    if look.seen is not None:
        context |= pages.rehearsal(look.seen) | {"token": pages_launch.seal(request.practice.id, row.id, look.seen)}
    return render(request, "campaigns/rehearsal.html", context, status=status)


@require_POST
@staff(*EDITORS)
def launch(request: StaffRequest, campaign_id: int) -> HttpResponse:
    """Publish and enrol what was shown; anything else asks again."""
    row = _found(request, campaign_id)
    try:
        shown = pages_launch.unseal(request.practice.id, request.POST.get("token", ""))
        if shown.campaign_id != row.id:
            raise NumberChangedError("That was the rehearsal of another campaign. Look at this one, then launch.")
        done = pages_launch.launch(request.practice.id, shown, request.staff, request.now)
    except LaunchedBeforeError as error:
        toasts.warning(request, str(error))
        return redirect("campaigns:detail", row.id)
    except (CannotPublishError, PlaybookError) as error:
        return _rehearsal(request, row, " ".join(error.problems), status=409)
    except (NotRunningError, ValueError) as error:
        rehearsed.again(request.practice.id, row.id, request.now)
        return _rehearsal(request, row, str(error), status=409)
    toasts.success(
        request, f"Launched: {done.treated:,} patients are on the ladder, {done.held_out:,} are left alone by chance."
    )
    return redirect("campaigns:detail", row.id)


@require_POST
@staff(*EDITORS, "front_desk")
def pause(request: StaffRequest, campaign_id: int) -> HttpResponse:
    """Stop a campaign's sending within seconds; anybody at the desk may."""
    row, reason = _found(request, campaign_id), request.POST.get("reason", "").strip()[:200]
    if campaigns.pause(request.practice.id, row.id, reason or "no reason given", request.staff, request.now):
        toasts.warning(request, f"'{row.name}' is paused. What is queued waits.")
    return redirect("campaigns:detail", row.id)


@require_POST
@staff(*EDITORS)
def resume(request: StaffRequest, campaign_id: int) -> HttpResponse:
    """Let a paused campaign go on."""
    row = _found(request, campaign_id)
    if campaigns.resume(request.practice.id, row.id, request.staff, request.now):
        toasts.success(request, f"'{row.name}' goes on. Everything passes every check anew.")
    return redirect("campaigns:detail", row.id)


@require_POST
@staff(*EDITORS)
def finish(request: StaffRequest, campaign_id: int) -> HttpResponse:
    """End a campaign for good."""
    row = _found(request, campaign_id)
    if row.state in {"running", "paused"}:
        ended = campaigns.finish(request.practice.id, row.id, request.staff, request.now)
        toasts.success(request, f"'{row.name}' is finished. {ended:,} patients were taken off its ladder.")
    return redirect("campaigns:detail", row.id)
