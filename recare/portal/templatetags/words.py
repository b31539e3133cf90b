"""The few words of the patients' templates: a sentence, an address, a day, a time, a price."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django import template

from recare.messages.values import in_words
from recare.portal import words

register = template.Library()


@register.simple_tag(takes_context=True)
def say(context: dict[str, Any], key: str, **values: Any) -> str:
    """Write a sentence in the reader's language; the practice's name and number are always at hand."""
    v, place = context.get("v"), context.get("place")
    known = {"practice": place.name if place else "", "phone": v.phone if v else context.get("phone", "")}
    return words.say(key, context["language"], **(known | values))


@register.simple_tag(takes_context=True)
def to(context: dict[str, Any], page: str, part: str = "", language: str = "", **query: Any) -> str:
    """Write the address of another page of the same link."""
    found: str = context["v"].url(page, part, language, **query)
    return found


@register.simple_tag(takes_context=True)
def moment(context: dict[str, Any], at: datetime) -> str:
    """Write a day and a time."""
    return words.moment(at, context["place"].zone, context["language"])


@register.simple_tag(takes_context=True)
def clock(context: dict[str, Any], at: datetime) -> str:
    """Write a time of day."""
    return words.clock(at, context["place"].zone, context["language"])


@register.simple_tag(takes_context=True)
def weekday(context: dict[str, Any], day: date) -> str:
    """Write a day with its weekday."""
    return words.full_day(day, context["language"])


@register.simple_tag(takes_context=True)
def long_day(context: dict[str, Any], at: date | datetime) -> str:
    """Write a day with its year; an instant is the practice's local day."""
    day = at.astimezone(context["place"].zone).date() if isinstance(at, datetime) else at
    return in_words(day, context["language"])


@register.filter
def seconds(at: datetime) -> int:
    """Write an instant as a button carries it."""
    return int(at.timestamp())


@register.filter
def price(cents: int) -> str:
    """Write a price in full: ``$89.00``."""
    return f"${cents / 100:,.2f}"
