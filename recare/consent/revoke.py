"""A person's no, however it reached us, and facts that end the use of an address. Applied at once (OPT-01 to OPT-03).

Every verb runs in the caller's scope, locks the contact point that a claim would lock, and returns the ids of the events it added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recare.base import db
from recare.consent import ledger
from recare.consent.event import NewEvent
from recare.patients import changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from recare.consent.event import Channel, Kind, Method

NUMBER: Final[tuple[Channel, ...]] = ("sms", "call")
"""What STOP from a number ends: every automated text and call to it, in all campaigns, for everybody who holds it (OPT-02)."""
EVERYTHING: Final[tuple[Channel, ...]] = ("all",)


def revoke(  # noqa: PLR0913, PLR0917 (the fields of a revocation)
    practice_id: int, point_id: int, channels: Sequence[Channel], method: Method, actor: str, reason: str, evidence_ref: str,
    now: datetime, *, effective_at: datetime | None = None,
) -> list[int]:  # fmt: skip
    """Revoke consent for these channels of one contact point; ``reason`` without health information.

    ``effective_at`` is when the person said so, if earlier than now. Raises LookupError when there is no such point, ValueError when
    no channel is named.
    """
    return revoke_points(
        practice_id, [point_id], channels, method, actor, reason, evidence_ref, now, effective_at=effective_at
    )


def revoke_points(  # noqa: PLR0913, PLR0917
    practice_id: int, point_ids: Iterable[int], channels: Sequence[Channel], method: Method, actor: str, reason: str,
    evidence_ref: str, now: datetime, *, effective_at: datetime | None = None,
) -> list[int]:  # fmt: skip
    """Revoke consent for these channels of several contact points in one step; see ``revoke``."""
    if not channels:
        raise ValueError("A revocation names at least one channel, or all.")
    return _append(
        practice_id,
        [
            NewEvent(
                point, channel, "revoked", method, effective_at=effective_at or now, scope="practice", actor=actor, reason=reason,
                evidence_ref=evidence_ref,
            )
            for point in sorted(set(point_ids))
            for channel in channels
        ],
        now,
    )  # fmt: skip


def wrong_number(
    practice_id: int, point_id: int, method: Method, actor: str, evidence_ref: str, now: datetime
) -> list[int]:
    """Note that the number belongs to somebody else: it rests for all patients who hold it, and its consent is void (NUM-01)."""
    return _fact(practice_id, point_id, "all", "wrong_number", method, actor, evidence_ref, now)


def complaint(practice_id: int, point_id: int, evidence_ref: str, now: datetime) -> list[int]:
    """Note a spam complaint: an opt-out of all e-mail to the address (EML-05)."""
    return _fact(practice_id, point_id, "email", "complaint", "provider", "provider", evidence_ref, now)


def hard_bounce(practice_id: int, point_id: int, evidence_ref: str, now: datetime) -> list[int]:
    """Note that the address does not exist (EML-04)."""
    return _fact(practice_id, point_id, "email", "hard_bounce", "provider", "provider", evidence_ref, now)


def sms_incapable(practice_id: int, point_id: int, evidence_ref: str, now: datetime) -> list[int]:
    """Note that the number takes no texts; calls stay possible (SMS-03)."""
    return _fact(practice_id, point_id, "sms", "sms_incapable", "provider", "provider", evidence_ref, now)


def correct(practice_id: int, event_id: int, actor: str, reason: str, now: datetime) -> list[int]:
    """Supersede a fact about an address, or a grant, that was written down by mistake; the event itself stays.

    A person's no cannot be corrected, only followed by a fresh opt-in (OPT-03): raises ValueError. Raises LookupError when there is no
    such event.
    """
    found = db.tuples(
        "SELECT contact_point_id, channel, type FROM consent_event WHERE practice_id = %(practice)s AND id = %(event)s",
        practice=practice_id, event=event_id,
    )  # fmt: skip
    if not found:
        raise LookupError(f"There is no consent event {event_id}.")
    point, channel, kind = found[0]
    if kind in {"revoked", "restricted", "complaint", "corrected"}:
        raise ValueError("What a person refused is not corrected; record a fresh opt-in with its evidence instead.")
    event = NewEvent(
        point, channel, "corrected", "front_desk", effective_at=now, actor=actor, reason=reason, supersedes_id=event_id
    )
    return _append(practice_id, [event], now)


def _fact(  # noqa: PLR0913, PLR0917
    practice_id: int,
    point_id: int,
    channel: Channel,
    kind: Kind,
    method: Method,
    actor: str,
    evidence_ref: str,
    now: datetime,
) -> list[int]:
    event = NewEvent(point_id, channel, kind, method, effective_at=now, actor=actor, evidence_ref=evidence_ref)
    return _append(practice_id, [event], now)


def _append(practice_id: int, events: Sequence[NewEvent], now: datetime) -> list[int]:
    """Whom one can reach is a fact of the patient, so the holders' facts are computed anew."""
    added = ledger.append(practice_id, events, now)
    changes.mark_selected(
        practice_id,
        "SELECT patient_id FROM patient_contact WHERE practice_id = %(practice)s AND contact_point_id = ANY(%(points)s::bigint[])",
        points=[event.contact_point_id for event in events],
    )
    return added
