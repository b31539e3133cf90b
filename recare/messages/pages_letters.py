"""Letters to print and post: one list, one PDF, one click."""

from __future__ import annotations

from datetime import date
from typing import Final

from django.contrib import messages as toasts
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from recare.base import audit
from recare.campaigns.kept import against, said
from recare.messages import letters
from recare.messages.letters import Refused
from recare.practices.access import StaffRequest, staff

POSTERS: Final = ("owner", "manager", "front_desk")


@staff(*POSTERS)
def every(request: StaffRequest) -> HttpResponse:
    """Show what waits to be printed, what may not go now and why, and what was posted."""
    found = letters.ready(request.practice.id, request.now)
    context = {
        "found": found, "not_now": [(one.letter, _why(request, one)) for one in found.not_now], "most": letters.MOST,
        "today": request.now.astimezone(request.practice.zone).date(), "posted": letters.posted(request.practice.id, request.now),
    }  # fmt: skip
    return render(request, "messages/letters.html", context)


def _why(request: StaffRequest, one: Refused) -> str:
    words = said(against(one.reasons), request.practice.zone)
    return " ".join(words) or "Waits for the practice: sending is held, or the calendar has not been read lately."


def _ids(request: StaffRequest) -> list[int]:
    return [int(each) for each in request.POST.getlist("letter") if each.isdecimal() and len(each) < 19]


@require_POST
@staff(*POSTERS)
def printed(request: StaffRequest) -> HttpResponse:
    """Return the PDF of the letters on the page. Printing settles nothing."""
    found = letters.ready(request.practice.id, request.now, _ids(request)).to_print
    if not found:
        toasts.warning(request, "None of these letters waits any more.")
        return redirect("messages:letters")
    file = letters.pdf(request.practice, found)
    audit.record(
        request.practice.id,
        request.staff,
        "printed letters",
        "letters",
        request.now,
        {"messages": [one.id for one in found]},
    )
    headers = {"Content-Disposition": 'inline; filename="letters.pdf"', "Cache-Control": "no-store"}
    return HttpResponse(file, content_type="application/pdf", headers=headers)


@require_POST
@staff(*POSTERS)
def posted(request: StaffRequest) -> HttpResponse:
    """Settle the letters on the page as posted on a day, and say which must be taken out."""
    try:
        done = letters.post(
            request.practice, _ids(request), date.fromisoformat(request.POST.get("day", "")), request.staff, request.now
        )
    except letters.WrongDayError as error:
        toasts.error(request, str(error))
        return redirect("messages:letters")
    except ValueError:
        toasts.error(request, "Say on which day the letters were posted.")
        return redirect("messages:letters")
    for one in done.take_out:
        toasts.error(request, f"Take out the letter to {one.letter.to}: {_why(request, one)}")
    if done.unknown:
        toasts.error(
            request, f"{done.unknown} of these no longer wait: compare the pile with the list of posted letters."
        )
    if done.sent:
        toasts.success(request, f"{done.sent} letter{'s' if done.sent != 1 else ''} noted as posted.")
    return redirect("messages:letters")


@require_POST
@staff(*POSTERS)
def came_back(request: StaffRequest, message_id: int) -> HttpResponse:
    """Note that the post returned a letter."""
    if letters.came_back(request.practice.id, message_id, request.staff, request.now):
        toasts.success(request, "Noted. Nothing more is mailed to that address.")
    return redirect("messages:letters")
