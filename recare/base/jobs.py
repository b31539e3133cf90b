"""Ask the worker for something, by the name of the job: so a room can ask for work that is done in a room above it."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

QUEUE: Final = "steps"


def ask(name: str, practice_id: int, lock: str) -> bool:
    """Put the job ``name`` of a practice into the queue, together with the caller's rows; False when it is waiting there already.

    Jobs with the same ``lock`` never run side by side.
    """
    try:
        with transaction.atomic():  # a refused row would take everything with it that the caller has written
            app.configure_task(
                name, queue=QUEUE, lock=f"{lock}-{practice_id}", queueing_lock=f"{name}-{practice_id}"
            ).defer(practice_id=practice_id)
    except AlreadyEnqueued:
        return False
    return True
