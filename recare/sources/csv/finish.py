"""After all files: households, standing, and the questions that only a person can answer. Every step changes only what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recare.base import db
from recare.patients import households, status
from recare.sources.csv import staging

if TYPE_CHECKING:
    from recare.sources.csv.merge import Run

# Ordinary charts stand nowhere in particular; only these can have a standing, or lose one.
_NOT_ORDINARY: Final = (
    "SELECT id FROM patient WHERE practice_id = %(practice)s AND source = %(source)s AND (status <> 'active' OR note_flags <> '{{}}' OR "
    "standing <> '' OR cannot_schedule OR merged_into_id IS NOT NULL OR dismissed_on IS NOT NULL OR deceased_on IS NOT NULL OR hold <> '' "
    "OR {debt} OR lower(pms_status) ~ 'moved|transfer|dismiss') ORDER BY id"
)


def finish(run: Run) -> None:
    """Group households, resolve standings and open the tasks that the import leaves to people."""
    with staging.bulk():
        households.regroup(run.practice.id)
        _ask_about_doubles(run)
    debt = " OR ".join(f"billing_class ILIKE '%%{word}%%'" for word in status.BAD_DEBT_WORDS)
    status.apply(run.practice.id, _NOT_ORDINARY.format(debt=debt), run.now, source=run.bind["source"])
    _ask_to_read(run)


def _ask_to_read(run: Run) -> None:
    """One task for each note or wish that stops contact until somebody has read it; never again for the same words."""
    db.run(
        "INSERT INTO task (practice_id, kind, urgency, patient_id, detail, once_key, created_at) SELECT %(practice)s, 'read_note', 6, id, "
        "jsonb_build_object('flags', note_flags, 'wishes', pms_wishes), 'note:' || id || ':' || md5(pms_wishes), %(now)s FROM patient "
        "WHERE practice_id = %(practice)s AND source = %(source)s AND hold IN ('read_note', 'legal') AND pms_wishes <> '' "
        "AND status NOT IN ('deceased', 'deleted') ON CONFLICT (practice_id, once_key) DO NOTHING",
        **run.bind,
    )


def _ask_about_doubles(run: Run) -> None:
    """One task for each pair of charts that look like one person: same first name, birthdate and telephone (pms-data traps 27 and 29)."""
    db.run(
        "INSERT INTO task (practice_id, kind, urgency, patient_id, detail, once_key, created_at) SELECT %(practice)s, 'duplicate', 8, a.id, "
        "jsonb_build_object('other', b.id, 'same_last_name', lower(a.last_name) = lower(b.last_name)), 'duplicate:' || a.id || ':' || b.id, "
        "%(now)s FROM (SELECT DISTINCT x.patient_id AS one, y.patient_id AS two FROM patient_contact x JOIN patient_contact y "
        "ON y.practice_id = x.practice_id AND y.contact_point_id = x.contact_point_id AND y.patient_id > x.patient_id "
        "WHERE x.practice_id = %(practice)s AND x.ended_at IS NULL AND y.ended_at IS NULL AND x.contact_point_id IN (SELECT c.contact_point_id "
        "FROM patient_contact c JOIN contact_point t ON t.practice_id = c.practice_id AND t.id = c.contact_point_id AND t.kind = 'phone' "
        "WHERE c.practice_id = %(practice)s GROUP BY 1 HAVING count(DISTINCT c.patient_id) BETWEEN 2 AND %(largest)s)) AS pair "
        "JOIN patient a ON a.practice_id = %(practice)s AND a.id = pair.one JOIN patient b ON b.practice_id = %(practice)s AND b.id = pair.two "
        "WHERE a.birthdate = b.birthdate AND lower(a.first_name) = lower(b.first_name) AND a.merged_into_id IS NULL AND b.merged_into_id IS NULL "
        "AND 'deleted' NOT IN (a.status, b.status) ORDER BY a.id, b.id ON CONFLICT (practice_id, once_key) DO NOTHING",
        largest=households.LARGEST, **run.bind,
    )  # fmt: skip


def standing_conflicts(run: Run) -> list[tuple[int, int]]:
    """Return (file, row) of staged patients whom the export calls active and who were dismissed here (PAT-01)."""
    return db.tuples(
        "SELECT s.file, s.n FROM staged_patient s JOIN patient p ON p.practice_id = %(practice)s AND p.source = %(source)s "
        "AND p.source_key = s.source_key WHERE p.standing = 'dismissed' AND s.status = 'active' AND NOT 'dismissed' = ANY(p.note_flags) "
        "ORDER BY 1, 2 LIMIT 1000",
        **run.bind,
    )
