"""As of when an export's appointments are known. A stale export must not make a patient look as if there were no visit ahead."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from recare.base import db
from recare.sources.csv.staging import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from recare.practices.practice import Practice

BY_FILE: Final = "the date of the file"
QUIET: Final = timedelta(
    days=7
)  # a practice in which nothing happens for longer has not exported on the day the file is dated [design]


@dataclass(frozen=True, slots=True)
class AsOf:
    """A moment and, in words, how it is known."""

    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Export:
    """One file of appointments: where it lies, its fingerprint, and the day printed in its title."""

    path: Path
    fingerprint: str
    printed_on: date | None = None


class OlderExportError(ValueError):
    """Appointments from before those that are known: taking them would take back visits."""

    def __init__(self, words: str, found: AsOf) -> None:
        super().__init__(words)
        self.found = found


def fingerprint(path: Path) -> str:
    """Return what only files with the very same bytes share."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def of_files(practice: Practice, files: Iterable[Export], now: datetime, given: datetime | None) -> AsOf:
    """Return when appointment files were exported: as a person has said, as when they were first imported, by the day printed in them, or
    by the date of the oldest file. Raises OlderExportError when a later export has been imported already.
    """
    files = list(files)
    found = (
        _said(given, now)
        or _seen_before(practice.id, [file.fingerprint for file in files])
        or _by_file(practice, files, now)
    )
    known = latest(practice.id)
    if known is not None and found.at < known - timedelta(minutes=1):
        raise OlderExportError(
            f"its appointments are of {_shown(practice, found.at)} ({found.why}), but appointments of {_shown(practice, known)} are in the chart already. "
            "Importing older ones would take visits back. Export again; or, if the date is wrong, say when they were exported.",
            found,
        )
    return found


def _said(given: datetime | None, now: datetime) -> AsOf | None:
    return AsOf(min(given, now), "as you say") if given else None


def _seen_before(practice_id: int, marks: list[str]) -> AsOf | None:
    at: datetime | None = db.value(
        "SELECT min(appointments_as_of) FROM (SELECT appointments_as_of, files FROM sync_run WHERE practice_id = %(practice)s AND source = %(source)s "
        "AND state = 'done' AND appointments_as_of IS NOT NULL ORDER BY started_at DESC LIMIT 100) AS r CROSS JOIN LATERAL "
        "jsonb_array_elements(files) AS f WHERE f ->> 'fingerprint' = ANY(%(marks)s)",
        practice=practice_id, source=SOURCE, marks=marks,
    )  # fmt: skip
    return AsOf(at, "the very file was imported before") if at else None


def _by_file(practice: Practice, files: list[Export], now: datetime) -> AsOf:
    if practice.is_rehearsal:  # its clock is not the one that dates files
        return AsOf(now, "a rehearsal's files are always of its own day")
    oldest = min(datetime.fromtimestamp(min(file.path.stat().st_mtime for file in files), UTC), now)
    days = [file.printed_on for file in files if file.printed_on]
    if days and (printed := datetime.combine(min(days), time.max, practice.zone).astimezone(UTC)) < oldest:
        return AsOf(printed.replace(second=0, microsecond=0), "the day printed in the file")
    return AsOf(oldest, BY_FILE)


def by_rows(practice: Practice, found: AsOf, now: datetime) -> AsOf:
    """Return the newest thing that staged appointments tell of instead, when it is long before the date of the file: a copy of an old
    export is dated today.
    """
    if practice.is_rehearsal or found.why != BY_FILE:
        return found
    newest: datetime | None = db.value(
        "SELECT greatest(max(changed) FILTER (WHERE changed <= %(now)s), max(at) FILTER (WHERE at <= %(now)s AND status IN "
        "('completed', 'missed', 'broken', 'cancelled'))) FROM (SELECT changed, status, coalesce(starts, on_day + coalesce(at_time, "
        "'00:00'::time)) AS at FROM staged_appointment) AS told",
        now=now.astimezone(practice.zone).replace(tzinfo=None),
    )  # fmt: skip
    if newest is None:
        return found
    newest = newest.replace(tzinfo=practice.zone).astimezone(UTC)
    if found.at - newest <= QUIET:
        return found
    return AsOf(newest, "the newest visit or change in the file, whatever the file's own date")


def proves_nothing(practice: Practice, found: AsOf) -> bool:
    """Whether the staged appointments hold none on or after the day they were exported, so that nobody can tell who has a visit ahead."""
    last = db.value("SELECT max(coalesce(starts::date, on_day)) FROM staged_appointment")
    return last is None or last < found.at.astimezone(practice.zone).date()


def latest(practice_id: int) -> datetime | None:
    """Return as of when the practice's appointments are known; old knowledge proves no absence of a visit."""
    at: datetime | None = db.value(
        "SELECT max(appointments_as_of) FROM sync_run WHERE practice_id = %(practice)s AND state = 'done'",
        practice=practice_id,
    )
    return at


def _shown(practice: Practice, at: datetime) -> str:
    local = at.astimezone(practice.zone)
    return f"{local.day} {local:%b %Y, %H:%M}"
