"""The second pass: a file's rows, converted, into a temporary table of this session. A killed import leaves nothing behind."""

from __future__ import annotations

import contextlib
from operator import lt
from typing import TYPE_CHECKING, Final

from django.db import connection

from recare.base import collector, db
from recare.sources.csv import converters, fields
from recare.sources.csv.reading import Oddities, chunks
from recare.sources.csv.rules import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from recare.sources.csv.columns import Survey
    from recare.sources.csv.converters import Memory
    from recare.sources.csv.fields import Kind
    from recare.sources.csv.reading import Chunk, Layout

SOURCE: Final = "csv"
FLAGGED_ROWS: Final = "flagged"


@contextlib.contextmanager
def bulk() -> Iterator[None]:
    """Plan statements over whole files: hash joins with room to work.

    Tables that this very transaction has filled have no statistics yet, and without them the planner loops over each row of one table
    for each row of the other: hours instead of seconds.
    """
    db.run("SET LOCAL enable_nestloop = off")
    db.run("SET LOCAL work_mem = '64MB'")
    yield
    db.run("SET LOCAL enable_nestloop = on")


def name(kind: Kind) -> str:
    """Return the name of the temporary table of one kind of file."""
    return f"staged_{kind.table}"


def open_tables() -> None:
    """Make the empty temporary tables of an import; what an earlier one in this session left is dropped."""
    close_tables()
    for kind in fields.KINDS:
        columns = ["file smallint", "n bigint"]
        columns += [
            f"{column} {sort}" for field in kind.fields for column, sort in field.staged if field.name != "full_name"
        ]
        db.run(f"CREATE TEMPORARY TABLE {name(kind)} ({', '.join(columns)})")
    db.run("CREATE TEMPORARY TABLE staged_flag (file smallint, n bigint, flags text[])")
    db.run(
        "CREATE TEMPORARY TABLE staged_reject (entity text, file smallint, n bigint, rule text, column_name text, value_kind text)"
    )


def close_tables() -> None:
    """Drop the temporary tables."""
    tables = [
        "staged_reject",
        "staged_flag",
        "staged_contact",
        "staged_survivor",
        *(name(kind) for kind in fields.KINDS),
    ]
    db.run(f"DROP TABLE IF EXISTS {', '.join(f'pg_temp.{table}' for table in tables)}")


def _plain_numbers(cells: tuple[str, ...]) -> bool:
    """Whether all are digits and none is a lone zero, which means "none": such ids are taken as they are."""
    return "".join(cells).isdecimal() and "0" not in cells and "" not in cells and "".join(cells).isascii()


class Stager:
    """Streams one file into its temporary table, whatever its size, and collects what is wrong with its cells."""

    def __init__(self, path: Path, layout: Layout, survey: Survey, now: datetime) -> None:
        self.path, self.layout, self.findings = path, layout, Findings()
        self.oddities = Oddities()
        self.accepted = 0
        self.flagged: dict[int, set[str]] = {}
        self.ascending = "source_key" in {field.name for field in layout.mapping.values()}
        self._last_key = -1
        self._memories: dict[int, Memory] = {
            place: converters.memory(field, survey.columns[place], now.date())
            for place, field in layout.mapping.items()
            if not survey.columns[place].rejected
        }
        for place, column in survey.columns.items():
            if column.rejected:
                field = layout.mapping[place]
                self.findings.add(None, layout.labels[place], field.kind, column.rejected, "warning")

    @property
    def columns(self) -> list[str]:
        """The columns of the temporary table that this file fills."""
        mapping = self.layout.mapping
        return ["file", "n", *(column for place in self._memories for column, _ in mapping[place].staged)]

    @property
    def known(self) -> set[str]:
        """Names of the fields this file states, and ``FLAGGED_ROWS`` when warnings stand in cells meant for something else."""
        names = {self.layout.mapping[place].name for place in self._memories}
        return names | {FLAGGED_ROWS} if self.flagged else names

    def copy(self, file: int, progress: Callable[[int], None]) -> None:
        """COPY the whole file. Raises UnreadableError when its rows cannot be told apart."""
        statement = f"COPY {name(self.layout.kind)} ({', '.join(self.columns)}) FROM STDIN"
        connection.ensure_connection()
        with collector.resting(), connection.cursor() as cursor, cursor.cursor.copy(statement) as stream:
            for chunk in chunks(self.path, self.layout, self.oddities):
                lines = self._lines(file, chunk)
                self.accepted += len(lines)
                if lines:
                    stream.write("\n".join(lines) + "\n")
                progress(len(chunk.numbers))
        if self.flagged:
            rows = ((file, number, sorted(flags)) for number, flags in self.flagged.items())
            db.copy_raw("staged_flag", ["file", "n", "flags"], rows)
        for number, rule in self.oddities.first_broken or []:
            self.findings.add(number, "", "row", rule, "rejected")
        db.run(f"ANALYZE {name(self.layout.kind)}")

    def _lines(self, file: int, chunk: Chunk) -> list[str]:
        """Return the rows of a chunk as COPY text, without those that lack what they need."""
        count = len(chunk.numbers)
        out: list[list[str]] = [[str(file)] * count, list(map(str, chunk.numbers))]
        refused: set[int] = set()
        for place, memory in self._memories.items():
            cells = chunk.columns[place]
            if self.layout.mapping[place].kind in fields.ID_KINDS and _plain_numbers(cells):
                out.append(list(cells))
                continue
            memory.trim()
            out.append(list(map(memory.__getitem__, cells)))
            if memory.doubts and not memory.doubts.keys().isdisjoint(cells):
                refused |= self._note_doubts(place, memory, chunk)
            if memory.flags and not memory.flags.keys().isdisjoint(cells):
                self._note_flags(place, memory, chunk)
        if self.ascending:
            self._see_keys(chunk)
        lines = list(map("\t".join, zip(*out, strict=True)))
        return [line for index, line in enumerate(lines) if index not in refused] if refused else lines

    def _see_keys(self, chunk: Chunk) -> None:
        """Notice when the ids are no longer plain numbers in rising order; while they are, none can occur twice."""
        cells = next(chunk.columns[place] for place, field in self.layout.mapping.items() if field.name == "source_key")
        if not _plain_numbers(cells):
            self.ascending = False
            return
        numbers = list(map(int, cells))
        self.ascending = numbers[0] > self._last_key and all(map(lt, numbers, numbers[1:]))
        self._last_key = numbers[-1]

    def _note_flags(self, place: int, memory: Memory, chunk: Chunk) -> None:
        """Keep the warnings that stand in a column's cells beside what the column is meant for."""
        for number, cell in zip(chunk.numbers, chunk.columns[place], strict=True):
            if found := memory.flags.get(cell):
                self.flagged.setdefault(number, set()).update(found)
                self.findings.add(
                    number, self.layout.labels[place], self.layout.mapping[place].kind, "warning_in_cell", "warning"
                )

    def _note_doubts(self, place: int, memory: Memory, chunk: Chunk) -> set[int]:
        """List the doubtful cells of a column; return the rows that cannot be taken without them."""
        refused = set()
        field, header = self.layout.mapping[place], self.layout.labels[place]
        for index, cell in enumerate(chunk.columns[place]):
            if (doubt := memory.doubts.get(cell)) is None:
                continue
            rule, kept = doubt
            fatal = memory.required and not kept
            self.findings.add(chunk.numbers[index], header, field.kind, rule, "rejected" if fatal else "warning")
            if fatal:
                refused.add(index)
        return refused
