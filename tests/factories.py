"""Rows for tests, through the same columns that the product writes. Everybody here is made up."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

from recare.base import db
from recare.consent import ledger, points
from recare.consent.event import NewEvent
from recare.practices import practice as practices

_numbers = itertools.count(1)
_TODAY = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)


def insert(table: str, **columns: Any) -> int:
    """Insert one row and return its id. A message that went out for a campaign rests on a consent, which is made when none is named (I1)."""
    if table == "message" and columns.get("touch_id") and columns.get("state") in {"sending", "sent", "unknown"}:
        columns = {"consent_event_id": _consent(columns)} | columns
    names, places = ", ".join(columns), ", ".join(f"%({name})s" for name in columns)
    return int(db.value(f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING id", **columns))


def _consent(message: dict[str, Any]) -> int:
    point, channel = message["contact_point_id"], message["channel"]
    found = db.value(
        "SELECT id FROM consent_event WHERE practice_id = %(p)s AND contact_point_id = %(c)s AND type = 'granted' AND channel = %(channel)s",
        p=message["practice_id"], c=point, channel=channel,
    )  # fmt: skip
    return int(found) if found else agree(message["practice_id"], point, **{channel: 2})[0]


def fictional_phone() -> str:
    """Return a number out of the range kept for fiction; area codes vary so that it is new each time."""
    number = next(_numbers)
    areas = ("630", "312", "708", "847", "224", "815", "309", "217", "618", "773", "872", "331", "464", "779")
    return f"+1{areas[(number // 100) % len(areas)]}55501{number % 100:02d}"


def make_patient(practice_id: int, **more: Any) -> int:
    """Add an adult, lapsed, ordinary patient; ``more`` are further columns of ``patient``."""
    number = next(_numbers)
    fields = {
        "source": "test", "source_key": f"P{number}", "first_name": "Ada", "last_name": f"Example{number}", "status": "active",
        "birthdate": date(1980, 5, 17), "state": "IL", "zip": "60540", "language": "en",
    }  # fmt: skip
    return insert("patient", practice_id=practice_id, **(fields | more))


def make_point(practice_id: int, patient_id: int | None, address: str = "", label: str = "mobile", **more: Any) -> int:
    """Add a contact point (a phone unless the address has an @ or the label says post), held by the patient; consent columns through ``more``."""
    address = address or fictional_phone()
    kind = "post" if label == "post" else "email" if "@" in address else "phone"
    point = insert(
        "contact_point", practice_id=practice_id, kind=kind, address=address,
        address_hash=points.address_hash(practices.get(practice_id).salt, address), **more,
    )  # fmt: skip
    if patient_id is not None:
        insert(
            "patient_contact", practice_id=practice_id, patient_id=patient_id, contact_point_id=point,
            label="email" if kind == "email" else label, source="test",
        )  # fmt: skip
    return point


def agree(practice_id: int, point_id: int, **levels: int) -> list[int]:
    """Have the ledger say what a contact point's levels say: ``sms=2, email=2``; long ago, and on paper."""
    given = datetime(2024, 1, 2, 12, tzinfo=UTC)
    events: list[NewEvent] = [
        NewEvent(
            point_id, channel, "granted", "paper", level, given, seller_named=True, signature="Ada Example",  # type: ignore[arg-type]
            not_condition_of_purchase=True, evidence_ref="scan:1",
        )
        for channel, level in levels.items() if level
    ]  # fmt: skip
    return ledger.append(practice_id, events, given)


def make_visit(practice_id: int, patient_id: int, days: int, status: str = "completed", **more: Any) -> int:
    """Add an appointment ``days`` from the tests' today (negative: in the past)."""
    fields = {"source": "test", "source_key": f"A{next(_numbers)}", "minutes": 60} | more
    return insert(
        "appointment", practice_id=practice_id, patient_id=patient_id, status=status,
        starts_at=_TODAY + timedelta(days=days), **fields,
    )  # fmt: skip
