"""What merge fields stand for, for many touches at once. Every field of the catalogue has a value; an unknown one is empty."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final

from recare.base import db, phones
from recare.compliance.clearance import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recare.campaigns.offers import Offer
    from recare.practices.practice import Practice

PERSONAL: Final = frozenset(
    {"first_name", "greeting_name", "last_name", "full_name", "is_child", "is_family", "family_names", "provider_name"}
)
"""Fields that tell who is meant: without them a text is neutral (NUM-02)."""

_EMPTY: Final[dict[str, Any]] = {
    name: [] if isinstance(field.sample, list) else False if isinstance(field.sample, bool) else ""
    for name, field in CATALOGUE.items()
}
_DAYS: Final = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "es": ("lun", "mar", "mié", "jue", "vie", "sáb", "dom"),
}
_GREETINGS: Final = {"en": ("Good morning", "Good afternoon"), "es": ("Buenos días", "Buenas tardes")}
MONTHS: Final = {
    "en": "January February March April May June July August September October November December".split(),  # noqa: SIM905
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split(),  # noqa: SIM905
}


@dataclass(frozen=True, slots=True)
class Person:
    """Who a touch is about and who reads it."""

    id: int
    first_name: str
    last_name: str
    birthdate: date | None
    reader_first_name: str
    guardian_id: int | None
    last_visit_on: date | None
    provider_name: str

    def is_child(self, today: date) -> bool:
        """Whether the patient is a minor whose guardian reads the message."""
        if self.birthdate is None or self.guardian_id is None:
            return False
        return (today.year - self.birthdate.year) - (
            (today.month, today.day) < (self.birthdate.month, self.birthdate.day)
        ) < 18

    def private_words(self) -> tuple[str, ...]:
        """Return the words of this person that no open text may show (L03)."""
        return tuple(word for word in (self.last_name, self.birthdate.isoformat() if self.birthdate else "") if word)


def people(practice_id: int, patient_ids: Sequence[int]) -> dict[int, Person]:
    """Return everybody by id, in one query."""
    found = db.rows(
        Person,
        "SELECT p.id, coalesce(nullif(p.preferred_name, ''), p.first_name) AS first_name, p.last_name, p.birthdate, "
        "coalesce(nullif(g.preferred_name, ''), g.first_name, '') AS reader_first_name, g.id AS guardian_id, f.last_visit_on, "
        "coalesce(d.name, '') AS provider_name FROM patient p "
        "LEFT JOIN patient g ON g.practice_id = p.practice_id AND g.id = p.guarantor_id AND g.id <> p.id "
        "LEFT JOIN patient_facts f ON f.practice_id = p.practice_id AND f.patient_id = p.id "
        "LEFT JOIN provider d ON d.practice_id = p.practice_id AND d.id = p.provider_id "
        "WHERE p.practice_id = %(practice)s AND p.id = ANY(%(ids)s)",
        practice=practice_id, ids=list(patient_ids),
    )  # fmt: skip
    return {person.id: person for person in found}


def of_practice(practice: Practice, language: str, now: datetime) -> dict[str, Any]:
    """Return every field with the practice's values filled in."""
    tongue = language if language in _DAYS else "en"
    return _EMPTY | {
        "practice_name": practice.name,
        "practice_phone": _dialled(practice.phone),
        "practice_address": practice.postal_address,
        "practice_hours": hours(practice.id, tongue),
        "caller_name": str(practice.policy.get("caller_name", practice.name)),
        "today_greeting": _GREETINGS[tongue][now.astimezone(practice.zone).hour >= 12],
    }


def _dialled(phone: str) -> str:
    """A number as people of the practice's country dial it; an American one as 512-555-0100, which costs the fewest characters."""
    if phone.startswith("+1") and len(phone) == 12:
        return f"{phone[2:5]}-{phone[5:8]}-{phone[8:]}"
    return phones.shown(phone)


def of_person(person: Person, today: date, *, is_family: bool) -> dict[str, Any]:
    """Return the fields that tell who is meant. Health fields are filled for what only a signed-in person or a caller sees."""
    child = person.is_child(today)
    months = (
        (today.year - person.last_visit_on.year) * 12 + today.month - person.last_visit_on.month
        if person.last_visit_on
        else None
    )
    return {
        "first_name": person.first_name,
        "greeting_name": person.reader_first_name if child else person.first_name,
        "last_name": person.last_name,
        "full_name": f"{person.first_name} {person.last_name}".strip(),
        "is_child": child,
        "is_family": is_family,
        "provider_name": person.provider_name,
        "last_visit": in_words(person.last_visit_on, "en") if person.last_visit_on else "",
        "months_since_visit": "" if months is None else str(months),
    }


def of_offer(offer: Offer | None, practice: Practice, language: str) -> dict[str, Any]:
    """Return the terms of an offer in words; nothing without one."""
    if offer is None:
        return {}
    return {
        "offer_headline": offer.what,
        "offer_price": money(offer.price_cents),
        "offer_regular_fee": money(offer.regular_fee_cents),
        "offer_ends_on": in_words(offer.ends_at.astimezone(practice.zone).date(), language) if offer.ends_at else "",
        "offer_exclusions": offer.exclusions,
        "offer_state_notice": str(practice.policy.get("state_notice", "")),
    }


def hours(practice_id: int, language: str) -> str:
    """Return the practice's weekly hours in words, days with the same hours together: ``Mon-Thu 8-5, Fri 8-12``."""
    rows = db.tuples(
        "SELECT weekday, min(starts), max(ends) FROM opening_hours WHERE practice_id = %(practice)s AND operatory_id IS NULL "
        "GROUP BY weekday ORDER BY weekday",
        practice=practice_id,
    )
    runs: list[tuple[int, int, time, time]] = []
    for weekday, starts, ends in rows:
        if runs and (runs[-1][1], runs[-1][2], runs[-1][3]) == (weekday - 1, starts, ends):
            runs[-1] = (runs[-1][0], weekday, starts, ends)
        else:
            runs.append((weekday, weekday, starts, ends))
    names = _DAYS[language]
    return ", ".join(
        f"{names[first] if first == last else f'{names[first]}-{names[last]}'} {_hour(starts)}-{_hour(ends)}"
        for first, last, starts, ends in runs
    )


def _hour(at: time) -> str:
    return f"{(at.hour - 1) % 12 + 1}" + (f":{at.minute:02d}" if at.minute else "")


def money(cents: int | None) -> str:
    """Return an amount the way a reader expects it: ``$49``, ``$49.50``; empty when there is none."""
    if cents is None:
        return ""
    return f"${cents // 100}" if cents % 100 == 0 else f"${cents / 100:.2f}"


def in_words(day: date, language: str) -> str:
    """Return a day in words: ``January 31, 2027`` or ``31 de enero de 2027``."""
    if language == "es":
        return f"{day.day} de {MONTHS['es'][day.month - 1]} de {day.year}"
    return f"{MONTHS['en'][day.month - 1]} {day.day}, {day.year}"


def key(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values as something a cache can be asked for."""
    return tuple(tuple(value) if isinstance(value, list) else value for value in values.values())
