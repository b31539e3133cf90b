"""Secrets at rest: one key beside the data (mode 0600) or in RECARE_SECRET_KEY, authenticated encryption by Fernet."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from functools import cache
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken

from recare.base.postgres import default_home

if TYPE_CHECKING:
    from pathlib import Path


class SecretError(Exception):
    """A stored secret cannot be read: the key is another one than it was written with."""


@cache
def installation_key() -> str:
    """Return the secret of this installation: ``RECARE_SECRET_KEY``, else the file ``secret.key`` of the data folder, made once."""
    given = os.environ.get("RECARE_SECRET_KEY", "").strip()
    return given or _kept(default_home() / "secret.key")


def _kept(path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    return path.read_text().strip()


def _box(purpose: str) -> Fernet:
    digest = hashlib.sha256(f"{purpose}|{installation_key()}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))


def encrypt(text: str, purpose: str) -> bytes:
    """Encrypt ``text``; only the same ``purpose`` decrypts it."""
    return _box(purpose).encrypt(text.encode())


def decrypt(data: bytes, purpose: str) -> str:
    """Decrypt what ``encrypt`` made. Raises SecretError with a sentence for the administrator."""
    try:
        return _box(purpose).decrypt(bytes(data)).decode()
    except InvalidToken as error:
        raise SecretError(
            f"A stored secret ({purpose}) cannot be read with this installation's key: put secret.key back from the backup."
        ) from error
