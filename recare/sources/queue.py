"""The job that reads or writes an uploaded export, so that no page waits for it."""

from __future__ import annotations

from django.db import close_old_connections
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import JobAborted

from recare.sources import imports


def enqueue(practice_id: int, token: str, *, writing: bool = False) -> None:
    """Ask a worker to go on with an upload. Writing takes turns with all other work of the practice; reading waits for nobody."""
    lock = f"practice-{practice_id}" if writing else f"import-{token}"
    go_on.configure(lock=lock).defer(practice_id=practice_id, token=token)


@app.task(
    name="import",
    queue="imports",
    pass_context=True,
    retry=RetryStrategy(wait=5, retry_exceptions=imports.AGAIN),
)
def go_on(context: JobContext, practice_id: int, token: str) -> None:
    """Read or write one upload; given back when the worker is asked to end."""

    def check() -> None:
        if context.should_abort():
            raise JobAborted

    close_old_connections()
    imports.work(practice_id, token, check)


@app.periodic(cron="17 * * * *")
@app.task(name="sweep uploads", queue="ticks", queueing_lock="sweep uploads")
def sweep(timestamp: int) -> None:
    """Remove uploads nobody came back to."""
    del timestamp
    close_old_connections()
    imports.sweep()
