from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from recare.base import audit, db
from recare.consent import hold, ledger
from recare.practices.practice import Practice
from recare.segments import facts
from tests.conftest import SignIn, new_practice
from tests.factories import insert, make_patient, make_point, make_visit

VERBS = ("opt-out", "consent", "release", "wrong-number", "standing", "dismiss", "pause", "complaint", "do-not-call")
GRANT = {
    "grant-channel": "sms",
    "grant-level": "2",
    "grant-method": "paper",
    "grant-evidence_ref": "scan 7",
    "grant-language": "en",
}
FULL = GRANT | {
    "grant-level": "3", "grant-exact_text": "I agree that Maple Dental may text me offers.", "grant-signature": "Ada Example",
    "grant-seller_named": "on", "grant-not_condition_of_purchase": "on", "grant-frequency_disclosed": "on", "grant-msg_rates_disclosed": "on",
}  # fmt: skip


@pytest.fixture
def patient(practice: Practice) -> int:
    made = make_patient(practice.id)
    make_visit(practice.id, made, -500)
    facts.rebuild([practice.id])
    return made


def _events(practice: Practice, point: int) -> list[tuple[Any, ...]]:
    return db.tuples(
        "SELECT channel, type, method, level, actor FROM consent_event WHERE practice_id = %(practice)s AND contact_point_id = %(point)s ORDER BY seq",
        practice=practice.id, point=point,
    )  # fmt: skip


def _row(patient: int, columns: str) -> tuple[Any, ...]:
    return db.tuples(f"SELECT {columns} FROM patient WHERE id = %(id)s", id=patient)[0]


def _verbs(patient: int) -> list[str]:
    return db.values("SELECT verb FROM audit_entry WHERE object = %(object)s ORDER BY seq", object=f"patient:{patient}")


def _enrol(practice: Practice, patient: int, now: datetime) -> int:
    campaign = insert("campaign", practice_id=practice.id, name="C", playbook="", state="running", created_at=now)
    version = insert(
        "campaign_version", practice_id=practice.id, campaign_id=campaign, number=1, salt="s", spec_sha256="", published_at=now, published_by="o",
        spec=db.json({"playbook": {"stop": ["booked", "replied", "opted_out", "left", "complaint", "not_interested"], "steps": [], "purpose": "check_up"}}),
    )  # fmt: skip
    return insert(
        "enrolment", practice_id=practice.id, campaign_id=campaign, version_id=version, patient_id=patient, unit="u", arm="treated", probability=0.9,
        salt="s", draw=0.5, snapshot=db.json({}), assigned_at=now, state="waiting", due_at=now,
    )  # fmt: skip


def _enrolment(enrolment: int) -> tuple[str, str]:
    state, reason = db.tuples("SELECT state, stop_reason FROM enrolment WHERE id = %(id)s", id=enrolment)[0]
    return state, reason


def test_one_click_ends_texts_and_calls_to_a_number_and_the_campaign(
    practice: Practice, as_role: SignIn, patient: int, now: datetime
) -> None:
    point, mail = (
        make_point(practice.id, patient, sms_level=2),
        make_point(practice.id, patient, "ada@example.com", email_level=2),
    )
    enrolment, desk = _enrol(practice, patient, now), as_role("front_desk")
    assert desk.post(f"/patients/{patient}/opt-out/", {"point": point}).headers["Location"] == f"/patients/{patient}/"
    actor = f"front_desk-{practice.slug}@example.com"
    assert _events(practice, point) == [
        ("sms", "revoked", "front_desk", 0, actor),
        ("call", "revoked", "front_desk", 0, actor),
    ]
    assert _events(practice, mail) == []
    assert db.value("SELECT sms_out_at FROM contact_point WHERE id = %(id)s", id=point) is not None
    assert _enrolment(enrolment) == ("stopped", "opted_out")
    assert "recorded an opt-out" in _verbs(patient)
    assert b"asked us to stop" in desk.get(f"/patients/{patient}/").content


def test_no_contact_by_any_way_ends_every_address_and_says_so(
    practice: Practice, as_role: SignIn, patient: int
) -> None:
    points = [make_point(practice.id, patient), make_point(practice.id, patient, "ada@example.com")]
    as_role("front_desk").post(f"/patients/{patient}/opt-out/", {"point": "all"})
    assert [_events(practice, point)[0][:2] for point in points] == [("all", "revoked")] * 2
    assert _row(patient, "standing") == ("do_not_contact",)


def test_an_opt_out_leaves_a_dismissal_as_it_is(practice: Practice, as_role: SignIn, patient: int) -> None:
    db.run("UPDATE patient SET standing = 'dismissed' WHERE id = %(id)s", id=patient)
    as_role("front_desk").post(f"/patients/{patient}/opt-out/", {"point": "all"})
    assert _row(patient, "standing") == ("dismissed",)


@pytest.mark.parametrize(
    ("form", "level"),
    [(GRANT, 2), (FULL, 3), (FULL | {"grant-signature": ""}, 2), (FULL | {"grant-seller_named": ""}, 2)],
)
def test_a_consent_is_kept_with_its_evidence_at_the_level_it_carries(
    practice: Practice, as_role: SignIn, patient: int, form: dict[str, str], level: int
) -> None:
    point = make_point(practice.id, patient)
    assert as_role("front_desk").post(f"/patients/{patient}/consent/", form | {"point": str(point)}).status_code == 302
    assert db.tuples(
        "SELECT level, evidence_ref, person_id FROM consent_event WHERE contact_point_id = %(id)s", id=point
    ) == [(level, "scan 7", patient)]
    assert db.value("SELECT sms_level FROM contact_point WHERE id = %(id)s", id=point) == level
    facts.refresh(practice.id)
    assert db.value("SELECT sms_ok FROM patient_facts WHERE patient_id = %(id)s", id=patient)


@pytest.mark.parametrize(
    "wrong",
    [
        {"grant-evidence_ref": ""},
        {"grant-channel": "email"},
        {"grant-level": "9"},
        {"grant-method": "import"},
        {"grant-given_on": "2027-02-01"},
    ],
)
def test_a_consent_without_proof_or_sense_is_told_and_not_kept(
    practice: Practice, as_role: SignIn, patient: int, wrong: dict[str, str]
) -> None:
    point = make_point(practice.id, patient)
    answer = as_role("front_desk").post(f"/patients/{patient}/consent/", GRANT | wrong | {"point": str(point)})
    assert answer.status_code == 422
    assert _events(practice, point) == []


def test_an_old_paper_does_not_overrule_a_later_no(practice: Practice, as_role: SignIn, patient: int) -> None:
    point, desk = make_point(practice.id, patient), as_role("front_desk")
    desk.post(f"/patients/{patient}/opt-out/", {"point": point})
    page = desk.post(
        f"/patients/{patient}/consent/", GRANT | {"point": str(point), "grant-given_on": "2026-01-05"}, follow=True
    )
    assert b"A later no stands" in page.content
    assert db.value("SELECT sms_out_at FROM contact_point WHERE id = %(id)s", id=point) is not None


def test_a_held_number_is_released_only_with_a_word_why(
    practice: Practice, as_role: SignIn, patient: int, now: datetime
) -> None:
    point, desk = make_point(practice.id, patient), as_role("front_desk")
    hold.hold(practice.id, [point], 1, now)
    held = "SELECT held_at IS NOT NULL FROM contact_point WHERE id = %(id)s"
    desk.post(f"/patients/{patient}/release/", {"point": point, "why": " "})
    assert db.value(held, id=point)
    desk.post(f"/patients/{patient}/release/", {"point": point, "why": "asked for the address"})
    assert not db.value(held, id=point)
    assert db.value("SELECT detail FROM audit_entry WHERE verb = 'release_hold'") == {"why": "asked for the address"}


def test_a_wrong_number_rests_for_everybody_and_asks_for_the_right_one(
    practice: Practice, as_role: SignIn, patient: int
) -> None:
    point = make_point(practice.id, patient, sms_level=2)
    as_role("front_desk").post(f"/patients/{patient}/wrong-number/", {"point": point})
    assert _events(practice, point)[0][:3] == ("all", "wrong_number", "front_desk")
    assert db.tuples("SELECT kind, patient_id, contact_point_id FROM task") == [("wrong_number", patient, point)]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("moved", "moved"),
        ("transferred", "transferred"),
        ("deceased", "deceased"),
        ("do_not_contact", "opted_out"),
        ("bad_debt", "restricted"),
    ],
)
def test_a_standing_set_by_a_person_ends_the_campaign(
    practice: Practice, as_role: SignIn, patient: int, now: datetime, word: str, reason: str
) -> None:
    enrolment = _enrol(practice, patient, now)
    as_role("front_desk").post(f"/patients/{patient}/standing/", {"standing-word": word})
    assert _row(patient, "standing, standing_set_by") == (word, f"front_desk-{practice.slug}@example.com")
    assert _enrolment(enrolment) == ("stopped", reason)
    facts.refresh(practice.id)
    assert not db.value("SELECT contactable FROM patient_facts WHERE patient_id = %(id)s", id=patient)


@pytest.mark.parametrize("word", ["dismissed", "nonsense"])
def test_what_is_no_standing_is_refused(as_role: SignIn, patient: int, word: str) -> None:
    assert as_role("owner").post(f"/patients/{patient}/standing/", {"standing-word": word}).status_code == 422
    assert _row(patient, "standing") == ("",)


NOTICE = {"dismiss-notice_on": "2027-01-04", "dismiss-ends_on": "2027-02-05", "dismiss-letter_ref": "certified 7001"}


def test_a_dismissal_is_entered_with_its_letter_and_taken_back_only_by_owner_or_clinician_with_a_reason(
    practice: Practice, as_role: SignIn, patient: int, now: datetime
) -> None:
    enrolment, doctor, desk = _enrol(practice, patient, now), as_role("clinician"), as_role("front_desk")
    assert doctor.post(f"/patients/{patient}/dismiss/", NOTICE).status_code == 302
    assert _row(patient, "standing, dismissed_on") == ("dismissed", date(2027, 1, 4))
    assert db.tuples("SELECT notice_on, ends_on, letter_ref, lifted_at FROM dismissal") == [
        (date(2027, 1, 4), date(2027, 2, 5), "certified 7001", None)
    ]
    assert _enrolment(enrolment) == ("stopped", "dismissed")
    again = {"standing-word": "lapsed", "standing-why": "came back"}
    assert desk.post(f"/patients/{patient}/standing/", again).status_code == 422
    assert doctor.post(f"/patients/{patient}/standing/", again | {"standing-why": ""}).status_code == 422
    assert _row(patient, "standing") == ("dismissed",)
    assert doctor.post(f"/patients/{patient}/standing/", again).status_code == 302
    assert _row(patient, "standing, dismissed_on") == ("lapsed", None)
    assert (
        db.tuples("SELECT lifted_at, lifted_why FROM dismissal") == [(now, "came back")]
        or db.value("SELECT lifted_why FROM dismissal") == "came back"
    )


@pytest.mark.parametrize(
    "wrong", [{"dismiss-letter_ref": " "}, {"dismiss-notice_on": ""}, {"dismiss-ends_on": "2026-12-01"}]
)
def test_pat_02_a_dismissal_without_its_notice_is_refused(as_role: SignIn, patient: int, wrong: dict[str, str]) -> None:
    assert as_role("owner").post(f"/patients/{patient}/dismiss/", NOTICE | wrong).status_code == 422
    assert _row(patient, "dismissed_on") == (None,)
    assert db.value("SELECT count(*) FROM dismissal") == 0


def test_a_pause_begins_and_ends(practice: Practice, as_role: SignIn, patient: int) -> None:
    desk = as_role("front_desk")
    until = datetime.now(UTC).date() + timedelta(days=400)  # the practice's clock is the real one here
    desk.post(f"/patients/{patient}/pause/", {"pause-until": until.isoformat()})
    assert _row(patient, "paused_until") == (until,)
    assert desk.post(f"/patients/{patient}/pause/", {"pause-until": "2020-01-01"}).status_code == 422
    desk.post(f"/patients/{patient}/pause/", {"pause-until": ""})
    assert _row(patient, "paused_until") == (None,)
    assert [verb for verb in _verbs(patient) if "pause" in verb] == ["paused a patient", "ended a pause"]


def test_a_complaint_rests_the_household_until_somebody_senior_settles_it(
    practice: Practice, as_role: SignIn, patient: int, now: datetime
) -> None:
    home = insert("household", practice_id=practice.id, key="h")
    sister = make_patient(practice.id, household_id=home)
    db.run("UPDATE patient SET household_id = %(home)s WHERE id = %(id)s", home=home, id=patient)
    enrolment, desk = _enrol(practice, sister, now), as_role("front_desk")
    db.run("UPDATE enrolment SET household_id = %(home)s", home=home)
    desk.post(f"/patients/{patient}/complaint/", {"on": "yes", "why": "about a bill"})
    assert _row(patient, "hold") == ("complaint",)
    assert _enrolment(enrolment) == ("stopped", "complaint")
    desk.post(f"/patients/{patient}/complaint/", {"on": "no", "why": "fine again"})
    assert _row(patient, "hold") == ("complaint",)
    as_role("manager").post(f"/patients/{patient}/complaint/", {"on": "no", "why": "fine again"})
    assert _row(patient, "hold, hold_since") == ("", None)


def test_do_not_call_holds_for_every_number_now_and_later(practice: Practice, as_role: SignIn, patient: int) -> None:
    point, desk = make_point(practice.id, patient, call_level=1), as_role("front_desk")
    desk.post(f"/patients/{patient}/do-not-call/", {"on": "yes"})
    assert _events(practice, point)[0][:3] == ("call", "revoked", "front_desk")
    assert _row(patient, "banned_channels") == (["call"],)
    desk.post(f"/patients/{patient}/do-not-call/", {"on": "no", "why": ""})
    assert _row(patient, "banned_channels") == (["call"],)
    desk.post(f"/patients/{patient}/do-not-call/", {"on": "no", "why": "asked in person"})
    assert _row(patient, "banned_channels") == ([],)
    assert db.value("SELECT call_out_at FROM contact_point WHERE id = %(id)s", id=point) is not None


@pytest.mark.parametrize("role", ["auditor", "group_admin"])
@pytest.mark.parametrize("verb", VERBS)
def test_roles_that_only_look_change_nothing(as_role: SignIn, patient: int, role: str, verb: str) -> None:
    client = as_role(role)
    assert client.post(f"/patients/{patient}/{verb}/", {"on": "yes", "why": "x", "point": "all"}).status_code == 403
    assert _row(patient, "hold, standing, banned_channels, paused_until") == ("", "", [], None)


@pytest.mark.parametrize("role", ["manager", "front_desk"])
def test_only_owner_and_clinician_dismiss(as_role: SignIn, patient: int, role: str) -> None:
    assert as_role(role).post(f"/patients/{patient}/dismiss/", NOTICE).status_code == 403


@pytest.mark.parametrize("verb", VERBS)
def test_a_stranger_patient_or_number_is_not_there(
    practice: Practice, as_role: SignIn, patient: int, verb: str
) -> None:
    stranger = new_practice()
    with db.scope(stranger.id):
        theirs = make_patient(stranger.id)
        point = make_point(stranger.id, theirs)
    owner = as_role("owner")
    assert owner.get(f"/patients/{patient}/{verb}/").status_code == 405
    assert owner.post(f"/patients/{theirs}/{verb}/", {"on": "yes", "why": "x", "point": point}).status_code == 404
    if verb in {"opt-out", "consent", "release", "wrong-number"}:
        assert owner.post(f"/patients/{patient}/{verb}/", {"why": "x", "point": point}).status_code == 404
        assert owner.post(f"/patients/{patient}/{verb}/", {"why": "x", "point": "'; --"}).status_code == 404


def test_ledger_and_trail_hold_after_everything(practice: Practice, as_role: SignIn, patient: int) -> None:
    point, owner = make_point(practice.id, patient), as_role("owner")
    owner.post(f"/patients/{patient}/consent/", FULL | {"point": str(point)})
    owner.post(f"/patients/{patient}/do-not-call/", {"on": "yes"})
    owner.post(f"/patients/{patient}/opt-out/", {"point": point})
    owner.post(f"/patients/{patient}/wrong-number/", {"point": point})
    assert ledger.verify(practice.id) is None
    assert audit.verify(practice.id) is None
    page = owner.get(f"/patients/{patient}/").content.decode()
    for words in (
        "Agreed to text (C3)",
        "Asked us to stop: call",
        "Asked us to stop: text",
        "Number belongs to somebody else",
    ):
        assert words in page
