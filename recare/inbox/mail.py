"""What one mail in the practice's mailbox asks for (OPT-01, EML-04, EML-05, PAT-03).

People read the same mailbox, and most of it is none of our business. Brought in is what answers a message of ours, what comes from an address
that we write to, a request to stop from any address, and reports about our mail. Of the rest nothing is kept but a count (docs/why/0013).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from recare.base import db
from recare.channels.email import incoming, quotes
from recare.channels.email.incoming import Answer, Bounce, Complaint, Other
from recare.channels.email.mailbox import Mail
from recare.compliance import optout
from recare.consent import points, revoke
from recare.inbox.receive import Inbound, receive
from recare.inbox.situation import ANSWER_WITHIN
from recare.messages.deliveries import DeliveryEvent, record_delivery
from recare.messages.deliveries import Kind as DeliveryKind
from recare.messages.mailboxes import Kind, Mailbox
from recare.patients.tasks import open_task
from recare.practices import practice as practices
from recare.practices.practice import Practice

PROVIDER: Final = "mailbox"
_KEPT: Final = 20_000
"""Characters of a whole mail that are kept beside the person's own words."""
_BOUNCES_WITHIN: Final = timedelta(days=7)
"""Servers give up after five days: a report that names no message of ours is about the last one of this time."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """An e-mail of ours, as far as an answer or a report needs it."""

    id: int
    address: str
    subject: str
    body_text: str
    body_html: str

    @property
    def words(self) -> str:
        """All that a quote of it can hold."""
        return f"{self.body_text}\n{quotes.text_of_html(self.body_html)}"


def bring_in(practice_id: int, box: Mailbox, mail: Mail, now: datetime) -> Kind:
    """Do what one mail asks for, inside the caller's scope, and return as what it counts. A second time it changes nothing."""
    place, found, key = practices.get(practice_id), incoming.parse(mail.raw), incoming.key_of(mail.raw)
    if isinstance(found, Other) or _is_anothers(practice_id, found.our_id):
        return "left_alone"
    if isinstance(found, Answer):
        let_in = [event for event in _events(place, box, found, mail, now) if receive(event, now) is not None]
        return "answers" if let_in else "left_alone"
    if isinstance(found, Bounce):
        return "bounces" if _bounce(place, found, key, mail, now) else "left_alone"
    return "complaints" if _complaint(place, found, key, now) else "left_alone"


def set_aside(practice_id: int, box: Mailbox, mail: Mail, now: datetime) -> None:
    """Give a mail that made us stumble to a person; an address that we write to is held without its words being known."""
    key, sender = incoming.key_of(mail.raw), incoming.sender_of(mail.raw)
    if _is_a_patients(practices.get(practice_id), sender):
        receive(Inbound(practice_id, PROVIDER, f"{key}:from", "email", sender, box.address), now)
    open_task(
        practice_id, "mail_not_understood", 3, now, once_key=f"mail_not_understood:{key}", subject_table="sender", subject_id=box.sender_id,
        detail={"arrived": mail.at.isoformat()},
    )  # fmt: skip


def _is_anothers(practice_id: int, our_id: str) -> bool:
    """Whether it is about a message of another practice here, which reads the same mailbox."""
    other = our_id.partition("-")[0]
    if not other.isdecimal() or len(other) > 18 or int(other) == practice_id:
        return False
    return bool(db.value("SELECT EXISTS (SELECT FROM practice WHERE id = %(other)s)", other=int(other)))


def _events(place: Practice, box: Mailbox, answer: Answer, mail: Mail, now: datetime) -> list[Inbound]:
    """The words as they come in at each address they concern: the one that we wrote to, and the one they came from."""
    if answer.sender in {box.address.lower(), place.email.lower()}:
        return []
    answered, last = _by_id(place.id, answer.our_id), _last_to(place, answer.sender, now - ANSWER_WITHIN)
    ours = answered or last
    words = answer.words(ours.subject, ours.words) if ours else answer.words()
    verdict = optout.read(words).verdict
    concerned = {"to": answered.address} if answered else {}
    if last or _is_a_patients(place, answer.sender):  # older mail has been read by people, who know what to do with it
        counts = bool(answered) or verdict != "none" or mail.at >= box.added_at
    else:
        counts = verdict == "stop" and not answer.automatic  # a no counts from any address
    if counts and answer.sender not in concerned.values():
        concerned["from"] = answer.sender
    raw: dict[str, Any] = {"from": answer.sender, "subject": answer.subject, "text": answer.text[:_KEPT]}
    raw |= {"automatic": True} if answer.automatic else {}
    raw |= {"answers": answered.id} if answered else {}
    key = incoming.key_of(mail.raw)
    return [
        Inbound(place.id, PROVIDER, f"{key}:{which}", "email", address, box.address, words, raw)
        for which, address in concerned.items()
    ]


def _bounce(place: Practice, bounce: Bounce, key: str, mail: Mail, now: datetime) -> bool:
    """Note what became of a message, and act on its code (EML-04); a death that the report tells of comes in like a word of theirs (PAT-03)."""
    named = _by_id(place.id, bounce.our_id)
    sent = named or _last_named(place, [fate.recipient for fate in bounce.fates], mail.at)
    fate = bounce.fate_of(sent.address) if sent else None
    if sent is None or fate is None or fate.action == "delayed":
        return False
    if (
        fate.code.startswith("5.7.") and named is None
    ):  # perhaps a mail that somebody wrote by hand; our sender is not to blame
        return False
    if bounce.says_died:
        words, raw = "The mail server says: deceased.", {"automatic": True, "answers": sent.id}
        receive(Inbound(place.id, PROVIDER, f"{key}:died", "email", sent.address, "", words, raw), now)
    kind: DeliveryKind = "bounced" if fate.action == "failed" else "delivered"
    event = DeliveryEvent(PROVIDER, key, kind, min(mail.at, now), message_id=sent.id, code=fate.code or "Undetermined")
    return record_delivery(place.id, event, now) and kind == "bounced"


def _complaint(place: Practice, complaint: Complaint, key: str, now: datetime) -> bool:
    """End all e-mail to whoever complained (EML-05), also where no message of ours is named."""
    sent = _by_id(place.id, complaint.our_id) or _last_named(place, [complaint.recipient], now)
    if sent is not None:
        return record_delivery(place.id, DeliveryEvent(PROVIDER, key, "complained", now, message_id=sent.id), now)
    if not complaint.recipient:
        return False
    point = points.ensure(place.id, [("email", complaint.recipient)], now)["email", complaint.recipient]
    return bool(revoke.complaint(place.id, point, f"{PROVIDER}:{key}", now))


_SENT: Final = """
SELECT m.id, p.address, m.subject, m.body_text, m.body_html FROM message m
JOIN contact_point p ON p.practice_id = m.practice_id AND p.id = m.contact_point_id
WHERE m.practice_id = %(practice)s AND m.channel = 'email' AND m.state IN ('sending', 'sent', 'unknown')
"""


def _by_id(practice_id: int, our_id: str) -> _Sent | None:
    """The message of this practice with this id of ours, None when there is none."""
    place, _, number = our_id.partition("-")
    if place != str(practice_id) or not number.isdecimal() or len(number) > 18:
        return None
    return db.one(_Sent, f"{_SENT} AND m.id = %(message)s", practice=practice_id, message=int(number))


def _last_to(place: Practice, address: str, since: datetime) -> _Sent | None:
    """The last e-mail to this address since then."""
    return db.one(
        _Sent,
        f"{_SENT} AND p.kind = 'email' AND p.address_hash = %(hash)s AND coalesce(m.sent_at, m.claimed_at) >= %(since)s "
        "ORDER BY coalesce(m.sent_at, m.claimed_at) DESC, m.id DESC LIMIT 1",
        practice=place.id, hash=points.address_hash(place.salt, address), since=since,
    )  # fmt: skip


def _last_named(place: Practice, addresses: list[str], at: datetime) -> _Sent | None:
    """The last e-mail to the first of these addresses that got one; for reports that name no message of ours."""
    found = (_last_to(place, address, at - _BOUNCES_WITHIN) for address in addresses if address)
    return next((sent for sent in found if sent), None)


def _is_a_patients(place: Practice, address: str) -> bool:
    return bool(
        db.value(
            "SELECT EXISTS (SELECT FROM contact_point p JOIN patient_contact c ON c.practice_id = p.practice_id AND c.contact_point_id = p.id "
            "AND c.ended_at IS NULL WHERE p.practice_id = %(practice)s AND p.kind = 'email' AND p.address_hash = %(hash)s)",
            practice=place.id, hash=points.address_hash(place.salt, address),
        )
    )  # fmt: skip
