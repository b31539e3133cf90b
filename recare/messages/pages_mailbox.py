"""The mailbox of an e-mail sender: where it is, whether it can be read, and no more of it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from recare.base import audit
from recare.base.secret_box import SecretError
from recare.channels.email.mailbox import MailboxError
from recare.messages import mailboxes, senders
from recare.messages.forms import MailboxForm
from recare.messages.mailboxes import Mailbox
from recare.messages.pages_senders import KEEPERS
from recare.messages.senders import Sender
from recare.practices.access import StaffRequest, staff


def _sender(request: StaffRequest, sender_id: int) -> Sender:
    found = senders.by_id(request.practice.id, [sender_id]).get(sender_id)
    if found is None or found.channel != "email":
        raise Http404("There is no e-mail sender with this number.")
    return found


def _mailbox(request: StaffRequest, sender_id: int) -> Mailbox:
    found = mailboxes.every(request.practice.id).get(sender_id)
    if found is None:
        raise Http404("This sender's mailbox is not read.")
    return found


@staff(*KEEPERS)
def edit(request: StaffRequest, sender_id: int) -> HttpResponse:
    """Set up the mailbox, or change it; what is saved is tried at once."""
    sender, box = _sender(request, sender_id), mailboxes.every(request.practice.id).get(sender_id)
    form = MailboxForm(request.POST or None, _kept(request, box))
    if request.method == "POST" and form.is_valid():
        mailboxes.save(request.practice.id, sender.id, form.cleaned_data, request.now)
        audit.record(request.practice.id, request.staff, "mailbox.saved", f"sender:{sender.id}", request.now)
        _try(request, _mailbox(request, sender.id))
        return redirect("messages:senders")
    status = 422 if request.method == "POST" else 200
    return render(request, "messages/mailbox.html", {"form": form, "sender": sender, "box": box}, status=status)


def _kept(request: StaffRequest, box: Mailbox | None) -> dict[str, Any]:
    try:
        return mailboxes.settings_of(box) if box else {}
    except SecretError as error:
        toasts.error(request, str(error))
        return {}


@require_POST
@staff(*KEEPERS)
def try_it(request: StaffRequest, sender_id: int) -> HttpResponse:
    """Open the mailbox and say in one sentence what is there, or what failed."""
    box = _mailbox(request, sender_id)
    audit.record(request.practice.id, request.staff, "mailbox.tried", f"sender:{sender_id}", request.now)
    _try(request, box)
    return redirect("messages:senders")


def _try(request: StaffRequest, box: Mailbox) -> None:
    try:
        toasts.success(request, mailboxes.try_out(box))
    except MailboxError as error:
        toasts.error(request, str(error))


@require_POST
@staff(*KEEPERS)
def remove(request: StaffRequest, sender_id: int) -> HttpResponse:
    """Read this mailbox no more. What was read stays."""
    if mailboxes.remove(request.practice.id, sender_id):
        audit.record(request.practice.id, request.staff, "mailbox.removed", f"sender:{sender_id}", request.now)
        toasts.warning(request, "This mailbox is read no more. Answers and bounces by e-mail go unseen from now on.")
    return redirect("messages:senders")
