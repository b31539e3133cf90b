"""The import on the command line: the dry run in words, a line of progress, and what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recare.sources.csv.plans import grouped

if TYPE_CHECKING:
    from collections.abc import Callable

    from recare.sources.csv.plans import FilePlan, Plan

_STEP: Final = 250_000  # rows between two lines of progress


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
    if plan.too_old:
        lines.append(f"These files may not be imported: {plan.too_old}")
    elif plan.as_of is not None:
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
    for group in grouped(file.issues):
        rows = ", ".join(map(str, group.rows))
        where = f" (rows {rows}{', ...' if group.count > len(group.rows) else ''})" if rows else ""
        lines.append(
            f"  {group.severity}: {group.count:,} x {group.title}{f' in {group.column}' if group.column else ''}{where}. {group.advice}"
        )
    return lines
