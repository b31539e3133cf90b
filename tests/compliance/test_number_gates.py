"""How often, registries, reassigned and wrong numbers, senders (FRQ, DNC, RND, NUM, SMS-01, EML, VOX, HIP-07)."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from recare.compliance.context import PracticeFacts
from recare.compliance.gates import WAITS_FOR_PRACTICE
from tests.compliance.questions import NOW, answer, at, by_law

TEN_TOMORROW = at("2026-11-25T17:00:00Z")
HOUR = timedelta(hours=1)
IN_WEEK = (NOW - 168 * HOUR, NOW - 100 * HOUR, NOW - 50 * HOUR)


@pytest.mark.parametrize("channel", ["sms", "call"])
def test_FRQ_01_a_second_touch_on_one_day_waits_until_tomorrow_at_ten(channel: str) -> None:
    found = answer("R", channel, number_touches=(NOW - HOUR,), max_per_week=3)
    assert (found.verdict, found.until, found.codes) == ("delay", TEN_TOMORROW, ("FREQ_DAY",))


@pytest.mark.parametrize(
    ("now", "codes"),
    [
        pytest.param(NOW, (), id="first plus 168 hours"),
        pytest.param(NOW - timedelta(seconds=1), ("FREQ_WEEK",), id="a second earlier"),
    ],
)
def test_FRQ_01_the_fourth_waits_for_the_week_to_end(now: datetime, codes: tuple[str, ...]) -> None:
    found = answer(now=now, number_touches=IN_WEEK, max_per_week=3)
    assert found.codes == codes
    assert found.until == (NOW if codes else None)


def test_FRQ_01_no_practice_raises_the_ceiling() -> None:
    assert answer(now=NOW - HOUR, number_touches=IN_WEEK, max_per_week=50, max_per_day=50).codes == ("FREQ_WEEK",)
    assert answer(number_touches=(NOW - HOUR,), max_per_week=50, max_per_day=50).codes == ("FREQ_DAY",)


def test_FRQ_01_as_shipped_one_touch_a_week() -> None:
    assert answer(number_touches=(NOW - 167 * HOUR,)).until == NOW + HOUR
    assert answer(number_touches=(NOW - 168 * HOUR,)).allowed


def test_FRQ_01_the_wait_ends_inside_a_window() -> None:
    """168 hours end at seven on a Saturday evening; the next opening is Monday."""
    touch = at("2026-11-22T02:00:00Z")
    found = answer(now=NOW, number_touches=(touch,))
    assert found.until == at("2026-11-30T17:00:00Z")


def test_FRQ_01_today_is_today_in_any_possible_zone() -> None:
    """01:30 in New York was still yesterday in Chicago: with both zones possible, neither day may hold two."""
    touch = at("2026-11-24T05:30:00Z")
    found = answer(
        address="+18505550101", zip="", level=3, number_touches=(touch,), max_per_week=3, now=at("2026-11-24T17:00:00Z")
    )
    assert found.codes == ("FREQ_DAY",)


def test_FRQ_01_reminders_and_answers_are_not_counted_out() -> None:
    assert answer("A", number_touches=(NOW - HOUR,)).allowed
    assert answer("S", number_touches=(NOW - HOUR,), answers_person_at=NOW - HOUR).allowed


def test_POR_01_a_notice_of_a_portal_message_counts() -> None:
    assert set(answer("S", number_touches=(NOW - HOUR,)).codes) == {"FREQ_DAY", "FREQ_WEEK"}


FIVE = tuple(NOW - timedelta(days=day) for day in (80, 60, 45, 30, 20))


@pytest.mark.parametrize("channel", ["sms", "call", "email", "letter", "portal"])
def test_FRQ_01_a_campaign_ends_after_five_touches_and_rests_half_a_year(channel: str) -> None:
    assert answer("R", channel, campaign_touches=FIVE).codes == ("FREQ_CAMPAIGN",)
    assert answer("R", channel, campaign_touches=FIVE[1:]).allowed
    rested = FIVE[-1] + timedelta(days=183)
    assert "FREQ_CAMPAIGN" not in answer("R", channel, now=rested, campaign_touches=FIVE).codes
    assert "FREQ_CAMPAIGN" in answer("R", channel, now=rested - HOUR, campaign_touches=FIVE).codes


@pytest.mark.parametrize("zip_code", ["33131", "21202", "73102", "97204"])
def test_FRQ_02_the_cap_of_a_state_is_evaluated_whatever_the_practice_set(zip_code: str) -> None:
    touches = (NOW - 20 * HOUR, NOW - 10 * HOUR, NOW - 5 * HOUR)
    facts: dict[str, Any] = {
        "zip": zip_code,
        "address": "+18005550101",
        "level": 3,
        "max_per_day": 9,
        "max_per_week": 9,
    }
    old: dict[str, Any] = {"last_visit_on": date(2020, 1, 1)}
    assert "FREQ_STATE" in answer(number_touches=touches, **facts, **old).codes
    assert "FREQ_STATE" not in answer(number_touches=touches[1:], **facts, **old).codes


def test_FRQ_02_oregon_lifts_its_cap_for_a_live_relationship() -> None:
    touches = (NOW - 20 * HOUR, NOW - 10 * HOUR, NOW - 5 * HOUR)
    facts: dict[str, Any] = {"zip": "97204", "address": "+15035550101", "number_touches": touches}
    assert "FREQ_STATE" not in answer(last_visit_on=date(2026, 1, 1), **facts).codes
    assert "FREQ_STATE" in answer(last_visit_on=date(2024, 1, 1), **facts).codes


def test_FRQ_02_maine_one_automated_text_in_eight_hours() -> None:
    facts: dict[str, Any] = {"zip": "04101", "address": "+12075550101", "number_touches": (NOW - 7 * HOUR,)}
    assert "FREQ_STATE" in answer(**facts).codes
    assert "FREQ_STATE" not in answer("R", "call", **facts).codes


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        pytest.param({"dnc_listed": True, "level": 3}, "", id="listed, signed"),
        pytest.param({"dnc_listed": True, "last_visit_on": date(2025, 3, 24)}, "DNC_NATIONAL", id="listed, 20 months"),
        pytest.param({"dnc_listed": True, "last_visit_on": date(2025, 9, 24)}, "", id="listed, 14 months"),
        pytest.param({"dnc_checked_on": date(2026, 10, 24)}, "", id="scrub of day 31"),
        pytest.param({"dnc_checked_on": date(2026, 10, 23)}, "DNC_SCRUB_STALE", id="scrub of day 32"),
        pytest.param({"dnc_checked_on": date(2020, 1, 1), "level": 3}, "", id="old scrub, signed"),
        pytest.param(
            {"dnc_checked_on": date(2020, 1, 1), "last_visit_on": date(2026, 6, 1)},
            "",
            id="old scrub, live relationship",
        ),
    ],
)
@pytest.mark.parametrize("channel", ["sms", "call"])
def test_DNC_01_a_listed_number_needs_a_signature_or_a_relationship(
    channel: str, facts: dict[str, Any], code: str
) -> None:
    facts = {"last_visit_on": date(2023, 1, 1), **facts}
    assert answer("R", channel, **facts).codes == ((code,) if code else ())


@pytest.mark.parametrize(
    ("zip_code", "now", "facts", "live"),
    [
        pytest.param("80202", "2026-11-23T18:00:00Z", {"last_visit_on": date(2025, 5, 24)}, True, id="a day before 18 months"),
        pytest.param("80202", "2026-11-24T18:00:00Z", {"last_visit_on": date(2025, 5, 24)}, False, id="18 months"),
        pytest.param("80202", "2027-02-26T18:00:00Z", {"last_visit_on": date(2025, 8, 31)}, True, id="before the clamped end"),
        pytest.param("80202", "2027-03-01T18:00:00Z", {"last_visit_on": date(2025, 8, 31)}, False, id="after the clamped end"),
        pytest.param("78701", "2026-11-24T18:00:00Z", {"last_visit_on": date(2025, 10, 20)}, False, id="Texas 13 months"),
        pytest.param("78701", "2026-11-24T18:00:00Z", {"last_visit_on": date(2025, 12, 20)}, True, id="Texas 11 months"),
        pytest.param("46204", "2026-11-24T18:00:00Z", {"last_visit_on": date(2026, 9, 20)}, False, id="Indiana two months"),
        pytest.param("70112", "2026-11-24T18:00:00Z", {"last_visit_on": date(2026, 4, 20)}, False, id="Louisiana seven months"),
        pytest.param("70112", "2026-11-24T18:00:00Z", {"last_visit_on": date(2026, 7, 20)}, True, id="Louisiana four months"),
        pytest.param("53202", "2026-11-24T18:00:00Z", {"last_visit_on": date(2026, 11, 1)}, False, id="Wisconsin"),
        pytest.param("80202", "2026-11-24T18:00:00Z", {"last_inquiry_on": date(2026, 9, 24)}, True, id="asked two months ago"),
        pytest.param("80202", "2026-11-24T18:00:00Z", {"last_inquiry_on": date(2026, 8, 24)}, False, id="asked three months ago"),
        pytest.param("80202", "2026-11-24T18:00:00Z", {"last_transaction_on": date(2026, 1, 24)}, True, id="paid this year"),
        pytest.param("80202", "2026-11-24T18:00:00Z", {"last_visit_on": date(2026, 1, 24), "internal_dnc": True}, False, id="ended by a request"),
    ],
)  # fmt: skip
def test_DNC_02_a_relationship_ends(zip_code: str, now: str, facts: dict[str, Any], *, live: bool) -> None:
    facts = {"last_visit_on": None, **facts}
    found = answer(now=at(now), zip=zip_code, address="+18005550101", dnc_listed=True, **facts)
    assert ("DNC_NATIONAL" not in found.codes) == live


@pytest.mark.parametrize(
    "state_zip", ["80202", "33131", "46204", "70112", "02108", "65101", "73102", "19103", "37201", "78701", "82001"]
)
def test_DNC_03_a_state_list_that_nobody_loaded_goes_to_a_person(state_zip: str) -> None:
    facts: dict[str, Any] = {"zip": state_zip, "address": "+18005550101"}
    assert "STATE_DNC_UNCHECKED" in answer("P", "call", level=1, **facts).codes
    assert "STATE_DNC_UNCHECKED" not in answer("P", "call", level=3, **facts).codes
    assert "STATE_DNC_UNCHECKED" not in answer("P", "call", level=1, state_dnc_checked=True, **facts).codes
    listed = answer(
        "R", "call", level=1, state_dnc_checked=True, state_dnc_listed=True, last_visit_on=date(2020, 1, 1), **facts
    )
    assert listed.verdict == "deny"
    assert "DNC_STATE" in listed.codes


def test_DNC_03_texas_promotion_with_a_signature_passes() -> None:
    assert answer("P", zip="78701", address="+15125550101").allowed
    assert answer("P", "call", zip="78701", address="+15125550101", level=1).verdict == "review"


@pytest.mark.parametrize("kind", ["A", "R", "P"])
def test_DNC_04_the_internal_list_ends_texts_and_calls(kind: str) -> None:
    for channel in ("sms", "call"):
        assert "DNC_INTERNAL" in answer(kind, channel, internal_dnc=True, level=3).codes
    assert "DNC_INTERNAL" not in answer(kind, "email", internal_dnc=True).codes


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        pytest.param({"reassigned": "no", "reassigned_checked_on": date(2026, 11, 14)}, "allow", id="no, ten days old"),
        pytest.param({"reassigned": "no", "reassigned_checked_on": date(2026, 10, 20)}, "review", id="no, too old"),
        pytest.param({"reassigned": "no"}, "review", id="no, nobody knows when"),
        pytest.param({"reassigned": "no_data", "reassigned_checked_on": date(2026, 11, 14)}, "review", id="no data"),
        pytest.param({"reassigned": "yes", "reassigned_checked_on": date(2026, 11, 14)}, "deny", id="yes"),
        pytest.param({}, "review", id="never asked"),
        pytest.param({"last_confirmed_on": date(2026, 5, 28)}, "allow", id="confirmed 180 days ago"),
        pytest.param({"last_confirmed_on": date(2026, 5, 27)}, "review", id="confirmed 181 days ago"),
    ],
)
def test_RND_01_an_unconfirmed_number_needs_a_recent_no(facts: dict[str, Any], verdict: str) -> None:
    assert answer(**{"last_confirmed_on": date(2024, 9, 1), **facts}).verdict == verdict


def test_RND_01_maine_asks_before_every_contact() -> None:
    facts: dict[str, Any] = {"zip": "04101", "address": "+12075550101"}
    for channel in ("sms", "call"):
        found = answer("R", channel, **facts)
        assert (found.verdict, found.codes) == ("deny", ("RND_NEEDED",))
        assert answer("R", channel, reassigned="no", reassigned_checked_on=NOW.date(), **facts).allowed


def test_RND_01_a_reassigned_number_gets_nothing() -> None:
    for kind in ("A", "R", "P"):
        assert "RND_REASSIGNED" in answer(kind, reassigned="yes").codes


@pytest.mark.parametrize("kind", ["A", "R", "P", "S"])
@pytest.mark.parametrize("channel", ["sms", "call"])
def test_NUM_01_a_wrong_number_gets_nothing(kind: str, channel: str) -> None:
    assert "WRONG_NUMBER" in answer(kind, channel, wrong_number=True).codes


def test_NUM_01_the_reply_to_wrong_number_names_nobody() -> None:
    assert answer("S", wrong_number=True, answers_person_at=NOW).allowed
    assert answer("S", wrong_number=True, answers_person_at=NOW, names_person=True).codes == ("WRONG_NUMBER",)


@pytest.mark.parametrize(
    ("facts", "denied"),
    [
        ({"last_confirmed_on": date(2025, 11, 24)}, True),
        ({"last_confirmed_on": date(2025, 11, 25)}, False),
        ({"last_confirmed_on": None}, True),
        ({"last_confirmed_on": None, "reassigned": "no", "reassigned_checked_on": date(2026, 11, 20)}, False),
        ({"last_confirmed_on": None, "names_person": False}, False),
    ],
)
def test_NUM_02_a_stale_number_gets_a_neutral_text(facts: dict[str, Any], *, denied: bool) -> None:
    assert ("NEUTRAL_REQUIRED" in answer(**{"names_person": True, **facts}).codes) == denied


@pytest.mark.parametrize(
    ("kind", "facts", "allowed"),
    [
        ("R", {"use_cases": ("R",)}, True),
        ("A", {"use_cases": ("R",)}, True),
        ("P", {"use_cases": ("A", "R")}, False),
        ("R", {"use_cases": ("P",)}, False),
        ("R", {"registered": False}, False),
        ("A", {"registered": False}, False),
    ],
)
def test_SMS_01_the_registered_use_case_covers_the_class(kind: str, facts: dict[str, Any], *, allowed: bool) -> None:
    assert ("SENDER_UNREGISTERED" not in answer(kind, **facts).codes) == allowed


@pytest.mark.parametrize("facts", [{"sms_incapable": True}, {"extension": "12"}])
def test_SMS_03_a_number_that_cannot_get_texts_can_be_called(facts: dict[str, Any]) -> None:
    assert answer(**facts).codes == ("SMS_INCAPABLE",)
    assert answer("R", "call", **facts).allowed


def test_EML_01_no_postal_address_no_email() -> None:
    assert answer("R", "email", postal_address=False).codes == ("EML_FOOTER",)


def test_EML_02_no_one_click_way_out_no_email() -> None:
    assert answer("R", "email", has_one_click=False).codes == ("EML_FOOTER",)


@pytest.mark.parametrize("facts", [{"auth_ok": False}, {"sender": None}])
def test_EML_03_a_domain_must_prove_itself(facts: dict[str, Any]) -> None:
    assert answer("R", "email", **facts).codes == ("EML_AUTH",)


def test_EML_03_a_paused_sender_stops_and_says_it_is_the_practices_matter() -> None:
    for channel in ("email", "sms"):
        found = answer("R", channel, paused=True)
        assert found.codes == ("SENDER_PAUSED",)
        assert found.waits_for_practice


def test_EML_04_a_dead_address_and_a_refusing_one() -> None:
    assert answer("R", "email", hard_bounced=True).codes == ("HARD_BOUNCE",)
    until = NOW + timedelta(days=90)
    found = answer("R", "email", suppressed_until=until)
    assert (found.codes, found.until) == (("SOFT_BOUNCE",), until)


@pytest.mark.parametrize("kind", ["A", "R", "P", "S"])
def test_EML_05_a_complaint_ends_all_email(kind: str) -> None:
    assert "COMPLAINT" in answer(kind, "email", complained=True, level=3).codes


def test_VOX_01_a_person_dials() -> None:
    assert answer("R", "call", automated=True).codes == ("VOICE_AUTOMATED",)
    assert answer("R", "call").allowed


def test_VOX_01_a_worklist_row_is_locked_outside_hours() -> None:
    found = answer("R", "call", now=at("2026-11-25T02:00:00Z"))
    assert (found.verdict, found.until) == ("delay", at("2026-11-25T17:00:00Z"))


def test_VOX_02_washington_a_year_after_not_interested() -> None:
    facts: dict[str, Any] = {"zip": "98101", "address": "+12065550101", "level": 3, "now": at("2026-11-24T20:00:00Z")}
    assert "NOT_INTERESTED" in answer("R", "call", not_interested_on=date(2025, 11, 25), **facts).codes
    assert answer("R", "call", not_interested_on=date(2025, 11, 24), **facts).allowed


@pytest.mark.parametrize(
    ("facts", "allowed"),
    [
        ({"baa_from": None}, False),
        ({"baa_from": date(2026, 11, 25)}, False),
        ({"baa_until": date(2026, 11, 23)}, False),
        ({"baa_until": date(2026, 11, 24)}, True),
        ({"baa_from": None, "needs_baa": False}, True),
    ],
)
@pytest.mark.parametrize("channel", ["sms", "email"])
def test_HIP_07_the_agreement_must_be_in_force_today(channel: str, facts: dict[str, Any], *, allowed: bool) -> None:
    assert answer("R", channel, **facts).codes == (() if allowed else ("NO_BAA",))


def test_ENG_01_the_kill_switch_stops_every_class_and_channel() -> None:
    for channel in ("sms", "call", "email", "letter", "portal"):
        for kind in ("A", "R", "S"):
            assert "KILL_SWITCH" in answer(kind, channel, practice=PracticeFacts(id=1, held=True)).codes
    assert "KILL_SWITCH" in WAITS_FOR_PRACTICE


def test_ENG_01_a_rehearsal_needs_no_registry_but_obeys_every_other_fact() -> None:
    bare: dict[str, Any] = {
        "is_sandbox": True,
        "sender": None,
        "dnc_listed": None,
        "dnc_checked_on": None,
        "last_confirmed_on": None,
    }
    assert answer("R", **bare).allowed
    assert answer("R", "email", **bare).allowed
    assert not answer("R", **{**bare, "is_sandbox": False}).allowed
    for change in (
        {"dnc_listed": True, "last_visit_on": None},
        {"reassigned": "yes"},
        {"opted_out_at": NOW},
        {"level": 1},
    ):
        assert answer("R", **{**bare, **change}).verdict == "deny"


def test_DNC_01_what_a_statute_says_needs_no_window() -> None:
    assert by_law("2026-11-25T02:00:00Z").allowed
