"""Who is on a list of patients, in what order, and how many they are: one statement for the rows, one for the counts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.segments import predicate as predicates
from recare.segments import priority

if TYPE_CHECKING:
    from datetime import date, datetime

    from recare.segments.bands import Bands
    from recare.segments.predicate import Predicate
    from recare.segments.segment import Order

PAGE: Final = 50


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
    next_visit_at: datetime | None
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

    practice_id: int
    today: date
    bands: Bands
    predicate: Predicate | None = None
    search: str = ""
    standing: str = ""


# Conditions on the chart that are no facts. Constants of ours; the value asked for is one of these names.
_STANDINGS: Final = {
    "open": "f.contactable", "closed": "NOT f.contactable", "hold": "p.hold <> ''", "paused": "p.paused_until > %(today)s",
    "do_not_contact": "(p.do_not_contact OR p.standing = 'do_not_contact')",
    "deceased": "(p.standing = 'deceased' OR p.status = 'deceased' OR p.deceased_on IS NOT NULL)",
    "dismissed": "(p.standing = 'dismissed' OR p.dismissed_on IS NOT NULL)",
}  # fmt: skip
_ORDERS: Final[dict[Order, tuple[str, str, str]]] = {  # expression, direction, type of the cursor's first value
    "priority": ("m.priority_cents", "DESC", "float8"),
    "last_visit": ("coalesce(m.last_visit_on, '-infinity')", "DESC", "date"),
    "name": ("m.last_name || ' ' || m.first_name", "ASC", "text"),
}


def where_of(asked: Question) -> tuple[str, dict[str, Any]]:
    parts, params = ["f.status <> 'merged'"], dict[str, Any](today=asked.today, practice=asked.practice_id)
    if asked.predicate is not None:
        made = predicates.compile(asked.predicate, asked.today, asked.bands)
        parts, params = [made.where], params | made.params
    if asked.standing:
        parts.append(_STANDINGS.get(asked.standing, "p.standing = %(standing)s"))
        params["standing"] = asked.standing
    if asked.search:
        found, more = search_sql(asked.search)
        parts.append(found)
        params |= more
    return " AND ".join(parts), params


def search_sql(text: str) -> tuple[str, dict[str, Any]]:
    """Return the condition of a search over patient ``p`` and its values: digits are a number to ring or a source key, else names."""
    digits = re.sub(r"\D", "", text)
    if len(digits) >= 4 and re.fullmatch(r"[\d\s()+.-]+", text):
        return (
            (
                "(p.source_key = %(key)s OR p.id IN (SELECT pc.patient_id FROM patient_contact pc JOIN contact_point c"
                " ON c.practice_id = pc.practice_id AND c.id = pc.contact_point_id WHERE pc.practice_id = %(practice)s AND pc.ended_at IS NULL"
                " AND c.practice_id = %(practice)s AND c.kind = 'phone' AND c.address LIKE %(digits)s))"
            ),
            {"key": text, "digits": f"%{digits}%"},
        )
    words, params = [], dict[str, Any](key=text)
    for at, word in enumerate(text.lower().split()[:5]):
        words.append(f"p.find_name LIKE %(word{at})s")
        params[f"word{at}"] = f"%{_escaped(word.strip(','))}%"
    return f"(p.source_key = %(key)s OR ({' AND '.join(words)}))", params


def _escaped(word: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", word)


def rows(asked: Question, order: Order, cursor: str = "", limit: int = PAGE) -> list[Line]:
    """Return one page of a list; go on with the ``cursor`` of the last row. Raises ValueError for a bad cursor."""
    where, params = where_of(asked)
    band, band_params = asked.bands.sql(asked.today)
    score, score_params = priority.sql(asked.today, asked.bands)
    key, direction, kind = _ORDERS[order]
    after = ""
    if cursor:
        after = f"WHERE ({key}, m.patient_id) {'<' if direction == 'DESC' else '>'} (%(after_key)s::{kind}, %(after_id)s::bigint)"
        params |= _read_cursor(cursor)
    return db.rows(
        Line,
        f"WITH m AS (SELECT f.patient_id, p.first_name, p.last_name, p.preferred_name, f.birthdate, {band} AS band, f.last_visit_on,"
        f" f.next_visit_at, f.recall_due_on, f.overdue_days, {score} AS priority_cents, f.contactable, f.sms_ok, f.email_ok, f.call_ok,"
        " f.letter_ok, p.standing, p.hold, p.paused_until"
        " FROM facts_on(%(today)s) f JOIN patient p ON p.practice_id = f.practice_id AND p.id = f.patient_id"
        f" WHERE f.practice_id = %(practice)s AND p.practice_id = %(practice)s AND {where})"
        f" SELECT m.*, json_build_array({key}, m.patient_id)::text AS cursor FROM m {after}"
        f" ORDER BY {key} {direction}, m.patient_id {direction} LIMIT %(limit)s",
        limit=limit, **(params | band_params | score_params),
    )  # fmt: skip


def _read_cursor(cursor: str) -> dict[str, Any]:
    try:
        key, last = json.loads(cursor)
        return {"after_key": str(key), "after_id": int(last)}
    except (ValueError, TypeError) as error:
        raise ValueError("This list cannot be continued from here: open it again.") from error
