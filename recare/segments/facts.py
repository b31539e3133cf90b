"""Facts: what the chart says about each patient, one row each, computed by one statement over sets (``facts.sql``).

Facts hold dates, never ages: nothing in them depends on the day they were computed. Read them with ``facts_on(today)``, a function of the
database that adds age, next visit, overdue days and the points a message would go to on that day.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

from recare.base import db
from recare.segments import listing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

CARE = {
    "exam": 1, "images": 2, "cleaning": 4, "prevention": 8, "restorative": 16, "root_canal": 32, "perio": 64, "dentures": 128,
    "implants_bridges": 256, "surgery": 512, "orthodontics": 1024, "other": 2048,
}  # fmt: skip
"""Kinds of completed care and their bits in ``care``; the ranges of codes behind them are in ``schema.sql``."""

COLUMNS = (
    "practice_id", "patient_id", "household_id", "household_size", "guardian_id", "status", "contactable", "paused_until", "birthdate",
    "adult_on", "sex", "language", "state", "zip", "payer_class", "first_visit_on", "last_visit_on", "last_hygiene_on", "visits",
    "visits_24m", "production_24m_cents", "scheduled_at", "recall_kind", "recall_due_on", "recall_interval_days", "missed_visits",
    "last_broken_on", "unscheduled_cents", "unscheduled_items", "oldest_plan_on", "plan_expires_on", "benefit_renews_month",
    "benefit_left_cents", "benefit_ends_on", "care", "sms_point_id", "email_point_id", "call_point_id", "letter_ok", "sms_ok", "email_ok",
    "call_ok", "preferred_channel", "last_touch_on", "last_reply_on", "touches_since_reply",
)  # fmt: skip
"""Columns of ``patient_facts``, in the order of ``facts.sql``."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one patient as they read on one day: a row of ``facts_on(today)``. Money is in cents."""

    practice_id: int
    patient_id: int
    household_id: int | None
    household_size: int
    guardian_id: int | None
    status: str
    contactable: bool
    birthdate: date | None
    sex: str
    language: str
    state: str
    zip: str
    payer_class: str
    age: int | None
    is_adult: bool
    birthday_month: int | None
    first_visit_on: date | None
    last_visit_on: date | None
    last_hygiene_on: date | None
    visits: int
    visits_24m: int
    production_24m_cents: int
    next_visit_at: datetime | None
    next_visit_on: date | None
    recall_kind: str
    recall_due_on: date | None
    recall_interval_days: int | None
    overdue_days: int | None
    missed_recalls: int
    missed_visits: int
    last_broken_on: date | None
    unscheduled_cents: int
    unscheduled_items: int
    oldest_plan_on: date | None
    plan_expires_on: date | None
    benefit_renewal_on: date | None
    benefit_left_cents: int | None
    care: int
    sms_point_id: int | None
    email_point_id: int | None
    call_point_id: int | None
    letter_ok: bool
    sms_ok: bool
    email_ok: bool
    call_ok: bool
    preferred_channel: str
    last_touch_on: date | None
    last_reply_on: date | None
    touches_since_reply: int

    @property
    def care_kinds(self) -> list[str]:
        """The kinds of care completed so far, in words of ``CARE``."""
        return [name for name, bit in CARE.items() if self.care & bit]


_SOME: Final = re.compile(r"/\*\[some\*/.*?/\*some]\*/", re.DOTALL)


def statement(*, some: bool) -> str:
    """Return the query of ``facts.sql``: common table expressions that end in ``fresh``, one row for each patient or for each of some."""
    whole = resources.files("recare.segments").joinpath("facts.sql").read_text(encoding="utf-8")
    return whole if some else _SOME.sub("", whole)


# For sets of known size, planned the same way however old the statistics are: hash what is joined, in the order written. A freshly imported
# practice has stale statistics, and one nested loop over an aggregate of it would take minutes. Compiling costs more than it saves. For a
# small practice planning costs more than the work, so the plan is made once a connection and is the same whatever the practices are.
_WRITE: Final = """
CREATE OR REPLACE FUNCTION write_facts({arguments}) RETURNS bigint LANGUAGE plpgsql
    SET jit = off SET work_mem = '128MB' SET enable_hashjoin = on SET enable_nestloop = off SET enable_mergejoin = off
    SET join_collapse_limit = 1 SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    written bigint;
BEGIN
{query}
MERGE INTO patient_facts old USING fresh ON old.practice_id = fresh.practice_id AND old.patient_id = fresh.patient_id
    AND old.practice_id = ANY(practices) {these}
WHEN NOT MATCHED THEN INSERT ({columns}) VALUES (fresh.*)
WHEN MATCHED AND ROW({fresh}) IS DISTINCT FROM ROW({old}) THEN UPDATE SET ({changing}) = ROW({fresh});
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END $$;
"""


def functions() -> str:
    """Return the definitions of write_facts(practices) and write_facts(practices, patients): compute, and write only what is new or different.

    A migration runs them; a change of ``facts.sql`` needs another one that runs them again.
    """
    return "".join(_function(some=some) for some in (False, True))


def _function(*, some: bool) -> str:
    changing = [name for name in COLUMNS if name not in {"practice_id", "patient_id"}]
    return _WRITE.format(
        arguments="practices bigint[], patients bigint[]" if some else "practices bigint[]",
        these="AND old.patient_id = ANY(patients)" if some else "",
        query=statement(some=some), columns=", ".join(COLUMNS), changing=", ".join(changing),
        fresh=", ".join(f"fresh.{name}" for name in changing), old=", ".join(f"old.{name}" for name in changing),
    )  # fmt: skip


def rebuild(practice_ids: Sequence[int]) -> int:
    """Compute the facts of all patients of these practices anew and return how many rows changed.

    Runs in the caller's scope, which must see these practices. Marks of changed patients are consumed.
    """
    listing.forget(practice_ids)
    return int(db.value("SELECT rebuild_facts(%(practices)s::bigint[])", practices=list(practice_ids)))


def refresh(practice_id: int, limit: int = 2000) -> int:
    """Compute anew the facts of marked patients and of those whose household they have made larger or smaller; return how many marks were consumed.

    At most ``limit`` marks; those that open transactions hold are left for the next time. The marks go in the caller's transaction: if it
    fails they are still there, and one that arrives meanwhile stays (trigger ``keep_mark``). For the same reason nobody has to wait for the
    disk when it commits: a crash takes facts and marks back together.
    """
    [(marks, people, copied, _)] = db.tuples(
        "SELECT marks, people, EXISTS (SELECT FROM patient_today_state WHERE practice_id = %(practice)s), "
        "set_config('synchronous_commit', 'off', true) FROM refresh_facts(%(practice)s, %(limit)s)",
        practice=practice_id, limit=limit,
    )  # fmt: skip
    if marks and copied:
        listing.follow(practice_id, people)
    return int(marks)


def refresh_batch(practice_id: int, now: datetime, limit: int = 2000) -> int:  # noqa: ARG001 (every batch takes now)
    """Do ``refresh``, each ``limit`` marks in a transaction of their own, until fewer are left; return how many marks were consumed."""
    total, count = 0, limit
    while count == limit:
        with db.scope(practice_id):
            count = refresh(practice_id, limit)
        total += count
    return total


def read(practice_id: int, patient_ids: Sequence[int], today: date) -> dict[int, Facts]:
    """Return the facts of these patients as they read on ``today``, by patient."""
    found = db.rows(
        Facts,
        "SELECT * FROM facts_on(%(today)s) WHERE practice_id = %(practice)s AND patient_id = ANY(%(patients)s::bigint[])",
        today=today, practice=practice_id, patients=list(patient_ids),
    )  # fmt: skip
    return {row.patient_id: row for row in found}
