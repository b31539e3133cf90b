"""``recare doctor``: what this installation is made of, and what is wrong with it."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg

from recare.base.postgres_binaries import wheel_version
from recare.run import database
from recare.run.database import CannotStartError, Urls
from recare.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; ``good`` is False where somebody has to act."""

    label: str
    value: str
    good: bool = True


_UNPROTECTED = """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
      AND a.attname = 'patient_id' AND NOT a.attisdropped AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    ORDER BY 1
"""
_PROTECTED = "SELECT count(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
_JOBS = "SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY 1 ORDER BY 1"


def examine(home: Path, urls: Urls) -> list[Finding]:
    """Look at versions, disk, database role, row-level security, schema and jobs. Needs Django loaded."""
    with psycopg.connect(urls.app, autocommit=True) as connection:
        findings = [*_versions(connection), _disk(home), _role(connection)]
        findings += [_row_security(connection), _schema(), _jobs(connection), _stops(), _backed_up(connection)]
    return findings


def _versions(connection: psycopg.Connection[tuple[object, ...]]) -> list[Finding]:
    number = connection.info.server_version
    return [
        Finding("Recare", VERSION),
        Finding("Python", platform.python_version()),
        Finding("PostgreSQL server", f"{number // 10_000}.{number % 10_000}"),
        Finding("PostgreSQL in this installation", wheel_version() or "none (RECARE_POSTGRES_BIN or DATABASE_URL)"),
    ]


def _disk(home: Path) -> Finding:
    free = shutil.disk_usage(home).free
    return Finding("Data folder", f"{home}, {free / 1024**3:.1f} GB free", free >= database.LEAST_FREE)


def _role(connection: psycopg.Connection[tuple[object, ...]]) -> Finding:
    owned = connection.execute(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user"
    ).fetchone()
    user = connection.info.user
    if owned and owned[0]:
        return Finding("Database role", f"{user} owns the tables; set DATABASE_OWNER_URL to keep the two apart")
    return Finding("Database role", f"{user}, not the owner of the tables, no superuser")


def _row_security(connection: psycopg.Connection[tuple[object, ...]]) -> Finding:
    naked = [str(row[0]) for row in connection.execute(_UNPROTECTED)]
    if naked:
        return Finding("Row-level security", f"missing on {', '.join(naked)}: run 'recare migrate'", good=False)
    row = connection.execute(_PROTECTED).fetchone()
    return Finding("Row-level security", f"forced on {row[0] if row else 0} tables")


def _stops() -> Finding:
    from recare.consent import stops_file

    problem = stops_file.problem()
    if problem:
        value = f"cannot be written to {problem}: set RECARE_STOPS_DIR to a folder that can"
        return Finding("Opt-outs on file", value, good=False)
    return Finding("Opt-outs on file", str(stops_file.folder()))


_LAST_BACKUP: Final = "SELECT max(at) FROM audit_entry WHERE practice_id = 0 AND verb = 'made a backup'"


def _backed_up(connection: psycopg.Connection[tuple[object, ...]]) -> Finding:
    """Only told: archiving by a server of one's own leaves no trace here."""
    connection.execute("SET recare.practices = '{0}'")
    try:
        row = connection.execute(_LAST_BACKUP).fetchone()
    except psycopg.errors.UndefinedTable:
        row = None
    return Finding("Last backup", f"{row[0]:%Y-%m-%d %H:%M} UTC" if row and row[0] else "none by 'recare backup' yet")


def _schema() -> Finding:
    try:
        database.check_schema(database.schema())
    except CannotStartError as error:
        return Finding("Schema", str(error), good=False)
    return Finding("Schema", "up to date")


def _jobs(connection: psycopg.Connection[tuple[object, ...]]) -> Finding:
    try:
        counts = {str(row[0]): int(str(row[1])) for row in connection.execute(_JOBS)}
    except psycopg.errors.UndefinedTable:
        return Finding("Jobs", "no queue yet: run 'recare migrate'", good=False)
    shown = ", ".join(f"{count} {status}" for status, count in counts.items()) or "none"
    return Finding("Jobs", shown, good=not counts.get("failed"))
