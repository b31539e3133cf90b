"""The practice's public form: texts, e-mails or both, each wanted twice: by the box, and by the phone or mailbox itself (CON-05).

Whoever fills it in learns nothing about anybody: the page says the same words for a patient, a stranger and somebody who has said no.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt

from recare.accounts import attempts
from recare.base import db, phones
from recare.base.visitor import address_of
from recare.consent import grant, points
from recare.consent.grant import Evidence
from recare.inbox import answer
from recare.messages import opt_in as asking
from recare.patients.tasks import open_task
from recare.portal import opt_in, page
from recare.portal.words import LANGUAGES, language_of, say
from recare.practices import practice as practices

if TYPE_CHECKING:
    from recare.portal.words import Language
    from recare.practices.practice import Practice

MAIL_VERSION: Final = "mail 1"
_MAIL: Final = re.compile(r"[^\s@<>\",;:]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}")


@dataclass(frozen=True, slots=True)
class Form:
    """What was filled in. ``email`` and ``number`` are normalised, '' where that way is not wanted."""

    name: str
    email: str
    number: str


@csrf_exempt  # a public form without a session: another site can do no more with it than a visitor can
def join(request: HttpRequest, slug: str) -> HttpResponse:
    """A name, a mobile number or an e-mail address, and an empty box next to the exact words of each."""
    practice = practices.by_slug(slug)
    if practice is None:
        return page.sorry(request, "unknown", 404)
    language = _language(request)
    if request.method != "POST":
        return _form(request, practice, language)
    form = _read(request, practice)
    if form is None:
        typed = {key: request.POST.get(key, "")[:80] for key in ("name", "mobile", "email")}
        return _form(request, practice, language, wrong=True, **typed)
    if not _within_limits(request, form):
        return page.sorry(request, "many", 429)
    now = practices.clock(practice)
    with db.scope(practice.id):
        if form.email:
            _mail(request, practice, form, language, now)
        if form.number:
            _text(request, practice, form, language, now)
        line = db.value(
            "SELECT address FROM sender WHERE practice_id = %(practice)s AND channel = 'sms' AND paused_at IS NULL ORDER BY id LIMIT 1",
            practice=practice.id,
        )  # fmt: skip
    shown = phones.shown(str(line)) if line else ""
    return _form(request, practice, language, done=True, line=shown, mailed=form.email != "", texted=form.number != "")


def _language(request: HttpRequest) -> Language:
    chosen = request.GET.get("lang", "")
    return language_of(chosen if chosen in LANGUAGES else "", request.headers.get("Accept-Language", ""))


def _read(request: HttpRequest, practice: Practice) -> Form | None:
    """Return a form that says who, and at least one way with its box ticked; None for anything less: nothing of it is kept."""
    name = request.POST.get("name", "").strip()[:80]
    email, number = "", ""
    if request.POST.get("agree_email") == "on":
        email = request.POST.get("email", "").strip().lower()
        if len(email) > 254 or not _MAIL.fullmatch(email):
            return None
    if request.POST.get("agree") == "on":
        parsed = phones.parse(request.POST.get("mobile", "")[:40], practice.country)
        if parsed is None or parsed.extension:
            return None
        number = parsed.e164
    return Form(name, email, number) if name and (email or number) else None


def _within_limits(request: HttpRequest, form: Form) -> bool:
    """So many forms from one place, and so many about one address or number, in a quarter of an hour."""
    wanted = [f"join|{address_of(request)}", *(f"join|{address}" for address in (form.email, form.number) if address)]
    keys, now = [attempts.keys(each, "")[0] for each in wanted], datetime.now(UTC)
    if any(attempts.blocked(key, b"", now) for key in keys):
        return False
    attempts.failed(keys, now)
    return True


def _mail(request: HttpRequest, practice: Practice, form: Form, language: Language, now: datetime) -> None:
    point = points.ensure(practice.id, [("email", form.email)], now)["email", form.email]
    if not asking.may_ask(practice.id, point, "email", now):
        return
    words = say("join.consent_email", language, practice=opt_in.seller(practice))
    evidence = Evidence(
        "web", exact_text=words, text_version=MAIL_VERSION, language=language, signature=f"typed: {form.name}", seller_named=True,
        not_condition_of_purchase=True, frequency_disclosed=True, ip=opt_in.network(request, practice),
        user_agent=request.headers.get("User-Agent", "")[:300], url=request.path, actor="patient", effective_at=now,
    )  # fmt: skip
    pending = grant.grant(practice.id, point, "email", opt_in.LEVEL, evidence, now)
    link = asking.make_link(practice.id, pending, point, now)
    subject = say("join.mail_subject", language, practice=practice.name)
    where = ", ".join(filter(None, (practice.street, practice.city, f"{practice.state} {practice.zip}".strip())))
    text = say(
        "join.mail_body", language, practice=practice.name, link=link, where=where, phone=phones.shown(practice.phone)
    )
    asking.ask(practice.id, point, "email", (subject, text), now)


def _text(request: HttpRequest, practice: Practice, form: Form, language: Language, now: datetime) -> None:
    """Keep the wish as pending, of nobody we know: a number in a public form says nothing about whose it is (NUM-01)."""
    point = points.ensure(practice.id, [("phone", form.number)], now)["phone", form.number]
    ask = asking.may_ask(practice.id, point, "sms", now)
    if grant.pending(practice.id, point, "sms", now) is None:
        evidence = replace(opt_in.evidence(request, practice, "web", language, now), signature=f"typed: {form.name}")
        pending = grant.grant(practice.id, point, "sms", opt_in.LEVEL, evidence, now)
        open_task(
            practice.id, "opt_in", 6, now, once_key=f"opt_in:{pending}", contact_point_id=point, subject_table="consent_event",
            subject_id=pending,
        )  # fmt: skip
    if ask:
        asking.ask(practice.id, point, "sms", ("", answer.text(practice.id, "opt_in_prompt", language, now)), now)


@csrf_exempt  # the token of the link is the whole authority
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """The page of the e-mail's link. Looking changes nothing, because mail scanners look; the button confirms, once."""
    language = _language(request)
    link = asking.find(token)
    if link is None:
        return page.closed(request, token)
    practice = practices.get(link.practice_id)
    now = practices.clock(practice)
    with db.scope(practice.id):
        if link.used_at is not None:
            return _page(request, practice, language, "confirmed")
        if link.expires_at <= now or grant.pending(practice.id, link.contact_point_id, "email", now) != link.pending:
            return _page(request, practice, language, "late", status=410)
        if request.method != "POST":
            return _page(request, practice, language, "")
        if asking.use(practice.id, link.id, now):
            _confirmed(request, practice, link, now)
    return redirect(request.get_full_path())


def _confirmed(request: HttpRequest, practice: Practice, link: asking.Link, now: datetime) -> None:
    grant.confirm(
        practice.id, link.pending, f"opt_in_link:{link.id}", now, ip=opt_in.network(request, practice),
        user_agent=request.headers.get("User-Agent", "")[:300], url="/join/confirm/",
    )  # fmt: skip
    if not points.holders(practice.id, link.contact_point_id):
        open_task(
            practice.id, "opt_in", 6, now, once_key=f"opt_in:{link.pending}", contact_point_id=link.contact_point_id,
            subject_table="consent_event", subject_id=link.pending,
        )  # fmt: skip


def _page(request: HttpRequest, practice: Practice, language: Language, said: str, status: int = 200) -> HttpResponse:
    context = {"place": practice, "phone": phones.shown(practice.phone), "language": language, "said": said}
    return _private(render(request, "portal/join_confirm.html", context, status=status))


def _form(request: HttpRequest, practice: Practice, language: Language, **said: object) -> HttpResponse:
    context = {
        "place": practice, "phone": phones.shown(practice.phone), "language": language, "seller": opt_in.seller(practice)
    } | said  # fmt: skip
    return _private(render(request, "portal/join.html", context, status=422 if said.get("wrong") else 200))


def _private(response: HttpResponse) -> HttpResponse:
    for name, content in page.HEADERS.items():
        response.headers[name] = content
    return response
