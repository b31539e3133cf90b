"""The results page and its files."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import Http404, HttpResponse
from django.shortcuts import render

from recare.base import audit, db
from recare.practices.access import StaffRequest, staff
from recare.reports import charts, kept, printed

READERS = ("owner", "manager", "auditor", "group_admin", "clinician")


@dataclass(frozen=True, slots=True)
class Choice:
    """One campaign that has a result to show."""

    id: int
    name: str
    state: str


def _choices(practice_id: int) -> list[Choice]:
    return db.rows(
        Choice,
        "SELECT id, name, state FROM campaign WHERE practice_id = %(practice)s AND state <> 'draft' ORDER BY id DESC",
        practice=practice_id,
    )


def _chosen(request: StaffRequest) -> tuple[list[Choice], int | None]:
    choices, wanted = _choices(request.practice.id), request.GET.get("campaign", "")
    if not wanted:
        return choices, None
    if not wanted.isdecimal() or int(wanted) not in {choice.id for choice in choices}:
        raise Http404("There is no such campaign.")
    return choices, int(wanted)


@staff(*READERS)
def results(request: StaffRequest) -> HttpResponse:
    """Show what the campaigns changed: finding first, then arms, funnel, answers, cost."""
    choices, campaign_id = _chosen(request)
    report, counted = kept.look(request.practice, campaign_id, request.now)
    drawn = {"funnel": charts.funnel(report), "arms": charts.arms(report)} if report.span.assigned else {}
    context = {"report": report, "charts": drawn, "choices": choices, "chosen": campaign_id, "counted": counted}
    return render(request, "reports/results.html", context)


@staff(*READERS)
def results_file(request: StaffRequest, kind: str) -> HttpResponse:
    """Download the figures as CSV or JSON."""
    _, campaign_id = _chosen(request)
    report, _ = kept.look(request.practice, campaign_id, request.now)
    text, content_type = (
        (printed.as_csv(report), "text/csv") if kind == "csv" else (printed.as_json(report), "application/json")
    )
    audit.record(
        request.practice.id, request.staff, "exported results", f"campaign:{campaign_id or 'all'}", request.now
    )
    return HttpResponse(
        text,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="recare-results.{kind}"'},
    )
