"""One question with everything derived from it once: class, countries, place, local dates, consent. Gates read it and add reasons."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from recare.compliance.decision import Reason
from recare.compliance.law import law
from recare.compliance.windows import Scope, schedule
from recare.compliance.zones import Address, Place, place

if TYPE_CHECKING:
    from recare.compliance.context import Context
    from recare.compliance.law import Law
    from recare.compliance.packs import PackSet
    from recare.compliance.windows import Schedule

REPLY_AGE: Final = timedelta(hours=24)
CONFIRM_AGE: Final = timedelta(minutes=5)
SKEW: Final = timedelta(minutes=5)
"""Clocks of two machines may differ; an answer to words further in the future than this answers nothing."""


class Question:
    """What one decision needs. Built once, thrown away; attributes only."""

    __slots__ = (
        "c3", "channel", "cls", "content", "countries", "exempt", "first_day", "history", "hours", "last_day", "law", "level", "now",
        "packs", "patient", "phone", "place", "point", "practice", "reached", "reasons", "sender", "solicits", "stamp", "us",
    )  # fmt: skip

    def __init__(self, context: Context, packs: PackSet, now: datetime) -> None:
        if now.tzinfo is None:
            raise ValueError("now must be aware: an hour without a zone is no instant")
        self.practice, self.patient, self.point = context.practice, context.patient, context.point
        self.content, self.history, self.sender = context.content, context.history, context.sender
        self.packs, self.now, self.stamp = packs, now, now.timestamp()
        self.channel = context.content.channel
        self.phone = self.channel in {"sms", "call"}
        self.reached = self.phone or self.channel == "email"
        self.reasons: list[Reason] = []
        self.hours: Schedule | None = None
        self.cls = _class(context)
        self.exempt = self.cls == "S" and _answers(context, now)
        self.countries = _countries(packs, context)
        self.us = "US" in self.countries
        self.place: Place = _place(packs, context, phone=self.phone)
        self.first_day, self.last_day = self.place.dates(self.stamp)
        self.law: Law = law(packs, self.countries, self.place.states, self.last_day)
        self.level = _level(context)
        self.c3 = self.level == 3
        self.solicits = self.cls in {"P", "T"} or (
            self.cls == "R"
            and (context.practice.recall_is_solicitation or not self.us)
            and self.law.recall_is_marketing
        )

    def deny(self, code: str, rule: str, detail: str = "") -> None:
        self.reasons.append(Reason(code, rule, "deny", self.law.name, detail))

    def review(self, code: str, rule: str, detail: str = "") -> None:
        self.reasons.append(Reason(code, rule, "review", self.law.name, detail))

    def delay(self, code: str, rule: str, detail: str, until: float) -> None:
        self.reasons.append(Reason(code, rule, "delay", self.law.name, detail, self.instant(until)))

    @staticmethod
    def instant(stamp: float | None) -> datetime | None:
        return None if stamp is None else datetime.fromtimestamp(stamp, UTC)

    def clock(self) -> tzinfo:
        """A clock to show a date by: the person's, else the practice's, else UTC."""
        if self.place.clocks:
            return self.place.clocks[0]
        return ZoneInfo(self.practice.tz) if self.practice.tz else UTC

    def schedule(self) -> Schedule:
        """Open hours here: state windows only where the message solicits (CLS-01); a channel without hours never asks."""
        if self.hours is None:
            states = self.place.states if self.solicits and self.us else ()
            scope = Scope(self.place.zones, states, self.countries, self.practice.window, self.content.automated)
            self.hours = schedule(self.packs, scope)
        return self.hours

    def has_ebr(self) -> bool:
        """DNC-02: a live business relationship: 18 months from the last visit or payment, 3 from an inquiry, fewer where a state says so.

        The last day is exclusive, the month's end is clamped, and any do-not-call request ends it.
        """
        point = self.point
        if point is not None and (point.internal_dnc or point.opted_out_at or point.all_calls_out_at):
            return False
        return self.within(self.last_transaction(), self.law.ebr_months) or self.within(
            self.patient.last_inquiry_on, self.law.inquiry_months
        )

    def last_transaction(self) -> date | None:
        """The later of the last visit and the last payment; a day in the future is no evidence."""
        days = [
            day
            for day in (self.patient.last_visit_on, self.patient.last_transaction_on)
            if day and day <= self.last_day
        ]
        return max(days, default=None)

    def within(self, start: date | None, months: int) -> bool:
        """Whether today, in every possible zone, is before ``start`` plus ``months``."""
        return start is not None and months > 0 and start <= self.last_day < plus_months(start, months)


def plus_months(day: date, months: int) -> date:
    """The same day of the month, later; the last day where the month is shorter (31 August + 18 = 28 February)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _class(context: Context) -> str:
    """The class a message really has: money of others makes it T, an offer or a promotional word makes it P, whatever it claims."""
    content = context.content
    if content.message_class == "T" or content.remuneration == "third":
        return "T"
    if content.message_class == "P" or content.offer is not None:
        return "P"
    if content.message_class == "R" and ("L15" in content.findings or "L13" in content.findings):
        return "P"
    return content.message_class


def _answers(context: Context, now: datetime) -> bool:
    """Whether a service message answers the person's own words, at most a day old, or confirms an opt-out (OPT-04)."""
    content = context.content
    if content.asks_consent:
        return False
    if content.confirms_opt_out_at is not None:
        return True
    said = content.answers_person_at
    return said is not None and -SKEW <= now - said <= REPLY_AGE


def _countries(packs: PackSet, context: Context) -> tuple[str, ...]:
    named = (context.patient.country or context.practice.country, context.practice.country)
    if named[0] == named[1]:
        return (named[0],) if named[0] in packs.packs else ()
    return tuple(country for country in named if country in packs.packs)


def _place(packs: PackSet, context: Context, *, phone: bool) -> Place:
    patient, point = context.patient, context.point
    number = point.address[:5] if phone and point is not None else ""
    size = len(point.address) if phone and point is not None else 0
    country = patient.country or context.practice.country
    key = (
        "place",
        number,
        size,
        patient.zip,
        patient.state,
        country,
        patient.confirmed_tz,
        "" if phone else context.practice.tz,
    )
    found = packs.cache.get(key)
    if found is None:
        whole = point.address if phone and point is not None else ""
        found = place(packs, Address(whole, patient.zip, patient.state, country, patient.confirmed_tz))
        if not phone and not found.zones and context.practice.tz:
            found = place(packs, Address("", patient.zip, patient.state, country, context.practice.tz))
        packs.keep(key, found)
    assert isinstance(found, Place)  # noqa: S101  # the cache is untyped, its keys are not
    return found


def _level(context: Context) -> int:
    """The consent level that can be relied on; -1 = unknown. Signed consent that lacks a part counts as C2 (I2)."""
    point = context.point
    if point is None or point.level is None:
        return -1
    if point.level >= 3 and (point.pewc_incomplete or not point.names_seller or point.seller_changed):
        return 2
    return point.level
