"""What a person decides about something that came in, besides "a stop" and "go on" (see ``release``). Inside the caller's scope."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.campaigns import stop
from recare.compliance.lint import lint
from recare.consent import hold, revoke
from recare.inbox import threads
from recare.messages import answers, templates
from recare.messages.answers import Answer
from recare.patients.tasks import close_task, open_task

if TYPE_CHECKING:
    from recare.compliance.finding import Finding
    from recare.inbox.threads import Holder
    from recare.practices.practice import Practice

_MAIL: Final = frozenset({"email", "one_click"})


@dataclass(frozen=True, slots=True)
class _Open:
    """A task about an inbound event, locked."""

    point_id: int
    event_id: int
    channel: str
    patient_id: int | None
    detail: dict[str, Any]

    @property
    def patients(self) -> list[int]:
        return [int(one) for one in self.detail.get("patients", ())]


def _locked(practice_id: int, task_id: int) -> _Open | None:
    return db.one(
        _Open,
        "SELECT t.contact_point_id AS point_id, i.id AS event_id, i.channel, t.patient_id, t.detail FROM task t JOIN inbound_event i "
        "ON i.practice_id = t.practice_id AND i.id = t.subject_id WHERE t.practice_id = %(practice)s AND t.id = %(task)s "
        "AND t.subject_table = 'inbound_event' AND t.done_at IS NULL FOR UPDATE OF t",
        practice=practice_id, task=task_id,
    )  # fmt: skip


def wrong_number(practice_id: int, task_id: int, actor: str, now: datetime) -> bool:
    """The words came from somebody else: the number rests for everybody who holds it, and staff look for the right one (NUM-01).

    Returns False when the task is closed already.
    """
    found = _locked(practice_id, task_id)
    if found is None:
        return False
    close_task(practice_id, task_id, actor, "wrong number", now)
    evidence = f"inbound:{found.event_id}"
    if found.channel in _MAIL:
        revoke.revoke(practice_id, found.point_id, ("email",), "front_desk", actor, "not theirs", evidence, now)
    else:
        revoke.wrong_number(practice_id, found.point_id, "front_desk", actor, evidence, now)
    open_task(
        practice_id, "contact_update", 6, now, once_key=f"contact_update:inbound:{found.event_id}", patient_id=found.patient_id,
        contact_point_id=found.point_id, subject_table="contact_point", subject_id=found.point_id, detail={"why": "wrong number"},
    )  # fmt: skip
    return True


def hand_to_owner(practice_id: int, task_id: int, actor: str, now: datetime) -> bool:
    """Somebody is unhappy, a person has read: automation rests for the household until the owner has rung (D28). False when closed."""
    found = _locked(practice_id, task_id)
    if found is None:
        return False
    close_task(practice_id, task_id, actor, "handed to the owner", now)
    db.run(
        "UPDATE patient SET hold = 'angry', hold_since = %(now)s WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[]) "
        "AND hold IN ('', 'read_note')",
        practice=practice_id, ids=found.patients, now=now,
    )  # fmt: skip
    stop.stop(practice_id, found.patients, "complaint", now, household=True)
    open_task(
        practice_id, "angry", 1, now, once_key=f"angry:inbound:{found.event_id}", patient_id=found.patient_id,
        contact_point_id=found.point_id, subject_table="inbound_event", subject_id=found.event_id,
        detail={"for_role": "owner", "by": actor, "patients": found.patients},
    )  # fmt: skip
    return True


def release(practice_id: int, point_id: int, actor: str, why: str, now: datetime) -> bool:
    """End a hold about which nothing waits any more; False while something does, or when there is none."""
    if threads.tasks(practice_id, point_id) or db.value(
        "SELECT EXISTS (SELECT FROM inbound_event WHERE practice_id = %(practice)s AND contact_point_id = %(point)s AND applied_at IS NULL)",
        practice=practice_id, point=point_id,
    ):  # fmt: skip
        return False
    return hold.release(practice_id, point_id, actor, why, now)


def words_for(practice: Practice, channel: str, text: str) -> str:
    """A text names its sender first: put the practice's name before it when the writer has not."""
    named = channel != "sms" or practice.name.casefold() in text[:40].casefold()
    return text if named else f"{practice.name}: {text}"


def objections(practice: Practice, channel: str, text: str, about: list[Holder]) -> list[Finding]:
    """Return what forbids these words on an open channel: health details, another's name, a missing sender (COM-4)."""
    private = tuple(holder.name.rpartition(" ")[2] for holder in about)
    language = about[0].language if about else "en"
    context = templates.lint_context(practice, channel, "S", language, subject="", private_words=private)
    return [found for found in lint(text, context) if found.severity == "E"]


def reply(practice_id: int, point_id: int, patient_id: int, text: str, now: datetime) -> int | None:
    """Queue an answer to the newest thing written here; None when it is too late to answer, or answered. The gates decide when it leaves."""
    found = threads.answerable(practice_id, point_id, now - answers.ANSWER_WITHIN)
    if found is None:
        return None
    subject = f"Re: {found['subject'].removeprefix('Re: ')}" if found["subject"] else "Re: your message"
    return answers.queue(
        practice_id,
        Answer(
            found["event_id"], found["received_at"], found["channel"], point_id, patient_id, text,
            subject=subject if found["channel"] == "email" else "",
        ),
        now,
    )  # fmt: skip
