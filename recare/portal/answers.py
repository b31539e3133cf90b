"""The short pages: stop e-mails, why we wrote, the terms of an offer, a message kept for the patient."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse

from recare.accounts import attempts
from recare.base import db
from recare.campaigns import offers
from recare.portal import touched, wishes
from recare.portal.page import Visitor, patient_page, show

_ONE_CLICK: Final = ("List-Unsubscribe", "One-Click")


@patient_page("unsubscribe")
def unsubscribe(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Looking shows one button and changes nothing, as link scanners look; a POST stops e-mail, also one a mail program sends (EML-02)."""
    if request.method != "POST":
        return show(request, v, "unsubscribe", since=None)
    one_click = request.POST.get(_ONE_CLICK[0]) == _ONE_CLICK[1]
    since = wishes.end_email(v, "one_click" if one_click else "web")
    if one_click:
        return HttpResponse("Unsubscribed.\n", content_type="text/plain; charset=utf-8")
    return show(request, v, "unsubscribe", since=since)


@patient_page("why", "GET", "HEAD")
def why(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Say truthfully which message it was, for what reason and by which permission (D25)."""
    contact = touched.behind(v)
    purposes = {"check_up", "hygiene", "continued_treatment", "elective", "closing"}
    consent = ""
    if contact is not None:
        consent = "written" if contact.consent_level >= 2 else "given"
        if contact.consent_at is None or contact.consent_at.year < 1970:  # nobody wrote down when
            consent = "undated"
    reason = contact.purpose if contact is not None and contact.purpose in purposes else ""
    return show(
        request,
        v,
        "why",
        contact=contact,
        consent=consent,
        reason=reason,
        terms=contact is not None and bool(contact.offer) and v.opens("offer"),
    )


@patient_page("offer", "GET", "HEAD")
def offer(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Show every term of the offer the message told about (OFR-05)."""
    contact = touched.behind(v)
    found = offers.by_slug(v.practice.id).get(contact.offer) if contact is not None and contact.offer else None
    over = found is not None and (
        found.withdrawn_at is not None or (found.ends_at is not None and found.ends_at <= v.now)
    )
    return show(request, v, "offer", 200 if found else 404, offer=found, over=over)


@patient_page("portal")
def portal(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Show a message only to who knows the date of birth: a link can be passed on, what the message says must not be (POR-01)."""
    if request.method != "POST":
        return show(request, v, "message", text="", wrong=False, blocked=False)
    key, _ = attempts.keys(f"portal link {v.link.id}", "")
    if attempts.blocked(key, b"", v.now):
        return show(request, v, "message", 429, text="", wrong=False, blocked=True)
    if v.person.birthdate is None or request.POST.get("birthdate", "") != v.person.birthdate.isoformat():
        attempts.failed([key], v.now)
        return show(request, v, "message", 422, text="", wrong=True, blocked=False)
    text = db.value(
        "SELECT body_text FROM message WHERE practice_id = %(practice)s AND touch_id = %(touch)s",
        practice=v.practice.id, touch=v.link.touch_id,
    )  # fmt: skip
    return show(request, v, "message", text=text or "", wrong=False, blocked=False, opened=True)
