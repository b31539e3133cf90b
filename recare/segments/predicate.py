"""A segment's predicate: and, or, not over facts, written in YAML or JSON, checked strictly, compiled to SQL with bound values only.

::

    all:
      - contactable: {is: true}
      - band: {in: [lapsed, long_lapsed]}
      - last_visit: {before: 18 months ago}
      - not: {care: {any_of: [perio]}}
      - next_visit: {known: false}

A group is ``all`` or ``any`` with a list, or ``not`` with one predicate; everything else is one field with its operators, all of which must
hold. An unknown fact fulfils nothing but ``known: false`` and ``not``. Errors name the place: ``all[2].last_visit.before``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from recare.segments import bands as band_definitions
from recare.segments.bands import Bands, months_before
from recare.segments.facts import CARE
from recare.segments.fields import FIELDS, REACH_SQL, Field

MAX_DEPTH = 8
MAX_NODES = 200
MAX_LIST = 200


class PredicateError(ValueError):
    """A predicate that cannot be used. ``place`` says where, the message what is wrong and what to write."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place or 'segment'}: {problem}")
        self.place, self.problem = place, problem


@dataclass(frozen=True, slots=True)
class Day:
    """A day that may be relative: ``months`` and ``days`` from the day asked, or a fixed one."""

    fixed: date | None = None
    months: int = 0
    days: int = 0

    def on(self, today: date) -> date:
        """Return the day as seen from ``today``."""
        return self.fixed or months_before(today, -self.months) + timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator of a clause with its checked value; ``written`` is what the author wrote."""

    operator: str
    value: Any
    written: Any


@dataclass(frozen=True, slots=True)
class Clause:
    """One field and what must hold of it."""

    field: Field
    tests: tuple[Condition, ...]
    place: str


@dataclass(frozen=True, slots=True)
class Group:
    """``all``, ``any`` or ``not`` of further nodes."""

    word: str
    nodes: tuple[Group | Clause, ...]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A checked predicate. ``data`` is the plain form it was parsed from, to be stored."""

    root: Group | Clause
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A condition over ``facts_on(today) f`` and its parameters, ``today`` and the bands' among them."""

    where: str
    params: dict[str, Any]


def parse(data: Any, bands: Bands | None = None) -> Predicate:
    """Check a predicate written as plain data. Raises PredicateError with the place of the first thing that is wrong."""
    count = [0]
    root = _node(data, "", 1, count, bands or band_definitions.get())
    return Predicate(root, _plain(data))


def _plain(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    return data.isoformat() if isinstance(data, date) else data


def _node(data: Any, place: str, depth: int, count: list[int], bands: Bands) -> Group | Clause:
    count[0] += 1
    if depth > MAX_DEPTH or count[0] > MAX_NODES:
        raise PredicateError(place, f"too large: at most {MAX_DEPTH} levels and {MAX_NODES} parts")
    if not isinstance(data, Mapping) or len(data) != 1:
        raise PredicateError(
            place, "write one of all, any, not, or one field, such as last_visit: {before: 18 months ago}"
        )
    (name, inside), *_ = data.items()
    here = f"{place}.{name}" if place else str(name)
    if name == "not":
        return Group("not", (_node(inside, here, depth + 1, count, bands),))
    if name in {"all", "any"}:
        if not isinstance(inside, list) or not inside:
            raise PredicateError(here, "a list of at least one part is wanted")
        return Group(
            name, tuple(_node(each, f"{here}[{at}]", depth + 1, count, bands) for at, each in enumerate(inside))
        )
    return _clause(name, inside, here, bands)


def _clause(name: Any, inside: Any, here: str, bands: Bands) -> Clause:
    field = FIELDS.get(name) if isinstance(name, str) else None
    if field is None:
        raise PredicateError(here, f"there is no such field; the fields are {', '.join(FIELDS)}")
    if not isinstance(inside, Mapping) or not inside:
        raise PredicateError(here, f"an operator is wanted, one of {', '.join(field.operators)}")
    tests = []
    for operator, written in inside.items():
        spot = f"{here}.{operator}"
        if operator not in field.operators:
            raise PredicateError(spot, f"'{field.label}' has no such operator; it takes {', '.join(field.operators)}")
        tests.append(Condition(operator, _value(field, operator, written, spot, bands), written))
    return Clause(field, tuple(tests), here)


# --- values -----------------------------------------------------------------------------------------------------

_RELATIVE = re.compile(
    r"(?:(?P<past>\d{1,4}) (?P<unit1>day|week|month|year)s? ago|in (?P<ahead>\d{1,4}) (?P<unit2>day|week|month|year)s?)"
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{0,19}")
_CODE = re.compile(r"[A-Z0-9][A-Z0-9.-]{0,14}")


def _value(field: Field, operator: str, written: Any, place: str, bands: Bands) -> Any:
    if operator == "known" or field.kind == "flag":
        if not isinstance(written, bool):
            raise PredicateError(place, "true or false is wanted")
        return written
    if operator in {"in", "not_in", "any_of", "all_of", "none_of"}:
        if not isinstance(written, list) or not written or len(written) > MAX_LIST:
            raise PredicateError(place, f"a list of 1 to {MAX_LIST} values is wanted")
        return [_single(field, each, f"{place}[{at}]", bands) for at, each in enumerate(written)]
    return _single(field, written, place, bands)


def _single(field: Field, written: Any, place: str, bands: Bands) -> Any:
    if field.kind in {"choice", "kinds"}:
        choices = bands.names if field.name == "band" else field.choices
        if not isinstance(written, str) or written not in choices:
            raise PredicateError(place, f"one of {', '.join(choices)} is wanted")
        return written
    return _READERS[field.kind](written, place)


def _whole(written: Any, place: str) -> int:
    if not isinstance(written, int) or isinstance(written, bool) or not 0 <= written <= 100_000:
        raise PredicateError(place, "a whole number of 0 or more is wanted")
    return written


def _month(written: Any, place: str) -> int | str:
    if isinstance(written, str) and written in {"this", "next"}:
        return written
    if isinstance(written, int) and not isinstance(written, bool) and 1 <= written <= 12:
        return written
    raise PredicateError(place, "a month from 1 to 12, 'this' or 'next' is wanted")


def _word(written: Any, place: str) -> str:
    return _matching(_WORD, written, place, "letters, digits, spaces and hyphens, at most 20")


def _code(written: Any, place: str) -> str:
    return _matching(_CODE, written, place, "a procedure code as your system writes it, in capitals,")


def _matching(pattern: re.Pattern[str], written: Any, place: str, wanted: str) -> str:
    if not isinstance(written, str) or not pattern.fullmatch(written):
        raise PredicateError(place, f"{wanted} is wanted")
    return written


def _cents(written: Any, place: str) -> int:
    try:
        cents = (
            Decimal(str(written)) * 100
            if isinstance(written, int | float) and not isinstance(written, bool)
            else Decimal("NaN")
        )
    except InvalidOperation:
        cents = Decimal("NaN")
    if not cents.is_finite() or cents < 0 or cents > 10**12 or cents != cents.to_integral_value():
        raise PredicateError(place, "an amount in dollars is wanted, such as 250 or 99.50")
    return int(cents)


def _day(written: Any, place: str) -> Day:
    if isinstance(written, date) and type(written) is date:
        return Day(fixed=written)
    if isinstance(written, str):
        if written == "today":
            return Day()
        if found := _RELATIVE.fullmatch(written):
            count = -int(found["past"]) if found["past"] else int(found["ahead"])
            unit = found["unit1"] or found["unit2"]
            if abs(count) > 200 * {"day": 366, "week": 52, "month": 12, "year": 1}[unit]:
                raise PredicateError(place, "that is more than 200 years away")
            scale = {"day": 1, "week": 7, "month": 1, "year": 12}[unit] * count
            return Day(months=scale) if unit in {"month", "year"} else Day(days=scale)
        try:
            return Day(fixed=date.fromisoformat(written))
        except ValueError:
            pass
    raise PredicateError(place, "a day is wanted: 2026-03-31, 'today', '18 months ago' or 'in 30 days'")


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "date": _day, "number": _whole, "money": _cents, "month": _month, "word": _word, "codes": _code,
}  # fmt: skip

# --- SQL --------------------------------------------------------------------------------------------------------


_SIGNS = {"before": "<", "after": ">", "equals": "=", "at_least": ">=", "at_most": "<="}


class _Writer:
    """Collects the bound values while a predicate is written down as SQL."""

    def __init__(self, today: date, bands: Bands) -> None:
        self.today = today
        self.params: dict[str, Any] = {"today": today}
        self._band_sql, self._band_params = bands.sql(today)
        self._bound = 0

    def bind(self, value: Any, cast: str) -> str:
        self._bound += 1
        self.params[f"p{self._bound}"] = value
        return f"%(p{self._bound})s::{cast}"

    def node(self, node: Group | Clause) -> str:
        if isinstance(node, Clause):
            return " AND ".join(f"({self.test(node.field, test)})" for test in node.tests)
        if node.word == "not":
            return f"({self.node(node.nodes[0])}) IS NOT TRUE"
        joined = f" {'AND' if node.word == 'all' else 'OR'} "
        return joined.join(f"({self.node(each)})" for each in node.nodes)

    def test(self, field: Field, test: Condition) -> str:
        subject, value = field.sql, test.value
        if field.name == "band":
            self.params |= self._band_params
            subject = f"({self._band_sql})"
        if test.operator == "known":
            return f"{subject} IS {'NOT NULL' if value else 'NULL'}"
        if field.kind == "flag":
            return subject if value else f"NOT {subject}"
        if field.kind in {"kinds", "codes"}:
            return self._having(field, test)
        if test.operator in _SIGNS:
            bound = value.on(self.today) if isinstance(value, Day) else value
            return f"{subject} {_SIGNS[test.operator]} {self.bind(bound, 'date' if field.kind == 'date' else 'bigint')}"
        listed = value if isinstance(value, list) else [value]
        if field.kind == "month":
            return f"{subject} = ANY({self.bind([self._month(each) for each in listed], 'integer[]')})"
        return f"{subject} {'<> ALL' if test.operator == 'not_in' else '= ANY'} ({self.bind(listed, 'text[]')})"

    def _month(self, value: int | str) -> int:
        return value if isinstance(value, int) else (self.today.month - 1 + (value == "next")) % 12 + 1

    def _having(self, field: Field, test: Condition) -> str:
        if field.name == "reach":
            joined = " AND " if test.operator == "all_of" else " OR "
            ways = joined.join(REACH_SQL[channel] for channel in test.value)
            return f"NOT ({ways})" if test.operator == "none_of" else f"({ways})"
        if field.name == "care":
            bits = self.bind(sum({CARE[kind] for kind in test.value}), "integer")
            return {
                "any_of": f"f.care & {bits} <> 0",
                "all_of": f"f.care & {bits} = {bits}",
                "none_of": f"f.care & {bits} = 0",
            }[test.operator]
        had = (
            "EXISTS (SELECT FROM procedure had WHERE had.practice_id = f.practice_id AND had.patient_id = f.patient_id"
            f" AND had.status = 'completed' AND had.code = ANY({self.bind(test.value, 'text[]')}))"
        )
        return had if test.operator == "any_of" else f"NOT {had}"


def compile(predicate: Predicate, today: date, bands: Bands | None = None) -> Compiled:  # noqa: A001 (the word for it)
    """Return the condition of a predicate over ``facts_on(%(today)s) f``, every value bound. Merged charts are left out."""
    writer = _Writer(today, bands or band_definitions.get())
    where = writer.node(predicate.root)
    return Compiled(f"f.status <> 'merged' AND ({where})", writer.params)


def compile_node(node: Group | Clause, today: date, bands: Bands) -> Compiled:
    """Return the condition of one part of a predicate, for explanations."""
    writer = _Writer(today, bands)
    return Compiled(writer.node(node), writer.params)


# --- words ------------------------------------------------------------------------------------------------------


def in_words(node: Group | Clause, today: date) -> str:
    """Say a predicate, or a part of it, in plain words."""
    if isinstance(node, Group):
        if node.word == "not":
            return f"not ({in_words(node.nodes[0], today)})"
        return f" {'and' if node.word == 'all' else 'or'} ".join(
            f"({in_words(each, today)})" if isinstance(each, Group) else in_words(each, today) for each in node.nodes
        )
    return " and ".join(_test_in_words(node.field, test, today) for test in node.tests)


def _test_in_words(field: Field, test: Condition, today: date) -> str:
    if test.operator == "known":
        return f"{field.label} is {'known' if test.value else 'none'}"
    if field.kind == "flag":
        return f"{field.label}: {'yes' if test.value else 'no'}"
    if isinstance(test.value, Day):
        when = _day_in_words(test.value.on(today))
        said = when if test.value.fixed else f"{when} ({test.written})"
    elif field.kind == "money":
        said = f"${test.value / 100:,.2f}"
    elif isinstance(test.value, list):
        said = ", ".join(str(each).replace("_", " ") for each in test.value)
    else:
        said = str(test.value).replace("_", " ")
    return f"{field.label} {field.operators[test.operator]} {said}"


def _day_in_words(day: date) -> str:
    return f"{day.day} {day:%b} {day.year}"
