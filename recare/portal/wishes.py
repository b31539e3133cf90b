"""What a patient wishes, done at once and through the same verbs as everybody else's changes (D24, OPT-01 to OPT-03).

Every verb runs in the page's scope. What was wished is read back from the rows that the gates read, so the page proves what counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from recare.base import audit, db
from recare.campaigns.stop import stop
from recare.consent import revoke
from recare.patients import changes, status, tasks
from recare.portal import touched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recare.consent.event import Channel, Method
    from recare.portal.page import Visitor

ACTOR: Final = "patient"
PAUSES: Final = (1, 3, 6, 12)  # months
WAYS: Final = ("sms", "email", "call", "letter")
TOPICS: Final = ("any", "cost", "fear", "time", "experience")
_KINDS: Final = {"sms": "phone", "call": "phone", "email": "email", "letter": "post"}


def prefer(v: Visitor, way: str) -> None:
    """Use this way first."""
    _set(v, "preferred_channel", way)
    _note(v, "prefers a way", way=way)


def speak(v: Visitor, language: str) -> None:
    """Write in this language from now on."""
    _set(v, "language", language)
    _note(v, "chose a language", language=language)


def pause(v: Visitor, months: int) -> None:
    """Leave the patient alone until a day some months from now."""
    _set(v, "paused_until", v.today + timedelta(days=round(months * 30.44)))
    _note(v, "asked for a pause", months=months)


def end_ways(v: Visitor, ways: Sequence[str]) -> None:
    """Use these ways no more. A number or address is ended for everybody it reaches."""
    there = touched.points(v)
    for way in ways:
        if way == "letter":
            db.run(
                "UPDATE patient SET banned_channels = array_append(banned_channels, 'letter') WHERE practice_id = %(practice)s "
                "AND id = %(patient)s AND NOT 'letter' = ANY(banned_channels)",
                practice=v.practice.id, patient=v.person.id,
            )  # fmt: skip
            changes.mark(v.practice.id, [v.person.id])
            continue
        ids = [point for point, kind in there.items() if kind == _KINDS[way]]
        _revoke(v, ids, way, "web", "preferences page")  # type: ignore[arg-type]
    _note(v, "ended ways of contact", ways=list(ways))


def end_email(v: Visitor, method: Method) -> datetime:
    """End all e-mail to the address a message went to (EML-02) and return since when it is ended; repeating it changes nothing."""
    contact = touched.behind(v)
    if contact is not None and contact.point_kind == "email" and contact.point_id is not None:
        ids = [contact.point_id]
    else:
        ids = [point for point, kind in touched.points(v).items() if kind == "email"]
    _revoke(v, ids, "email", method, "unsubscribe")
    since: datetime | None = db.value(
        "SELECT max(email_out_at) FROM contact_point WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])",
        practice=v.practice.id, ids=ids,
    )  # fmt: skip
    return since or v.now


def end_everything(v: Visitor) -> None:
    """No more contact to bring the patient back, by any way, until they themselves ask for it."""
    there = touched.points(v)
    if there:
        revoke.revoke_points(
            v.practice.id, there, revoke.EVERYTHING, "web", ACTOR, "preferences page", v.evidence, v.now
        )
    status.set_by_person(v.practice.id, v.person.id, "do_not_contact", ACTOR, v.now)
    stop(v.practice.id, [v.person.id], "opted_out", v.now)
    _note(v, "stopped everything")


def left(v: Visitor, why: str) -> None:
    """Note that the patient has moved away (``moved``) or sees another dentist (``new_dentist``)."""
    status.set_by_person(v.practice.id, v.person.id, "moved" if why == "moved" else "transferred", ACTOR, v.now)
    stop(v.practice.id, [v.person.id], why, v.now)
    _task(v, why, 6, once=f"{why}:{v.person.id}")
    _note(v, "left", why=why)


def wrong_person(v: Visitor) -> None:
    """Rest the number or address the link went to, for everybody; the link opens nothing more, as a stranger has it."""
    contact = touched.behind(v)
    if contact is not None and contact.point_id is not None:
        revoke.wrong_number(v.practice.id, contact.point_id, "web", ACTOR, v.evidence, v.now)
    _task(
        v, "wrong_number", 4, once=f"wrong_number:{v.evidence}", contact_point_id=contact.point_id if contact else None
    )
    _note(v, "wrong person")
    db.run(
        "UPDATE link SET revoked_at = %(now)s WHERE practice_id = %(practice)s AND revoked_at IS NULL AND (id = %(link)s OR touch_id IN ("
        "SELECT id FROM touch WHERE practice_id = %(practice)s AND patient_id = %(patient)s AND contact_point_id = %(point)s)) "
        "AND purpose <> 'unsubscribe'",
        practice=v.practice.id, now=v.now, link=v.link.id, patient=v.link.patient_id, point=contact.point_id if contact else None,
    )  # fmt: skip


def call_me(v: Visitor, topic: str) -> None:
    """Ask a person to call, and stop the automation meanwhile. A bad experience goes to the owner and rests the household (D28)."""
    if topic == "experience":
        db.run(
            "UPDATE patient SET hold = 'complaint', hold_since = %(now)s WHERE practice_id = %(practice)s AND id = %(patient)s "
            "AND hold = ''",
            practice=v.practice.id, patient=v.person.id, now=v.now,
        )  # fmt: skip
        stop(v.practice.id, [v.person.id], "complaint", v.now, household=True)
        changes.mark(v.practice.id, [v.person.id])
    else:
        stop(v.practice.id, [v.person.id], "replied", v.now)
    kind, urgency = ("angry", 1) if topic == "experience" else ("call_me", 3)
    _task(v, kind, urgency, once=f"{kind}:{v.evidence}:{v.today}", detail={"about": topic})
    _note(v, "asked for a call", about=topic)


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts now, read from the rows that the gates read. A way is off since the first moment none of its addresses is left."""

    preferred: str
    language: str
    paused_until: date | None
    standing: str
    letters_off: bool
    sms_off: datetime | None
    email_off: datetime | None
    call_off: datetime | None

    @property
    def off(self) -> dict[str, datetime]:
        """The ways that are off, with since when."""
        ways = {"sms": self.sms_off, "email": self.email_off, "call": self.call_off}
        return {way: since for way, since in ways.items() if since is not None}


def standing(v: Visitor) -> Standing:
    """Return what counts now."""
    found = db.one(
        Standing,
        "SELECT p.preferred_channel AS preferred, p.language, CASE WHEN p.paused_until > %(today)s THEN p.paused_until END AS paused_until, "
        "p.standing, 'letter' = ANY(p.banned_channels) AS letters_off, o.sms_off, o.email_off, o.call_off FROM patient p "
        "CROSS JOIN (SELECT "
        "CASE WHEN bool_and(sms_out_at IS NOT NULL) FILTER (WHERE kind = 'phone') THEN max(sms_out_at) FILTER (WHERE kind = 'phone') END AS sms_off, "
        "CASE WHEN bool_and(email_out_at IS NOT NULL) FILTER (WHERE kind = 'email') THEN max(email_out_at) FILTER (WHERE kind = 'email') END AS email_off, "
        "CASE WHEN bool_and(call_out_at IS NOT NULL) FILTER (WHERE kind = 'phone') THEN max(call_out_at) FILTER (WHERE kind = 'phone') END AS call_off "
        "FROM contact_point WHERE practice_id = %(practice)s AND id = ANY(%(points)s::bigint[])) o "
        "WHERE p.practice_id = %(practice)s AND p.id = %(patient)s",
        practice=v.practice.id, patient=v.person.id, today=v.today, points=list(touched.points(v)),
    )  # fmt: skip
    if found is None:
        raise LookupError("The patient of a link is gone.")
    return found


def _revoke(v: Visitor, ids: Sequence[int], channel: Channel, method: Method, reason: str) -> None:
    """Revoke where it is not revoked yet, so that a mail program's second click adds nothing to the ledger."""
    column = {"sms": "sms_out_at", "email": "email_out_at", "call": "call_out_at"}[channel]
    still = db.values(
        f"SELECT id FROM contact_point WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[]) AND {column} IS NULL ORDER BY id",
        practice=v.practice.id, ids=list(ids),
    )  # fmt: skip
    if still:
        revoke.revoke_points(v.practice.id, still, (channel,), method, ACTOR, reason, v.evidence, v.now)


def _set(v: Visitor, column: str, wanted: object) -> None:
    changed = db.run(
        f"UPDATE patient SET {column} = %(wanted)s, own_choices = array_append(array_remove(own_choices, '{column}'), '{column}') "
        f"WHERE practice_id = %(practice)s AND id = %(patient)s AND ({column} IS DISTINCT FROM %(wanted)s OR '{column}' <> ALL(own_choices))",
        practice=v.practice.id, patient=v.person.id, wanted=wanted,
    )  # fmt: skip
    if changed:
        changes.mark(v.practice.id, [v.person.id])


def _task(v: Visitor, kind: str, urgency: int, once: str, **more: object) -> None:
    tasks.open_task(v.practice.id, kind, urgency, v.now, once_key=once, patient_id=v.person.id, **more)


def _note(v: Visitor, verb: str, **detail: object) -> None:
    audit.record(v.practice.id, ACTOR, verb, f"patient:{v.person.id}", v.now, {"link": v.link.id} | detail)
