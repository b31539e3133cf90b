"""A stranger practice sees nothing, whatever SQL it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from django.db import transaction
from django.db.utils import DatabaseError

from recare.base import db
from tests.conftest import new_practice
from tests.factories import make_patient

if TYPE_CHECKING:
    from recare.practices.practice import Practice


def test_a_practice_sees_its_own_patients_and_no_others(practice: Practice) -> None:
    mine = make_patient(practice.id)
    stranger = new_practice()
    with db.scope(stranger.id):
        assert db.values("SELECT id FROM patient") == []
        assert db.run("UPDATE patient SET first_name = 'taken'") == 0
        assert db.run("DELETE FROM patient") == 0
    assert db.values("SELECT id FROM patient") == [mine]


def test_a_row_cannot_be_written_into_another_practice(practice: Practice) -> None:
    stranger = new_practice()
    with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
        make_patient(stranger.id)


def test_a_reference_into_another_practice_is_refused_by_the_database(practice: Practice) -> None:
    other = new_practice()
    with db.scope([practice.id, other.id]):
        theirs = make_patient(other.id)
        with pytest.raises(DatabaseError, match="foreign key"), transaction.atomic():
            make_patient(practice.id, guarantor_id=theirs)


def test_without_a_scope_every_statement_fails(committed_practice: Practice) -> None:
    with db.scope(committed_practice.id):
        make_patient(committed_practice.id)  # whether an empty table is looked at at all is the planner's affair
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        db.values("SELECT id FROM patient")
    assert isinstance(caught.value.__cause__, psycopg.Error)
