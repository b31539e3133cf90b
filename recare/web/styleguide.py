"""All components side by side, for whoever changes the look; the browser tests photograph it."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from recare.practices.access import StaffRequest, staff


@staff()
def styleguide(request: StaffRequest) -> HttpResponse:
    """Show every component once."""
    entries = [
        {
            "at": "12 Jan, 10:02 am",
            "title": "Text sent",
            "text": "It's been a while and we'd like to see you again.",
            "reasons": [],
        },
        {
            "at": "12 Jan, 10:40 am",
            "title": "Not texted again",
            "text": "",
            "reasons": ["They replied; a person reads first."],
        },
    ]
    return render(request, "web/styleguide.html", {"entries": entries})
