"""A campaign and its people for tests, written through the real tables."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import yaml

from recare.base import db
from recare.campaigns import playbook
from recare.segments import facts
from tests.factories import agree, insert, make_patient, make_point, make_visit

if TYPE_CHECKING:
    from recare.practices.practice import Practice

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)  # a Tuesday, 11:00 in Chicago

PLAN: dict[str, Any] = {
    "name": "Three steps",
    "purpose": "check_up",
    "why": "Half an hour now keeps small things small.",
    "remuneration": "none",
    "segment": "long_lapsed",
    "hold_out": 0.1,
    "steps": [
        {"channel": "email", "template": "winback"},
        {"channel": "sms", "template": "winback_text", "wait_days": 14},
        {"channel": "call", "template": "winback_call", "wait_days": 14},
    ],
}


def text(**changes: Any) -> str:
    return yaml.safe_dump(PLAN | changes, sort_keys=False)


def templates(practice_id: int, plan: playbook.Playbook) -> None:
    """Write and approve every template a playbook names, and set up what to send from."""
    there = set(db.tuples("SELECT slug, channel FROM template WHERE practice_id = %(p)s", p=practice_id))
    for slug, channel in plan.templates():
        if (slug, channel) in there:
            continue
        template = insert("template", practice_id=practice_id, slug=slug, channel=channel, name=slug, created_at=NOW)
        insert(
            "template_version", practice_id=practice_id, template_id=template, number=1, body="Hello", sha256="0", created_by="test",
            created_at=NOW, approved_by="test", approved_at=NOW,
        )  # fmt: skip
    for channel, address in (("email", "frontdesk@mapledental.example.com"), ("sms", "+16305550100")):
        db.run(
            "INSERT INTO sender (practice_id, channel, provider, address, registered, use_cases, auth_ok) "
            "VALUES (%(p)s, %(channel)s, 'sandbox', %(address)s, true, '{R,P}', true) ON CONFLICT DO NOTHING",
            p=practice_id, channel=channel, address=address,
        )  # fmt: skip


def version(practice: Practice, **changes: Any) -> int:
    """A running campaign with one frozen version; return the version's id."""
    plan = playbook.read(text(**changes))
    templates(practice.id, plan)
    rows = db.tuples(
        "SELECT t.slug, t.channel, t.language, v.id, v.message_class, v.fields FROM template t JOIN template_version v "
        "ON v.practice_id = t.practice_id AND v.template_id = t.id WHERE t.practice_id = %(p)s",
        p=practice.id,
    )
    names = ("slug", "channel", "language", "version_id", "message_class", "fields")
    spec = {
        "playbook": plan.model_dump(mode="json"), "segment": {}, "offers": {},
        "templates": [dict(zip(names, row, strict=True)) for row in rows],
    }  # fmt: skip
    campaign = insert(
        "campaign", practice_id=practice.id, name=plan.name, playbook=text(**changes), state="running", created_at=NOW
    )
    return insert(
        "campaign_version", practice_id=practice.id, campaign_id=campaign, number=1, spec=db.json(spec), spec_sha256="0", salt="salt",
        published_at=NOW, published_by="test",
    )  # fmt: skip


def enrolment(practice_id: int, version_id: int, patient_id: int, **more: Any) -> int:
    """A treated enrolment that is due now."""
    fields = {
        "round": 1, "unit": f"p:{patient_id}", "arm": "treated", "probability": 0.9, "salt": "salt", "draw": 0.5, "snapshot": db.json({}),
        "assigned_at": NOW, "state": "waiting", "due_at": NOW,
    } | more  # fmt: skip
    campaign = db.value(
        "SELECT campaign_id FROM campaign_version WHERE practice_id = %(p)s AND id = %(v)s", p=practice_id, v=version_id
    )
    household = db.value(
        "SELECT household_id FROM patient WHERE practice_id = %(p)s AND id = %(i)s", p=practice_id, i=patient_id
    )
    return insert(
        "enrolment", practice_id=practice_id, campaign_id=campaign, version_id=version_id, patient_id=patient_id, household_id=household,
        **fields,
    )  # fmt: skip


def person(practice_id: int, phone: str = "", email: str = "", **more: Any) -> int:
    """A patient of the practice who last came three years ago, with recorded consent on a mobile number and an e-mail address.

    ``phone`` or ``email`` given as '-' is left out.
    """
    columns = {name: more.pop(name) for name in ("sms_level", "email_level", "call_level") if name in more}
    patient = make_patient(practice_id, **more)
    if phone != "-":
        levels = {"sms_level": columns.get("sms_level", 2), "call_level": columns.get("call_level", 2)}
        number = make_point(practice_id, patient, phone, last_confirmed_on=date(2026, 12, 1))
        agree(practice_id, number, **{name.removesuffix("_level"): level for name, level in levels.items()})
    if email != "-":
        address = make_point(practice_id, patient, email or f"ada{patient}@example.com")
        agree(practice_id, address, email=columns.get("email_level", 2))
    make_visit(practice_id, patient, -1100)
    return patient


def refresh(practice_id: int) -> None:
    facts.rebuild([practice_id])


def household(practice_id: int, key: str) -> int:
    return insert("household", practice_id=practice_id, key=key)


def touches(practice_id: int) -> list[tuple[Any, ...]]:
    """(enrolment, step, attempt, channel, verdict, codes of what stood against it) of every touch, in order."""
    rows = db.tuples(
        "SELECT enrolment_id, step, attempt, channel, verdict, reasons FROM touch WHERE practice_id = %(p)s ORDER BY id",
        p=practice_id,
    )
    return [(*row[:5], sorted({reason["code"] for reason in row[5]} - {"ALLOWED"})) for row in rows]


def state(practice_id: int, enrolment_id: int) -> tuple[Any, ...]:
    """(state, step, due_at, stop_reason) of an enrolment."""
    return db.tuples(
        "SELECT state, step, due_at, stop_reason FROM enrolment WHERE practice_id = %(p)s AND id = %(e)s",
        p=practice_id,
        e=enrolment_id,
    )[0]
