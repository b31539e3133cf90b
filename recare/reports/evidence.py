"""The evidence behind every contact with one person or one number: what was said, under which consent, by which rules (D20, HIP-08, I8)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from recare.base import audit, db
from recare.base.chain import End
from recare.consent import ledger
from recare.consent.event import COLUMNS, Event
from recare.messages.pages_why import BEHIND, without_tokens
from recare.practices import practice as practices
from recare.reports.evidence_check import CANONICAL_FORM, FORMAT, digest, plain, sealed
from recare.version import VERSION


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a pack is about: patients and contact points, and how it is named in the pack."""

    about: Mapping[str, Any]
    patients: tuple[int, ...]
    points: tuple[int, ...]
    by_point: bool


def of_patient(practice_id: int, patient_id: int) -> Subject | None:
    """Everything about one patient, at every number and address they have had; None when there is no such patient."""
    found = db.tuples(
        "SELECT trim(first_name || ' ' || last_name), source, source_key FROM patient WHERE practice_id = %(practice)s AND id = %(patient)s",
        practice=practice_id, patient=patient_id,
    )  # fmt: skip
    if not found:
        return None
    points = db.values(
        "SELECT DISTINCT contact_point_id FROM patient_contact WHERE practice_id = %(practice)s AND patient_id = %(patient)s ORDER BY 1",
        practice=practice_id, patient=patient_id,
    )  # fmt: skip
    name, source, key = found[0]
    about = {
        "patient": patient_id,
        "name": name,
        "source": source,
        "source_key": key,
        "addresses": _addresses(practice_id, points),
    }
    return Subject(about, (patient_id,), tuple(points), by_point=False)


def of_point(practice_id: int, point_id: int) -> Subject | None:
    """Everything that went to or came from one number or address, whoever held it; None when there is no such point."""
    addresses = _addresses(practice_id, [point_id])
    if not addresses:
        return None
    patients = db.values(
        "SELECT DISTINCT patient_id FROM patient_contact WHERE practice_id = %(practice)s AND contact_point_id = %(point)s ORDER BY 1",
        practice=practice_id, point=point_id,
    )  # fmt: skip
    return Subject(
        {"contact_point": point_id, "addresses": addresses, "held_by": patients},
        tuple(patients),
        (point_id,),
        by_point=True,
    )


def _addresses(practice_id: int, points: list[int]) -> list[dict[str, Any]]:
    return [
        {"contact_point": key, "kind": kind, "address": address}
        for key, kind, address in db.tuples(
            "SELECT id, kind, address FROM contact_point WHERE practice_id = %(practice)s AND id = ANY(%(points)s::bigint[]) ORDER BY id",
            practice=practice_id, points=points,
        )
    ]  # fmt: skip


def build(practice_id: int, subject: Subject, asked_by: str, now: datetime) -> dict[str, Any]:
    """Return the pack, sealed, inside the caller's scope: records in order of time, each with its hash."""
    practice = practices.get(practice_id)
    scope = {
        "practice": practice_id,
        "patients": list(subject.patients),
        "points": list(subject.points),
        "by_point": subject.by_point,
    }
    records = [record for kind in (_consents, _rows) for record in kind(scope)]
    records.sort(key=lambda record: (record["at"], record["kind"], record["id"]))
    pack = {
        "format": FORMAT,
        "canonical_form": CANONICAL_FORM,
        "practice": {
            "id": practice_id,
            "name": practice.name,
            "legal_name": practice.legal_name,
            "time_zone": practice.tz,
        },
        "rehearsal": practice.is_rehearsal,
        "about": dict(subject.about),
        "asked_by": asked_by,
        "made_at": now,
        "made_with": f"Recare {VERSION}",
        "counts": {kind: sum(record["kind"] == kind for record in records) for kind in (*_KINDS, "consent_event")},
        "ledger_end": _as_data(ledger.end(practice_id)),
        "trail_end": _as_data(audit.end(practice_id)),
        "records": records,
    }
    return sealed(plain(pack))


def _as_data(end: End) -> dict[str, Any]:
    """Where a chain stood: a later look at it must find this link with this hash (``recare audit verify --against``)."""
    return {"seq": end.seq, "hash": end.hash}


def _record(kind: str, key: int, at: datetime, content: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = plain(content)
    sealed_content = {"kind": kind, "id": key, "at": plain(at), "content": content, "sha256": digest(content)}
    return sealed_content | {name: plain(value) for name, value in more.items()}


def _consents(scope: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    ids = db.tuples(
        f"SELECT id, {', '.join(COLUMNS)} FROM consent_event WHERE practice_id = %(practice)s AND (contact_point_id = ANY(%(points)s::bigint[]) "
        "OR (NOT %(by_point)s AND person_id = ANY(%(patients)s::bigint[]))) ORDER BY seq",
        **scope,
    )  # fmt: skip
    for key, *row in ids:
        event = Event(*row)
        yield _record(
            "consent_event",
            int(key),
            event.recorded_at,
            event.content(),
            prev_hash=bytes(event.prev_hash),
            hash=bytes(event.hash),
        )


def _rows(scope: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for kind, sql in _KINDS.items():
        for key, at, row in db.tuples(f"SELECT x.id, x.at, to_jsonb(x) FROM ({sql}) AS x", **scope):
            yield _record(kind, int(key), at, _words(row) if kind == "message" else row)


def _words(row: dict[str, Any]) -> dict[str, Any]:
    """The words as sent are hashed; what is shown opens no link of the patient's."""
    sent, html = str(row["text"]), str(row.pop("html"))
    return row | {
        "text": without_tokens(sent),
        "text_sha256": hashlib.sha256(sent.encode()).hexdigest(),
        "html_sha256": hashlib.sha256(html.encode()).hexdigest(),
    }


# A message to a household stands for each of its patients.
_FOR_ME: Final = """CASE WHEN %(by_point)s THEN {0}.contact_point_id = ANY(%(points)s::bigint[])
    ELSE {0}.patient_id = ANY(%(patients)s::bigint[]) OR EXISTS (SELECT FROM enrolment o WHERE o.practice_id = t.practice_id
    AND o.id = ANY(t.shared_with) AND o.patient_id = ANY(%(patients)s::bigint[])) END"""

_KINDS: Final = {
    "message": f"""
SELECT m.id, coalesce(m.sent_at, m.claimed_at, m.created_at) AS at, m.state, m.channel, m.message_class, m.patient_id AS patient,
    m.contact_point_id AS contact_point, p.address, m.subject, m.body_text AS text, m.body_html AS html, m.reasons, m.touch_id AS decision,
    m.answers_event_id AS answers_inbound, s.id AS consent_event, s.seq AS consent_seq, m.basis, m.scrub,
    tt.slug || ' ' || tt.language || ' ' || tv.number AS template, tv.sha256 AS template_sha256, tv.approved_by, c.name AS campaign,
    v.number AS campaign_version, v.spec_sha256 AS campaign_sha256, m.provider, m.provider_ref, m.attempt, m.error, m.claimed_at, m.sent_at,
    m.delivered_at, m.bounced_at, m.complained_at, m.clicked_at, m.replied_at,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', d.kind, 'code', d.code, 'at', d.at, 'provider_event', d.provider_event_id)
     ORDER BY d.at, d.id), '[]') FROM delivery_event d WHERE d.practice_id = m.practice_id AND d.message_id = m.id) AS deliveries {BEHIND}
WHERE m.practice_id = %(practice)s AND {_FOR_ME.format("m")}""",
    "decision": f"""
SELECT t.id, t.decided_at AS at, t.verdict, t.channel, t.message_class, t.patient_id AS patient, t.contact_point_id AS contact_point, t.reasons,
    t.until, t.step + 1 AS step, t.attempt, t.consent_event_id AS consent_event, t.scrub, t.offer, t.enrolment_id AS enrolment
FROM touch t WHERE t.practice_id = %(practice)s AND {_FOR_ME.format("t")}""",
    "enrolment": """
SELECT e.id, e.assigned_at AS at, e.patient_id AS patient, c.name AS campaign, v.number AS campaign_version, v.spec_sha256 AS campaign_sha256,
    e.arm, e.state, e.stop_reason, e.ended_at
FROM enrolment e JOIN campaign c ON c.practice_id = e.practice_id AND c.id = e.campaign_id
JOIN campaign_version v ON v.practice_id = e.practice_id AND v.id = e.version_id
WHERE e.practice_id = %(practice)s AND e.patient_id = ANY(%(patients)s::bigint[])""",
    "inbound": """
SELECT i.id, i.received_at AS at, i.channel, i.sender, i.recipient, i.body AS text, i.provider, i.provider_event_id AS provider_event,
    i.contact_point_id AS contact_point, i.applied_at AS read_at, r.intent AS understood_as, r.detector AS read_by, r.held,
    r.message_id AS answers_message, k.done_by AS decided_by, k.outcome AS decided_as, k.done_at AS decided_at
FROM inbound_event i LEFT JOIN reply r ON r.practice_id = i.practice_id AND r.inbound_event_id = i.id
LEFT JOIN task k ON k.practice_id = r.practice_id AND k.id = r.task_id
WHERE i.practice_id = %(practice)s AND i.contact_point_id = ANY(%(points)s::bigint[])
    AND (%(by_point)s OR r.patient_id IS NULL OR r.patient_id = ANY(%(patients)s::bigint[]))""",
    "call": """
SELECT o.id, o.at, o.patient_id AS patient, o.contact_point_id AS contact_point, o.call_id AS call, o.outcome, o.barrier, o.note, o.call_again_at,
    o.staff
FROM call_outcome o WHERE o.practice_id = %(practice)s AND CASE WHEN %(by_point)s THEN o.contact_point_id = ANY(%(points)s::bigint[])
    ELSE o.patient_id = ANY(%(patients)s::bigint[]) END""",
}
