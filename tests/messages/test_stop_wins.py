"""No send after a committed STOP, in whatever order STOP, claim, call, settlement and crash fall.

Three actors with database connections of their own take their steps in an order drawn at random. A step that waits for a lock of
another is left waiting while the others go on. RECARE_SCHEDULES asks for more orders than the usual 300.
"""

from __future__ import annotations

import os
import random
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from typing import TYPE_CHECKING

import pytest
from django.db import connections

from recare.base import db
from recare.channels.outgoing import Outgoing, Result
from recare.consent import hold, revoke
from recare.messages import send, senders, settle
from tests.messages import outbox, recording
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from recare.practices.practice import Practice

SCHEDULES = int(os.environ.get("RECARE_SCHEDULES", "300"))
LEASE_OVER = NOW + settle.LEASE * 2


class Actor:
    """Somebody whose steps run one after the other on a thread and a connection of their own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._steps: Iterator[None] | None = None
        self._pending: Future[bool] | None = None

    def play(self, steps: Iterator[None]) -> None:
        self._steps = steps

    def step(self, patience: float) -> bool:
        """Take the next step; False when there is none. One that waits for a lock stays pending."""
        if self._pending is None:
            if self._steps is None:
                return False
            self._pending = self._thread.submit(self._advance, self._steps)
        try:
            more = self._pending.result(timeout=patience)
        except StillWaiting:
            return True
        self._pending = None
        if not more:
            self._steps = None
        return more

    def crash(self) -> None:
        """Drop everything that has not been done. A step under way ends; an open transaction is rolled back, as a lost connection is."""
        if self._pending is None and self._steps is not None:
            steps, self._steps = self._steps, None
            self._thread.submit(steps.close).result()  # type: ignore[attr-defined]

    def leave(self) -> None:
        self._thread.submit(connections.close_all).result()
        self._thread.shutdown()

    @staticmethod
    def _advance(steps: Iterator[None]) -> bool:
        return next(steps, "end") != "end"


def work(practice_id: int, name: str) -> Iterator[None]:
    """One worker's batch, step by step as send_batch takes them."""
    batch = send.claim(practice_id, NOW, 4, name)
    yield
    results = []
    for message, sender in batch.items:
        result = send.call(batch, sender, senders.line(practice_id, sender), message, NOW)
        if result is not None:
            results.append((message, result))
        yield
    if batch.items:
        send.write(batch, batch.items[0][1], results, NOW)


def stop(practice_id: int, point_id: int, how: Callable[[int, int], object], stopped: set[int]) -> Iterator[None]:
    """An inbound STOP: its transaction stays open for a while, then commits."""
    with db.scope(practice_id):
        how(practice_id, point_id)
        yield
    stopped.add(point_id)


def keyword(practice_id: int, point_id: int) -> None:
    revoke.revoke(practice_id, point_id, revoke.NUMBER, "sms_keyword", "patient", "STOP", "inbound:1", NOW)


def any_inbound(practice_id: int, point_id: int) -> None:
    hold.hold(practice_id, [point_id], 1, NOW)


@pytest.fixture
def actors() -> Iterator[tuple[Actor, Actor, Actor]]:
    three = (Actor(), Actor(), Actor())
    yield three
    for actor in three:
        actor.leave()


def test_no_message_leaves_after_a_committed_stop(
    committed_practice: Practice, tmp_path: Path, actors: tuple[Actor, Actor, Actor]
) -> None:
    practice_id, file, draw = committed_practice.id, tmp_path / "provider", random.Random(20270112)
    stopped: set[int] = set()
    late: list[str] = []
    with db.scope(practice_id):
        outbox.make_sender(practice_id, "sms", file)
        case = outbox.make_case(practice_id)

    def watch(outgoing: Outgoing) -> Result | None:
        if point_of[outgoing.our_id] in stopped:
            late.append(outgoing.our_id)
        return draw.choice([None, None, None, Result("unknown"), Result("refused", code="21610"), Result("refused", code="20429", retryable=True)])  # fmt: skip

    point_of: dict[str, int] = {}
    for _ in range(SCHEDULES):
        with db.scope(practice_id):
            for message in [outbox.make_message(case) for _ in range(draw.choice((1, 2)))]:
                row = outbox.message(practice_id, message)
                point_of[send.our_id(practice_id, message)] = row.contact_point_id
                recording.faults[db.value("SELECT address FROM contact_point WHERE practice_id = %(p)s AND id = %(c)s", p=practice_id, c=row.contact_point_id)] = watch  # fmt: skip
        point = draw.choice(list(point_of.values())[-2:])
        actors[0].play(work(practice_id, f"a{len(point_of)}"))
        actors[1].play(work(practice_id, f"b{len(point_of)}"))
        actors[2].play(stop(practice_id, point, draw.choice((keyword, any_inbound)), stopped))
        run_to_the_end(actors, draw)
        assert not late
    recording.faults.clear()
    settle.settle_batch(practice_id, LEASE_OVER, limit=10_000)
    with db.scope(practice_id):
        check_every_message(practice_id, recording.recorded(file), set(point_of))


def run_to_the_end(actors: tuple[Actor, Actor, Actor], draw: random.Random) -> None:
    """Let actors step in random order until all are done; a worker may crash between two steps."""
    playing = list(actors)
    while playing:
        actor = draw.choice(playing)
        if actor is not actors[2] and draw.random() < 0.04:
            actor.crash()
        if not actor.step(patience=0.02 if len(playing) > 1 else 10):
            playing.remove(actor)


def check_every_message(practice_id: int, recorded: dict[str, int], known: set[str]) -> None:
    """Nothing doubled; what is called sent has arrived, what is called failed has not, and everything has a state."""
    assert max(recorded.values(), default=0) <= 1
    rows = db.tuples("SELECT id, state FROM message WHERE practice_id = %(p)s", p=practice_id)
    assert {send.our_id(practice_id, message) for message, _ in rows} == known
    for message, state in rows:
        arrived = recorded.get(send.our_id(practice_id, message), 0)
        assert arrived == (state == "sent"), (message, state)
