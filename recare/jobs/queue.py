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

from recare.base import db
from recare.practices import practice as practices

_SILENT_AFTER: Final = timedelta(seconds=60)
log = structlog.get_logger()


def enqueue(practice_id: int) -> bool:
    """Ask for a step of one practice; False when one is waiting already. Commits or rolls back with the caller's rows."""
    try:
        step.configure(lock=f"practice-{practice_id}", queueing_lock=f"step-{practice_id}").defer(
            practice_id=practice_id
        )
    except AlreadyEnqueued:
        return False
    return True


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


@app.periodic(cron="* * * * * */5")
@app.task(name="tick", queue="ticks", queueing_lock="tick")
def tick(timestamp: int) -> None:
    """Ask for a step of every practice that has work due. One query for all practices: the queue is not the place to look."""
    del timestamp
    close_old_connections()
    for practice_id in due_practices():
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


def due_practices() -> list[int]:
    """Return the practices that may have work: all with a clock of real time. A step without work costs a few index look-ups."""
    return [
        int(found)
        for found in db.values("SELECT id FROM practice WHERE clock_at IS NULL AND held_at IS NULL ORDER BY id")
    ]
