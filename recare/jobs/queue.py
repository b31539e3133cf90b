"""The jobs as Procrastinate sees them: a tick defers one step a practice; domain rows are the truth, the queue says who works where."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.db import close_old_connections
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from recare.base import db, jobs
from recare.practices import practice as practices

_SILENT_AFTER: Final = timedelta(seconds=60)
log = structlog.get_logger()


def enqueue(practice_id: int) -> bool:
    """Ask for a step of one practice; False when one is waiting already. Commits or rolls back with the caller's rows."""
    return jobs.ask("step", practice_id, "practice")


@app.task(name="step", queue="steps", retry=RetryStrategy(max_attempts=3, wait=5))
def step(practice_id: int) -> None:
    """Move one practice forward by its own clock."""
    from recare.jobs import engine

    close_old_connections()
    place = practices.get(practice_id)
    if place.is_rehearsal and place.clock_at is not None:
        return  # a rehearsal with a virtual clock is driven by whoever turns that clock
    done = engine.step(practice_id, datetime.now(UTC))
    if any(done.values()):
        log.info(
            "step", practice=practice_id, **{name.replace(" ", "_"): count for name, count in done.items() if count}
        )


@app.task(name="count", queue="steps", retry=RetryStrategy(max_attempts=3, wait=5))
def count(practice_id: int) -> None:
    """Count what pages of one practice wait for, by its own clock; a rehearsal's too."""
    from recare.jobs import counting

    close_old_connections()
    counting.count_batch(practice_id, practices.clock(practices.get(practice_id)))


@app.periodic(cron="* * * * * */5")
@app.task(name="tick", queue="ticks", queueing_lock="tick")
def tick(timestamp: int) -> None:
    """Ask for a step of every practice that has work due."""
    del timestamp
    close_old_connections()
    for practice_id in due_practices(datetime.now(UTC)):
        enqueue(practice_id)


@app.periodic(cron="*/1 * * * *")
@app.task(name="rescue", queue="ticks", queueing_lock="rescue", pass_context=True)
async def rescue(context: JobContext, timestamp: int) -> None:
    """Give back the jobs of workers that fell silent; each job body may run twice."""
    del timestamp
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=_SILENT_AFTER.total_seconds()):
        with contextlib.suppress(AlreadyEnqueued):
            await manager.retry_job(job)
    await manager.prune_stalled_workers(seconds_since_heartbeat=10 * _SILENT_AFTER.total_seconds())


def due_practices(now: datetime) -> list[int]:
    """Return the practices of real time that have work due, or whose rare work was last done an hour ago.

    A look-up in a partial index for each practice and kind of work: some 30 ms for 2,000 practices.
    """
    found: list[int] = []
    everybody = db.values("SELECT id FROM practice WHERE clock_at IS NULL ORDER BY id")
    for start in range(0, len(everybody), _AT_ONCE):
        some = everybody[start : start + _AT_ONCE]
        with db.scope(some):
            found += db.values(_DUE, practices=some, now=now)
    return found


_AT_ONCE: Final = 500
_DUE: Final = """
SELECT p.id FROM practice p WHERE p.id = ANY(%(practices)s::bigint[]) AND (
    EXISTS (SELECT FROM inbound_event i WHERE i.practice_id = p.id AND i.applied_at IS NULL)
    OR EXISTS (SELECT FROM mailbox b WHERE b.practice_id = p.id AND b.due_at <= %(now)s)
    OR EXISTS (SELECT FROM patient_change c WHERE c.practice_id = p.id)
    OR EXISTS (SELECT FROM enrolment e WHERE e.practice_id = p.id AND e.state = 'waiting' AND e.due_at <= %(now)s)
    OR EXISTS (SELECT FROM message m WHERE m.practice_id = p.id AND m.state = 'queued' AND m.not_before <= %(now)s  -- a person posts letters
               AND m.channel = ANY (ARRAY(SELECT s.channel FROM sender s WHERE s.practice_id = p.id AND s.paused_at IS NULL)))
    OR EXISTS (SELECT FROM message m WHERE m.practice_id = p.id AND m.state IN ('sending', 'unknown') AND m.settled_at IS NULL)
    OR EXISTS (SELECT FROM booking b WHERE b.practice_id = p.id AND b.state = 'held' AND b.held_until <= %(now)s)
    OR NOT EXISTS (SELECT FROM stage_run s WHERE s.practice_id = p.id AND s.ran_at > %(now)s - interval '1 hour'))
ORDER BY p.id
"""
