"""What a person of the practice decides about a patient: where they stand, a pause, a hold, no calls. Each is on the audit trail.

Every verb runs in the caller's scope and marks the patient, so that facts follow. Stopping campaigns is the caller's next step
(``campaigns.stop``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from recare.base import audit, db
from recare.patients import changes, status

if TYPE_CHECKING:
    from datetime import date, datetime

WORDS: Final = {
    "": "an ordinary patient", "lapsed": "lapsed", "moved": "moved away", "transferred": "at another dentist", "deceased": "deceased",
    "do_not_contact": "wants no contact", "disputed": "in a dispute", "bad_debt": "in collections",
    "scheduling_restricted": "not booked by the practice",
}  # fmt: skip
"""What a person may say; dismissal has a verb of its own, because it needs its letter."""


@dataclass(frozen=True, slots=True)
class Notice:
    """The written notice of a dismissal (PAT-02). ``letter_ref`` says where the letter and its certificate of mailing are."""

    notice_on: date
    ends_on: date
    letter_ref: str


class NeedsSeniorError(ValueError):
    """Only the owner or a clinician may decide this."""


def set_standing(  # noqa: PLR0913 (who, whom, what, why, when)
    practice_id: int, patient_id: int, word: str, actor: str, why: str, now: datetime, *, senior: bool = False
) -> None:
    """Record where a patient stands by a person's word; imports keep it.

    Takes a dismissal or a death back only with ``senior`` and a reason. Raises LookupError without such a patient, ValueError for a word
    that is none, NeedsSeniorError.
    """
    if word not in WORDS:
        raise ValueError(f"A patient is not '{word}'; choose one of {', '.join(filter(None, WORDS))}.")
    before = _standing(practice_id, patient_id)
    if before in status.FOR_GOOD and word != before:
        if not senior:
            raise NeedsSeniorError("Only the owner or a clinician takes back a dismissal or a death.")
        if not why:
            raise ValueError("Say why: taking back a dismissal or a death needs a reason.")
    status.set_by_person(practice_id, patient_id, word, actor, now, decided=True)
    db.run(
        "UPDATE patient SET dismissed_on = NULL, deceased_on = CASE WHEN %(word)s = 'deceased' THEN deceased_on END "
        "WHERE practice_id = %(practice)s AND id = %(patient)s AND (dismissed_on IS NOT NULL OR deceased_on IS NOT NULL)",
        practice=practice_id, patient=patient_id, word=word,
    )  # fmt: skip
    db.run(
        "UPDATE dismissal SET lifted_at = %(now)s, lifted_by = %(actor)s, lifted_why = %(why)s "
        "WHERE practice_id = %(practice)s AND patient_id = %(patient)s AND lifted_at IS NULL",
        practice=practice_id, patient=patient_id, actor=actor, why=why, now=now,
    )  # fmt: skip
    _note(practice_id, patient_id, actor, "set where a patient stands", now, was=before, now_is=word, why=why)


def dismiss(practice_id: int, patient_id: int, notice: Notice, actor: str, now: datetime) -> None:
    """Enter a dismissal into the register; nothing automatic goes to the patient from now on, not even a goodbye.

    Raises LookupError without such a patient, ValueError when the notice is incomplete or the patient is dismissed already.
    """
    before = _standing(practice_id, patient_id)
    if before == "dismissed":
        raise ValueError("This patient is dismissed already.")
    if not notice.letter_ref.strip():
        raise ValueError("Say where the letter is kept: a dismissal without written notice is abandonment.")
    if notice.ends_on < notice.notice_on:
        raise ValueError("The dismissal cannot end before its notice.")
    db.run(
        "INSERT INTO dismissal (practice_id, patient_id, notice_on, ends_on, letter_ref, recorded_by, recorded_at) "
        "VALUES (%(practice)s, %(patient)s, %(notice)s, %(ends)s, %(ref)s, %(actor)s, %(now)s)",
        practice=practice_id, patient=patient_id, notice=notice.notice_on, ends=notice.ends_on, ref=notice.letter_ref.strip(), actor=actor,
        now=now,
    )  # fmt: skip
    status.set_by_person(practice_id, patient_id, "dismissed", actor, now, decided=True)
    db.run(
        "UPDATE patient SET dismissed_on = %(notice)s WHERE practice_id = %(practice)s AND id = %(patient)s",
        practice=practice_id, patient=patient_id, notice=notice.notice_on,
    )  # fmt: skip
    _note(
        practice_id, patient_id, actor, "dismissed a patient", now, was=before, notice_on=notice.notice_on.isoformat(),
        ends_on=notice.ends_on.isoformat(), letter=notice.letter_ref.strip(),
    )  # fmt: skip


def pause(practice_id: int, patient_id: int, until: date | None, actor: str, now: datetime) -> bool:
    """Leave a patient alone until a day, or (None) no longer; return False when that was so already."""
    changed = db.run(
        "UPDATE patient SET paused_until = %(until)s WHERE practice_id = %(practice)s AND id = %(patient)s "
        "AND paused_until IS DISTINCT FROM %(until)s",
        practice=practice_id, patient=patient_id, until=until,
    )  # fmt: skip
    verb, detail = ("paused a patient", {"until": until.isoformat()}) if until else ("ended a pause", {})
    return _changed(changed, practice_id, patient_id, actor, verb, now, **detail)


def hold(practice_id: int, patient_id: int, why: str, actor: str, now: datetime) -> bool:
    """Rest everything automatic for a patient and the household because of a complaint (D28); return False when a hold is on already."""
    changed = db.run(
        "UPDATE patient SET hold = 'complaint', hold_since = %(now)s WHERE practice_id = %(practice)s AND id = %(patient)s "
        "AND hold IN ('', 'read_note')",
        practice=practice_id, patient=patient_id, now=now,
    )  # fmt: skip
    return _changed(changed, practice_id, patient_id, actor, "noted a complaint", now, why=why)


def end_hold(practice_id: int, patient_id: int, why: str, actor: str, now: datetime) -> bool:
    """End a patient's hold; return False when there was none. Raises ValueError without a reason."""
    if not why:
        raise ValueError("Say how it was settled: a hold ends with a reason.")
    changed = db.run(
        "UPDATE patient SET hold = '', hold_since = NULL WHERE practice_id = %(practice)s AND id = %(patient)s AND hold <> ''",
        practice=practice_id, patient=patient_id,
    )  # fmt: skip
    return _changed(changed, practice_id, patient_id, actor, "ended a hold", now, why=why)


def ban(practice_id: int, patient_id: int, channel: str, actor: str, now: datetime) -> bool:
    """Never use a way of contact for this patient again, whatever number comes in later; return False when it is banned already."""
    changed = db.run(
        "UPDATE patient SET banned_channels = array_append(banned_channels, %(channel)s) WHERE practice_id = %(practice)s "
        "AND id = %(patient)s AND NOT %(channel)s = ANY(banned_channels)",
        practice=practice_id, patient=patient_id, channel=channel,
    )  # fmt: skip
    return _changed(changed, practice_id, patient_id, actor, "banned a way of contact", now, channel=channel)


def unban(practice_id: int, patient_id: int, channel: str, why: str, actor: str, now: datetime) -> bool:
    """Allow a way of contact again; what the consent ledger says of each number still holds. Raises ValueError without a reason."""
    if not why:
        raise ValueError("Say why: who asked for it, and when.")
    changed = db.run(
        "UPDATE patient SET banned_channels = array_remove(banned_channels, %(channel)s) WHERE practice_id = %(practice)s "
        "AND id = %(patient)s AND %(channel)s = ANY(banned_channels)",
        practice=practice_id, patient=patient_id, channel=channel,
    )  # fmt: skip
    return _changed(changed, practice_id, patient_id, actor, "allowed a way of contact", now, channel=channel, why=why)


def _standing(practice_id: int, patient_id: int) -> str:
    found = db.tuples(
        "SELECT CASE WHEN dismissed_on IS NOT NULL THEN 'dismissed' WHEN deceased_on IS NOT NULL THEN 'deceased' ELSE standing END "
        "FROM patient WHERE practice_id = %(practice)s AND id = %(patient)s FOR UPDATE",
        practice=practice_id, patient=patient_id,
    )  # fmt: skip
    if not found:
        raise LookupError("There is no such patient.")
    return str(found[0][0])


def _changed(
    count: int, practice_id: int, patient_id: int, actor: str, verb: str, now: datetime, **detail: str
) -> bool:
    if count:
        changes.mark(practice_id, [patient_id])
        _note(practice_id, patient_id, actor, verb, now, **detail)
    return bool(count)


def _note(practice_id: int, patient_id: int, actor: str, verb: str, now: datetime, **detail: str) -> None:
    audit.record(practice_id, actor, verb, f"patient:{patient_id}", now, {k: v for k, v in detail.items() if v})
