"""Registries, reassigned and wrong numbers, dead addresses (DNC-01 to DNC-04, RND-01, NUM-01, NUM-02, EML-04, EML-05)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recare.compliance.question import plus_months

if TYPE_CHECKING:
    from datetime import date

    from recare.compliance.context import Point
    from recare.compliance.question import Question

CONFIRMED_DAYS: Final = 180
QUERY_DAYS: Final = 30
NEUTRAL_MONTHS: Final = 12


def dead(q: Question) -> None:
    """Addresses that reach nobody, or somebody else: for every class."""
    point = q.point
    if point is None:
        return
    if point.complained:
        q.deny("COMPLAINT", "EML-05")
    if q.channel == "email":
        if point.hard_bounced:
            q.deny("HARD_BOUNCE", "EML-04")
        return
    if point.wrong_number and not (q.exempt and not q.content.names_person):
        q.deny("WRONG_NUMBER", "NUM-01")
    if point.reassigned == "yes" and not (q.exempt and not q.content.names_person):
        q.deny("RND_REASSIGNED", "RND-01")
    if q.channel == "sms" and (point.sms_incapable or point.extension):
        q.deny("SMS_INCAPABLE", "SMS-03")


def do_not_call(q: Question) -> None:
    """DNC-01 national, DNC-03 state lists: signed consent that names the number, or a live relationship, lifts a listing."""
    point = q.point
    if point is None or not q.solicits or q.channel not in q.law.registry_channels:
        return
    free = q.c3 or q.has_ebr()
    if not free:
        if point.dnc_listed:
            q.deny("DNC_NATIONAL", "DNC-01")
        if not q.practice.is_sandbox and _scrub_stale(q, point):
            q.deny("DNC_SCRUB_STALE", "DNC-01")
    states = q.law.state_lists
    if states and point.state_dnc_listed and not free:
        q.deny("DNC_STATE", "DNC-03", " ".join(states))
    if states and not point.state_dnc_checked and not q.c3 and q.cls in {"P", "T"} and not q.practice.is_sandbox:
        q.review("STATE_DNC_UNCHECKED", "DNC-03", " ".join(states))


def _scrub_stale(q: Question, point: Point) -> bool:
    if point.dnc_listed is None or point.dnc_checked_on is None:
        return True
    return not _known(q, point.dnc_checked_on, q.law.registry_max_age)


def _known(q: Question, day: date | None, days: int) -> bool:
    """Whether ``day`` lies at most so many days back; one in the future proves nothing (a day's grace for clocks that run ahead)."""
    return day is not None and -1 <= (q.last_day - day).days <= days


def reassigned(q: Question) -> None:
    """RND-01: a text to a number nobody confirmed in 180 days needs a recent "no" of the database; Maine needs the query for each call."""
    point = q.point
    if point is None or not q.us or q.cls not in {"R", "P", "T"} or query_clean(q, point):
        return
    if q.law.query_states:
        q.deny("RND_NEEDED", "RND-01", q.law.query_states[0])
        return
    confirmed = point.last_confirmed_on
    if q.channel == "sms" and not _known(q, confirmed, CONFIRMED_DAYS):
        q.review("RND_NEEDED", "RND-01", point.reassigned)


def neutral(q: Question) -> None:
    """NUM-02: the text to a number not confirmed for a year names neither person nor visit."""
    point = q.point
    if (
        point is None
        or q.channel != "sms"
        or q.exempt
        or q.cls == "A"
        or not q.content.names_person
        or query_clean(q, point)
    ):
        return
    confirmed = point.last_confirmed_on
    if confirmed is None or (confirmed - q.last_day).days > 1 or q.last_day >= plus_months(confirmed, NEUTRAL_MONTHS):
        q.deny("NEUTRAL_REQUIRED", "NUM-02")


def query_clean(q: Question, point: Point) -> bool:
    """Whether the reassigned-numbers database said "no" within 30 days; rehearsals have invented numbers, so theirs is clean."""
    if point.reassigned == "yes":
        return False
    if q.practice.is_sandbox:
        return True
    asked = point.reassigned_checked_on
    return point.reassigned == "no" and _known(q, asked, QUERY_DAYS)


def not_interested(q: Question) -> None:
    """VOX-02: Washington: no call for a year after "not interested"."""
    point = q.point
    months = q.law.not_interested_months
    if point is not None and months and q.cls in {"R", "P", "T"} and q.within(point.not_interested_on, months):
        q.deny("NOT_INTERESTED", "VOX-02")
