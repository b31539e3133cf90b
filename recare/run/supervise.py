"""``recare run``: database, web server and worker under one supervisor.

Whatever of the four is killed, the next start (or the next second, while the supervisor lives) recovers by itself:
children die with the supervisor on Linux, what is left elsewhere is swept, a database that still runs is adopted.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

from recare.base import postgres
from recare.base.postgres_binaries import PostgresError
from recare.run import database
from recare.run.children import Child, stop_all, sweep
from recare.run.database import CannotStartError, Urls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

_TICK: Final = 0.1
_WEB_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """What ``recare run`` was asked for. ``prepare`` runs once the database is ready and returns lines to print."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 8000
    prepare: Callable[[], list[str]] | None = None
    say: Callable[[str], None] = print


@dataclass(slots=True)
class _Supervisor:
    options: Options
    cluster: postgres.Cluster | None = None
    children: list[Child] = field(default_factory=list)
    database_retry: float = 0.0

    def tick(self) -> None:
        """Look after everything once."""
        if self.cluster is not None and not self.cluster.alive():
            self._restart_database()
        for child in self.children:
            how = child.fallen()
            if how is not None:
                pause = max(0.0, child.not_before - time.monotonic())
                words = child.last_words()
                hint = f" Its log ({child.log}) ends with: {words}" if words and child.failures > 1 else ""
                self.options.say(f"The {child.name} stopped ({how}); it starts again in {pause:.1f} s.{hint}")
            if child.due() and (self.cluster is None or self.cluster.alive()):
                child.start()

    def _restart_database(self) -> None:
        if time.monotonic() < self.database_retry:
            return
        self.options.say("The database stopped; it is being started again.")
        try:
            self.cluster = postgres.start(self.options.home)
        except PostgresError as error:
            self.database_retry = time.monotonic() + 10.0
            self.options.say(f"{error} Recare tries again in 10 s.")
            return
        for child in self.children:
            # A worker that lost its connections may live on without listening: a fresh one is sure to work.
            if child.key == "worker" and child.process is not None:
                child.process.terminate()
        self.options.say("The database runs again.")

    def stop(self) -> None:
        """Stop the children, then the database."""
        stop_all(self.children, _STOP_SECONDS)
        if self.cluster is not None:
            self.cluster.stop()


def run(options: Options) -> None:
    """Start everything, print one URL, and stay until SIGINT, SIGTERM or SIGHUP; then stop everything.

    Raises CannotStartError or PostgresError, each with one sentence, when it cannot start.
    """
    database.ensure_home(options.home)
    with only_supervisor(options.home), _stopped_by_signals():
        swept = sweep(options.home)
        if swept:
            options.say("Recare was not stopped properly last time; what was left of it has been ended.")
        check_port(options.host, options.port)
        supervisor = _Supervisor(options)
        try:
            _start(supervisor)
            while True:
                supervisor.tick()
                time.sleep(_TICK)
        except KeyboardInterrupt:
            options.say("Stopping.")
        finally:
            _deaf()
            supervisor.stop()


def _start(supervisor: _Supervisor) -> None:
    options = supervisor.options
    urls = database.given_urls()
    if urls is None:
        supervisor.cluster = postgres.start(options.home)
        urls = Urls(supervisor.cluster.app_url(), supervisor.cluster.owner_url())
    database.check_server(urls)
    urls.export()
    os.environ.setdefault("RECARE_PUBLIC_URL", address(options.host, options.port).rstrip("/"))
    database.load_django()
    state = database.schema()
    if state.applied == 0:
        _migrate_empty_database()
    else:
        database.check_schema(state)
    lines = options.prepare() if options.prepare is not None else []
    supervisor.children = [_web(options), _worker(options)]
    for child in supervisor.children:
        child.start()
    _wait_for_web(supervisor)
    options.say(f"Recare is running: {address(options.host, options.port)}  (Ctrl-C stops it)")
    for line in lines:
        options.say(line)


def _migrate_empty_database() -> None:
    """Make the tables in a process of its own: migrations run as the owner, this process stays with the app role."""
    done = subprocess.run([sys.executable, "-m", "recare", "migrate"], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise CannotStartError(f"The tables could not be made: {' '.join(said)} Run 'recare migrate' to see all of it.")


def _web(options: Options) -> Child:
    threads = max(4, min(16, 2 * (os.cpu_count() or 2)))
    argv = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", options.host, "--port", str(options.port)]
    argv += ["--workers", "1", "--blocking-threads", str(threads), "--no-ws", "--log-level", "warning"]
    return Child("web", "web server", [*argv, "recare.wsgi:application"], options.home)


def _worker(options: Options) -> Child:
    return Child("worker", "worker", [sys.executable, "-m", "recare", "worker"], options.home)


def address(host: str, port: int) -> str:
    """URL to type into a browser on this machine."""
    shown = "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"


def check_port(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, before anything is started."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStartError(
                f"Port {port} is in use by another program: stop that one, or choose another port with --port "
                f'(with make: make run ARGS="--port {port + 1}").'
            ) from error
        if error.errno == errno.EACCES:
            raise CannotStartError(f"Port {port} is reserved for root: choose one above 1023 with --port.") from error
        raise CannotStartError(f"Recare cannot listen on {host} ({error.strerror}): choose another --host.") from error


def _wait_for_web(supervisor: _Supervisor) -> None:
    web = supervisor.children[0]
    deadline = time.monotonic() + _WEB_SECONDS
    while time.monotonic() < deadline:
        if _answers(supervisor.options):
            return
        how = web.fallen()
        if how is not None:
            raise CannotStartError(
                f"The web server did not start ({how}). Its log ({web.log}) says: {web.last_words()}"
            )
        time.sleep(_TICK)
    raise CannotStartError(f"The web server did not answer within {_WEB_SECONDS:.0f} s: see {web.log}.")


def _answers(options: Options) -> bool:
    host = address(options.host, options.port).removeprefix("http://").rsplit(":", 1)[0].strip("[]")
    connection = http.client.HTTPConnection(host, options.port, timeout=10)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()


@contextlib.contextmanager
def only_supervisor(home: Path) -> Iterator[None]:
    """Hold the home for one supervisor; the kernel lets go of the lock however we end."""
    folder = home / "run"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "supervisor.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise CannotStartError(
                f"Recare is already running with the data in {home} (process {file.read().strip() or 'unknown'}): "
                "open its page, stop it first, or set RECARE_HOME to another folder."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Turn the signals that ask us to stop into KeyboardInterrupt, wherever we are."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = [signal.signal(number, interrupt) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)


def _deaf() -> None:
    """Stopping is bounded in time: a second Ctrl-C must not leave half of it running."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
