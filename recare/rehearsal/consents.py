"""The made-up practice's signed forms: without recorded consent nobody may be texted or e-mailed, and an export holds none."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time
from typing import Final, Literal

from recare.base import db
from recare.consent import ledger
from recare.consent.event import NewEvent
from recare.rehearsal.rates import rates

_SMS_TEXT: Final = (
    "I agree that Maple Dental may send me automated appointment, recall and marketing texts at the number I gave. Message frequency "
    "varies. Message and data rates may apply. Reply STOP to end. My consent is not a condition of any purchase."
)
_EMAIL_TEXT: Final = (
    "I agree that Maple Dental may send me recall notices and offers by e-mail. I can unsubscribe at any time."
)
_SIGNED: Final = """
SELECT p.id, pc.contact_point_id, c.kind, p.last_visit_on, p.source_key
FROM (SELECT f.patient_id AS id, f.last_visit_on, q.source_key FROM patient_facts f
      JOIN patient q ON q.practice_id = f.practice_id AND q.id = f.patient_id
      WHERE f.practice_id = %(practice)s AND f.last_visit_on IS NOT NULL) p
JOIN patient_contact pc ON pc.practice_id = %(practice)s AND pc.patient_id = p.id AND pc.label IN ('mobile', 'email') AND pc.ended_at IS NULL
JOIN contact_point c ON c.practice_id = %(practice)s AND c.id = pc.contact_point_id
ORDER BY p.id, pc.contact_point_id
"""


def file_forms(practice_id: int, seed: int, now: datetime) -> int:
    """Enter the signed forms of the share of patients that ``rates.yaml`` states; return how many consents that gave.

    Each rests on the patient's last visit: the front desk has people sign at every visit, and confirms the number then.
    """
    shares = rates().signed_consent.value
    events = []
    for patient, point, kind, last_visit, key in db.tuples(_SIGNED, practice=practice_id):
        channel: Literal["sms", "email"] = "sms" if kind == "phone" else "email"
        if _chance(seed, key, channel) < shares[channel]:
            events.append(_event(patient, point, channel, last_visit))
    ledger.append(practice_id, events, now)
    return len(events)


def _event(patient_id: int, point_id: int, channel: Literal["sms", "email"], last_visit: date) -> NewEvent:
    text = _SMS_TEXT if channel == "sms" else _EMAIL_TEXT
    return NewEvent(
        contact_point_id=point_id, channel=channel, type="granted", method="paper", level=3,
        effective_at=datetime.combine(last_visit, time(15), UTC), person_id=patient_id, classes="ARP", seller_named=True,
        exact_text=text, text_version="intake-2022", language="en", signature="paper", not_condition_of_purchase=True,
        frequency_disclosed=True, msg_rates_disclosed=True, evidence_ref=f"scan:intake-{patient_id}-{last_visit:%Y%m%d}",
        actor="front desk (simulated)", last_confirmed_on=last_visit,
    )  # fmt: skip


def _chance(seed: int, key: str, purpose: str) -> float:
    digest = hashlib.blake2b(f"{seed}|{key}|consent {purpose}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48
