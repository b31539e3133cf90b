"""After all files: households, standing, and the questions that only a person can answer. Every step changes only what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recare.base import db
from recare.patients import changes, households, status
from recare.sources.csv import fields, merge, staging

if TYPE_CHECKING:
    from recare.sources.csv.fields import Kind
    from recare.sources.csv.merge import Run

# Ordinary charts stand nowhere in particular; only these can have a standing, or lose one.
_NOT_ORDINARY: Final = (
    "SELECT id FROM patient WHERE practice_id = %(practice)s AND source = %(source)s AND (status <> 'active' OR note_flags <> '{{}}' OR "
    "standing <> '' OR cannot_schedule OR merged_into_id IS NOT NULL OR dismissed_on IS NOT NULL OR deceased_on IS NOT NULL OR hold <> '' "
    "OR {debt} OR lower(pms_status) ~ 'moved|transfer|dismiss') ORDER BY id"
)


def finish(run: Run, kinds: set[Kind]) -> None:
    """Group households, join the histories of merged charts, resolve standings and open the tasks that the import leaves to people."""
    with staging.bulk():
        households.regroup(run.practice.id)
        _ask_about_doubles(run)
        if kinds & {fields.PATIENTS}:
            _join_histories(run)
        if kinds & {fields.APPOINTMENTS, fields.PROCEDURES}:
            _tell_missed_from_cancelled(run)
    debt = " OR ".join(f"billing_class ILIKE '%%{word}%%'" for word in status.BAD_DEBT_WORDS)
    status.apply(run.practice.id, _NOT_ORDINARY.format(debt=debt), run.now, source=run.bind["source"])
    _ask_to_read(run)


def _join_histories(run: Run) -> None:
    """Give the visits of a chart that was merged away to the chart that stays, where the practice system has left them behind."""
    merge.stage_survivors(run)
    for table in ("appointment", "procedure"):
        moved = db.tuples(
            f"UPDATE {table} t SET patient_id = m.root, seen_run_id = %(run)s FROM staged_survivor m WHERE t.practice_id = %(practice)s "
            "AND t.patient_id = m.id RETURNING m.id, m.root",
            **run.bind,
        )
        changes.mark(run.practice.id, {patient for pair in moved for patient in pair})


def _tell_missed_from_cancelled(run: Run) -> None:
    """Call a broken visit missed or cancelled when the code completed on that day says so: D9986 or D9987 (pms-data trap 9)."""
    told = db.values(
        "UPDATE appointment a SET status = told.status, seen_run_id = %(run)s FROM (SELECT patient_id, done_on, CASE WHEN "
        "bool_and(code LIKE 'D9986%%') THEN 'missed' WHEN bool_and(code LIKE 'D9987%%') THEN 'cancelled' END AS status FROM procedure "
        "WHERE practice_id = %(practice)s AND status = 'completed' AND (code LIKE 'D9986%%' OR code LIKE 'D9987%%') GROUP BY patient_id, done_on) "
        "AS told WHERE a.practice_id = %(practice)s AND a.status = 'broken' AND a.deleted_at IS NULL AND a.patient_id = told.patient_id "
        "AND (a.starts_at AT TIME ZONE %(tz)s)::date = told.done_on AND told.status IS NOT NULL RETURNING a.patient_id",
        **run.bind,
    )
    changes.mark(run.practice.id, told)


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
