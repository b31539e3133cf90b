"""What a list of patients is asked: filters from the address, each checked, turned into a predicate and into words for the form."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from recare.base import secret_box
from recare.segments import bands as band_definitions
from recare.segments import segment as segments
from recare.segments.predicate import Predicate, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recare.segments.bands import Bands
    from recare.segments.segment import Order, Segment

REACH: Final = {
    "": "anything or nothing", "sms": "text", "email": "e-mail", "call": "call", "letter": "letter", "none": "nothing",
}  # fmt: skip
VISIT: Final = {"": "any", "no": "nothing booked", "yes": "booked"}
AGES: Final = {
    "": "any",
    "child": "under 18",
    "young": "18 to 29",
    "adult": "30 to 64",
    "senior": "65 and over",
    "unknown": "unknown",
}
ORDERS: Final[dict[Order, str]] = {"priority": "whom to invite first", "name": "name", "last_visit": "last visit"}
STANDINGS: Final = {
    "": "any", "open": "may be contacted", "closed": "may not be contacted", "lapsed": "lapsed", "hold": "on hold", "paused": "paused",
    "unknown": "unknown, ask", "moved": "moved away", "transferred": "at another dentist", "dismissed": "dismissed", "deceased": "deceased",
    "do_not_contact": "do not contact", "bad_debt": "in collections", "disputed": "disputed", "scheduling_restricted": "not booked here",
}  # fmt: skip

_REACHED: Final[dict[str, dict[str, Any]]] = {
    channel: {"reach": {"any_of": [channel]}} for channel in ("sms", "email", "call", "letter")
} | {"none": {"reach": {"none_of": ["sms", "email", "call", "letter"]}}}  # fmt: skip
_AGED: Final[dict[str, dict[str, Any]]] = {
    "child": {"age": {"at_most": 17}}, "young": {"age": {"at_least": 18, "at_most": 29}}, "adult": {"age": {"at_least": 30, "at_most": 64}},
    "senior": {"age": {"at_least": 65}}, "unknown": {"age": {"known": False}},
}  # fmt: skip
LONGEST_SEARCH: Final = 80
_SEALED: Final = ("q", "cursor")
"""What was searched for, and the row a page ends with: addresses stay in browsers, proxies and their logs."""
_PURPOSE: Final = "address of a list"


@dataclass(frozen=True, slots=True)
class Filters:
    """One question to the list, every part already one of its choices; '' = not asked."""

    q: str = ""
    band: str = ""
    segment: str = ""
    reach: str = ""
    visit: str = ""
    age: str = ""
    standing: str = ""
    order: Order = "priority"
    cursor: str = ""

    def address(self, **changed: str) -> str:
        """Return the query string of this question with some parts changed, empty parts left out; what may name a patient is sealed."""
        asked = {field.name: getattr(self, field.name) for field in fields(self)} | changed
        usual = Filters()
        said = {name: value for name, value in asked.items() if value != getattr(usual, name)}
        return urlencode({name: _sealed(value) if name in _SEALED else value for name, value in said.items()})

    @property
    def asked(self) -> list[str]:
        """The names of the filters in use, for the audit trail; never the words searched for."""
        return [name for name in ("q", "band", "segment", "reach", "visit", "age", "standing") if getattr(self, name)]


def read(given: Mapping[str, str], bands: Bands, slugs: set[str]) -> Filters:
    """Read filters from a form or an address; a value that is no choice is left out, as an old bookmark may hold one."""
    choices: dict[str, Any] = {
        "band": bands.names, "segment": slugs, "reach": REACH, "visit": VISIT, "age": AGES, "standing": STANDINGS, "order": ORDERS,
    }  # fmt: skip
    kept = {name: given[name] for name, allowed in choices.items() if given.get(name) and given[name] in allowed}
    return Filters(q=_opened(given.get("q", "")), cursor=_opened(given.get("cursor", "")), **kept)  # type: ignore[arg-type]


def typed(given: Mapping[str, str]) -> dict[str, str]:
    """Return a form's fields as an address would carry them."""
    text = " ".join(given.get("q", "").replace("\x00", " ").split())[:LONGEST_SEARCH]
    return {**given, "q": _sealed(text)} if text else {**given, "q": ""}


def _sealed(text: str) -> str:
    return secret_box.encrypt(text, _PURPOSE).decode()


def _opened(token: str) -> str:
    """What was sealed; nothing where the address was written by somebody else."""
    try:
        return secret_box.decrypt(token.encode(), _PURPOSE) if token else ""
    except secret_box.SecretError:
        return ""


def predicate(asked: Filters, bands: Bands, chosen: Segment | None) -> Predicate | None:
    """Return the facts asked about as one predicate, or None when none is."""
    parts: list[dict[str, Any]] = []
    if asked.band:
        parts.append({"band": {"is": asked.band}})
    if asked.reach:
        parts.append(_REACHED[asked.reach])
    if asked.visit:
        parts.append({"next_visit": {"known": asked.visit == "yes"}})
    if asked.age:
        parts.append(_AGED[asked.age])
    if chosen is not None:
        parts.append(chosen.predicate)
    return parse({"all": parts}, bands) if parts else None


def definition(policy: Mapping[str, Any], chosen: Segment | None) -> Bands:
    """Return the definition of bands that a list uses: the segment's own when one is chosen, else the practice's."""
    return band_definitions.get(chosen.bands) if chosen else band_definitions.of_practice(dict(policy))


def segment_choices(practice_id: int) -> list[Segment]:
    """Return the segments to choose from."""
    return segments.every(practice_id)
