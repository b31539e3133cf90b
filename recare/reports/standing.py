"""The year's comparison: everybody a campaign could have invited against the households that all campaigns left alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from recare.base import db
from recare.reports import intervals
from recare.reports.intervals import Difference, Rate

DEFINITION: Final = "kept visit within 180 days of the day of the draw, intention to treat, v1"


@dataclass(frozen=True, slots=True)
class Year:
    """One year's draw: both arms with their 180 days behind them, and how many are still within theirs."""

    year: int
    invited: Rate
    alone: Rate
    lift: Difference
    pending: int

    @property
    def finding(self) -> str:
        """The result in one honest sentence."""
        if not self.invited.of or not self.alone.of:
            return f"{self.year}: too early. The 180 days of {self.pending:,} patients are not over."
        between = f"95 % interval {100 * self.lift.low:+.1f} to {100 * self.lift.high:+.1f} points"
        said = f"{100 * self.lift.value:+.1f} points ({between})"
        if not self.lift.certain:
            return f"{self.year}: not distinguishable from zero, {said}."
        return f"{self.year}: all campaigns together changed the share that kept a visit by {said}."


# The first kept visit after the day of the draw, looked up by patient and day; arms are not read.
_UNITS: Final = """
WITH drawn AS (
    SELECT d.year, d.unit, d.held_out, d.patient_id, d.drawn_at, (d.drawn_at AT TIME ZONE p.tz)::date AS day, p.tz,
           d.drawn_at + interval '180 days' AS until
    FROM standing_draw d JOIN practice p ON p.id = d.practice_id
    WHERE d.practice_id = %(practice)s
)
SELECT d.year, d.held_out, count(*) FILTER (WHERE d.until <= %(now)s) AS members,
       count(*) FILTER (WHERE d.until <= %(now)s AND (EXISTS (
           SELECT FROM appointment a WHERE a.practice_id = %(practice)s AND a.patient_id = d.patient_id AND a.starts_at > d.drawn_at
               AND a.starts_at <= d.until AND (a.starts_at AT TIME ZONE d.tz)::date > d.day AND a.status = 'completed' AND a.deleted_at IS NULL)
        OR EXISTS (
           SELECT FROM procedure r WHERE r.practice_id = %(practice)s AND r.patient_id = d.patient_id AND r.done_on > d.day
               AND r.done_on <= d.day + 180 AND r.status = 'completed' AND r.code NOT IN ('D9986', 'D9987')))) AS kept,
       count(*) FILTER (WHERE d.until > %(now)s) AS pending
FROM drawn d GROUP BY d.year, d.held_out, d.unit
"""


def years(practice_id: int, now: datetime) -> tuple[Year, ...]:
    """Return the comparison of each year that had a standing hold-out, the latest first."""
    found = db.tuples(_UNITS, practice=practice_id, now=now)
    return tuple(
        _year(year, [row[1:] for row in found if row[0] == year])
        for year in sorted({row[0] for row in found}, reverse=True)
    )


def _year(year: int, units: list[tuple[bool, int, int, int]]) -> Year:
    sides = {
        held: [(members, kept) for of, members, kept, _ in units if of == held and members] for held in (False, True)
    }
    worth = {held: intervals.effective_n(side) for held, side in sides.items()}
    rates = {
        held: intervals.rate(sum(y for _, y in side), sum(m for m, _ in side), worth[held])
        for held, side in sides.items()
    }
    lift = intervals.newcombe(rates[False].value or 0.0, worth[False], rates[True].value or 0.0, worth[True])
    return Year(year, rates[False], rates[True], lift, sum(pending for *_, pending in units))
