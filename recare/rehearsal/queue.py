"""The job that turns a rehearsal's clock. One a practice at a time."""

from __future__ import annotations

from django.db import close_old_connections
from procrastinate.contrib.django import app

from recare.base import jobs


def enqueue(practice_id: int) -> bool:
    """Ask for the days that are wanted; False when that has been asked for already."""
    return jobs.ask("rehearse", practice_id, "practice")


@app.task(name="rehearse", queue="steps")
def rehearse(practice_id: int) -> None:
    """Play the days that are wanted."""
    from recare.rehearsal.run import play

    close_old_connections()
    play(practice_id)
