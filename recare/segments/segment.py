"""Segments: named, versioned predicates of a practice; who is in one, how they can be reached, and why somebody is not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import yaml

from recare.base import db
from recare.segments import bands as band_definitions
from recare.segments import priority
from recare.segments.predicate import Clause, Compiled, Group, Predicate, compile_node, in_words, parse
from recare.segments.predicate import compile as compile_predicate

if TYPE_CHECKING:
    from datetime import date, datetime

    from recare.segments.bands import Bands

Order = Literal["priority", "last_visit", "name"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A row of ``segment``: one version of a named predicate."""

    id: int
    slug: str
    name: str
    description: str
    version: int
    predicate: dict[str, Any]
    bands: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """A segment that ships with the product."""

    slug: str
    name: str
    description: str
    predicate: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Count:
    """How many patients, and how many of them each channel reaches; ``none`` is reached by no channel."""

    total: int
    sms: int
    email: int
    call: int
    letter: int
    none: int


@dataclass(frozen=True, slots=True)
class Member:
    """One patient of a segment, as lists show them. ``cursor`` continues the list after this row."""

    patient_id: int
    first_name: str
    last_name: str
    preferred_name: str
    birthdate: date | None
    household_id: int | None
    band: str
    last_visit_on: date | None
    next_visit_at: datetime | None
    recall_due_on: date | None
    overdue_days: int | None
    unscheduled_cents: int
    priority_cents: float
    contactable: bool
    sms_ok: bool
    email_ok: bool
    call_ok: bool
    letter_ok: bool
    cursor: str


_COLUMNS = "id, slug, name, description, version, predicate, bands, created_by, created_at"


@cache
def ready_made() -> tuple[ReadyMade, ...]:
    """Return the segments that ship with the product (``ready_made/*.yaml``), checked."""
    found = []
    for file in sorted(resources.files("recare.segments").joinpath("ready_made").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".yaml"):
            data = yaml.safe_load(file.read_text(encoding="utf-8"))
            parse(data["predicate"])
            found.append(ReadyMade(slug=file.name.removesuffix(".yaml"), **data))
    return tuple(found)


def install(practice_id: int, now: datetime) -> int:
    """Give a practice the ready-made segments it does not have yet, and return how many were added."""
    have = set(db.values("SELECT slug FROM segment WHERE practice_id = %(practice)s", practice=practice_id))
    missing = [each for each in ready_made() if each.slug not in have]
    for each in missing:
        save(practice_id, each.slug, each.name, each.predicate, now=now, description=each.description)
    return len(missing)


def save(  # noqa: PLR0913 (the columns of a segment)
    practice_id: int, slug: str, name: str, data: dict[str, Any], *, now: datetime, actor: str = "recare", description: str = "",
    bands: Bands | None = None,
) -> Segment:  # fmt: skip
    """Save a new version of a segment and retire the one before; saving the same again changes nothing.

    Raises PredicateError when the predicate cannot be used.
    """
    definition = bands or band_definitions.get()
    checked = parse(data, definition)
    current = get(practice_id, slug)
    fields = {"name": name, "description": description, "predicate": checked.data, "bands": definition.label}
    if current and all(getattr(current, key) == value for key, value in fields.items()):
        return current
    db.run(
        "UPDATE segment SET replaced_at = %(now)s WHERE practice_id = %(practice)s AND slug = %(slug)s AND replaced_at IS NULL",
        practice=practice_id, slug=slug, now=now,
    )  # fmt: skip
    made = db.one(
        Segment,
        "INSERT INTO segment (practice_id, slug, name, description, version, predicate, bands, created_by, created_at)"
        f" VALUES (%(practice)s, %(slug)s, %(name)s, %(description)s, %(version)s, %(predicate)s, %(bands)s, %(actor)s, %(now)s)"
        f" RETURNING {_COLUMNS}",
        practice=practice_id, slug=slug, version=current.version + 1 if current else 1, actor=actor, now=now,
        **(fields | {"predicate": db.json(checked.data)}),
    )  # fmt: skip
    assert made is not None  # noqa: S101 (RETURNING gives the row)
    return made


def get(practice_id: int, slug: str) -> Segment | None:
    """Return the current version of a segment, or None."""
    return db.one(
        Segment,
        f"SELECT {_COLUMNS} FROM segment WHERE practice_id = %(practice)s AND slug = %(slug)s AND replaced_at IS NULL",
        practice=practice_id, slug=slug,
    )  # fmt: skip


def every(practice_id: int) -> list[Segment]:
    """Return the current versions of all segments of a practice, by name."""
    return db.rows(
        Segment,
        f"SELECT {_COLUMNS} FROM segment WHERE practice_id = %(practice)s AND replaced_at IS NULL ORDER BY name, id",
        practice=practice_id,
    )


def predicate_of(segment: Segment) -> Predicate:
    """Return the checked predicate of a segment, against the band definition it was written for."""
    return parse(segment.predicate, band_definitions.get(segment.bands))


def count(practice_id: int, predicate: Predicate, today: date, bands: Bands | None = None) -> Count:
    """Count who a predicate holds for on a day, and whom each channel reaches, in one query."""
    made = compile_predicate(predicate, today, bands)
    found = db.one(
        Count,
        "SELECT count(*) AS total, count(*) FILTER (WHERE f.sms_ok) AS sms, count(*) FILTER (WHERE f.email_ok) AS email,"
        " count(*) FILTER (WHERE f.call_ok) AS call, count(*) FILTER (WHERE f.letter_ok) AS letter,"
        " count(*) FILTER (WHERE NOT (f.sms_ok OR f.email_ok OR f.call_ok OR f.letter_ok)) AS none"
        f" FROM facts_on(%(today)s) f WHERE f.practice_id = %(practice)s AND {made.where}",
        practice=practice_id, **made.params,
    )  # fmt: skip
    assert found is not None  # noqa: S101 (an aggregate always gives one row)
    return found


def patient_ids(practice_id: int, predicate: Predicate, today: date, bands: Bands | None = None) -> list[int]:
    """Return everybody a predicate holds for on a day, in order of their ids."""
    made = compile_predicate(predicate, today, bands)
    return db.values(
        f"SELECT f.patient_id FROM facts_on(%(today)s) f WHERE f.practice_id = %(practice)s AND {made.where} ORDER BY f.patient_id",
        practice=practice_id, **made.params,
    )  # fmt: skip


_ORDERS: dict[str, tuple[str, str, str]] = {  # expression, direction, type of the cursor's first value
    "priority": ("m.priority_cents", "DESC", "float8"),
    "last_visit": ("coalesce(m.last_visit_on, '-infinity')", "DESC", "date"),
    "name": ("m.last_name || ' ' || m.first_name", "ASC", "text"),
}


def patients(  # noqa: PLR0913 (a list has an order, a length and a place to go on from)
    practice_id: int, predicate: Predicate, today: date, *, order: Order = "priority", limit: int = 50, cursor: str = "",
    bands: Bands | None = None,
) -> list[Member]:  # fmt: skip
    """List who a predicate holds for, ``limit`` at a time; go on with the ``cursor`` of the last row. Raises ValueError for a bad cursor."""
    definition = bands or band_definitions.get()
    made = compile_predicate(predicate, today, definition)
    band, band_params = definition.sql(today)
    score, score_params = priority.sql(today, definition)
    key, direction, kind = _ORDERS[order]
    after = ""
    params = made.params | band_params | score_params
    if cursor:
        after = f"WHERE ({key}, m.patient_id) {'<' if direction == 'DESC' else '>'} (%(after_key)s::{kind}, %(after_id)s::bigint)"
        params |= _read_cursor(cursor)
    return db.rows(
        Member,
        f"WITH m AS (SELECT f.patient_id, p.first_name, p.last_name, p.preferred_name, f.birthdate, f.household_id, {band} AS band,"
        " f.last_visit_on, f.next_visit_at, f.recall_due_on, f.overdue_days, f.unscheduled_cents,"
        f" {score} AS priority_cents, f.contactable, f.sms_ok, f.email_ok, f.call_ok, f.letter_ok"
        " FROM facts_on(%(today)s) f JOIN patient p ON p.practice_id = f.practice_id AND p.id = f.patient_id"
        f" WHERE f.practice_id = %(practice)s AND p.practice_id = %(practice)s AND {made.where})"
        f" SELECT m.*, json_build_array({key}, m.patient_id)::text AS cursor FROM m {after}"
        f" ORDER BY {key} {direction}, m.patient_id {direction} LIMIT %(limit)s",
        practice=practice_id, limit=limit, **params,
    )  # fmt: skip


def _read_cursor(cursor: str) -> dict[str, Any]:
    try:
        key, last = json.loads(cursor)
        return {"after_key": str(key), "after_id": int(last)}
    except (ValueError, TypeError) as error:
        raise ValueError("This list cannot be continued from here: open it again.") from error


@dataclass(frozen=True, slots=True)
class Unmet:
    """A part of a predicate that does not hold for a patient: where it stands, what it asks, and what is so."""

    place: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.wanted}: {self.found}" if self.found else self.wanted


def why_not(
    practice_id: int, patient_id: int, predicate: Predicate, today: date, bands: Bands | None = None
) -> list[Unmet]:
    """Say which parts of a predicate keep a patient out; empty when it holds. Raises LookupError for a patient without facts."""
    definition = bands or band_definitions.get()
    clauses = _clauses(predicate.root)
    compiled = [compile_node(clause, today, definition) for clause in clauses]
    band, band_params = definition.sql(today)
    asked, params = _renumbered(compiled)
    shown = [_shown(clause, band) for clause in clauses]
    row = db.tuples(
        f"SELECT ARRAY[{', '.join(f'({each}) IS TRUE' for each in asked)}], ARRAY[{', '.join(shown)}]"
        " FROM facts_on(%(today)s) f WHERE f.practice_id = %(practice)s AND f.patient_id = %(patient)s",
        practice=practice_id, patient=patient_id, **(params | band_params | {"today": today}),
    )  # fmt: skip
    if not row:
        raise LookupError("There are no facts of this patient yet: they are computed after each import.")
    truth = dict(zip([clause.place for clause in clauses], row[0][0], strict=True))
    values = dict(zip([clause.place for clause in clauses], row[0][1], strict=True))
    return _unmet(predicate.root, truth, values, today)


def _clauses(node: Group | Clause) -> list[Clause]:
    return [node] if isinstance(node, Clause) else [clause for each in node.nodes for clause in _clauses(each)]


def _renumbered(compiled: list[Compiled]) -> tuple[list[str], dict[str, Any]]:
    """Give every clause's parameters names of their own, so that all can be asked in one query."""
    asked, params = [], {}
    for at, each in enumerate(compiled):
        where = each.where
        for name, value in each.params.items():
            if name.startswith("p") and name[1:].isdigit():
                where = where.replace(f"%({name})s", f"%(c{at}_{name})s")
                params[f"c{at}_{name}"] = value
        asked.append(where)
    return asked, params


def _shown(clause: Clause, band: str) -> str:
    subject = band if clause.field.name == "band" else clause.field.sql
    return f"({subject})::text" if subject else "NULL::text"


def _unmet(node: Group | Clause, truth: dict[str, bool], values: dict[str, str | None], today: date) -> list[Unmet]:
    if _holds(node, truth):
        return []
    if isinstance(node, Clause):
        return [Unmet(node.place, in_words(node, today), _found(node, values[node.place]))]
    if node.word == "all":
        return [each for child in node.nodes for each in _unmet(child, truth, values, today)]
    places = [clause.place for clause in _clauses(node)]
    return [Unmet(places[0], in_words(node, today), "none of these holds" if node.word == "any" else "it holds")]


def _holds(node: Group | Clause, truth: dict[str, bool]) -> bool:
    if isinstance(node, Clause):
        return truth[node.place]
    if node.word == "not":
        return not _holds(node.nodes[0], truth)
    return (all if node.word == "all" else any)(_holds(each, truth) for each in node.nodes)


def _found(clause: Clause, value: str | None) -> str:
    match clause.field.kind:
        case "kinds" | "codes":
            return "not so"
        case "money" if value is not None:
            return f"${int(value) / 100:,.2f}"
        case "flag":
            return "yes" if value in {"t", "true"} else "no"
        case _:
            return "none known" if value is None else value.replace("_", " ")
