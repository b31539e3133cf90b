"""The canonical form of an evidence pack, and its check without a database (I8). Needs nothing but Python and the file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recare.base import chain

FORMAT: Final = "recare-evidence-1"
CANONICAL_FORM: Final = (
    'Canonical form of a value: JSON in UTF-8 with the keys of every object sorted by code point, no spaces (\'{"a":1,"b":[true,null]}\'), characters '
    "beyond ASCII as themselves. All numbers are whole numbers; instants (UTC, ISO 8601) and bytes (lower-case hex) are texts here already. "
    "sha256 of a record: SHA-256 of the canonical form of its 'content'. "
    "'hash' of a consent event: SHA-256 of the 32 bytes of its 'prev_hash' followed by the canonical form of its 'content'; "
    "'prev_hash' is the 'hash' of the event whose 'seq' is one lower in the practice's ledger (64 zeros before the first). "
    "'text_sha256' of a message: SHA-256 of the text as it was sent, in UTF-8; in 'text' the secret end of personal links is replaced by an ellipsis. "
    "'sha256' of the pack: SHA-256 of the canonical form of the whole object without its key 'sha256'. "
    "The audit trail of the practice holds that last hash in the entry 'exported evidence'."
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of a pack says: sentences, and how many records it looked at."""

    problems: tuple[str, ...]
    records: int
    sha256: str


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical form, in hex."""
    return hashlib.sha256(chain.canonical(value)).hexdigest()


def plain(value: Any) -> Any:
    """Return a value as JSON has it: what the canonical form writes, read back."""
    return json.loads(chain.canonical({"value": value}))["value"]


def sealed(pack: dict[str, Any]) -> dict[str, Any]:
    """Return a pack with its own hash."""
    return pack | {"sha256": digest(pack)}


def check_file(path: Path) -> Checked:
    """Check a pack in a file. Raises ValueError in one sentence when it is no evidence pack at all."""
    try:
        pack = json.loads(path.read_text("utf-8"), object_pairs_hook=_once)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path.name} cannot be read as JSON: {error}") from None
    if not isinstance(pack, dict) or pack.get("format") != FORMAT:
        raise ValueError(f"{path.name} is no evidence pack: its format is not {FORMAT}.")
    return check(pack)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice: one reader would see the first, another the second."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise json.JSONDecodeError("a key stands twice in one object", "", 0)
    return found


def check(pack: dict[str, Any]) -> Checked:
    """Recompute every hash of a pack and say what does not fit; an empty list of problems means that nothing was changed."""
    records = pack.get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        return Checked(("The pack has no list of records.",), 0, "")
    problems = [problem for number, record in enumerate(records, 1) if (problem := _record(number, record))]
    problems += _order(records)
    stated = pack.get("sha256")
    actual = digest({key: value for key, value in pack.items() if key != "sha256"})
    if stated != actual:
        problems.append(
            "The pack as a whole was changed: its sha256 does not fit (something was added, removed or rewritten)."
        )
    return Checked(tuple(problems), len(records), actual)


def _record(number: int, record: dict[str, Any]) -> str | None:
    name = f"Record {number} ({record.get('kind')} {record.get('id')})"
    content = record.get("content")
    if not isinstance(content, dict):
        return f"{name} has no content."
    if digest(content) != record.get("sha256"):
        return f"{name} was changed: its sha256 does not fit its content."
    if record.get("kind") != "consent_event":
        return None
    try:
        made = chain.link(bytes.fromhex(str(record.get("prev_hash"))), content).hex()
    except ValueError:
        return f"{name} names no predecessor."
    return (
        None if made == record.get("hash") else f"{name} was changed: it does not fit its place in the consent ledger."
    )


def _order(records: list[dict[str, Any]]) -> list[str]:
    """Consent events that follow each other in the ledger must name each other."""
    events = [
        record
        for record in records
        if record.get("kind") == "consent_event" and isinstance(record.get("content"), dict)
    ]
    by_seq = {event["content"].get("seq"): event for event in events}
    return [
        f"Consent event {seq} does not follow event {seq - 1} of the ledger."
        for seq, event in by_seq.items()
        if isinstance(seq, int) and seq - 1 in by_seq and event.get("prev_hash") != by_seq[seq - 1].get("hash")
    ]
