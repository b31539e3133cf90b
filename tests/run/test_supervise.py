"""``recare run`` as people meet it: a process of its own, killed in every way."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from recare.base import postgres
from recare.base.postgres_binaries import command_of
from recare.run import children, database
from recare.run.database import CannotStartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]


def environment(home: Path, **more: str) -> dict[str, str]:
    # the settings and the database of these tests are not those of somebody who starts Recare
    foreign = ("DATABASE_", "RECARE_", "DJANGO_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    return kept | {"RECARE_HOME": str(home), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])} | more


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(what: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[str]
    home: Path
    port: int
    output: Path

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status < 500
        except OSError:
            return False
        finally:
            connection.close()

    def pid(self, key: str) -> int:
        if key == "postgres":
            return int((self.home / "postgres" / "data" / "postmaster.pid").read_text().split("\n")[0])
        return int((self.home / "run" / f"{key}.pid").read_text())

    def said(self) -> str:
        return self.output.read_text()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


def start(home: Path) -> Running:
    port, output = free_port(), home.with_suffix(".out")
    with output.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "recare", "run", "--port", str(port)],
            cwd=ROOT,
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
    running = Running(process, home, port, output)
    eventually(lambda: "Recare is running" in running.said() or process.poll() is not None, 60)
    assert process.poll() is None, running.said()
    return running


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="rc-"))
    yield folder
    children.sweep(folder)
    cluster = postgres.running(folder)
    if cluster is not None:
        cluster.stop()
    shutil.rmtree(folder, ignore_errors=True)  # a server that is just going removes its own files
    folder.with_suffix(".out").unlink(missing_ok=True)


@pytest.fixture
def recare(home: Path) -> Iterator[Running]:
    running = start(home)
    yield running
    if running.process.poll() is None:
        running.stop()


def told(home: Path, *arguments: str, **more: str) -> str:
    """Run a command that cannot work; return its one sentence."""
    done = subprocess.run(
        [sys.executable, "-m", "recare", *arguments],
        cwd=ROOT,
        env=environment(home, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("recare: ")
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


# --- killed in every way ----------------------------------------------------------------------------------------


def test_it_prints_one_url_and_stops_all_within_seconds(recare: Running) -> None:
    assert re.findall(r"http://\S+", recare.said()) == [f"http://127.0.0.1:{recare.port}/"]
    assert recare.answers()
    pids = [recare.pid(key) for key in ("web", "worker", "postgres")]
    started = time.monotonic()
    assert recare.stop() == 0
    assert time.monotonic() - started < 10
    assert [command_of(pid) for pid in pids] == ["", "", ""]
    assert not children._leftovers(recare.home)


@pytest.mark.parametrize("key", ["web", "worker", "postgres"])
def test_what_is_killed_is_started_again(recare: Running, key: str) -> None:
    before = recare.pid(key)
    os.kill(before, signal.SIGKILL)
    eventually(lambda: recare.pid(key) != before and command_of(recare.pid(key)))
    eventually(recare.answers)
    eventually(lambda: postgres.running(recare.home))
    name = {"web": "The web server stopped", "worker": "The worker stopped", "postgres": "The database stopped"}[key]
    assert name in recare.said()


@pytest.mark.parametrize("gentle", [True, False])
def test_after_the_supervisor_is_killed_the_next_start_recovers(home: Path, *, gentle: bool) -> None:
    first = start(home)
    pids = [first.pid(key) for key in ("web", "worker", "postgres")]
    if not gentle:  # the children are frozen, so that they cannot notice: what a hung machine leaves behind
        for pid in pids[:2]:
            os.kill(pid, signal.SIGSTOP)
    first.process.kill()
    first.process.wait()
    second = start(home)
    assert second.answers()
    assert [second.pid(key) for key in ("web", "worker")] != pids[:2]
    assert [command_of(pid) for pid in pids[:2]] == ["", ""]
    assert second.stop() == 0


def test_ctrl_c_during_the_start_leaves_nothing_running(home: Path) -> None:
    output = home.with_suffix(".out")
    with output.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "recare", "run", "--port", str(free_port())],
            cwd=ROOT,
            env=environment(home),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    eventually(lambda: postgres.running(home))
    process.send_signal(signal.SIGINT)
    process.wait(20)
    assert "Traceback" not in output.read_text()
    assert postgres.running(home) is None
    assert not children._leftovers(home)


def test_a_second_supervisor_of_the_same_home_is_refused(recare: Running) -> None:
    assert f"already running with the data in {recare.home} (process {recare.process.pid})" in told(recare.home, "run")


# --- what cannot work is told in one sentence ---------------------------------------------------------------------


def test_a_port_in_use(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Port {port} is in use by another program" in told(home, "run", "--port", str(port))


def test_a_host_of_another_machine(home: Path) -> None:
    assert "choose another --host" in told(home, "run", "--host", "192.0.2.1")


def test_a_full_disk(home: Path) -> None:
    with pytest.raises(CannotStartError, match=r"The disk of .* is full: \d+ MB are free and Recare needs"):
        database.check_room(home, 2**60)


def test_a_database_that_runs_is_reached_on_a_full_disk(
    cluster: postgres.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may want to stop all sending just then."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("DATABASE_OWNER_URL", raising=False)
    monkeypatch.setattr(database, "LEAST_FREE", 2**60)
    with database.opened(cluster.home) as urls:
        assert urls.app == cluster.app_url()


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "set RECARE_HOME to a folder of your own" in told(tmp_path / "file", "run")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "DATABASE_URL is not the address of a database"),
        ("postgresql://u:hunter2@127.0.0.1:1/recare", "cannot be opened .*Connection refused"),
        ("postgresql://u:hunter2@no-such-host.example.com/recare", "cannot be opened"),
        ("mysql://u:hunter2@127.0.0.1/recare", "DATABASE_URL is not the address of a database"),
    ],
)
def test_a_wrong_database_url(home: Path, url: str, sentence: str) -> None:
    said = told(home, "run", "--port", str(free_port()), DATABASE_URL=url)
    assert re.search(sentence, said)
    assert "hunter2" not in said


@pytest.fixture
def cluster(home: Path) -> Iterator[postgres.Cluster]:
    cluster = postgres.start(home)
    with psycopg.connect(cluster.owner_url()) as owner:
        found = owner.execute("SELECT to_regclass('django_migrations')").fetchone()
    if found == (None,):
        subprocess.run([sys.executable, "-m", "recare", "migrate"], cwd=ROOT, env=environment(home), check=True)
    yield cluster
    cluster.stop()


def test_a_wrong_password_and_a_database_that_does_not_exist(cluster: postgres.Cluster) -> None:
    wrong = re.sub(r":[^:@/]+@", ":hunter2@", cluster.app_url())
    assert "password authentication failed" in told(cluster.home, "run", DATABASE_URL=wrong)
    assert "does not exist" in told(cluster.home, "run", DATABASE_URL=cluster.app_url("nowhere"))


def test_a_role_that_row_level_security_does_not_bind(cluster: postgres.Cluster) -> None:
    said = told(cluster.home, "run", DATABASE_URL=cluster.owner_url())
    assert "is a superuser or may bypass row-level security" in said
    with psycopg.connect(cluster.owner_url(), autocommit=True) as owner:
        owner.execute("ALTER ROLE recare_app BYPASSRLS")
        try:
            assert "may bypass row-level security" in told(cluster.home, "run", DATABASE_URL=cluster.app_url())
        finally:
            owner.execute("ALTER ROLE recare_app NOBYPASSRLS")


def test_an_older_and_a_newer_schema(cluster: postgres.Cluster) -> None:
    more = {"DATABASE_URL": cluster.app_url(), "DATABASE_OWNER_URL": cluster.owner_url()}
    with psycopg.connect(cluster.owner_url(), autocommit=True) as owner:
        owner.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('auth', '9999_later', now())")
        try:
            for command in ("run", "migrate", "worker"):
                assert "made by a newer Recare (it has auth.9999_later" in told(cluster.home, command, **more)
        finally:
            owner.execute("DELETE FROM django_migrations WHERE name = '9999_later'")
        last = owner.execute(
            "DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations) RETURNING app, name"
        ).fetchone()
        assert last is not None
        try:
            for command in ("run", "worker"):
                said = told(cluster.home, command, **more)
                assert "The database is older than this Recare (1 steps are missing" in said
                assert "run 'recare migrate'" in said
        finally:
            owner.execute("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, now())", last)


def test_the_doctor_finds_a_fresh_installation_well(cluster: postgres.Cluster) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recare", "doctor"],
        cwd=ROOT,
        env=environment(cluster.home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "recare_app, not the owner of the tables, no superuser" in done.stdout
    assert "BAD" not in done.stdout
    assert cluster.app_url() not in done.stdout
    assert postgres.running(cluster.home) is not None, "a command must not stop a server that others use"
