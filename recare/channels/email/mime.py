"""One e-mail as bytes, built by splicing: headers by the standard library's policy, bodies in base64, nothing re-encoded.

The standard library's own EmailMessage spends most of the time choosing encodings for bodies; base64 of UTF-8 is right for every text, and
splicing the parts is several times faster (bench/send.py). What comes out is parsed back by the standard parser in the tests.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from recare.channels.outgoing import Outgoing

_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_PLAIN_URL = re.compile(r"https?://[!-;=?-~]+")  # printable ASCII without spaces and angle brackets
_PART = b'--%b\r\nContent-Type: text/%b; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n%b\r\n'

_NO_MACHINES = b"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: OOF, AutoReply\r\n"
"""Asks other machines to send no automatic answer (RFC 3834): each would hold the address until a person has read it."""


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
    """Most headers of a batch are the same in every letter, so each distinct one is folded once."""
    lines = [
        _address("From", outgoing.sender_name, outgoing.sender),
        _address("To", "", outgoing.recipient),
        _folded("Subject", outgoing.subject),
        _folded("Date", format_datetime(now)),
        f"Message-ID: {message_id(outgoing.our_id, outgoing.sender)}\r\n".encode("ascii"),
        f"X-Recare-Message: {outgoing.our_id}\r\n".encode("ascii"),  # some relays give a Message-ID of their own
        b"MIME-Version: 1.0\r\n",
    ]
    if outgoing.reply_to:
        lines.append(_address("Reply-To", "", outgoing.reply_to))
    if outgoing.list_unsubscribe:  # EML-02, RFC 8058
        if not _PLAIN_URL.fullmatch(outgoing.list_unsubscribe):
            raise ValueError("The unsubscribe address is no plain address.")
        mailbox = outgoing.reply_to or outgoing.sender
        lines.append(_NO_MACHINES)
        lines.append(
            f"List-Unsubscribe: <{outgoing.list_unsubscribe}>,\r\n <mailto:{mailbox}?subject=unsubscribe>\r\n"
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode("ascii")
        )
    return b"".join(lines)


def _address(header: str, name: str, address: str) -> bytes:
    if not name and _PLAIN_ADDRESS.fullmatch(address):
        return f"{header}: {address}\r\n".encode("ascii")
    return _folded_address(header, name, address)


@lru_cache(maxsize=256)
def _folded_address(header: str, name: str, address: str) -> bytes:
    made = EmailMessage(policy=SMTP)
    made[header] = Address(name, addr_spec=address)
    return made.as_bytes().rstrip(b"\r\n") + b"\r\n"


@lru_cache(maxsize=256)
def _folded(header: str, value: str) -> bytes:
    made = EmailMessage(policy=SMTP)
    made[header] = value
    return made.as_bytes().rstrip(b"\r\n") + b"\r\n"


def _body(text: str) -> bytes:
    """Base64 in lines of 76 with CRLF, as RFC 2045 asks; the text itself with CRLF line ends."""
    raw = text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
    coded = binascii.b2a_base64(raw, newline=False)
    return b"".join([coded[at : at + 76] + b"\r\n" for at in range(0, len(coded), 76)])
