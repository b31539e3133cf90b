"""From the staged rows into the chart: one MERGE a file. Rows that say nothing new are not touched, so a second import changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.patients import changes
from recare.sources.csv import fields, staging, targets
from recare.sources.csv.staging import SOURCE

if TYPE_CHECKING:
    from recare.practices.practice import Practice
    from recare.sources.csv.fields import Kind

PARTIAL_SHARE: Final = 0.8  # a file with fewer rows than this share of the known ones is no full export [design]
_PARTIAL_FROM: Final = 10  # known rows
_CHAIN: Final = 8  # merges in a row; more can only be charts that name each other


@dataclass(frozen=True, slots=True)
class Run:
    """One import of one practice."""

    practice: Practice
    id: int
    now: datetime
    fresh: bool = False  # the practice had no patients before: the first mark of each says all

    @property
    def bind(self) -> dict[str, Any]:
        """The parameters every statement of an import may name."""
        return {"practice": self.practice.id, "source": SOURCE, "run": self.id, "now": self.now, "tz": self.practice.tz}


@dataclass(frozen=True, slots=True)
class Written:
    """What a merge did."""

    added: int
    changed: int


def merge(run: Run, kind: Kind, file: int, stated: set[str]) -> Written:
    """Write one staged file into the chart; ``mark`` follows. ``stated``: fields the file has."""
    _add_references(run, kind)
    if kind.name in targets.JOINED:
        stage_survivors(run)
    wanted = targets.columns(kind.name, frozenset(stated))
    newest = db.value(f"SELECT coalesce(max(id), 0) FROM {kind.table} WHERE practice_id = %(practice)s", **run.bind)
    if kind is not fields.PATIENTS and newest:
        _mark_former_owners(run, kind)
    joins = targets.joins(kind.name, frozenset(stated))
    touched = db.run(_statement(kind, wanted, joins, first=not newest), file=file, entity=kind.name, **run.bind)
    if not touched:
        return Written(0, 0)
    added = int(
        db.value(
            f"SELECT count(*) FROM {kind.table} WHERE practice_id = %(practice)s AND id > %(newest)s",
            newest=newest,
            **run.bind,
        )
    )
    return Written(added, touched - added)


def stage_survivors(run: Run) -> None:
    """List every chart that was merged away with the chart that stays at the end of the chain."""
    db.run("DROP TABLE IF EXISTS pg_temp.staged_survivor")
    db.run(
        "CREATE TEMPORARY TABLE staged_survivor AS WITH RECURSIVE up AS (SELECT id, merged_into_id AS root, 1 AS steps FROM patient "
        "WHERE practice_id = %(practice)s AND merged_into_id IS NOT NULL UNION ALL SELECT up.id, p.merged_into_id, up.steps + 1 FROM up "
        "JOIN patient p ON p.practice_id = %(practice)s AND p.id = up.root WHERE p.merged_into_id IS NOT NULL AND up.steps < %(most)s) "
        "SELECT DISTINCT ON (id) id, root FROM up ORDER BY id, steps DESC",
        most=_CHAIN, **run.bind,
    )  # fmt: skip


def has_rows(run: Run, kind: Kind) -> bool:
    """Whether the practice has rows of this kind already."""
    return bool(
        db.value(
            f"SELECT EXISTS (SELECT FROM {kind.table} WHERE practice_id = %(practice)s AND source = %(source)s)",
            **run.bind,
        )
    )


def mark(run: Run, kind: Kind) -> None:
    """Mark the patients whose rows of this kind the run has written. A STOP takes the consent chain, the point and then the marks of its
    patients: whoever does all of it in one transaction takes them in this order too.
    """
    if run.fresh and kind is not fields.PATIENTS:
        return
    owner = "id" if kind is fields.PATIENTS else "patient_id"
    query = f"SELECT {owner} FROM {kind.table} WHERE practice_id = %(practice)s AND seen_run_id = %(run)s"
    changes.mark_selected(run.practice.id, query, run=run.id)


def _statement(kind: Kind, columns: tuple[targets.Column, ...], joins: str, *, first: bool) -> str:
    """Return the MERGE of one file; for a table without rows of the practice, an INSERT, which needs no look at what is there."""
    table = staging.name(kind)
    selected = ", ".join(f"{column.value} AS {column.name}" for column in columns)
    now_kept = [column.kept or f"s.{column.name}" for column in columns]
    names = [column.name for column in columns]
    old = ", ".join(f"t.{name}" for name in names)
    new = ", ".join(now_kept)
    assign = ", ".join(f"{name} = {value}" for name, value in zip(names, now_kept, strict=True))
    values = ", ".join(f"s.{name}" for name in names)
    status = ", 'active'" if kind is fields.PATIENTS and "status" not in names else ""
    rows = (
        f"SELECT s.source_key, {selected} FROM {table} s {joins} WHERE s.file = %(file)s "
        "AND NOT EXISTS (SELECT FROM staged_reject r WHERE r.entity = %(entity)s AND r.file = s.file AND r.n = s.n)"
    )
    first_seen, at = (", first_seen_at", ", %(now)s") if kind is fields.APPOINTMENTS else ("", "")
    into = (
        f"(practice_id, source, source_key, seen_run_id, {', '.join(names)}{', status' if status else ''}{first_seen})"
    )
    what = f"%(practice)s, %(source)s, s.source_key, %(run)s, {values}{status}{at}"
    if first:
        return f"INSERT INTO {kind.table} {into} SELECT {what} FROM ({rows}) s"
    return (
        f"MERGE INTO {kind.table} t USING ({rows}) s "
        "ON t.practice_id = %(practice)s AND t.source = %(source)s AND t.source_key = s.source_key "
        f"WHEN MATCHED AND ROW({old}) IS DISTINCT FROM ROW({new}) THEN UPDATE SET {assign}, seen_run_id = %(run)s "
        f"WHEN NOT MATCHED THEN INSERT {into} VALUES ({what})"
    )


def _mark_former_owners(run: Run, kind: Kind) -> None:
    """Mark patients who lose a row because the source has moved it to somebody else's chart."""
    survivor, owner = (targets.SURVIVOR_OF, targets.SURVIVOR) if kind.name in targets.JOINED else ("", "p.id")
    changes.mark_selected(
        run.practice.id,
        f"SELECT t.patient_id FROM {staging.name(kind)} s {targets.PATIENT_OF} {survivor} JOIN {kind.table} t "
        f"ON t.practice_id = %(practice)s AND t.source = %(source)s AND t.source_key = s.source_key WHERE t.patient_id <> {owner}",
        source=SOURCE,
    )


def _add_references(run: Run, kind: Kind) -> None:
    """Add providers and chairs that rows name and nobody has described; a person completes them under Settings."""
    described = {
        "patients": (("provider", "dentist", "'dentist'"), ("provider", "hygienist", "'hygienist'")),
        "appointments": (
            ("provider", "provider", "'other'"),
            ("provider", "hygienist", "'hygienist'"),
            ("operatory", "operatory", None),
        ),
        "procedures": (("provider", "provider", "'other'"),),
    }
    for table, key, sort in described.get(kind.name, ()):
        extra, value = (", kind", f", {sort}") if sort else ("", "")
        db.run(
            f"INSERT INTO {table} (practice_id, source, source_key, name{extra}) SELECT %(practice)s, %(source)s, {key}, {key}{value} "
            f"FROM (SELECT DISTINCT {key} FROM {staging.name(kind)} WHERE {key} IS NOT NULL) AS named WHERE NOT EXISTS (SELECT FROM {table} x "
            f"WHERE x.practice_id = %(practice)s AND x.source = %(source)s AND x.source_key = named.{key}) ON CONFLICT DO NOTHING",
            **run.bind,
        )


# What it means that a row of ours is in no file any more. Dated kinds are judged only within the days the export covers.
_GONE: Final[dict[str, tuple[str, str, str]]] = {
    # kind: (still there, becomes, day of a row)
    "patients": ("absent_since IS NULL", "absent_since = %(now)s", ""),
    "appointments": ("deleted_at IS NULL", "deleted_at = %(now)s", "(starts_at AT TIME ZONE %(tz)s)::date"),
    "procedures": ("status <> 'deleted'", "status = 'deleted'", "done_on"),
    "recalls": ("NOT (disabled AND status = 'gone')", "disabled = true, status = 'gone'", ""),
    "treatment plans": ("status <> 'deleted'", "status = 'deleted'", ""),
    "coverage": ("(ends_on IS NULL OR ends_on > %(now)s::date)", "ends_on = %(now)s::date", ""),
}
_STAGED_DAY: Final = {"appointments": "coalesce(starts::date, on_day)", "procedures": "done_on"}


def settle_gone(run: Run, kind: Kind) -> int | None:
    """Settle rows that the files of this kind no longer hold; a patient becomes absent, never deleted. Return how many.

    None when the files look partial or hold no row at all: then nothing is settled.
    """
    there, becomes, day = _GONE[kind.name]
    table, bind = staging.name(kind), run.bind
    if not db.value(f"SELECT EXISTS (SELECT FROM {table})"):
        return None
    within = ""
    if day:
        first, last = db.tuples(
            f"SELECT min(day), max(day) FROM (SELECT {_STAGED_DAY[kind.name]} AS day FROM {table}) AS d"
        )[0]
        bind |= {"first": first, "last": last}
        within = f"AND {day} BETWEEN %(first)s AND %(last)s"
    mine = f"practice_id = %(practice)s AND source = %(source)s AND {there} {within}"
    missing = f"{mine} AND NOT EXISTS (SELECT FROM {table} s WHERE s.source_key = t.source_key)"
    gone = int(db.value(f"SELECT count(*) FROM {kind.table} t WHERE {missing}", **bind))
    known = int(db.value(f"SELECT count(*) FROM {kind.table} t WHERE {mine}", **bind))
    if not gone:
        return 0
    if known >= _PARTIAL_FROM and known - gone < PARTIAL_SHARE * known:
        return None
    db.run(f"UPDATE {kind.table} t SET {becomes}, seen_run_id = %(run)s WHERE {missing}", **bind)
    return gone
