"""Rows that lead to a message: campaign, enrolment, touch, words; and the sender they leave by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from recare.base import db
from recare.messages import senders
from tests import factories
from tests.messages import recording  # noqa: F401  (registers the provider)

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)
TEXT = (
    "Maple Dental: Hi, it's been a while. Book: https://go.example.com/p/book/x or 630-555-0100. Reply STOP to opt out."
)


@dataclass(frozen=True, slots=True)
class Case:
    """A campaign to hang touches on."""

    practice_id: int
    campaign_id: int
    version_id: int


def make_sender(practice_id: int, channel: str = "sms", file: Path | None = None, **settings: Any) -> int:
    """Add a sender: of the recording provider when a file is given, else of the sandbox."""
    kept = senders.keep_settings({"file": str(file)} | settings) if file else None
    return factories.insert(
        "sender", practice_id=practice_id, channel=channel, provider="recording" if file else "sandbox", registered=True, auth_ok=True,
        address="+16305550100" if channel == "sms" else "frontdesk@mapledental.example.com", use_cases=["R", "P", "A"], settings=kept,
    )  # fmt: skip


def make_case(practice_id: int, **playbook: Any) -> Case:
    campaign = factories.insert(
        "campaign", practice_id=practice_id, name="Win back", playbook="", state="running", created_at=NOW
    )
    version = factories.insert(
        "campaign_version", practice_id=practice_id, campaign_id=campaign, number=1, spec_sha256="", salt="s", published_at=NOW,
        published_by="test", spec=db.json({"playbook": {"remuneration": "none"} | playbook}),
    )  # fmt: skip
    return Case(practice_id, campaign, version)


def make_touch(case: Case, patient_id: int, point_id: int, **more: Any) -> int:
    enrolment = factories.insert(
        "enrolment", practice_id=case.practice_id, campaign_id=case.campaign_id, version_id=case.version_id, patient_id=patient_id,
        unit=f"p{patient_id}", arm="treated", probability=0.9, salt="s", draw=0.5, snapshot=db.json({}), assigned_at=NOW,
        state="waiting",
    )  # fmt: skip
    fields = {"step": 0, "attempt": 0, "channel": "sms", "verdict": "send", "decided_at": NOW} | more
    return factories.insert(
        "touch", practice_id=case.practice_id, enrolment_id=enrolment, patient_id=patient_id, contact_point_id=point_id, **fields
    )  # fmt: skip


def make_message(case: Case, channel: str = "sms", point: dict[str, Any] | None = None, **more: Any) -> int:
    """Add a queued message to a new patient who has agreed to it; columns of the message through ``more``."""
    practice = case.practice_id
    patient = more.pop("patient_id", None) or factories.make_patient(practice)
    address = "" if channel == "sms" else f"patient{patient}@example.com"
    levels: dict[str, Any] = {f"{channel}_level": 2, "last_confirmed_on": NOW.date()} | (point or {})
    agreed = {way: levels.pop(f"{way}_level", 0) for way in ("sms", "email", "call")}
    where = factories.make_point(practice, patient, address)
    factories.agree(practice, where, **agreed)
    names = ", ".join(f"{name} = %({name})s" for name in levels)
    db.run(f"UPDATE contact_point SET {names} WHERE practice_id = %(p)s AND id = %(i)s", p=practice, i=where, **levels)
    touch = make_touch(case, patient, where, channel=channel)
    fields = {
        "body_text": TEXT, "message_class": "R", "not_before": NOW, "not_after": NOW + timedelta(days=3), "created_at": NOW,
        "subject": "Maple Dental" if channel == "email" else "",
    }  # fmt: skip
    return factories.insert(
        "message", practice_id=practice, touch_id=touch, patient_id=patient, contact_point_id=where, channel=channel, **(fields | more)
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """What the tests look at."""

    id: int
    state: str
    attempt: int
    error: str
    provider_ref: str
    reasons: list[dict[str, Any]]
    not_before: datetime
    contact_point_id: int

    @property
    def codes(self) -> list[str]:
        return [reason["code"] for reason in self.reasons]


def message(practice_id: int, message_id: int) -> Row:
    found = db.one(
        Row,
        "SELECT id, state, attempt, error, provider_ref, reasons, not_before, contact_point_id FROM message "
        "WHERE practice_id = %(practice)s AND id = %(message)s",
        practice=practice_id, message=message_id,
    )  # fmt: skip
    assert found is not None
    return found


def states(practice_id: int) -> dict[str, int]:
    return dict(
        db.tuples(
            "SELECT state, count(*) FROM message WHERE practice_id = %(practice)s GROUP BY 1", practice=practice_id
        )
    )
