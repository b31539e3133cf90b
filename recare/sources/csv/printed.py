"""The import on the command line: the dry run in words, a line of progress, and what was done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from recare.sources.csv.importer import FilePlan, Plan

_STEP: Final = 250_000  # rows between two lines of progress
_SHOWN: Final = 5  # rows named for each rule


class Progress:
    """Counts rows and says so now and then."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say, self.rows = say, 0

    def __call__(self, rows: int) -> None:
        before, self.rows = self.rows, self.rows + rows
        if before // _STEP != self.rows // _STEP:
            self._say(f"  {self.rows:,} rows read")


def in_words(plan: Plan) -> list[str]:
    """Return a dry run as lines."""
    lines: list[str] = []
    for file in plan.files:
        lines += [f"{file.name}: {file.refused}"] if file.refused else _file(file)
    return lines


def _file(file: FilePlan) -> list[str]:
    lines = [
        f"{file.name}: {file.kind}, {file.encoding}, separated by '{file.delimiter}', headers in row {file.header_row}",
        f"  {file.rows:,} rows: {file.good:,} good, {file.rejected:,} rejected"
        + (f", {file.dropped} titles or totals left out" if file.dropped else ""),
    ]
    lines += [f"  {header} -> {name} ({how})" for header, (name, how) in file.mapping.items()]
    lines += [f"  {header} is not used" + (f"; it {hint}" if hint else "") for header, hint in file.ignored.items()]
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
        lines.append(f"  {severity}: {count:,} x {rule}" + (f" in {column}" if column else "") + f"{where}. {advice}")
    return lines
