"""The job that turns a rehearsal's clock. One a practice at a time."""

from __future__ import annotations

from django.db import close_old_connections
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued


def enqueue(practice_id: int) -> bool:
    """Ask for the days that are wanted; False when that has been asked for already."""
    try:
        rehearse.configure(lock=f"practice-{practice_id}", queueing_lock=f"rehearse-{practice_id}").defer(
            practice_id=practice_id
        )
    except AlreadyEnqueued:
        return False
    return True


@app.task(name="rehearse", queue="steps")
def rehearse(practice_id: int) -> None:
    """Play the days that are wanted."""
    from recare.rehearsal.run import play

    close_old_connections()
    play(practice_id)
