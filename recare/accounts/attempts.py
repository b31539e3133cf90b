"""Attempts to sign in, counted by account and by address, so that nobody tries passwords for long."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings

from recare.base import db

if TYPE_CHECKING:
    from collections.abc import Sequence

PER_ACCOUNT = 8
PER_ADDRESS = 40
WINDOW = timedelta(minutes=15)


def keys(email: str, address: str) -> tuple[bytes, bytes]:
    """Return the hashed keys of an account and of a network address; neither is kept in the clear."""
    return _hashed(f"account|{email.strip().lower()}"), _hashed(f"address|{address}")


def _hashed(text: str) -> bytes:
    return hmac.new(settings.SECRET_KEY.encode(), text.encode("utf-8", "replace"), hashlib.sha256).digest()


def blocked(account: bytes, address: bytes, now: datetime) -> bool:
    """Whether this account or this address has failed too often in the last 15 minutes."""
    found = db.tuples(
        "SELECT key_hash, count(*) FROM sign_in_attempt WHERE key_hash = ANY(%(keys)s) AND at > %(since)s GROUP BY key_hash",
        keys=[account, address],
        since=now - WINDOW,
    )
    counts = {bytes(key): int(count) for key, count in found}
    return counts.get(account, 0) >= PER_ACCOUNT or counts.get(address, 0) >= PER_ADDRESS


def failed(tried: Sequence[bytes], now: datetime) -> None:
    """Remember a failure, and forget what is older than a day."""
    db.run("DELETE FROM sign_in_attempt WHERE at < %(old)s", old=now - timedelta(days=1))
    db.run_many(
        "INSERT INTO sign_in_attempt (key_hash, at) VALUES (%(key)s, %(at)s)",
        [{"key": key, "at": now} for key in tried],
    )


def forget(account: bytes) -> None:
    """Clear an account's failures after it has signed in."""
    db.run("DELETE FROM sign_in_attempt WHERE key_hash = %(key)s", key=account)
