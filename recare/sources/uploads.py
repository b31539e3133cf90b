"""Uploaded exports wait here between dry run and import: readable by this account alone, gone afterwards."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from typing import TYPE_CHECKING, Any, Final

from recare.base import postgres

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from django.core.files.uploadedfile import UploadedFile

_KEPT_SECONDS: Final = 24 * 3600  # a dry run nobody came back to
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22}")


def _home(practice_id: int) -> Path:
    return postgres.default_home() / "uploads" / str(practice_id)


def keep(practice_id: int, files: Iterable[UploadedFile[Any]]) -> str:
    """Store uploaded files and return the token they are found under. What was left from the day before is removed."""
    _sweep(practice_id)
    token = secrets.token_urlsafe(16)
    folder = _home(practice_id) / token
    folder.mkdir(parents=True, mode=0o700)
    for file in files:
        name = (
            re.sub(r"[^\w. -]", "_", (file.name or "upload").rsplit("/", 1)[-1].rsplit("\\", 1)[-1])[-100:].lstrip(".")
            or "upload"
        )
        target = folder / name
        target.touch(mode=0o600)
        with target.open("wb") as out:
            for block in file.chunks():
                out.write(block)
    return token


def find(practice_id: int, token: str) -> Path | None:
    """Return the folder of an upload of this practice, or None when it is gone or was never there."""
    if not _TOKEN.fullmatch(token):
        return None
    folder = _home(practice_id) / token
    return folder if folder.is_dir() else None


def forget(folder: Path) -> None:
    """Remove an upload."""
    shutil.rmtree(folder, ignore_errors=True)


def _sweep(practice_id: int) -> None:
    home = _home(practice_id)
    if home.is_dir():
        for folder in home.iterdir():
            if time.time() - folder.stat().st_mtime > _KEPT_SECONDS:
                forget(folder)
