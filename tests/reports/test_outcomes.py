"""Booked and kept are counted alike for both arms, from the chart and from bookings made here."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from recare.base import db
from recare.practices.practice import Practice
from recare.reports import outcomes
from tests.factories import insert, make_patient, make_visit

ASSIGNED = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
NOW = datetime(2027, 2, 12, 17, 0, tzinfo=UTC)


@pytest.fixture
def version(practice: Practice) -> tuple[int, int]:
    campaign = insert(
        "campaign", practice_id=practice.id, name="Win-back", playbook="", state="running", created_at=ASSIGNED
    )
    frozen = insert(
        "campaign_version", practice_id=practice.id, campaign_id=campaign, number=1, spec=db.json({"bands": "article/1"}),
        spec_sha256="", salt="s", published_at=ASSIGNED, published_by="ada",
    )  # fmt: skip
    return campaign, frozen


def enrol(practice: Practice, version: tuple[int, int], arm: str = "treated", **more: Any) -> tuple[int, int]:
    patient = make_patient(practice.id)
    fields = {
        "assigned_at": ASSIGNED,
        "state": "waiting" if arm == "treated" else "held_out",
        "unit": f"p{patient}",
    } | more
    enrolment = insert(
        "enrolment", practice_id=practice.id, campaign_id=version[0], version_id=version[1], patient_id=patient, arm=arm,
        probability=0.9 if arm == "treated" else 0.1, salt="s", draw=0.5, snapshot=db.json({}), **fields,
    )  # fmt: skip
    return patient, enrolment


def found(practice: Practice) -> dict[tuple[int, str], date]:
    rows = db.tuples(
        "SELECT enrolment_id, kind, at FROM outcome WHERE practice_id = %(practice)s", practice=practice.id
    )
    return {(enrolment, kind): at.date() for enrolment, kind, at in rows}


@pytest.mark.parametrize("arm", ["treated", "held_out"])
def test_a_completed_visit_after_assignment_is_kept_in_either_arm(
    practice: Practice, version: tuple[int, int], arm: str
) -> None:
    patient, enrolment = enrol(practice, version, arm)
    make_visit(practice.id, patient, days=-30, first_seen_at=ASSIGNED + timedelta(days=3))
    outcomes.record_batch(practice.id, NOW)
    assert found(practice) == {(enrolment, "kept"): date(2026, 12, 13), (enrolment, "booked"): date(2026, 11, 5)}


@pytest.mark.parametrize("code", ["D9986", "D9987"])
def test_a_tracking_code_for_a_missed_or_cancelled_visit_is_no_visit(
    practice: Practice, version: tuple[int, int], code: str
) -> None:
    patient, _ = enrol(practice, version)
    insert(
        "procedure", practice_id=practice.id, patient_id=patient, source="t", source_key="1", code=code, status="completed",
        done_on=date(2026, 12, 1),
    )  # fmt: skip
    outcomes.record_batch(practice.id, NOW)
    assert found(practice) == {}


def test_a_visit_before_or_on_the_day_of_assignment_counts_for_nobody(
    practice: Practice, version: tuple[int, int]
) -> None:
    patient, _ = enrol(practice, version)
    for key, day in (("1", date(2026, 11, 1)), ("2", date(2026, 11, 2))):
        insert(
            "procedure", practice_id=practice.id, patient_id=patient, source="t", source_key=key, code="D1110",
            status="completed", done_on=day,
        )  # fmt: skip
    outcomes.record_batch(practice.id, NOW)
    assert found(practice) == {}


def test_a_second_look_changes_nothing_and_a_corrected_chart_is_followed(
    practice: Practice, version: tuple[int, int]
) -> None:
    patient, enrolment = enrol(practice, version)
    visit = make_visit(practice.id, patient, days=-30, first_seen_at=ASSIGNED + timedelta(days=3))
    assert outcomes.record_batch(practice.id, NOW) == 2
    assert outcomes.record_batch(practice.id, NOW) == 0
    db.run("UPDATE appointment SET status = 'missed' WHERE id = %(id)s", id=visit)
    outcomes.record_batch(practice.id, NOW)
    assert found(practice) == {(enrolment, "booked"): date(2026, 11, 5)}
