"""How many patients many segments hold and whom each channel reaches: one reading of the list for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.segments import listing
from recare.segments.predicate import compile as compile_predicate
from recare.segments.segment import Count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from recare.practices.practice import Practice
    from recare.segments.bands import Bands
    from recare.segments.predicate import Predicate

_PARTS: Final = (
    "count(*) FILTER (WHERE {where})", "count(*) FILTER (WHERE ({where}) AND f.sms_ok)", "count(*) FILTER (WHERE ({where}) AND f.email_ok)",
    "count(*) FILTER (WHERE ({where}) AND f.call_ok)", "count(*) FILTER (WHERE ({where}) AND f.letter_ok)",
    "count(*) FILTER (WHERE ({where}) AND NOT (f.sms_ok OR f.email_ok OR f.call_ok OR f.letter_ok))",
)  # fmt: skip


def counts(practice: Practice, asked: Sequence[tuple[Predicate, Bands]], today: date) -> list[Count]:
    """Count each predicate with its own bands on a day, in the order given, in one statement inside the caller's scope."""
    if not asked:
        return []
    source = listing.relation(practice, today)
    holds, parts, params = [], [], dict[str, Any](source.params)
    for at, (predicate, bands) in enumerate(asked):
        made = compile_predicate(predicate, today, bands)
        where = made.where
        for name, value in made.params.items():
            if name != "today":
                where = where.replace(f"%({name})s", f"%(s{at}_{name})s")
                params[f"s{at}_{name}"] = value
        holds.append(f"({where}) AS h{at}")
        parts += [part.format(where=f"f.h{at}") for part in _PARTS]
    row = db.tuples(
        f"SELECT {', '.join(parts)} FROM (SELECT f.sms_ok, f.email_ok, f.call_ok, f.letter_ok, {', '.join(holds)} FROM {source.sql} f"
        " WHERE f.practice_id = %(practice)s OFFSET 0) f",
        practice=practice.id, **params,
    )[0]  # fmt: skip
    return [Count(*row[start : start + len(_PARTS)]) for start in range(0, len(row), len(_PARTS))]
