"""Evidence packs to download: one patient, or one number. Each export is on the audit trail with the hash of what left."""

from __future__ import annotations

from typing import Any, Final

from django.http import Http404, HttpResponse

from recare.base import audit
from recare.practices.access import StaffRequest, staff
from recare.reports import evidence, evidence_pdf
from recare.reports.evidence import Subject

READERS: Final = ("owner", "manager", "auditor")


@staff(*READERS)
def of_patient(request: StaffRequest, patient_id: int, kind: str) -> HttpResponse:
    """Everything about one patient, as JSON or PDF."""
    subject = evidence.of_patient(request.practice.id, patient_id) if kind in {"json", "pdf"} else None
    return _export(request, subject, f"patient:{patient_id}", kind)


@staff(*READERS)
def of_number(request: StaffRequest) -> HttpResponse:
    """Everything about one number or address: ``point`` names it, ``format`` is json (as given) or pdf."""
    said = request.GET.get("point", "")
    point = int(said) if said.isdecimal() and len(said) < 19 else 0
    kind = "pdf" if request.GET.get("format") == "pdf" else "json"
    return _export(request, evidence.of_point(request.practice.id, point), f"contact_point:{point}", kind)


def _export(request: StaffRequest, subject: Subject | None, name: str, kind: str) -> HttpResponse:
    if subject is None:
        raise Http404("There is nothing to export under this address.")
    pack = evidence.build(request.practice.id, subject, request.staff, request.now)
    detail: dict[str, Any] = {"sha256": pack["sha256"], "records": len(pack["records"]), "format": kind}
    audit.record(request.practice.id, request.staff, "exported evidence", name, request.now, detail)
    if kind == "pdf":
        answer = HttpResponse(evidence_pdf.pdf(pack), content_type="application/pdf")
    else:
        answer = HttpResponse(evidence_pdf.as_json(pack), content_type="application/json; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="evidence-{name.replace(":", "-")}.{kind}"'
    answer["Cache-Control"] = "no-store"
    return answer
