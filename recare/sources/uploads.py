"""The folder of an uploaded export: its files, the dry run, and how far the worker has come. Readable by this account alone, gone afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import time
from typing import TYPE_CHECKING, Any, Final

from recare.base import postgres
from recare.sources.csv.printed import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from django.core.files.uploadedfile import UploadedFile

KEPT_SECONDS: Final = 24 * 3600  # a dry run nobody came back to
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22}")
_EVERY: Final = 0.25  # seconds between two notes of progress


def _home() -> Path:
    return postgres.default_home() / "uploads"


def keep(practice_id: int, files: Iterable[UploadedFile[Any]], dates: dict[str, float] | None = None) -> str:
    """Store uploaded files and return the token they are found under. ``dates``: when the browser says each was last written, in seconds."""
    token = secrets.token_urlsafe(16)
    folder = _home() / str(practice_id) / token / "files"
    folder.mkdir(parents=True, mode=0o700)
    folder.parent.chmod(0o700)
    for file in files:
        target = _free(folder / _plain(file.name or "upload"))
        target.touch(mode=0o600)
        with target.open("wb") as out:
            for block in file.chunks():
                out.write(block)
        if dated := (dates or {}).get(file.name or ""):
            with contextlib.suppress(OSError, OverflowError):
                os.utime(target, (dated, dated))
    return token


def _plain(name: str) -> str:
    last = name.rsplit("/", 1)[-1].rsplit("\\", 1)[-1]
    return re.sub(r"[^\w. -]", "_", last)[-100:].lstrip(".") or "upload"


def _free(path: Path) -> Path:
    """Return the path, or one beside it when a file of this name is there already: two files of one name are two files."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem} ({number})")
    return free


def find(practice_id: int, token: str) -> Path | None:
    """Return the folder of an upload of this practice, or None when it is gone or was never there."""
    if not _TOKEN.fullmatch(token):
        return None
    folder = _home() / str(practice_id) / token
    return folder if folder.is_dir() else None


def files(folder: Path) -> Path:
    """Return the folder with the exported files of an upload."""
    return folder / "files"


def put(folder: Path, name: str, data: Any) -> None:
    """Write data beside the files, whole or not at all."""
    new = folder / f".{name}.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(data, default=str), encoding="utf-8")
    new.replace(folder / f"{name}.json")


def get(folder: Path, name: str) -> Any:
    """Return data put beside the files, or None."""
    with contextlib.suppress(FileNotFoundError):
        return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return None


def drop(folder: Path, name: str) -> None:
    """Forget data put beside the files."""
    (folder / f"{name}.json").unlink(missing_ok=True)


def quiet_for(folder: Path, name: str) -> float:
    """Return for how many seconds data beside the files has not changed; 0 when there is none."""
    with contextlib.suppress(FileNotFoundError):
        return time.time() - (folder / f"{name}.json").stat().st_mtime
    return 0.0


class FolderWatch(Watch):
    """Notes in the folder how far a worker has come, for the page that shows it. ``check`` raises when the worker is asked to end."""

    def __init__(self, folder: Path, check: Callable[[], None]) -> None:
        super().__init__()
        self._folder, self._check, self._noted = folder, check, 0.0

    def shown(self) -> None:
        """Note it, a few times a second at most."""
        self._check()
        now = time.monotonic()
        if now - self._noted >= _EVERY or not self.done:
            self._noted = now
            share = round(100 * min(self.done / self.total, 1.0)) if self.total else 0
            put(
                self._folder,
                "progress",
                {"share": share, "rows": f"{self.rows:,}" if self.rows else "", "words": self.words},
            )


def forget(folder: Path) -> None:
    """Remove an upload."""
    shutil.rmtree(folder, ignore_errors=True)


def old() -> list[tuple[int, str, Path]]:
    """Return (practice, token, folder) of every upload older than a day."""
    home, before = _home(), time.time() - KEPT_SECONDS
    return [
        (int(folder.parent.name), folder.name, folder)
        for folder in (home.glob("*/*") if home.is_dir() else ())
        if folder.parent.name.isdigit() and folder.is_dir() and folder.stat().st_mtime < before
    ]
