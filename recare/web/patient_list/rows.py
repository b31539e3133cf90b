"""Who is on a list of patients, in what order, and how many they are: one statement for the rows, one for the counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.segments import predicate as predicates
from recare.segments.segment import Count

if TYPE_CHECKING:
    from recare.practices.practice import Practice
    from recare.segments.bands import Bands
    from recare.segments.listing import Relation
    from recare.segments.predicate import Predicate
    from recare.segments.segment import Order
    from recare.web.patient_list.search import Found

PAGE: Final = 50
WALKED: Final = 10_000
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
    "priority": ("f.rank_cents", "DESC", "float8"), "last_visit": ("f.seen_on", "DESC", "date"), "name": ("f.sort_name", "ASC", "text"),
}  # fmt: skip


def where_of(asked: Question) -> tuple[str, dict[str, Any]]:
    """Return the condition over a listing's ``f`` that decides who is on the list, and its values."""
    parts, params = ["f.practice_id = %(practice)s"], dict[str, Any](practice=asked.practice.id)
    if asked.predicate is not None:
        made = predicates.compile_node(asked.predicate.root, asked.today, asked.bands)
        parts.append(f"({made.where})")
        params |= made.params
    if asked.standing:
        parts.append(_STANDINGS.get(asked.standing, "f.standing = %(standing)s"))
        params["standing"] = asked.standing
    if asked.found is not None:
        parts.append(asked.found.where)
        params |= asked.found.params
    return " AND ".join(parts), params | asked.source.params


def page(asked: Question, order: Order, cursor: str = "", limit: int = PAGE) -> tuple[list[Line], Count]:
    """Return one page of a list, and how many are on the whole of it; go on with the ``cursor`` of the last row.

    Raises ValueError for a bad cursor.
    """
    (where, params), key = where_of(asked), _key(asked, order, cursor)
    if not asked.source.kept:
        return _one_reading(asked.source, where, key, params | key.params | {"limit": limit})
    about = (*_about(asked), order, cursor, limit)
    if about in _pages:
        ids, count = _pages[about]
        return _again(key, params | key.params, ids), count
    lines, count = _of_copy(asked, key, limit)
    _remember(_pages, about, ([line.patient_id for line in lines], count))
    return lines, count


def _of_copy(asked: Question, key: _Key, limit: int) -> tuple[list[Line], Count]:
    """Read a page of a kept copy: most questions are answered by the first rows in order, and the copy's index has them."""
    where, params = where_of(asked)
    params |= key.params | {"limit": limit, "walked": WALKED}
    db.run("SET LOCAL max_parallel_workers_per_gather = 0")  # starting helpers takes longer than they save here
    if asked.found is None or not asked.found.few:
        start = (
            f"(SELECT f.* FROM patient_today f WHERE f.practice_id = %(practice)s{key.after} {key.by} LIMIT %(walked)s)"
        )
        lines = db.rows(
            Line,
            f"SELECT {key.shown} FROM (SELECT f.* FROM {start} f WHERE {where} LIMIT %(limit)s) f{_CHART} {key.by}",
            **params,
        )
        if len(lines) == limit:
            return lines, counted(asked)
    return _one_reading(asked.source, where, key, params)


def _again(key: _Key, params: dict[str, Any], ids: list[int]) -> list[Line]:
    """Read the lines of a page again that was looked at before; the list has not changed since, names and standings may have."""
    return db.rows(
        Line,
        f"SELECT {key.shown} FROM patient_today f{_CHART} WHERE f.practice_id = %(practice)s AND f.patient_id = ANY(%(ids)s::bigint[]) {key.by}",
        **params, ids=ids,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Key:
    """An order: what a row is placed by, and the condition of going on after the cursor."""

    column: str
    by: str
    after: str
    shown: str
    params: dict[str, Any]


def _key(asked: Question, order: Order, cursor: str) -> _Key:
    column, direction, kind = _ORDERS[order]
    band, params = asked.bands.sql(asked.today)
    after = ""
    if cursor:
        after = f" AND ({column}, f.patient_id) {'<' if direction == 'DESC' else '>'} (%(after_key)s::{kind}, %(after_id)s::bigint)"
        params = params | _read_cursor(cursor, kind)
    shown = f"{_SHOWN}, {band} AS band, json_build_array({column}, f.patient_id)::text AS cursor"
    return _Key(column, f"ORDER BY {column} {direction}, f.patient_id {direction}", after, shown, params)


_CHART: Final = " JOIN patient p ON p.practice_id = %(practice)s AND p.id = f.patient_id"
_SHOWN: Final = (
    "f.patient_id, p.first_name, p.last_name, p.preferred_name, f.birthdate, f.last_visit_on, f.next_visit_on, f.recall_due_on, f.overdue_days,"
    " f.priority_cents, f.contactable, f.sms_ok, f.email_ok, f.call_ok, f.letter_ok, p.standing, p.hold, p.paused_until"
)
_NEEDED: Final = (
    "f.patient_id, f.birthdate, f.last_visit_on, f.next_visit_on, f.recall_due_on, f.overdue_days, f.priority_cents, f.rank_cents, f.contactable,"
    " f.sms_ok, f.email_ok, f.call_ok, f.letter_ok, f.seen_on, f.sort_name, f.recall_interval_days"
)
_COUNT: Final = (
    "count(*) AS total, count(*) FILTER (WHERE f.sms_ok) AS sms, count(*) FILTER (WHERE f.email_ok) AS email,"
    " count(*) FILTER (WHERE f.call_ok) AS call, count(*) FILTER (WHERE f.letter_ok) AS letter,"
    " count(*) FILTER (WHERE NOT (f.sms_ok OR f.email_ok OR f.call_ok OR f.letter_ok)) AS none"
)


def _one_reading(source: Relation, where: str, key: _Key, params: dict[str, Any]) -> tuple[list[Line], Count]:
    """Count and sort what one reading of the list finds. Of a copy only what sorts and counts is carried along, and the page is read again."""
    needed, again = _NEEDED, ""
    if source.kept:
        needed = f"f.patient_id, {key.column}, f.sms_ok, f.email_ok, f.call_ok, f.letter_ok"
        again = " k JOIN patient_today f ON f.practice_id = %(practice)s AND f.patient_id = k.patient_id"
    found = db.rows(
        _Both,
        f"WITH f AS MATERIALIZED (SELECT {needed} FROM {source.sql} f WHERE {where}), counted AS (SELECT {_COUNT} FROM f),"
        f" lines AS (SELECT {key.shown}, row_number() OVER ({key.by}) AS place"
        f" FROM (SELECT f.* FROM f WHERE true{key.after} {key.by} LIMIT %(limit)s){again or ' f'}{_CHART})"
        " SELECT to_jsonb(counted) AS count, to_jsonb(lines) AS line FROM counted LEFT JOIN lines ON true ORDER BY lines.place",
        **params,
    )  # fmt: skip
    return [_line(row.line) for row in found if row.line is not None], Count(**found[0].count)


@dataclass(frozen=True, slots=True)
class _Both:
    count: dict[str, Any]
    line: dict[str, Any] | None


_DAYS: Final = ("birthdate", "last_visit_on", "next_visit_on", "recall_due_on", "paused_until")


def _line(data: dict[str, Any]) -> Line:
    days = {name: date.fromisoformat(data[name]) if data[name] else None for name in _DAYS}
    return Line(**{name: value for name, value in data.items() if name != "place"} | days)


def in_order(asked: Question, order: Order, columns: str) -> tuple[str, dict[str, Any]]:
    """Return the statement that reads the whole of a list in its order, and its values. ``columns`` are of ``f`` (facts), ``p`` (the chart), ``band``."""
    where, params = where_of(asked)
    key = _key(asked, order, "")
    band, _ = asked.bands.sql(asked.today)
    shown = columns.format(band=band)
    return f"SELECT {shown} FROM {asked.source.sql} f{_CHART} WHERE {where} {key.by}", params | key.params


def counted(asked: Question) -> Count:
    """Count everybody a question finds, in one statement; of a kept copy once, until the copy changes."""
    where, params = where_of(asked)
    about = _about(asked)
    if asked.source.kept and about in _counts:
        return _counts[about]
    found = db.one(Count, f"SELECT {_COUNT} FROM {asked.source.sql} f WHERE {where}", **params)
    assert found is not None  # noqa: S101 (an aggregate always gives one row)
    if asked.source.kept:
        _remember(_counts, about, found)
    return found


# What has been read of kept copies, by the copy's version: right until the copy changes, then never asked for again.
_MOST: Final = 1_000
_counts: dict[tuple[Any, ...], Count] = {}
_pages: dict[tuple[Any, ...], tuple[list[int], Count]] = {}


def _about(asked: Question) -> tuple[Any, ...]:
    where, params = where_of(asked)
    return asked.practice.id, asked.source.version, asked.bands.label, where, repr(sorted(params.items()))


def _remember(known: dict[tuple[Any, ...], Any], about: tuple[Any, ...], what: Any) -> None:
    if len(known) >= _MOST:
        known.clear()
    known[about] = what


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
