"""One e-mail as bytes, built by splicing: headers by the standard library's policy, bodies in base64, nothing re-encoded.

The standard library's own EmailMessage spends most of the time choosing encodings for bodies; base64 of UTF-8 is right for every text, and
splicing the parts is several times faster (bench/send.py). What comes out is parsed back by the standard parser in the tests.
"""

from __future__ import annotations

import base64
import hashlib
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from recare.channels.outgoing import Outgoing

_PART = b'--%b\r\nContent-Type: text/%b; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n%b\r\n'


def message_id(our_id: str, sender: str) -> str:
    """Return the Message-ID that follows from our id, so that a bounce can be traced back to it."""
    return f"<recare.{our_id}@{sender.rpartition('@')[2]}>"


def our_id_of(message_id_header: str) -> str:
    """Return our id out of a Message-ID we made; empty for a stranger's."""
    local = message_id_header.strip().strip("<>").partition("@")[0]
    return local.removeprefix("recare.") if local.startswith("recare.") else ""


def build(outgoing: Outgoing, now: datetime) -> bytes:
    """Return the whole message with CRLF line ends: text and, when there is one, the HTML of the same words.

    Raises ValueError when an address or a header cannot be written, such as a line break in a subject.
    """
    if not (outgoing.sender.isascii() and outgoing.recipient.isascii()):
        raise ValueError("An address with letters outside ASCII needs a server that speaks SMTPUTF8.")
    head = _headers(outgoing, now)
    text = _body(outgoing.text)
    if not outgoing.html:
        return head + b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n' + text
    boundary = b"=_recare_" + hashlib.sha256(outgoing.our_id.encode()).hexdigest()[:32].encode()
    return b"".join((
        head, b'Content-Type: multipart/alternative; boundary="', boundary, b'"\r\n\r\n',
        _PART % (boundary, b"plain", text), _PART % (boundary, b"html", _body(outgoing.html)), b"--", boundary, b"--\r\n",
    ))  # fmt: skip


def _headers(outgoing: Outgoing, now: datetime) -> bytes:
    head = EmailMessage(policy=SMTP)
    head["From"] = Address(outgoing.sender_name, addr_spec=outgoing.sender)
    head["To"] = Address("", addr_spec=outgoing.recipient)
    if outgoing.reply_to:
        head["Reply-To"] = Address("", addr_spec=outgoing.reply_to)
    head["Subject"] = outgoing.subject
    head["Date"] = format_datetime(now)
    head["Message-ID"] = message_id(outgoing.our_id, outgoing.sender)
    if outgoing.list_unsubscribe:  # EML-02, RFC 8058
        mailbox = outgoing.reply_to or outgoing.sender
        head["List-Unsubscribe"] = f"<{outgoing.list_unsubscribe}>, <mailto:{mailbox}?subject=unsubscribe>"
        head["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    head["MIME-Version"] = "1.0"
    return head.as_bytes().rstrip(b"\r\n") + b"\r\n"


def _body(text: str) -> bytes:
    """Base64 in lines of 76 with CRLF, as RFC 2045 asks; the text itself with CRLF line ends."""
    raw = text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
    return base64.encodebytes(raw).replace(b"\n", b"\r\n")
