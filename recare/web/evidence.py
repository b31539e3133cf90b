"""Evidence packs to download: one patient, or one number. Each export is on the audit trail with the hash of what left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from recare.base import audit
from recare.practices import exports
from recare.practices.access import StaffRequest, staff
from recare.practices.exports import Asked, Export, Who
from recare.reports import evidence, evidence_csv, evidence_pdf
from recare.reports.evidence import Subject

READERS: Final = exports.ROLES
_KINDS: Final = ("json", "pdf", "csv")


@staff(*READERS)
def of_patient(request: StaffRequest, patient_id: int, kind: str) -> HttpResponse:
    """Everything about one patient, as JSON, PDF or CSV."""
    return _export(request, {"patient": str(patient_id), "format": kind})


@staff(*READERS)
def of_number(request: StaffRequest) -> HttpResponse:
    """Everything about one number or address: ``point`` names it, ``format`` is json (as given), pdf or csv."""
    return _export(request, {"point": request.GET.get("point", ""), "format": request.GET.get("format", "json")})


def _export(request: StaffRequest, given: Mapping[str, str]) -> HttpResponse:
    """Hand it over at once while it is within what one person exports alone; else ask for its purpose and a second person."""
    question, words, people = read(request, given)
    who = Who(request.staff, request.role)
    if people > exports.left_alone(request.practice, who, request.now):
        return redirect(f"{reverse('web:export-new')}?{urlencode({'kind': 'evidence', **given})}")
    asked = Asked("evidence", question, words, people, "legal")
    return deliver(request, exports.ask(request.practice, asked, who, request.now))


def read(request: StaffRequest, given: Mapping[str, str]) -> tuple[dict[str, Any], str, int]:
    """Return what an address asks for: the question to keep, in words, and how many people it is about. Raises Http404."""
    question: dict[str, Any] = {"format": given.get("format", "json")}
    ids = {
        name: int(said) for name in ("patient", "point") if (said := given.get(name, "")).isdecimal() and len(said) < 19
    }
    question |= ids
    subject = _subject(request, question)
    if "patient" in ids:
        return question, f"Evidence about patient {ids['patient']}", 1
    return question, f"Evidence about contact point {ids['point']}", max(1, len(subject.patients))


def how_many(request: StaffRequest, question: Mapping[str, Any]) -> int:
    """Return how many people a kept question is about now."""
    return 1 if "patient" in question else max(1, len(_subject(request, question).patients))


def _subject(request: StaffRequest, question: Mapping[str, Any]) -> Subject:
    found = None
    if question["format"] in _KINDS and "patient" in question:
        found = evidence.of_patient(request.practice.id, question["patient"])
    elif question["format"] in _KINDS and "point" in question:
        found = evidence.of_point(request.practice.id, question["point"])
    if found is None:
        raise Http404("There is nothing to export under this address.")
    return found


def deliver(request: StaffRequest, export: Export) -> HttpResponse:
    """Make the pack and hand it over."""
    question, kind = export.question, export.question["format"]
    name = f"patient:{question['patient']}" if "patient" in question else f"contact_point:{question['point']}"
    pack = evidence.build(request.practice.id, _subject(request, question), request.staff, request.now)
    detail: dict[str, Any] = {
        "sha256": pack["sha256"],
        "records": len(pack["records"]),
        "format": kind,
        "export": export.id,
    }
    audit.record(request.practice.id, request.staff, "exported evidence", name, request.now, detail)
    body, content_type = _written(pack, kind)
    answer = HttpResponse(body, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="evidence-{name.replace(":", "-")}.{kind}"'
    answer["Cache-Control"] = "no-store"
    return answer


def _written(pack: dict[str, Any], kind: str) -> tuple[str | bytes, str]:
    if kind == "pdf":
        return evidence_pdf.pdf(pack), "application/pdf"
    if kind == "csv":
        return evidence_csv.as_csv(pack), "text/csv; charset=utf-8"
    return evidence_pdf.as_json(pack), "application/json; charset=utf-8"
