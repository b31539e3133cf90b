"""The launcher of Recare's own PostgreSQL, as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from recare.base import postgres
from recare.base.postgres_binaries import PostgresError, binaries_for, command_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "20"}


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home that the server's account can reach (pytest's own folders are closed to it when we are root)."""
    folder = Path(tempfile.mkdtemp(prefix="rc-"))
    yield folder
    cluster = postgres.running(folder)
    if cluster is not None:
        cluster.stop()
    shutil.rmtree(folder)


@pytest.fixture
def cluster(home: Path) -> postgres.Cluster:
    return postgres.start(home, QUICK)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def value(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]


def test_the_app_role_is_bound_by_row_level_security(cluster: postgres.Cluster) -> None:
    facts = (
        "SELECT array[rolsuper, rolbypassrls, rolcreatedb, rolcreaterole] FROM pg_roles WHERE rolname = current_user"
    )
    assert value(cluster.app_url(), facts) == [False, False, False, False]
    assert value(cluster.owner_url(), "SELECT current_user") == "recare_owner"


def test_what_the_owner_creates_the_app_role_may_use_but_not_own(cluster: postgres.Cluster) -> None:
    cluster.create_database("rights")
    with psycopg.connect(cluster.owner_url("rights")) as owner:
        owner.execute("CREATE TABLE thing (id bigint GENERATED ALWAYS AS IDENTITY, name text)")
    with psycopg.connect(cluster.app_url("rights")) as app:
        app.execute("INSERT INTO thing (name) VALUES ('a')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("DROP TABLE thing")


def test_a_wrong_password_is_refused(cluster: postgres.Cluster) -> None:
    password = (cluster.home / "postgres" / "recare_app.password").read_text()
    url = cluster.app_url()
    assert password in url
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(password, "guess"))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(url.replace(f":{password}", ""))


def test_nothing_of_the_cluster_is_open_to_other_accounts(cluster: postgres.Cluster) -> None:
    inside = cluster.home / "postgres"
    assert mode(cluster.home) == 0o700
    assert mode(inside / "data") == 0o700
    assert mode(Path(cluster.socket_dir)) == 0o700
    assert {path.name: mode(path) for path in inside.glob("*.password")} == {
        "recare_app.password": 0o600,
        "recare_owner.password": 0o600,
    }
    assert value(cluster.owner_url(), "SHOW listen_addresses") == ""
    assert (
        value(cluster.owner_url(), "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'") == 0
    )


def test_the_cluster_is_durable_and_sorts_alike_everywhere(cluster: postgres.Cluster) -> None:
    assert value(cluster.app_url(), "SHOW data_checksums") == "on"
    assert value(cluster.app_url(), "SHOW synchronous_commit") == "on"
    assert value(cluster.app_url(), "SHOW server_encoding") == "UTF8"
    assert value(cluster.app_url(), "SELECT datlocale FROM pg_database WHERE datname = 'recare'") == "C.UTF-8"
    assert "fsync" not in " ".join(postgres._arguments(None))


def test_neither_statements_nor_values_of_rows_reach_the_log(cluster: postgres.Cluster) -> None:
    with psycopg.connect(cluster.app_url()) as connection:
        connection.execute("CREATE TEMP TABLE t (phone text PRIMARY KEY)")
        connection.execute("INSERT INTO t VALUES ('+12125550142')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO t VALUES ('+12125550142')")
    with psycopg.connect(cluster.app_url()) as connection, pytest.raises(psycopg.errors.InvalidTextRepresentation):
        connection.execute("SELECT '+1 212 555-0143'::text::bigint")  # the message itself quotes what it could not read
    log = (cluster.home / "postgres" / "log").read_text()
    assert "ready to accept connections" in log
    assert "555014" not in log.replace("-", "")


def test_a_second_start_adopts_the_server_that_runs(home: Path, cluster: postgres.Cluster) -> None:
    again = postgres.start(home, QUICK)
    assert again.pid == cluster.pid
    assert again.process is None
    assert postgres.running(home) == again


def test_a_server_whose_starter_was_killed_is_adopted(home: Path) -> None:
    postgres.start(home, QUICK).stop()
    program = (
        "import os, sys, pathlib; from recare.base import postgres; "
        f"c = postgres.start(pathlib.Path({str(home)!r}), {QUICK!r}, dies_with_us=False); "
        "print(c.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == -signal.SIGKILL
    adopted = postgres.start(home, QUICK)
    assert adopted.pid == int(shown.stdout)
    assert value(adopted.app_url(), "SELECT 1") == 1
    adopted.stop()
    assert postgres.running(home) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_server_goes_down_with_a_starter_that_was_killed(home: Path) -> None:
    postgres.start(home, QUICK).stop()
    program = (
        "import os, sys, pathlib; from recare.base import postgres; "
        f"c = postgres.start(pathlib.Path({str(home)!r}), {QUICK!r}); print(c.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    pid, deadline = int(shown.stdout), time.monotonic() + 10
    while command_of(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert command_of(pid) == ""


def test_after_kill_9_of_the_server_the_next_start_recovers_what_was_committed(home: Path) -> None:
    cluster = postgres.start(home)  # durable, as users have it
    with psycopg.connect(cluster.owner_url()) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    before = value(cluster.owner_url(), "SELECT count(*) FROM kept")
    os.kill(cluster.pid, signal.SIGKILL)
    again = postgres.start(home)
    assert again.pid != cluster.pid
    assert value(again.owner_url(), "SELECT count(*) FROM kept") == before


def test_a_lock_file_that_names_an_unrelated_process_does_not_stop_the_start(home: Path) -> None:
    cluster = postgres.start(home, QUICK)
    lock = home / "postgres" / "data" / "postmaster.pid"
    stale = lock.read_text().split("\n", 1)[1]
    cluster.stop()
    with subprocess.Popen(["/bin/sleep", "60"]) as unrelated:
        lock.write_text(f"{unrelated.pid}\n{stale}")
        try:
            assert postgres.running(home) is None
            again = postgres.start(home, QUICK)
            assert value(again.app_url(), "SELECT 1") == 1
            assert unrelated.poll() is None
        finally:
            unrelated.kill()


def test_data_of_another_major_version_are_refused_in_one_sentence(home: Path) -> None:
    postgres.start(home, QUICK).stop()
    version = home / "postgres" / "data" / "PG_VERSION"
    kept = version.read_text()
    for other in ("16\n", "99\n"):
        version.write_text(other)
        try:
            with pytest.raises(PostgresError, match=rf"written by PostgreSQL {other.strip()}, .*RECARE_POSTGRES_BIN"):
                postgres.start(home, QUICK)
        finally:
            version.write_text(kept)


def test_an_interrupted_first_start_leaves_nothing_that_stops_the_next() -> None:
    folder = Path(tempfile.mkdtemp(prefix="rc-"))
    (folder / "postgres" / "data.new").mkdir(parents=True)
    (folder / "postgres" / "data.new" / "PG_VERSION").write_text("half")
    cluster = postgres.start(folder, QUICK)
    try:
        assert value(cluster.app_url(), "SELECT 1") == 1
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def test_a_home_with_a_long_path_gets_a_short_private_socket_folder() -> None:
    base = Path(tempfile.mkdtemp(prefix="rc-"))
    base.chmod(0o755)
    folder = base / ("x" * 120)
    cluster = postgres.start(folder, QUICK)
    try:
        assert len(cluster.socket_dir) < 60
        assert mode(Path(cluster.socket_dir)) == 0o700
        assert value(cluster.app_url(), "SELECT 1") == 1
    finally:
        cluster.stop()
        shutil.rmtree(cluster.socket_dir)
        shutil.rmtree(base)


def test_a_socket_folder_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ("y" * 120)
    place = postgres._socket_dir(folder)
    place.symlink_to(tmp_path)
    try:
        with pytest.raises(PostgresError, match="belongs to somebody else"):
            postgres._ensure_socket_dir(folder, None)
    finally:
        place.unlink()


def test_missing_programs_are_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECARE_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(PostgresError, match="RECARE_POSTGRES_BIN="):
        binaries_for(tmp_path, None)


AS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can drop privileges; ordinary users are the case above"
)


@AS_ROOT
def test_started_as_root_the_server_runs_as_somebody_else(cluster: postgres.Cluster) -> None:
    assert Path(f"/proc/{cluster.pid}").stat().st_uid != 0
    status = Path(f"/proc/{cluster.pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status


@AS_ROOT
def test_a_home_closed_to_the_servers_account_is_told_in_one_sentence(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(PostgresError, match="set RECARE_HOME to a folder such as"):
        postgres.start(closed / "home", QUICK)


@AS_ROOT
def test_programs_the_servers_account_cannot_reach_are_copied_beside_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    from recare.base import postgres_binaries

    hidden, folder = Path(tempfile.mkdtemp(prefix="rc-")), Path(tempfile.mkdtemp(prefix="rc-"))  # both 0700, root's
    package = postgres_binaries._wheel_folder().parents[1]
    shutil.copytree(package, hidden / package.name, symlinks=True)
    shutil.copytree(package.parent / f"{package.name}.libs", hidden / f"{package.name}.libs", symlinks=True)
    monkeypatch.setattr(postgres_binaries, "_wheel_folder", lambda: hidden / package.name / "pginstall" / "bin")
    cluster = postgres.start(folder, QUICK)
    try:
        assert str(folder) in command_of(cluster.pid).split()[0]
        assert value(cluster.app_url(), "SELECT 1") == 1
    finally:
        cluster.stop()
        shutil.rmtree(hidden)
        shutil.rmtree(folder)


@AS_ROOT
def test_an_ordinary_user_starts_and_stops_a_cluster_too() -> None:
    """The same launcher under uid 65534 (nobody), with an interpreter and packages that account can read."""
    python = next((path for path in ("/usr/bin/python3.11", "/usr/bin/python3") if Path(path).exists()), None)
    if python is None:
        pytest.fail("no interpreter that an ordinary account can run: install Debian's python3")
    packages = Path(psycopg.__file__).parents[1]
    folder = Path(tempfile.mkdtemp(prefix="rc-"))
    os.chown(folder, 65534, 65534)
    program = (
        "import json, os, pathlib, psycopg; from recare.base import postgres; "
        f"c = postgres.start(pathlib.Path({str(folder)!r}), {QUICK!r}); "
        "n = psycopg.connect(c.app_url()).execute('select 40 + 2').fetchone()[0]; c.stop(); "
        "print(json.dumps([os.getuid(), n, postgres.running(c.home) is None]))"
    )
    done = subprocess.run(
        [python, "-c", program],
        env={"PYTHONPATH": f"{ROOT}:{packages}", "PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        user=65534,
        group=65534,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [65534, 42, True]
