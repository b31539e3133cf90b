"""Senders: what the practice sends from, the agreement on patient data, and a test e-mail to oneself."""

from __future__ import annotations

import contextlib
import json
import secrets
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from recare.base import audit, db, secret_box
from recare.base.secret_box import SecretError
from recare.channels.outgoing import Outgoing, Result
from recare.messages import mailboxes, senders
from recare.messages.forms import CHANNELS, SenderForm
from recare.messages.senders import Sender, SenderError
from recare.practices.access import StaffRequest, staff

KEEPERS: Final = ("owner", "manager")
_SERVER: Final = ("host", "port", "security", "user")


@dataclass(frozen=True, slots=True)
class Line:
    """A sender as its page shows it; never its password."""

    id: int
    channel: str
    provider: str
    address: str
    registered: bool
    use_cases: list[str]
    auth_ok: bool
    baa_party: str
    baa_from: date | None
    baa_until: date | None
    settings: bytes | None
    paused_at: datetime | None
    paused_reason: str

    @property
    def halves(self) -> tuple[str, str]:
        """The address, parted where a narrow screen may break it."""
        name, at, host = self.address.partition("@")
        return name + at, host

    def trouble(self, today: date) -> list[str]:
        """Say what keeps this sender from sending, in words."""
        found = []
        if self.provider != "sandbox":
            if not self.baa_party or self.baa_from is None or self.baa_from > today:
                found.append("No agreement on patient data (BAA) is in force, so nothing is sent.")
            elif self.baa_until is not None and self.baa_until < today:
                found.append("The agreement on patient data (BAA) has ended, so nothing is sent.")
            if self.channel == "email" and not self.auth_ok:
                found.append("The domain has not proven itself: set SPF, DKIM and DMARC, then tick it here.")
        if self.channel == "sms" and not self.registered:
            found.append("The number is not registered with the carriers, so no text is sent.")
        return found


def _lines(practice_id: int) -> list[Line]:
    return db.rows(
        Line,
        "SELECT id, channel, provider, address, registered, use_cases, auth_ok, baa_party, baa_from, baa_until, settings, paused_at, paused_reason "
        "FROM sender WHERE practice_id = %(practice)s ORDER BY channel, id",
        practice=practice_id,
    )


def _found(request: StaffRequest, sender_id: int) -> Line:
    found = [line for line in _lines(request.practice.id) if line.id == sender_id]
    if not found:
        raise Http404("There is no such sender.")
    return found[0]


@staff("owner", "manager", "auditor", "group_admin")
def every(request: StaffRequest) -> HttpResponse:
    """List the senders with what keeps them from sending."""
    today = request.now.astimezone(request.practice.zone).date()
    boxes = mailboxes.every(request.practice.id)
    lines = [
        (line, dict(CHANNELS)[line.channel], line.trouble(today), boxes.get(line.id))
        for line in _lines(request.practice.id)
    ]
    return render(
        request, "messages/senders.html", {"lines": lines, "may_edit": request.role in KEEPERS, "staff": request.staff}
    )


@staff(*KEEPERS)
def edit(request: StaffRequest, sender_id: int | None = None) -> HttpResponse:
    """Add a sender, or change one."""
    line = _found(request, sender_id) if sender_id is not None else None
    try:
        kept = _kept(line)
    except SecretError as error:
        toasts.error(request, str(error))
        kept = {}
    form = SenderForm(request.POST or None, initial=_initial(line, kept) if line else {})
    if line is not None:  # what messages have left by stays what it was
        form.fields["channel"].disabled = form.fields["provider"].disabled = True
    status = 200
    if request.method == "POST":
        if form.is_valid():
            saved = _save(request, line, form.cleaned_data, kept)
            if saved:
                toasts.success(request, "Saved. Send yourself a test before patients hear from it.")
                return redirect("messages:senders")
            form.add_error("address", "There is a sender with this address already. Change that one.")
        status = 422
    return render(request, "messages/sender.html", {"form": form, "line": line}, status=status)


def _initial(line: Line, kept: dict[str, Any]) -> dict[str, Any]:
    names = (
        "channel",
        "provider",
        "address",
        "registered",
        "use_cases",
        "auth_ok",
        "baa_party",
        "baa_from",
        "baa_until",
    )
    return {name: getattr(line, name) for name in names} | {name: kept[name] for name in _SERVER if name in kept}


def _kept(line: Line | None) -> dict[str, Any]:
    if line is None or not line.settings:
        return {}
    found: dict[str, Any] = json.loads(secret_box.decrypt(line.settings, senders.SETTINGS_PURPOSE))
    return found


def _save(request: StaffRequest, line: Line | None, data: dict[str, Any], kept: dict[str, Any]) -> bool:
    settings = None
    if data["provider"] == "smtp":
        given = {name: data[name] for name in _SERVER if data[name]}
        password = data["password"] or kept.get("password", "")
        settings = senders.keep_settings(given | ({"password": password} if password else {}))
    params = {
        name: data[name] for name in ("channel", "provider", "address", "registered", "use_cases", "auth_ok", "baa_party", "baa_from", "baa_until")
    } | {"practice": request.practice.id, "settings": settings, "id": line.id if line else None}  # fmt: skip
    sender_id = db.value(_UPDATE if line else _INSERT, **params)
    if sender_id is None:
        return False
    db.run(
        "INSERT INTO sender_route (channel, address, practice_id) VALUES (%(channel)s, %(address)s, %(practice)s) ON CONFLICT DO NOTHING",
        channel=data["channel"], address=data["address"], practice=request.practice.id,
    )  # fmt: skip
    audit.record(
        request.practice.id,
        request.staff,
        "sender.saved",
        f"sender:{sender_id}",
        request.now,
        {"provider": data["provider"]},
    )
    return True


_INSERT: Final = """
INSERT INTO sender (practice_id, channel, provider, address, registered, use_cases, auth_ok, baa_party, baa_from, baa_until, settings)
VALUES (%(practice)s, %(channel)s, %(provider)s, %(address)s, %(registered)s, %(use_cases)s, %(auth_ok)s, %(baa_party)s, %(baa_from)s,
        %(baa_until)s, %(settings)s)
ON CONFLICT (practice_id, channel, provider, address) DO NOTHING RETURNING id
"""
_UPDATE: Final = """
UPDATE sender s SET address = %(address)s, registered = %(registered)s, use_cases = %(use_cases)s, auth_ok = %(auth_ok)s,
    baa_party = %(baa_party)s, baa_from = %(baa_from)s, baa_until = %(baa_until)s, settings = coalesce(%(settings)s, s.settings)
WHERE s.practice_id = %(practice)s AND s.id = %(id)s AND NOT EXISTS (
    SELECT FROM sender o WHERE o.practice_id = s.practice_id AND o.id <> s.id AND o.channel = s.channel AND o.provider = s.provider
    AND o.address = %(address)s)
RETURNING s.id
"""


@require_POST
@staff(*KEEPERS)
def pause(request: StaffRequest, sender_id: int) -> HttpResponse:
    """Stop one sender; its messages stay queued."""
    line = _found(request, sender_id)
    if senders.pause(request.practice.id, line.id, f"Paused by {request.staff}.", request.now):
        audit.record(request.practice.id, request.staff, "sender.paused", f"sender:{line.id}", request.now)
        toasts.warning(request, f"{line.address} is paused. What is queued waits.")
    return redirect("messages:senders")


@require_POST
@staff(*KEEPERS)
def resume(request: StaffRequest, sender_id: int) -> HttpResponse:
    """Let a sender go on."""
    line = _found(request, sender_id)
    if line.paused_at is not None:
        senders.resume(request.practice.id, line.id)
        audit.record(request.practice.id, request.staff, "sender.resumed", f"sender:{line.id}", request.now)
        toasts.success(request, f"{line.address} sends again. Everything queued passes every check anew.")
    return redirect("messages:senders")


@require_POST
@staff(*KEEPERS)
def test(request: StaffRequest, sender_id: int) -> HttpResponse:
    """Send the signed-in person a test e-mail and say what the server answered."""
    line = _found(request, sender_id)
    if line.channel != "email":
        raise Http404("Only e-mail can be tried this way.")
    sender = senders.by_id(request.practice.id, [line.id])[line.id]
    try:
        result = _try(request, sender)
    except (SenderError, SecretError) as error:
        toasts.error(request, str(error))
        return redirect("messages:senders")
    audit.record(
        request.practice.id,
        request.staff,
        "sender.tested",
        f"sender:{line.id}",
        request.now,
        {"outcome": result.outcome},
    )
    if result.outcome == "accepted":
        toasts.success(request, f"The server took it. Look into the mailbox of {request.staff}.")
    else:
        toasts.error(request, _refusal(result))
    return redirect("messages:senders")


def _try(request: StaffRequest, sender: Sender) -> Result:
    outgoing = Outgoing(
        our_id=f"test-{secrets.token_hex(8)}", practice_id=request.practice.id, channel="email", sender=sender.address,
        recipient=request.staff, sender_name=sender.name, reply_to=sender.reply_to, subject=f"{sender.name}: a test from Recare",
        text=f"This is a test. If you can read it, {sender.name} can send e-mail.\n\nNobody else got it.",
    )  # fmt: skip
    with contextlib.closing(senders.line(request.practice.id, sender)) as transport:
        return transport.send(outgoing, request.now)


def _refusal(result: Result) -> str:
    code = result.code
    if code == "4.4.1":
        return "No answer from the mail server. Check its name and port, and that this machine may reach it."
    if code.endswith("7.8"):
        return "The mail server refused the user name or password."
    if code.startswith("5.7"):
        return f"The mail server refused the From address or the sign-in ({code})."
    return f"The mail server did not take it ({code or result.outcome}). Ask whoever runs it."
