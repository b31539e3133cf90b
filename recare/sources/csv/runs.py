"""The record of each import: what it read, what it did, what it found. No patient data in any of it."""

from __future__ import annotations

import contextlib
import errno
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from django.db import OperationalError
from psycopg.errors import DiskFull

from recare.base import db
from recare.sources.csv.merge import Run
from recare.sources.csv.staging import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from recare.practices.practice import Practice
    from recare.sources.csv.fields import Kind
    from recare.sources.csv.merge import Written
    from recare.sources.csv.plans import FilePlan, Plan

_LOCK = 7_261_013  # namespace of this advisory lock: one import of a practice at a time


class BusyError(RuntimeError):
    """Another import of the same practice is running."""


class NoRoomError(RuntimeError):
    """A disk is full, which no second try mends; the message is a sentence for whoever imports."""


_NO_ROOM: Final = (
    "The disk is full, so the import stopped. What it had finished stays. Make room, then import the same files again: "
    "what is in already is not written twice."
)


@contextlib.contextmanager
def needs_room() -> Iterator[None]:
    """Raise NoRoomError when our disk, or the database's, runs full inside."""
    try:
        yield
    except (OperationalError, OSError) as error:
        if isinstance(error.__cause__, DiskFull) or getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}:
            raise NoRoomError(_NO_ROOM) from error
        raise


@contextlib.contextmanager
def alone(practice_id: int) -> Iterator[None]:
    """Let one import of a practice run at a time; the lock goes with the connection, so a killed import frees it.

    Raises BusyError when another one is running.
    """
    if not db.value("SELECT pg_try_advisory_lock(%(space)s, %(practice)s::int)", space=_LOCK, practice=practice_id):
        raise BusyError("Another import of this practice is running. Wait until it has finished.")
    try:
        yield
    finally:
        with contextlib.suppress(Exception):  # a broken connection has freed it already
            db.value("SELECT pg_advisory_unlock(%(space)s, %(practice)s::int)", space=_LOCK, practice=practice_id)


def start(practice: Practice, now: datetime, actor: str, files: list[str]) -> Run:
    """Record that an import has begun; runs that were killed before are closed as failed."""
    with db.scope(practice.id):
        db.run(
            "UPDATE sync_run SET state = 'failed', error = 'Stopped before it was done.', finished_at = %(now)s "
            "WHERE practice_id = %(practice)s AND source = %(source)s AND state = 'running'",
            practice=practice.id, source=SOURCE, now=now,
        )  # fmt: skip
        number = db.value(
            "INSERT INTO sync_run (practice_id, source, state, files, actor, started_at) VALUES (%(practice)s, %(source)s, 'running', "
            "%(files)s, %(actor)s, %(now)s) RETURNING id",
            practice=practice.id, source=SOURCE, files=db.json([{"name": name} for name in files]), actor=actor, now=now,
        )  # fmt: skip
        fresh = not db.value(
            "SELECT EXISTS (SELECT FROM patient WHERE practice_id = %(practice)s)", practice=practice.id
        )
    return Run(practice, int(number), now, fresh)


def fail(run: Run, error: BaseException) -> None:
    """Close a run that broke off; kinds it had finished stay. The error's words are ours only when we raised it."""
    words = str(error) if isinstance(error, ValueError | RuntimeError) else f"Broke off: {type(error).__name__}."
    with contextlib.suppress(Exception), db.scope(run.practice.id):  # the first error is the one to tell
        db.run(
            "UPDATE sync_run SET state = 'failed', error = %(error)s, finished_at = %(now)s WHERE practice_id = %(practice)s AND id = %(run)s",
            error=words[:500], **_bind(run),
        )  # fmt: skip


def succeed(run: Run, result: Plan) -> None:
    """Close a run, in the caller's transaction, with what its files held and as of when it tells of appointments, if it does."""
    files = [
        {
            "name": file.name, "kind": file.kind, "encoding": file.encoding, "delimiter": file.delimiter, "rows": file.rows, "good": file.good,
            "rejected": file.rejected, "dropped": file.dropped, "mapping": file.mapping, "ignored": file.ignored, "refused": file.refused, "fingerprint": file.fingerprint,
        }
        for file in result.files
    ]  # fmt: skip
    db.run(
        "UPDATE sync_run SET state = 'done', files = %(files)s, finished_at = %(now)s, appointments_as_of = %(as_of)s "
        "WHERE practice_id = %(practice)s AND id = %(run)s",
        files=db.json(files), as_of=result.as_of, **_bind(run),
    )  # fmt: skip


def _bind(run: Run) -> dict[str, Any]:
    return {"practice": run.practice.id, "run": run.id, "now": run.now}


def _add(run: Run, counts: dict[str, int]) -> None:
    present = db.value("SELECT counts FROM sync_run WHERE practice_id = %(practice)s AND id = %(run)s", **_bind(run))
    total = Counter(present) + Counter({key: number for key, number in counts.items() if number})
    db.run(
        "UPDATE sync_run SET counts = %(counts)s WHERE practice_id = %(practice)s AND id = %(run)s",
        counts=db.json(dict(total)),
        **_bind(run),
    )


def count(run: Run, kind: Kind, written: Written, file: FilePlan) -> None:
    """Add what one file did to the run's counts."""
    did = {"rows": file.rows, "added": written.added, "changed": written.changed, "rejected": file.rejected}
    _add(run, {f"{kind.name} {word}": number for word, number in did.items()})


def count_gone(run: Run, kind: Kind, gone: int) -> None:
    """Add how many known rows the files no longer hold."""
    _add(run, {f"{kind.name} gone": gone})


def count_consent(run: Run, agreed: int, refused: int) -> None:
    """Add how many consent events the import has made."""
    _add(run, {"consents added": agreed, "refusals added": refused})


def record_issues(run: Run, kind: Kind, files: list[FilePlan]) -> None:
    """Put the findings on the fix list; a new reading of this kind of file settles the older ones."""
    db.run(
        "UPDATE import_issue SET resolved_at = %(now)s WHERE practice_id = %(practice)s AND entity = %(entity)s AND resolved_at IS NULL",
        entity=kind.name, **_bind(run),
    )  # fmt: skip
    db.run_many(
        "INSERT INTO import_issue (practice_id, sync_run_id, file, entity, row_number, column_name, value_kind, rule, severity, advice, "
        "occurrences) VALUES (%(practice)s, %(run)s, %(file)s, %(entity)s, %(row)s, %(column)s, %(kind)s, %(rule)s, %(severity)s, %(advice)s, "
        "%(occurrences)s)",
        [
            {
                "practice": run.practice.id, "run": run.id, "file": file.name, "entity": kind.name, "row": issue.row_number,
                "column": issue.column_name, "kind": issue.value_kind, "rule": issue.rule, "severity": issue.severity,
                "advice": issue.advice, "occurrences": issue.occurrences,
            }
            for file in files
            for issue in file.issues
        ],
    )  # fmt: skip
