"""Exports: ask for one with its purpose, decide about a colleague's, fetch what was approved. Small ones leave at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages as toasts
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from recare.base import audit
from recare.practices import exports
from recare.practices.access import StaffRequest, staff
from recare.practices.exports import Asked, Export, ExportError, Who
from recare.web import evidence
from recare.web.patient_list import file, rows

if TYPE_CHECKING:
    from collections.abc import Mapping


class PurposeForm(forms.Form):
    """What an export is for."""

    purpose = forms.ChoiceField(choices=[("", "Choose one"), *exports.PURPOSES.items()], label="What it is for")
    reason = forms.CharField(
        label="In a sentence", min_length=10, max_length=400, widget=forms.Textarea({"rows": 2}),
        help_text="Who will use it, for what, and when it is deleted. A second person reads this.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of export: what an address asks (question, words, people), how many people a kept question holds now, and the file itself."""

    read: Callable[[StaffRequest, Mapping[str, str]], tuple[dict[str, Any], str, int]]
    count: Callable[[StaffRequest, Mapping[str, Any]], int]
    deliver: Callable[[StaffRequest, Export], HttpResponse | StreamingHttpResponse]


def _patients(request: StaffRequest, given: Mapping[str, str]) -> tuple[dict[str, Any], str, int]:
    kept = file.frozen(request.practice, given)
    return kept, file.words(request.practice, kept, request.now), _how_many(request, kept)


def _how_many(request: StaffRequest, kept: Mapping[str, Any]) -> int:
    return rows.counted(file.question(request.practice, kept, request.now)).total


def _patients_file(request: StaffRequest, export: Export) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(
        file.lines(request.practice.id, export, request.now), content_type="text/csv; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="patients-{export.id}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


KINDS: Final = {
    "patients": Kind(_patients, _how_many, _patients_file),
    "evidence": Kind(evidence.read, evidence.how_many, evidence.deliver),
}


def _who(request: StaffRequest) -> Who:
    return Who(request.staff, request.role)


@staff(*exports.ROLES)
def every(request: StaffRequest) -> HttpResponse:
    """Show what has left and what waits; the look is on the trail."""
    who, now = _who(request), request.now
    found = exports.recent(request.practice.id)
    audit.record(request.practice.id, request.staff, "viewed a list", "exports", now, {"shown": len(found)})
    context = {
        "lines": [(export, export.state(now)) for export in found], "left": exports.left_alone(request.practice, who, now),
        "concerning": [(export, export.state(now)) for export in exports.concerning(request.practice.id, who, now)],
    }  # fmt: skip
    return render(request, "web/exports.html", context)


@staff(*exports.ROLES)
def new(request: StaffRequest) -> HttpResponse | StreamingHttpResponse:
    """Ask for an export: its purpose first. Within the limit the file follows at once."""
    kind = KINDS.get(request.GET.get("kind", ""))
    if kind is None:
        raise Http404("There is no such kind of export.")
    question, words, people = kind.read(request, request.GET)
    form = PurposeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        asked = Asked(
            request.GET["kind"], question, words, people, form.cleaned_data["purpose"], form.cleaned_data["reason"]
        )
        export = exports.ask(request.practice, asked, _who(request), request.now)
        if not export.needs_second:
            return kind.deliver(request, export)
        toasts.warning(request, "This is more than one person exports alone. It waits for a second person.")
        return redirect("web:export", export.id)
    left = exports.left_alone(request.practice, _who(request), request.now)
    context = {
        "form": form, "words": words, "people": people, "left": left, "alone": people <= left, "back": reverse("web:patients"),
        "address": request.get_full_path(),
    }  # fmt: skip
    return render(request, "web/export_new.html", context, status=422 if request.method == "POST" else 200)


def _found(request: StaffRequest, export_id: int) -> Export:
    export = exports.get(request.practice.id, export_id)
    if export is None:
        raise Http404("There is no such export.")
    return export


@staff(*exports.ROLES)
def one(request: StaffRequest, export_id: int) -> HttpResponse:
    """Show a request to whoever asked, and to whoever may decide."""
    export, who = _found(request, export_id), _who(request)
    state = export.state(request.now)
    undecided = state in {"waiting", "ready"} and not export.decision and export.needs_second
    context = {
        "export": export, "state": state, "mine": export.requested_by == request.staff,
        "may_approve": undecided and export.may_approve(who), "may_refuse": undecided and export.may_refuse(who),
    }  # fmt: skip
    return render(request, "web/export.html", context)


@require_POST
@staff(*exports.ROLES)
def decide(request: StaffRequest, export_id: int) -> HttpResponse:
    """Approve or refuse a colleague's export."""
    approve = request.POST.get("answer") == "approve"
    try:
        exports.decide(request.practice.id, export_id, _who(request), request.now, approve=approve)
    except ExportError as error:
        toasts.error(request, str(error))
    else:
        toasts.success(request, "Approved: they can fetch it once within 24 hours." if approve else "Refused.")
    return redirect("web:exports")


@require_POST
@staff(*exports.ROLES)
def fetch(request: StaffRequest, export_id: int) -> HttpResponse | StreamingHttpResponse:
    """Make the file and hand it over, once. A form and not a link: nothing that opens links ahead of a person uses it up."""
    export = _found(request, export_id)
    kind = KINDS[export.kind]
    try:
        people = kind.count(request, export.question)
        export = exports.claim(request.practice.id, export_id, _who(request), people, request.now)
    except ExportError as error:
        toasts.error(request, str(error))
        return redirect("web:export", export_id)
    return kind.deliver(request, export)
