"""Secrets at rest: one key beside the data (mode 0600) or in RECARE_SECRET_KEY, authenticated encryption by Fernet.

The file may hold further keys, one a line: those of installations whose backup was restored here. They read and never write.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from functools import cache
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from recare.base.postgres import default_home

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class SecretError(Exception):
    """A stored secret cannot be read: the key is another one than it was written with."""


@cache
def installation_key() -> str:
    """Return the secret of this installation: ``RECARE_SECRET_KEY``, else the first line of ``secret.key`` of the data folder, made once."""
    given = os.environ.get("RECARE_SECRET_KEY", "").strip()
    return given or _kept(default_home() / "secret.key")[0]


def is_there() -> bool:
    """Whether this installation has a key already; asking makes none."""
    return bool(os.environ.get("RECARE_SECRET_KEY", "").strip()) or (default_home() / "secret.key").exists()


def keys() -> tuple[str, ...]:
    """Return every key that may read what is stored here, the installation's own first."""
    path = default_home() / "secret.key"
    older = _lines(path) if path.exists() else []
    return tuple(dict.fromkeys([installation_key(), *older]))


def also_read(older: Sequence[str]) -> None:
    """Read with these keys too from now on: they came with a restored backup. Whole or not at all, however we are ended."""
    path = default_home() / "secret.key"
    known = _lines(path) if path.exists() else []
    if not known and not os.environ.get("RECARE_SECRET_KEY", "").strip():
        known = [installation_key()]
    wanted = [key for key in dict.fromkeys([*known, *older]) if key in known or key != installation_key()]
    if wanted == known:
        return
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join(wanted) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _kept(path: Path) -> list[str]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        fresh = path.with_name(f".secret.{os.getpid()}")  # whole or not at all: everybody knows an empty key
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(fresh)
        fresh.unlink()
    return _lines(path)


def _lines(path: Path) -> list[str]:
    return path.read_text().split()


def _box(purpose: str) -> MultiFernet:
    digests = [hashlib.sha256(f"{purpose}|{key}".encode()).digest() for key in keys()]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


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
