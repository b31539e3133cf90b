"""How many patients many segments hold and whom each channel reaches: one reading of the list for all of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from recare.base import counted, db
from recare.segments import bands as band_definitions
from recare.segments import listing, segment
from recare.segments.predicate import compile_node
from recare.segments.segment import Count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from recare.base.counted import Counted
    from recare.practices.practice import Practice
    from recare.segments.bands import Bands
    from recare.segments.listing import Relation
    from recare.segments.predicate import Predicate
    from recare.segments.segment import Segment

WHAT: Final = "segments"
_WAYS: Final = ("sms", "email", "call", "letter")
_MOST: Final = 50  # segments in one statement: each is one bit of a number, and four bits say what reaches the patient


def look(practice: Practice, found: Sequence[Segment], now: datetime) -> tuple[list[Count], Counted | None]:
    """Return how many these current segments hold: counted now, or of a large practice kept, with when they were counted."""
    today = now.astimezone(practice.zone).date()
    if not listing.relation(practice, today).kept:
        return counts(practice, [_asked(one) for one in found], today), None
    kept = counted.looked_at(practice.id, WHAT, now, lambda: count(practice, now))
    figures = kept.figures or {}
    if any(str(one.id) not in figures for one in found):  # saved since then: one reading counts them all
        kept = counted.keep(practice.id, WHAT, figures := count(practice, now), now)
    return [Count(**figures[str(one.id)]) for one in found], kept


def count(practice: Practice, now: datetime) -> dict[str, dict[str, int]]:
    """Count every current segment, by its id, in the caller's scope."""
    found = segment.every(practice.id)
    counted_now = counts(practice, [_asked(one) for one in found], now.astimezone(practice.zone).date())
    return {str(one.id): asdict(figures) for one, figures in zip(found, counted_now, strict=True)}


def _asked(one: Segment) -> tuple[Predicate, Bands]:
    return segment.predicate_of(one), band_definitions.get(one.bands)


def counts(practice: Practice, asked: Sequence[tuple[Predicate, Bands]], today: date) -> list[Count]:
    """Count each predicate with its own bands on a day, in the order given, in one statement inside the caller's scope."""
    found: list[Count] = []
    source = listing.relation(practice, today)
    for start in range(0, len(asked), _MOST):
        found += _counted(practice.id, source, asked[start : start + _MOST], today)
    return found


def _counted(practice_id: int, source: Relation, asked: Sequence[tuple[Predicate, Bands]], today: date) -> list[Count]:
    bits = [f"CASE WHEN f.{way}_ok THEN {1 << at} ELSE 0 END" for at, way in enumerate(_WAYS)]
    params = dict[str, Any](source.params)
    for at, (predicate, bands) in enumerate(asked):
        made = compile_node(predicate.root, today, bands)
        where = made.where
        for name, value in made.params.items():
            if name != "today":
                where = where.replace(f"%({name})s", f"%(s{at}_{name})s")
                params[f"s{at}_{name}"] = value
        bits.append(f"CASE WHEN {where} THEN {1 << (len(_WAYS) + at)}::bigint ELSE 0 END")
    groups = db.tuples(
        f"SELECT {' | '.join(bits)} AS bits, count(*) FROM {source.sql} f WHERE f.practice_id = %(practice)s GROUP BY 1",
        practice=practice_id, **params,
    )  # fmt: skip
    return [_summed(groups, 1 << (len(_WAYS) + at)) for at, _ in enumerate(asked)]


def _summed(groups: list[tuple[int, int]], segment: int) -> Count:
    mine = [(bits, patients) for bits, patients in groups if bits & segment]
    ways = {way: sum(patients for bits, patients in mine if bits & 1 << at) for at, way in enumerate(_WAYS)}
    none = sum(patients for bits, patients in mine if not bits & ((1 << len(_WAYS)) - 1))
    return Count(total=sum(patients for _, patients in mine), none=none, **ways)
