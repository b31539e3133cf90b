"""``recare backup``: the whole database as it was at one instant, in one file that only its keys open (SEC-04).

It needs no program of PostgreSQL and runs beside everything else: one read-only snapshot, table after table, in constant memory. The schema is
not in it, for a release brings its own; what must be the same to load the rows is written down and compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from recare.base import secret_box
from recare.run import archive, sealed_file
from recare.run.archive import Column, Head, Noted, Tail, Writer
from recare.run.database import CannotStartError
from recare.run.sealed_file import SHORTEST_PHRASE, DamagedError, Keys, Sealer
from recare.version import VERSION

if TYPE_CHECKING:
    from recare.run.database import Urls

PHRASE: Final = "RECARE_BACKUP_PHRASE"
_NAMED: Final = "recare-{}.backup"
Connection = psycopg.Connection[tuple[Any, ...]]

# Nobody wants these back: sessions that have ended meanwhile, jobs and workers of another day. ``django_migrations`` says what the tables are,
# and a restored database has its own.
LEFT_OUT: Final = frozenset({
    "django_session", "django_migrations", "procrastinate_events", "procrastinate_jobs", "procrastinate_periodic_defers",
    "procrastinate_workers",
})  # fmt: skip

_COLUMNS: Final = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname, a.attnum
"""
_ENDS: Final = """
SELECT p.id, p.slug, coalesce(a.seq, 0), coalesce(encode(a.hash, 'hex'), ''), coalesce(c.seq, 0), coalesce(encode(c.hash, 'hex'), '')
FROM (SELECT id, slug FROM practice UNION ALL SELECT 0, '') p LEFT JOIN audit_head a ON a.practice_id = p.id
LEFT JOIN consent_chain c ON c.practice_id = p.id ORDER BY p.id
"""
_SEQUENCES: Final = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1"
# What the text form of COPY depends on, and what would let rows come in another order or not at all.
_SETTINGS: Final = {
    "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "UTC", "extra_float_digits": "1", "bytea_output": "hex",
    "client_encoding": "UTF8", "synchronize_seqscans": "off", "max_parallel_workers_per_gather": "0", "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """A finished backup: where it is, its hash, and what it holds."""

    path: Path
    sha256: str
    size: int
    head: Head
    tail: Tail


def keys_here(phrase: str = "") -> Keys:
    """Return the keys of this installation, with a pass phrase; see ``phrase_here``."""
    return Keys(secret_box.keys(), phrase_here(phrase))


def phrase_here(phrase: str = "") -> str:
    """Return the pass phrase given, else that of ``RECARE_BACKUP_PHRASE``, else ''. Raises CannotStartError for one that is too short."""
    phrase = phrase or os.environ.get(PHRASE, "").strip()
    if phrase and len(phrase) < SHORTEST_PHRASE:
        raise CannotStartError(
            f"The pass phrase is too short: {SHORTEST_PHRASE} characters at least, better six words."
        )
    return phrase


def make(urls: Urls, path: Path, keys: Keys, now: datetime) -> Written:
    """Back the database up while everything goes on. Raises CannotStartError in one sentence; then there is no file."""
    with psycopg.connect(urls.owner) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return write(connection, path, keys, now)


def write(connection: Connection, path: Path, keys: Keys, now: datetime) -> Written:
    """Write what the caller's open transaction sees. The file appears under its name once it is whole, on the disk, and read back."""
    if path.is_dir():
        path /= _NAMED.format(f"{now:%Y-%m-%dT%H%M%SZ}")
    if path.exists():
        raise CannotStartError(
            f"There is a file {path} already: a backup never writes over another. Choose another name."
        )
    part = path.with_name(f".{path.name}.part")
    try:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()  # what a backup left that was killed
        written = _into(connection, part, keys, now)
        _read_back(part, keys, written.tail)
        part.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise CannotStartError(f"The backup {path} could not be written ({error.strerror}).") from error
    except psycopg.Error as error:
        raise CannotStartError(
            f"No backup was made, for the database said: {str(error).strip().splitlines()[0]}"
        ) from error
    except DamagedError as error:
        raise CannotStartError(
            f"The backup {path} was written and could not be read back: {error} The disk may be failing."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return Written(path, written.sha256, path.stat().st_size, written.head, written.tail)


def prune(folder: Path, keep: int) -> int:
    """Delete the backups of this installation in a folder but the newest ``keep``, and return how many; files with other names, or locked
    with another installation's key, are none of them. Raises CannotStartError.
    """
    try:
        old = [path for path in sorted(folder.glob(_NAMED.format("*"))) if _is_ours(path)][:-keep]
        for path in old:
            path.unlink()
    except OSError as error:
        raise CannotStartError(f"Older backups in {folder} could not be deleted ({error.strerror}).") from error
    return len(old)


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file, contextlib.suppress(DamagedError):
        locks = sealed_file.head_of(file)[0]["locks"]
        return sealed_file.name_of(secret_box.installation_key()) in {lock.get("name") for lock in locks}
    return False


def _read_back(path: Path, keys: Keys, tail: Tail) -> None:
    if archive.check(path, keys).tail != tail:
        raise DamagedError("what was read back is not what was written.")


def _into(connection: Connection, path: Path, keys: Keys, now: datetime) -> Written:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as raw:
        file = _Hashed(raw)
        settle(connection)
        see_everything(connection)
        head = head_of(connection, now)
        sealer = Sealer(file, {"made_at": head.made_at, "release": head.release}, keys)  # type: ignore[arg-type]
        writer = Writer(sealer, head)
        for table, columns in head.schema.items():
            writer.table(table, _rows(connection, table, columns))
        tail = writer.finish(dict(connection.execute(_SEQUENCES).fetchall()), ends(connection), secret_box.keys())
        raw.flush()
        os.fsync(raw.fileno())
    return Written(path, file.digest.hexdigest(), 0, head, tail)


class _Hashed:
    """Hashes what goes to a file."""

    def __init__(self, file: Any) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def write(self, data: bytes) -> None:
        self.digest.update(data)
        self._file.write(data)


def settle(connection: Connection) -> None:
    """Make the text form of rows the same everywhere, until the end of the transaction."""
    for name, value in _SETTINGS.items():
        connection.execute("SELECT set_config(%s, %s, true)", [name, value])


def see_everything(connection: Connection) -> None:
    """See the rows of every practice: a role above row-level security says so and fails rather than miss one; any other names them all."""
    above = connection.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user").fetchone()
    if above and above[0]:
        connection.execute("SET LOCAL row_security = off")
    every = [row[0] for row in connection.execute("SELECT id FROM practice ORDER BY id")]
    connection.execute("SELECT set_config('recare.practices', %s, true)", ["{" + ",".join(map(str, [0, *every])) + "}"])


def schema_of(connection: Connection) -> dict[str, tuple[Column, ...]]:
    """Return the tables whose rows are kept, with their columns in order; generated ones are made anew."""
    found: dict[str, list[Column]] = {}
    for table, column, kind, required in connection.execute(_COLUMNS):
        if table not in LEFT_OUT:
            found.setdefault(table, []).append(Column(column, kind, required))
    return {table: tuple(columns) for table, columns in found.items()}


def head_of(connection: Connection, now: datetime) -> Head:
    """Return what the connected database is."""
    number = connection.info.server_version
    steps = connection.execute("SELECT app || '.' || name FROM django_migrations ORDER BY 1").fetchall()
    practices = connection.execute("SELECT id, slug FROM practice ORDER BY id").fetchall()
    return Head(
        release=VERSION, postgres=f"{number // 10_000}.{number % 10_000}", made_at=now.isoformat(timespec="seconds"),
        migrations=tuple(step for (step,) in steps), schema=schema_of(connection), left_out=tuple(sorted(LEFT_OUT)),
        practices=tuple((int(key), str(slug)) for key, slug in practices),
    )  # fmt: skip


def ends(connection: Connection) -> tuple[Noted, ...]:
    """Return where the chains of every practice, and of the installation, end."""
    return tuple(Noted(*row) for row in connection.execute(_ENDS))


def columns_of(columns: tuple[Column, ...]) -> sql.Composed:
    """The names of columns, as a statement has them."""
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


def _rows(connection: Connection, table: str, columns: tuple[Column, ...]) -> Iterator[archive.Block]:
    statement = sql.SQL("COPY (SELECT {} FROM ONLY {}) TO STDOUT").format(columns_of(columns), sql.Identifier(table))
    with connection.cursor() as cursor, cursor.copy(statement) as rows:
        yield from rows


def _sync_folder(folder: Path) -> None:
    """Only now does a power cut leave the name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
