"""Class, consent, opt-out and restriction (CLS, ENG, CON, OPT, HIP-05)."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from recare.compliance.decision import STRICTNESS
from recare.compliance.gates import decide
from tests.compliance.questions import NOW, OFFER, PACKS, answer, ask, at

LATE = at("2026-11-25T05:30:00Z")  # 22:30 in Denver
FL: dict[str, Any] = {"address": "+13055550101"}


def test_CLS_01_a_recall_runs_the_solicitation_gates_and_a_reminder_does_not() -> None:
    facts: dict[str, Any] = {"dnc_listed": True, "last_visit_on": date(2023, 1, 1)}
    assert answer("R", **facts).codes == ("DNC_NATIONAL",)
    assert answer("A", **facts).allowed


@pytest.mark.parametrize("change", [{"findings": ("L15",)}, {"findings": ("L13",)}, {"offer": OFFER}])
def test_CLS_01_a_recall_with_promotion_is_promotion(change: dict[str, Any]) -> None:
    assert "NO_PEWC" in answer("R", level=2, **change).codes


def test_CLS_01_money_of_others_makes_any_class_third_party() -> None:
    for kind in ("A", "R", "P"):
        assert "HIPAA_AUTH" in answer(kind, remuneration="third").codes


def test_CLS_01_a_signed_setting_lifts_lists_but_not_consent() -> None:
    facts: dict[str, Any] = {"dnc_listed": True, "last_visit_on": date(2023, 1, 1), "recall_is_solicitation": False}
    assert answer("R", **facts).allowed
    assert answer("R", level=1, **facts).codes == ("NO_CONSENT_SMS",)


@pytest.mark.parametrize("kind", ["A", "R", "P", "T", "S"])
def test_CLS_01_billing_never_travels(kind: str) -> None:
    assert "CLASS_BILLING" in answer(kind, is_billing=True).codes


def test_ENG_01_all_reasons_are_kept_and_a_denial_has_no_date() -> None:
    found = answer(now=LATE, dnc_listed=True, last_visit_on=date(2023, 1, 1))
    assert (found.verdict, found.until) == ("deny", None)
    assert set(found.codes) == {"DNC_NATIONAL", "QUIET_HOURS"}
    assert all(reason.pack == "us 2026.11.25" and reason.rule for reason in found.reasons)
    assert found.pack == "us 2026.11.25"


def test_ENG_01_a_state_without_a_row_goes_to_a_person() -> None:
    us = PACKS.packs["US"]
    rows = tuple(row for row in us.states if row.state != "CO")
    packs = replace(PACKS, packs=PACKS.packs | {"US": us.model_copy(update={"states": rows})})
    found = answer(packs=packs)
    assert (found.verdict, found.codes) == ("review", ("STATE_PACK_MISSING",))
    assert "STATE_PACK_MISSING" in answer(zip="00901", address="+17875550101").codes


def test_ENG_01_a_gate_that_fails_denies_and_the_others_still_run() -> None:
    found = answer(birthdate="not a day", opted_out_at=NOW)
    assert found.verdict == "deny"
    assert {"GATE_ERROR", "OPTED_OUT"} <= set(found.codes)
    assert decide(ask(), PACKS, NOW.replace(tzinfo=None)).codes == ("GATE_ERROR",)
    assert decide(replace(ask(), patient=None), PACKS, NOW).codes == ("GATE_ERROR",)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "verdict", "code"),
    [
        ({"level": None}, "deny", "CONSENT_UNKNOWN"),
        ({"point": None}, "deny", "CONSENT_UNKNOWN"),
        ({"dnc_checked_on": None, "last_visit_on": None}, "deny", "DNC_SCRUB_STALE"),
        ({"dnc_listed": None, "last_visit_on": None}, "deny", "DNC_SCRUB_STALE"),
        ({"zip": "", "address": "+18005550101"}, "review", "TZ_UNKNOWN"),
        ({"visits_known_at": None}, "review", "VISITS_STALE"),
        ({"birthdate": None}, "review", "AGE_UNKNOWN"),
        ({"status": "unknown"}, "review", "STATUS_UNKNOWN"),
        ({"sender": None}, "deny", "SENDER_UNREGISTERED"),
        ({"last_confirmed_on": None}, "review", "RND_NEEDED"),
        ({"country": "", "practice": replace(ask().practice, country="")}, "deny", "PACK_MISSING"),
    ],
)
def test_ENG_01_missing_never_means_allow(facts: dict[str, Any], verdict: str, code: str) -> None:
    found = answer(**facts)
    assert code in found.codes
    assert STRICTNESS[found.verdict] >= STRICTNESS[verdict]  # type: ignore[index]


def test_ENG_02_what_was_allowed_at_ten_is_denied_once_stop_came() -> None:
    assert answer().allowed
    assert answer(now=NOW + timedelta(minutes=2), opted_out_at=NOW + timedelta(minutes=1)).codes == ("OPTED_OUT",)


@pytest.mark.parametrize(
    ("kind", "level", "facts", "codes"),
    [
        pytest.param("A", 0, {}, {"NO_CONSENT_SMS"}, id="reminder needs the number given"),
        pytest.param("A", 1, {}, set(), id="reminder with the number given"),
        pytest.param("R", 1, {}, {"NO_CONSENT_SMS"}, id="mobile on file only"),
        pytest.param("R", 2, {}, set(), id="recall in Colorado"),
        pytest.param("R", 2, FL, {"NO_PEWC"}, id="Florida number, Colorado home"),
        pytest.param("R", 3, FL, set(), id="Florida number, signed"),
        pytest.param("R", 2, {"zip": "33131"}, {"NO_PEWC"}, id="Colorado number, Florida home"),
        *(
            pytest.param("R", 2, {"state": state, "zip": ""}, {"NO_PEWC"}, id=f"recall in {state}")
            for state in ("CT", "FL", "MD", "NJ", "OK", "WA")
        ),
        pytest.param("P", 2, {}, {"NO_PEWC"}, id="promotion with an opt-in only"),
        pytest.param("P", 1, {}, {"NO_PEWC", "NO_CONSENT_SMS"}, id="promotion with a number only"),
        pytest.param("T", 2, {}, {"NO_PEWC", "HIPAA_AUTH"}, id="third party"),
    ],
)
def test_CON_01_the_floor_of_the_class(kind: str, level: int, facts: dict[str, Any], codes: set[str]) -> None:
    found = answer(kind, level=level, **facts)
    assert set(found.codes) - {"AD_RULES_UNKNOWN", "STATE_DNC_UNCHECKED", "QUIET_HOURS"} == codes


@pytest.mark.parametrize("flaw", [{"pewc_incomplete": True}, {"names_seller": False}, {"seller_changed": True}])
def test_CON_01_a_signature_that_lacks_a_part_is_an_opt_in(flaw: dict[str, Any]) -> None:
    assert "NO_PEWC" in answer("R", level=3, **FL, **flaw).codes
    assert "NO_PEWC" not in answer("R", level=3, **FL).codes


def test_CON_02_there_is_no_exemption_for_health_care() -> None:
    assert answer("R", level=0).codes == ("NO_CONSENT_SMS",)


@pytest.mark.parametrize(
    ("kind", "facts", "code"),
    [
        ("R", {"level": 1}, "NO_CONSENT_EMAIL"),
        ("R", {"level": 0}, "NO_CONSENT_EMAIL"),
        ("P", {"level": 2}, "NO_CONSENT_EMAIL"),
        ("P", {"level": 3, "zip": "78701", "consent_written": False}, "TX_181_152"),
        ("T", {"level": 3, "zip": "78701", "consent_written": False}, "TX_181_152"),
    ],
)
def test_CON_03_email_is_sent_to_those_who_agreed(kind: str, facts: dict[str, Any], code: str) -> None:
    found = answer(kind, "email", **facts)
    assert found.verdict == "deny"
    assert code in found.codes


def test_CON_03_a_recall_to_texas_needs_no_written_permission() -> None:
    assert answer("R", "email", zip="78701", consent_written=False).allowed
    assert answer("P", "email", level=3, zip="78701").allowed


def test_CON_04_a_sold_practice_asks_again() -> None:
    found = answer(seller_changed=True)
    assert (found.verdict, found.codes) == ("review", ("SELLER_CHANGED",))


@pytest.mark.parametrize(
    ("channel", "facts", "codes"),
    [
        ("sms", {"opted_out_at": NOW}, ("OPTED_OUT",)),
        ("sms", {"all_calls_out_at": NOW}, ("OPTED_OUT",)),
        ("call", {"all_calls_out_at": NOW}, ("OPTED_OUT",)),
        ("email", {"all_calls_out_at": NOW}, ()),
        ("email", {"opted_out_at": NOW}, ("OPTED_OUT",)),
    ],
)
@pytest.mark.parametrize("kind", ["A", "R"])
def test_OPT_02_stop_ends_texts_and_calls_but_not_email(
    kind: str, channel: str, facts: dict[str, Any], codes: tuple[str, ...]
) -> None:
    assert answer(kind, channel, **facts).codes == codes


def test_OPT_02_a_mothers_stop_holds_for_the_child_on_the_same_number() -> None:
    found = answer(opted_out_at=NOW, birthdate=date(2018, 1, 1), has_guardian=True)
    assert found.codes == ("OPTED_OUT",)


def test_OPT_02_stop_contacting_me_ends_every_channel() -> None:
    for channel in ("sms", "call", "email", "letter", "portal"):
        assert answer("R", channel, do_not_contact=True).codes == ("PATIENT_RESTRICTION",)


def test_OPT_03_an_opt_out_outlives_any_level() -> None:
    assert answer(opted_out_at=at("2016-01-01T00:00:00Z"), level=3).codes == ("OPTED_OUT",)


@pytest.mark.parametrize(
    ("after", "facts", "codes"),
    [
        pytest.param(timedelta(minutes=1), {}, (), id="a minute later, at half past ten at night"),
        pytest.param(timedelta(minutes=5), {}, (), id="five minutes"),
        pytest.param(timedelta(minutes=5, seconds=1), {}, ("CONFIRM_LATE",), id="a second more"),
        pytest.param(timedelta(minutes=6), {}, ("CONFIRM_LATE",), id="the worker recovered late"),
        pytest.param(timedelta(hours=-2), {}, ("CONFIRM_LATE",), id="words that have not been spoken yet"),
        pytest.param(
            timedelta(minutes=1), {"already_confirmed": True}, ("CONFIRM_DUP",), id="the provider answered already"
        ),
        pytest.param(timedelta(minutes=1), {"findings": ("L21",)}, ("LINT_FAIL",), id="with something promotional"),
    ],
)
def test_OPT_04_one_confirmation_within_five_minutes(
    after: timedelta, facts: dict[str, Any], codes: tuple[str, ...]
) -> None:
    found = answer(
        "S",
        now=LATE + after,
        opted_out_at=LATE,
        all_calls_out_at=LATE,
        confirms_opt_out_at=LATE,
        number_touches=(LATE,),
        **facts,
    )
    assert found.codes == codes


def test_OPT_04_only_a_service_message_confirms() -> None:
    assert "OPTED_OUT" in answer("R", opted_out_at=NOW, confirms_opt_out_at=NOW).codes


@pytest.mark.parametrize(("hours", "allowed"), [(0, True), (24, True), (25, False), (-1, False)])
def test_OPT_05_an_answer_is_free_for_a_day(hours: int, *, allowed: bool) -> None:
    said = LATE - timedelta(hours=hours)
    assert answer("S", now=LATE, answers_person_at=said, level=0, held=True).allowed == allowed


def test_OPT_01_words_nobody_has_read_hold_everything_else() -> None:
    for channel in ("sms", "call", "email"):
        for kind in ("A", "R"):
            assert answer(kind, channel, held=True).codes == ("UNREAD_REPLY",)


def test_OPT_01_a_doubtful_stop_holds_all_but_reminders() -> None:
    assert (answer(maybe_opt_out=True).verdict, answer(maybe_opt_out=True).codes) == ("review", ("MAYBE_OPTOUT",))
    assert answer("A", maybe_opt_out=True).allowed


@pytest.mark.parametrize("channel", ["sms", "call", "email", "letter", "portal"])
def test_HIP_05_a_restriction_holds_for_its_channel(channel: str) -> None:
    assert answer("R", channel, banned_channels=(channel,)).codes == ("PATIENT_RESTRICTION",)
    others = tuple({"sms", "call", "email", "letter", "portal"} - {channel})
    assert answer("R", channel, banned_channels=others).allowed


@pytest.mark.parametrize(
    ("state_zip", "level", "codes"),
    [("07102", 1, {"NO_PEWC", "NO_CONSENT_CALL"}), ("70112", 1, {"NO_CONSENT_CALL"}), ("80202", 1, set())],
)
def test_CON_01_a_call_by_hand_needs_what_its_state_asks(state_zip: str, level: int, codes: set[str]) -> None:
    assert set(answer("R", "call", zip=state_zip, level=level).codes) - {"QUIET_HOURS"} == codes
