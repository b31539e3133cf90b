"""A disk that runs full while an import writes: it is said once, and nothing tries for ever."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from recare.base import db
from recare.practices import practice as practices
from recare.practices.practice import Practice
from recare.sources import imports
from recare.sources.csv import importer
from tests.sources.test_again import NOW, export, one, row


@pytest.fixture
def full_disk(committed_practice: Practice) -> Iterator[Callable[[], None]]:
    """The server answers as one whose disk is full when a procedure is written, until somebody makes room."""
    name = f"full_{committed_practice.id}"

    def run(statement: str) -> None:
        with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as owner:
            owner.execute(statement)

    run(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$; "
        f"CREATE TRIGGER {name} BEFORE INSERT ON procedure FOR EACH ROW WHEN (NEW.practice_id = {committed_practice.id}) EXECUTE FUNCTION {name}()"
    )
    make_room = partial(run, f"DROP FUNCTION IF EXISTS {name} CASCADE")
    yield make_room
    make_room()


def test_a_full_disk_stops_an_import_in_one_sentence_and_room_lets_it_go_on(
    committed_practice: Practice, tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    place = committed_practice
    practices.set_clock(place.id, NOW)
    export(tmp_path, [row(1), row(2)])
    export(
        tmp_path,
        [{"ProcNum": "1", "PatNum": "1", "TransDate": "3/3/2025", "ADACode": "D1110", "Status": "C"}],
        "procedures.csv",
    )
    said: list[str] = []
    assert importer.run_import([tmp_path], place.slug, False, NOW, said.append) == 1
    assert said[-1].startswith("The disk is full")
    files = [SimpleUploadedFile(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())]
    with db.scope(place.id):
        token = imports.begin(place.id, files, "test", NOW)
    imports.work(place.id, token)
    with db.scope(place.id):
        imports.ask(place.id, token, "writing")
    imports.work(place.id, token)  # ends: nothing is raised, so nothing is tried again by itself
    with db.scope(place.id):
        found = imports.find(place.id, token)
        assert found is not None
        assert (found.state, found.error[:16]) == ("failed", "The disk is full")
        assert one("SELECT (SELECT count(*) FROM patient), (SELECT count(*) FROM procedure)") == (2, 0)
    full_disk()
    with db.scope(place.id):
        assert imports.ask(place.id, token, "writing")
    imports.work(place.id, token)
    with db.scope(place.id):
        assert one("SELECT (SELECT count(*) FROM patient), (SELECT count(*) FROM procedure)") == (2, 1)
        assert db.values("SELECT state FROM sync_run ORDER BY id") == ["failed", "failed", "done"]
