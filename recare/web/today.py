"""The first screen: what to do next."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from recare.practices.access import StaffRequest, staff


@staff()
def today(request: StaffRequest) -> HttpResponse:
    """Show replies that need a person, calls to make now, chairs to fill, and three figures."""
    return render(request, "web/today.html", {})
