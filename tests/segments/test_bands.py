"""Bands: the same in Python and in SQL, on every boundary."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from recare.base import db
from recare.segments import bands
from tests.factories import make_patient

if TYPE_CHECKING:
    from recare.practices.practice import Practice

TODAY = date(2027, 1, 12)


@pytest.mark.parametrize(
    ("label", "visit", "interval", "band"),
    [
        ("founding-article", "2026-07-13", None, "active"), ("founding-article", "2026-07-12", None, "overdue"),
        ("founding-article", "2026-01-12", None, "overdue"), ("founding-article", "2026-01-11", None, "lapsed"),
        ("founding-article", "2025-01-12", None, "lapsed"), ("founding-article", "2025-01-11", None, "long_lapsed"),
        ("founding-article", None, None, "never"), ("founding-article", "2027-01-12", None, "active"), ("founding-article", "2028-01-12", None, "active"),
        ("ada", "2026-01-12", None, "active"), ("ada", "2026-01-11", None, "at_risk"), ("ada", "2025-01-12", None, "at_risk"),
        ("ada", "2025-01-11", None, "inactive"), ("ada", None, 365, "never"),
    ],
)  # fmt: skip
def test_a_band_ends_on_its_day(label: str, visit: str | None, interval: int | None, band: str) -> None:
    assert bands.get(label).of(date.fromisoformat(visit) if visit else None, interval, TODAY) == band


@pytest.mark.parametrize(("months", "interval", "band"), [(7, None, "overdue"), (7, 365, "active"), (13, 365, "overdue"), (19, 365, "lapsed"),
                                                          (31, 365, "long_lapsed"), (4, 91, "overdue"), (2, 91, "active"), (13, 91, "lapsed"),
                                                          (7, 183, "overdue")])  # fmt: skip
def test_the_patients_own_interval_rules_the_first_limit_and_a_longer_one_moves_the_others(
    months: int, interval: int | None, band: str
) -> None:
    assert bands.get().of(bands.months_before(TODAY, months), interval, TODAY) == band


def test_the_ada_definition_looks_at_the_day_of_care_alone() -> None:
    assert bands.get("ada").of(bands.months_before(TODAY, 13), 730, TODAY) == "at_risk"


@pytest.mark.parametrize("label", ["founding-article", "ada"])
def test_sql_and_python_put_everybody_into_the_same_band(practice: Practice, label: str) -> None:
    definition, rng = bands.get(label), random.Random(4)
    for _ in range(150):
        visit = rng.choice(
            (
                None,
                *(
                    TODAY - timedelta(days=rng.choice((0, 1, 181, 182, 183, 184, 365, 366, rng.randrange(1200))))
                    for _ in range(4)
                ),
            )
        )
        db.run(
            "INSERT INTO patient_facts (practice_id, patient_id, status, contactable, last_visit_on, recall_interval_days)"
            " VALUES (%(practice)s, %(patient)s, 'active', true, %(visit)s, %(interval)s)",
            practice=practice.id, patient=make_patient(practice.id), visit=visit, interval=rng.choice((None, 91, 122, 183, 365, 730)),
        )  # fmt: skip
    sql, params = definition.sql(TODAY)
    rows = db.tuples(
        f"SELECT f.last_visit_on, f.recall_interval_days, {sql} FROM patient_facts f WHERE f.practice_id = %(p)s",
        p=practice.id,
        **params,
    )
    assert len({row[2] for row in rows}) == len(definition.names)
    assert [row[2] for row in rows] == [definition.of(row[0], row[1], TODAY) for row in rows]


def test_every_definition_has_a_name_and_a_version_for_reports() -> None:
    assert [each.label for each in bands.every()] == ["founding-article 1", "ada 1"]
    assert bands.get("ada 1").inactive == ("inactive",)
    assert bands.of_practice({}).label == "founding-article 1"
    assert bands.of_practice({"bands": "ada"}).label == "ada 1"


def test_an_unknown_definition_is_refused_with_the_choices() -> None:
    with pytest.raises(LookupError, match="founding-article 1, ada 1"):
        bands.get("homemade")


@pytest.mark.parametrize(("day", "months", "before"), [(date(2026, 8, 31), 6, date(2026, 2, 28)), (date(2024, 2, 29), 12, date(2023, 2, 28)),
                                                       (date(2026, 1, 15), 1, date(2025, 12, 15)), (date(2026, 12, 31), -2, date(2027, 2, 28))])  # fmt: skip
def test_months_end_with_the_shorter_month(day: date, months: int, before: date) -> None:
    assert bands.months_before(day, months) == before
