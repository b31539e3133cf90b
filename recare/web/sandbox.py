"""The sandbox: the phones and mailboxes that patients would look at, and a way to answer as one of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from recare.base import db
from recare.inbox.receive import Inbound, receive
from recare.jobs.queue import enqueue
from recare.practices.access import StaffRequest, staff

_WORKERS = ("owner", "manager", "front_desk")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Device:
    """One phone or mailbox: whoever holds it, and the newest message on it. ``point_id`` names it in addresses."""

    point_id: int
    channel: str
    address: str
    holders: str
    count: int
    newest_at: datetime
    newest: str


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message of a thread, theirs or ours."""

    at: datetime
    theirs: bool
    subject: str
    text: str
    delivery_id: int | None


_HOLDERS = """(SELECT string_agg(coalesce(nullif(p.preferred_name, ''), p.first_name) || ' ' || p.last_name, ', ' ORDER BY p.id)
    FROM patient_contact pc JOIN patient p ON p.practice_id = pc.practice_id AND p.id = pc.patient_id
    WHERE pc.practice_id = c.practice_id AND pc.contact_point_id = c.id AND pc.ended_at IS NULL)"""


def _devices(practice_id: int) -> list[Device]:
    return db.rows(
        Device,
        f"""WITH latest AS (
            SELECT recipient, channel, count(*) AS count, max(id) AS id FROM sandbox_delivery
            WHERE practice_id = %(practice)s AND channel IN ('sms', 'email') GROUP BY recipient, channel
            ORDER BY max(id) DESC LIMIT {_SHOWN})
        SELECT c.id AS point_id, l.channel, c.address, coalesce({_HOLDERS}, '') AS holders, l.count,
               d.received_at AS newest_at, left(d.body_text, 160) AS newest
        FROM latest l JOIN sandbox_delivery d ON d.practice_id = %(practice)s AND d.id = l.id
        JOIN contact_point c ON c.practice_id = %(practice)s AND c.address = l.recipient
         AND c.kind = CASE l.channel WHEN 'sms' THEN 'phone' ELSE 'email' END
        ORDER BY l.id DESC""",
        practice=practice_id,
    )


def _thread(practice_id: int, address: str) -> list[Bubble]:
    return db.rows(
        Bubble,
        """SELECT received_at AS at, false AS theirs, subject, body_text AS text, id AS delivery_id FROM sandbox_delivery
           WHERE practice_id = %(practice)s AND recipient = %(address)s
           UNION ALL
           SELECT received_at, true, '', body, NULL FROM inbound_event
           WHERE practice_id = %(practice)s AND sender = %(address)s AND channel IN ('sms', 'email')
           ORDER BY at, delivery_id""",
        practice=practice_id,
        address=address,
    )


def _address(request: StaffRequest, point_id: int) -> tuple[str, str]:
    found = db.tuples(
        "SELECT kind, address FROM contact_point WHERE practice_id = %(practice)s AND id = %(id)s",
        practice=request.practice.id,
        id=point_id,
    )
    if not found:
        raise Http404("There is no such phone or mailbox.")
    return str(found[0][0]), str(found[0][1])


@staff(*_WORKERS)
def devices(request: StaffRequest) -> HttpResponse:
    """Show the phones and mailboxes that got something, the newest first."""
    return render(request, "web/sandbox.html", {"devices": _devices(request.practice.id)})


@staff(*_WORKERS)
def device(request: StaffRequest, point_id: int) -> HttpResponse:
    """Show one phone or mailbox with its thread and the answers a patient might give."""
    kind, address = _address(request, point_id)
    answers = ("STOP", "Yes", "Wrong number", "How much is a cleaning?", "Call me after 5", "Who is this?")
    context = {"kind": kind, "address": address, "point_id": point_id, "thread": _thread(request.practice.id, address)}
    return render(request, "web/sandbox_device.html", context | {"answers": answers})


@staff(*_WORKERS)
def original(request: StaffRequest, delivery_id: int) -> HttpResponse:
    """Show an e-mail as the mail program would, in a frame of its own without scripts."""
    html = db.value(
        "SELECT body_html FROM sandbox_delivery WHERE practice_id = %(practice)s AND id = %(id)s",
        practice=request.practice.id,
        id=delivery_id,
    )
    if not html:
        raise Http404("There is no such e-mail.")
    answer = HttpResponse(html)
    answer["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox allow-popups allow-top-navigation-by-user-activation"
    )
    answer["X-Frame-Options"] = "SAMEORIGIN"
    return answer


@require_POST
@staff(*_WORKERS)
def answer(request: StaffRequest, point_id: int) -> HttpResponse:
    """Answer as the patient: the words come in through the same door as a provider's webhook."""
    kind, address = _address(request, point_id)
    words = request.POST.get("words", "").strip()[:1600]
    if not words:
        toasts.error(request, "Write what the patient answers.")
        return redirect(reverse("web:sandbox-device", args=[point_id]))
    inbound = Inbound(
        practice_id=request.practice.id, provider="sandbox", provider_event_id=uuid.uuid4().hex,
        channel="sms" if kind == "phone" else "email", sender=address, recipient="", body=words, raw={"by": request.staff},
    )  # fmt: skip
    receive(inbound, request.now)
    enqueue(request.practice.id)
    toasts.success(request, "Received. Everything automatic to this address is held until it has been read.")
    return redirect(reverse("web:sandbox-device", args=[point_id]))
