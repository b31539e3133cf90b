"""Figures that are being counted by a worker: how far they are, and asking for new ones."""

from __future__ import annotations

from typing import Final

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme

from recare.base import counted
from recare.jobs import counting
from recare.practices.access import StaffRequest, staff

_LONGEST: Final = 40


@staff()
def figures(request: StaffRequest, what: str) -> HttpResponse:
    """Say how far a count has come, and have the page read again once it is there; asked by POST, count again."""
    kind, _, about = what.partition(":")
    if kind not in counting.COUNTERS or not (about or "0").isdecimal() or len(what) > _LONGEST:
        raise Http404("Nothing of this name is counted.")
    if request.method == "POST":
        counted.want(request.practice.id, what, request.now)
        after = request.POST.get("next", "/")
        return redirect(after if url_has_allowed_host_and_scheme(after, allowed_hosts=None) else "/")
    found = counted.latest(request.practice.id, what)
    if not found.waiting:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "components/counted.html", {"counted": found})
