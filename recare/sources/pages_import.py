"""Importing in the browser: upload, look at the dry run and say what columns mean, agree, watch, read what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from recare.base import audit
from recare.practices.access import StaffRequest, staff
from recare.sources import fix_list, forms, imports, queue, uploads
from recare.sources.csv import fields, remembered

if TYPE_CHECKING:
    from datetime import datetime

    from recare.sources.imports import Upload

_QUIET_SECONDS = 20


@staff("owner", "manager")
def upload(request: StaffRequest) -> HttpResponse:
    """Take files; a worker reads them. Nothing is written into the chart yet."""
    form = forms.UploadForm(request.POST or None, request.FILES or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "sources/upload.html", {"form": form}, status=200 if request.method != "POST" else 422)
    files = form.cleaned_data["export"]
    token = imports.begin(request.practice.id, files, request.staff, request.now, form.cleaned_data["dated"])
    queue.enqueue(request.practice.id, token)
    audit.record(request.practice.id, request.staff, "uploaded files", "import", request.now, {"files": len(files)})
    return redirect("sources:plan", token=token)


@require_safe
@staff("owner", "manager")
def follow(request: StaffRequest, token: str) -> HttpResponse:
    """Show where an upload stands: being read, waiting for an answer, being written, done. As a partial, only how far it has come."""
    found = imports.find(request.practice.id, token)
    folder = uploads.find(request.practice.id, token)
    if found is not None and folder is None and found.state == "read":
        imports.discard(request.practice.id, token)
        found = None
    if found is None:
        return _gone(request)
    if found.state in {"reading", "writing"}:
        progress = uploads.get(folder, "progress") if folder else None
        quiet = folder is not None and uploads.quiet_for(folder, "progress") > _QUIET_SECONDS
        context = {"upload": found, "token": token, "progress": progress, "quiet": quiet}
        return render(request, "sources/progress.html" if _partial(request) else "sources/working.html", context)
    if _partial(request):
        return HttpResponse(headers={"HX-Refresh": "true"})
    if found.state == "read":
        return _plan(request, found, uploads.get(folder, "plan") if folder else {})
    if found.state == "failed":
        return render(request, "sources/failed.html", {"upload": found, "token": token})
    run = fix_list.run(request.practice.id, found.sync_run_id or 0)
    mend = [
        group
        for group in fix_list.groups(request.practice.id)
        if run and group.file in {one["name"] for one in run.files}
    ]
    return render(request, "sources/done.html", {"run": run, "groups": mend})


def _partial(request: StaffRequest) -> bool:
    return bool(getattr(request, "htmx", False))


def _plan(request: StaffRequest, found: Upload, plan: dict[str, Any], errors: list[str] | None = None) -> HttpResponse:
    for file in plan["files"]:
        kind = fields.kind_named(file["kind"])
        file["options"] = [(one.name, one.label) for one in kind.fields] if kind else []
        for column in file["columns"]:
            column["is_dated"] = bool(column["decided"] or column["chosen_order"])
    context = {
        "plan": plan, "token": found.token, "errors": errors or [], "kinds": [kind.name for kind in fields.KINDS], "orders": forms.ORDERS,
    }  # fmt: skip
    return render(request, "sources/plan.html", context, status=422 if errors else 200)


@require_POST
@staff("owner", "manager")
def answer(request: StaffRequest, token: str) -> HttpResponse:
    """Import an upload, look at it again with what was said about its columns, or throw it away."""
    here, wanted = request.practice.id, request.POST.get("answer", "")
    found, folder = imports.find(here, token), uploads.find(here, token)
    if wanted == "discard" and found is not None:
        if imports.discard(here, token):
            messages.info(request, "Nothing more was imported, and the files are gone.")
            return redirect("sources:upload")
        messages.error(request, "It is being written and cannot be thrown away any more.")
        return redirect("sources:plan", token=token)
    if found is None or folder is None:
        return _gone(request)
    if wanted == "again":
        return _go_on(request, token, "reading", found.as_of)
    return _answered(request, found, uploads.get(folder, "plan") or {"files": []})


def _answered(request: StaffRequest, found: Upload, plan: dict[str, Any]) -> HttpResponse:
    said = [forms.said(request.POST, number, file) for number, file in enumerate(plan["files"]) if file["columns"]]
    if errors := [sentence for one in said for sentence in one.errors]:
        return _plan(request, found, plan, errors)
    at = forms.as_of(request.POST, plan, request.practice)
    forgotten = request.POST.get("forget", "")
    for one in said:
        if forgotten and one.headers == plan["files"][int(forgotten)]["headers"]:
            remembered.forget(request.practice.id, one.headers)
        elif one.changed:
            remembered.keep(request.practice.id, one.headers, one.kind, one.choices, request.staff, request.now)
    changed = any(one.changed for one in said) or bool(forgotten)
    if request.POST.get("answer") == "import" and not changed and plan.get("usable"):
        return _go_on(request, found.token, "writing", at or found.as_of)
    if request.POST.get("answer") == "import" and changed:
        messages.warning(request, "You have changed what columns mean. Look at what comes of it, then import.")
    return _go_on(request, found.token, "reading", at or found.as_of)


def _go_on(request: StaffRequest, token: str, wanted: str, as_of: datetime | None) -> HttpResponse:
    if imports.ask(request.practice.id, token, wanted, as_of=as_of):
        queue.enqueue(request.practice.id, token, writing=wanted == "writing")
    return redirect("sources:plan", token=token)


def _gone(request: StaffRequest) -> HttpResponse:
    messages.error(request, "These files are not here any more. Upload them again.")
    if _partial(request):
        return HttpResponse(headers={"HX-Refresh": "true"})
    return redirect("sources:upload")
