"""Texts switched on again by the person on their own page: it waits for a yes from the phone itself (CON-05)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.http import HttpRequest

from recare.base import audit, db
from recare.base.visitor import address_of
from recare.consent import grant, points
from recare.consent.grant import Evidence
from recare.inbox import answer
from recare.messages import answers
from recare.messages.answers import Answer
from recare.portal import touched
from recare.portal.words import say

if TYPE_CHECKING:
    from recare.consent.event import Method
    from recare.portal.page import Visitor
    from recare.portal.words import Language
    from recare.practices.practice import Practice

TEXT_VERSION: Final = "texts 1"
LEVEL: Final = 2
"""A box on a page is no signature: it carries recall, never promotion (CON-01)."""


def disclosure(practice: Practice, language: Language) -> str:
    """Return the exact words next to the box: who, what, how often, what it costs, how it ends, and that nothing depends on it."""
    return say("join.consent", language, practice=seller(practice))


def network(request: HttpRequest, practice: Practice) -> str:
    """Return the visitor's network address as a keyed hash: it tells two visitors apart and says nothing about either."""
    return f"hmac:{points.address_hash(practice.salt, address_of(request)).hex()[:24]}"


def seller(practice: Practice) -> str:
    """Return who asks, by the name a court would know."""
    return practice.legal_name or practice.name


def texts_on(request: HttpRequest, v: Visitor) -> str:
    """Ask, at the patient's own wish, for a YES from the number that gets no texts now; "nothing" when the box is empty or there is none."""
    point = _number(v)
    if request.POST.get("agree") != "on" or point is None:
        return "nothing"
    language = v.language
    shown = replace(evidence(request, v.practice, "portal", language, v.now), person_id=v.person.id)
    pending = grant.grant(v.practice.id, point, "sms", LEVEL, shown, v.now)
    event = db.value(
        "INSERT INTO inbound_event (practice_id, provider, provider_event_id, channel, sender, contact_point_id, received_at, applied_at) "
        "SELECT practice_id, 'portal', %(key)s, 'preferences', address, id, %(now)s, %(now)s FROM contact_point "
        "WHERE practice_id = %(practice)s AND id = %(point)s RETURNING id",
        practice=v.practice.id, key=f"opt-in:{pending}", point=point, now=v.now,
    )  # fmt: skip
    text = answer.text(v.practice.id, "opt_in_prompt", language, v.now)
    answers.queue(v.practice.id, Answer(event, v.now, "sms", point, v.person.id, text, question="opt_in"), v.now)
    audit.record(
        v.practice.id, "patient", "asked for texts again", f"patient:{v.person.id}", v.now, {"link": v.link.id}
    )
    return "texts_on"


def _number(v: Visitor) -> int | None:
    """The number to ask: the person's mobile that gets no texts, and for which no question is open."""
    found: list[int] = db.values(
        "SELECT p.id FROM contact_point p LEFT JOIN patient_contact c ON c.practice_id = p.practice_id AND c.contact_point_id = p.id "
        "AND c.patient_id = %(patient)s AND c.ended_at IS NULL WHERE p.practice_id = %(practice)s AND p.id = ANY(%(points)s::bigint[]) "
        "AND p.kind = 'phone' AND p.sms_out_at IS NOT NULL AND p.wrong_number_at IS NULL AND p.sms_incapable_at IS NULL "
        "ORDER BY c.label = 'mobile' DESC NULLS LAST, c.rank, p.id LIMIT 1",
        practice=v.practice.id, patient=v.person.id, points=list(touched.points(v)),
    )  # fmt: skip
    return found[0] if found and grant.pending(v.practice.id, found[0], "sms", v.now) is None else None


def evidence(request: HttpRequest, practice: Practice, method: Method, language: Language, now: datetime) -> Evidence:
    """What shows that somebody ticked the box: the exact words, their version and language, and traces of the browser."""
    return Evidence(
        method, exact_text=disclosure(practice, language), text_version=TEXT_VERSION, language=language, seller_named=True,
        not_condition_of_purchase=True, frequency_disclosed=True, msg_rates_disclosed=True, ip=network(request, practice),
        user_agent=request.headers.get("User-Agent", "")[:300], url=request.path if method == "web" else "/p/preferences",
        actor="patient", effective_at=now,
    )  # fmt: skip
