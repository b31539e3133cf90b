"""What a mail in the practice's mailbox is: somebody's answer, a machine's, a bounce, a complaint, or nothing of ours. Pure; never raises.

Read with the standard library's old, lenient parser: mails are written by everybody's programs, and one that breaks the rules must not keep
the next one from being read.
"""

from __future__ import annotations

import base64
import email
import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses
from typing import Final, Literal

from recare.channels.email import mime, quotes

Action = Literal["failed", "delayed", "delivered"]
_ACTIONS: Final[dict[str, Action]] = {
    "failed": "failed",
    "delivered": "delivered",
}  # relayed, expanded: as open as delayed

TEXT: Final = 100_000
"""Characters of a mail that are looked at; nobody's answer and its quote are longer."""
_ADDRESS: Final = re.compile(r"[^\s@<>\"(),;:]{1,64}@[^\s@<>\"(),;:]{1,253}")
_CODE: Final = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")  # RFC 3463
_BASIC: Final = re.compile(r"(?<![\d.])([45])\d\d[ -]")
_OURS_ANYWHERE: Final = re.compile(
    rb"<recare\.([\w-]{1,60})@|^X-Recare-Message:[ \t]*([\w-]{1,60})", re.MULTILINE | re.IGNORECASE
)
_PREFIXES: Final = re.compile(r"^(?:\s*(?:re|fw|fwd|rv|aw|sv|wg|tr|r)\s*(?:\[\d+\])?\s*:)+\s*", re.IGNORECASE)
_AWAY: Final = re.compile(
    r"^(?:automatic reply|auto(?:matic)?[- ]?(?:reply|response|antwort)|out of (?:the )?office|respuesta autom|fuera de la oficina)", re.IGNORECASE
)  # fmt: skip
_DIED: Final = re.compile(r"\b(?:deceased|passed away|fallecid[oa]|falleci[oó])\b", re.IGNORECASE)
"""Not "died": qmail writes "connected but connection died"."""
_RETRYING: Final = re.compile(r"will (?:be retried|retry|keep trying)|delayed|not yet been delivered", re.IGNORECASE)
_BY_MACHINES: Final = ("X-Auto-Response-Suppress", "X-Autoreply", "X-Autorespond", "X-Autoresponder")


@dataclass(frozen=True, slots=True)
class Answer:
    """Words that came from an address. ``automatic``: a machine sent them (RFC 3834), so they are nobody's.

    ``our_id`` names the message of ours that it answers, '' when it names none.
    """

    sender: str
    subject: str
    text: str
    our_id: str
    automatic: bool

    def words(self, our_subject: str = "", our_text: str = "") -> str:
        """Return what the person wrote: a subject that is not ours, and the text without what it quotes.

        "STOP" may stand in the subject alone, also behind our own ("Re: See you soon? STOP"); a mail program's "unsubscribe" does.
        """
        subject = _PREFIXES.sub("", self.subject).strip()
        ours = " ".join(our_subject.split())
        if ours:
            subject = " ".join(" ".join(subject.split()).replace(ours, " ").split())
        return "\n\n".join(part for part in (subject, quotes.own_words(self.text, our_text)) if part)


@dataclass(frozen=True, slots=True)
class Fate:
    """What a mail server says of one recipient. ``code`` is its enhanced status code (RFC 3463), '' when it gives none."""

    recipient: str
    action: Action
    code: str


@dataclass(frozen=True, slots=True)
class Bounce:
    """A report about mail that was to be delivered (RFC 3464, or a server's own words). ``says_died``: it says that the person has died."""

    our_id: str
    fates: tuple[Fate, ...]
    says_died: bool

    def fate_of(self, address: str) -> Fate | None:
        """Return what it says of this address; where it names others only (a forward, a list), the first that failed. None: nothing."""
        named = [fate for fate in self.fates if fate.recipient == address.lower()]
        failed = [fate for fate in self.fates if fate.action == "failed"]
        return next(iter(named or failed or self.fates), None)


@dataclass(frozen=True, slots=True)
class Complaint:
    """A reader has pressed "this is spam" (RFC 5965). ``recipient`` is '' where the report leaves it out."""

    our_id: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Other:
    """Nothing that concerns us: a list's mail, a receipt, a mail without a sender."""


Incoming = Answer | Bounce | Complaint | Other


def key_of(raw: bytes) -> str:
    """Return what identifies a mail for ever, also when its folder is numbered anew or it was delivered twice."""
    head = email.message_from_bytes(raw)
    names = ("Message-ID", "From", "Date", "Subject")
    return hashlib.sha256("\0".join(_header(head, name) for name in names).encode("utf-8", "replace")).hexdigest()[:40]


def sender_of(raw: bytes) -> str:
    """Return the address in From, '' when there is none. Never raises."""
    return _first_address(_header(email.message_from_bytes(raw), "From"))


def parse(raw: bytes) -> Incoming:
    """Say what a mail is. ``raw`` may end in the middle of it."""
    message = email.message_from_bytes(raw.replace(b"\x00", b""))
    kinds = {part.get_content_type() for part in message.walk()}
    if "message/feedback-report" in kinds:
        return _complaint(message, raw)
    if "message/disposition-notification" in kinds:
        return Other()  # a receipt: opened, deleted, never an answer
    sender = _first_address(_header(message, "From"))
    if "message/delivery-status" in kinds or _is_bounce(message, sender):
        return _bounce(message, raw)
    our_id = _answered(message)
    automatic = _is_automatic(message)
    if not sender or (_is_list(message) and not our_id and not automatic):
        return Other()
    return Answer(
        sender, _header(message, "Subject")[:400], _text(message)[:TEXT], our_id, automatic or _is_list(message)
    )


def _header(message: Message, name: str) -> str:
    """One header in readable form, without line breaks; as it stands where its coding is broken."""
    value = str(message.get(name, ""))
    with suppress(Exception):  # as in _decoded
        value = str(make_header(decode_header(value)))
    return " ".join(_storable(value).split())


def _first_address(value: str) -> str:
    with suppress(Exception):
        for _, address in getaddresses([value]):
            if _ADDRESS.fullmatch(address):
                return address.lower()
    found = _ADDRESS.search(value)
    return found.group().lower() if found else ""


def _answered(message: Message) -> str:
    """Our id of the message it answers; the newest of ours where it names several."""
    named = f"{_header(message, 'In-Reply-To')} {' '.join(reversed(_header(message, 'References').split()))}"
    return next(filter(None, map(mime.our_id_of, named.split())), "")


def _is_automatic(message: Message) -> bool:
    """RFC 3834, and what older programs set instead."""
    said = _header(message, "Auto-Submitted").lower().partition(";")[0].strip()
    if said:
        return said != "no"
    marked = any(message.get(name) for name in _BY_MACHINES) or _header(message, "Precedence").lower() == "auto_reply"
    return marked or bool(_AWAY.match(_header(message, "Subject")))


def _is_list(message: Message) -> bool:
    """Mail to many: a newsletter, a mailing list."""
    marked = any(message.get(name) for name in ("List-Id", "List-Unsubscribe", "List-Post"))
    return marked or _header(message, "Precedence").lower() in {"bulk", "list", "junk"}


def _is_bounce(message: Message, sender: str) -> bool:
    """A report in a server's own words. A postmaster is a person too, unless the mail has no way back."""
    if message.get("X-Failed-Recipients") or sender.startswith(("mailer-daemon@", "mail-daemon@")):
        return True
    no_way_back = _header(message, "Return-Path") == "<>" or message.get("Auto-Submitted")
    return bool(sender.startswith("postmaster@") and no_way_back)


def _text(message: Message) -> str:
    """The words: every text part that is no attachment; HTML only where there is no plain text."""
    plain = "\n".join(_decoded(part) for part in _parts(message, "text/plain"))
    if plain.strip():
        return plain
    return "\n".join(quotes.text_of_html(_decoded(part)) for part in _parts(message, "text/html"))


def _parts(message: Message, wanted: str) -> Iterator[Message]:
    for part in message.walk():
        kind = part.get_content_type()
        if kind.startswith("multipart/") and not part.is_multipart():
            kind = "text/plain"  # it says nowhere what parts it
        if kind == wanted and part.get_content_disposition() != "attachment":
            yield part


def _decoded(part: Message) -> str:
    """A part's text by its charset; by the usual ones where that is missing, unknown or wrong."""
    with suppress(Exception):  # the standard library raises half a dozen kinds here
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            for charset in (part.get_content_charset() or "utf-8", "utf-8", "cp1252", "latin-1"):
                with suppress(LookupError, UnicodeError):
                    return _storable(payload.decode(charset))
    return ""


def _storable(text: str) -> str:
    """Text without what no database takes: NUL, halves of characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _our_id_in(raw: bytes) -> str:
    """Our id out of the headers or the copy that a report sends back."""
    found = _OURS_ANYWHERE.search(raw)
    return next(filter(None, found.groups()), b"").decode("ascii", "replace") if found else ""


def _bounce(message: Message, raw: bytes) -> Bounce:
    words = _text(message)[:TEXT]
    fates = tuple(_fates(message)) or (_fate_in_words(message, words),)
    return Bounce(_our_id_in(raw), fates, bool(_DIED.search(words + " ".join(_fields(message)))))


def _fates(message: Message) -> Iterator[Fate]:
    """Each recipient's block of a report (RFC 3464, 2.3)."""
    for report in _reports(message, "message/delivery-status"):
        for block in report:
            action = _header(block, "Action").lower().partition(" ")[0]
            first, last = (_first_address(_header(block, f"{which}-Recipient")) for which in ("Original", "Final"))
            recipient = first or last
            if not action or not (recipient or block.get("Status")):
                continue  # the first block is about the message
            code = _code(_header(block, "Status"), _header(block, "Diagnostic-Code"))
            yield Fate(recipient, _ACTIONS.get(action, "delayed"), code)


def _reports(message: Message, kind: str) -> Iterator[list[Message]]:
    """The blocks of headers in each report of this kind; some programs code it, or leave it as plain text."""
    for part in message.walk():
        if part.get_content_type() != kind:
            continue
        blocks = [block for block in part.walk() if block is not part]
        if blocks and _header(part, "Content-Transfer-Encoding").lower() != "base64":
            yield blocks
        else:
            text = _decoded(part) if not blocks else _from_base64("".join(str(block.get_payload()) for block in blocks))
            yield [email.message_from_string(block) for block in text.replace("\r\n", "\n").split("\n\n")]


def _from_base64(coded: str) -> str:
    with suppress(ValueError):
        return _storable(base64.b64decode(coded.encode("ascii", "ignore") + b"==").decode("utf-8", "replace"))
    return ""


def _code(status: str, diagnostic: str) -> str:
    """The status; the one in the other server's own words where the report only says "something failed" (x.0.0)."""
    said = _CODE.search(status)
    exact = next((code for code in _CODE.findall(diagnostic) if not code.endswith(".0.0")), "")
    if said and not said.group(1).endswith(".0.0"):
        return said.group(1)
    return exact or (said.group(1) if said else "")


def _fate_in_words(message: Message, words: str) -> Fate:
    """A report without a report: the code in its words; a temporary one may still be under way."""
    recipient = _first_address(_header(message, "X-Failed-Recipients"))
    basic = _BASIC.search(words)
    code = _code("", words) or (f"{basic.group(1)}.0.0" if basic else "")
    return Fate(recipient, "delayed" if _RETRYING.search(words) else "failed", code)


def _fields(message: Message) -> Iterator[str]:
    for report in _reports(message, "message/delivery-status"):
        for block in report:
            yield _header(block, "Diagnostic-Code")


def _complaint(message: Message, raw: bytes) -> Incoming:
    """A feedback report. Only some kinds are a reader's: a failed signature or "this is no spam" complains of nothing."""
    fields = [block for report in _reports(message, "message/feedback-report") for block in report]
    kind = next(filter(None, (_header(block, "Feedback-Type").lower() for block in fields)), "abuse")
    if kind in {"auth-failure", "not-spam", "dmarc"}:
        return Other()
    named = [_header(block, name) for block in fields for name in ("Original-Rcpt-To", "Removal-Recipient")]
    copies = [part for part in message.walk() if part is not message]
    returned = [_header(part, name) for part in copies for name in ("X-HmXmrOriginalRecipient", "To")]
    return Complaint(_our_id_in(raw), next(filter(None, map(_first_address, named + returned)), ""))
