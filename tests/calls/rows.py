"""Calls that a campaign has decided, with a shipped script."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from recare.base import db
from recare.calls import worklist
from recare.messages import templates
from tests import factories
from tests.inbox.people import make_case
from tests.messages import outbox
from tests.messages.outbox import NOW, Case


@dataclass(frozen=True, slots=True)
class Callee:
    """A patient on the worklist."""

    practice_id: int
    patient: int
    point: int
    call: int
    enrolment: int


def script(practice_id: int, slug: str = "winback_call") -> int:
    """Save and approve the shipped English script; return its version."""
    draft = next(d for d in templates.shipped(templates.SHIPPED / f"{slug}.yaml") if d.language == "en")
    saved = templates.save_version(practice_id, draft, "test", NOW)
    return templates.approve(practice_id, saved.id, "test", NOW).id


def decided(
    case: Case, version: int | None = None, point: int | None = None, decided_at: datetime = NOW, **more: Any
) -> tuple[int, int]:
    """Add a patient whose next step is a call; return patient and contact point. Columns of the patient through ``more``."""
    patient = factories.make_patient(case.practice_id, **more)
    if point is None:
        point = factories.make_point(
            case.practice_id, patient, call_level=2, sms_level=2, last_confirmed_on=date(2026, 12, 1)
        )
    else:
        factories.insert(
            "patient_contact", practice_id=case.practice_id, patient_id=patient, contact_point_id=point, label="home", source="test"
        )  # fmt: skip
    outbox.make_touch(case, patient, point, channel="call", template_version_id=version, decided_at=decided_at)
    return patient, point


def listed(case: Case, now: datetime, version: int | None = None, point: int | None = None, **more: Any) -> Callee:
    """Add a patient with an open call."""
    patient, where = decided(case, version, point, **more)
    worklist.open_batch(case.practice_id, now)
    [(call, enrolment)] = db.tuples(
        "SELECT id, enrolment_id FROM call WHERE practice_id = %(p)s AND patient_id = %(i)s",
        p=case.practice_id,
        i=patient,
    )
    return Callee(case.practice_id, patient, where, call, enrolment)


def row(callee: Callee) -> dict[str, Any]:
    names = ("state", "attempts", "due_at", "close_reason", "taken_by")
    [found] = db.tuples(
        f"SELECT {', '.join(names)} FROM call WHERE practice_id = %(p)s AND id = %(i)s",
        p=callee.practice_id,
        i=callee.call,
    )
    return dict(zip(names, found, strict=True))


def enrolment(callee: Callee) -> tuple[Any, ...]:
    return db.tuples(
        "SELECT state, stop_reason FROM enrolment WHERE practice_id = %(p)s AND id = %(i)s",
        p=callee.practice_id,
        i=callee.enrolment,
    )[0]


__all__ = ["NOW", "Callee", "Case", "decided", "enrolment", "listed", "make_case", "row", "script"]
