"""Who is on a list of patients, in what order, and how many they are: one statement for the rows, one for the counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.segments import predicate as predicates

if TYPE_CHECKING:
    from recare.practices.practice import Practice
    from recare.segments.bands import Bands
    from recare.segments.listing import Relation
    from recare.segments.predicate import Predicate
    from recare.segments.segment import Order
    from recare.web.patient_search import Found

PAGE: Final = 50
WALKED: Final = 2000
"""Of a kept copy, so many rows are read in order first; when they hold a page, the rest need not be looked at."""


@dataclass(frozen=True, slots=True)
class Line:
    """One patient of a list. ``cursor`` continues the list after this row."""

    patient_id: int
    first_name: str
    last_name: str
    preferred_name: str
    birthdate: date | None
    band: str
    last_visit_on: date | None
    next_visit_on: date | None
    recall_due_on: date | None
    overdue_days: int | None
    priority_cents: float
    contactable: bool
    sms_ok: bool
    email_ok: bool
    call_ok: bool
    letter_ok: bool
    standing: str
    hold: str
    paused_until: date | None
    cursor: str

    @property
    def name(self) -> str:
        """Family name first, as an office reads its lists."""
        given = self.preferred_name or self.first_name
        return f"{self.last_name}, {given}" if self.last_name and given else self.last_name or given or "No name"

    @property
    def ways(self) -> str:
        """The ways that reach the patient, in words."""
        words = {"text": self.sms_ok, "e-mail": self.email_ok, "call": self.call_ok, "letter": self.letter_ok}
        return ", ".join(word for word, reaches in words.items() if reaches)


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that decides who is on the list, checked."""

    practice: Practice
    today: date
    bands: Bands
    source: Relation
    predicate: Predicate | None = None
    standing: str = ""
    found: Found | None = None


# Conditions besides facts. Constants of ours; the value asked for is one of these names.
_STANDINGS: Final = {
    "open": "f.contactable", "closed": "NOT f.contactable", "hold": "f.hold <> ''", "paused": "f.paused_until > %(today)s",
    "do_not_contact": "f.left_in_peace", "deceased": "(f.standing = 'deceased' OR f.status = 'deceased')",
}  # fmt: skip
_ORDERS: Final[dict[Order, tuple[str, str, str]]] = {  # expression, direction, type of the cursor's first value
    "priority": ("f.priority_cents", "DESC", "float8"), "last_visit": ("f.seen_on", "DESC", "date"), "name": ("f.sort_name", "ASC", "text"),
}  # fmt: skip


def where_of(asked: Question) -> tuple[str, dict[str, Any]]:
    """Return the condition over a listing's ``f`` that decides who is on the list, and its values."""
    parts, params = ["f.practice_id = %(practice)s", "f.status <> 'merged'"], dict[str, Any](practice=asked.practice.id)
    if asked.predicate is not None:
        made = predicates.compile(asked.predicate, asked.today, asked.bands)
        parts, params = [parts[0], made.where], params | made.params
    if asked.standing:
        parts.append(_STANDINGS.get(asked.standing, "f.standing = %(standing)s"))
        params["standing"] = asked.standing
    if asked.found is not None:
        parts.append(asked.found.where)
        params |= asked.found.params
    return " AND ".join(parts), params


def rows(asked: Question, order: Order, cursor: str = "", limit: int = PAGE) -> list[Line]:
    """Return one page of a list; go on with the ``cursor`` of the last row. Raises ValueError for a bad cursor."""
    source, (where, params) = asked.source, where_of(asked)
    band, band_params = asked.bands.sql(asked.today)
    key, direction, kind = _ORDERS[order]
    after = ""
    if cursor:
        after = f" AND ({key}, f.patient_id) {'<' if direction == 'DESC' else '>'} (%(after_key)s::{kind}, %(after_id)s::bigint)"
        params |= _read_cursor(cursor, kind)
    where += after
    params |= source.params | band_params | {"limit": limit, "walked": WALKED}
    by = f"ORDER BY {key} {direction}, f.patient_id {direction}"
    if not source.kept:
        return db.rows(
            Line,
            _LINES.format(band=band, key=key, by=by, people=f"{source.sql} f WHERE {where} {by} LIMIT %(limit)s"),
            **params,
        )
    start = f"(SELECT f.* FROM patient_today f WHERE f.practice_id = %(practice)s{after} {by} LIMIT %(walked)s) f WHERE {where} {by} LIMIT %(limit)s"
    lines = db.rows(Line, _LINES.format(band=band, key=key, by=by, people=start), **params)
    if len(lines) == limit:
        return lines
    # OFFSET 0 keeps the planner from walking the whole index in order; sorting keys alone costs least
    name = key.removeprefix("f.")
    keys = f"(SELECT f.patient_id, {key} FROM patient_today f WHERE {where} OFFSET 0) f {by} LIMIT %(limit)s"
    best = f"(SELECT f.* FROM (SELECT f.patient_id, f.{name} FROM {keys}) k JOIN patient_today f ON f.practice_id = %(practice)s AND f.patient_id = k.patient_id) f"
    return db.rows(Line, _LINES.format(band=band, key=key, by=by, people=best), **params)


_LINES: Final = """
SELECT f.patient_id, p.first_name, p.last_name, p.preferred_name, f.birthdate, {band} AS band, f.last_visit_on, f.next_visit_on, f.recall_due_on,
       f.overdue_days, f.priority_cents, f.contactable, f.sms_ok, f.email_ok, f.call_ok, f.letter_ok, p.standing, p.hold, p.paused_until,
       json_build_array({key}, f.patient_id)::text AS cursor
FROM (SELECT f.* FROM {people}) f JOIN patient p ON p.practice_id = %(practice)s AND p.id = f.patient_id
{by}
"""


_CURSOR_KEYS: Final = {"float8": float, "date": str, "text": str}


def _read_cursor(cursor: str, kind: str) -> dict[str, Any]:
    try:
        key, last = json.loads(cursor)
        if kind == "date" and key != "-infinity":
            date.fromisoformat(key)
        known = {"after_key": _CURSOR_KEYS[kind](key), "after_id": int(last)}
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError("This list cannot be continued from here: open it again.") from error
    if not abs(known["after_id"]) < 2**63 or (kind == "text" and "\x00" in key):
        raise ValueError("This list cannot be continued from here: open it again.")
    return known
