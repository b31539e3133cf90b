"""What the database knows feeds the gates honestly: inquiries, authorizations, declared emergencies. What it does not know lifts nothing."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recare.base import db
from recare.campaigns import contexts
from recare.campaigns.contexts import Ask
from recare.compliance.context import Context, Emergency, PracticeFacts
from recare.consent import grant, ledger
from recare.consent.grant import Evidence
from recare.practices import setup
from tests import factories
from tests.campaigns import build
from tests.compliance.questions import answer

if TYPE_CHECKING:
    from recare.practices.practice import Practice

NOW = build.NOW


def context(practice: Practice, patient: int, channel: str = "sms") -> Context:
    label = "email" if channel == "email" else "mobile"
    point = db.value(
        "SELECT contact_point_id FROM patient_contact WHERE practice_id = %(p)s AND patient_id = %(i)s AND label = %(l)s",
        p=practice.id, i=patient, l=label,
    )  # fmt: skip
    return contexts.load(practice.id, [Ask(patient, channel, "R", point)], NOW)[0]  # type: ignore[arg-type]


def reply(practice: Practice, patient: int, intent: str, days: int) -> None:
    at = NOW - timedelta(days=days)
    event = factories.insert(
        "inbound_event", practice_id=practice.id, provider="t", provider_event_id=f"{patient}{intent}{days}", channel="sms", sender="+16305550199",
        received_at=at, applied_at=at,
    )  # fmt: skip
    factories.insert(
        "reply", practice_id=practice.id, inbound_event_id=event, patient_id=patient, intent=intent, detector="rules-1", held=False, at=at
    )  # fmt: skip


@pytest.mark.parametrize(("intent", "counts"), [("question", True), ("call_me", True), ("yes", True), ("not_now", False), ("angry", False), ("unclear", False), ("stop", False)])  # fmt: skip
def test_DNC_02_a_question_is_an_inquiry_and_an_answer_is_none(practice: Practice, intent: str, counts: bool) -> None:  # noqa: FBT001
    patient = build.person(practice.id)
    reply(practice, patient, intent, 20)
    found = context(practice, patient).patient.last_inquiry_on
    assert found == ((NOW - timedelta(days=20)).date() if counts else None)


def test_DNC_02_nothing_known_is_no_inquiry(practice: Practice) -> None:
    assert context(practice, build.person(practice.id)).patient.last_inquiry_on is None


SIGNED = Evidence("paper", "scan:9", signature="Ada Example")


def until(practice: Practice, patient: int) -> date | None:
    found = context(practice, patient, "email").point
    assert found is not None
    return found.authorization_until


def test_HIP_02_an_authorization_runs_until_its_last_day_and_ends_when_taken_back(practice: Practice) -> None:
    patient, other = build.person(practice.id), build.person(practice.id)
    point = db.value("SELECT min(contact_point_id) FROM patient_contact WHERE practice_id = %(p)s AND patient_id = %(i)s", p=practice.id, i=patient)  # fmt: skip
    assert until(practice, patient) is None
    grant.authorize(practice.id, point, patient, date(2027, 6, 30), SIGNED, NOW)
    assert (until(practice, patient), until(practice, other)) == (date(2027, 6, 30), None)
    grant.end_authorization(practice.id, point, patient, "note:1", "desk", NOW + timedelta(hours=1))
    assert until(practice, patient) is None
    assert ledger.verify(practice.id) is None


@pytest.mark.parametrize(("evidence", "last"), [(Evidence("paper", "scan:9"), date(2027, 6, 30)), (Evidence("paper", signature="Ada"), date(2027, 6, 30)), (SIGNED, date(2027, 1, 11))])  # fmt: skip
def test_HIP_02_an_authorization_without_its_parts_is_refused(
    practice: Practice, evidence: Evidence, last: date
) -> None:
    patient = build.person(practice.id)
    point = context(practice, patient).point
    assert point is not None
    with pytest.raises(ValueError, match=r"signed|ended"):
        grant.authorize(practice.id, point.id, patient, last, evidence, NOW)


NY: dict[str, Any] = {"zip": "14201", "address": "+17165550101"}
WED = datetime(2027, 1, 13, 18, 0, tzinfo=UTC)
SNOW = Emergency("NY", date(2027, 1, 10), date(2027, 1, 20), ("142", "143"))


@pytest.mark.parametrize(
    ("declared", "facts", "stops"),
    [
        (SNOW, {}, True), (SNOW, {"zip": "10001"}, False), (SNOW, {"zip": ""}, True), (SNOW, {"zip": "80202"}, True), (SNOW, {"zip": "14301"}, True),
        (SNOW, {"zip": "80202", "address": "+13035550101"}, False), (Emergency("NY", date(2027, 1, 14)), {}, False), (Emergency("NY", date(2027, 1, 13)), {}, True),
        (Emergency("NY", date(2026, 12, 1), date(2027, 1, 12)), {}, False), (Emergency("NY", date(2026, 12, 1), date(2027, 1, 13)), {"zip": "10001"}, True),
    ],
)  # fmt: skip
def test_TIM_02_a_declared_emergency_silences_calls_and_texts_there(
    declared: Emergency,
    facts: dict[str, Any],
    stops: bool,  # noqa: FBT001
) -> None:
    for channel in ("sms", "call"):
        found = answer(
            "R", channel, WED, practice=PracticeFacts(id=1, emergencies=(declared,)), level=3, **(NY | facts)
        )
        assert ("EMERGENCY_AREA" in found.codes) is stops
    assert (
        "EMERGENCY_AREA"
        not in answer("A", "sms", WED, practice=PracticeFacts(id=1, emergencies=(declared,)), **(NY | facts)).codes
    )
    assert (
        "EMERGENCY_AREA"
        not in answer("R", "email", WED, practice=PracticeFacts(id=1, emergencies=(declared,)), zip="14201").codes
    )


SPEC = "name: Maple\ntz: America/New_York\n"


def test_TIM_02_the_practice_file_declares_and_ends_an_emergency(practice: Practice, tmp_path: Path) -> None:
    patient = build.person(practice.id)
    file = tmp_path / "practice.yaml"
    declared = "emergencies:\n- {state: NY, first: 2027-01-10, until: 2027-01-20, zips: ['142']}\n"
    for text, wanted in (
        (declared, (Emergency("NY", date(2027, 1, 10), date(2027, 1, 20), ("142",)),)),
        ("", None),
        ("emergencies: []\n", ()),
    ):
        file.write_text(SPEC + text)
        setup.apply(practice.id, setup.read_practice_yaml(file))
        found = context(practice, patient).practice.emergencies
        assert wanted is None or found == wanted


@pytest.mark.parametrize(
    "wrong",
    ["{state: NY}", "{state: New York, first: 2027-01-10}", "{state: NY, first: 2027-01-10, until: 2027-01-01}", "{state: NY, first: 2027-01-10, zips: ['1']}", "{state: NY, first: soon}"],
)  # fmt: skip
def test_TIM_02_a_half_written_emergency_is_refused(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "practice.yaml"
    file.write_text(f"{SPEC}emergencies:\n- {wrong}\n")
    with pytest.raises(ValueError, match="emergencies"):
        setup.read_practice_yaml(file)
