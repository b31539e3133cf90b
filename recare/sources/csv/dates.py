"""Dates as practice systems print them. The order of day and month is decided for a whole column, never for a cell."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXCEL_EPOCH: Final = date(1899, 12, 30)  # day 0 of Excel's 1900 system, its leap-year bug included
_SENTINELS: Final = {
    date(1, 1, 1),
    date(1753, 1, 1),
    date(1800, 1, 1),
    date(1899, 12, 30),
    date(1899, 12, 31),
    date(1900, 1, 1),
}
_SENTINELS_LATE: Final = {date(9999, 12, 31), date(2099, 12, 31), date(2079, 6, 6)}
_OLDEST_PERSON: Final = 110  # years; older birthdates are placeholders (pms-data trap 2)
_ISO: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?$")
_COMPACT: Final = re.compile(r"((?:1[89]|20)\d\d)(\d\d)(\d\d)$")
_NUMERIC: Final = re.compile(r"(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4}|\d{2})(?:\s.*)?$")
_YEAR_FIRST: Final = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(?:\s.*)?$")
_WORDS: Final = re.compile(
    r"(?:[A-Za-z]{3,9},?\s+)?(?:(\d{1,2})[\s\-]+([A-Za-z]{3,9})|([A-Za-z]{3,9})\s+(\d{1,2}))[\s,\-]+(\d{4}|\d{2})(?:\s.*)?$"
)
_SERIAL: Final = re.compile(r"(\d{5})(?:\.\d+)?$")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Order(StrEnum):
    """Which number comes first in a column of numeric dates."""

    MDY = "month/day/year"
    DMY = "day/month/year"


class Shape(StrEnum):
    """What one cell proves about the order of its column."""

    EMPTY = "empty"
    CLEAR = "clear"  # ISO, compact, serial, month in words: no order needed
    MONTH_FIRST = "month first"
    DAY_FIRST = "day first"
    EITHER = "either"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Decision:
    """The order of a column and why; no order when the column mixes both, until a person chooses one."""

    order: Order | None
    why: str
    proven: bool = False
    """Its cells prove it; columns of the same file that decide nothing follow."""
    decided: bool = True
    matters: bool = True
    """Whether any date of the column could be read in both orders or proves one."""


def shape(raw: str) -> Shape:
    """Return what a cell proves about day and month."""
    if not raw:
        return Shape.EMPTY
    found = _NUMERIC.match(raw)
    if not found:
        return Shape.BAD if read(raw, Order.MDY) is None and not is_none(raw) else Shape.CLEAR
    first, second = int(found[1]), int(found[2])
    if is_none(raw):
        return Shape.EMPTY
    if first == second:
        return Shape.CLEAR if 1 <= first <= 12 else Shape.BAD
    if not (1 <= first <= 31 and 1 <= second <= 31) or (first > 12 and second > 12):
        return Shape.BAD
    return Shape.DAY_FIRST if first > 12 else Shape.MONTH_FIRST if second > 12 else Shape.EITHER


def decide(shapes: Mapping[Shape, int], chosen: Order | None = None) -> Decision:
    """Decide the order of a column from how often each shape occurs in it, and from what a person has ``chosen`` for it.

    One stray cell (or one in a thousand) against the rest is a typing error of that row; more is a column that mixes both orders, and
    every ambiguous cell in it would be a guess, which only a person may make. A single day-first cell among only ambiguous ones proves
    nothing. A choice holds unless all cells of this file but strays prove the other order.
    """
    counts = Counter(shapes)
    month, day = counts[Shape.MONTH_FIRST], counts[Shape.DAY_FIRST]
    stray = max(1, (month + day) // 1000)
    mixed = min(month, day) > stray
    if chosen is not None and (mixed or (day if chosen is Order.MDY else month) <= stray):
        return Decision(chosen, "somebody of the practice has chosen it")
    if mixed:
        return Decision(None, f"{month} cells have the month first and {day} have the day first")
    if day > 1 and day > month:
        return Decision(Order.DMY, f"{day:,} cells can only be {Order.DMY}", proven=True)
    if month:
        return Decision(Order.MDY, f"{month:,} cell{'s' if month > 1 else ''} can only be {Order.MDY}", proven=True)
    if counts[Shape.EITHER] or day:
        why = "a single cell has the day first, which may be a slip" if day else "no cell decides"
        return Decision(Order.MDY, f"{why}; the order usual in the United States", decided=False)
    return Decision(Order.MDY, "its dates can be read in one way only", matters=False)


def read(raw: str, order: Order, pivot: int = 2035) -> date | None:
    """Return the day a cell names, or None when it names none. ``pivot`` is the latest year that two digits may mean."""
    try:
        return _read(raw, order, pivot)
    except (ValueError, OverflowError):
        return None


def _read(raw: str, order: Order, pivot: int) -> date | None:
    if found := _NUMERIC.match(raw):
        first, second = int(found[1]), int(found[2])
        month, day = (first, second) if order is Order.MDY else (second, first)
        return date(_year(found[3], pivot), month, day)
    if found := _ISO.match(raw) or _YEAR_FIRST.match(raw) or _COMPACT.match(raw):
        return date(int(found[1]), int(found[2]), int(found[3]))
    if found := _SERIAL.match(raw):
        return _EXCEL_EPOCH + timedelta(days=int(found[1]))
    if found := _WORDS.match(raw):
        month_word = (found[2] or found[3]).lower()[:3]
        return date(_year(found[5], pivot), _MONTHS.index(month_word) + 1, int(found[1] or found[4]))
    return None


def _year(digits: str, pivot: int) -> int:
    if len(digits) == 4:
        return int(digits)
    year = pivot // 100 * 100 + int(digits)
    return year if year <= pivot else year - 100


def is_none(raw: str) -> bool:
    """Whether the cell is one of the dates that mean "no date": 0001-01-01, 0000-00-00, 1900-01-01, 9999-12-31 and their kin."""
    if not raw or set(raw) <= set("0/-.: "):
        return True
    day = read(raw, Order.MDY)
    return day is not None and (day in _SENTINELS or day in _SENTINELS_LATE)


def is_birthdate(day: date, today: date) -> bool:
    """Whether somebody in the chart can have been born that day: not in the future, not more than 110 years ago."""
    return day <= today and today.year - day.year <= _OLDEST_PERSON
