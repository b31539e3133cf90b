"""The first pass over a file: what a whole column proves. Order of dates, numeric codes, lost ids; and a guess at unknown columns."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from recare.base import collector
from recare.sources.csv import contacts, dates, notes, values
from recare.sources.csv.dates import Order, Shape
from recare.sources.csv.fields import CODED_KINDS, DATE_KINDS, ID_KINDS
from recare.sources.csv.reading import Layout, Oddities, chunks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_REFUSALS: Final = frozenset({"no_text", "no_call", "no_email", "no_contact", "deceased", "dismissed"})
WARNINGS: Final = "refusals or warnings"
_SAMPLE: Final = 2000  # rows from which an unknown column is guessed
_EXAMPLES, _EXAMPLE = 3, 60  # cells shown, and characters of each


class Shapes(dict[str, Shape]):
    """Remembers the shape of each date already seen: a practice has few different days."""

    def __missing__(self, raw: str) -> Shape:
        if len(self) > 50_000:
            self.clear()
        text = values.clean(raw)
        found = self[raw] = Shape.EMPTY if values.is_null(text) else dates.shape(text)
        return found


@dataclass(slots=True)
class Column:
    """What is known of one mapped column after the first pass."""

    order: Order = Order.MDY
    how: str = "header"
    rejected: str = ""  # rule
    numeric: bool = True
    has_two: bool = False
    shapes: Counter[Shape] = field(default_factory=Counter)
    scientific: bool = False
    decided: str = ""
    """Why dates are read in this order."""


@dataclass(slots=True)
class Survey:
    """The first pass over one file. ``suggestions``: what an unmapped column looks like; it is never used without a person."""

    rows: int
    columns: dict[int, Column]
    suggestions: dict[int, str]
    examples: dict[int, list[str]]
    """Some cells of each column, for the person who decides what it means; never stored with what is imported."""
    lost: str = ""
    """Why the file cannot be imported as it is: a column that it cannot do without is lost."""


def survey(path: Path, layout: Layout) -> Survey:
    """Read a file once and decide every mapped column. Raises UnreadableError when its rows cannot be told apart."""
    columns = {place: Column() for place in layout.mapping}
    dated = {place: Shapes() for place, found in layout.mapping.items() if found.kind in DATE_KINDS}
    rows, samples = 0, {place: Counter[str]() for place in range(len(layout.headers)) if place not in layout.mapping}
    examples: dict[int, list[str]] = {}
    with collector.resting():
        for chunk in chunks(path, layout, Oddities()):
            for place, shapes in dated.items():
                columns[place].shapes.update(map(shapes.__getitem__, chunk.columns[place]))
            _look_at_codes(layout, columns, chunk.columns)
            if rows < _SAMPLE:
                for place, sample in samples.items():
                    sample.update(map(values.clean, chunk.columns[place][:_SAMPLE]))
            if not rows:
                examples = {place: _examples(cells, place in dated) for place, cells in enumerate(chunk.columns)}
            rows += len(chunk.numbers)
    decisions = _orders({place: dates.decide(columns[place].shapes, layout.orders.get(place)) for place in dated})
    for place, column in columns.items():
        _conclude(column, layout.how.get(place, "header"), decisions.get(place))
    suggestions = {place: guess for place, sample in samples.items() if (guess := looks_like(sample))}
    return Survey(rows, columns, suggestions, examples, _lost(path, layout, columns))


def _examples(cells: tuple[str, ...], dated: bool) -> list[str]:  # noqa: FBT001
    """Return a few different cells; of dates first those that could be read in both orders."""
    texts = [text for text in dict.fromkeys(map(values.clean, cells)) if not values.is_null(text)]
    if dated:
        texts.sort(key=lambda text: dates.shape(text) is not Shape.EITHER)
    return [text[:_EXAMPLE] for text in texts[:_EXAMPLES]]


def _look_at_codes(layout: Layout, columns: dict[int, Column], cells: list[tuple[str, ...]]) -> None:
    for place, found in layout.mapping.items():
        column = columns[place]
        if found.kind in ID_KINDS and not column.scientific:
            joined = "\n".join(cells[place])
            column.scientific = ("E+" in joined or "e+" in joined) and any(map(values.is_scientific, cells[place]))
        elif found.kind in CODED_KINDS:
            distinct = {values.clean(cell) for cell in set(cells[place])}
            column.numeric = column.numeric and all(text.isdigit() or values.is_null(text) for text in distinct)
            column.has_two = column.has_two or "2" in distinct


def _orders(decisions: dict[int, dates.Decision]) -> dict[int, dates.Decision]:
    """Let a column that proves nothing follow those of the same file that do, when they agree."""
    proven = {decision.order for decision in decisions.values() if decision.proven}
    if len(proven) != 1:
        return decisions
    follow = dates.Decision(proven.pop(), "the other dates of the file prove it")
    return {place: decision if decision.decided else follow for place, decision in decisions.items()}


def _conclude(column: Column, how: str, decision: dates.Decision | None) -> None:
    column.how = how
    if column.scientific:
        column.rejected, column.how = "ids_lost_digits", "rejected: a spreadsheet rounded the numbers"
    if decision is None:
        return
    column.decided = decision.why if decision.matters else ""
    if decision.order is None:
        column.rejected, column.how = "column_mixes_orders", f"rejected: {decision.why}"
    else:
        column.order = decision.order
        column.how += f"; {decision.order}, for {decision.why}" if decision.matters else ""


def _lost(path: Path, layout: Layout, columns: dict[int, Column]) -> str:
    for place, column in columns.items():
        if column.rejected and _cannot_do_without(layout, place):
            remedy = " Or choose their order in the browser, under Data." if column.decided else ""
            return (
                f"{path.name}, column '{layout.labels[place]}': {column.how.removeprefix('rejected: ')}. The file cannot be imported without "
                f"this column. Export it again straight from the practice system, with dates as year-month-day.{remedy}"
            )
    return ""


def _cannot_do_without(layout: Layout, place: int) -> bool:
    found = layout.mapping[place]
    if found.required:
        return True
    names = {other.name for where, other in layout.mapping.items() if where != place}
    return any(found.name in group and not names & set(group) for group in layout.kind.needs)


def looks_like(sample: Counter[str]) -> str:
    """Return what most values of an unmapped column look like, or ''. Only a suggestion: consent is never guessed."""
    texts = {text: count for text, count in sample.items() if not values.is_null(text)}
    if any(_REFUSALS & set(notes.marks(text)) for text in texts):
        return WARNINGS
    total = sum(texts.values())
    if total < 5:
        return ""
    tests: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("e-mail addresses", contacts.emails),
        ("telephone numbers", contacts.telephones),
        ("procedure codes", re.compile(r"D\d{4}(\.\w+)?$").match),
        ("dates", lambda text: dates.shape(text) not in {Shape.BAD, Shape.EMPTY} and not text.isdigit()),
    )
    for name, test in tests:
        if sum(count for text, count in texts.items() if test(text)) >= 0.8 * total:
            return name
    return ""
