"""A patient who has been written to, and the links that came with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from recare.base import db
from recare.messages import links
from recare.messages.links import NewLink
from recare.practices.practice import Practice
from tests.bookings.clinic import Clinic, make_clinic
from tests.factories import insert, make_patient, make_point


@dataclass(frozen=True)
class Written:
    """A clinic, a patient and an e-mail that went out, with what it takes to make its links."""

    clinic: Clinic
    patient: int
    phone: int
    email: int
    touch: int
    enrolment: int
    now: datetime

    @property
    def practice(self) -> Practice:
        return self.clinic.practice

    def token(self, purpose: Any, expires: datetime | None = None) -> str:
        with db.scope(self.practice.id):
            return links.make_many(self.practice.id, [NewLink(purpose, self.patient, self.touch, expires)], self.now)[0]

    def path(self, purpose: Any) -> str:
        return f"/p/{purpose}/{self.token(purpose)}"

    def value(self, sql: str, **params: Any) -> Any:
        with db.scope(self.practice.id):
            return db.value(
                sql, practice=self.practice.id, patient=self.patient, phone=self.phone, email=self.email, **params
            )

    def values(self, sql: str) -> list[Any]:
        with db.scope(self.practice.id):
            return db.values(sql, practice=self.practice.id, patient=self.patient)


def written(
    practice: Practice, now: datetime, channel: str = "email", purpose: str = "check_up", **more: Any
) -> Written:
    """Write to a patient of a fresh clinic; ``more`` are columns of the touch."""
    from recare.practices import practice as practices

    practices.set_clock(practice.id, now)
    clinic, here = make_clinic(practice), {"practice_id": practice.id}
    with db.scope(practice.id):
        patient = make_patient(practice.id, birthdate=date(1980, 5, 17))
        phone, email = (
            make_point(practice.id, patient),
            make_point(practice.id, patient, f"ada-{practice.id}@example.com"),
        )
        campaign = insert("campaign", name="Back", playbook="", created_at=now, **here)
        spec = {"playbook": {"purpose": purpose, "stop": ["booked", "replied", "opted_out", "left", "complaint"]}}
        version = insert(
            "campaign_version", campaign_id=campaign, number=1, spec=db.json(spec), spec_sha256="", salt="s", published_at=now,
            published_by="owner", **here,
        )  # fmt: skip
        enrolment = insert(
            "enrolment", campaign_id=campaign, version_id=version, patient_id=patient, unit="u", arm="treated", probability=0.9,
            salt="s", draw=0.5, snapshot=db.json({}), assigned_at=now, state="waiting", due_at=now + timedelta(days=7), **here,
        )  # fmt: skip
        touch = insert(
            "touch", enrolment_id=enrolment, patient_id=patient, step=0, attempt=0, channel=channel, verdict="send", decided_at=now,
            contact_point_id=email if channel == "email" else phone, **(here | more),
        )  # fmt: skip
    return Written(clinic, patient, phone, email, touch, enrolment, now)
