"""Opening an export: encoding, delimiter, header row, and rows in chunks, turned into columns. Never a whole file in memory."""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from recare.sources.csv import dates, fields, remembered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from recare.sources.csv.dates import Order
    from recare.sources.csv.fields import Field, Kind
    from recare.sources.csv.remembered import Meaning, Remembered

CHUNK: Final = 500  # rows; few enough that their cells stay in the processor's cache
_LOOK: Final = 40  # rows in which the header must appear
_END: Final = "\x00end of file"  # read after the last line: a quotation mark that is never closed swallows it
_DELIMITERS: Final = (",", "\t", ";", "|")
_START: Final = 4096  # bytes that show what kind of file it is
_LONGEST_LINE: Final = 1_000_000
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
SPREADSHEETS: Final = frozenset({".xlsx", ".xls", ".xlsm", ".ods", ".pdf"})
"""Endings of what people try to import instead of a text."""
_OTHER_FORMATS: Final = {
    b"PK\x03\x04": "a spreadsheet or a zip archive", b"\xd0\xcf\x11\xe0": "an old spreadsheet or document", b"%pdf": "a PDF",
    b"\x1f\x8b": "a compressed file", b"Rar!": "a compressed file", b"7z\xbc\xaf": "a compressed file", b"SQLite format": "a database",
    b"{\\rtf": "a document", b"<html": "a web page", b"<!doctype": "a web page", b"<table": "a web page", b"<?xml": "an XML file",
}  # fmt: skip
_FOOTER: Final = re.compile(
    r"^\W*(?:(?:grand |sub)?totals?\b|page \d+|end of|\(?\d+ (?:rows?|records?|patients?)\b|(?:record|row|patient) count|count\b|printed|report\b|generated)",
    re.IGNORECASE | re.MULTILINE,
)


_PRINTED: Final = re.compile(
    r"\b(?:as of|printed|generated|exported|created|run|report date)\b[^\d\n]{0,15}?(\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}|[A-Z][a-z]{2,8} \d{1,2}, \d{4})",
    re.IGNORECASE,
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
    orders: dict[int, Order]
    """Orders of day and month that a person has chosen."""
    how: dict[int, str]
    """Why a column means what it means, where a person has said so."""
    notes: tuple[str, ...]
    """Sentences about how these headers differ from those before."""
    printed_on: date | None = None
    """The day that a title above the headers says the export is of."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The headers, each only once: a second "Phone" is "Phone (2)"."""
        return remembered.labels(self.headers)


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


def encoding_of(path: Path) -> str:
    """Return the encoding of a file: by its mark, else UTF-8 when every byte fits, else Windows-1252 as old systems write it.

    Raises UnreadableError for what is no text, whatever the file is called, and for a line that no practice system prints.
    """
    with path.open("rb") as file:
        start = file.read(_START)
        named = _encoding_by_mark(start)
        _refuse_other_formats(path, start, named)
        decoder, block, run, lines = codecs.getincrementaldecoder("utf-8")(), start, 0, 1
        fits = named == ""
        while block:
            run, lines = _measure(path, block, run, lines)
            if fits:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    fits = False
            block = file.read(1 << 20)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            fits = False
    return named or ("utf-8" if fits else "cp1252")


def _encoding_by_mark(start: bytes) -> str:
    for mark, name in _BOMS:
        if start.startswith(mark):
            return name
    # Without a mark: in sixteen bits most letters of a Western language have a zero on the same side.
    even, odd = start[::2].count(0), start[1::2].count(0)
    most, few = len(start) * 0.35, len(start) * 0.05
    if len(start) >= 8 and odd > most and even < few:
        return "utf-16-le"
    if len(start) >= 8 and even > most and odd < few:
        return "utf-16-be"
    return ""


def _refuse_other_formats(path: Path, start: bytes, named: str) -> None:
    plain = start.lstrip().lower()
    for mark, what in _OTHER_FORMATS.items():
        if start.startswith(mark) or plain.startswith(mark):
            raise UnreadableError(
                f"{path.name} is {what}, whatever its name says. Export it as CSV or text and import that."
            )
    odd = sum(byte < 32 and byte not in b"\t\n\r\x0c\x1a\x00" for byte in start)
    if not named and (
        odd > len(start) // 50 or start.count(0) > len(start) // 3
    ):  # noise has one in ten, text has none
        raise UnreadableError(f"{path.name} is no text file. Export it as CSV or text and import that.")


def _measure(path: Path, block: bytes, run: int, lines: int) -> tuple[int, int]:
    """Follow how long the line is that a block ends in, so that no line of a gigabyte ever comes into memory."""
    first = min((place for place in (block.find(b"\n"), block.find(b"\r")) if place >= 0), default=-1)
    if run + (len(block) if first < 0 else first) > _LONGEST_LINE:
        raise UnreadableError(
            f"{path.name}: line {lines:,} is longer than a million characters, which no list of patients has. Export it again."
        )
    if first < 0:
        return run + len(block), lines
    return len(block) - max(block.rfind(b"\n"), block.rfind(b"\r")) - 1, lines + block.count(b"\n")


def layout(path: Path, past: Sequence[Remembered] = ()) -> Layout:
    """Find out how a file is written and what it holds; what a person has once said about such headers counts (``past``).

    A file whose headers do not say what it is gets a mapping that lacks something, for a person to fill. Raises UnreadableError with the remedy.
    """
    if path.suffix.lower() in SPREADSHEETS:
        raise UnreadableError(
            f"{path.name} is a {path.suffix[1:].upper()} file: save the sheet as CSV and import that."
        )
    encoding = encoding_of(path)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        head = list(islice(file, _LOOK))
    if not any(line.strip(" \t\r\n\x00\x1a") for line in head):
        raise UnreadableError(f"{path.name} is empty.")
    tables = {delimiter: _rows(head, delimiter) for delimiter in _DELIMITERS}
    best: Layout | None = None
    for delimiter, rows in tables.items():
        found = _header(path, rows, past)
        if found and (best is None or len(found[2].mapping) > len(best.mapping)):
            number, cells, meaning = found
            best = Layout(
                encoding, delimiter, number, cells, meaning.kind, meaning.mapping, meaning.orders, meaning.how, meaning.notes,
                _printed_on(rows[: number - 1]),
            )  # fmt: skip
    return best or _unknown(path, encoding, tables)


def _rows(head: list[str], delimiter: str) -> list[tuple[str, ...]]:
    try:
        return [
            tuple(cell.replace("\x00", "").strip() for cell in row) for row in csv.reader(head, delimiter=delimiter)
        ]
    except csv.Error:
        return []


def _header(
    path: Path, rows: list[tuple[str, ...]], past: Sequence[Remembered]
) -> tuple[int, tuple[str, ...], Meaning] | None:
    """Return (row, headers, what they mean) of the first row that names columns."""
    for number, cells in enumerate(rows, 1):
        if len([cell for cell in cells if cell]) >= 2 and (found := remembered.meaning(cells, path.name, past)):
            return number, cells, found
    return None


def _printed_on(titles: list[tuple[str, ...]]) -> date | None:
    """Return the day that a title such as "Printed 1/12/2027" names."""
    for cells in titles:
        if found := _PRINTED.search(" ".join(cells)):
            return dates.read(found[1], dates.Order.MDY)
    return None


def _unknown(path: Path, encoding: str, tables: dict[str, list[tuple[str, ...]]]) -> Layout:
    """Take the first of the widest rows for the header of a file whose headers nobody knows; a person says what they mean."""
    widest: tuple[int, str, int] | None = None
    for delimiter, rows in tables.items():
        for number, cells in enumerate(rows, 1):
            width = len(set(filter(None, cells)))
            if width >= 2 and (widest is None or width > widest[0]):
                widest = (width, delimiter, number)
    if widest is None:
        raise UnreadableError(
            f"No row among the first {_LOOK} of {path.name} names columns that Recare knows. The export needs its header row, with at "
            "least a patient number and, for a list of patients, their last names."
        )
    _, delimiter, number = widest
    cells = tables[delimiter][number - 1]
    known = fields.understood(fields.PATIENTS, list(map(fields.normalise, cells)))
    return Layout(encoding, delimiter, number, cells, fields.PATIENTS, known, {}, {}, ())


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
