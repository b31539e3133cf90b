"""Hours, zones, states and holidays (TIM-01 to TIM-06, ENG-03)."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import phonenumbers
import phonenumbers.timezone
import pytest

from recare.compliance.area_codes import build
from recare.compliance.context import Window
from recare.compliance.zones import Address, place, table
from tests.compliance.questions import LAW, NOW, PACKS, WIDE, answer, at, by_law

NY: dict[str, Any] = {"zip": "10001", "address": "+12125550101"}
CO: dict[str, Any] = {"zip": "80202", "address": "+13035550101"}
PENSACOLA: dict[str, Any] = {"zip": "32501", "address": "+18505550101", "level": 3}


@pytest.mark.parametrize(
    ("facts", "now", "until"),
    [
        pytest.param(NY, "2027-01-15T01:59:59Z", None, id="20:59:59 is inside"),
        pytest.param(NY, "2027-01-15T02:00:00Z", "2027-01-15T13:00:00Z", id="21:00 is outside"),
        pytest.param(NY, "2027-01-15T12:59:59Z", "2027-01-15T13:00:00Z", id="one second before eight"),
        pytest.param(NY, "2027-01-15T13:00:00Z", None, id="eight is inside"),
        pytest.param(NY, "2027-03-15T01:30:00Z", "2027-03-15T12:00:00Z", id="summer time began that day"),
        pytest.param(NY, "2026-11-01T12:30:00Z", "2026-11-01T13:00:00Z", id="summer time ended that day"),
        pytest.param({"zip": "85004", "address": "+16025550101"}, "2027-07-01T03:30:00Z", None, id="Phoenix 20:30"),
        pytest.param(CO, "2027-07-01T03:30:00Z", "2027-07-01T14:00:00Z", id="Denver 21:30"),
    ],
)
def test_TIM_01_solicitation_only_from_eight_to_nine_local(facts: dict[str, Any], now: str, until: str | None) -> None:
    found = by_law(now, **facts)
    assert (found.verdict, found.until) == (("allow", None) if until is None else ("delay", at(until)))
    assert until is None or found.codes == ("QUIET_HOURS",)


def test_TIM_01_dispatch_stops_five_minutes_before_the_law_closes() -> None:
    packs = replace(PACKS, national=None)
    for now, verdict in (("2027-01-15T01:54:59Z", "allow"), ("2027-01-15T01:55:00Z", "delay")):
        assert answer(now=at(now), packs=packs, window=WIDE, **NY).verdict == verdict


@pytest.mark.parametrize(
    ("facts", "now", "until", "code"),
    [
        pytest.param({"zip": "79901", "address": "+19155550101"}, "2027-01-17T18:30:00Z", "2027-01-17T19:00:00Z", "QUIET_HOURS", id="El Paso Sunday"),
        pytest.param({"zip": "40202", "address": "+15025550101"}, "2027-01-15T14:30:00Z", "2027-01-15T15:00:00Z", "QUIET_HOURS", id="Kentucky 09:30"),
        pytest.param({"zip": "02903", "address": "+14015550101"}, "2027-01-16T22:00:00Z", "2027-01-19T14:00:00Z", "QUIET_HOURS", id="Rhode Island Saturday 17:00"),
        pytest.param({"zip": "02903", "address": "+14015550101"}, "2027-01-17T17:00:00Z", "2027-01-19T14:00:00Z", "STATE_SUNDAY", id="Rhode Island Sunday"),
        pytest.param({"zip": "02903", "address": "+14015550101"}, "2027-08-09T17:00:00Z", "2027-08-10T13:00:00Z", "STATE_HOLIDAY", id="Victory Day"),
        pytest.param({"zip": "70112", "address": "+15045550101"}, "2027-02-09T17:00:00Z", "2027-02-10T14:00:00Z", "STATE_HOLIDAY", id="Mardi Gras"),
        pytest.param({"zip": "70112", "address": "+15045550101"}, "2027-03-26T17:00:00Z", "2027-03-27T13:00:00Z", "STATE_HOLIDAY", id="Good Friday"),
        pytest.param({"zip": "80202", "address": "+13055550101", "level": 3}, "2027-01-15T03:15:00Z", "2027-01-15T15:00:00Z", "QUIET_HOURS", id="Colorado home, Florida number, 20:15"),
        pytest.param({"zip": "84101", "address": "+18015550101"}, "2027-01-17T20:00:00Z", "2027-01-19T15:00:00Z", "STATE_SUNDAY", id="Utah Sunday before a holiday"),
    ],
)  # fmt: skip
def test_TIM_02_states_of_home_and_number_both_count(facts: dict[str, Any], now: str, until: str, code: str) -> None:
    found = by_law(now, **facts)
    assert (found.verdict, found.until, found.codes) == ("delay", at(until), (code,))


@pytest.mark.parametrize(
    ("now", "until"),
    [
        pytest.param("2027-01-14T22:59:00Z", None, id="17:59"),
        pytest.param("2027-01-14T23:00:00Z", "2027-01-15T15:00:00Z", id="18:00"),
        pytest.param("2027-01-15T23:00:00Z", "2027-01-19T15:00:00Z", id="Friday before a Monday holiday"),
        pytest.param("2027-01-16T17:00:00Z", "2027-01-19T15:00:00Z", id="Saturday is off unless turned on"),
        pytest.param("2027-01-17T17:00:00Z", "2027-01-19T15:00:00Z", id="Sunday"),
    ],
)
def test_TIM_03_one_national_window(now: str, until: str | None) -> None:
    found = answer(now=at(now), **NY)
    assert (found.verdict, found.until) == (("allow", None) if until is None else ("delay", at(until)))


ZIPS = {
    "AL": "35203", "AK": "99501", "AZ": "85004", "CA": "90012", "CO": "80202", "CT": "06103", "FL": "33131", "GA": "30303", "IN": "46204",
    "KY": "40202", "LA": "70112", "MD": "21202", "MA": "02108", "MI": "48226", "MN": "55401", "MS": "39201", "NV": "89101", "NJ": "07102",
    "NM": "87102", "NY": "10001", "OK": "73102", "OR": "97204", "PA": "19103", "SD": "57104", "TX": "78701", "UT": "84101", "VA": "23219",
    "WA": "98101", "WY": "82001",
}  # fmt: skip


@pytest.mark.parametrize("state", ZIPS)
def test_TIM_03_the_national_window_lies_inside_every_state(state: str) -> None:
    """From the first to the last minute of a weekday, with no area code in the way."""
    facts: dict[str, Any] = {"zip": ZIPS[state], "address": "+18005550101", "level": 3}
    zone = place(PACKS, Address("", ZIPS[state])).clocks[0]
    for hour, minute, verdict in (
        (9, 59, "delay"),
        (10, 0, "allow"),
        (17, 54, "allow"),
        (17, 59, "allow"),
        (18, 0, "delay"),
    ):
        now = datetime(2027, 1, 13, hour, minute, tzinfo=zone).astimezone(UTC)
        assert answer(now=now, **facts).verdict == verdict, (hour, minute)


def test_TIM_03_rhode_island_ends_with_the_window_and_dispatch_five_minutes_before() -> None:
    facts: dict[str, Any] = {"zip": "02903", "address": "+14015550101", "now": at("2027-01-13T22:59:00Z")}
    assert answer(packs=replace(PACKS, margin=timedelta(0)), **facts).allowed
    assert answer(**facts).codes == ("QUIET_HOURS",)


def test_TIM_03_saturday_counts_once_the_practice_turns_it_on_until_five() -> None:
    window = Window(saturday=(time(8), time(20)))
    for now, verdict in (
        ("2027-01-16T14:59:00Z", "delay"),
        ("2027-01-16T15:00:00Z", "allow"),
        ("2027-01-16T22:00:00Z", "delay"),
    ):
        facts: dict[str, Any] = {"window": window}
        assert answer(now=at(now), **facts, **NY).verdict == verdict


@pytest.mark.parametrize(
    ("facts", "now", "until"),
    [
        pytest.param({**PENSACOLA, "zip": ""}, "2027-01-15T01:30:00Z", "2027-01-15T14:00:00Z", id="850 without a ZIP: both zones"),
        pytest.param(PENSACOLA, "2027-01-15T01:30:00Z", None, id="850 with a Pensacola ZIP: Central"),
        pytest.param(PENSACOLA, "2027-01-15T02:00:00Z", "2027-01-15T14:00:00Z", id="Florida ends at eight"),
        pytest.param({"zip": "10001", "address": "+13105550101"}, "2027-01-15T15:59:00Z", "2027-01-15T16:00:00Z", id="New York home, Los Angeles number: from 11"),
        pytest.param({"zip": "10001", "address": "+13105550101"}, "2027-01-15T01:59:00Z", None, id="New York home, Los Angeles number: to 21"),
        pytest.param({"zip": "", "address": "+13035550101", "confirmed_tz": "America/New_York", "state": "CO"}, "2027-01-15T02:30:00Z", "2027-01-15T13:00:00Z", id="a confirmed zone wins"),
        pytest.param({"zip": "83299", "address": "+12085550101"}, "2027-01-15T15:30:00Z", "2027-01-15T16:00:00Z", id="an unknown Idaho ZIP: both zones"),
        pytest.param({"zip": "36101", "address": "+18005550101"}, "2027-01-15T14:00:00Z", None, id="toll-free with a ZIP: the ZIP"),
    ],
)  # fmt: skip
def test_TIM_04_every_possible_zone_must_be_open(facts: dict[str, Any], now: str, until: str | None) -> None:
    found = by_law(now, **facts)
    assert (found.verdict, found.until) == (("allow", None) if until is None else ("delay", at(until)))


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"zip": "", "address": "+18005550101"}, id="toll-free"),
        pytest.param({"zip": "", "address": "+18885550101"}, id="another toll-free code"),
        pytest.param({"zip": "", "address": "+19005550101"}, id="premium"),
        pytest.param({"zip": "", "address": "+442079460000"}, id="British"),
        pytest.param({"zip": "", "address": "+14165550101"}, id="Canadian"),
        pytest.param({"zip": "", "address": "+18765550101"}, id="Jamaican"),
        pytest.param({"zip": "09012", "address": "+13035550101"}, id="forces abroad"),
    ],
)
def test_TIM_04_nobody_guesses_a_zone(facts: dict[str, Any]) -> None:
    found = answer(**facts)
    assert "TZ_UNKNOWN" in found.codes
    assert found.verdict == "review"


@pytest.mark.parametrize(
    ("code", "zones"),
    [
        *((code, {"America/New_York", "America/Chicago"}) for code in ("219", "423", "270", "850", "448", "930", "364", "812", "931", "906", "574")),
        ("928", {"America/Phoenix", "America/Denver"}),
        ("458", {"America/Los_Angeles", "America/Denver"}),
        ("541", {"America/Los_Angeles", "America/Denver"}),
        ("208", {"America/Los_Angeles", "America/Denver"}),
        ("986", {"America/Los_Angeles", "America/Denver"}),
        *((code, {"America/Chicago", "America/Denver"}) for code in ("701", "605", "308", "620", "785")),
        ("775", {"America/Los_Angeles", "America/Denver"}),
        ("907", {"America/Anchorage", "America/Adak"}),
    ],
)  # fmt: skip
def test_TIM_05_an_area_code_has_all_its_zones(code: str, zones: set[str]) -> None:
    assert zones <= table()[code].zones


def test_TIM_05_the_library_answers_one_zone_where_we_keep_both() -> None:
    number = phonenumbers.parse("+12199999999")
    assert list(phonenumbers.timezone.time_zones_for_number(number)) == ["America/New_York"]
    assert "America/Chicago" in place(PACKS, Address("+12199999999")).zones


def test_TIM_05_the_shipped_table_knows_all_that_the_library_knows() -> None:
    for code, (zones, country, states) in build().items():
        if country:
            shipped = table()[code]
            alone = place(PACKS, Address(f"+1{code}5550101", country=country))
            assert set(alone.zones) == shipped.zones
            assert len(shipped.zones) >= 1
            assert shipped.states == frozenset(states.split("|")), code
            assert len(zones) >= len(shipped.zones)


def test_TIM_06_a_day_of_the_clock_may_have_23_hours() -> None:
    """Local 20:30 on 13 March 2027; the same wall time a day later is 23 hours on. A cap of 24 hours counts elapsed hours."""
    first = at("2027-03-14T01:30:00Z")
    facts: dict[str, Any] = {
        "zip": "33131",
        "address": "+13055550101",
        "level": 3,
        "max_per_week": 3,
        "channel": "email",
    }
    assert answer(now=first + timedelta(hours=23), email_touches=(first,), **facts).codes == ("FREQ_DAY",)
    assert answer(now=first + timedelta(hours=24), email_touches=(first,), **facts).allowed


def test_TIM_06_holidays_are_those_of_each_zones_local_date() -> None:
    """19:30 in Honolulu on the eve is already the holiday in Louisiana."""
    eve = "2027-02-09T05:30:00Z"
    assert by_law(eve, zip="96813", address="+18085550101").allowed
    assert by_law(eve, zip="96813", address="+15045550101").verdict == "delay"


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        pytest.param("2026-10-11T17:00:00Z", "allow", id="old row"),
        pytest.param("2026-10-18T17:00:00Z", "delay", id="new row"),
    ],
)
def test_ENG_03_a_replay_uses_the_row_of_its_day(now: str, verdict: str) -> None:
    facts: dict[str, Any] = {"zip": "19103", "address": "+12155550101"}
    assert by_law(now, **facts).verdict == verdict


def test_ENG_03_the_row_of_pennsylvania_changes_between_two_days() -> None:
    us = PACKS.packs["US"]
    old, new = us.row("PA", at("2026-10-17T12:00:00Z").date()), us.row("PA", at("2026-10-18T12:00:00Z").date())
    assert old is not None
    assert new is not None
    assert (old.sunday, new.sunday) == ((time(8), time(21)), None)


def test_ENG_03_a_practice_narrows_and_never_widens() -> None:
    six_to_ten = (time(6), time(22))
    wide, narrow = Window(six_to_ten, six_to_ten, six_to_ten, holidays=True), Window(weekday=(time(12), time(14)))
    for hour in range(24):
        now = at(f"2027-01-13T{hour:02}:00:00Z")
        facts: dict[str, Any] = {"now": now, **NY}
        usual = answer(**facts)
        widened = answer(window=wide, **facts)
        assert (usual.verdict, usual.until) == (widened.verdict, widened.until)
        assert answer(window=narrow, **facts).allowed == (hour in {17, 18})


def test_TIM_01_reminders_keep_the_practices_hours_and_skip_the_states_sundays() -> None:
    monday_holiday = at("2027-02-09T17:00:00Z")  # Mardi Gras
    facts: dict[str, Any] = {"zip": "70112", "address": "+15045550101", "now": monday_holiday}
    assert answer("A", **facts).allowed
    assert answer("R", **facts).codes == ("STATE_HOLIDAY",)


@pytest.mark.parametrize("channel", ["email", "letter", "portal"])
def test_TIM_01_email_letters_and_portal_keep_no_hours(channel: str) -> None:
    assert answer("R", channel, now=at("2026-11-25T09:00:00Z")).allowed


def test_TIM_02_an_automated_text_to_maine_ends_at_five_on_weekdays() -> None:
    facts: dict[str, Any] = {
        "zip": "04101",
        "address": "+12075550101",
        "reassigned": "no",
        "reassigned_checked_on": NOW.date(),
    }
    for now, kind, verdict in (
        ("2026-11-24T21:59:00Z", True, "allow"),
        ("2026-11-24T22:00:00Z", True, "delay"),
        ("2026-11-24T22:00:00Z", False, "allow"),
    ):
        assert by_law(now, automated=kind, **facts).verdict == verdict


def test_TIM_04_law_only_is_never_shipped() -> None:
    assert PACKS.national is not None
    assert PACKS.margin == timedelta(minutes=5)
    assert LAW.national is None
