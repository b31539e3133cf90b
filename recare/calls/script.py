"""What a caller reads: opening, an answer to each thing the person may say, closing, and the words for a machine (VOX-02, VOX-04)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from recare.campaigns import offers
from recare.compliance import clearance
from recare.compliance.lint_script import Branch, Script, read_script
from recare.messages import templates, values
from recare.practices import practice as practices

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class CallScript:
    """A script with its merge fields filled in."""

    name: str
    opening: str
    branches: tuple[Branch, ...]
    closing: str
    voicemail: str


@dataclass(frozen=True, slots=True)
class Occasion:
    """Whom a script is read to, by whom, with what to offer. ``openings`` are free times in words."""

    patient_id: int
    version_id: int | None
    offer: str = ""
    caller_name: str = ""
    openings: Sequence[str] = ()
    is_family: bool = False


def render(practice_id: int, occasion: Occasion, now: datetime) -> CallScript | None:
    """Return the script of a call, None when its step has no approved one: the caller then speaks freely.

    A body that is one plain text becomes the opening. Raises LookupError for a patient that is not there.
    """
    if occasion.version_id is None:
        return None
    version = templates.version(practice_id, occasion.version_id)
    given = _values(practice_id, occasion, version.language, now)
    script = read_script(version.body) or Script(version.body, (), "", "")

    def filled(text: str) -> str:
        return clearance.parse(text).render(**given).strip() if text else ""

    branches = tuple(replace(branch, answer=filled(branch.answer)) for branch in script.branches)
    return CallScript(version.name, filled(script.opening), branches, filled(script.closing), filled(script.voicemail))


def _values(practice_id: int, occasion: Occasion, language: str, now: datetime) -> dict[str, Any]:
    practice = practices.get(practice_id)
    person = values.people(practice_id, [occasion.patient_id]).get(occasion.patient_id)
    if person is None:
        raise LookupError(f"There is no patient {occasion.patient_id}.")
    given = values.of_practice(practice, language, now)
    given |= values.of_person(person, now.astimezone(practice.zone).date(), is_family=occasion.is_family)
    if occasion.offer:
        given |= values.of_offer(offers.by_slug(practice_id).get(occasion.offer), practice, language)
    given |= {"openings": list(occasion.openings)}
    return given | ({"caller_name": occasion.caller_name} if occasion.caller_name else {})
