from __future__ import annotations

import os
from datetime import datetime

import psycopg
import pytest
from django.db import transaction
from django.db.utils import DatabaseError

from recare.base import audit, db
from recare.practices.practice import Practice


def _three_entries(practice: Practice, now: datetime) -> None:
    for verb in ("viewed a list", "exported", "sent"):
        audit.record(practice.id, "ada@example.com", verb, "campaign:1", now, {"rows": 214})


def test_the_trail_of_three_entries_is_whole(practice: Practice, now: datetime) -> None:
    _three_entries(practice, now)
    assert audit.verify(practice.id) is None


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entry SET verb = 'slept'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"]
)
def test_sec_05_the_database_refuses_to_change_the_trail(practice: Practice, now: datetime, statement: str) -> None:
    _three_entries(practice, now)
    with pytest.raises(DatabaseError), transaction.atomic():
        db.run(statement)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit_entry SET detail = '{\"rows\": 213}' WHERE practice_id = %s AND seq = 2",
        "DELETE FROM audit_entry WHERE practice_id = %s AND seq = 2",
        "UPDATE audit_entry SET seq = seq + 10 WHERE practice_id = %s AND seq = 2",
    ],
)
def test_sec_06_verify_names_the_first_entry_that_somebody_with_full_rights_has_touched(
    committed_practice: Practice, now: datetime, tampering: str
) -> None:
    with db.scope(committed_practice.id):
        _three_entries(committed_practice, now)
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as owner:
        owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER append_only")
        owner.execute("SELECT set_config('recare.practices', %s, true)", [f"{{{committed_practice.id}}}"])
        owner.execute(tampering, [committed_practice.id])
        owner.execute("ALTER TABLE audit_entry ENABLE TRIGGER append_only")
    with db.scope(committed_practice.id):
        problem = audit.verify(committed_practice.id)
    assert "entry 2 of the audit trail" in str(problem)
