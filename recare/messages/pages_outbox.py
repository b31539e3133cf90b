"""The outbox: what waits, what is held and why, what nobody knows the end of; and why one message was sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, ParamSpec, cast

from csp.decorators import csp_replace
from django.contrib import messages as toasts
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST

from recare.base import audit, db
from recare.campaigns.kept import against, said
from recare.messages import evidence, pages_why, settle
from recare.messages.forms import CHANNELS
from recare.practices.access import EVERYBODY, StaffRequest, staff

PAGE: Final = 50
_STATE: Final = (
    "CASE WHEN m.state = 'queued' AND p.held_at IS NOT NULL AND m.answers_event_id IS NULL THEN 'held' ELSE m.state END"
)
# What a person looks for, as a condition on message m and its contact point p. A held message is queued, but somebody wrote.
STATES: Final = {
    "queued": "m.state = 'queued' AND (p.held_at IS NULL OR m.answers_event_id IS NOT NULL)",
    "held": "m.state = 'queued' AND p.held_at IS NOT NULL AND m.answers_event_id IS NULL",
    "sending": "m.state = 'sending'", "unknown": "m.state = 'unknown'", "failed": "m.state = 'failed'", "withheld": "m.state = 'withheld'",
    "sent": "m.state = 'sent'", "expired": "m.state = 'expired'", "cancelled": "m.state = 'cancelled'",
}  # fmt: skip
MEANINGS: Final = {
    "queued": "Waits for its hour and for every check.", "held": "The person wrote to us. Nothing automatic goes to them until somebody has read it.",
    "sending": "Handed to the provider this minute.", "unknown": "It may have gone out; nobody wrote down the end. It is never sent again by itself.",
    "failed": "The provider refused it.", "withheld": "A check stopped it.", "sent": "Accepted by the provider.",
    "expired": "Grew too old to be welcome.", "cancelled": "Taken back before it went: the person, the chart or the campaign said no.",
}  # fmt: skip
BADGES: Final = {
    "held": "needs-you",
    "unknown": "needs-you",
    "failed": "harm",
    "withheld": "harm",
    "sent": "good",
    "sending": "accent",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A message in the list."""

    id: int
    patient_id: int | None
    patient: str
    channel: str
    message_class: str
    state: str
    reasons: list[dict[str, Any]]
    error: str
    not_before: datetime
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A line with its words."""

    line: Line
    channel: str
    badge: str
    reasons: tuple[str, ...]


def _lines(practice_id: int, state: str, before: int | None) -> list[Line]:
    return db.rows(
        Line,
        "SELECT m.id, m.patient_id, coalesce(nullif(a.preferred_name, ''), a.first_name, 'somebody unknown') || ' ' || coalesce(a.last_name, '') "
        f"AS patient, m.channel, m.message_class, {_STATE} AS state, m.reasons, m.error, m.not_before, m.created_at, m.sent_at "
        "FROM message m JOIN contact_point p ON p.practice_id = m.practice_id AND p.id = m.contact_point_id "
        "LEFT JOIN patient a ON a.practice_id = m.practice_id AND a.id = m.patient_id "
        f"WHERE m.practice_id = %(practice)s AND (%(before)s::bigint IS NULL OR m.id < %(before)s) {f'AND {STATES[state]}' if state else ''} "
        "ORDER BY m.id DESC LIMIT %(limit)s",
        practice=practice_id, before=before, limit=PAGE + 1,
    )  # fmt: skip


def _open_counts(practice_id: int) -> dict[str, int]:
    """How many wait, by state; only states that an index keeps small."""
    found = db.tuples(
        f"SELECT {_STATE}, count(*)::int "
        "FROM message m JOIN contact_point p ON p.practice_id = m.practice_id AND p.id = m.contact_point_id "
        "WHERE m.practice_id = %(practice)s AND m.state IN ('queued', 'sending', 'unknown') GROUP BY 1",
        practice=practice_id,
    )
    return dict(found)


@staff(*EVERYBODY)
def outbox(request: StaffRequest) -> HttpResponse:
    """List messages, the newest first; one state or all."""
    state, before = request.GET.get("state", ""), request.GET.get("before", "")
    if (state and state not in STATES) or (before and not (before.isdecimal() and len(before) < 19)):
        raise Http404("There is no such list.")
    found = _lines(request.practice.id, state, int(before) if before else None)
    counts = _open_counts(request.practice.id)
    shown = [
        Shown(
            line,
            dict(CHANNELS)[line.channel],
            BADGES.get(line.state, ""),
            said(against(line.reasons), request.practice.zone),
        )
        for line in found[:PAGE]
    ]
    older = f"?state={state}&before={found[PAGE - 1].id}" if len(found) > PAGE else ""
    context = {
        "lines": shown, "state": state, "tabs": [(name, counts.get(name)) for name in STATES], "meaning": MEANINGS.get(state, ""),
        "older": older, "newer": f"?state={state}" if before else "", "may_settle": request.role in SETTLERS,
    }  # fmt: skip
    return render(request, "messages/outbox.html", context)


SETTLERS: Final = ("owner", "manager", "front_desk")


@staff(*EVERYBODY)
def message(request: StaffRequest, message_id: int) -> HttpResponse:
    """Say why a message was sent, or was not: decision, consent, rules, and what happened to it."""
    found = pages_why.message(request.practice.id, message_id)
    if found is None:
        raise Http404("There is no such message.")
    audit.record(request.practice.id, request.staff, "message.viewed", f"message:{message_id}", request.now)
    state = "held" if found.state == "queued" and found.held_at and not found.answers_event_id else found.state
    context = {
        "message": found, "state": state, "badge": BADGES.get(state, ""), "meaning": MEANINGS[state], "channel": dict(CHANNELS)[found.channel],
        "reasons": said(against(found.reasons), request.practice.zone), "decided": said(found.touch_reasons, request.practice.zone),
        "packs": pages_why.packs([*found.touch_reasons, *found.reasons]), "rules": pages_why.rules([*found.touch_reasons, *found.reasons]),
        "entries": pages_why.timeline(request.practice.id, found), "text": pages_why.without_tokens(found.body_text), "lists": _lists(found), "cost": found.cost_micros / 10_000, "may_settle": request.role in SETTLERS,
    }  # fmt: skip
    return render(request, "messages/message.html", context)


def _lists(found: pages_why.Message) -> list[tuple[str, str]]:
    """What the lists said of the number then, at each of the two times it was asked."""
    kept = (("When it was decided", found.touch_scrub), ("When it left", found.scrub))
    return [(when, evidence.lists(evidence.scrub_of(scrub))) for when, scrub in kept if scrub]


# The frame of an e-mail: no script, no origin, nothing from outside; only its own styles.
_FRAME: Final = {
    "default-src": ["'none'"],
    "style-src": ["'unsafe-inline'"],
    "img-src": ["data:"],
    "frame-ancestors": ["'self'"],
    "sandbox": [""],
}


P = ParamSpec("P")
_replaced: Final[Any] = csp_replace(_FRAME)


def framed(view: Callable[P, HttpResponseBase]) -> Callable[P, HttpResponse]:
    """Let our own pages show this answer in a frame."""
    return cast("Callable[P, HttpResponse]", xframe_options_sameorigin(_replaced(view)))


@framed
@staff(*EVERYBODY)
def html(request: StaffRequest, message_id: int) -> HttpResponse:
    """Show an e-mail's layout as it was frozen, for a frame."""
    found = db.values(
        "SELECT body_html FROM message WHERE practice_id = %(practice)s AND id = %(message)s AND body_html <> ''",
        practice=request.practice.id, message=message_id,
    )  # fmt: skip
    if not found:
        raise Http404("There is no such e-mail.")
    return HttpResponse(pages_why.without_tokens(str(found[0])))


@require_POST
@staff(*SETTLERS)
def settle_unknown(request: StaffRequest, message_id: int) -> HttpResponse:
    """Write down what a person found out about a message with an unknown end."""
    answer = request.POST.get("was_sent")
    if answer not in {"yes", "no"}:
        return HttpResponse("Say whether it went out: yes or no.", status=400)
    if not db.value(
        "SELECT EXISTS (SELECT FROM message WHERE practice_id = %(p)s AND id = %(m)s)",
        p=request.practice.id,
        m=message_id,
    ):
        raise Http404("There is no such message.")
    if settle.decide_unknown(request.practice.id, message_id, request.staff, was_sent=answer == "yes", now=request.now):
        detail = {"was_sent": answer == "yes"}
        audit.record(
            request.practice.id, request.staff, "message.settled", f"message:{message_id}", request.now, detail
        )
        toasts.success(
            request, "Noted: it went out." if answer == "yes" else "Noted: it did not go out. It is not sent again."
        )
    else:
        toasts.warning(request, "Its end was known already; nothing was changed.")
    return redirect("messages:message", message_id)
