"""Every no also stands in a file outside of the database, so that one that came in after the last backup outlives the database (I5).

One file a practice, one line an event that restricts, added within seconds. It holds no name and no address: only the keyed hash of the address,
whose key is the practice's salt and stands in the database and its backups. Put the folder on another disk or machine by ``RECARE_STOPS_DIR``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import quote
from uuid import UUID

import structlog

from recare.base import db
from recare.base.postgres import default_home
from recare.consent.event import STOPS, Channel, Kind, Method
from recare.practices import practice as practices

if TYPE_CHECKING:
    from recare.practices.practice import Practice

RESTRICTS: Final = sorted(
    STOPS
    | {"wrong_number", "reassigned", "number_changed", "expired", "hard_bounce", "sms_incapable", "authorization_revoked"}
)  # fmt: skip
"""The kinds of events after which less is allowed than before."""
_PAGE: Final = 2000
_LONGEST_LINE: Final = 4096
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class No:
    """One event that restricts, as it is known outside of the database. ``address`` is '' where only its hash is known, ``address_hash`` is
    empty where not even that can be told.
    """

    kind: str
    address: str
    address_hash: bytes
    event_id: UUID
    channel: Channel
    type: Kind
    method: Method
    effective_at: datetime
    actor: str = ""
    reason: str = ""


def folder() -> Path:
    """Return where the files are: ``RECARE_STOPS_DIR``, else ``stops`` in the data folder."""
    given = os.environ.get("RECARE_STOPS_DIR", "").strip()
    return Path(given).expanduser().absolute() if given else default_home() / "stops"


def write_batch(practice_id: int, now: datetime) -> int:
    """Add to the file of a practice what its ledger has and the file has not; return how many lines. Opens its own transaction.

    Where the file stands is read from its own last line, so that a kill, a removed file or a restored database mends itself. A rehearsal with
    a virtual clock is left out. A folder that cannot be written stops nothing: it is logged, and ``recare doctor`` says so.
    """
    del now
    with db.scope(practice_id):
        practice = practices.get(practice_id)
        if practice.clock_at is not None:
            return 0
        try:
            return _add(practice)
        except OSError as error:
            log.error(  # noqa: TRY400 (the place is known, and a trace would repeat every few seconds)
                "opt-outs cannot be written to their file", folder=str(folder()), error=error.strerror
            )
            return 0


def read(practice: Practice) -> list[No]:
    """Return what the file of a practice says; without a hash where that was made with another salt than the practice has."""
    try:
        lines = _path(practice).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    found = (_line(line) for line in lines)
    return [_no(line, _name(practice.salt)) for line in found if line is not None]


def problem() -> str | None:
    """Say why the folder cannot be written to, or None."""
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return f"{folder()} ({error.strerror})"
    return None if os.access(folder(), os.W_OK) else f"{folder()} (not writable)"


def _path(practice: Practice) -> Path:
    return folder() / f"{quote(practice.slug, safe='')}.jsonl"


def _name(salt: str) -> str:
    """A name of the salt that gives nothing of it away."""
    return hashlib.sha256(b"recare salt name|" + salt.encode()).hexdigest()[:12]


def _add(practice: Practice) -> int:
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(_path(practice), os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        events = _after(practice.id, _stands_at(practice.id, file))
        lines = [json.dumps(event | {"salt": _name(practice.salt)}, sort_keys=True) for event in events]
        file.seek(0, os.SEEK_END)
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        if lines:
            os.fsync(file.fileno())
    return len(lines)


def _stands_at(practice_id: int, file: BinaryIO) -> int:
    """The number of the last event in the file, if the ledger still has it so; else 0, and everything is written again."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _LONGEST_LINE)
    file.seek(start)
    whole, _, torn = file.read().rpartition(b"\n")
    if torn:
        file.truncate(size - len(torn))  # a kill in the middle of a line
    last = _line(whole.rpartition(b"\n")[2])
    if last is None:
        return 0
    same = db.value(
        "SELECT true FROM consent_event WHERE practice_id = %(practice)s AND seq = %(seq)s AND event_id = %(event)s::uuid",
        practice=practice_id, seq=last["seq"], event=last["event_id"],
    )  # fmt: skip
    return int(last["seq"]) if same else 0


def _after(practice_id: int, seq: int) -> list[dict[str, Any]]:
    return [
        {
            "seq": number, "kind": kind, "address_hash": bytes(key).hex(), "event_id": str(event), "channel": channel, "type": what,
            "method": method, "effective_at": at.isoformat(),
        }
        for number, kind, key, event, channel, what, method, at in db.tuples(
            "SELECT e.seq, c.kind, c.address_hash, e.event_id, e.channel, e.type, e.method, e.effective_at FROM consent_event e "
            "JOIN contact_point c ON c.practice_id = e.practice_id AND c.id = e.contact_point_id "
            "WHERE e.practice_id = %(practice)s AND e.seq > %(seq)s AND e.type = ANY(%(restricts)s) ORDER BY e.seq LIMIT %(page)s",
            practice=practice_id, seq=seq, restricts=RESTRICTS, page=_PAGE,
        )
    ]  # fmt: skip


def _line(data: bytes) -> dict[str, Any] | None:
    """One line, or None for one that cannot be read: the others count all the same."""
    try:
        found = json.loads(data)
        return (
            found if isinstance(found, dict) and found.keys() >= {"seq", "event_id", "salt", "address_hash"} else None
        )
    except ValueError:
        return None


def _no(line: dict[str, Any], salt: str) -> No:
    key = bytes.fromhex(line["address_hash"]) if line["salt"] == salt else b""
    return No(
        line["kind"], "", key, UUID(line["event_id"]), line["channel"], line["type"], line["method"],
        datetime.fromisoformat(line["effective_at"]), "stops file",
    )  # fmt: skip
