"""No send after what should have stopped it, in whatever order stop, plan, claim, call, settlement and crash fall.

A stop is a STOP, any inbound word, a booking, a dismissal, a merge, an import that says no, or one that says yes after a no. Three actors
with database connections of their own take their steps in an order drawn at random. A step that waits for a lock of another is left
waiting while the others go on. RECARE_SCHEDULES asks for more orders than the usual 300 (bench/interleavings.py for 10,000).
"""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Final

import pytest
from django.db import connections

from recare.base import db
from recare.campaigns import advance
from recare.campaigns.stop import stop as end
from recare.channels.outgoing import Result
from recare.consent import hold, ledger, revoke
from recare.consent.event import NewEvent
from recare.messages import render, send, senders, settle
from recare.patients import changes, standing
from recare.segments import facts
from tests import factories
from tests.campaigns import build
from tests.messages import outbox, recording
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from recare.practices.practice import Practice

BLOCK: Final = 100  # a practice of its own for each, so that numbers kept for fiction are never used up
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


@dataclass(slots=True)
class World:
    """What the actors share: since when each number must be silent, and which calls broke that."""

    practice_id: int
    stopped: dict[int, float] = field(default_factory=dict)
    late: list[tuple[str, int]] = field(default_factory=list)
    calls: int = 0


def work(world: World, name: str, *, plans: bool) -> Iterator[None]:
    """One worker's batch, step by step as the engine takes them. A call whose last look began after a stop had committed is late."""
    if plans:
        advance.advance_batch(world.practice_id, NOW)
        yield
        render.render_batch(world.practice_id, NOW)
        yield
    batch = send.claim(world.practice_id, NOW, 4, name)
    yield
    results = []
    for message, sender in batch.items:
        looked = time.monotonic()
        result = send.call(batch, sender, senders.line(world.practice_id, sender), message, NOW)
        if result is not None:
            world.calls += 1
            results.append((message, result))
            if world.stopped.get(message.point.id, looked) < looked:
                world.late.append((name, message.id))
        yield
    if batch.items:
        send.write(batch, batch.items[0][1], results, NOW)


def stop(world: World, who: Target, how: Callable[[int, Target], object]) -> Iterator[None]:
    """What stops: its transaction stays open for a while, then commits."""
    with db.scope(world.practice_id):
        how(world.practice_id, who)
        yield
    world.stopped[who.point_id] = time.monotonic()


@dataclass(frozen=True, slots=True)
class Target:
    """A patient and the number they are reached at."""

    patient_id: int
    point_id: int


def keyword(practice_id: int, who: Target) -> None:
    revoke.revoke(practice_id, who.point_id, revoke.NUMBER, "sms_keyword", "patient", "STOP", "inbound:1", NOW)


def any_inbound(practice_id: int, who: Target) -> None:
    hold.hold(practice_id, [who.point_id], 1, NOW)


def booking(practice_id: int, who: Target) -> None:
    factories.make_visit(practice_id, who.patient_id, 9, "scheduled")
    end(practice_id, [who.patient_id], "booked", NOW)


def dismissal(practice_id: int, who: Target) -> None:
    notice = standing.Notice(NOW.date(), NOW.date() + timedelta(days=30), "letter 7")
    standing.dismiss(practice_id, who.patient_id, notice, "Dr. Rivera", NOW)


def merge(practice_id: int, who: Target) -> None:
    into = factories.make_patient(practice_id)
    db.run("UPDATE patient SET merged_into_id = %(into)s, standing = 'merged' WHERE practice_id = %(p)s AND id = %(a)s", into=into, p=practice_id, a=who.patient_id)  # fmt: skip


def imported_no(practice_id: int, who: Target) -> None:
    revoke.revoke(practice_id, who.point_id, revoke.NUMBER, "import", "import", "chart says no", "import:1", NOW)


def imported_yes_after_a_no(practice_id: int, who: Target) -> None:
    keyword(practice_id, who)
    yes = NewEvent(who.point_id, "sms", "granted", "import", 2, NOW, evidence_ref="import:2", import_batch="2")
    ledger.append(practice_id, [yes], NOW)


STOPS: Final = (keyword, any_inbound, booking, dismissal, merge, imported_no, imported_yes_after_a_no)


@pytest.fixture
def actors() -> Iterator[tuple[Actor, Actor, Actor]]:
    three = (Actor(), Actor(), Actor())
    yield three
    for actor in three:
        actor.leave()


@pytest.mark.parametrize("block", range(ceil(SCHEDULES / BLOCK)))
def test_no_message_leaves_after_what_stops_it_has_committed(
    committed_practice: Practice, tmp_path: Path, actors: tuple[Actor, Actor, Actor], block: int
) -> None:
    file, draw, world = tmp_path / "provider", random.Random(20270112 + block), World(committed_practice.id)
    recording.faults.clear()
    case, version = campaign(committed_practice, file)
    for number in range(min(BLOCK, SCHEDULES - block * BLOCK)):
        with db.scope(world.practice_id):
            plans = draw.random() < 0.25
            people = (
                [planned(world.practice_id, version)] if plans else [written(case) for _ in range(draw.choice((1, 2)))]
            )
            for who in people:
                recording.faults[address_of(world.practice_id, who)] = lambda _: misfortune(draw)
        actors[0].play(work(world, f"a{number}", plans=plans))
        actors[1].play(work(world, f"b{number}", plans=plans))
        actors[2].play(stop(world, draw.choice(people), draw.choice(STOPS)))
        run_to_the_end(actors, draw)
        assert not world.late
    recording.faults.clear()
    assert world.calls > number / 10
    settle.settle_batch(world.practice_id, LEASE_OVER, limit=10 * BLOCK)
    with db.scope(world.practice_id):
        check_every_message(world.practice_id, recording.recorded(file))


def campaign(practice: Practice, file: Path) -> tuple[outbox.Case, int]:
    """What messages hang on: a campaign for those that are written already, and a version for those to be planned."""
    with db.scope(practice.id):
        outbox.make_sender(practice.id, "sms", file)
        case = outbox.make_case(practice.id, stop=["booked", "left", "opted_out"])
        version = build.version(practice, steps=[{"channel": "sms", "template": "winback_text"}])
        db.run("UPDATE template_version SET body = %(t)s WHERE practice_id = %(p)s", t=outbox.TEXT, p=practice.id)
        db.run("UPDATE sender SET paused_at = now() WHERE practice_id = %(p)s AND provider = 'sandbox'", p=practice.id)
    return case, version


def misfortune(draw: random.Random) -> Result | None:
    return draw.choice([None, None, None, Result("unknown"), Result("refused", code="21610"), Result("refused", code="20429", retryable=True)])  # fmt: skip


def written(case: outbox.Case) -> Target:
    """Somebody whose message waits in the outbox."""
    message = outbox.make_message(case)
    return Target(*db.tuples("SELECT patient_id, contact_point_id FROM message WHERE practice_id = %(p)s AND id = %(m)s", p=case.practice_id, m=message)[0])  # fmt: skip


def planned(practice_id: int, version: int) -> Target:
    """Somebody whose turn in a campaign has come, and about whom nothing is decided yet."""
    patient = build.person(practice_id, email="-")
    build.enrolment(practice_id, version, patient)
    changes.mark(practice_id, [patient])
    facts.refresh(practice_id)
    return Target(patient, db.value("SELECT contact_point_id FROM patient_contact WHERE practice_id = %(p)s AND patient_id = %(a)s", p=practice_id, a=patient))  # fmt: skip


def address_of(practice_id: int, who: Target) -> str:
    return str(db.value("SELECT address FROM contact_point WHERE practice_id = %(p)s AND id = %(c)s", p=practice_id, c=who.point_id))  # fmt: skip


def run_to_the_end(actors: tuple[Actor, Actor, Actor], draw: random.Random) -> None:
    """Let actors step in random order until all are done; a worker may crash between two steps."""
    playing = list(actors)
    while playing:
        actor = draw.choice(playing)
        if actor is not actors[2] and draw.random() < 0.04:
            actor.crash()
        if not actor.step(patience=0.02 if len(playing) > 1 else 10):
            playing.remove(actor)


def check_every_message(practice_id: int, recorded: dict[str, int]) -> None:
    """Nothing doubled; what is called sent has arrived, what is called failed has not, and everything has a state."""
    assert max(recorded.values(), default=0) <= 1
    rows = db.tuples("SELECT id, state FROM message WHERE practice_id = %(p)s", p=practice_id)
    assert recorded.keys() <= {send.our_id(practice_id, message) for message, _ in rows}
    for message, state in rows:
        arrived = recorded.get(send.our_id(practice_id, message), 0)
        assert arrived == (state == "sent"), (message, state)
