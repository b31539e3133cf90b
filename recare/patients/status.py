"""The status resolver (D4): why a patient is not simply "inactive", in one word that gates and people understand.

Practices use "Inactive" and "Archived" for people who lapsed, moved, died, were dismissed or owe money alike, so a naive inactive list
contacts exactly the wrong people. What the chart says decides; where it says nothing, a person is asked and nobody is messaged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from recare.base import db
from recare.patients import changes, tasks

BAD_DEBT_WORDS: Final = ("collection", "bad debt", "write off", "writeoff", "bankrupt")
FOR_GOOD: Final = frozenset({"dismissed", "deceased"})
"""Heard from the chart even over what a person has set, and taken back by no import and no ordinary word (PAT-01, PAT-03)."""
_CHUNK: Final = 5000


@dataclass(frozen=True, slots=True)
class Chart:
    """What the resolver reads. ``reason`` is the practice system's own status word; ``ever_seen``: there is a visit in the chart."""

    id: int
    status: str
    pms_status: str = ""
    note_flags: tuple[str, ...] = ()
    billing_class: str = ""
    hold: str = ""
    cannot_schedule: bool = False
    merged: bool = False
    deceased_on: date | None = None
    dismissed_on: date | None = None
    ever_seen: bool = False
    standing: str = ""
    standing_set_by: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """The resolver's word ('' = an ordinary patient) and why."""

    word: str
    why: str


# The gravest first; the first that holds decides.
_FINDINGS: Final[tuple[tuple[str, str, Callable[[Chart], bool]], ...]] = (
    ("deceased", "the chart says so", lambda c: c.status == "deceased" or c.deceased_on is not None),
    ("deceased", "a note says so", lambda c: "deceased" in c.note_flags),
    (
        "dismissed",
        "the chart or a note says so",
        lambda c: "dismissed" in c.note_flags or "dismiss" in c.pms_status.lower(),
    ),
    # Dismissed before: no later export takes that back, only a person with a reason (PAT-01).
    ("dismissed", "dismissed before", lambda c: c.standing == "dismissed" or c.dismissed_on is not None),
    ("merged", "this chart was merged into another one", lambda c: c.merged or "merged" in c.note_flags),
    (
        "transferred",
        "records went to another dentist",
        lambda c: "transferred" in c.note_flags or "transfer" in c.pms_status.lower(),
    ),
    ("moved", "moved away", lambda c: "moved" in c.note_flags or "moved" in c.pms_status.lower()),
    (
        "disputed",
        "a dispute or complaint is open",
        lambda c: "legal" in c.note_flags or c.hold in {"legal", "dispute", "complaint"},
    ),
    (
        "bad_debt",
        "the account is in collections",
        lambda c: any(word in c.billing_class.lower() for word in BAD_DEBT_WORDS),
    ),
    ("scheduling_restricted", "the practice does not book this patient", lambda c: c.cannot_schedule),
    ("gone", "deleted in the practice system", lambda c: c.status == "deleted"),
    ("gone", "was never a patient", lambda c: c.status == "non_patient"),
    # "Inactive" is set by hand in every practice system, so our own dates decide (pms-data trap 17).
    ("lapsed", "set to inactive, nothing says why", lambda c: c.status == "inactive" and c.ever_seen),
    ("unknown", "inactive and never seen", lambda c: c.status == "inactive"),
    ("unknown", "archived, nothing says why", lambda c: c.status == "archived"),
    ("unknown", "the practice system's status is not known here", lambda c: c.status == "unknown"),
)


def resolve(chart: Chart) -> Standing:
    """Return where a patient stands: '', lapsed, moved, transferred, dismissed, deceased, bad_debt, scheduling_restricted, disputed,
    merged, gone or unknown, and why. What nobody can tell is unknown: a person is asked and nothing is sent.
    """
    for word, why, holds in _FINDINGS:
        if holds(chart):
            return Standing(word, why)
    return Standing("", "an ordinary patient")


_SELECT: Final = (
    "SELECT p.id, p.status, p.pms_status, p.note_flags, p.billing_class, p.hold, p.cannot_schedule, p.merged_into_id IS NOT NULL AS merged, "
    "p.deceased_on, p.dismissed_on, p.last_visit_stated_on IS NOT NULL OR p.first_visit_on IS NOT NULL OR p.id IN (SELECT patient_id FROM "
    "appointment WHERE practice_id = %(practice)s AND patient_id = ANY(%(ids)s) AND status = 'completed') OR p.id IN (SELECT patient_id FROM "
    "procedure WHERE practice_id = %(practice)s AND patient_id = ANY(%(ids)s) AND status = 'completed') AS ever_seen, p.standing, p.standing_set_by "
    "FROM patient p WHERE p.practice_id = %(practice)s AND p.id = ANY(%(ids)s)"
)


def apply(practice_id: int, query: str, now: datetime, **params: object) -> int:
    """Resolve the patients whose ids ``query`` (SQL of our own) selects and store what has changed; return how many changed.

    What a person has set stays, except that death and dismissal are always heard. An unknown standing opens one task.
    """
    ids, changed = db.values(query, practice=practice_id, **params), 0
    for start in range(0, len(ids), _CHUNK):
        charts = db.rows(_Row, _SELECT, practice=practice_id, ids=ids[start : start + _CHUNK])
        changed += _store(practice_id, [row.chart() for row in charts], now)
    return changed


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    status: str
    pms_status: str
    note_flags: list[str]
    billing_class: str
    hold: str
    cannot_schedule: bool
    merged: bool
    deceased_on: date | None
    dismissed_on: date | None
    ever_seen: bool
    standing: str
    standing_set_by: str

    def chart(self) -> Chart:
        return Chart(
            **{name: getattr(self, name) for name in self.__slots__ if name != "note_flags"},
            note_flags=tuple(self.note_flags),
        )


def _store(practice_id: int, charts: list[Chart], now: datetime) -> int:
    """A person's word, also one that has come in since the charts were read, gives way to death and dismissal only."""
    found = [(chart, resolve(chart)) for chart in charts]
    new = {chart.id: standing for chart, standing in found if standing.word != chart.standing}
    if not new:
        return 0
    stored = db.values(
        "UPDATE patient p SET standing = s.word, standing_set_by = CASE WHEN s.word = '' THEN '' ELSE 'rules' END, dismissed_on = CASE WHEN "
        "s.word = 'dismissed' THEN coalesce(p.dismissed_on, %(today)s) ELSE p.dismissed_on END "
        "FROM unnest(%(ids)s::bigint[], %(words)s::text[]) AS s (id, word) WHERE p.practice_id = %(practice)s AND p.id = s.id "
        "AND (p.standing_set_by IN ('', 'rules') OR s.word = ANY(%(always)s)) RETURNING p.id",
        practice=practice_id, ids=list(new), words=[standing.word for standing in new.values()], today=now.date(), always=list(FOR_GOOD),
    )  # fmt: skip
    _ask(practice_id, [(patient, new[patient].why) for patient in stored if new[patient].word == "unknown"], now)
    changes.mark(practice_id, stored)
    return len(stored)


def _ask(practice_id: int, unknown: list[tuple[int, str]], now: datetime) -> None:
    """Open one task for each patient of whom nobody knows where they stand."""
    db.run(
        "INSERT INTO task (practice_id, kind, urgency, patient_id, detail, once_key, created_at) SELECT %(practice)s, 'standing', 7, u.id, "
        "jsonb_build_object('why', u.why), 'standing:' || u.id, %(now)s FROM unnest(%(ids)s::bigint[], %(whys)s::text[]) AS u (id, why) "
        "ON CONFLICT (practice_id, once_key) DO NOTHING",
        practice=practice_id, ids=[patient for patient, _ in unknown], whys=[why for _, why in unknown], now=now,
    )  # fmt: skip


def set_by_person(
    practice_id: int, patient_id: int, word: str, actor: str, now: datetime, *, decided: bool = False
) -> None:
    """Record where a patient stands by a person's word, which imports then keep; closes the question about it.

    A dismissal or a death says more than what a patient or a caller tells, and stays unless it is ``decided`` (standing.py).
    """
    db.run(
        "UPDATE patient SET standing = %(word)s, standing_set_by = %(actor)s WHERE practice_id = %(practice)s AND id = %(patient)s "
        "AND (%(decided)s OR %(word)s = 'deceased' OR standing <> ALL(%(stays)s))",
        practice=practice_id, patient=patient_id, word=word, actor=actor, decided=decided, stays=list(FOR_GOOD),
    )  # fmt: skip
    tasks.close_known(practice_id, [f"standing:{patient_id}"], actor, word, now)
    changes.mark(practice_id, [patient_id])
