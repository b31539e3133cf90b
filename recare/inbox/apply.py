"""Act on what came in: stop what must stop, suppress what must rest, give the rest to a person. One transaction for each event.

Nothing here sends anything but the confirmation of a STOP and the answer to HELP. The hold of the address ends only by a person or by the
narrow allow-list: the exact answer to a question we asked, START, a confirmed opt-in.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

import structlog

from recare.base import db
from recare.campaigns import stop
from recare.channels.email import quotes
from recare.consent import deadline, grant, revoke
from recare.inbox import answer, intent, release, situation
from recare.messages import opt_in
from recare.patients import changes, status
from recare.patients.tasks import close_task, open_task
from recare.practices import practice as practices

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from recare.consent.event import Channel, Method
    from recare.inbox.intent import Reading
    from recare.inbox.situation import Situation

log = structlog.get_logger()
_METHODS: Final[dict[str, Method]] = {
    "sms": "sms_keyword", "email": "email_reply", "voicemail": "voicemail", "one_click": "one_click", "preferences": "portal",
    "front_desk": "front_desk",
}  # fmt: skip
_MAIL: Final = frozenset({"email", "one_click"})


def apply_batch(practice_id: int, now: datetime, limit: int = 200) -> int:
    """Understand and act on waiting events, oldest first; return how many were done. Several workers may run it.

    An event that makes us stumble goes to a person with its hold, and the next one is read.
    """
    with db.scope(practice_id):
        waiting = db.values(
            "SELECT id FROM inbound_event WHERE practice_id = %(practice)s AND applied_at IS NULL ORDER BY id LIMIT %(limit)s",
            practice=practice_id, limit=limit,
        )  # fmt: skip
    return sum(_one(practice_id, event_id, now) for event_id in waiting)


def _one(practice_id: int, event_id: int, now: datetime) -> bool:
    try:
        with db.scope(practice_id):
            return apply_event(practice_id, event_id, now) is not None
    except Exception as error:  # noqa: BLE001  # one event that breaks the rules must not hold up everybody's STOP behind it
        log.warning("inbound event set aside", inbound_event=event_id, error=type(error).__name__)
    with db.scope(practice_id):
        found = situation.claim(practice_id, event_id)
        if found is None:
            return False
        task = _task(practice_id, found, "reply", 2, now, why="not understood")
        _done(practice_id, found, "unclear", task, now)
    return True


def apply_event(practice_id: int, event_id: int, now: datetime) -> Reading | None:
    """Act on one event inside the caller's scope; return how it was read, None when it is done or another worker has it."""
    found = situation.claim(practice_id, event_id)
    if found is None:
        return None
    words = quotes.own_words(found.body) if found.channel == "email" else found.body
    reading = intent.read(words, found.question)
    if found.automatic:
        _automatic(practice_id, found, reading, now)
        return reading
    if found.channel == "one_click":
        reading = intent.Reading("stop", "stop", "one-click", "")
    task = None
    if reading.stop == "stop":
        _stop(practice_id, found, reading, now)
    elif reading.stop == "maybe" and reading.name not in {"wrong_number", "deceased"}:
        task = _maybe(practice_id, found, reading, now)
    if reading.stop == "none" or reading.name in intent.BESIDE_A_STOP:
        task = _ACTIONS[reading.name](practice_id, found, reading, now) or task
    name = "maybe_optout" if reading.stop == "maybe" and reading.name not in intent.GRAVE else reading.name
    _done(practice_id, found, name, task, now)
    return reading


def _automatic(practice_id: int, found: Situation, reading: Reading, now: datetime) -> None:
    """Nobody's words (RFC 3834): they end nothing but for a death (PAT-03). What sounds like a stop is a doubt; the rest waits for an idle moment."""
    if reading.name == "deceased":
        name, task = "deceased", _deceased(practice_id, found, reading, now)
    elif reading.stop != "none":
        name, task = "maybe_optout", _maybe(practice_id, found, reading, now)
    else:
        name, task = "automatic", _task(practice_id, found, "auto_reply", 8, now)
    _done(practice_id, found, name, task, now)


def _done(practice_id: int, found: Situation, name: str, task: int | None, now: datetime) -> None:
    db.run(
        "INSERT INTO reply (practice_id, inbound_event_id, patient_id, message_id, intent, detector, held, task_id, at) "
        "SELECT %(practice)s, %(event)s, %(patient)s, %(message)s, %(intent)s, %(detector)s, p.held_at IS NOT NULL, %(task)s, %(at)s "
        "FROM contact_point p WHERE p.practice_id = %(practice)s AND p.id = %(point)s ON CONFLICT DO NOTHING",
        practice=practice_id, event=found.id, patient=found.patients[0] if found.patients else None, message=found.message_id,
        intent=name, detector=intent.DETECTOR, task=task, at=found.received_at, point=found.contact_point_id,
    )  # fmt: skip
    db.run(
        "UPDATE inbound_event SET applied_at = %(now)s WHERE practice_id = %(practice)s AND id = %(event)s",
        practice=practice_id, event=found.id, now=now,
    )  # fmt: skip
    changes.mark(practice_id, found.patients)


def _task(practice_id: int, found: Situation, kind: str, urgency: int, now: datetime, **more: Any) -> int | None:
    """Open a task about this event, for the patient if it can be only one. The words stay with the event."""
    due_at = more.pop("due_at", None)
    return open_task(
        practice_id, kind, urgency, now, once_key=f"{kind}:inbound:{found.id}", patient_id=found.patients[0] if found.certain else None,
        contact_point_id=found.contact_point_id, subject_table="inbound_event", subject_id=found.id, due_at=due_at,
        detail=more | {"patients": list(found.patients)},
    )  # fmt: skip


def _method(found: Situation) -> Method:
    return _METHODS[found.channel]


def _stop(practice_id: int, found: Situation, reading: Reading, now: datetime) -> None:
    """OPT-01, OPT-02: a text or call ends texts and calls to the number, an e-mail ends e-mail, "stop contacting me" ends everything."""
    channels: tuple[Channel, ...] = ("email",) if found.channel in _MAIL else revoke.NUMBER
    spots = [found.contact_point_id]
    if reading.everything:
        channels = revoke.EVERYTHING
        spots += db.values(
            "SELECT contact_point_id FROM patient_contact WHERE practice_id = %(practice)s AND patient_id = ANY(%(ids)s::bigint[]) "
            "AND ended_at IS NULL",
            practice=practice_id, ids=list(found.patients),
        )  # fmt: skip
    revoke.revoke_points(
        practice_id, spots, channels, _method(found), "patient", "", found.evidence, now, effective_at=found.received_at
    )
    if reading.everything:  # letters have no contact point of their own to rest
        db.run(
            "UPDATE patient SET do_not_contact = true WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[]) "
            "AND NOT do_not_contact",
            practice=practice_id, ids=list(found.patients),
        )  # fmt: skip
    stop.stop(practice_id, found.patients, "opted_out", now)
    if reading.name not in intent.GRAVE:
        answer.confirm_opt_out(practice_id, found, reading.language, now)
    if found.channel == "email" and not found.patients:  # people have several addresses, and we write to another one
        _task(practice_id, found, "reply", 6, now, why="a stop from an address in no chart")
    if "cancel" in reading.why:  # perhaps a visit was meant as well; a machine cancels none
        _task(practice_id, found, "reply", 3, now, why="cancel")


def _maybe(practice_id: int, found: Situation, reading: Reading, now: datetime) -> int | None:
    """OPT-01: doubt holds the address; a person has one business day, then it is an opt-out."""
    practice = practices.get(practice_id)
    until = deadline.next_business_moment(found.received_at, practice.zone, practice.country).astimezone(UTC)
    return _task(practice_id, found, "maybe_optout", 2, now, due_at=until, language=reading.language)


def _start(practice_id: int, found: Situation, _reading: Reading, now: datetime) -> int | None:
    """OPT-05, NUM-01: a fresh opt-in by keyword; a number that was somebody else's stays so until a person looks."""
    grant.start(practice_id, found.contact_point_id, found.evidence, now)
    pending = grant.pending(practice_id, found.contact_point_id, "sms", now) if found.channel == "sms" else None
    if (
        pending is not None
    ):  # the practice's form says: text START to confirm; the box and its words are the better evidence
        grant.confirm(practice_id, pending, found.evidence, now)
    if found.was_wrong:
        return _task(practice_id, found, "wrong_number", 5, now, why="START after a wrong number")
    release.by_exact_answer(practice_id, found.contact_point_id, found.id, "START", now)
    return None


def _yes(practice_id: int, found: Situation, reading: Reading, now: datetime) -> int | None:
    """OPT-05: YES confirms a pending opt-in, or answers what we asked. After a STOP it subscribes nobody; a person reads it."""
    pending = grant.pending(practice_id, found.contact_point_id, "sms", now) if found.channel == "sms" else None
    if pending is not None and reading.exact and found.question in {"opt_in", opt_in.QUESTION}:
        grant.confirm(practice_id, pending, found.evidence, now)
        release.by_exact_answer(practice_id, found.contact_point_id, found.id, "opt-in confirmed", now)
        return None
    if found.was_out:
        return _task(practice_id, found, "reply", 3, now, why="a yes after a stop")
    stop.stop(practice_id, found.patients, "replied", now)
    if reading.exact:
        release.by_exact_answer(practice_id, found.contact_point_id, found.id, f"exact answer to {found.question}", now)
    return _task(practice_id, found, "booking_request", 3, now, language=reading.language)


def _help(practice_id: int, found: Situation, reading: Reading, now: datetime) -> int | None:
    answer.help_reply(practice_id, found, reading.language, now)
    return _task(practice_id, found, "reply", 6, now, language=reading.language)


def _wrong_number(practice_id: int, found: Situation, _reading: Reading, now: datetime) -> int | None:
    """NUM-01: the number rests for everybody who holds it; staff look for the right one."""
    if found.channel in _MAIL:
        revoke.revoke(
            practice_id, found.contact_point_id, ("email",), "email_reply", "patient", "not theirs", found.evidence, now
        )
    else:
        revoke.wrong_number(practice_id, found.contact_point_id, _method(found), "patient", found.evidence, now)
    return _task(practice_id, found, "wrong_number", 5, now)


def _deceased(practice_id: int, found: Situation, _reading: Reading, now: datetime) -> int | None:
    """PAT-03: stop on the first signal. Whose death it is can be certain only when the message was about one patient."""
    _leaves(practice_id, found, "deceased", "deceased", now)
    return _task(practice_id, found, "deceased", 2, now)


def _other_dentist(practice_id: int, found: Situation, _reading: Reading, now: datetime) -> int | None:
    _leaves(practice_id, found, "transferred", "new_dentist", now)
    return _task(practice_id, found, "records", 6, now)


def _moved(practice_id: int, found: Situation, _reading: Reading, now: datetime) -> int | None:
    _leaves(practice_id, found, "moved", "moved", now)
    return _task(practice_id, found, "contact_update", 6, now, why="moved")


def _leaves(practice_id: int, found: Situation, standing: str, reason: str, now: datetime) -> None:
    """Note where the patient now stands; when it may be one of several, all of them rest until a person has read it."""
    if found.certain:
        status.set_by_person(practice_id, found.patients[0], standing, found.evidence, now)
    else:
        _set_hold(practice_id, found, "read_note", now)
    stop.stop(practice_id, found.patients, reason, now)


def _set_hold(practice_id: int, found: Situation, kind: str, now: datetime) -> None:
    db.run(
        "UPDATE patient SET hold = %(kind)s, hold_since = %(now)s WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[]) "
        "AND hold IN ('', 'read_note') AND hold <> %(kind)s",
        practice=practice_id, ids=list(found.patients), kind=kind, now=now,
    )  # fmt: skip


def _angry(practice_id: int, found: Situation, _reading: Reading, now: datetime) -> int | None:
    """D28: a grievance freezes automation for the person and the household until the owner has closed it; nobody answers by machine."""
    _set_hold(practice_id, found, "angry", now)
    stop.stop(practice_id, found.patients, "complaint", now, household=True)
    return _task(practice_id, found, "angry", 1, now, for_role="owner")


def _not_now(practice_id: int, found: Situation, _reading: Reading, now: datetime) -> int | None:
    """Ends this campaign, not the consent (science 6.4)."""
    stop.stop(practice_id, found.patients, "not_interested", now)
    return _task(practice_id, found, "reply", 7, now, why="not now")


def _person(kind: str, urgency: int) -> Callable[[int, Situation, Reading, datetime], int | None]:
    """A person answers; the campaign lets go if its playbook says so."""

    def act(practice_id: int, found: Situation, reading: Reading, now: datetime) -> int | None:
        stop.stop(practice_id, found.patients, "replied", now)
        return _task(practice_id, found, kind, urgency, now, language=reading.language)

    return act


def _unclear(practice_id: int, found: Situation, reading: Reading, now: datetime) -> int | None:
    return _task(practice_id, found, "reply", 6, now, language=reading.language)


_ACTIONS: Final[dict[str, Callable[[int, Situation, Reading, datetime], int | None]]] = {
    "yes": _yes, "wrong_number": _wrong_number, "question": _person("reply", 4), "not_now": _not_now, "call_me": _person("call_me", 3),
    "other_dentist": _other_dentist, "moved": _moved, "angry": _angry, "deceased": _deceased, "help": _help, "start": _start,
    "unclear": _unclear,
}  # fmt: skip


def expire_reviews_batch(practice_id: int, now: datetime, limit: int = 500) -> int:
    """Turn every doubt that nobody has read within a business day into an opt-out (OPT-01); return how many."""
    with db.scope(practice_id):
        late = db.tuples(
            "SELECT t.id, t.contact_point_id, t.detail, i.id, i.channel, i.received_at FROM task t JOIN inbound_event i "
            "ON i.practice_id = t.practice_id AND i.id = t.subject_id WHERE t.practice_id = %(practice)s AND t.kind = 'maybe_optout' "
            "AND t.done_at IS NULL AND t.due_at <= %(now)s ORDER BY t.id LIMIT %(limit)s FOR UPDATE OF t SKIP LOCKED",
            practice=practice_id, now=now, limit=limit,
        )  # fmt: skip
        for task, point, detail, *event in late:
            release.opt_out(practice_id, point, tuple(event), "rules", "unread for one business day", now)
            stop.stop(practice_id, detail.get("patients", ()), "opted_out", now)
            close_task(practice_id, task, "rules", "opted out", now)
    return len(late)
