"""The list of patients: filters, how many they are and who reaches them, and one page of names. Every look at it is on the audit trail."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpResponse
from django.shortcuts import redirect, render

from recare.base import audit
from recare.practices.access import StaffRequest, staff
from recare.segments import listing
from recare.web.patient_list import filters, rows, search
from recare.web.patient_list.filters import Filters
from recare.web.patient_list.rows import PAGE, Line, Question

if TYPE_CHECKING:
    from recare.segments.bands import Bands
    from recare.segments.segment import Count

READERS: Final = ("owner", "manager", "front_desk", "clinician", "auditor")
_STANDING_KINDS: Final = {
    "dismissed": "harm", "deceased": "harm", "do_not_contact": "harm", "unknown": "needs-you", "disputed": "needs-you",
}  # fmt: skip


@staff(*READERS)
def patients(request: StaffRequest) -> HttpResponse:
    """Show a page of the list; to htmx, only what the filters change. The form is posted, since a name belongs in no address."""
    given = filters.typed(request.POST.dict()) if request.method == "POST" else request.GET.dict()
    choices = filters.segment_choices(request.practice.id)
    by_slug = {choice.slug: choice for choice in choices}
    usual = filters.definition(request.practice.policy, None)
    asked = filters.read(given, usual, set(by_slug))
    chosen = by_slug.get(asked.segment)
    bands = filters.definition(request.practice.policy, chosen)
    if asked.band not in {"", *bands.names}:  # the segment was written against another definition
        asked = filters.read(given | {"band": ""}, usual, set(by_slug))
    part = request.headers.get("HX-Request") and not request.headers.get("HX-Boosted")
    if request.method == "POST" and not part:
        return redirect(f"{request.path}?{asked.address()}")
    today = request.now.astimezone(request.practice.zone).date()
    question = Question(
        request.practice, today, bands, listing.relation(request.practice, today), filters.predicate(asked, bands, chosen),
        asked.standing, search.find(request.practice.id, asked.q),
    )  # fmt: skip
    try:
        question, lines, count = _page(question, asked)
    except ValueError:
        return redirect(f"{request.path}?{asked.address(cursor='')}")
    shown = lines[:PAGE]
    audit.record(
        request.practice.id, request.staff, "viewed a list", "patients", request.now,
        {"filters": asked.asked, "order": asked.order, "shown": len(shown), "further": bool(asked.cursor)},
    )  # fmt: skip
    context = _context(asked, bands, shown, more=len(lines) > PAGE) | {
        "count": count, "figures": _figures(count), "segments": choices, "chosen": chosen, "similar": question.found is not None and question.found.close,
    }  # fmt: skip
    answer = render(request, "web/patients_found.html" if part else "web/patients.html", context)
    if part:
        answer.headers["HX-Push-Url"] = f"{request.path}?{asked.address()}"
    return answer


def _page(question: Question, asked: Filters) -> tuple[Question, list[Line], Count]:
    """Read a page; when nobody is written as typed, of names that come close. Raises ValueError for a bad cursor."""
    lines, count = rows.page(question, asked.order, asked.cursor, PAGE + 1)
    if count.total or question.found is None:
        return question, lines, count
    close = search.close(question.practice.id, asked.q, question.source)
    if close is None:
        return question, lines, count
    question = replace(question, found=close)
    return question, *rows.page(question, asked.order, "", PAGE + 1)


_WAYS: Final = {"sms": "text", "email": "e-mail", "call": "call", "letter": "letter", "none": "nothing"}


def _figures(count: Count) -> list[tuple[str, str]]:
    """Return the total first, then each way that reaches some of them."""
    ways = [(words, f"{getattr(count, name):,}") for name, words in _WAYS.items() if getattr(count, name)]
    return [("patient" if count.total == 1 else "patients", f"{count.total:,}"), *ways]


def _context(asked: Filters, bands: Bands, shown: list[Line], *, more: bool) -> dict[str, Any]:
    return {
        "asked": asked, "bands": bands, "lines": [(line, bands.title_of(line.band), badge(line)) for line in shown],
        "export_address": asked.address(cursor=""),
        "older": f"?{asked.address(cursor=shown[-1].cursor)}" if more else "",
        "newer": f"?{asked.address(cursor='')}" if asked.cursor else "",
        "band_choices": [("", "any"), *((name, bands.title_of(name)) for name in bands.names)],
        "reach_choices": filters.REACH.items(), "visit_choices": filters.VISIT.items(),
        "age_choices": filters.AGES.items(), "standing_choices": filters.STANDINGS.items(),
        "order_choices": filters.ORDERS.items(),
    }  # fmt: skip


def badge(line: Line) -> tuple[str, str]:
    """Return where a patient stands in one or two words, and the kind of badge."""
    if line.standing not in {"", "active", "lapsed"}:
        return line.standing.replace("_", " "), _STANDING_KINDS.get(line.standing, "")
    if line.hold:
        return f"hold: {line.hold.replace('_', ' ')}", "needs-you"
    if line.next_visit_on is not None:
        return "has a visit", "good"
    if not line.contactable:
        return "left alone", ""
    return ("may be invited", "accent") if line.ways else ("no way to reach", "needs-you")
