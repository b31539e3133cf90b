"""Texts switched on by the person: on their own page, or on the practice's public form. Both wait for a yes from the phone itself (CON-05)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from recare.accounts import attempts
from recare.base import audit, db, phones
from recare.consent import grant, points
from recare.consent.grant import Evidence
from recare.inbox import answer
from recare.messages import answers
from recare.messages.answers import Answer
from recare.patients.tasks import open_task
from recare.portal import page, touched
from recare.portal.words import LANGUAGES, language_of, say
from recare.practices import practice as practices

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


def seller(practice: Practice) -> str:
    """Return who asks, by the name a court would know."""
    return practice.legal_name or practice.name


def texts_on(request: HttpRequest, v: Visitor) -> str:
    """Ask, at the patient's own wish, for a YES from the number that gets no texts now; "nothing" when the box is empty or there is none."""
    point = _number(v)
    if request.POST.get("agree") != "on" or point is None:
        return "nothing"
    language = v.language
    evidence = replace(_evidence(request, v.practice, "portal", language, v.now), person_id=v.person.id)
    pending = grant.grant(v.practice.id, point, "sms", LEVEL, evidence, v.now)
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


def _evidence(request: HttpRequest, practice: Practice, method: Method, language: Language, now: datetime) -> Evidence:
    return Evidence(
        method, exact_text=disclosure(practice, language), text_version=TEXT_VERSION, language=language, seller_named=True,
        not_condition_of_purchase=True, frequency_disclosed=True, msg_rates_disclosed=True, ip=str(request.META.get("REMOTE_ADDR", "")),
        user_agent=request.headers.get("User-Agent", "")[:300], url=request.path if method == "web" else "/p/preferences",
        actor="patient", effective_at=now,
    )  # fmt: skip


@csrf_exempt  # a public form without a session: another site can do no more with it than a visitor can
def join(request: HttpRequest, slug: str) -> HttpResponse:
    """The practice's public form: a name, a mobile number, and an empty box next to the exact words."""
    practice = practices.by_slug(slug)
    if practice is None:
        return page.sorry(request, "unknown", 404)
    chosen = request.GET.get("lang", "")
    language = language_of(chosen if chosen in LANGUAGES else "", request.headers.get("Accept-Language", ""))
    if request.method == "POST":
        return _joined(request, practice, language)
    return _form(request, practice, language)


def _joined(request: HttpRequest, practice: Practice, language: Language) -> HttpResponse:
    name, typed = request.POST.get("name", "").strip()[:80], request.POST.get("mobile", "")
    number = phones.parse(typed[:40], practice.country)
    if request.POST.get("agree") != "on" or not name or number is None or number.extension:
        return _form(request, practice, language, wrong=True, name=name, mobile=typed[:40])
    (key, _), real_now = attempts.keys(f"join|{request.META.get('REMOTE_ADDR', '')}", ""), datetime.now(UTC)
    if attempts.blocked(key, b"", real_now):
        return page.sorry(request, "many", 429)
    attempts.failed([key], real_now)
    now = practices.clock(practice)
    with db.scope(practice.id):
        point = points.ensure(practice.id, [("phone", number.e164)], now)["phone", number.e164]
        if grant.pending(practice.id, point, "sms", now) is None:
            _keep(request, practice, point, name, language, now)
        line = db.value(
            "SELECT address FROM sender WHERE practice_id = %(practice)s AND channel = 'sms' AND paused_at IS NULL ORDER BY id LIMIT 1",
            practice=practice.id,
        )  # fmt: skip
    return _form(request, practice, language, done=True, line=phones.shown(str(line)) if line else "")


def _keep(request: HttpRequest, practice: Practice, point: int, name: str, language: Language, now: datetime) -> None:
    """Keep the wish as pending, of nobody we know: a number in a public form says nothing about whose it is (NUM-01)."""
    evidence = replace(_evidence(request, practice, "web", language, now), signature=f"typed: {name}")
    pending = grant.grant(practice.id, point, "sms", LEVEL, evidence, now)
    open_task(
        practice.id, "opt_in", 6, now, once_key=f"opt_in:{pending}", contact_point_id=point, subject_table="consent_event",
        subject_id=pending,
    )  # fmt: skip


def _form(request: HttpRequest, practice: Practice, language: Language, **said: object) -> HttpResponse:
    context = {
        "place": practice, "phone": phones.shown(practice.phone), "language": language, "seller": seller(practice)
    } | said  # fmt: skip
    response = render(request, "portal/join.html", context, status=422 if said.get("wrong") else 200)
    for name, content in page.HEADERS.items():
        response.headers[name] = content
    return response
