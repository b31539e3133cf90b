"""Rows of a backup into the tables, inside one transaction: everything that guards them rests meanwhile and stands again before the commit.

Foreign keys and plain indexes are taken down and put up again, which checks every row once and needs no memory for each; triggers and row-level
security rest. At the end the catalogue must say, word for word, what it said before.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from recare.run import archive, backup
from recare.run.archive import Contents, Noted
from recare.run.sealed_file import DamagedError, Keys

if TYPE_CHECKING:
    from recare.run.backup import Connection

JUMP: Final = 1_000_000
"""After a restore no number is used twice: the world may know a message, a patient's page or a booking by one given out after the backup."""

_PUBLIC: Final = "c.relnamespace = 'public'::regnamespace"
_FOREIGN: Final = f"""
SELECT c.relname, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND {_PUBLIC} ORDER BY 1, 2
"""
_INDEXES: Final = f"""
SELECT i.relname, pg_get_indexdef(x.indexrelid) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
WHERE {_PUBLIC} AND c.relkind = 'r' AND NOT x.indisunique
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid) ORDER BY 1
"""
# Everything that guards rows. Compared before and after, so that a restore cannot leave a door open.
_CATALOGUE: Final = f"""
SELECT 'table', c.relname, c.relrowsecurity || ' ' || c.relforcerowsecurity, '' FROM pg_class c WHERE c.relkind = 'r' AND {_PUBLIC}
UNION ALL SELECT 'rule', c.relname, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE {_PUBLIC}
UNION ALL SELECT 'index', c.relname, i.relname, pg_get_indexdef(x.indexrelid) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class c ON c.oid = x.indrelid WHERE {_PUBLIC} AND x.indisvalid
UNION ALL SELECT 'trigger', c.relname, t.tgname || ' ' || t.tgenabled::text, pg_get_triggerdef(t.oid) FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND {_PUBLIC}
UNION ALL SELECT 'policy', c.relname, p.polname, pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE {_PUBLIC}
ORDER BY 1, 2, 3, 4
"""
_GUARDED: Final = (
    f"SELECT c.relname, c.relforcerowsecurity FROM pg_class c WHERE c.relkind = 'r' AND {_PUBLIC} ORDER BY 1"
)
_PRACTICE_SEQUENCES: Final = f"""
SELECT s.relname FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.deptype IN ('a', 'i') AND d.classid = 'pg_class'::regclass
JOIN pg_class c ON c.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'practice_id' AND NOT a.attisdropped
WHERE s.relkind = 'S' AND {_PUBLIC}
"""


def replace_rows(connection: Connection, path: Path, keys: Keys) -> Contents:
    """Empty every table and fill it from the backup, inside the caller's transaction, which holds a lock on all of them.

    Raises DamagedError when the backup turns out not to be whole, or when a guard does not stand again as it stood: then the caller's
    transaction must not be committed.
    """
    before = connection.execute(_CATALOGUE).fetchall()
    forced = connection.execute(_GUARDED).fetchall()
    foreign, indexes = connection.execute(_FOREIGN).fetchall(), connection.execute(_INDEXES).fetchall()
    _lay_down(connection, forced, foreign, indexes)
    every = sql.SQL(", ").join(sql.Identifier(table) for table, _ in forced if table != "django_migrations")
    connection.execute(sql.SQL("TRUNCATE {}").format(every))
    schema = backup.schema_of(connection)

    def load(table: str, blocks: Iterator[bytes]) -> None:
        into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), backup.columns_of(schema[table]))
        with connection.cursor() as cursor, cursor.copy(into) as copy:
            for block in blocks:
                copy.write(block)

    contents = archive.walk(path, keys, load)
    _advance(connection, contents.tail.sequences)
    _put_up(connection, forced, foreign, indexes)
    if connection.execute(_CATALOGUE).fetchall() != before:
        raise DamagedError("the guards of the tables do not stand as they stood, so nothing was restored.")
    connection.execute("ANALYZE")
    return contents


def lock(connection: Connection) -> None:
    """Keep everybody else out of every table until the transaction ends. Raises psycopg's LockNotAvailable after ten seconds."""
    tables = sql.SQL(", ").join(sql.Identifier(table) for table, _ in connection.execute(_GUARDED))
    connection.execute("SET LOCAL lock_timeout = '10s'")
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(tables))


def counted(connection: Connection, contents: Contents) -> str | None:
    """Say which table does not hold the rows that the backup held, or None."""
    for table, rows in contents.tail.rows.items():
        found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
        if not found or found[0] != rows:
            return f"{table} holds {found[0] if found else 'no'} rows and should hold {rows}."
    return None


def ends_differ(connection: Connection, noted: tuple[Noted, ...]) -> bool:
    """Whether a chain ends elsewhere than the backup says."""
    return backup.ends(connection) != noted


def _lay_down(connection: Connection, forced: list[Any], foreign: list[Any], indexes: list[Any]) -> None:
    for table, name, _ in foreign:
        connection.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), sql.Identifier(name))
        )
    for name, _ in indexes:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    for table, is_forced in forced:
        connection.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(table)))
        if is_forced:
            connection.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(sql.Identifier(table)))


def _put_up(connection: Connection, forced: list[Any], foreign: list[Any], indexes: list[Any]) -> None:
    connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
    for _, definition in indexes:
        connection.execute(definition)
    for table, name, definition in foreign:
        add = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} ").format(sql.Identifier(table), sql.Identifier(name))
        connection.execute(add + sql.SQL(definition))
    for table, is_forced in forced:
        connection.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(sql.Identifier(table)))
        if is_forced:
            connection.execute(sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(sql.Identifier(table)))


def _advance(connection: Connection, kept: dict[str, int | None]) -> None:
    """Set every sequence beyond what the backup and this database have given out, those of practices by a wide step."""
    wide = {name for (name,) in connection.execute(_PRACTICE_SEQUENCES)}
    here: dict[str, int | None] = dict(
        connection.execute("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'")
    )
    for name, there in here.items():
        last = max(there or 0, kept.get(name) or 0)
        if last:
            target = last + JUMP if name in wide else last
            connection.execute("SELECT setval(quote_ident(%s)::regclass, %s)", [name, target])
