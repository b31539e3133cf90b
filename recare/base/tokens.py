"""Opaque tokens for a patient's own links. Only the hash is kept, so a copy of the database opens no link."""

from __future__ import annotations

import hashlib
import secrets

BYTES = 16  # 128 bits: nobody guesses one, and 22 characters leave room in a text message


def new_token() -> tuple[str, bytes]:
    """Return a fresh token (22 URL-safe characters) and its hash."""
    token = secrets.token_urlsafe(BYTES)
    return token, hash_token(token)


def hash_token(token: str) -> bytes:
    """Return the hash a token is kept and found under. Unsalted: the token itself is 128 random bits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
