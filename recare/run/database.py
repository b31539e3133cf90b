"""Which database this process uses, and whether it may be used: every refusal is one sentence for the reader."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import conninfo

from recare.base import postgres
from recare.base.postgres_binaries import OLDEST_MAJOR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MIB: Final = 1024**2
LEAST_FREE: Final = 300 * _MIB


class CannotStartError(Exception):
    """One sentence for the person at the terminal: what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Urls:
    """Addresses of one database: ``app`` for everything, ``owner`` for migrations. They hold passwords."""

    app: str
    owner: str

    def export(self) -> None:
        """Put both into the environment, where settings and child processes read them."""
        os.environ["DATABASE_URL"] = self.app
        os.environ["DATABASE_OWNER_URL"] = self.owner


@dataclass(frozen=True, slots=True)
class Schema:
    """Migrations of this release the database lacks, and those it has and this release does not know."""

    applied: int
    pending: tuple[str, ...]
    unknown: tuple[str, ...]


def given_urls() -> Urls | None:
    """Return the database the environment names; None means Recare's own."""
    app = os.environ.get("DATABASE_URL", "").strip()
    return Urls(app, os.environ.get("DATABASE_OWNER_URL", "").strip() or app) if app else None


@contextlib.contextmanager
def opened(home: Path) -> Iterator[Urls]:
    """Make the database ready for one command: start Recare's own if it is not running, stop it again at the end."""
    urls = given_urls()
    cluster = None
    if urls is None:
        already = postgres.running(home)
        if already is None:  # one that runs is not refused: 'recare stop-all' must work on a full disk too
            ensure_home(home)
        cluster = None if already else postgres.start(home)
        current = already or cluster
        assert current is not None  # noqa: S101 (for the type checker: one of the two was just set)
        urls = Urls(current.app_url(), current.owner_url())
    try:
        check_server(urls)
        urls.export()
        yield urls
    finally:
        if cluster is not None:
            cluster.stop()


def ensure_home(home: Path) -> None:
    """Make the data folder (mode 0700) and refuse a disk with too little room for a database."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
    except OSError as error:
        raise CannotStartError(
            f"The data folder {home} cannot be used ({error.strerror}): set RECARE_HOME to a folder of your own."
        ) from error
    check_room(home, LEAST_FREE)


def check_room(folder: Path, least: int) -> None:
    """Refuse when the disk of ``folder`` has fewer than ``least`` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < least:
        raise CannotStartError(
            f"The disk of {folder} is full: {free // _MIB} MB are free and Recare needs {least // _MIB} MB. "
            "Make room, or set RECARE_HOME to a folder on another disk."
        )


def check_server(urls: Urls) -> None:
    """Refuse a server that does not answer or is too old, and an app role that row-level security does not bind."""
    with _connect(urls.app, "DATABASE_URL") as connection:
        version = connection.info.server_version
        if version < OLDEST_MAJOR * 10_000:
            raise CannotStartError(
                f"The server of DATABASE_URL is PostgreSQL {version // 10_000}: Recare needs {OLDEST_MAJOR} or newer."
            )
        row = connection.execute(
            "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    if row is None or row[1] or row[2]:
        name = row[0] if row else "this role"
        raise CannotStartError(
            f"The role '{name}' of DATABASE_URL is a superuser or may bypass row-level security, so practices would "
            "not be kept apart: use a role with NOSUPERUSER NOBYPASSRLS, and put the owner of the tables into "
            "DATABASE_OWNER_URL."
        )
    if urls.owner != urls.app:
        with _connect(urls.owner, "DATABASE_OWNER_URL"):
            pass


def _connect(url: str, variable: str) -> psycopg.Connection[tuple[object, ...]]:
    example = "postgresql://user:password@host:5432/name"
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise CannotStartError(
            f"{variable} is not the address of a database: it should look like {example}."
        ) from error
    try:
        return psycopg.connect(url, connect_timeout=10)
    except psycopg.OperationalError as error:
        place = f"'{parts.get('dbname', '')}' on {parts.get('host') or 'the local socket'}"
        lines = [line.strip() for line in str(error).strip().splitlines()]
        said = next((line.rpartition("failed: ")[2] for line in lines if "failed: " in line), lines[-1])
        raise CannotStartError(
            f"{variable} names the database {place}, which cannot be opened ({said}): check the address and the "
            "password, and that the server is running."
        ) from error


def load_django() -> None:
    """Load settings and apps; the addresses must be in the environment by now."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recare.settings")
    import django

    django.setup()


def schema() -> Schema:
    """Compare the database with the migrations of this release. Needs Django loaded."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    loader = executor.loader
    plan = executor.migration_plan(loader.graph.leaf_nodes())
    applied = set(loader.applied_migrations)
    unknown = {key for key in applied if key[0] in loader.migrated_apps and key not in loader.disk_migrations}
    connection.close()
    return Schema(
        applied=len(applied),
        pending=tuple(f"{step.app_label}.{step.name}" for step, _ in plan),
        unknown=tuple(sorted(f"{app}.{name}" for app, name in unknown)),
    )


def check_schema(state: Schema) -> None:
    """Refuse a database older or newer than this release."""
    if state.unknown:
        raise CannotStartError(
            f"The database was made by a newer Recare (it has {state.unknown[0]}, which this release does not know): "
            "install that release again, or restore the backup made before the upgrade."
        )
    if state.pending:
        raise CannotStartError(
            f"The database is older than this Recare ({len(state.pending)} steps are missing, the first is "
            f"{state.pending[0]}): make a backup, then run 'recare migrate'."
        )


def migrate(urls: Urls, verbosity: int = 1) -> None:
    """Bring the database to this release, as the owner of the tables, and open the new tables to the app role.

    Uses up this process: Django is bound to the owner's address afterwards.
    """
    app_role = conninfo.conninfo_to_dict(urls.app).get("user")
    with _connect(urls.owner, "DATABASE_OWNER_URL") as connection:
        if app_role and urls.owner != urls.app:
            postgres.open_to(connection, str(app_role))
    os.environ["DATABASE_URL"] = urls.owner
    load_django()
    from django.core.management import call_command

    state = schema()
    if state.unknown:
        check_schema(state)
    call_command("migrate", interactive=False, verbosity=verbosity)
