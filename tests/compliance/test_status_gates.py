"""Whom nobody reactivates, privacy, offers and other countries (PAT, HIP, POR, OFR, JUR)."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from recare.compliance.context import Offer, PracticeFacts
from tests.compliance.questions import LAW, NOW, OFFER, WIDE, answer, at

CHANNELS = ("sms", "call", "email", "letter", "portal")


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"dismissed": True}, "DISMISSED"),
        ({"standing": "dismissed"}, "DISMISSED"),
        ({"deceased": True}, "DECEASED"),
        ({"status": "deceased"}, "DECEASED"),
        ({"standing": "transferred"}, "TRANSFERRED"),
        ({"standing": "moved"}, "TRANSFERRED"),
        ({"in_active_treatment": True}, "IN_TREATMENT"),
        ({"next_visit_at": NOW + timedelta(days=9)}, "HAS_APPT"),
        ({"do_not_contact": True}, "PATIENT_RESTRICTION"),
        ({"status": "deleted"}, "NOT_A_PATIENT"),
        ({"status": "non_patient"}, "NOT_A_PATIENT"),
        ({"standing": "merged"}, "NOT_A_PATIENT"),
        ({"standing": "gone"}, "NOT_A_PATIENT"),
    ],
)
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", ["R", "P", "T"])
def test_PAT_01_never_reactivated_on_any_channel(kind: str, channel: str, facts: dict[str, Any], code: str) -> None:
    found = answer(kind, channel, **facts)
    assert found.verdict == "deny"
    assert code in found.codes


def test_PAT_01_dismissed_wins_over_an_active_chart() -> None:
    assert answer(status="active", dismissed=True).codes == ("DISMISSED",)


def test_PAT_01_inactive_is_not_dismissed() -> None:
    assert answer(status="inactive").allowed


@pytest.mark.parametrize(
    ("standing", "code"),
    [
        ("unknown", "STATUS_UNKNOWN"),
        ("disputed", "LEGAL_HOLD"),
        ("bad_debt", "LEGAL_HOLD"),
        ("scheduling_restricted", "LEGAL_HOLD"),
    ],
)
@pytest.mark.parametrize("channel", CHANNELS)
def test_PAT_01_a_standing_that_is_in_doubt_goes_to_a_person(channel: str, standing: str, code: str) -> None:
    found = answer(channel=channel, standing=standing)
    assert (found.verdict, code in found.codes) == ("review", True)


def test_PAT_01_booked_at_ten_stops_the_text_of_five_past() -> None:
    found = answer(next_visit_at=at("2026-12-04T01:00:00Z"))
    assert found.codes == ("HAS_APPT",)
    assert found.reasons[0].detail == "2026-12-03", "the local day of the visit"
    assert answer(next_visit_at=NOW - timedelta(minutes=1)).allowed


@pytest.mark.parametrize("hold", ["complaint", "legal", "angry", "dispute", "read_note"])
@pytest.mark.parametrize("channel", CHANNELS)
def test_PAT_01_a_hold_goes_to_a_person(channel: str, hold: str) -> None:
    found = answer("R", channel, hold=hold)
    assert (found.verdict, found.codes) == ("review", ("LEGAL_HOLD",))


@pytest.mark.parametrize("channel", CHANNELS)
def test_PAT_01_a_calendar_read_too_long_ago_proves_nothing(channel: str) -> None:
    day_old = NOW - timedelta(hours=24)
    assert answer("R", channel, visits_known_at=day_old).allowed
    found = answer("R", channel, visits_known_at=day_old - timedelta(seconds=1))
    assert (found.verdict, found.codes) == ("review", ("VISITS_STALE",))
    assert found.waits_for_practice
    assert answer("R", channel, visits_known_at=day_old - timedelta(hours=20), visits_max_age_hours=48).allowed
    assert answer("A", channel, visits_known_at=None).allowed


def test_PAT_01_a_pause_waits_for_its_day_and_then_for_the_window() -> None:
    found = answer(paused_until=date(2026, 12, 5))  # a Saturday
    assert (found.codes, found.until) == (("PAUSED",), at("2026-12-07T17:00:00Z"))
    assert answer(paused_until=date(2026, 11, 24)).allowed
    assert answer("R", "letter", paused_until=date(2026, 12, 5)).until == at("2026-12-05T07:00:00Z")


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", ["A", "R", "P"])
def test_PAT_03_the_deceased_get_nothing(kind: str, channel: str) -> None:
    assert "DECEASED" in answer(kind, channel, deceased=True).codes


TURNS_18 = date(2008, 11, 25)


@pytest.mark.parametrize(
    ("now", "codes"),
    [
        pytest.param("2026-11-25T06:59:59Z", (), id="the evening before, in Denver"),
        pytest.param("2026-11-25T07:00:00Z", ("ADULT_RECONSENT",), id="local midnight"),
        pytest.param("2026-11-25T18:00:00Z", ("ADULT_RECONSENT",), id="the day itself"),
        pytest.param("2027-11-01T18:00:00Z", ("ADULT_RECONSENT",), id="a year on"),
    ],
)
def test_PAT_04_a_guardians_consent_ends_at_local_midnight(now: str, codes: tuple[str, ...]) -> None:
    facts: dict[str, Any] = {"birthdate": TURNS_18, "has_guardian": True, "now": at(now), "packs": LAW, "window": WIDE}
    assert "ADULT_RECONSENT" not in answer(consented_on=date(2026, 11, 25), **facts).codes
    assert tuple(code for code in answer(**facts).codes if code != "QUIET_HOURS") == codes
    assert "ADULT_RECONSENT" in answer(**facts).codes or not codes


def test_PAT_04_a_guardians_consent_never_revives() -> None:
    assert answer(birthdate=date(2000, 1, 1), adult_since_consent=True).codes == ("ADULT_RECONSENT",)
    assert answer(birthdate=date(2000, 1, 1), consented_on=date(2010, 1, 1), has_guardian=True).codes == (
        "ADULT_RECONSENT",
    )
    assert answer(birthdate=date(2000, 1, 1), consented_on=date(2020, 1, 1), has_guardian=True).allowed
    assert answer(birthdate=date(2000, 1, 1), consented_on=date(2010, 1, 1)).codes == ("ADULT_RECONSENT",)
    assert answer("R", "letter", birthdate=date(2000, 1, 1), adult_since_consent=True).allowed, (
        "the way to ask the adult"
    )


@pytest.mark.parametrize("channel", CHANNELS)
def test_PAT_04_a_child_is_reached_through_a_guardian(channel: str) -> None:
    child: dict[str, Any] = {"birthdate": date(2016, 1, 1)}
    assert answer("R", channel, **child).codes == ("NO_GUARDIAN",)
    assert answer("R", channel, has_guardian=True, **child).allowed


def test_PAT_04_a_childs_own_number_gets_no_recall_and_no_promotion() -> None:
    child: dict[str, Any] = {"birthdate": date(2010, 1, 1), "has_guardian": True}
    assert "NO_GUARDIAN" in answer("R", is_guardians=False, **child).codes
    for known in (None, False):
        assert "MINOR_PROMO" in answer("P", is_guardians=known, **child).codes
    assert "MINOR_PROMO" not in answer("P", is_guardians=True, **child).codes


def test_PAT_04_a_custody_note_goes_to_a_person() -> None:
    found = answer(birthdate=date(2016, 1, 1), has_guardian=True, custody_flag=True)
    assert (found.verdict, found.codes, found.reasons[0].detail) == ("review", ("LEGAL_HOLD",), "custody")


@pytest.mark.parametrize("channel", CHANNELS)
def test_PAT_05_a_representative_must_be_known(channel: str) -> None:
    found = answer("R", channel, has_representative=True)
    assert (found.verdict, found.codes) == ("review", ("REPRESENTATIVE_UNKNOWN",))
    assert answer("R", channel, has_representative=True, representative_known=True).allowed


def test_HIP_01_an_own_recall_needs_no_authorization() -> None:
    assert answer(remuneration="none").allowed
    assert answer(remuneration="own").allowed


@pytest.mark.parametrize("channel", CHANNELS)
def test_HIP_02_somebody_elses_money_needs_a_signature(channel: str) -> None:
    for money in ("third", ""):
        assert "HIPAA_AUTH" in answer("R", channel, remuneration=money).codes


@pytest.mark.parametrize(("until", "denied"), [(date(2026, 11, 23), True), (date(2026, 11, 24), False), (None, True)])
def test_HIP_02_an_expired_authorization_is_none(until: date | None, *, denied: bool) -> None:
    assert ("HIPAA_AUTH" in answer("T", remuneration="third", authorization_until=until).codes) == denied


def test_HIP_02_own_whitening_is_no_marketing_of_others() -> None:
    assert "HIPAA_AUTH" not in answer("P", remuneration="own", offer=OFFER).codes


@pytest.mark.parametrize(("channel", "denied"), [("sms", True), ("email", True), ("portal", False), ("letter", False)])
@pytest.mark.parametrize("finding", ["L01", "L02", "L03"])
def test_HIP_03_health_money_and_dates_stay_out_of_texts_and_email(channel: str, finding: str, *, denied: bool) -> None:
    assert answer("R", channel, findings=(finding,)).codes == (("PHI_IN_MESSAGE",) if denied else ())


def test_HIP_04_plain_messages_with_detail_need_a_warning() -> None:
    for channel in ("sms", "email"):
        assert answer("R", channel, health_detail=True).codes == ("NO_UNENC_PREF",)
        assert answer("R", channel, health_detail=True, unencrypted_ok=True).allowed
    assert answer("R", "email", health_detail=True, unencrypted_ok=True, findings=("L01",)).allowed
    assert answer("R", "sms", health_detail=True, unencrypted_ok=True, findings=("L01",)).codes == ("PHI_IN_MESSAGE",)
    assert answer("R", "portal", health_detail=True).allowed


def test_HIP_09_substance_use_records_stay_out() -> None:
    for channel in CHANNELS:
        assert answer("R", channel, part2=True).codes == ("PART2",)


def test_SMS_02_a_blocking_finding_blocks() -> None:
    assert answer(findings=("L05", "L06")).codes == ("LINT_FAIL",)


def test_POR_01_the_portal_keeps_the_gates_of_the_patient_and_skips_those_of_numbers() -> None:
    assert answer("R", "portal", point=None, sender=None, zip="").allowed
    assert answer("R", "portal", findings=("L01",), health_detail=True).allowed
    assert answer("R", "portal", dismissed=True).codes == ("DISMISSED",)


def test_POR_01_letters_need_no_consent() -> None:
    assert answer("R", "letter", point=None, sender=None).allowed


GIFT = Offer(
    slug="brush", what="Toothbrush", value_cents=600, starts_on=date(2026, 11, 1), ends_at=datetime(2027, 1, 1, tzinfo=UTC),
    license_name="Dr. A. Example", approved=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "denied"),
    [
        pytest.param({"payer_class": "medicaid", "gifts_year_cents": 7000}, True, id="76 dollars in a year"),
        pytest.param({"payer_class": "medicaid", "gifts_year_cents": 6900}, False, id="75 dollars in a year"),
        pytest.param(
            {"payer_class": "medicaid", "offer": replace(GIFT, value_cents=1000, cash_like=True)}, True, id="gift card"
        ),
        pytest.param({"payer_class": "medicare", "offer": replace(GIFT, value_cents=1500)}, False, id="15 dollars"),
        pytest.param({"payer_class": "medicare", "offer": replace(GIFT, value_cents=1501)}, True, id="a cent more"),
        pytest.param(
            {"payer_class": "tricare", "offer": replace(GIFT, value_cents=None)}, True, id="nobody knows the value"
        ),
        pytest.param({"payer_class": "chip", "offer": OFFER}, True, id="a discount of 46 dollars"),
        pytest.param({"payer_class": "unknown"}, True, id="payer blank"),
        pytest.param({"payer_class": "medicaid", "zip": "78701"}, True, id="Texas Medicaid"),
        pytest.param({"payer_class": "commercial", "offer": OFFER}, False, id="commercial"),
    ],
)
@pytest.mark.parametrize("channel", CHANNELS)
def test_OFR_01_federal_and_unknown_payers(channel: str, facts: dict[str, Any], *, denied: bool) -> None:
    assert ("OFFER_FED" in answer("P", channel, **{"offer": GIFT, **facts}).codes) == denied


def test_OFR_01_recall_without_an_offer_is_still_allowed() -> None:
    assert answer(payer_class="unknown").allowed


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("We accept your insurance as payment in full", True),
        ("We waive your copay this month", True),
        ("No out-of-pocket cost", True),
        ("No deductible, no worry", True),
        ("We will waive the co-payment", True),
        ("Questions about coverage? Call us", False),
        ("We accept your insurance", False),
        ("Maple Dental: we'd like to see you again", False),
    ],
)
def test_OFR_02_a_waiver_in_any_words(text: str, *, denied: bool) -> None:
    assert ("COPAY_WAIVER" in answer("P", text=text).codes) == denied


def test_OFR_02_a_waiver_by_its_terms() -> None:
    assert "COPAY_WAIVER" in answer("P", offer=replace(OFFER, waives_copay=True)).codes


def test_OFR_03_no_referral_rewards_without_row_and_note() -> None:
    reward = replace(OFFER, is_referral_reward=True)
    assert "REFERRAL_REWARD" in answer("P", offer=reward, zip="48226").codes
    practice = PracticeFacts(id=1, referral_rewards=True)
    assert "REFERRAL_REWARD" in answer("P", offer=replace(reward, counsel_note=True), practice=practice).codes, (
        "no state has a row yet"
    )


@pytest.mark.parametrize(
    ("criteria", "denied"),
    [
        (("men 30-45",), True),
        (("sex = f",), True),
        (("age >= 65",), True),
        (("age_years",), True),
        (("religion",), True),
        (("diagnosis",), True),
        (("national_origin",), True),
        *(
            ((word,), True)
            for word in (
                "language = es",
                "Hispanic",
                "ladies",
                "over 65",
                "60+",
                "30-45",
                "young_adults",
                "kids",
                "recall perio",
                "D4341",
                "unscheduled_items",
                "LGBTQ",
                "church members",
                "wheelchair",
                "married",
            )
        ),
        *(
            ((word,), False)
            for word in (
                "zip",
                "families",
                "payer",
                "visits_24m >= 1",
                "household_size",
                "careful",
                "whitening",
                "band = long_lapsed",
            )
        ),
        (("disability",), True),
        (("last_visit_months >= 18",), False),
        (("new_patient",), False),
        (("package",), False),
        ((), False),
    ],
)
def test_OFR_04_an_offer_looks_at_nothing_protected(criteria: tuple[str, ...], *, denied: bool) -> None:
    assert ("OFFER_DISCRIM" in answer("P", offer=replace(OFFER, criteria=criteria)).codes) == denied


@pytest.mark.parametrize(
    "change",
    [{"what": ""}, {"regular_fee_cents": None}, {"price_cents": None}, {"ends_at": None}, {"starts_on": None}, {"license_name": ""}, {"approved": False}],
)  # fmt: skip
def test_OFR_04_terms_are_complete(change: dict[str, Any]) -> None:
    assert "OFFER_TERMS" in answer("P", offer=replace(OFFER, **change)).codes


def test_EML_06_an_offer_that_ended_is_not_sent() -> None:
    ended = replace(OFFER, ends_at=NOW)
    assert "OFFER_ENDED" in answer("P", "email", offer=ended).codes
    assert "OFFER_ENDED" not in answer("P", "email", now=NOW - timedelta(seconds=1), offer=ended).codes


def test_OFR_04_an_offer_waits_for_its_first_day() -> None:
    found = answer("P", zip="78701", address="+15125550101", offer=replace(OFFER, starts_on=date(2026, 11, 30)))
    assert (found.codes, found.until) == (("OFFER_EARLY",), at("2026-11-30T16:00:00Z"))


@pytest.mark.parametrize(
    ("zip_code", "known"), [("78701", True), ("33131", True), ("90012", True), ("80202", False), ("10001", False)]
)
def test_OFR_05_advertising_rules_of_the_state_must_be_known(zip_code: str, *, known: bool) -> None:
    found = answer("P", "email", zip=zip_code)
    assert ("AD_RULES_UNKNOWN" not in found.codes) == known
    assert "AD_RULES_UNKNOWN" not in answer("R", "email", zip=zip_code).codes


def test_OFR_05_the_practices_own_state_counts_too() -> None:
    assert "AD_RULES_UNKNOWN" in answer("P", "email", zip="78701", practice=PracticeFacts(id=1, state="CO")).codes


@pytest.mark.parametrize("country", ["BR", "CH", "XX"])
@pytest.mark.parametrize("channel", CHANNELS)
def test_JUR_01_no_pack_no_contact(channel: str, country: str) -> None:
    found = answer("R", channel, country=country)
    assert "PACK_MISSING" in found.codes
    assert found.verdict == "deny"
    abroad = PracticeFacts(id=1, country=country)
    assert "PACK_MISSING" in answer("R", channel, practice=abroad).codes


CANADA: dict[str, Any] = {
    "country": "CA",
    "practice": PracticeFacts(id=1, country="CA"),
    "zip": "M5V 2T6",
    "state": "ON",
}


@pytest.mark.parametrize(
    ("last_visit", "allowed"),
    [(date(2024, 12, 24), True), (date(2024, 10, 24), False), (date(2024, 11, 24), False), (None, False)],
)
@pytest.mark.parametrize("channel", ["sms", "email"])
def test_JUR_01_canada_implied_consent_lasts_two_years(channel: str, last_visit: date | None, *, allowed: bool) -> None:
    facts: dict[str, Any] = {**CANADA, "level": 1, "last_visit_on": last_visit}
    if channel == "sms":
        facts["address"] = "+14165550101"
    assert answer("R", channel, **facts).allowed == allowed
    assert answer("R", channel, **{**facts, "level": 2}).allowed, "express consent does not lapse"


def test_JUR_01_canada_keeps_its_own_hours() -> None:
    practice = PracticeFacts(id=1, country="CA", window=WIDE)
    for now, verdict in (
        ("2027-01-14T02:29:00Z", "allow"),
        ("2027-01-14T02:30:00Z", "delay"),
        ("2027-01-16T14:59:00Z", "delay"),
        ("2027-01-16T15:00:00Z", "allow"),
        ("2027-01-16T23:00:00Z", "delay"),
    ):
        facts: dict[str, Any] = {**CANADA, "practice": practice, "address": "+14165550101", "level": 3}
        assert answer("R", "call", now=at(now), packs=LAW, **facts).verdict == verdict


BRITAIN: dict[str, Any] = {
    "country": "GB",
    "practice": PracticeFacts(id=1, country="GB"),
    "zip": "SW1A 1AA",
    "now": at("2026-11-24T11:00:00Z"),
}


def test_JUR_01_a_british_recall_with_promotion_needs_consent() -> None:
    facts: dict[str, Any] = {**BRITAIN, "address": "+442079460000"}
    assert answer("R", **facts).allowed
    assert answer("R", level=2, findings=("L15",), **facts).verdict == "deny"
    assert "NO_CONSENT_EMAIL" in answer("P", "email", level=2, **BRITAIN).codes


@pytest.mark.parametrize("country", ["DE", "FR", "IE", "ES", "PL"])
def test_JUR_01_each_member_state_has_its_pack(country: str) -> None:
    found = answer("P", "email", level=2, country=country, practice=PracticeFacts(id=1, country=country), zip="")
    assert found.codes == ("NO_CONSENT_EMAIL",)
    assert found.pack == f"eu-{country.lower()} 2026.11.25"


def test_JUR_01_person_and_practice_in_two_countries_obey_both() -> None:
    found = answer(
        "R", country="CA", zip="", state="ON", address="+14165550101", level=1, last_visit_on=date(2026, 9, 1)
    )
    assert found.codes == ("NO_CONSENT_SMS",), "implied consent is no consent at home"
    assert found.pack == "ca 2026.11.25 + us 2026.11.25"
