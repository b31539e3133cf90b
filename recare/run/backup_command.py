"""What ``recare backup`` and ``recare restore`` say, and the keys they use."""

from __future__ import annotations

import getpass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from recare.base import postgres, secret_box
from recare.run import backup, restore
from recare.run.database import CannotStartError
from recare.run.sealed_file import Keys

if TYPE_CHECKING:
    from recare.run.database import Urls


def backed_up(urls: Urls, path: Path, phrase: str, now: datetime, keep: int | None = None) -> list[str]:
    """Make a backup, note it in the installation's audit trail, and say what it is; of ``path``, a folder, only the newest ``keep`` stay.

    Raises CannotStartError. Needs Django loaded.
    """
    from recare.base import audit, db

    if keep and not path.is_dir():
        raise CannotStartError(f"--keep needs a folder, and {path} is none.")
    keys = backup.keys_here(phrase)
    written = backup.make(urls, path, keys, now)
    detail = {"sha256": written.sha256, "rows": sum(written.tail.rows.values())}
    with db.scope(audit.INSTALLATION):
        audit.record(audit.INSTALLATION, f"operator {getpass.getuser()}", "made a backup", "installation", now, detail)
    lines = [
        f"{written.path}: {written.size / 1024**2:.1f} MB, {detail['rows']} rows, read back and whole.",
        f"SHA-256 {written.sha256}",
    ]
    if keep:
        lines.append(f"{backup.prune(path, keep)} older backups were deleted.")
    return [*lines, _opens(keys)]


def _opens(keys: Keys) -> str:
    if keys.phrase:
        return "It is opened by its pass phrase, or by secret.key of this installation."
    return (
        "It is opened by secret.key of this installation and by nothing else: keep a copy of that file in another place, "
        f"or give the next backup a pass phrase too ({backup.PHRASE})."
    )


def keys(key_file: Path | None, phrase: str) -> Keys:
    """Return what may open a backup: the keys here, those of a copied ``secret.key``, and a pass phrase. Raises CannotStartError."""
    made = secret_box.is_there()  # looking at a file on a machine without an installation makes none
    here = backup.keys_here(phrase) if made else Keys((), backup.phrase_here(phrase))
    if key_file is None:
        return here
    try:
        copied = tuple(key_file.read_text("utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStartError(f"The key {key_file} cannot be read ({error}).") from error
    if not copied:
        raise CannotStartError(f"The file {key_file} holds no key.")
    return Keys((*here.installation, *copied), here.phrase)


def looked_at(path: Path, opening: Keys) -> list[str]:
    """Read a backup to its end and say what it holds. Raises CannotStartError."""
    return [*restore.described(restore.examine(path, opening)), "The file is whole."]


def restored(path: Path, opening: Keys, now: datetime, *, replace: bool) -> list[str]:
    """Restore and say what was done. Raises CannotStartError."""
    return restore.run(restore.Wanted(path, opening, postgres.default_home(), replace, now))
