"""Kill switches: of a practice, of its group, of the installation. Thrown while workers run, they hold within two seconds."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from django.db import connections

from recare.base import audit, db
from recare.messages import send
from recare.practices import change
from tests.factories import insert
from tests.messages import outbox, recording
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from recare.channels.outgoing import Outgoing
    from recare.practices.practice import Practice

WITHIN = 2.0
Switch = tuple["Callable[[Practice], None]", "Callable[[Practice], None]"]


def stop_practice(place: Practice) -> None:
    with db.scope(place.id):
        change.stop_everything(place, "owner", NOW)


def practice_goes_on(place: Practice) -> None:
    with db.scope(place.id):
        change.go_on(place, "owner", NOW)


SWITCHES: dict[str, Switch] = {
    "practice": (stop_practice, practice_goes_on),
    "group": (lambda p: change.stop_group(f"group {p.id}", "operator", NOW), lambda p: change.group_goes_on(f"group {p.id}", "operator", NOW)),
    "installation": (lambda _: change.stop_installation("operator", NOW), lambda _: change.installation_goes_on("operator", NOW)),
}  # fmt: skip


class Workers:
    """Two threads that send batch after batch until told to leave."""

    def __init__(self, practice_id: int) -> None:
        self._leave = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(practice_id, f"w{n}")) for n in range(2)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        for thread in self._threads:
            thread.join()

    def _work(self, practice_id: int, name: str) -> None:
        while not self._leave.is_set():
            if not send.send_batch(practice_id, NOW, limit=50, worker=name):
                time.sleep(0.02)
        connections.close_all()


@pytest.fixture
def calls() -> Iterator[list[float]]:
    recording.faults.clear()
    yield []
    recording.faults.clear()


@pytest.mark.parametrize("name", SWITCHES)
def test_no_provider_is_called_two_seconds_after_a_switch(
    committed_practice: Practice, tmp_path: Path, calls: list[float], name: str
) -> None:
    place = committed_practice
    throw, take_back = SWITCHES[name]

    def watch(_: Outgoing) -> None:
        calls.append(time.monotonic())

    with db.scope(place.id):
        group = insert("practice_group", name=f"group {place.id}")
        db.run("UPDATE practice SET group_id = %(g)s WHERE id = %(p)s", g=group, p=place.id)
        outbox.make_sender(place.id, "sms", tmp_path / "provider", delay=0.02)
        case = outbox.make_case(place.id)
        for _ in range(120):
            outbox.make_message(case)
        for address in db.values("SELECT address FROM contact_point WHERE practice_id = %(p)s", p=place.id):
            recording.faults[address] = watch
    with Workers(place.id):
        wait_for(lambda: len(calls) >= 10)
        throw(place)
        thrown_at = time.monotonic()
        try:
            time.sleep(WITHIN + 0.5)
            late, before = [at - thrown_at for at in calls if at > thrown_at + WITHIN], len(calls)
        finally:
            take_back(place)
        assert not late
        assert before < 120, "the switch came too late to show anything"
        wait_for(lambda: len(calls) == 120)
    with db.scope(place.id):
        assert outbox.states(place.id) == {"sent": 120}
    assert max(recording.recorded(tmp_path / "provider").values()) == 1


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.01)


def test_who_threw_the_switch_of_the_installation_is_in_its_trail(committed_practice: Practice) -> None:
    change.stop_installation("operator dana", NOW)
    change.installation_goes_on("operator dana", NOW)
    with db.scope(audit.INSTALLATION):
        verbs = db.values("SELECT verb FROM audit_entry WHERE practice_id = 0 AND actor = 'operator dana' ORDER BY seq")
        assert verbs == ["stopped all sending", "allowed sending again"]
        assert audit.verify(audit.INSTALLATION) is None
    with pytest.raises(LookupError, match="no group of practices named 'nobody'"):
        change.stop_group("nobody", "operator", NOW)
