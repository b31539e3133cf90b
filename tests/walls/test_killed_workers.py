"""Workers killed with SIGKILL at random points: no message doubled, none silently lost.

Real processes send real rows to a provider that writes each accepted message to a file. RECARE_KILL_ROUNDS asks for more than 20 rounds.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from recare.base import db
from recare.messages import send, settle
from tests.messages import outbox, recording
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recare.practices.practice import Practice

ROUNDS = int(os.environ.get("RECARE_KILL_ROUNDS", "20"))
A_ROUND = 30  # messages for two workers to fight over
ROOT = Path(__file__).resolve().parent.parent.parent


class Nest:
    """A process that has everything loaded and forks a worker when asked, so that a worker costs milliseconds."""

    def __init__(self, practice_id: int) -> None:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "recare.settings", "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(practice_id)], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self._alive: set[int] = set()
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def worker(self) -> int:
        """Start a worker and return its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("fork\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        self._alive.add(pid)
        return pid

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self._alive.discard(pid)

    def close(self) -> None:
        for pid in set(self._alive):
            self.kill(pid)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=20)


@contextmanager
def nest(practice_id: int) -> Iterator[Nest]:
    made = Nest(practice_id)
    try:
        yield made
    finally:
        made.close()


def test_workers_killed_at_random_points_double_nothing_and_lose_nothing(
    committed_practice: Practice, tmp_path: Path
) -> None:
    practice_id, file, draw = committed_practice.id, tmp_path / "provider", random.Random(7)
    with db.scope(practice_id):
        for channel in ("sms", "email"):
            outbox.make_sender(practice_id, channel, file, delay=0.002, chaos=0.1)
        case = outbox.make_case(practice_id)
        outbox.make_message(case)
    left = Counter[str]()
    with nest(practice_id) as workers:
        for number in range(ROUNDS):
            with db.scope(practice_id):  # numbers kept for fiction are few, addresses are not
                known = [outbox.make_message(case, "sms" if number < 10 else "email") for _ in range(A_ROUND)]
            pids = [workers.worker(), workers.worker()]
            wait_for_the_first_call(file, known, practice_id)
            for pid in pids:
                time.sleep(draw.uniform(0, 0.06))
                workers.kill(pid)
            with db.scope(practice_id):
                left += Counter(outbox.states(practice_id))
            settle.settle_batch(practice_id, NOW + settle.LEASE * 2, limit=10_000)
    assert left["sending"], "no worker was caught between claim and settlement: the test shows nothing"
    while send.send_batch(practice_id, NOW, 200, "last"):
        pass
    settle.settle_batch(practice_id, NOW + settle.LEASE * 2, limit=10_000)
    check_the_books(practice_id, recording.recorded(file), ROUNDS * A_ROUND + 1)


def wait_for_the_first_call(file: Path, known: list[int], practice_id: int) -> None:
    ours = {send.our_id(practice_id, message) for message in known}
    for _ in range(2000):
        if ours & recording.recorded(file).keys():
            return
        time.sleep(0.01)
    raise AssertionError("no worker has sent anything for twenty seconds")


def check_the_books(practice_id: int, recorded: Counter[str], total: int) -> None:
    """The provider's file against our rows."""
    assert max(recorded.values()) == 1, "doubled"
    with db.scope(practice_id):
        rows = db.tuples("SELECT id, state, error FROM message WHERE practice_id = %(p)s", p=practice_id)
    assert len(rows) == total
    for message, state, error in rows:
        arrived = bool(recorded[send.our_id(practice_id, message)])
        assert state in {"sent", "failed", "queued"}, (message, state)
        assert arrived == (state == "sent"), (message, state, error)
        assert state != "failed" or error == "not_found", (message, error)


def hatch(practice_id: int) -> None:
    """Load everything, then fork a worker for every line that comes in."""
    import django

    django.setup()
    from django.db import connections

    assert send.send_batch(practice_id, NOW, 1, "warm") == 1  # reads rule packs and zone tables, once for all workers
    connections.close_all()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for number, _ in enumerate(sys.stdin):
        pid = os.fork()
        if pid == 0:
            work(practice_id, f"{os.getppid()}-{number}")
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    while True:  # every worker has been killed; leave no zombie
        try:
            os.wait()
        except ChildProcessError:
            return


def work(practice_id: int, name: str) -> None:
    random.seed(name)
    parent = os.getppid()
    while os.getppid() == parent:
        if not send.send_batch(practice_id, NOW, 10, name):
            time.sleep(0.005)
    os._exit(0)


if __name__ == "__main__":
    hatch(int(sys.argv[1]))
