"""What no vector can show: restricting facts never widen, an allowed hour is open everywhere, and no wait leads to the same wait."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import zipcodes
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers.tzdata import TIMEZONE_DATA

from recare.compliance.context import Context, Window
from recare.compliance.decision import STRICTNESS, Decision
from recare.compliance.gates import decide
from recare.compliance.zones import table
from tests.compliance.questions import NOW, PACKS, WIDE, ask

INSTANTS = st.integers(0, 577 * 86400).map(
    lambda seconds: datetime(2026, 9, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
CODES = sorted(code for code, found in table().items() if found.country == "US" and "PR" not in found.states)
ZIP_ROWS: dict[str, dict[str, Any]] = {row["zip_code"]: row for row in zipcodes.list_all() if row["timezone"]}  # type: ignore[no-untyped-call]
SOME_ZIPS = sorted(ZIP_ROWS)[::41]


@st.composite
def questions(draw: Any) -> tuple[Context, datetime]:
    """Mostly allowable questions anywhere in the country at any hour, with a history."""
    now = draw(INSTANTS)
    hours = draw(st.lists(st.floats(0.5, 24 * 120), max_size=6))
    touches = tuple(now - timedelta(hours=back) for back in hours)
    window = draw(
        st.sampled_from((WIDE, Window(), Window(saturday=(time(9), time(20))), Window(weekday=(time(11), time(13)))))
    )
    context = ask(
        draw(st.sampled_from(("A", "R", "R", "P"))),
        draw(st.sampled_from(("sms", "sms", "call", "email"))),
        now,
        address=f"+1{draw(st.sampled_from(CODES))}5550101",
        zip=draw(st.sampled_from(("", *SOME_ZIPS))),
        level=draw(st.sampled_from((1, 2, 3, 3))),
        number_touches=touches,
        email_touches=touches,
        window=window,
        max_per_week=draw(st.sampled_from((1, 3))),
        last_visit_on=draw(st.dates(date(2023, 1, 1), date(2026, 8, 30))),
        automated=draw(st.booleans()),
        reassigned="no",
        reassigned_checked_on=now.date(),
        state_dnc_checked=draw(st.booleans()),
        paused_until=draw(st.none() | st.dates(date(2026, 9, 1), date(2028, 4, 1))),
    )
    return context, now


def change(part: str, **facts: Any) -> Callable[[Context], Context]:
    return lambda context: replace(context, **{part: replace(getattr(context, part), **facts)})


RESTRICTIONS: dict[str, Callable[[Context], Context]] = {
    "opted out": change("point", opted_out_at=NOW),
    "calls out": change("point", all_calls_out_at=NOW),
    "held": change("point", held=True),
    "doubt": change("point", maybe_opt_out=True),
    "wrong number": change("point", wrong_number=True),
    "complaint": change("point", complained=True),
    "bounced": change("point", hard_bounced=True),
    "suppressed": change("point", suppressed_until=datetime(2028, 6, 1, tzinfo=UTC)),
    "internal list": change("point", internal_dnc=True),
    "no consent": change("point", level=0),
    "unknown consent": change("point", level=None),
    "unsigned": change("point", pewc_incomplete=True),
    "seller": change("point", seller_changed=True),
    "listed": change("point", dnc_listed=True),
    "never scrubbed": change("point", dnc_checked_on=None),
    "reassigned": change("point", reassigned="yes"),
    "state listed": change("point", state_dnc_listed=True),
    "never confirmed": change("point", last_confirmed_on=None),
    "dismissed": change("patient", dismissed=True),
    "deceased": change("patient", deceased=True),
    "booked": change("patient", next_visit_at=datetime(2030, 1, 1, tzinfo=UTC)),
    "visits unknown": change("patient", visits_known_at=None),
    "hold": change("patient", hold="legal"),
    "no birthday": change("patient", birthdate=None),
    "child": change("patient", birthdate=date(2020, 1, 1)),
    "ban": change("patient", banned_channels=("sms", "email", "call")),
    "pause": change("patient", paused_until=date(2028, 6, 1)),
    "part 2": change("patient", part2=True),
    "never seen": change("patient", last_visit_on=None, last_transaction_on=None),
    "billing": change("content", is_billing=True),
    "lint": change("content", findings=("L10",)),
    "third money": change("content", remuneration="third"),
    "kill switch": change("practice", held=True),
    "narrow": change("practice", window=Window(weekday=(time(13), time(14)))),
    "fewer": change("practice", max_per_week=1),
    "no address": change("practice", postal_address=False),
    "no sender": lambda context: replace(context, sender=None),
    "unregistered": change("sender", registered=False),
    "no agreement": change("sender", baa_from=None),
    "paused sender": change("sender", paused=True),
    "unproven domain": change("sender", auth_ok=False),
    "touched now": lambda context: replace(
        context,
        history=replace(
            context.history,
            number_touches=(*context.history.number_touches, datetime(2026, 8, 31, tzinfo=UTC)),
            campaign_touches=tuple(datetime(2028, 3, day, tzinfo=UTC) for day in range(1, 6)),
        ),
    ),
}


def no_wider(before: Decision, after: Decision) -> bool:
    if STRICTNESS[after.verdict] != STRICTNESS[before.verdict]:
        return STRICTNESS[after.verdict] > STRICTNESS[before.verdict]
    return before.until is None or (after.until is not None and after.until >= before.until)


@settings(max_examples=250, deadline=None)
@given(questions(), st.sampled_from(sorted(RESTRICTIONS)))
def test_ENG_01_a_restricting_fact_never_widens(question: tuple[Context, datetime], name: str) -> None:
    context, now = question
    assert no_wider(decide(context, PACKS, now), decide(RESTRICTIONS[name](context), PACKS, now)), name


@settings(max_examples=250, deadline=None)
@given(questions(), st.floats(0.1, 400))
def test_FRQ_01_one_more_touch_never_widens(question: tuple[Context, datetime], hours: float) -> None:
    context, now = question
    history = replace(context.history, number_touches=(*context.history.number_touches, now - timedelta(hours=hours)))
    assert no_wider(decide(context, PACKS, now), decide(replace(context, history=history), PACKS, now))


@settings(max_examples=300, deadline=None)
@given(questions())
def test_ENG_01_no_wait_leads_to_the_same_wait(question: tuple[Context, datetime]) -> None:
    context, now = question
    first = decide(context, PACKS, now)
    assert "GATE_ERROR" not in first.codes
    if first.verdict == "delay":
        assert first.until is not None
        assert first.until > now
        second = decide(context, PACKS, first.until)
        delays = {reason.code for reason in second.reasons if reason.verdict == "delay"}
        assert not delays, (first, second)


# An oracle of its own: section 3 typed again by hand, raw zone data, one minute at a time, no caches, nothing of ours.
EVERY_DAY = {
    "AL": (8, 20), "CT": (9, 20), "FL": (8, 20), "IN": (8, 21), "KY": (10, 21), "LA": (8, 20), "ME": (8, 21), "MD": (8, 20),
    "MA": (8, 20), "MI": (9, 21), "MN": (9, 21), "MS": (8, 20), "NV": (9, 20), "NJ": (8, 21), "NM": (9, 21), "NY": (8, 21),
    "OK": (8, 20), "OR": (8, 20), "RI": (9, 18), "SD": (9, 21), "TX": (9, 21), "UT": (8, 21), "VA": (8, 21), "WA": (8, 20),
    "WY": (8, 20),
}  # fmt: skip
NO_SUNDAY = {"AL", "LA", "MS", "RI", "SD", "UT"}
NO_HOLIDAY = {"AL", "LA", "MS", "RI", "UT", "PA"}
DEVICE = {"IN": (9, 20), "ME": (9, 17)}


SHARED_GROUND = {"448": "850", "930": "812", "364": "270", "458": "541", "986": "208", "729": "423"}
ON_THE_MAP = {
    "931": {"America/New_York"},
    "541": {"America/Boise"},
    "458": {"America/Boise"},
    "432": {"America/Denver"},
}


@functools.cache
def raw_zones(code: str) -> frozenset[str]:
    """Zones of the library's prefixes, of the code it overlays, and those only a map shows."""
    codes = {code, SHARED_GROUND.get(code, code), *(new for new, old in SHARED_GROUND.items() if old == code)}
    return frozenset().union(*(library_zones(one) for one in codes), ON_THE_MAP.get(code, ()))


@functools.cache
def library_zones(code: str) -> frozenset[str]:
    return frozenset(zone for prefix, zones in TIMEZONE_DATA.items() if prefix.startswith("1" + code) for zone in zones)


def legally_open(local: datetime, states: set[str], *, automated: bool) -> bool:
    hour, day = local.hour + local.minute / 60 + local.second / 3600, local.date()
    if not 8 <= hour < 21:
        return False
    for state in states:
        opens, closes = EVERY_DAY.get(state, (8, 21))
        if automated and state in DEVICE:
            opens, closes = DEVICE[state]
        if state == "TX" and day.weekday() == 6:
            opens = 12
        if state == "RI" and day.weekday() == 5:
            opens, closes = 10, 17
        if state == "PA" and day >= date(2026, 10, 18):
            opens, closes = 9, 19
        closed_sunday = (
            state in NO_SUNDAY or (state == "PA" and day >= date(2026, 10, 18)) or (state == "ME" and automated)
        )
        if (closed_sunday and day.weekday() == 6) or (state == "ME" and automated and day.weekday() == 5):
            return False
        if state in NO_HOLIDAY and (
            day in holidays.country_holidays("US") or day in holidays.country_holidays("US", subdiv=state)
        ):
            return False
        if not opens <= hour < closes:
            return False
    return True


def zones_of(context: Context) -> set[str]:
    """Every zone that the address and the number allow, narrowed only by a ZIP inside the area code's zones of the same clock."""
    assert context.point is not None
    code, zip_code = context.point.address[2:5], context.patient.zip
    if not zip_code:
        return set(raw_zones(code))
    home = ZIP_ROWS[zip_code]["timezone"]
    clock = ZoneInfo(home)
    for zone in raw_zones(code):
        same = all(
            (NOW + timedelta(days=30 * month)).astimezone(clock).utcoffset()
            == (NOW + timedelta(days=30 * month)).astimezone(ZoneInfo(zone)).utcoffset()
            for month in range(12)
        )
        if same:
            return {home}
    return {home, *raw_zones(code)}


@settings(max_examples=600, deadline=None)
@given(questions())
@example((ask(now=NOW, address="+18505550101", zip="32501", level=3), NOW))
def test_TIM_04_what_is_allowed_is_open_in_every_possible_zone_and_state(question: tuple[Context, datetime]) -> None:
    context, now = question
    for packs in (PACKS, PACKS.law_only()):
        found = decide(context, packs, now)
        when = now if found.allowed else found.until
        if when is None or context.content.channel == "email":
            return
        code, zip_code = context.point.address[2:5], context.patient.zip  # type: ignore[union-attr]
        states = set(table()[code].states) | ({ZIP_ROWS[zip_code]["state"]} if zip_code else set())
        if context.content.message_class == "A":
            states = set()
        for zone in zones_of(context):
            local = when.astimezone(ZoneInfo(zone))
            assert legally_open(local, states, automated=context.content.automated), (zone, states, local)
            hours = context.practice.window
            today = hours.weekday if local.weekday() < 5 else hours.saturday if local.weekday() == 5 else hours.sunday
            assert today is not None
            assert today[0] <= local.time() < today[1]
            if packs is PACKS:
                assert local.weekday() < 6
                assert 10 <= local.hour < (17 if local.weekday() == 5 else 18)
                assert local.date() not in holidays.country_holidays("US")
