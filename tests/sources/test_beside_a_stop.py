"""An import and a STOP at the same moment: neither is thrown away for the other's sake (ENG-02)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

import pytest
from django.db import connections

from recare.base import db
from recare.consent import ledger, revoke
from recare.practices.practice import Practice
from recare.sources.csv import people
from recare.sources.csv.merge import Run
from tests.sources.test_again import TOMORROW, export, load, row


def test_a_stop_that_comes_while_an_import_writes_patients_stands_and_so_does_the_import(
    committed_practice: Practice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, written, goes_on = committed_practice, Event(), Event()
    load(place, export(tmp_path, [row(1), row(2)]))
    with db.scope(place.id):
        db.run("DELETE FROM patient_change")  # as a worker does once facts are computed
        point = db.value("SELECT id FROM contact_point WHERE address = '+16305550101'")
    refuse = people.refuse

    def later(run: Run) -> int:
        written.set()
        goes_on.wait(10)
        return refuse(run)

    monkeypatch.setattr(people, "refuse", later)

    def imports() -> None:
        load(place, export(tmp_path, [row(1, LName="Other", TxtMsgOk="1"), row(2, TxtMsgOk="2")]), TOMORROW)
        connections.close_all()

    def stops() -> None:
        with db.scope(place.id):
            revoke.revoke(place.id, point, revoke.NUMBER, "sms_keyword", "patient", "STOP", "inbound:1", TOMORROW)
        connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        importing = pool.submit(imports)
        written.wait(10)
        stopping = pool.submit(stops)
        wait([stopping], timeout=2)
        goes_on.set()
        importing.result(timeout=30)
        stopping.result(timeout=30)
    with db.scope(place.id):
        assert db.value("SELECT sms_out_at FROM contact_point WHERE id = %(id)s", id=point) == TOMORROW
        assert ledger.verify(place.id) is None
