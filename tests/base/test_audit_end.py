"""The end of the audit trail is kept apart from it: what was cut off is named, and nobody turns the end back (SEC-05, SEC-06)."""

from __future__ import annotations

import os
import threading
from datetime import datetime

import psycopg
import pytest
from django.db import connections, transaction
from django.db.utils import DatabaseError

from recare.base import audit, chain, chained, db
from recare.practices.practice import Practice


def entries(practice: Practice, now: datetime, count: int = 3) -> None:
    for number in range(count):
        audit.record(practice.id, "ada@example.com", "viewed a list", f"campaign:{number}", now, {"rows": 214})


def as_administrator(practice: Practice, *statements: str) -> None:
    """What somebody with all rights on the database can do, against triggers and policies."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as owner:
        owner.execute("SELECT set_config('recare.practices', %s, true)", [f"{{{practice.id}}}"])
        for table in ("audit_entry", "audit_head", "consent_chain"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            owner.execute(statement, {"practice": practice.id})
        for table in ("audit_entry", "audit_head", "consent_chain"):
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


CUT = "DELETE FROM audit_entry WHERE practice_id = %(practice)s AND seq > 1"


def test_sec_06_entries_cut_off_at_the_end_are_named(committed_practice: Practice, now: datetime) -> None:
    with db.scope(committed_practice.id):
        entries(committed_practice, now)
    as_administrator(committed_practice, CUT)
    with db.scope(committed_practice.id):
        problem = audit.verify(committed_practice.id)
    assert problem == f"Practice {committed_practice.id}: entry 2 of the audit trail is missing; 3 were written."


def test_sec_06_an_end_that_was_noted_elsewhere_finds_a_cut_that_hides_itself(
    committed_practice: Practice, now: datetime
) -> None:
    with db.scope(committed_practice.id):
        entries(committed_practice, now)
        noted = audit.end(committed_practice.id)
    hide = (
        "UPDATE audit_head SET (seq, hash) = (SELECT seq, hash FROM audit_entry WHERE practice_id = %(practice)s AND seq = 1) "
        "WHERE practice_id = %(practice)s"
    )
    as_administrator(committed_practice, CUT, hide)
    with db.scope(committed_practice.id):
        assert audit.verify(committed_practice.id) is None
        assert "entry 2 of the audit trail is missing; 3 were written" in str(
            audit.verify(committed_practice.id, [noted])
        )
        entries(committed_practice, now)  # written over the gap, so that the count fits again
        assert "entry 3 of the audit trail is another one than was noted" in str(
            audit.verify(committed_practice.id, [noted])
        )


def test_a_trail_that_has_grown_still_passes_through_the_end_that_was_noted(practice: Practice, now: datetime) -> None:
    entries(practice, now)
    noted = audit.end(practice.id)
    entries(practice, now)
    assert audit.verify(practice.id, [noted, chain.NOTHING, audit.end(practice.id)]) is None


@pytest.mark.parametrize("table", ["audit_head", "consent_chain"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET seq = seq - 1",
        "UPDATE {table} SET hash = '\\x00'",
        "DELETE FROM {table}",
        "TRUNCATE {table}",
    ],
)
def test_sec_05_the_application_cannot_turn_the_end_of_a_chain_back(
    practice: Practice, now: datetime, table: str, statement: str
) -> None:
    entries(practice, now)
    db.run(
        "INSERT INTO consent_chain (practice_id, seq, hash) VALUES (%(practice)s, 2, %(hash)s)",
        practice=practice.id,
        hash=chain.GENESIS,
    )
    with pytest.raises(DatabaseError, match=r"refused|permission denied"), transaction.atomic():
        db.run(statement.format(table=table))


def test_a_long_trail_is_walked_page_by_page(
    practice: Practice, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chained, "_PAGE", 4)
    entries(practice, now, 10)
    assert audit.verify(practice.id) is None
    assert audit.end(practice.id).seq == 10


def test_first_entries_written_at_once_get_numbers_of_their_own(committed_practice: Practice, now: datetime) -> None:
    ready = threading.Barrier(4)

    def write() -> None:
        ready.wait()
        with db.scope(committed_practice.id):
            entries(committed_practice, now, 5)
        connections.close_all()

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with db.scope(committed_practice.id):
        assert audit.verify(committed_practice.id) is None
        assert audit.end(committed_practice.id).seq == 20
