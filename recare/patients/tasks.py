"""Work for a person: opened once, closed once, never lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recare.base import db

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_MORE: Final = frozenset({"patient_id", "contact_point_id", "subject_table", "subject_id", "detail", "due_at"})


@dataclass(frozen=True, slots=True)
class Task:
    """A row of ``task`` with the name of the patient it is about."""

    id: int
    kind: str
    urgency: int
    patient_id: int | None
    contact_point_id: int | None
    subject_table: str
    subject_id: int | None
    detail: dict[str, Any]
    created_at: datetime
    due_at: datetime | None
    patient_name: str


def open_task(
    practice_id: int, kind: str, urgency: int, now: datetime, *, once_key: str | None = None, **more: Any
) -> int | None:
    """Open a task and return its id; None when ``once_key`` has made one before, open or done.

    ``urgency`` runs from 1 (now) to 9 (whenever). ``more`` may name ``patient_id``, ``contact_point_id``, ``subject_table``,
    ``subject_id``, ``detail`` (a dict without the patient's own words) and ``due_at``. Raises TypeError for any other name.
    """
    if unknown := set(more) - _MORE:
        raise TypeError(f"A task has no {', '.join(sorted(unknown))}.")
    found = db.value(
        "INSERT INTO task (practice_id, kind, urgency, patient_id, contact_point_id, subject_table, subject_id, detail, "
        "once_key, created_at, due_at) VALUES (%(practice)s, %(kind)s, %(urgency)s, %(patient)s, %(point)s, %(table)s, "
        "%(subject)s, %(detail)s, %(once)s, %(now)s, %(due)s) ON CONFLICT (practice_id, once_key) DO NOTHING RETURNING id",
        practice=practice_id, kind=kind, urgency=urgency, patient=more.get("patient_id"), point=more.get("contact_point_id"),
        table=more.get("subject_table", ""), subject=more.get("subject_id"), detail=db.json(more.get("detail") or {}),
        once=once_key, now=now, due=more.get("due_at"),
    )  # fmt: skip
    return None if found is None else int(found)


def close_task(practice_id: int, task_id: int, actor: str, outcome: str, now: datetime) -> bool:
    """Close an open task; return False when somebody has closed it before."""
    return bool(
        db.run(
            "UPDATE task SET done_at = %(now)s, done_by = %(actor)s, outcome = %(outcome)s "
            "WHERE practice_id = %(practice)s AND id = %(task)s AND done_at IS NULL",
            practice=practice_id,
            task=task_id,
            actor=actor,
            outcome=outcome,
            now=now,
        )
    )


def close_known(practice_id: int, once_keys: Sequence[str], actor: str, outcome: str, now: datetime) -> int:
    """Close the open tasks that stand for what these keys name; return how many were open."""
    return db.run(
        "UPDATE task SET done_at = %(now)s, done_by = %(actor)s, outcome = %(outcome)s "
        "WHERE practice_id = %(practice)s AND once_key = ANY(%(keys)s) AND done_at IS NULL",
        practice=practice_id, keys=list(once_keys), actor=actor, outcome=outcome, now=now,
    )  # fmt: skip


def list_open(
    practice_id: int, kinds: list[str] | None = None, limit: int = 50, offset: int = 0, most_urgent: int = 9
) -> list[Task]:
    """Return open tasks up to urgency ``most_urgent``, the most urgent and then the oldest first; of all kinds when none is named."""
    return db.rows(
        Task,
        "SELECT t.id, t.kind, t.urgency, t.patient_id, t.contact_point_id, t.subject_table, t.subject_id, t.detail, "
        "t.created_at, t.due_at, coalesce(nullif(p.preferred_name, ''), p.first_name, '') || ' ' || coalesce(p.last_name, '') "
        "AS patient_name FROM task t LEFT JOIN patient p ON p.practice_id = t.practice_id AND p.id = t.patient_id "
        "WHERE t.practice_id = %(practice)s AND t.done_at IS NULL AND (%(kinds)s::text[] IS NULL OR t.kind = ANY(%(kinds)s)) "
        "AND t.urgency <= %(most)s ORDER BY t.urgency, t.created_at, t.id LIMIT %(limit)s OFFSET %(offset)s",
        practice=practice_id, kinds=kinds, limit=limit, offset=offset, most=most_urgent,
    )  # fmt: skip


def count_open(practice_id: int, kinds: list[str] | None = None) -> int:
    """Return how many tasks are open, of all kinds when none is named."""
    return int(
        db.value(
            "SELECT count(*) FROM task WHERE practice_id = %(practice)s AND done_at IS NULL "
            "AND (%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s))",
            practice=practice_id,
            kinds=kinds,
        )
    )


def counts(practice_id: int, from_urgency: int = 1) -> list[tuple[str, int]]:
    """Return how many tasks of each kind are open from this urgency on, the commonest kind first."""
    found = db.tuples(
        "SELECT kind, count(*) FROM task WHERE practice_id = %(practice)s AND done_at IS NULL AND urgency >= %(least)s "
        "GROUP BY kind ORDER BY 2 DESC, 1",
        practice=practice_id, least=from_urgency,
    )  # fmt: skip
    return [(str(kind), int(count)) for kind, count in found]
