"""The right visit, of the right length: somebody away for years needs a comprehensive examination, not a cleaning's slot (D6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal

from recare.base import db

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recare.practices.practice import Practice

Reason = Literal["comprehensive", "perio", "child", "recall", "consultation"]

AWAY: Final = timedelta(days=3 * 365)
"""From here on a dentist examines anew; the practice's own plan of care may say sooner."""
GUM_CARE: Final = 64
"""Bit of ``patient_facts.care``."""
_MINUTES: Final[dict[Reason, int]] = {"comprehensive": 90, "perio": 60, "child": 40, "recall": 60, "consultation": 30}


@dataclass(frozen=True, slots=True)
class VisitFacts:
    """What the choice reads. None = unknown."""

    last_visit_on: date | None = None
    recall_kind: str = ""
    care: int = 0
    adult_on: date | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """What to book: why, how long, and whether in a hygiene chair."""

    reason: Reason
    minutes: int
    hygiene: bool = True


def visit_for(
    facts: VisitFacts, today: date, minutes: Mapping[str, int] | None = None, *, treatment: bool = False
) -> Visit:
    """Choose the visit. ``minutes`` are the practice's own lengths by reason; ``treatment``: the plan is what brings the patient.

    Who has had gum treatment is never given a plain cleaning, however long ago the office's system put them on that recall.
    """
    reason: Reason
    if treatment:
        reason = "consultation"
    elif facts.last_visit_on is None or today - facts.last_visit_on >= AWAY:
        reason = "comprehensive"
    elif facts.recall_kind == "perio" or facts.care & GUM_CARE:
        reason = "perio"
    elif facts.adult_on is not None and facts.adult_on > today:
        reason = "child"
    else:
        reason = "recall"
    length = int((minutes or {}).get(reason, _MINUTES[reason]))
    if not 5 <= length <= 480 or length % 5:
        raise ValueError(
            f"A {reason} visit of {length} minutes cannot be: 5 to 480, in steps of 5. Mend it in the settings."
        )
    return Visit(reason, length, hygiene=reason != "consultation")


def is_treatment(practice_id: int, touch_id: int | None) -> bool:
    """Whether the message a patient comes from was about a plan that is not finished."""
    return touch_id is not None and bool(
        db.value(
            "SELECT v.spec -> 'playbook' ->> 'purpose' = 'continued_treatment' FROM touch t "
            "JOIN enrolment e ON e.practice_id = t.practice_id AND e.id = t.enrolment_id "
            "JOIN campaign_version v ON v.practice_id = e.practice_id AND v.id = e.version_id "
            "WHERE t.practice_id = %(practice)s AND t.id = %(touch)s",
            practice=practice_id, touch=touch_id,
        )
    )  # fmt: skip


def for_patient(practice: Practice, patient_id: int, today: date, *, treatment: bool = False) -> Visit:
    """Choose the visit of one patient from the facts as last computed."""
    facts = db.one(
        VisitFacts,
        "SELECT last_visit_on, recall_kind, care, adult_on FROM patient_facts "
        "WHERE practice_id = %(practice)s AND patient_id = %(patient)s",
        practice=practice.id, patient=patient_id,
    )  # fmt: skip
    lengths = practice.policy.get("booking", {}).get("minutes", {})
    return visit_for(facts or VisitFacts(), today, lengths, treatment=treatment)
