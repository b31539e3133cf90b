"""Offers say their terms, and end when they say they end (L10, L13; OFR-04, OFR-05, EML-06)."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

from recare.compliance.lint_parts import finding
from recare.compliance.lint_words import hit_words
from recare.compliance.wording import Hit, fold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recare.compliance.finding import Finding
    from recare.compliance.lint_context import LintContext
    from recare.compliance.lint_parts import Part

_MONTHS = ("jan|ene", "feb", "mar", "apr|abr", "may", "jun", "jul", "aug|ago", "sep", "oct", "nov", "dec|dic")
_MONTH = "|".join(_MONTHS)
_DAYS = (
    "monday|lunes",
    "tuesday|martes",
    "wednesday|miercoles",
    "thursday|jueves",
    "friday|viernes",
    "saturday|sabado",
    "sunday|domingo",
)
_DATE = (
    rf"(?:(?:(?:{'|'.join(_DAYS)}),? )?(?P<month>(?:{_MONTH})[a-z]*)\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<year>\d{{4}}))?"
    rf"|(?P<day_es>\d{{1,2}}) de (?P<month_es>(?:{_MONTH})[a-z]*)(?: de[l]? (?P<year_es>\d{{4}}))?"
    rf"|(?P<day_first>\d{{1,2}})(?:st|nd|rd|th)? (?P<month_last>(?:{_MONTH})[a-z]*)(?:,? (?P<year_last>\d{{4}}))?"
    r"|(?P<iso>\d{4}-\d\d-\d\d)|in (?P<days>\d{1,2}) days?|(?P<vague>this week(?:end)?|esta semana)"
    r"|(?P<m>\d{1,2})/(?P<d>\d{1,2})(?:/(?P<y>\d{2,4}))?"
    rf"|(?:this |este )?(?P<weekday>{'|'.join(_DAYS)})|(?P<near>today|tonight|midnight|tomorrow|hoy|esta noche|manana))"
)
_ANY_DATE = re.compile(rf"(?<!\w){_DATE}(?!\w)")
_UNTIL = r"(?:through|thru|until|till?|to|by|before|hasta)"
_END_WORDS = r"ends?|ending|expires?|closes?|over|deadline(?: is)?|last day(?: is)?|vence|termina|expira"
_ENDS = re.compile(
    rf"(?<!\w)(?:{_END_WORDS}|(?:valid[oa]?|good|available|runs?) {_UNTIL})(?: on| at| el)?:? {_DATE}(?!\w)"
)
_ENDS_OF_AN_OFFER = re.compile(rf"(?<!\w)(?:{_END_WORDS}|{_UNTIL})(?: on| at| el)?:? {_DATE}(?!\w)")
"""In a text that carries an offer every "until" and "by" with a date names the offer's end."""


def findings(parts: tuple[Part, ...], context: LintContext) -> Iterator[Finding]:
    """The rules of this file, on body, subject and HTML."""
    for part in parts:
        yield from _ends_as_stored(part, context)
    yield from _terms(parts, context)


def _ends_as_stored(part: Part, context: LintContext) -> Iterator[Finding]:
    why = "“Ends today” must be true: the offer's stored end decides, and it is not extended afterwards."
    offers = context.offer_ends_on is not None and context.message_class in {"P", "T"}
    ends = _ENDS_OF_AN_OFFER if offers else _ENDS
    claims = [(match.group(), _said(match, context.today)) for match in ends.finditer(part.reading.text)]
    for words, said in claims:
        if context.offer_ends_on is None:
            yield finding(
                "L10", "E", (f"“{words}” names an end, but no offer with an end is stored.", part.name, why), context
            )
        elif said is None or not _same(said, context.offer_ends_on):
            yield finding(
                "L10",
                "E",
                (f"“{words}” is not the stored end, {context.offer_ends_on:%b %d, %Y}.", part.name, why),
                context,
            )
    truly_last = (
        context.offer_ends_on
        and context.today
        and timedelta(0) <= context.offer_ends_on - context.today <= timedelta(days=1)
    )
    claimed = " | ".join(words for words, _ in claims)
    hits = tuple(hit for hit in part.reading.find("urgency_end") if fold(hit.words).text not in claimed)
    if hits and not truly_last:
        yield finding(
            "L10",
            "E",
            (f"True only on an offer's last days: {hit_words(hits)}.", "; ".join(map(part.where, hits)), why),
            context,
        )


def _said(match: re.Match[str], today: date | None) -> tuple[int | None, int, int] | None:
    """(year or None, month, day) of the date a text names; a weekday or "today" needs the day of sending."""
    part = match.groupdict()
    month = part["month"] or part["month_es"] or part["month_last"]
    if month:
        number = next(i for i, names in enumerate(_MONTHS, 1) if re.match(names, month))
        year = part["year"] or part["year_es"] or part["year_last"]
        return int(year) if year else None, number, int(part["day"] or part["day_es"] or part["day_first"])
    if part["iso"]:
        iso_year, iso_month, iso_day = map(int, part["iso"].split("-"))
        return iso_year, iso_month, iso_day
    if part["m"]:
        year = part["y"]
        return (int(year) + (2000 if len(year) == 2 else 0)) if year else None, int(part["m"]), int(part["d"])
    if today is None or part["vague"]:
        return None
    if part["days"]:
        day = today + timedelta(days=int(part["days"]))
    elif part["weekday"]:
        wanted = next(i for i, names in enumerate(_DAYS) if re.match(names, part["weekday"]))
        day = today + timedelta(days=(wanted - today.weekday()) % 7)
    else:
        day = today + timedelta(days=part["near"] in {"tomorrow", "manana"})
    return day.year, day.month, day.day


def _same(said: tuple[int | None, int, int], stored: date) -> bool:
    year, month, day = said
    return (month, day) == (stored.month, stored.day) and year in {None, stored.year}


def _terms(parts: tuple[Part, ...], context: LintContext) -> Iterator[Finding]:
    body = parts[0]
    offered: list[tuple[Part, Hit]] = [(part, hit) for part in parts for hit in part.reading.find("promo")]
    fields = body.fields & {"offer_headline", "offer_price"}
    if not offered and not fields:
        return
    missing = []
    if not body.reading.find("terms") and "offer_terms_link" not in body.fields:
        missing.append("the terms (a link, or the word “terms”)")
    if not body.reading.find("regular_fee") and "offer_regular_fee" not in body.fields:
        missing.append("the regular fee")
    if not _ANY_DATE.search(body.reading.text) and "offer_ends_on" not in body.fields:
        missing.append("the last day")
    if context.state_notice and context.state_notice not in body.raw and "offer_state_notice" not in body.fields:
        missing.append("the notice this state asks for")
    if missing:
        words = hit_words(tuple(hit for _, hit in offered)) or ", ".join(sorted(fields))
        where = "; ".join(part.where(hit) for part, hit in offered) or "offer fields"
        yield finding(
            "L13",
            "E",
            (
                f"{words} without {', '.join(missing)}.",
                where,
                "An offer must say what it costs otherwise, until when, and under which terms.",
            ),
            context,
        )
