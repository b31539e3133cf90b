"""An uploaded export on its way: a worker reads it, a person agrees, a worker writes it. Any worker may be killed at any moment."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.db import InterfaceError, OperationalError
from procrastinate.exceptions import JobAborted

from recare.base import db
from recare.practices import practice as practices
from recare.sources import uploads
from recare.sources.csv import importer, plans
from recare.sources.csv.runs import BusyError, NoRoomError, needs_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from django.core.files.uploadedfile import UploadedFile

    from recare.practices.practice import Practice
    from recare.sources.csv.plans import Plan

log = structlog.get_logger()
AGAIN: Final[tuple[type[Exception], ...]] = (BusyError, OperationalError, InterfaceError, JobAborted)
"""What is no fault of the files: the work is asked for again."""
_WAITS: Final[dict[type[Exception], str]] = {
    BusyError: "Another import of this practice is running. This one goes on by itself afterwards",
    OperationalError: "The database does not answer as it should. It is tried again by itself",
}
_NOT_HERE: Final = "The files are not on the machine where the worker runs. Upload them again, or import them there on the command line."


@dataclass(frozen=True, slots=True)
class Upload:
    """A row of ``import_upload``."""

    token: str
    state: str
    actor: str
    asked_at: datetime
    as_of: datetime | None
    sync_run_id: int | None
    error: str


_COLUMNS = "token, state, actor, asked_at, as_of, sync_run_id, error"


def begin(
    practice_id: int,
    files: Iterable[UploadedFile[Any]],
    actor: str,
    now: datetime,
    dates: dict[str, float] | None = None,
) -> str:
    """Keep uploaded files, to be read by a worker, and return their token."""
    token = uploads.keep(practice_id, files, dates)
    db.run(
        "INSERT INTO import_upload (practice_id, token, state, actor, asked_at) VALUES (%(practice)s, %(token)s, 'reading', %(actor)s, %(now)s)",
        practice=practice_id, token=token, actor=actor, now=now,
    )  # fmt: skip
    return token


def find(practice_id: int, token: str) -> Upload | None:
    """Return an upload of this practice, or None."""
    return db.one(
        Upload,
        f"SELECT {_COLUMNS} FROM import_upload WHERE practice_id = %(practice)s AND token = %(token)s",
        practice=practice_id,
        token=token,
    )


def under_way(practice_id: int) -> list[Upload]:
    """Return the uploads that are not done, the newest first."""
    return db.rows(
        Upload,
        f"SELECT {_COLUMNS} FROM import_upload WHERE practice_id = %(practice)s AND state <> 'done' ORDER BY asked_at DESC LIMIT 20",
        practice=practice_id,
    )


def ask(practice_id: int, token: str, wanted: str, *, as_of: datetime | None = None) -> bool:
    """Ask a worker to read ('reading') or to write ('writing') an upload that waits for a person; False when it waits for none.

    What failed half-way is written again, since a second import of the same files ends in the same chart.
    """
    folder = uploads.find(practice_id, token)
    if folder:
        uploads.drop(folder, "progress")
    return bool(
        db.run(
            "UPDATE import_upload SET state = %(wanted)s, as_of = %(as_of)s, error = '' WHERE practice_id = %(practice)s AND token = %(token)s "
            "AND (state = 'read' OR state = 'failed')",
            practice=practice_id, token=token, wanted=wanted, as_of=as_of,
        )
    )  # fmt: skip


def discard(practice_id: int, token: str) -> bool:
    """Throw an upload away unless a worker is writing it."""
    gone = db.run(
        "DELETE FROM import_upload WHERE practice_id = %(practice)s AND token = %(token)s AND state <> 'writing'",
        practice=practice_id, token=token,
    )  # fmt: skip
    folder = uploads.find(practice_id, token)
    if gone and folder:
        uploads.forget(folder)
    return bool(gone)


def work(practice_id: int, token: str, check: Callable[[], None] = lambda: None) -> None:
    """Do what an upload waits for. Opens its own transactions; may be killed anywhere and run again. Raises one of ``AGAIN`` when it must be."""
    with db.scope(practice_id):
        upload = find(practice_id, token)
    folder = uploads.find(practice_id, token)
    if upload is None or upload.state not in {"reading", "writing"}:
        if folder and upload and upload.state == "done":  # killed between the last commit and this
            uploads.forget(folder)
        return
    try:
        if folder is None:
            _end(practice_id, token, "failed", error=_NOT_HERE)
        else:
            _do(practices.get(practice_id), upload, folder, check)
    except AGAIN as error:
        if folder and (words := _WAITS.get(type(error))):
            with contextlib.suppress(OSError):
                uploads.put(folder, "progress", {"share": 0, "rows": "", "words": words})
        raise
    except (ValueError, NoRoomError) as error:
        _end(practice_id, token, "failed", error=str(error))
    except Exception as error:
        log.exception("import stopped", practice=practice_id)
        words = f"The import stopped by a mistake of the program ({type(error).__name__}). Nothing half-done was kept."
        _end(practice_id, token, "failed", error=words)


@needs_room()
def _do(practice: Practice, upload: Upload, folder: Path, check: Callable[[], None]) -> None:
    watch, now = uploads.FolderWatch(folder, check), practices.clock(practice)
    if upload.state == "reading":
        found = importer.plan([uploads.files(folder)], practice, now, watch, upload.as_of)
        uploads.put(folder, "plan", shown(found, practice))
        _end(practice.id, upload.token, "read")
        return
    done = importer.write([uploads.files(folder)], practice, now, upload.actor, watch, upload.as_of)
    _end(practice.id, upload.token, "done", run=done.run)
    uploads.forget(folder)


def _end(practice_id: int, token: str, state: str, *, error: str = "", run: int | None = None) -> None:
    with db.scope(practice_id):
        db.run(
            "UPDATE import_upload SET state = %(state)s, error = %(error)s, sync_run_id = %(run)s WHERE practice_id = %(practice)s "
            "AND token = %(token)s AND state IN ('reading', 'writing')",
            practice=practice_id, token=token, state=state, error=error, run=run,
        )  # fmt: skip


def shown(plan: Plan, practice: Practice) -> dict[str, Any]:
    """Return a plan as plain data for the page that shows it."""
    data = dataclasses.asdict(plan)
    data |= {"usable": plan.usable, "empty": plan.empty}
    if plan.as_of:
        data["as_of_local"] = f"{plan.as_of.astimezone(practice.zone):%Y-%m-%dT%H:%M}"
    for plain, file in zip(data["files"], plan.files, strict=True):
        plain["issues"] = [dataclasses.asdict(group) for group in plans.grouped(file.issues)]
    return data


def sweep() -> int:
    """Remove uploads older than a day that no worker is asked to write; return how many."""
    removed = 0
    for practice_id, token, folder in uploads.old():
        with db.scope(practice_id):
            upload = find(practice_id, token)
            if upload is None or upload.state != "writing":
                discard(practice_id, token)
                uploads.forget(folder)
                removed += 1
    return removed
