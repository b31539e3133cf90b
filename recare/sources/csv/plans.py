"""What an import would do, file by file and column by column, for people to read and change."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from recare.sources.csv import dates
from recare.sources.csv.columns import WARNINGS
from recare.sources.csv.fields import DATE_KINDS
from recare.sources.csv.rules import ADVICE, title

if TYPE_CHECKING:
    from recare.sources.csv.columns import Survey
    from recare.sources.csv.dates import Order
    from recare.sources.csv.reading import Layout
    from recare.sources.csv.rules import Issue

_ROWS: Final = 5  # rows named for each rule
_TAB: Final = {"\t": "tab"}


@dataclass(slots=True)
class ColumnPlan:
    """One column. ``field`` is '' when it is not used; ``examples`` are cells of the file, each with the day it is read as if it is a date."""

    label: str
    field: str = ""
    meaning: str = ""
    how: str = ""
    order: str = ""
    decided: str = ""
    chosen_order: str = ""
    examples: list[tuple[str, str]] = dataclasses.field(default_factory=list)


@dataclass(slots=True)
class FilePlan:
    """What one file holds and what would become of it. ``refused``: why it cannot be imported as it is; with ``columns`` a person can help."""

    name: str
    kind: str = ""
    encoding: str = ""
    delimiter: str = ""
    header_row: int = 0
    headers: list[str] = dataclasses.field(default_factory=list)
    columns: list[ColumnPlan] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    rows: int = 0
    good: int = 0
    rejected: int = 0
    dropped: int = 0
    issues: list[Issue] = dataclasses.field(default_factory=list)
    refused: str = ""
    fingerprint: str = ""

    @property
    def mapping(self) -> dict[str, tuple[str, str]]:
        """Header -> (field, how it was decided)."""
        return {column.label: (column.field, column.how) for column in self.columns if column.field}

    @property
    def ignored(self) -> dict[str, str]:
        """Header that is not used -> what it looks like, if anything."""
        return {column.label: column.how for column in self.columns if not column.field}


@dataclass(slots=True)
class Plan:
    """What an import would do, or has done. ``left_out``: sentences about files that are not read; ``as_of``: when the appointments were
    exported, as far as can be told, with the reason in words; ``too_old``: why they may not be imported.
    """

    files: list[FilePlan] = dataclasses.field(default_factory=list)
    setup: list[str] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)
    as_of: datetime | None = None
    as_of_why: str = ""
    too_old: str = ""
    run: int | None = None

    @property
    def refused(self) -> list[str]:
        """Sentences about files that cannot be imported."""
        return [file.refused for file in self.files if file.refused]

    @property
    def usable(self) -> bool:
        """Whether there is anything to import."""
        return not self.too_old and any(not file.refused for file in self.files)

    @property
    def empty(self) -> bool:
        """Whether its files can be read and hold not one row."""
        read = [file for file in self.files if not file.refused]
        return bool(read) and not any(file.rows for file in read)


def describe(shown: FilePlan, layout: Layout, survey: Survey, today: date) -> None:
    """Put what the first pass has found into the plan of a file."""
    shown.kind, shown.encoding, shown.header_row, shown.rows = (
        layout.kind.name, layout.encoding, layout.header_row, survey.rows,
    )  # fmt: skip
    shown.delimiter = _TAB.get(layout.delimiter, layout.delimiter)
    shown.headers, shown.notes = list(layout.headers), list(layout.notes)
    shown.columns = [_column(layout, survey, place, today) for place in range(len(layout.headers))]
    shown.notes += [
        f"“{layout.labels[place]}” is not used, but some of its cells read like refusals or warnings. If they are, say that it means Notes."
        for place, guess in survey.suggestions.items()
        if guess == WARNINGS and place not in layout.how
    ]
    shown.refused = survey.lost
    if lacking := layout.kind.lacking(layout.mapping):
        known = (
            f"no column is known as {', nor one as '.join(lacking)}"
            if layout.mapping
            else "none of its headers is known here"
        )
        shown.refused = (
            f"{shown.name}: {known}. Say what its columns mean (under Data, Import files; it is remembered), or export it with the practice "
            "system's own headers."
        )


def _column(layout: Layout, survey: Survey, place: int, today: date) -> ColumnPlan:
    label, cells = layout.labels[place], survey.examples.get(place, [])
    found = layout.mapping.get(place)
    if found is None:
        suggestion = survey.suggestions.get(place, "")
        hint = layout.how.get(place) or (f"looks like {suggestion}" if suggestion else "")
        return ColumnPlan(label, how=hint, examples=[(cell, "") for cell in cells])
    known = survey.columns[place]
    if found.kind not in DATE_KINDS or known.rejected:
        plain = [(cell, "") for cell in cells]
        return ColumnPlan(label, found.name, found.label, known.how, decided=known.decided, examples=plain)
    examples = [(cell, _day(cell, known.order, today)) for cell in cells]
    chosen = layout.orders.get(place, "")
    return ColumnPlan(label, found.name, found.label, known.how, known.order, known.decided, chosen, examples)


def _day(cell: str, order: Order, today: date) -> str:
    if dates.is_none(cell):
        return "none"
    day = dates.read(cell, order, today.year)
    return f"{day.day} {day:%b %Y}" if day else "no date"


@dataclass(frozen=True, slots=True)
class Group:
    """All issues of one rule in one column, with the first rows for a person to look up."""

    title: str
    severity: str
    column: str
    count: int
    rows: list[int]
    advice: str


def grouped(issues: list[Issue]) -> list[Group]:
    """Return issues by rule and column, rejected rows first, the most frequent first."""
    counts: dict[tuple[str, str, str], int] = {}
    rows: dict[tuple[str, str, str], list[int]] = {}
    for issue in issues:
        which = (issue.severity, issue.rule, issue.column_name)
        counts[which] = counts.get(which, 0) + issue.occurrences
        if issue.row_number is not None and len(rows.setdefault(which, [])) < _ROWS:
            rows[which].append(issue.row_number)
    found = [
        Group(title(rule), severity, column, count, rows.get((severity, rule, column), []), ADVICE[rule])
        for (severity, rule, column), count in counts.items()
    ]
    return sorted(found, key=lambda group: (group.severity, -group.count, group.title, group.column))
