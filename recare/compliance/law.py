"""The packs of all countries and states that concern one person on one day, merged to the strictest (JUR-01, TIM-04)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from recare.compliance.packs import Cap, CountryPack, PackSet, StateRow

CHANNELS: Final = ("sms", "email", "call")


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """Strictest of all rows. ``months`` of None: the relationship never counts."""

    name: str
    floors: dict[str, dict[str, int]]
    recall_floor: int
    call_floor: int
    call_floor_states: tuple[str, ...]
    recall_floor_states: tuple[str, ...]
    missing_states: tuple[str, ...]
    ebr_months: int
    inquiry_months: int
    implied_months: int
    implied_inquiry_months: int
    implied_classes: tuple[str, ...]
    registry_channels: frozenset[str]
    registry_max_age: int
    state_lists: tuple[str, ...]
    query_states: tuple[str, ...]
    written_promo_states: tuple[str, ...]
    caps: tuple[Cap, ...]
    not_interested_months: int
    without_ad_rules: tuple[str, ...]
    gifts_medicaid: bool
    referral_rewards: bool
    per_day: int
    per_week: int
    recall_is_marketing: bool
    states_required: bool


def law(packs: PackSet, countries: tuple[str, ...], states: tuple[str, ...], day: date) -> Law:
    """The merged law, kept for the day. ``countries`` must have packs; none of them gives the strictest law there is."""
    key = ("law", countries, states, day)
    found = packs.cache.get(key)
    if found is None:
        found = _merge(packs, countries, states, day)
        packs.keep(key, found)
    assert isinstance(found, Law)  # noqa: S101  # the cache is untyped, its keys are not
    return found


def _merge(packs: PackSet, countries: tuple[str, ...], states: tuple[str, ...], day: date) -> Law:
    books = [packs.packs[country] for country in countries]
    us = packs.packs["US"] if "US" in countries else None
    found = {state: us.row(state, day) for state in states} if us else {}
    rows = [row for row in found.values() if row is not None]
    implied = [book for book in books if book.implied_months]
    return Law(
        name=" + ".join(packs.names[country] for country in countries),
        floors=_floors(books),
        recall_floor=max((row.recall_floor for row in rows), default=0),
        call_floor=max((row.call_floor for row in rows), default=0),
        call_floor_states=tuple(row.state for row in rows if row.call_floor > 1),
        recall_floor_states=tuple(row.state for row in rows if row.recall_floor > 2),
        missing_states=tuple(state for state, row in found.items() if row is None),
        ebr_months=_least([*(book.ebr_months for book in books), *_stated(rows)]),
        inquiry_months=_least([*(book.ebr_inquiry_months for book in books), *_stated(rows)]),
        # implied consent counts only where every country concerned knows it
        implied_months=_least(book.implied_months for book in books) if implied else 0,
        implied_inquiry_months=_least(book.implied_inquiry_months for book in books) if implied else 0,
        implied_classes=implied[0].implied_classes if implied else (),
        registry_channels=frozenset(channel for book in books for channel in book.registry_channels),
        registry_max_age=_least(book.registry_max_age_days for book in books),
        state_lists=tuple(row.state for row in rows if row.state_list),
        query_states=tuple(row.state for row in rows if row.reassigned_query),
        written_promo_states=tuple(row.state for row in rows if row.written_promo),
        caps=tuple(dict.fromkeys(cap for row in rows for cap in row.caps)),
        not_interested_months=max((row.not_interested_months for row in rows), default=0),
        without_ad_rules=tuple(row.state for row in rows if not row.ad_rules),
        gifts_medicaid=all(row.gifts_medicaid for row in rows),
        referral_rewards=bool(rows) and all(row.referral_rewards for row in rows),
        per_day=_least(book.phone_caps.per_day for book in books) or 1,
        per_week=_least(book.phone_caps.per_week for book in books) or 1,
        recall_is_marketing=any(book.recall_is_marketing for book in books) or not books,
        states_required=us is not None and us.states_required,
    )


def _floors(books: list[CountryPack]) -> dict[str, dict[str, int]]:
    if not books:
        return {channel: dict.fromkeys("ARPTS", 3) for channel in CHANNELS}
    return {
        channel: {kind: max(book.floors[channel][kind] for book in books) for kind in ("A", "R", "P", "T", "S")}
        for channel in CHANNELS
    }


def _stated(rows: list[StateRow]) -> list[int]:
    return [row.ebr_months for row in rows if row.ebr_months is not None]


def _least(numbers: Iterable[int]) -> int:
    return min(numbers, default=0)
