"""Hash chains for records that must not change quietly: each link covers the one before it and its own content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class End:
    """The last link of a chain: how many links there are, and the hash of the last."""

    seq: int
    hash: bytes


NOTHING = End(0, GENESIS)


def link(previous: bytes, content: Mapping[str, Any]) -> bytes:
    """Return sha256(previous hash, canonical JSON of the content): keys sorted, no spaces, instants in UTC."""
    return hashlib.sha256(previous + canonical(content)).digest()


def canonical(content: Mapping[str, Any]) -> bytes:
    """Return the one way this content is written, in UTF-8; what a verifier without our code must reproduce."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return text.encode()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    raise TypeError(f"{type(value).__name__} has no canonical form")
