"""The import on the command line: the dry run in words, a line of progress, and what was done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from recare.sources.csv.rules import title

if TYPE_CHECKING:
    from collections.abc import Callable

    from recare.sources.csv.plans import FilePlan, Plan

_STEP: Final = 250_000  # rows between two lines of progress
_SHOWN: Final = 5  # rows named for each rule


class Watch:
    """Follows an import. Units are bytes of its files, each counted once a pass; whoever wants to show something overrides ``shown``."""

    def __init__(self) -> None:
        self.total, self.done, self.rows, self.words = 0.0, 0.0, 0, ""

    def begin(self, total: float) -> None:
        """Say how much there is to do."""
        self.total = total

    def stage(self, words: str) -> None:
        """Say what is being done now."""
        self.words = words
        self.shown()

    def advance(self, units: float, rows: int = 0) -> None:
        """Count what has been done."""
        self.done, self.rows = self.done + units, self.rows + rows
        self.shown()

    def shown(self) -> None:
        """Show where the import stands."""


class Progress(Watch):
    """Counts rows and says so now and then."""

    def __init__(self, say: Callable[[str], object]) -> None:
        super().__init__()
        self._say, self._said = say, 0

    def shown(self) -> None:
        """Say how many rows have been read, every quarter of a million."""
        if self.rows // _STEP != self._said:
            self._said = self.rows // _STEP
            self._say(f"  {self.rows:,} rows read")


def in_words(plan: Plan) -> list[str]:
    """Return a dry run as lines."""
    lines: list[str] = []
    for file in plan.files:
        lines += [file.refused] if file.refused else _file(file)
    lines += plan.left_out
    if plan.as_of is not None:
        lines.append(f"Appointments are known as of {plan.as_of:%Y-%m-%d %H:%M} UTC ({plan.as_of_why}).")
    return lines


def _file(file: FilePlan) -> list[str]:
    lines = [
        f"{file.name}: {file.kind}, {file.encoding}, separated by '{file.delimiter}', headers in row {file.header_row}",
        f"  {file.rows:,} rows: {file.good:,} good, {file.rejected:,} rejected"
        + (f", {file.dropped} titles or totals left out" if file.dropped else ""),
    ]
    lines += [f"  {note}" for note in file.notes]
    lines += [f"  {header} -> {name} ({how})" for header, (name, how) in file.mapping.items()]
    lines += [f"  {header} is not used" + (f" ({hint})" if hint else "") for header, hint in file.ignored.items()]
    totals: Counter[tuple[str, str, str, str]] = Counter()
    places: dict[tuple[str, str, str, str], list[int]] = {}
    for issue in file.issues:
        which = (str(issue.severity), issue.rule, issue.column_name, issue.advice)
        totals[which] += issue.occurrences
        if issue.row_number is not None:
            places.setdefault(which, []).append(issue.row_number)
    for which, count in sorted(totals.items()):
        severity, rule, column, advice = which
        rows = ", ".join(map(str, places.get(which, [])[:_SHOWN]))
        where = f" (rows {rows}{', ...' if count > _SHOWN else ''})" if rows else ""
        lines.append(
            f"  {severity}: {count:,} x {title(rule)}" + (f" in {column}" if column else "") + f"{where}. {advice}"
        )
    return lines
