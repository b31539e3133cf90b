"""E-mail over SMTP, one connection kept for a batch.

Until the end mark of the data is on its way, whatever goes wrong means "surely not accepted": RFC 5321 has the server take nothing before
it. From there to the server's answer it means "nobody knows".
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
from dataclasses import dataclass
from email.errors import MessageError
from typing import TYPE_CHECKING, Any

from recare.channels.email import mime
from recare.channels.outgoing import Outgoing, Result

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_ENHANCED = re.compile(rb"\b([245]\.\d{1,3}\.\d{1,3})\b")  # RFC 3463
_OK, _GO_ON = 250, 354
_TAKEN = {250, 251}
_CLOSING = 421  # "service closing this connection"
_HUNG_UP = Result("refused", code="4.4.2", retryable=True)


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how to hand mail in. ``security``: ``starttls``, ``tls`` or ``none`` (a relay on the same machine only)."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    security: str = "starttls"
    timeout: float = 20.0

    @staticmethod
    def of(settings: Mapping[str, Any]) -> Server:
        """Read the sender's settings. Raises ValueError with a sentence for whoever set them."""
        unknown = set(settings) - {"host", "port", "user", "password", "security", "timeout", "practice_id"}
        if unknown or not settings.get("host"):
            raise ValueError(
                f"The mail server's settings need a host and know no {', '.join(sorted(unknown)) or 'more'}."
            )
        server = Server(**({"port": 587} | {key: value for key, value in settings.items() if key != "practice_id"}))
        if server.security not in {"starttls", "tls", "none"}:
            raise ValueError("The mail server's security is starttls, tls or none.")
        if server.security == "none" and server.host not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError(
                "A mail server on another machine needs starttls or tls: letters to patients never travel in the open."
            )
        return server


class Email:
    """An SMTP connection that opens when first needed and is used for every message until it breaks."""

    reaches_people = True

    def __init__(self, server: Server) -> None:
        self._server = server
        self._smtp: smtplib.SMTP | None = None

    def send(self, outgoing: Outgoing, now: datetime) -> Result:
        """Hand one message in."""
        try:
            data = mime.build(outgoing, now)
        except (
            ValueError,
            MessageError,
            IndexError,
        ):  # the standard parser has all three for an address it cannot read
            return Result("refused", code="5.6.0")
        result = self._hand_in(outgoing, data)
        if result is _HUNG_UP:  # idle too long, or the server's limit of messages a connection: call once more
            result = self._hand_in(outgoing, data)
        return result

    def lookup(self, our_id: str) -> Result:  # noqa: ARG002
        """SMTP has no such question; a person looks into the mail server's log."""
        return Result("unknown")

    def suppressed(self) -> frozenset[str] | None:
        """A mail server keeps no such list: it bounces, and the bounce is read."""
        return None

    def close(self) -> None:
        """Say goodbye when the connection still stands."""
        if self._smtp is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._smtp.quit()
        self._smtp = None

    def _greeted(self) -> smtplib.SMTP:
        if self._smtp is not None:
            return self._smtp
        server = self._server
        if server.security == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=server.timeout, context=ssl.create_default_context()
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
        self._smtp = smtp
        if server.security == "starttls":
            smtp.starttls(context=ssl.create_default_context())
        smtp.ehlo_or_helo_if_needed()
        if server.user:
            smtp.login(server.user, server.password)
        return smtp

    def _hand_in(self, outgoing: Outgoing, data: bytes) -> Result:
        try:
            smtp = self._greeted()
        except smtplib.SMTPAuthenticationError as error:
            return self._broken(Result("refused", code=_code(error.smtp_code, _bytes(error.smtp_error), "7.8")))
        except (OSError, smtplib.SMTPException):
            return self._broken(Result("refused", code="4.4.1", retryable=True))
        try:
            refusal = self._refusal(smtp, outgoing)
            if refusal is None:
                smtp.send(data + b".\r\n")  # no line of base64 or of a header begins with a dot, so none is doubled
        except (OSError, smtplib.SMTPException):
            return self._broken(_HUNG_UP)
        return refusal or self._answer(smtp, outgoing)

    def _refusal(self, smtp: smtplib.SMTP, outgoing: Outgoing) -> Result | None:
        """Say from whom, to whom and that data follow; a Result when the server objects."""
        code, words = smtp.mail(outgoing.sender)
        subject = "7.0"
        if code == _OK:
            (code, words), subject = smtp.rcpt(outgoing.recipient), "0.0"
        if code in _TAKEN:
            (code, words), subject = smtp.docmd("DATA"), "6.0"
        if code == _GO_ON:
            return None
        if code == _CLOSING:
            return self._broken(_HUNG_UP)
        self._reset(smtp)
        return _refused(code, words, subject)

    def _answer(self, smtp: smtplib.SMTP, outgoing: Outgoing) -> Result:
        try:
            code, words = smtp.getreply()
        except (OSError, smtplib.SMTPException):
            return self._broken(Result("unknown", code="4.4.2"))
        if code == _OK:
            return Result("accepted", ref=mime.message_id(outgoing.our_id, outgoing.sender))
        self._reset(smtp)
        return _refused(code, words, "6.0")

    def _reset(self, smtp: smtplib.SMTP) -> None:
        try:
            smtp.rset()
        except (OSError, smtplib.SMTPException):
            self._broken(Result("unknown"))

    def _broken(self, result: Result) -> Result:
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None
        return result


def _refused(code: int, words: bytes, subject: str) -> Result:
    return Result("refused", code=_code(code, words, subject), retryable=400 <= code < 500)


def _code(code: int, words: bytes, subject: str) -> str:
    """The server's enhanced code; where it gives none, the subject says at what it stopped: sender 7.0, recipient 0.0, content 6.0."""
    found = _ENHANCED.search(words)
    return found.group(1).decode() if found else f"{code // 100}.{subject}"


def _bytes(words: bytes | str) -> bytes:
    return words if isinstance(words, bytes) else words.encode()


def open_transport(settings: Mapping[str, Any]) -> Email:
    """Open the line that a sender's settings describe (nothing is connected before the first message)."""
    return Email(Server.of(settings))
