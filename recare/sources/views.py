"""Data: where the charts come from, what the last imports did, and what has to be mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import render
from django.views.decorators.http import require_safe

from recare.practices.access import StaffRequest, staff
from recare.sources import fix_list, imports
from recare.sources.csv import dated

if TYPE_CHECKING:
    from django.http import HttpResponse


@require_safe
@staff("owner", "manager")
def data(request: StaffRequest) -> HttpResponse:
    """Show imports under way, the last ones and the fix list."""
    here = request.practice.id
    context = {
        "under_way": imports.under_way(here),
        "runs": fix_list.runs(here),
        "groups": fix_list.groups(here),
        "appointments_as_of": dated.latest(here),
        "rehearsed_at": fix_list.last_written_by_rehearsal(here),
    }
    return render(request, "sources/data.html", context)
