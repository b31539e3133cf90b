"""SQL in, frozen rows out; and the one way to say which practices a transaction may see.

Recare has no object-relational layer for patients and outreach: every heavy path is one statement over many rows, keys are
composite, and row-level security must hold for every line of SQL (docs/why/0002-sql-and-rows.md).
"""

from __future__ import annotations

import contextlib
import json as _json
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connection, transaction
from psycopg import Cursor
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

T = TypeVar("T")
_SETTING = "recare.practices"
_STREAMED = 1000  # rows a round trip
_JSONB = 3802  # type number of jsonb in every PostgreSQL


@contextlib.contextmanager
def scope(practices: int | Iterable[int]) -> Iterator[None]:
    """Open a transaction that sees the rows of these practices and of no others; inside another one, a savepoint.

    Without it every statement on a practice's table fails: unset means an error, never everything.
    """
    wanted = [practices] if isinstance(practices, int) else list(practices)
    with transaction.atomic():
        # one round trip for all, since every piece of work begins with it; columns are computed from left to right
        before = value(
            f"SELECT current_setting('{_SETTING}', true), set_config('{_SETTING}', %(wanted)s, true), "
            "set_config('plan_cache_mode', 'force_generic_plan', true)",  # what is prepared is prepared for its plan to be kept
            wanted="{" + ",".join(map(str, wanted)) + "}",
        )
        yield
        if before:  # SET LOCAL outlives a savepoint, so the outer scope gets its own practices back
            value(f"SELECT set_config('{_SETTING}', %(before)s, true)", before=before)


def rows(shape: type[T], sql: str, **params: Any) -> list[T]:
    """Run a query and build one ``shape`` (a dataclass) a row, columns by name."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return _shaped(shape, cursor)


def rows_prepared(shape: type[T], sql: str, **params: Any) -> list[T]:
    """Do ``rows`` for a long query that is asked often for a few: the connection keeps its plan, which takes longer than the answer."""
    with _prepared(sql, params) as cursor:
        return _shaped(shape, cursor)


def _shaped(shape: type[T], cursor: Any) -> list[T]:
    names = [column.name for column in cursor.description or ()]
    wanted = getattr(shape, "__match_args__", ())
    if len(names) > 1 and len(names) == len(wanted) and set(names) == set(wanted):  # by place costs half as much
        in_order = itemgetter(*(names.index(name) for name in wanted))
        return [shape(*in_order(row)) for row in _fetched(cursor)]
    return [shape(**dict(zip(names, row, strict=True))) for row in _fetched(cursor)]


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
        return _fetched(cursor)


def tuples_prepared(sql: str, **params: Any) -> list[tuple[Any, ...]]:
    """Do ``tuples`` as ``rows_prepared`` does ``rows``."""
    with _prepared(sql, params) as cursor:
        return _fetched(cursor)


def _fetched(cursor: Any) -> list[tuple[Any, ...]]:
    """Fetch all rows; Django leaves jsonb as text, so those columns are read here."""
    jsonb = [place for place, column in enumerate(cursor.description or ()) if column.type_code == _JSONB]
    found = list(cursor.fetchall())
    if not jsonb:
        return found
    return [
        tuple(_json.loads(v) if i in jsonb and isinstance(v, str) else v for i, v in enumerate(row)) for row in found
    ]


def stream(sql: str, **params: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query one by one, by a cursor on the server: a list of any length in constant memory.

    jsonb columns come as text. Must be read to its end inside the scope it was begun in.
    """
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, params or None)
        while found := cursor.fetchmany(_STREAMED):
            yield from found


def values(sql: str, **params: Any) -> list[Any]:
    """Return the first column of every row."""
    return [row[0] for row in tuples(sql, **params)]


def value(sql: str, **params: Any) -> Any:
    """Return the first column of the first row; None when there is no row."""
    found = tuples(sql, **params)
    return found[0][0] if found else None


def run(sql: str, **params: Any) -> int:
    """Run a statement and return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return int(cursor.rowcount)


def run_prepared(sql: str, **params: Any) -> int:
    """Run a long statement whose plan the connection keeps, and return how many rows it touched."""
    with _prepared(sql, params) as cursor:
        return int(cursor.rowcount)


@contextlib.contextmanager
def _prepared(sql: str, params: Mapping[str, Any]) -> Iterator[Cursor[Any]]:
    """Execute with values apart from the text, so that the server can keep a plan; Django's own cursors write them into it.

    ``scope`` asks for one plan for all values: left to itself the server takes an array for ten ids, so that a plan for one looks cheaper,
    and plans anew each time.
    """
    connection.ensure_connection()
    driver = connection.connection
    driver.prepare_threshold = 5  # Django turns preparing off, which the cursor below respects and Django's do not need
    with connection.wrap_database_errors, Cursor(driver) as cursor:
        cursor.execute(sql, params, prepare=True)
        yield cursor


def run_many(sql: str, many: Sequence[Mapping[str, Any]]) -> None:
    """Run one statement for each set of parameters, in one round trip where the driver can."""
    if many:
        with connection.cursor() as cursor:
            cursor.executemany(sql, many)


def copy(table: str, columns: Sequence[str], source: Iterable[Sequence[Any]]) -> int:
    """Stream rows into ``table`` in constant memory and return how many; values are bound by type, not by text.

    PostgreSQL refuses COPY into a table with row-level security, so the stream goes into a temporary table first.
    """
    names, staging = ", ".join(columns), f"incoming_{table}"
    run(f"CREATE TEMP TABLE {staging} ON COMMIT DROP AS SELECT {names} FROM {table} WITH NO DATA")
    copy_raw(staging, columns, source)
    count = run(f"INSERT INTO {table} ({names}) SELECT {names} FROM {staging}")
    run(f"DROP TABLE {staging}")
    return count


def copy_raw(table: str, columns: Sequence[str], source: Iterable[Sequence[Any]]) -> None:
    """Stream rows with COPY into a temporary table of the caller's."""
    with (
        connection.cursor() as cursor,
        cursor.cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as stream,  # Django's wrapper has no COPY
    ):
        for row in source:
            stream.write_row(row)


def analyze(*tables: str) -> None:
    """Bring the planner's statistics up to date after a bulk load, also inside the transaction that has loaded."""
    for table in tables:
        tuples("SELECT update_statistics(%(table)s::text::regclass)", table=table)


def json(data: Any) -> Jsonb:
    """Wrap data for a jsonb parameter; dates become ISO text."""
    return Jsonb(data, dumps=_dumps)


_dumps = partial(_json.dumps, default=str)
