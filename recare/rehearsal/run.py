"""A rehearsal: the whole product, live, over months of virtual time. Nothing of the engine knows that the clock is not real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import structlog

from recare.base import db
from recare.jobs import engine
from recare.practices import practice as practices
from recare.practices.practice import Practice
from recare.rehearsal import doors, office, progress
from recare.rehearsal.behaviour import Phones
from recare.rehearsal.world import Happening, World, open_world

log = structlog.get_logger()
Watch = Callable[[progress.Run], None]

# Local times at which the world and the engine take turns. Between them patients act at their own times; nothing is sent at night.
_WORKDAY: Final = (time(10, 5), time(16, 5), time(20, 5))
_WEEKEND: Final = (time(12, 5),)
# The server renews its statistics by the minute, which is months here: plans made for empty tables would be kept for all of them.
_NEW_STATISTICS: Final = {0, 1, 3, 7}
_GROWING: Final = (
    "enrolment",
    "touch",
    "message",
    "call",
    "booking",
    "inbound_event",
    "reply",
    "consent_event",
    "link",
)
_CALLING: Final = {time(10, 5), time(16, 5)}


def play(practice_id: int, watch: Watch | None = None) -> None:
    """Play the days that have been asked for; can be asked again after a crash, and goes on with the next day."""
    practice = practices.get(practice_id)
    with db.scope(practice_id):
        run = progress.current(practice_id)
        if run is None or run.state != "running":
            return
        world = open_world(practice, run.seed, run.clock_from)
        _catch_up(world, run)
    try:
        while run.state == "running" and run.days_done < run.days_wanted:
            run = _play_day(world, run)
            if watch is not None:
                watch(run)
    except Exception as error:
        log.exception("rehearsal stopped", practice=practice_id)
        with db.scope(practice_id):
            progress.failed(
                practice_id,
                run.id,
                f"The rehearsal stopped on day {run.days_done + 1} ({type(error).__name__}). Ask for more days to try that day again.",
            )
        raise


def _catch_up(world: World, run: progress.Run) -> None:
    """Tell the patients again what they have heard so far, and drop what they have done about it already.

    What patients do is a function of what reached them, so a rehearsal goes on after a crash as if there had been none.
    """
    world.listen()
    for someone in world.people.values():
        if someone.returns_on is not None:
            at = datetime.combine(someone.returns_on, time(9, 30), world.practice.zone).astimezone(UTC)
            world.plan(at, Happening(someone.patient_id, Phones(at), None, f"own-{someone.patient_id}"))
    world.due(run.clock_at)


def ticks(day: date, practice: Practice) -> Iterator[tuple[datetime, bool]]:
    """Yield the instants of a day (UTC) at which time stands still for a moment, and whether the front desk telephones then."""
    for at in _WEEKEND if day.weekday() > 4 else _WORKDAY:
        yield datetime.combine(day, at, practice.zone).astimezone(UTC), at in _CALLING and day.weekday() <= 4


def _play_day(world: World, run: progress.Run) -> progress.Run:
    practice = world.practice
    day = run.clock_from.astimezone(practice.zone).date() + timedelta(days=run.days_done + 1)
    last = run.clock_at
    for now, calling in ticks(day, practice):
        _tick(world, now, calling=calling)
        last = now
    with db.scope(practice.id):
        office.close_the_day(world, last)
        if run.days_done in _NEW_STATISTICS or run.days_done % 28 == 0:
            db.analyze(*_GROWING)
        return progress.day_done(practice.id, run.id, last, progress.figures(practice.id, run.clock_from))


def _tick(world: World, now: datetime, *, calling: bool) -> None:
    practice_id = world.practice.id
    for at, happening in world.due(now):
        if happening.heard is None and isinstance(happening.reaction, Phones):
            _comes_unasked(world, happening, at)
        else:
            doors.play(world, happening, at)
    practices.set_clock(practice_id, now)
    engine.step(practice_id, now)
    with db.scope(practice_id):
        world.listen()
    if calling:
        doors.read_replies(world, now)
        doors.dial(world, now, doors.CALLS_A_DAY // len(_CALLING))


def _comes_unasked(world: World, happening: Happening, at: datetime) -> None:
    """Somebody who was coming back anyway books: by the link of a fresh message when they have one at hand, else by telephone."""
    someone = world.people[happening.patient_id]
    told = world.told.get(happening.patient_id, [])
    with db.scope(world.practice.id):
        if world.behaviour.own_door(someone.person, at.date(), told) == "link" and told:
            doors.book_by_link(world, happening.patient_id, None, at)
        else:
            office.book_by_telephone(world, happening.patient_id, at)
