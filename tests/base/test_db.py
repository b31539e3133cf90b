from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest

from recare.base import db
from recare.practices.practice import Practice
from tests.conftest import new_practice
from tests.factories import make_patient


@dataclass(frozen=True)
class Row:
    number: int
    data: object


@pytest.mark.usefixtures("db")
def test_rows_come_back_as_the_shape_that_was_asked_for() -> None:
    found = db.rows(
        Row, "SELECT n AS number, jsonb_build_object('a', n, 'b', NULL) AS data FROM generate_series(1, 2) n"
    )
    assert found == [Row(1, {"a": 1, "b": None}), Row(2, {"a": 2, "b": None})]


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("data", [{"when": "x"}, [1, "two", None], "text", 7, None])
def test_json_goes_in_and_comes_out_alike(data: object) -> None:
    assert db.value("SELECT %(data)s::jsonb", data=db.json(data)) == data


@pytest.mark.usefixtures("db")
def test_a_second_row_where_one_was_wanted_is_an_error() -> None:
    with pytest.raises(LookupError, match="2 were found"):
        db.one(Row, "SELECT n AS number, NULL AS data FROM generate_series(1, 2) n")


@pytest.mark.usefixtures("db")
def test_values_that_look_like_sql_stay_values() -> None:
    hostile = "'); DROP TABLE patient; -- %s %(x)s"
    assert db.value("SELECT %(text)s::text", text=hostile) == hostile


def test_rows_are_copied_in_by_type(practice: Practice) -> None:
    columns = ["practice_id", "source", "source_key", "first_name", "status", "birthdate"]
    copied = db.copy(
        "patient", columns, [(practice.id, "t", f"C{n}", "tab\tand\nline", "active", date(1990, 1, n)) for n in (1, 2)]
    )
    assert copied == 2
    assert db.values("SELECT first_name FROM patient ORDER BY source_key") == ["tab\tand\nline"] * 2


def test_a_scope_inside_another_gives_the_outer_its_practices_back(practice: Practice) -> None:
    mine, stranger = make_patient(practice.id), new_practice()
    with db.scope(stranger.id):
        assert db.values("SELECT id FROM patient") == []
    assert db.values("SELECT id FROM patient") == [mine]


def test_a_scope_that_fails_gives_the_outer_its_practices_back(practice: Practice) -> None:
    mine, stranger = make_patient(practice.id), new_practice()
    with pytest.raises(ZeroDivisionError), db.scope(stranger.id):
        raise ZeroDivisionError
    assert db.values("SELECT id FROM patient") == [mine]


@pytest.mark.usefixtures("db")
def test_instants_come_back_aware_and_in_utc() -> None:
    at = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)
    assert db.value("SELECT %(at)s::timestamptz", at=at) == at
