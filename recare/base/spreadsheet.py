"""CSV that a spreadsheet opens without running anything that stands in it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_STARTS: Final = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # a formula's first sign, full-width forms included
_BATCH: Final = 500
_BOM: Final = "\ufeff"


def harmless(cell: str) -> str:
    """Return a text whose first sign starts no formula: an apostrophe is set before it. Numbers stay numbers."""
    start = cell.lstrip(" ")[:1]
    numeric = cell.lstrip("+-").replace(".", "", 1).isdigit()
    return f"'{cell}" if start in _STARTS and start and not numeric else cell


def lines(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Write rows as CSV in UTF-8 with a byte order mark, some hundred lines at a time; nothing is kept in memory."""
    out = io.StringIO()
    writer = csv.writer(out)
    out.write(_BOM)
    writer.writerow(head)
    for number, row in enumerate(rows, 1):
        writer.writerow([_cell(value) for value in row])
        if number % _BATCH == 0:
            yield _taken(out)
    yield _taken(out)


def _taken(out: io.StringIO) -> bytes:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text.encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return harmless(value) if isinstance(value, str) else str(value)
