"""SQL in, frozen rows out; and the one way to say which practices a transaction may see.

Recare has no object-relational layer for patients and outreach: every heavy path is one statement over many rows, keys are
composite, and row-level security must hold for every line of SQL (docs/why/0002-sql-and-rows.md).
"""

from __future__ import annotations

import contextlib
import json as _json
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connection, transaction
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

T = TypeVar("T")
_SETTING = "recare.practices"


@contextlib.contextmanager
def scope(practices: int | Iterable[int]) -> Iterator[None]:
    """Open a transaction that sees the rows of these practices and of no others; inside another one, a savepoint.

    Without it every statement on a practice's table fails: unset means an error, never everything.
    """
    wanted = [practices] if isinstance(practices, int) else list(practices)
    with transaction.atomic():
        before = value(f"SELECT current_setting('{_SETTING}', true)")
        value(f"SELECT set_config('{_SETTING}', %(wanted)s, true)", wanted="{" + ",".join(map(str, wanted)) + "}")
        yield
        if before:  # SET LOCAL outlives a savepoint, so the outer scope gets its own practices back
            value(f"SELECT set_config('{_SETTING}', %(before)s, true)", before=before)


def rows(shape: type[T], sql: str, **params: Any) -> list[T]:
    """Run a query and build one ``shape`` (a dataclass) a row, columns by name."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        names = [column.name for column in cursor.description or ()]
        return [shape(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def one(shape: type[T], sql: str, **params: Any) -> T | None:
    """Return the only row of a query as ``shape``, or None when there is none. Raises LookupError on a second row."""
    found = rows(shape, sql, **params)
    if len(found) > 1:
        raise LookupError(f"One {shape.__name__} was wanted and {len(found)} were found.")
    return found[0] if found else None


def tuples(sql: str, **params: Any) -> list[tuple[Any, ...]]:
    """Run a query and return its rows as tuples."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return list(cursor.fetchall())


def values(sql: str, **params: Any) -> list[Any]:
    """Return the first column of every row."""
    return [row[0] for row in tuples(sql, **params)]


def value(sql: str, **params: Any) -> Any:
    """Return the first column of the first row; None when there is no row."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        row = cursor.fetchone()
    return row[0] if row else None


def run(sql: str, **params: Any) -> int:
    """Run a statement and return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return int(cursor.rowcount)


def run_many(sql: str, many: Sequence[Mapping[str, Any]]) -> None:
    """Run one statement for each set of parameters, in one round trip where the driver can."""
    if many:
        with connection.cursor() as cursor:
            cursor.executemany(sql, many)


def copy(table: str, columns: Sequence[str], source: Iterable[Sequence[Any]]) -> int:
    """Stream rows into ``table`` with COPY, in constant memory; return how many. Values are bound by type, not by text."""
    count = 0
    connection.ensure_connection()
    with connection.cursor() as cursor:
        raw = cursor.cursor  # Django's wrapper does not know COPY
        with raw.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as stream:
            for row in source:
                stream.write_row(row)
                count += 1
    return count


def json(data: Any) -> Jsonb:
    """Wrap data for a jsonb parameter; dates become ISO text."""
    return Jsonb(data, dumps=_dumps)


_dumps = partial(_json.dumps, default=str)
