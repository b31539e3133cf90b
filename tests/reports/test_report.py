from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from recare.base import db
from recare.practices import staff
from recare.practices.practice import Practice
from recare.reports import intervals, printed
from recare.reports.report import Report, build
from tests.factories import insert, make_point
from tests.reports.test_outcomes import ASSIGNED, NOW, enrol, version

__all__ = ["version"]


def arms(practice: Practice, version: tuple[int, int], treated: tuple[int, int], held: tuple[int, int]) -> Report:
    """Enrol (patients, kept) of each arm and build the report."""
    for arm, (patients, kept) in (("treated", treated), ("held_out", held)):
        for number in range(patients):
            _, enrolment = enrol(practice, version, arm)
            if number < kept:
                insert(
                    "outcome", practice_id=practice.id, enrolment_id=enrolment, kind="kept", at=ASSIGNED + timedelta(days=20),
                    evidence="test", recorded_at=NOW,
                )  # fmt: skip
    return build(practice, version[0], NOW)


def test_a_large_difference_is_told_with_its_interval(practice: Practice, version: tuple[int, int]) -> None:
    report = arms(practice, version, (60, 30), (60, 6))
    assert report.verdict == "more"
    assert re.match(
        r"24 more kept visits than without it \(\d+ to \d+\): \+40\.0 points \(95 % interval", report.finding
    )


def test_a_small_difference_is_not_distinguishable_and_says_what_could_have_been_seen(
    practice: Practice, version: tuple[int, int]
) -> None:
    report = arms(practice, version, (40, 3), (40, 2))
    assert report.verdict == "not distinguishable from zero"
    assert "smallest difference that could have been seen" in report.finding
    assert report.cost_incremental.high is None


def test_before_ninety_days_nothing_is_claimed(practice: Practice, version: tuple[int, int]) -> None:
    arms(practice, version, (10, 9), (10, 0))
    early = build(practice, version[0], ASSIGNED + timedelta(days=89))
    assert early.verdict == "too early"
    assert "Too early" in early.finding


def test_without_a_hold_out_nothing_is_claimed(practice: Practice, version: tuple[int, int]) -> None:
    assert arms(practice, version, (10, 9), (0, 0)).verdict == "no control"


def test_a_visit_on_day_91_is_outside_the_window(practice: Practice, version: tuple[int, int]) -> None:
    _, enrolment = enrol(practice, version)
    insert(
        "outcome", practice_id=practice.id, enrolment_id=enrolment, kind="kept", at=ASSIGNED + timedelta(days=91), evidence="t",
        recorded_at=NOW,
    )  # fmt: skip
    assert build(practice, version[0], NOW).treated.kept.count == 0


def test_text_csv_and_json_carry_the_same_finding(practice: Practice, version: tuple[int, int]) -> None:
    report = arms(practice, version, (20, 5), (20, 1))
    assert report.finding in printed.as_text(report)
    assert report.finding in {row["value"] for row in csv.DictReader(io.StringIO(printed.as_csv(report)))}
    assert json.loads(printed.as_json(report))["finding"] == report.finding


def test_a_report_costs_the_same_statements_for_one_patient_as_for_three(
    practice: Practice, version: tuple[int, int]
) -> None:
    counts = []
    for patients in (1, 2):
        arms(practice, version, (patients, 1), (patients, 0))
        with CaptureQueriesContext(connection) as queries:
            build(practice, version[0], NOW)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("role", ["owner", "front_desk"])
def test_only_roles_that_read_results_see_the_page(
    client: Client, practice: Practice, version: tuple[int, int], role: str
) -> None:
    arms(practice, version, (20, 5), (20, 1))
    db.run("UPDATE practice SET clock_at = %(now)s WHERE id = %(id)s", now=NOW, id=practice.id)
    staff.create_user(f"{role}-{practice.slug}@example.com", "correct horse battery", role, practice.slug, NOW)
    client.post("/sign-in/", {"email": f"{role}-{practice.slug}@example.com", "password": "correct horse battery"})
    page, file = client.get("/results/"), client.get("/results.csv")
    if role == "owner":
        assert "Contacted against left alone" in page.content.decode()
        assert file.headers["Content-Type"] == "text/csv"
    else:
        assert page.status_code == file.status_code == 403


def test_another_practices_campaign_does_not_exist(client: Client, practice: Practice) -> None:
    staff.create_user(f"o-{practice.slug}@example.com", "correct horse battery", "owner", practice.slug, NOW)
    client.post("/sign-in/", {"email": f"o-{practice.slug}@example.com", "password": "correct horse battery"})
    assert client.get("/results/?campaign=999999").status_code == 404
    assert client.get("/results/?campaign=x'").status_code == 404
    assert client.get("/results/", {"campaign": "\N{SUPERSCRIPT TWO}"}).status_code == 404


def spends(practice: Practice, enrolment: int, patient: int, dollars: int) -> None:
    """A letter of this price goes out to the patient."""
    touch = insert(
        "touch", practice_id=practice.id, enrolment_id=enrolment, patient_id=patient, step=0, attempt=0, channel="letter", verdict="send",
        decided_at=ASSIGNED,
    )  # fmt: skip
    insert(
        "message", practice_id=practice.id, touch_id=touch, patient_id=patient, contact_point_id=make_point(practice.id, patient), channel="letter",
        message_class="R", body_text="", state="sent", basis="chart", not_before=ASSIGNED, not_after=ASSIGNED, created_at=ASSIGNED,
        sent_at=ASSIGNED, cost_micros=dollars * 1_000_000,
    )  # fmt: skip


def test_what_was_spent_on_those_still_within_their_days_is_no_cost_of_those_compared(
    practice: Practice, version: tuple[int, int]
) -> None:
    arms(practice, version, (10, 5), (10, 0))
    for days in (0, 60):  # one whose days are over, one whose are not
        patient, enrolment = enrol(practice, version, assigned_at=ASSIGNED + timedelta(days=days))
        spends(practice, enrolment, patient, dollars=20)
    report = build(practice, version[0], NOW)
    assert (report.cost_cents, report.treated.patients) == (4000, 11)
    assert report.cost_naive_cents == 400
    assert report.cost_incremental.value == pytest.approx(2000 / 11 / (5 / 11))


def test_families_who_come_together_make_an_arms_own_interval_wider(
    practice: Practice, version: tuple[int, int]
) -> None:
    for arm in ("treated", "held_out"):
        for number in range(40):
            for _ in range(4):
                _, enrolment = enrol(practice, version, arm, unit=f"{arm}{number}")
                if number < 20:
                    insert(
                        "outcome", practice_id=practice.id, enrolment_id=enrolment, kind="kept", at=ASSIGNED + timedelta(days=20),
                        evidence="test", recorded_at=NOW,
                    )  # fmt: skip
    treated = build(practice, version[0], NOW).treated
    assert treated.effective == pytest.approx(39)
    assert (treated.kept.low, treated.kept.high) == intervals.wilson(19.5, 39)
