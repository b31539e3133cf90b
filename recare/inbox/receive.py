"""The door for everything people write, say or click. Kept raw, and held at once; understood later (science 6.1, OPT-01)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from recare.base import db
from recare.consent import hold, points

if TYPE_CHECKING:
    from datetime import datetime

Channel = Literal["sms", "email", "voicemail", "one_click", "preferences", "front_desk"]
_ANSWERS: Final = {"sms": "sms", "email": "email", "voicemail": "call"}
"""The channels whose messages a thing that came in may answer."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """What a provider, a mailbox or a page handed us. ``sender`` is normalised: E.164 or lower-case e-mail.

    ``raw`` is the provider's own record. These keys are read: ``auto_replied``, when it has already confirmed a STOP (OPT-04); ``automatic``,
    when a machine sent it; ``answers``, the message of ours that it names.
    """

    practice_id: int
    provider: str
    provider_event_id: str
    channel: Channel
    sender: str
    recipient: str = ""
    body: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


def receive(inbound: Inbound, now: datetime) -> int | None:
    """Store an inbound event and hold every automated message to its sender, in one transaction, before anything is understood.

    Returns the event's id once all of this is committed; only then may the provider be told that we have it. A replay of the same
    provider event changes nothing and returns None. An unknown sender gets a contact point, so that a STOP from it counts for ever.
    """
    practice = inbound.practice_id
    with db.scope(practice):
        address = ("email" if "@" in inbound.sender else "phone", inbound.sender)
        point = points.ensure(practice, [address], now)[address]
        event = _store(inbound, point, now)
        if event is None:
            return None
        if not inbound.raw.get("automatic"):
            _mark_answered(practice, point, inbound.channel, now)
        hold.hold(practice, [point], event, now)
    return event


def _store(inbound: Inbound, point: int, now: datetime) -> int | None:
    found = db.value(
        "INSERT INTO inbound_event (practice_id, provider, provider_event_id, channel, sender, recipient, contact_point_id, body, raw, "
        "received_at) VALUES (%(practice)s, %(provider)s, %(event)s, %(channel)s, %(sender)s, %(recipient)s, %(point)s, %(body)s, "
        "%(raw)s, %(now)s) ON CONFLICT (practice_id, provider, provider_event_id) DO NOTHING RETURNING id",
        practice=inbound.practice_id, provider=inbound.provider, event=inbound.provider_event_id, channel=inbound.channel,
        sender=inbound.sender, recipient=inbound.recipient, point=point, body=inbound.body.replace("\x00", ""),
        raw=db.json(inbound.raw), now=now,
    )  # fmt: skip
    return None if found is None else int(found)


def _mark_answered(practice_id: int, point_id: int, channel: str, now: datetime) -> None:
    """Note on the last message to this address that it was answered. Before the hold: settling locks message, then point, too."""
    if channel not in _ANSWERS:
        return
    db.run(
        "UPDATE message SET replied_at = %(now)s WHERE practice_id = %(practice)s AND replied_at IS NULL AND id = ("
        "  SELECT id FROM message WHERE practice_id = %(practice)s AND contact_point_id = %(point)s AND channel = %(channel)s "
        "  AND touch_id IS NOT NULL AND state IN ('sending', 'sent', 'unknown') ORDER BY coalesce(sent_at, claimed_at) DESC, id DESC LIMIT 1)",
        practice=practice_id, point=point_id, channel=_ANSWERS[channel], now=now,
    )  # fmt: skip


def route(channel: str, recipient: str) -> int | None:
    """Return the practice that a number or mailbox belongs to, before any practice is known; None when it is nobody's.

    Raises LookupError when several practices share it, for then only the provider's own reference can tell.
    """
    found = db.values(
        "SELECT practice_id FROM sender_route WHERE channel = %(channel)s AND address = %(address)s",
        channel=channel, address=recipient,
    )  # fmt: skip
    if len(found) > 1:
        raise LookupError(
            f"{len(found)} practices receive at this {channel} address; route by the message's own reference."
        )
    return int(found[0]) if found else None
