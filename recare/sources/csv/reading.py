"""Opening an export: encoding, delimiter, header row, and rows in chunks, turned into columns. Never a whole file in memory."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gc
import re
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from recare.sources.csv import fields

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from recare.sources.csv.fields import Field, Kind

CHUNK: Final = 500  # rows; few enough that their cells stay in the processor's cache
_LOOK: Final = 40  # rows in which the header must appear
_END: Final = "\x00end of file"  # read after the last line: a quotation mark that is never closed swallows it
_DELIMITERS: Final = (",", "\t", ";", "|")
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_FOOTER: Final = re.compile(
    r"^\W*(?:(?:grand |sub)?totals?\b|page \d+|end of|\(?\d+ (?:rows?|records?|patients?)\b|(?:record|row|patient) count|count\b|printed|report\b|generated)",
    re.IGNORECASE | re.MULTILINE,
)


class UnreadableError(ValueError):
    """A file that cannot be imported, in a sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written and what its columns mean. ``header_row`` counts rows from 1, titles included."""

    encoding: str
    delimiter: str
    header_row: int
    headers: tuple[str, ...]
    kind: Kind
    mapping: dict[int, Field]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows turned into columns: row numbers of the file, and one tuple of cells a column."""

    numbers: list[int]
    columns: list[tuple[str, ...]]


@dataclass(slots=True)
class Oddities:
    """What a reading came across beside data: dropped decoration, and (row number, rule) of rows whose cells cannot be told apart."""

    dropped: int = 0
    broken: int = 0
    first_broken: list[tuple[int, str]] | None = None

    def add(self, number: int, rule: str) -> None:
        self.broken += 1
        self.first_broken = self.first_broken or []
        if len(self.first_broken) < 200:
            self.first_broken.append((number, rule))


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector of reference cycles out of a loop that makes millions of lists without any: it would double the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def encoding_of(path: Path) -> str:
    """Return the encoding of a file: by its mark, else UTF-8 when every byte fits, else Windows-1252 as old systems write it."""
    with path.open("rb") as file:
        start = file.read(4)
        for mark, name in _BOMS:
            if start.startswith(mark):
                return name
        decoder, block = codecs.getincrementaldecoder("utf-8")(), start
        try:
            while block:
                decoder.decode(block)
                block = file.read(1 << 20)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8"


def layout(path: Path) -> Layout:
    """Find out how a file is written and what it holds. Raises UnreadableError with the remedy."""
    if path.suffix.lower() in {".xlsx", ".xls", ".xlsm", ".ods", ".pdf"}:
        raise UnreadableError(
            f"{path.name} is a {path.suffix[1:].upper()} file: save the sheet as CSV and import that."
        )
    encoding = encoding_of(path)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        head = list(islice(file, _LOOK))
    if not any(line.strip() for line in head):
        raise UnreadableError(f"{path.name} is empty.")
    best: Layout | None = None
    for delimiter in _DELIMITERS:
        found = _header(path, head, encoding, delimiter)
        if found and (best is None or len(found.mapping) > len(best.mapping)):
            best = found
    if best is None:
        raise UnreadableError(
            f"No row among the first {_LOOK} of {path.name} names columns that Recare knows. The export needs its header row, with at "
            "least a patient number and, for a list of patients, their last names."
        )
    return best


def _header(path: Path, head: list[str], encoding: str, delimiter: str) -> Layout | None:
    try:
        rows = list(csv.reader(head, delimiter=delimiter))
    except csv.Error:
        return None
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if len([cell for cell in cells if cell]) < 2:
            continue
        found = fields.recognise(cells, path.name)
        if found:
            return Layout(encoding, delimiter, number, tuple(cells), *found)
    return None


def chunks(path: Path, shape: Layout, oddities: Oddities, size: int = CHUNK) -> Iterator[Chunk]:
    """Yield the data rows of a file as columns. Raises UnreadableError when a quotation mark is never closed."""
    with path.open(encoding=shape.encoding, errors="replace", newline="") as file:
        reader = csv.reader(chain(file, [_END]), delimiter=shape.delimiter)
        number, ended = 0, False
        try:
            for _ in islice(reader, shape.header_row):
                number += 1
            while batch := list(islice(reader, size)):
                if batch[-1] == [_END]:
                    batch.pop()
                    ended = True
                elif len(batch) < size:  # the mark of the end is inside the last cell
                    number += len(batch) - 1
                    break
                numbers = list(range(number + 1, number + 1 + len(batch)))
                number += len(batch)
                if batch and not _is_plain(batch, shape):
                    numbers, batch = _sorted_out(numbers, batch, shape, oddities)
                if batch:
                    yield Chunk(numbers, list(zip(*batch, strict=True)))
        except csv.Error:
            ended = False
        if not ended:
            raise UnreadableError(
                f"{path.name}: after row {number} a quotation mark is opened and never closed. Mend that row and import again."
            )


def _is_plain(batch: list[list[str]], shape: Layout) -> bool:
    """Whether all rows have the header's width and none may be decoration: the usual chunk, told in a few passes of C code."""
    if set(map(len, batch)) != {len(shape.headers)}:
        return False
    first = [row[0] for row in batch]
    return "" not in first and shape.headers[0] not in first and not _FOOTER.search("\n".join(first))


def _sorted_out(
    numbers: list[int], batch: list[list[str]], shape: Layout, oddities: Oddities
) -> tuple[list[int], list[list[str]]]:
    """Drop titles, repeated headers, totals and empty rows; mend rows with missing or surplus empty cells; report the rest."""
    width, kept_numbers, kept = len(shape.headers), [], []
    for number, cells in zip(numbers, batch, strict=True):
        row = cells
        filled = [cell for cell in row if cell.strip()]
        if _is_decoration(row, filled, shape):
            oddities.dropped += 1
            continue
        if len(row) > width and not any(cell.strip() for cell in row[width:]):
            row = row[:width]
        if len(row) != width and (len(row) > width or any(cell.count("\n") > 3 for cell in row)):
            oddities.add(number, "cells_do_not_fit")
            continue
        kept_numbers.append(number)
        kept.append(row + [""] * (width - len(row)))
    return kept_numbers, kept


def _is_decoration(row: list[str], filled: list[str], shape: Layout) -> bool:
    if not filled or [cell.strip() for cell in row] == list(shape.headers):
        return True
    few = len(filled) <= max(2, len(shape.headers) // 3)
    return (few and bool(_FOOTER.match(filled[0]))) or (len(filled) == 1 and len(row) < len(shape.headers) > 2)
