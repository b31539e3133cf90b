"""Work is asked for together with the rows that make it; a job that waits already costs the second asker nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from recare.base import db
from recare.jobs import queue
from recare.practices.practice import Practice
from recare.rehearsal import queue as rehearsals


@pytest.mark.parametrize("ask", [queue.enqueue, rehearsals.enqueue], ids=["a step", "days of a rehearsal"])
def test_a_job_that_waits_already_takes_nothing_back_of_what_was_written(
    committed_practice: Practice, ask: Callable[[int], bool]
) -> None:
    place = committed_practice.id
    with db.scope(place):
        assert ask(place)
    with db.scope(place):
        db.run("UPDATE practice SET city = 'Written' WHERE id = %(id)s", id=place)
        assert not ask(place)
    assert db.value("SELECT city FROM practice WHERE id = %(id)s", id=place) == "Written"
    db.run("DELETE FROM procrastinate_jobs WHERE args ->> 'practice_id' = %(id)s", id=str(place))
