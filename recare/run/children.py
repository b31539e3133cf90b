"""The processes under the supervisor: started, watched, started again, and swept up after a crash."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from recare.base.postgres_binaries import LINUX, command_of, die_with_parent

_MARK: Final = "RECARE_SUPERVISED_BY"
_LONG_ENOUGH: Final = 60.0
_LONGEST_PAUSE: Final = 30.0
_LOG_BYTES: Final = 10_000_000


@dataclass(slots=True)
class Child:
    """One supervised program. ``name`` is how it is called to people, ``key`` names its files."""

    key: str
    name: str
    argv: list[str]
    home: Path
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started: float = 0.0
    not_before: float = 0.0
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def pid_file(self) -> Path:
        """File that names the process, for the next start."""
        return self.home / "run" / f"{self.key}.pid"

    @property
    def log(self) -> Path:
        """File that takes everything the program prints."""
        return self.home / "log" / f"{self.key}.log"

    def start(self) -> None:
        """Start the program in a session of its own, so that Ctrl-C reaches only the supervisor."""
        for folder in (self.pid_file.parent, self.log.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as out:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | self.settings | {_MARK: str(self.home)},
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509
            )
        self.started = time.monotonic()
        self.pid_file.write_text(str(self.process.pid))

    def fallen(self) -> str | None:
        """Return how the program ended if it did, and plan its next start with a growing pause."""
        if self.process is None or self.process.poll() is None:
            return None
        code = self.process.returncode
        _signal_group(self.process.pid, signal.SIGKILL)  # what it started itself still holds the port
        self.process = None
        now = time.monotonic()
        self.failures = 0 if now - self.started > _LONG_ENOUGH else self.failures + 1
        self.not_before = now + min(_LONGEST_PAUSE, 0.25 * 2**self.failures)
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def due(self) -> bool:
        """Whether the program is down and its pause is over."""
        return self.process is None and time.monotonic() >= self.not_before

    def last_words(self) -> str:
        """Return the last line the program printed, where there is one."""
        with contextlib.suppress(OSError, IndexError):
            return self.log.read_text(errors="replace").strip().splitlines()[-1][:300]
        return ""


def stop_all(children: list[Child], seconds: float) -> None:
    """Ask all programs to end, wait at most ``seconds`` together, then end them."""
    running = [child.process for child in children if child.process is not None]
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    deadline = time.monotonic() + seconds
    for process in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
    for child in children:
        child.process = None
        child.pid_file.unlink(missing_ok=True)


def sweep(home: Path, seconds: float = 5.0) -> int:
    """End what a supervisor of ``home`` that was killed has left running; return how many processes that were."""
    left = _leftovers(home)
    for pid in left:
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while (still := _leftovers(home)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in still:
        _signal(pid, signal.SIGKILL)
    for file in (home / "run").glob("*.pid"):
        file.unlink(missing_ok=True)
    return len(left)


def _leftovers(home: Path) -> list[int]:
    """Find our programs: on Linux by the mark in their environment, elsewhere by pid file and command line."""
    if LINUX:
        wanted = f"{_MARK}={home}".encode()
        return [pid for pid in _all_pids() if pid != os.getpid() and wanted in _environment_of(pid)]
    found = []
    for file in (home / "run").glob("*.pid"):
        with contextlib.suppress(ValueError):
            pid = int(file.read_text())
            if "recare" in command_of(pid):
                found.append(pid)
    return found


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone meanwhile, or of another user
        return []


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _signal_group(leader: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
