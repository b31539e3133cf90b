"""A list of patients as a CSV file: whom the practice system knows by which number, and why they are on the list.

It names no number, address or birth date: contact goes through Recare, where every rule is asked, and the chart number leads to the rest.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from recare.base import audit, db, spreadsheet
from recare.practices import practice as practices
from recare.segments import bands as band_definitions
from recare.segments import listing
from recare.segments.predicate import in_words, parse
from recare.web.patient_list import filters, rows, search
from recare.web.patient_list.rows import Question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from recare.practices.exports import Export
    from recare.practices.practice import Practice

_HEAD: Final = (
    "chart number", "family name", "first name", "preferred name", "standing", "on hold", "band", "last visit", "next visit", "recall due",
    "days overdue", "reached by", "priority, dollars",
)  # fmt: skip
_COLUMNS: Final = (
    "p.source_key, p.last_name, p.first_name, p.preferred_name, p.standing, p.hold, {band}, f.last_visit_on, f.next_visit_on, f.recall_due_on, "
    "f.overdue_days, concat_ws(', ', CASE WHEN f.sms_ok THEN 'text' END, CASE WHEN f.email_ok THEN 'e-mail' END, "
    "CASE WHEN f.call_ok THEN 'call' END, CASE WHEN f.letter_ok THEN 'letter' END), round(f.priority_cents) / 100"
)


def frozen(practice: Practice, given: Mapping[str, str]) -> dict[str, Any]:
    """Return what filters of an address ask, in the form that is approved: the predicate itself, not the name of a segment."""
    choices = {choice.slug: choice for choice in filters.segment_choices(practice.id)}
    asked = filters.read(given, filters.definition(practice.policy, None), set(choices))
    chosen = choices.get(asked.segment)
    bands = filters.definition(practice.policy, chosen)
    if asked.band not in {"", *bands.names}:
        asked = filters.read({**given, "band": ""}, bands, set(choices))
    made = filters.predicate(asked, bands, chosen)
    return {
        "predicate": made.data if made else None, "bands": bands.label, "standing": asked.standing, "q": asked.q, "order": asked.order,
        "segment": chosen.name if chosen else "",
    }  # fmt: skip


def question(practice: Practice, kept: Mapping[str, Any], now: datetime) -> Question:
    """Return a frozen question as the list asks it today."""
    today = now.astimezone(practice.zone).date()
    bands = band_definitions.get(kept["bands"])
    return Question(
        practice, today, bands, listing.relation(practice, today), parse(kept["predicate"], bands) if kept["predicate"] else None,
        kept["standing"], search.find(practice.id, kept["q"]),
    )  # fmt: skip


def words(practice: Practice, kept: Mapping[str, Any], now: datetime) -> str:
    """Say a frozen question for the person who approves it."""
    asked = question(practice, kept, now)
    parts = [
        f"segment {kept['segment']}" if kept["segment"] else "",
        in_words(asked.predicate.root, asked.today) if asked.predicate else "",
        f"standing: {filters.STANDINGS.get(kept['standing'], kept['standing'])}" if kept["standing"] else "",
        f"searched for “{kept['q']}”" if kept["q"] else "",
    ]
    return "Patients: " + ("; ".join(part for part in parts if part) or "everybody")


def lines(practice_id: int, export: Export, now: datetime) -> Iterator[bytes]:
    """Stream the file in a transaction of its own, and put down at its end how many rows left, and their hash."""
    digest, many = hashlib.sha256(), 0

    def counted(found: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        nonlocal many
        for row in found:
            many += 1
            yield row

    with db.scope(practice_id):
        asked = question(practices.get(practice_id), export.question, now)
        sql, params = rows.in_order(asked, export.question["order"], _COLUMNS)
        for piece in spreadsheet.lines(_HEAD, counted(db.stream(sql, **params))):
            digest.update(piece)
            yield piece
        detail = {"rows": many, "sha256": digest.hexdigest(), "purpose": export.purpose}
        audit.record(practice_id, export.requested_by, "exported patients", f"export:{export.id}", now, detail)
