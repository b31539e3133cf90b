"""Data: where the charts come from, what the last imports did, what has to be mended; and the import itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from recare.base import audit
from recare.practices.access import StaffRequest, staff
from recare.sources import fix_list, uploads
from recare.sources.csv import importer
from recare.sources.forms import UploadForm

if TYPE_CHECKING:
    from pathlib import Path

    from django.http import HttpResponse


@require_safe
@staff("owner", "manager")
def data(request: StaffRequest) -> HttpResponse:
    """Show sources, the last imports and the fix list."""
    here = request.practice.id
    context = {
        "runs": fix_list.runs(here),
        "groups": fix_list.groups(here),
        "appointments_as_of": fix_list.appointments_as_of(here),
    }
    return render(request, "sources/data.html", context)


@staff("owner", "manager")
def upload(request: StaffRequest) -> HttpResponse:
    """Take files and show what an import would do with them. Nothing is written yet."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "sources/upload.html", {"form": form}, status=200 if request.method != "POST" else 422)
    token = uploads.keep(request.practice.id, form.cleaned_data["export"])
    audit.record(
        request.practice.id,
        request.staff,
        "uploaded files",
        "import",
        request.now,
        {"files": len(form.cleaned_data["export"])},
    )
    return redirect("sources:plan", token=token)


@require_safe
@staff("owner", "manager")
def plan(request: StaffRequest, token: str) -> HttpResponse:
    """Show the dry run of an upload: mapping, counts, rows that will be rejected and why."""
    folder = uploads.find(request.practice.id, token)
    if folder is None:
        return _gone(request)
    try:
        result = importer.plan([folder], request.practice, request.now)
    except ValueError as error:
        return _broken(request, folder, error)
    return render(request, "sources/plan.html", {"plan": result, "token": token})


@require_POST
@staff("owner", "manager")
def write(request: StaffRequest, token: str) -> HttpResponse:
    """Import an upload after its dry run, or throw it away; the files are removed in both cases."""
    folder = uploads.find(request.practice.id, token)
    if folder is None:
        return _gone(request)
    if request.POST.get("answer") != "import":
        uploads.forget(folder)
        messages.info(request, "Nothing was imported, and the files are gone.")
        return redirect("sources:upload")
    try:
        result = importer.write([folder], request.practice, request.now, request.staff)
    except (ValueError, RuntimeError) as error:
        return _broken(request, folder, error)
    uploads.forget(folder)
    good = sum(file.good for file in result.files)
    rejected = sum(file.rejected for file in result.files)
    messages.success(
        request,
        f"Imported: {good:,} rows are in the charts, {rejected:,} were rejected. The files are gone from this machine.",
    )
    return redirect("sources:data")


def _gone(request: StaffRequest) -> HttpResponse:
    messages.error(request, "These files are not here any more. Upload them again.")
    return redirect("sources:upload")


def _broken(request: StaffRequest, folder: Path, error: Exception) -> HttpResponse:
    uploads.forget(folder)
    messages.error(request, f"Nothing was imported: {error}")
    return redirect("sources:upload")
