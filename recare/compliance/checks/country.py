"""Whose law holds, and whether we know it (JUR-01, ENG-01, TIM-04)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recare.compliance.question import Question


def packs(q: Question) -> None:
    """JUR-01: no pack for the person's or the practice's country: no contact."""
    person, practice = q.patient.country or q.practice.country, q.practice.country
    for country in dict.fromkeys((person, practice)):
        if country not in q.packs.packs:
            q.deny("PACK_MISSING", "JUR-01", country)


def states(q: Question) -> None:
    """ENG-01: a state nobody has written a row for goes to a person, as does somebody of whom no state is known."""
    if not q.solicits or not q.us:
        return
    for state in q.law.missing_states:
        q.review("STATE_PACK_MISSING", "ENG-01", state)
    at_home = (q.patient.country or q.practice.country) == "US"
    if q.phone and at_home and not q.place.states and q.law.states_required:
        q.review("STATE_PACK_MISSING", "ENG-01")


def emergency(q: Question) -> None:
    """NY GBL 399-z: nobody in a declared emergency area is called or texted to sell anything, consent or not [design: consent does not lift
    it]. Only an address in the state tells that somebody is outside of the area; a number alone may be anywhere in it.
    """
    if not q.practice.emergencies or q.cls not in {"R", "P", "T"}:
        return
    for declared in q.practice.emergencies:
        over = declared.until is not None and declared.until < q.first_day
        if over or q.last_day < declared.first or declared.state not in q.place.states:
            continue
        known = declared.state in q.place.address_states and q.patient.zip.strip()
        if not declared.zips or not known or q.patient.zip.strip().startswith(declared.zips):
            q.deny("EMERGENCY_AREA", "TIM-02", declared.state)


def zone(q: Question) -> None:
    """TIM-04: toll-free, non-geographic or foreign and no address: never a default zone."""
    if not q.exempt and not q.place.zones:
        q.review("TZ_UNKNOWN", "TIM-04")
