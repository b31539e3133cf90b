"""Further cases of the same kinds as in the rules' own lists: other states, zones, ZIPs at the edges, leap days, segments, phrases."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from recare.channels.email.quotes import own_words
from recare.compliance.optout import is_help, is_start, read
from recare.compliance.segments import count
from recare.compliance.zones import Address, place
from recare.inbox import intent
from tests.compliance.questions import OFFER, PACKS, answer, at, by_law

NOON: Final = at("2027-01-13T18:00:00Z")
EAST, CENTRAL, MOUNTAIN, PACIFIC, PHOENIX = (
    f"America/{city}" for city in ("New_York", "Chicago", "Denver", "Los_Angeles", "Phoenix")
)
PLACES: Final = {
    "CA": ("94103", "+14155550101"), "CO": ("80202", "+13035550101"), "CT": ("06103", "+18605550101"), "FL": ("33101", "+13055550101"),
    "GA": ("30303", "+14045550101"), "IN": ("46204", "+13175550101"), "LA": ("70112", "+15045550101"), "MD": ("21201", "+14105550101"),
    "ME": ("04101", "+12075550101"), "MI": ("48226", "+13135550101"), "MO": ("63101", "+13145550101"), "MS": ("39201", "+16015550101"),
    "MT": ("59101", "+14065550101"), "NJ": ("07102", "+19735550101"), "NM": ("87102", "+15055550101"), "NY": ("10001", "+12125550101"),
    "OH": ("44114", "+12165550101"), "OK": ("73102", "+14055550101"), "PA": ("19102", "+12155550101"), "TN": ("37201", "+16155550101"),
    "TX": ("75201", "+12145550101"), "WA": ("98101", "+12065550101"), "WI": ("53202", "+14145550101"),
}  # fmt: skip


def home(state: str) -> dict[str, Any]:
    return {"zip": PLACES[state][0], "address": PLACES[state][1]}


def codes(*args: Any, **facts: Any) -> set[str]:
    return set(answer(*args, **{"now": NOON, **facts}).codes)


STOPS = [
    "StOp", "sToP pLeAsE", "No thanks, stop", "no thank you. STOP.", "Wrong. Stop.", "I moved to Ohio, unsubscribe me", "ok\nno more", "Discontinue",
    "I'd rather you didn't text me", "Please refrain from texting me", "Quit bugging me", "On Monday I would like to stop getting these", "i want out",
    "I didn't sign up for this, stop", "✋🏽", "🙅‍♀️", "Stop 🙏", "STOP TEXTING ME!!! 😡😡", "S-T-O-P", "stop\n--\nAda", "Discontinuar", "¡BASTA YA!", "ya párenle", "No gracias, alto",
    "NO MÁS TEXTOS POR FAVOR", "quiero que me borren de la lista", "Dejen de molestarme", "ARRÊT svp", "Text me no more", "take my mom off your list",
]  # fmt: skip


@pytest.mark.parametrize("text", STOPS)
def test_OPT_01_more_ways_to_say_stop(text: str) -> None:
    assert read(text).verdict == "stop"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("cancel that, I'll come Monday", "maybe"), ("We had to cancel last time", "maybe"), ("stop sign broke my tooth", "maybe"),
        ("opt for the morning slot", "maybe"), ("Please don't cancel my appointment", "maybe"), ("cancela mi cita por favor", "maybe"),
        ("I'll stop in later, thanks", "maybe"), ("see you then 👍", "none"), ("topic", "none"), ("sí, por favor", "none"), ("I moved to Ohio", "none"),
    ],
)  # fmt: skip
def test_OPT_01_other_uses_of_the_words_go_to_a_person_or_mean_nothing(text: str, verdict: str) -> None:
    assert read(text).verdict == verdict


@pytest.mark.parametrize(
    ("mail", "verdict"),
    [
        ("Please book me.\n\nOn Mon, Jan 4, 2027 at 9:00 AM Maple <a@example.com> wrote:\n> Reply STOP or unsubscribe", "none"),
        ("Sí gracias\n\nEl lun, 4 ene 2027 a las 9:00, Maple (<a@example.com>) escribió:\n> unsubscribe", "none"),
        ("Yes\n\n________________________________\nFrom: Maple <x@example.com>\nunsubscribe", "none"),
        ("yes\n\nSent from my phone\n\n> On Jan 4, 2027, at 9:00 AM, Maple wrote:\n> unsubscribe", "none"),
        ("Thanks!\n\n-----Original Message-----\nFrom: Maple\nTo unsubscribe click", "none"),
        ("STOP\n\nOn Mon, Jan 4, 2027 at 9:00 AM Maple <a@example.com> wrote:\n> Book here", "stop"),
        ("> unsubscribe from these\n\nplease remove me", "stop"),
    ],
)  # fmt: skip
def test_OPT_01_what_a_mail_quotes_is_not_what_the_person_says(mail: str, verdict: str) -> None:
    assert read(own_words(mail)).verdict == verdict


@pytest.mark.parametrize("text", ["HELP!", "Help?", "ayuda", "INFO."])
def test_OPT_05_more_help(text: str) -> None:
    assert is_help(text)
    assert read(text).verdict == "none"


@pytest.mark.parametrize(("text", "starts"), [("Unstop", True), ("Start.", True), ("iniciar", True), ("yes", False), ("let's start", False), ("STARTS", False)])  # fmt: skip
def test_OPT_05_only_the_word_itself_starts(text: str, starts: bool) -> None:  # noqa: FBT001
    assert is_start(text) is starts


@pytest.mark.parametrize(
    "text",
    ["Wrong #", "wrong no.", "u got the wrong number", "this isn't Ada", "No soy Ada", "I am not that person", "Número equivocado", "I just got this number", "nobody by that name here"],
)  # fmt: skip
def test_NUM_01_more_ways_to_say_wrong_number(text: str) -> None:
    assert intent.read(text).name == "wrong_number"


@pytest.mark.parametrize("text", ["this is not ok", "no soy de aquí", "This isn't the best time", "this is not about money"])  # fmt: skip
def test_NUM_01_what_only_sounds_like_it_is_not(text: str) -> None:
    assert intent.read(text).name != "wrong_number"


@pytest.mark.parametrize("text", ["RIP mom", "We lost her in June", "falleció en mayo", "My husband has passed", "he rests in peace"])  # fmt: skip
def test_PAT_03_more_ways_to_tell_of_a_death(text: str) -> None:
    assert intent.read(text).name == "deceased"


@pytest.mark.parametrize(
    ("text", "toll_free", "segments"),
    [
        ("€" * 80, False, 1), ("€" * 81, False, 2), ("a" * 158 + "~", False, 1), ("ñ" * 160, False, 1), ("á" * 71, False, 2), ("Ç" * 160, False, 1),
        ("😀" * 35, False, 1), ("😀" * 36, False, 2), ("“hi”" + "a" * 66, False, 1), ("“hi”" + "a" * 67, False, 2), ("a" * 152 + "^" + "a" * 153, False, 3),
        ("Δ" * 160, False, 1), ("`" * 71, False, 2), ("\u00a0" * 70, False, 1), ("a" * 66 + "😀" + "a" * 66, False, 3), ("a" * 459, False, 3), ("a" * 460, False, 4),
        ("a" * 304, True, 2), ("a" * 305, True, 3), ("ê" * 132, True, 2), ("ê" * 133, True, 3),
    ],
)  # fmt: skip
def test_SMS_02_more_segments(text: str, toll_free: bool, segments: int) -> None:  # noqa: FBT001
    assert count(text, toll_free=toll_free).segments == segments


def zones(number: str = "", zip_code: str = "", state: str = "") -> set[str]:
    return set(place(PACKS, Address(number, zip_code, state, "US")).zones)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("812", {EAST, CENTRAL}), ("574", {EAST, CENTRAL}), ("364", {EAST, CENTRAL}), ("931", {EAST, CENTRAL}), ("906", {EAST, CENTRAL}), ("208", {MOUNTAIN, PACIFIC}),
        ("541", {MOUNTAIN, PACIFIC}), ("701", {CENTRAL, MOUNTAIN}), ("605", {CENTRAL, MOUNTAIN}), ("308", {CENTRAL, MOUNTAIN}), ("620", {CENTRAL, MOUNTAIN}),
        ("808", {"Pacific/Honolulu"}), ("787", {"America/Puerto_Rico"}), ("939", {"America/Puerto_Rico"}), ("671", {"Pacific/Guam"}), ("684", {"Pacific/Pago_Pago"}),
    ],
)  # fmt: skip
def test_TIM_05_more_area_codes_with_all_their_zones(code: str, wanted: set[str]) -> None:
    assert zones(f"+1{code}5550101") >= wanted


@pytest.mark.parametrize("number", [f"+1{code}5550101" for code in ("800", "833", "844", "855", "866", "877", "888", "500", "700", "900")] + ["+442079460101", "+525555550101"])  # fmt: skip
def test_TIM_04_numbers_that_tell_no_place(number: str) -> None:
    assert zones(number) == set()
    assert "TZ_UNKNOWN" in codes(address=number, zip="")
    assert zones(number, "60540") == {CENTRAL}


@pytest.mark.parametrize(
    ("zip_code", "wanted"),
    [
        ("32456", EAST), ("32401", CENTRAL), ("46383", CENTRAL), ("47901", EAST), ("42701", EAST), ("42101", CENTRAL), ("37402", EAST), ("38501", CENTRAL), ("83501", PACIFIC),
        ("83702", MOUNTAIN), ("97914", MOUNTAIN), ("97301", PACIFIC), ("58601", MOUNTAIN), ("58501", CENTRAL), ("57701", MOUNTAIN), ("67735", MOUNTAIN), ("49938", CENTRAL),
        ("79901", MOUNTAIN), ("79735", CENTRAL), ("86515", MOUNTAIN), ("86001", PHOENIX), ("99546", "America/Adak"), ("96813", "Pacific/Honolulu"), ("00901", "America/Puerto_Rico"),
        ("96910", "Pacific/Guam"), ("00802", "America/Puerto_Rico"),
    ],
)  # fmt: skip
def test_TIM_04_zips_at_the_edges_of_zones(zip_code: str, wanted: str) -> None:
    assert zones("", zip_code) == {wanted}


@pytest.mark.parametrize(
    "zip_code",
    ["86045", "86512", "86502", "89883", "37405", "37338", "79942", "83522", "86003", "57532", "36867", "73946"],
)
def test_TIM_04_where_a_zip_keeps_two_clocks_both_count(zip_code: str) -> None:
    assert len(zones("", zip_code)) == 2


def test_TIM_04_north_chattanooga_is_not_texted_by_central_time() -> None:
    home: dict[str, Any] = {"zip": "37405", "address": "+14235550101", "visits_known_at": at("2027-01-15T02:30:00Z")}
    assert by_law("2027-01-15T02:30:00Z", **home).verdict == "delay"  # 21:30 there, 20:30 by the list's clock


def test_TIM_04_a_new_york_home_with_a_hawaiian_number_has_two_and_a_half_hours() -> None:
    facts: dict[str, Any] = {"zip": "10001", "address": "+18085550101"}
    found = [answer(now=at(f"2027-01-13T{hour}:00Z"), **facts).verdict for hour in ("15:30", "19:59", "20:00", "22:59", "23:00")]  # fmt: skip
    assert found == ["delay", "delay", "allow", "allow", "delay"]


@pytest.mark.parametrize(("state", "zip_code", "number"), [("PR", "00901", "+17875550101"), ("GU", "96910", "+16715550101"), ("VI", "00802", "+13405550101")])  # fmt: skip
def test_ENG_01_territories_without_a_row_go_to_a_person(state: str, zip_code: str, number: str) -> None:
    assert "STATE_PACK_MISSING" in codes(state=state, zip=zip_code, address=number)


@pytest.mark.parametrize(
    ("state", "now", "until"),
    [
        ("CA", "2027-03-15T03:59:59Z", None), ("CA", "2027-03-15T04:00:00Z", "2027-03-15T15:00:00Z"), ("CA", "2026-11-01T15:59:59Z", "2026-11-01T16:00:00Z"),
        ("CA", "2026-11-01T16:00:00Z", None), ("OH", "2027-03-14T03:00:00Z", "2027-03-14T12:00:00Z"), ("OH", "2026-11-01T02:00:00Z", "2026-11-01T13:00:00Z"),
        ("GA", "2028-02-29T13:00:00Z", None), ("GA", "2028-03-01T02:00:00Z", "2028-03-01T13:00:00Z"), ("GA", "2028-03-12T12:00:00Z", None),
    ],
)  # fmt: skip
def test_TIM_06_more_nights_of_changing_clocks_and_a_leap_day(state: str, now: str, until: str | None) -> None:
    moment = at(now)
    fresh: dict[str, Any] = {
        "visits_known_at": moment,
        "dnc_checked_on": moment.date(),
        "last_confirmed_on": moment.date(),
    }
    found = by_law(now, **home(state), **fresh)
    assert (found.verdict, found.until) == (("allow", None) if until is None else ("delay", at(until)))


@pytest.mark.parametrize("state", ["CT", "FL", "MD", "NJ", "OK", "WA"])
def test_CON_01_signed_consent_where_home_or_number_lies_there(state: str) -> None:
    zip_code, number = PLACES[state]
    for facts in (home(state), {"zip": zip_code, "address": "+13035550101"}, {"zip": "80202", "address": number}):
        assert "NO_PEWC" in codes(level=2, **facts)
        assert not codes(level=3, **facts) & {"NO_PEWC", "NO_CONSENT_SMS"}
    assert not codes("A", level=1, **home(state)) & {"NO_PEWC", "NO_CONSENT_SMS"}


@pytest.mark.parametrize("state", ["GA", "OH", "CA", "CO", "NY"])
def test_CON_01_elsewhere_an_opt_in_is_enough_for_recall_and_a_number_on_file_is_not(state: str) -> None:
    assert codes(level=2, **home(state)) == set()
    assert codes(level=1, **home(state)) == {"NO_CONSENT_SMS"}
    assert "NO_PEWC" in codes("P", level=2, **home(state))
    assert codes(level=None, **home(state)) == {"CONSENT_UNKNOWN"}


@pytest.mark.parametrize(
    ("state", "last", "now", "lives"),
    [
        ("GA", "2025-07-13", "2027-01-12", True), ("GA", "2025-07-13", "2027-01-13", False), ("OH", "2025-08-30", "2027-02-26", True), ("OH", "2025-08-30", "2027-03-01", False),
        ("GA", "2026-08-31", "2028-02-28", True), ("GA", "2026-08-31", "2028-02-29", False), ("TX", "2026-01-13", "2027-01-12", True), ("TX", "2026-01-13", "2027-01-13", False),
        ("MI", "2024-02-29", "2025-02-27", True), ("NM", "2024-02-29", "2025-02-28", False), ("LA", "2026-07-14", "2027-01-13", True), ("LA", "2026-07-13", "2027-01-13", False),
        ("MS", "2026-08-31", "2027-02-26", True), ("MO", "2026-07-14", "2027-01-13", True), ("MT", "2026-07-10", "2027-01-13", False), ("NJ", "2027-01-10", "2027-01-13", False),
        ("WI", "2027-01-10", "2027-01-13", False), ("IN", "2027-01-10", "2027-01-13", False),
    ],
)  # fmt: skip
def test_DNC_02_more_ends_of_a_relationship(state: str, last: str, now: str, lives: bool) -> None:  # noqa: FBT001
    moment = datetime.fromisoformat(now).replace(hour=18, tzinfo=UTC)
    found = answer("R", "call", moment, level=2, dnc_listed=True, last_visit_on=date.fromisoformat(last), **home(state))
    assert ("DNC_NATIONAL" not in found.codes) is lives


@pytest.mark.parametrize(("state", "asked", "lives"), [("GA", "2026-11-14", True), ("GA", "2026-10-13", False), ("IN", "2027-01-10", False), ("NJ", "2027-01-10", False)])  # fmt: skip
def test_DNC_02_an_inquiry_lives_three_months(state: str, asked: str, lives: bool) -> None:  # noqa: FBT001
    found = codes("R", "call", level=2, dnc_listed=True, last_inquiry_on=date.fromisoformat(asked), **home(state))
    assert ("DNC_NATIONAL" not in found) is lives


def days(number: int) -> date:
    return NOON.date() - timedelta(days=number)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"dnc_checked_on": days(31)}, ""), ({"dnc_checked_on": days(32)}, "DNC_SCRUB_STALE"), ({"dnc_checked_on": days(-40)}, "DNC_SCRUB_STALE"),
        ({"last_confirmed_on": days(180)}, ""), ({"last_confirmed_on": days(181)}, "RND_NEEDED"), ({"last_confirmed_on": days(-3)}, "RND_NEEDED"),
        ({"last_confirmed_on": None, "reassigned": "no", "reassigned_checked_on": days(30)}, ""),
        ({"last_confirmed_on": None, "reassigned": "no", "reassigned_checked_on": days(31)}, "RND_NEEDED"),
        ({"last_confirmed_on": None, "reassigned": "no", "reassigned_checked_on": days(-9)}, "RND_NEEDED"),
        ({"last_confirmed_on": None, "reassigned": "no_data", "reassigned_checked_on": days(0)}, "RND_NEEDED"),
        ({"visits_known_at": NOON - timedelta(hours=24, seconds=1)}, "VISITS_STALE"), ({"visits_known_at": NOON + timedelta(hours=48)}, "VISITS_STALE"),
    ],
)  # fmt: skip
def test_RND_01_DNC_01_what_was_asked_too_long_ago_or_in_the_future_proves_nothing(
    facts: dict[str, Any], code: str
) -> None:
    assert codes(**home("GA"), **facts) == ({code} if code else set())


@pytest.mark.parametrize(
    ("birthdate", "now", "code"),
    [
        (date(2009, 1, 13), "2027-01-13", "ADULT_RECONSENT"), (date(2009, 1, 14), "2027-01-13", "NO_GUARDIAN"), (date(2008, 2, 29), "2026-02-28", "ADULT_RECONSENT"),
        (date(2008, 2, 29), "2026-02-27", "NO_GUARDIAN"), (None, "2027-01-13", "AGE_UNKNOWN"),
    ],
)  # fmt: skip
def test_PAT_04_the_day_somebody_turns_eighteen_also_when_nobody_knows_when_consent_was_given(
    birthdate: date | None, now: str, code: str
) -> None:
    moment = datetime.fromisoformat(now).replace(hour=18, tzinfo=UTC)
    assert code in answer("R", "email", moment, zip="30303", birthdate=birthdate).codes


@pytest.mark.parametrize(
    "text",
    [
        "insurance accepted as full payment", "We accept your insurance as payment in full", "Your copay is on us", "zero copay for new visits", "No out of pocket expense",
        "nothing out-of-pocket", "we waive your deductible", "sin copago para usted", "aceptamos su seguro como pago total",
    ],
)  # fmt: skip
def test_OFR_02_more_words_for_a_waiver(text: str) -> None:
    assert "COPAY_WAIVER" in codes("P", "email", level=3, zip="30303", offer=OFFER, text=text)


@pytest.mark.parametrize("text", ["Questions about coverage or your copay? Call us", "We file with your insurance plan for you", "Pay online after your visit"])  # fmt: skip
def test_OFR_02_talking_of_insurance_is_no_waiver(text: str) -> None:
    assert "COPAY_WAIVER" not in codes("R", "email", zip="30303", text=text)


@pytest.mark.parametrize("payer", ["va", "champva", "Medicaid", "ihs"])
def test_OFR_01_a_payer_nobody_has_named_may_be_a_federal_one(payer: str) -> None:
    assert "OFFER_FED" in codes("P", "email", level=3, zip="92101", offer=OFFER, payer_class=payer)
