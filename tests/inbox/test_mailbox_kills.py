"""Readers of a mailbox that work at the same time, and readers that are killed: no mail doubled, none lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

from django.db import connections

from recare.base import db
from recare.inbox import mailbox
from recare.messages import mailboxes
from tests.channels import mails
from tests.inbox.desk import SOON, Desk, mailed
from tests.messages.outbox import NOW

ROOT = Path(__file__).resolve().parent.parent.parent


def test_several_workers_bring_each_mail_in_once(desk: Desk) -> None:
    mailed(desk)
    for number in range(12):
        desk.arrives(mails.answer(f"Stop {number}", of=""), to=f"p{number}@example.org")
    with db.scope(desk.practice_id):
        box = mailboxes.every(desk.practice_id)[desk.sender_id]
    done: list[int] = []

    def work() -> None:
        try:
            done.append(mailbox._read(desk.practice_id, box, NOW))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 12
    assert (desk.events, desk.box.answers) == (12, 12)


def test_readers_killed_at_any_moment_lose_and_double_nothing(desk: Desk) -> None:
    people = [mailed(desk) for _ in range(4)]
    for number in range(10):
        desk.arrives(mails.answer(f"Please stop {number}"), people[number % 4])
        desk.arrives(
            mails.BOUNCES["gmail, mailbox full"][0].replace("report.{id}", f"report.{number}"), people[number % 4]
        )
    last = desk.box.last_uid + 20
    with subprocess.Popen(
        [sys.executable, __file__, str(desk.practice_id), NOW.isoformat()], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}, "PYTHONPATH": str(ROOT)}, text=True,
    ) as nest:  # fmt: skip
        assert nest.stdin is not None
        assert nest.stdout is not None
        assert nest.stdout.readline() == "ready\n"
        draw, caught = random.Random(7), 0
        while (before := desk.box.last_uid) < last:
            nest.stdin.write("read\n")
            nest.stdin.flush()
            pid = int(nest.stdout.readline())
            for _ in range(2000):
                if desk.box.last_uid > before:
                    break
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.03))
            os.kill(pid, signal.SIGKILL)
            caught += desk.box.last_uid < last
    assert caught > 1, "no reader was caught in the middle: the test shows nothing"
    assert (desk.events, desk.box.answers, desk.box.bounces, desk.box.left_alone) == (10, 10, 10, 0)
    assert desk.one("SELECT count(*) FROM delivery_event WHERE practice_id = %(p)s") == 10


def nest(practice_id: int, now: datetime) -> None:
    """Load everything, then fork a reader for every line that comes in."""
    import django

    django.setup()
    connections.close_all()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for number, _ in enumerate(sys.stdin):
        pid = os.fork()
        if not pid:
            mailbox.read_batch(practice_id, now + number * SOON)
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "recare.settings"
    nest(int(sys.argv[1]), datetime.fromisoformat(sys.argv[2]))
