"""How a call ended, and what follows from it at once: for consent, the number, the campaign and the people of the practice (VOX-02, DNC-04)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from recare.base import db
from recare.calls.worklist import TAKEN_FOR, CallNotFree
from recare.campaigns import stop
from recare.compliance.lint_script import BARRIERS
from recare.consent import ledger, points, revoke
from recare.patients import changes, status
from recare.patients.tasks import open_task

if TYPE_CHECKING:
    from collections.abc import Callable

Outcome = Literal[
    "booked", "left_message", "no_answer", "call_later", "wrong_number", "do_not_call", "angry", "not_interested", "moved", "new_dentist",
    "deceased", "withdrawn",
]  # fmt: skip
OUTCOMES: Final[tuple[Outcome, ...]] = (
    "booked", "left_message", "no_answer", "call_later", "wrong_number", "do_not_call", "angry", "not_interested", "moved", "new_dentist",
    "deceased", "withdrawn",
)  # fmt: skip
MOST_ATTEMPTS: Final = 3
"""Two more tries nearly double whom one reaches, a fourth adds little (J Emerg Med 2000;18:409)."""
BETWEEN: Final = timedelta(days=1)
_AGAIN: Final = frozenset({"left_message", "no_answer", "call_later"})
_REVOKES: Final = frozenset({"wrong_number", "do_not_call"})
_SPOKE: Final = frozenset({"booked", "call_later", "not_interested", "moved", "new_dentist", "angry", "do_not_call"})
"""The person was reached, so the number is theirs today (RND-01)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What the caller notes. ``barrier`` is what keeps the person away: cost, fear, time, moved, experience, forgot."""

    outcome: Outcome
    barrier: str = ""
    note: str = ""
    call_again_at: datetime | None = None
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class _Call:
    """Whom a call went to; ``id`` None for one outside the worklist. ``family`` are those it stood for besides the patient."""

    id: int | None
    patient_id: int
    contact_point_id: int
    attempts: int
    not_after: datetime | None
    family: list[int]
    taken_by: str = ""
    taken_at: datetime | None = None


def record(  # noqa: PLR0913 (what a caller writes down)
    practice_id: int, call_id: int, outcome: Outcome, staff: str, now: datetime, *, barrier: str = "", note: str = "",
    call_again_at: datetime | None = None, seconds: int = 0,
) -> int:  # fmt: skip
    """Note how a call of the worklist ended and do what follows, inside the caller's scope; return the outcome's id.

    No answer and a message left bring the call back on another day, three attempts in all. Raises LookupError when the call is not open,
    CallNotFree when a colleague has it on the screen, ValueError for an outcome or barrier that does not exist, or a call later without a time.
    """
    ended = _checked(Ended(outcome, barrier, note, call_again_at, seconds), now)
    found = _locked(practice_id, call_id, outcome)
    if found is None:
        raise LookupError("This call is no longer open; somebody has recorded how it ended.")
    if found.taken_by not in {"", staff} and found.taken_at is not None and found.taken_at > now - TAKEN_FOR:
        raise CallNotFree(f"{found.taken_by} has this call on the screen.")
    outcome_id = _apply(practice_id, found, ended, staff, now)
    _close(practice_id, found, ended, now)
    return outcome_id


def _locked(practice_id: int, call_id: int, outcome: str) -> _Call | None:
    """Lock what this outcome touches in the order that everybody keeps: consent chain, number, call."""
    point = db.value(
        "SELECT contact_point_id FROM call WHERE practice_id = %(practice)s AND id = %(call)s", practice=practice_id, call=call_id
    )  # fmt: skip
    if point is None:
        return None
    if outcome in _REVOKES:
        ledger.lock_chain(practice_id)
    points.lock_points(practice_id, [point])
    return db.one(_Call, _CALL, practice=practice_id, call=call_id)


_CALL: Final = """
SELECT c.id, c.patient_id, c.contact_point_id, c.attempts, c.not_after, c.taken_by, c.taken_at,
       ARRAY(SELECT e.patient_id FROM enrolment e WHERE e.practice_id = t.practice_id AND e.id = ANY(t.shared_with) ORDER BY 1) AS family
FROM call c JOIN touch t ON t.practice_id = c.practice_id AND t.id = c.touch_id
WHERE c.practice_id = %(practice)s AND c.id = %(call)s AND c.state = 'open' FOR UPDATE OF c
"""


def log(practice_id: int, patient_id: int, point_id: int, ended: Ended, staff: str, now: datetime) -> int:
    """Note a call made outside the worklist. It counts towards what a number may get, and has the same consequences (FRQ-01)."""
    call = _Call(None, patient_id, point_id, 0, None, [])
    return _apply(practice_id, call, _checked(ended, now), staff, now)


def _checked(ended: Ended, now: datetime) -> Ended:
    if ended.outcome not in OUTCOMES:
        raise ValueError(f"A call does not end with '{ended.outcome}'; it ends with one of {', '.join(OUTCOMES)}.")
    if ended.barrier not in BARRIERS:
        raise ValueError(f"'{ended.barrier}' is no barrier; it is one of {', '.join(sorted(BARRIERS - {''}))}.")
    if ended.outcome == "call_later" and (ended.call_again_at is None or ended.call_again_at <= now):
        raise ValueError("Say when to call again: a time after now.")
    return ended


def _apply(practice_id: int, call: _Call, ended: Ended, staff: str, now: datetime) -> int:
    outcome_id = int(
        db.value(
            "INSERT INTO call_outcome (practice_id, call_id, patient_id, contact_point_id, outcome, barrier, note, call_again_at, staff, "
            "seconds, at) VALUES (%(practice)s, %(call)s, %(patient)s, %(point)s, %(outcome)s, %(barrier)s, %(note)s, %(again)s, %(staff)s, "
            "%(seconds)s, %(now)s) RETURNING id",
            practice=practice_id, call=call.id, patient=call.patient_id, point=call.contact_point_id, outcome=ended.outcome,
            barrier=ended.barrier, note=ended.note, again=ended.call_again_at, staff=staff, seconds=ended.seconds, now=now,
        )
    )  # fmt: skip
    act = _CONSEQUENCES.get(ended.outcome)
    if act:
        act(practice_id, call, _Told(outcome_id, staff, ended.barrier), now)
    if ended.outcome in _SPOKE:
        points.confirm(practice_id, [call.contact_point_id], now.date())
    changes.mark(practice_id, [call.patient_id, *call.family])
    return outcome_id


def _close(practice_id: int, call: _Call, ended: Ended, now: datetime) -> None:
    attempts = call.attempts + (ended.outcome != "withdrawn")
    again = ended.call_again_at or now + BETWEEN
    repeats = ended.outcome in _AGAIN and (ended.outcome == "call_later" or attempts < MOST_ATTEMPTS)
    state = "open" if repeats else "withdrawn" if ended.outcome == "withdrawn" else "done"
    db.run(
        "UPDATE call SET attempts = %(attempts)s, taken_by = '', taken_at = NULL, state = %(state)s, "
        "due_at = CASE WHEN %(repeats)s THEN %(again)s ELSE due_at END, "
        "not_after = CASE WHEN %(repeats)s THEN greatest(not_after, %(again)s + interval '7 days') ELSE not_after END, "
        "closed_at = CASE WHEN %(repeats)s THEN NULL ELSE %(now)s::timestamptz END, "
        "close_reason = CASE WHEN %(repeats)s THEN '' ELSE %(outcome)s END "
        "WHERE practice_id = %(practice)s AND id = %(call)s AND state = 'open'",
        practice=practice_id, call=call.id, attempts=attempts, state=state, repeats=repeats, again=again, now=now,
        outcome=ended.outcome,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Told:
    """Who noted which outcome."""

    outcome_id: int
    staff: str
    barrier: str

    @property
    def evidence(self) -> str:
        return f"call_outcome:{self.outcome_id}"


def _booked(practice_id: int, call: _Call, _told: _Told, now: datetime) -> None:
    stop.stop(practice_id, [call.patient_id], "booked", now)


def _wrong_number(practice_id: int, call: _Call, told: _Told, now: datetime) -> None:
    """NUM-01: the number rests for everybody who holds it."""
    revoke.wrong_number(practice_id, call.contact_point_id, "verbal", told.staff, told.evidence, now)
    _withdraw_number(practice_id, call, "wrong_number", now)
    _task(practice_id, call, told, "wrong_number", 5, now)


def _do_not_call(practice_id: int, call: _Call, told: _Told, now: datetime) -> None:
    """DNC-04: on the internal list at once; calls and texts to the number end, in every worklist and queue."""
    revoke.revoke(
        practice_id, call.contact_point_id, revoke.NUMBER, "verbal", told.staff, "DNC_INTERNAL", told.evidence, now
    )
    _withdraw_number(practice_id, call, "do_not_call", now)
    stop.stop(practice_id, [call.patient_id, *call.family], "opted_out", now)


def _angry(practice_id: int, call: _Call, told: _Told, now: datetime) -> None:
    """D28: a grievance freezes automation for person and household, and the owner calls."""
    db.run(
        "UPDATE patient SET hold = 'angry', hold_since = %(now)s WHERE practice_id = %(practice)s AND id = %(patient)s "
        "AND hold IN ('', 'read_note')",
        practice=practice_id, patient=call.patient_id, now=now,
    )  # fmt: skip
    stop.stop(practice_id, [call.patient_id], "complaint", now, household=True)
    _task(practice_id, call, told, "angry", 1, now)


def _not_interested(practice_id: int, call: _Call, _told: _Told, now: datetime) -> None:
    """VOX-02: ends this campaign, not the consent; where the law asks for a year without calls, the gate reads the outcome."""
    stop.stop(practice_id, [call.patient_id, *call.family], "not_interested", now)


def _leaves(standing: str, reason: str, kind: str, urgency: int) -> Callable[[int, _Call, _Told, datetime], None]:
    """A caller who heard it is a person's word: it decides where the patient stands (PAT-01, PAT-03)."""

    def act(practice_id: int, call: _Call, told: _Told, now: datetime) -> None:
        status.set_by_person(practice_id, call.patient_id, standing, told.staff, now)
        stop.stop(practice_id, [call.patient_id], reason, now)
        _task(practice_id, call, told, kind, urgency, now)

    return act


def _withdraw_number(practice_id: int, call: _Call, why: str, now: datetime) -> None:
    """Take every other call to this number off the lists."""
    db.run(
        "UPDATE call SET state = 'withdrawn', closed_at = %(now)s, close_reason = %(why)s WHERE practice_id = %(practice)s "
        "AND contact_point_id = %(point)s AND state = 'open' AND id IS DISTINCT FROM %(call)s::bigint",
        practice=practice_id, point=call.contact_point_id, call=call.id, why=why, now=now,
    )  # fmt: skip


def _task(practice_id: int, call: _Call, told: _Told, kind: str, urgency: int, now: datetime) -> None:
    open_task(
        practice_id, kind, urgency, now, once_key=f"{kind}:call_outcome:{told.outcome_id}", patient_id=call.patient_id,
        contact_point_id=call.contact_point_id, subject_table="call_outcome", subject_id=told.outcome_id,
        detail={"barrier": told.barrier, "staff": told.staff},
    )  # fmt: skip


_CONSEQUENCES: Final[dict[str, Callable[[int, _Call, _Told, datetime], None]]] = {
    "booked": _booked, "wrong_number": _wrong_number, "do_not_call": _do_not_call, "angry": _angry, "not_interested": _not_interested,
    "moved": _leaves("moved", "moved", "contact_update", 6), "new_dentist": _leaves("transferred", "new_dentist", "records", 6),
    "deceased": _leaves("deceased", "deceased", "deceased", 4),
}  # fmt: skip
