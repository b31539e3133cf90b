"""``recare restore``: a backup back into a database, all of it or nothing, and without contacting anybody because of it.

The order is the promise: the whole file is read and checked before a database is touched; then one transaction holds every table, keeps a copy of
what is there, puts every no aside, loads, checks every count and every chain, brings the noes over, takes back what waited to go out, and stops all
sending. Cut off anywhere, the database is what it was.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from recare.run import archive, backup, database, load
from recare.run.archive import Contents
from recare.run.database import CannotStartError
from recare.run.sealed_file import DamagedError, Keys

if TYPE_CHECKING:
    from recare.run.backup import Connection
    from recare.run.carry import Carried
    from recare.run.database import Urls

_NOTHING: Final = "Nothing was changed."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for. ``replace`` allows a database that is in use to be replaced."""

    path: Path
    keys: Keys
    home: Path
    replace: bool
    now: datetime


def examine(path: Path, keys: Keys) -> Contents:
    """Read a backup to its end without any database. Raises CannotStartError in one sentence when it is not whole."""
    try:
        return archive.check(path, keys)
    except DamagedError as error:
        raise CannotStartError(f"The backup {path} cannot be used: {error} {_NOTHING}") from error


def described(contents: Contents) -> list[str]:
    """Say what a backup holds."""
    head, tail = contents.head, contents.tail
    slugs = ", ".join(slug for _, slug in head.practices) or "none"
    return [
        f"Made {head.made_at} by Recare {head.release} on PostgreSQL {head.postgres}.",
        f"Practices: {slugs}.",
        (
            f"{sum(tail.rows.values())} rows in {len(tail.rows)} tables, {tail.rows.get('patient', 0)} patients, "
            f"{tail.rows.get('consent_event', 0)} consent events."
        ),
    ]


def restore(wanted: Wanted, urls: Urls) -> list[str]:
    """Restore into the database of ``urls`` and return what was done, in sentences. Loads Django as the owner of the tables.

    Raises CannotStartError in one sentence; the database is then as it was.
    """
    contents = examine(wanted.path, wanted.keys)
    _prepare_tables(urls)
    try:
        return _restored(wanted, contents)
    except DamagedError as error:
        raise CannotStartError(f"The backup {wanted.path} was not restored: {error} {_NOTHING}") from error
    except psycopg.errors.LockNotAvailable as error:
        raise CannotStartError(f"Another program holds the tables: stop Recare everywhere first. {_NOTHING}") from error
    except psycopg.Error as error:
        raise _said(error) from error


def _said(error: Exception) -> CannotStartError:
    said = str(error).strip().splitlines()[0]
    return CannotStartError(f"The database refused the restore ({said}). {_NOTHING}")


def _prepare_tables(urls: Urls) -> None:
    os.environ["DATABASE_URL"] = urls.owner
    database.load_django()
    state = database.schema()
    if state.applied == 0:
        database.migrate(urls, verbosity=0)
    else:
        database.check_schema(state)


def _restored(wanted: Wanted, contents: Contents) -> list[str]:
    from django.db import DatabaseError, transaction

    kept: list[Path] = []
    try:
        with transaction.atomic():
            connection = _connection()
            backup.settle(connection)
            backup.see_everything(connection)
            _compare(backup.head_of(connection, wanted.now), contents)
            _alone(connection)
            load.lock(connection)
            kept += _keep(connection, wanted)
            carry = _Carry(contents, replaces=bool(kept))
            load.replace_rows(connection, wanted.path, wanted.keys)
            backup.see_everything(connection)  # the practices may be other ones now
            lines = [*_checked(connection, contents), *carry.bring_over(wanted)]
            _read_older_secrets(contents)
    except BaseException as error:
        for path in kept:
            path.unlink(missing_ok=True)  # what was here is still here
        if isinstance(error, DatabaseError):
            raise _said(error) from error
        raise
    return [*described(contents), *lines, *_closing(kept)]


def _connection() -> Connection:
    from django.db import connection

    connection.ensure_connection()
    raw: Connection = connection.connection
    return raw


def _compare(here: archive.Head, contents: Contents) -> None:
    """Rows fit only the tables they were written from."""
    there = contents.head
    if set(there.migrations) != set(here.migrations):
        steps = sorted(set(there.migrations) ^ set(here.migrations))
        raise DamagedError(
            f"it was made by another release, Recare {there.release} (they differ in {steps[0]}): install that release, restore, "
            "and then upgrade with 'recare migrate'."
        )
    for table in sorted(there.schema.keys() | here.schema.keys()):
        if there.schema.get(table) != here.schema.get(table):
            raise DamagedError(
                f"its table {table} has other columns than the one of this release: install the release it was made with, Recare "
                f"{there.release}, restore, and then upgrade with 'recare migrate'."
            )


def _alone(connection: Connection) -> None:
    """Nobody else may be at work: what they hold in memory is of a database that is about to go."""
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND usename IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'"  # a plain role may not read the type
    ).fetchone()
    if row and row[0]:
        raise DamagedError(
            f"{row[0]} other connection(s) to the database are open. Stop Recare on every machine, and try again."
        )


def _keep(connection: Connection, wanted: Wanted) -> list[Path]:
    """Back up what is about to be replaced; empty when nothing is there."""
    used = connection.execute("SELECT EXISTS (SELECT FROM practice) OR EXISTS (SELECT FROM staff)").fetchone()
    if not used or not used[0]:
        return []
    if not wanted.replace:
        slugs = [slug for (slug,) in connection.execute("SELECT slug FROM practice ORDER BY id LIMIT 5")]
        raise DamagedError(
            f"this installation is in use ({', '.join(slugs) or 'somebody can sign in'}). To replace what it holds, say --replace; "
            "opt-outs that are newer than the backup stay."
        )
    folder = wanted.home / "backups"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"before-restore-{wanted.now:%Y-%m-%dT%H%M%SZ}.backup"
    return [backup.write(connection, path, Keys(backup.keys_here().installation, wanted.keys.phrase), wanted.now).path]


class _Carry:
    """What goes from the replaced database, or from the files beside it, into the restored one."""

    def __init__(self, contents: Contents, *, replaces: bool) -> None:
        from recare.practices import practice as practices
        from recare.run import carry

        self._contents, self._replaces = contents, replaces
        self._before = {practice.slug for practice in practices.every()}
        if replaces:
            carry.remember(datetime.fromisoformat(contents.head.made_at))

    def bring_over(self, wanted: Wanted) -> list[str]:
        """Bring the noes over, take back what waits, stop all sending, and say so."""
        from recare.base import audit, db
        from recare.consent import stops_file
        from recare.practices import change
        from recare.practices import practice as practices
        from recare.run import aftermath, carry

        actor, when = f"operator {getpass.getuser()}", self._contents.head.made_at
        totals, taken = carry.Carried(), 0
        for practice in practices.every():
            with db.scope(practice.id):
                taken += aftermath.take_back(practice.id, actor, when, wanted.now)
                bring = carry.bring_over if self._replaces else carry.write
                _add(totals, bring(practice, stops_file.read(practice), wanted.now))
            aftermath.note(practice.id, actor, wanted.now, {"made_at": when, "release": self._contents.head.release})
        if self._replaces:
            carry.bring_over_sign_ins()
        change.stop_installation(actor, wanted.now)
        detail = {"made_at": when, "noes": totals.noes, "messages_taken_back": taken}
        aftermath.note(audit.INSTALLATION, actor, wanted.now, detail)
        gone = sorted(self._before - {slug for _, slug in self._contents.head.practices})
        return [
            *_sentences(totals, taken),
            *([f"Not in the backup, and so no longer here: {', '.join(gone)}."] if gone else []),
        ]


def _add(total: Carried, more: Carried) -> None:
    for name in total.__slots__:
        setattr(total, name, getattr(total, name) + getattr(more, name))


def _sentences(total: Carried, taken: int) -> list[str]:
    lines = [
        (
            f"Newer than the backup and kept: {total.noes} opt-outs and facts about addresses, {total.replies} replies, "
            f"{total.charts} charts that say more, {total.sign_ins} roles that had ended."
        ),
        f"{taken} messages that waited were taken back, for they may have gone out; running campaigns are paused.",
    ]
    if total.stopped:
        lines.append(
            f"{total.stopped} patients who were contacted, or booked, after the backup were let go from their campaigns."
        )
    if total.lost:
        lines.append(
            f"{total.lost} opt-outs could not be matched, for this practice was made anew, with another salt, and nobody can tell their "
            "addresses any more. Look at your provider's list of opt-outs before sending goes on."
        )
    return lines


def _checked(connection: Connection, contents: Contents) -> list[str]:
    """Refuse rows that are not those of the backup; say when a chain was broken before it was made, for nobody has a better copy."""
    from recare.run.verify import verify_all

    if problem := load.counted(connection, contents):
        raise DamagedError(problem)
    if load.ends_differ(connection, contents.tail.ends):
        raise DamagedError("its chains end elsewhere than it says.")
    broken = verify_all()
    if broken:
        return [f"BROKEN before the backup was made: {' '.join(broken)}"]
    return ["The audit trail and the consent ledger are whole."]


def _read_older_secrets(contents: Contents) -> None:
    """Passwords of senders were locked with the key of the installation that made the backup: it comes along."""
    from recare.base import secret_box

    secret_box.also_read(contents.tail.keys)


def _closing(kept: list[Path]) -> list[str]:
    return [
        *(f"What was here before is in {path}." for path in kept),
        "Sending is stopped. Look at the list in docs/operate/backup.md, then 'recare go-on'.",
    ]


@contextmanager
def by_itself(home: Path) -> Iterator[None]:
    """Hold the home, so that ``recare run`` neither runs nor starts meanwhile."""
    from recare.run.supervise import only_supervisor

    database.ensure_home(home)
    with only_supervisor(home):
        yield


def run(wanted: Wanted) -> list[str]:
    """Check the file, open the database and restore; see ``restore``."""
    examine(wanted.path, wanted.keys)
    with by_itself(wanted.home), database.opened(wanted.home) as urls:
        return restore(wanted, urls)
