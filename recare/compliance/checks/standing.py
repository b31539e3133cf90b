"""Whom nobody reactivates, whatever the channel and country (PAT-01 to PAT-05), and what the practice itself has stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from recare.compliance.question import SKEW, plus_months

if TYPE_CHECKING:
    from recare.compliance.question import Question

GONE: Final = frozenset({"deleted", "archived", "non_patient", "prospective"})
NOBODY: Final = frozenset({"merged", "gone"})
"""Standings of charts that stand for nobody; the word of the status resolver, which may change after somebody was enrolled."""
DOUBTFUL: Final = frozenset({"disputed", "bad_debt", "scheduling_restricted"})
ADULT_MONTHS: Final = 18 * 12


def practice_running(q: Question) -> None:
    """Kill switch of practice, group or installation: nothing leaves, not even a confirmation."""
    if q.practice.held:
        q.deny("KILL_SWITCH", "ENG-01")
    sender = q.sender
    if sender is not None and sender.paused and q.reached:
        q.deny("SENDER_PAUSED", "SMS-03" if q.phone else "EML-03")


def status(q: Question) -> None:
    """PAT-01, PAT-03. A service reply to the person's own words is the only thing that still may go."""
    patient = q.patient
    if q.exempt:
        return
    if patient.deceased or patient.status == "deceased" or patient.standing == "deceased":
        q.deny("DECEASED", "PAT-03")
    if patient.do_not_contact or patient.standing == "do_not_contact":
        q.deny("PATIENT_RESTRICTION", "PAT-01", "all")
    if q.cls not in {"R", "P", "T"}:
        return
    if patient.dismissed or patient.standing == "dismissed" or patient.status == "dismissed":
        q.deny("DISMISSED", "PAT-01")
    if patient.standing in {"transferred", "moved"} or patient.status == "transferred":
        q.deny("TRANSFERRED", "PAT-01", patient.standing or patient.status)
    if patient.status in GONE or patient.standing in NOBODY:
        q.deny("NOT_A_PATIENT", "PAT-01", patient.status if patient.status in GONE else patient.standing)
    elif patient.status in {"", "unknown"} or patient.standing == "unknown":
        q.review("STATUS_UNKNOWN", "ENG-01")
    if patient.standing in DOUBTFUL:
        q.review("LEGAL_HOLD", "PAT-01", patient.standing)
    if patient.in_active_treatment:
        q.deny("IN_TREATMENT", "PAT-01")
    if patient.identity_conflict:
        q.review("IDENTITY_CONFLICT", "ENG-01")


def holds(q: Question) -> None:
    """PAT-01: complaint, claim, legal hold or anger: a named person decides; automation stops."""
    if q.patient.hold and not q.exempt:
        q.review("LEGAL_HOLD", "PAT-01", q.patient.hold)


def booked(q: Question) -> None:
    """PAT-01 HAS_APPT: a booked visit ends recall. Knowledge too old to prove there is none goes to a person, never through.

    REVIEW, not DELAY: nobody knows when the next reading of the calendar comes, so no ``until`` could be true. The reading itself makes
    the reason vanish; the work stays queued until then (WAITS_FOR_PRACTICE).
    """
    patient = q.patient
    if q.cls not in {"R", "P", "T"}:
        return
    if patient.next_visit_at is not None and patient.next_visit_at > q.now:
        q.deny("HAS_APPT", "PAT-01", patient.next_visit_at.astimezone(q.clock()).date().isoformat())
    known = patient.visits_known_at
    if known is None or not -SKEW <= q.now - known <= timedelta(hours=q.practice.visits_max_age_hours):
        q.review("VISITS_STALE", "PAT-01", known.date().isoformat() if known else "")


def minors(q: Question) -> None:
    """PAT-04. Age counts from local midnight in the zone where the birthday comes first."""
    patient = q.patient
    if q.exempt or q.cls == "S":
        return
    if patient.custody_flag:
        q.review("LEGAL_HOLD", "PAT-04", "custody")
    if patient.birthdate is None:
        if not patient.has_guardian and q.cls != "A":
            q.review("AGE_UNKNOWN", "PAT-04")
        return
    adult_on = plus_months(patient.birthdate, ADULT_MONTHS)
    if q.last_day >= adult_on:
        _grown_up(q, adult_on.toordinal())
    # while it is still the day before somewhere, the person is a minor there
    if q.first_day < adult_on:
        point = q.point
        if not patient.has_guardian or (q.reached and point is not None and point.is_guardians is False):
            q.deny("NO_GUARDIAN", "PAT-04")
        if q.cls in {"P", "T"} and q.reached and (point is None or point.is_guardians is not True):
            q.deny("MINOR_PROMO", "PAT-04")


def _grown_up(q: Question, adult_on: int) -> None:
    """A guardian's consent ends at 18. Letters need none: they are the way to ask the adult."""
    if q.channel == "letter":
        return
    point = q.point
    given = point.consented_on.toordinal() if point is not None and point.consented_on is not None else None
    first_year = q.last_day.toordinal() < adult_on + 365
    if q.patient.adult_since_consent or (given < adult_on if given is not None else first_year):
        q.deny("ADULT_RECONSENT", "PAT-04")  # nobody knows when it was given: in the first year it was a guardian's


def representatives(q: Question) -> None:
    """PAT-05: an adult with a representative is reached through the representative."""
    patient = q.patient
    if patient.has_representative and not patient.representative_known and not q.exempt and q.cls != "S":
        q.review("REPRESENTATIVE_UNKNOWN", "PAT-05")
