"""The few words of the staff pages' templates: navigation, local time, money, shares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import template
from django.urls import NoReverseMatch, reverse

from recare.base import phones
from recare.practices.practice import Practice

register = template.Library()
_NONE: Final = "\N{EN DASH}"

_PLACES: Final = (
    ("Today", "web:today"),
    ("Case study", "rehearsal:case-study"),
    ("Patients", "web:patients"),
    ("Segments", "segments:list"),
    ("Campaigns", "campaigns:list"),
    ("Templates", "messages:templates"),
    ("Calls", "web:calls"),
    ("Inbox", "inbox:list"),
    ("Schedule", "bookings:schedule"),
    ("Results", "reports:results"),
    ("Data", "sources:data"),
    ("Sandbox", "web:sandbox"),
    ("Settings", "practices:settings"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the navigation."""

    label: str
    url: str
    current: bool


@register.inclusion_tag("components/navigation.html", takes_context=True)
def navigation_menu(context: dict[str, Any]) -> dict[str, list[Place]]:
    """List the rooms that have pages, the current one marked."""
    here = context["request"].path
    found = []
    for label, name in _PLACES:
        try:
            url = reverse(name)
        except NoReverseMatch:  # a room without pages yet
            continue
        if name == "rehearsal:case-study" and not context["practice"].clock_at:
            continue
        found.append(Place(label, url, here == url or (url != "/" and here.startswith(url))))
    return {"places": found}


@register.filter
def local(at: datetime | None, practice: Practice) -> str:
    """Write an instant in the practice's own time: ``Tue 12 Jan 2027, 11:05 am``."""
    if at is None:
        return ""
    there = at.astimezone(ZoneInfo(practice.tz))
    return (
        f"{there:%a} {there.day} {there:%b %Y}, {there:%I:%M %p}".replace(", 0", ", ")
        .replace("AM", "am")
        .replace("PM", "pm")
    )


@register.filter
def day(value: date | None) -> str:
    """Write a day: ``12 Jan 2027``; a dash for none."""
    return f"{value.day} {value:%b %Y}" if value else _NONE


@register.filter
def dollars(cents: float | None) -> str:
    """Write cents as dollars, without cents above 100 dollars: ``$1,240``; a dash for none."""
    if cents is None:
        return _NONE
    return f"${cents / 100:,.0f}" if abs(cents) >= 10_000 or cents % 100 == 0 else f"${cents / 100:,.2f}"


@register.filter
def percent(share: float | None, digits: int = 1) -> str:
    """Write a share of one as per cent: ``12.4 %``; a dash for none."""
    return _NONE if share is None else f"{100 * share:.{digits}f} %"


@register.filter
def points(share: float) -> str:
    """Write a difference of shares of one as percentage points: ``+2.1``."""
    return f"{100 * share:+.1f}"


@register.filter
def grouped(value: Any) -> Any:
    """Write a count with its thousands apart, ``1,337``; leave words as they are."""
    return f"{value:,}" if isinstance(value, int) else value


@register.filter
def phone(e164: str) -> str:
    """Write a number the way people read it."""
    return phones.shown(e164) if e164 else ""
