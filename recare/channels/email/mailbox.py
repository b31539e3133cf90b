"""A mailbox read by IMAP, and never changed: EXAMINE and PEEK only, so that whoever reads it in another program notices nothing.

Of each mail only the first quarter of a megabyte is fetched: headers and words come first, attachments stay where they are.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import CapabilityError, IMAPClientAbortError, IMAPClientError, LoginError

MAIL_BYTES: Final = 256 * 1024
_AT_ONCE: Final = 10
_LOCAL: Final = frozenset({"127.0.0.1", "::1", "localhost"})

logging.getLogger("imapclient").setLevel(logging.WARNING)  # at DEBUG it writes down what the server says


class MailboxError(Exception):
    """A mailbox cannot be read; the sentence says why, and names nothing that a mail holds."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a mailbox is and how to open it. ``security``: ``tls``, ``starttls`` or ``none`` (a server on the same machine only)."""

    host: str
    port: int
    user: str
    password: str
    security: str = "tls"
    folder: str = "INBOX"
    connect_within: float = 10.0
    answer_within: float = 30.0

    @staticmethod
    def of(settings: Mapping[str, Any]) -> Box:
        """Read the settings of a mailbox. Raises ValueError with a sentence for whoever set them."""
        if not settings.get("host") or not settings.get("user"):
            raise ValueError("A mailbox needs a server and a user name.")
        box = Box(**settings)
        if box.security not in {"tls", "starttls", "none"}:
            raise ValueError("The mailbox's security is tls, starttls or none.")
        if box.security == "none" and box.host not in _LOCAL:
            raise ValueError("A mailbox on another machine needs TLS: what patients write never travels in the open.")
        return box


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it lies there: its number in the folder, when it arrived, and its first ``MAIL_BYTES`` bytes."""

    uid: int
    at: datetime
    raw: bytes


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder. ``validity`` is the server's UIDVALIDITY: with another one, every number means another mail."""

    validity: int
    newest: int
    """The highest number that a mail may have now."""
    count: int
    client: IMAPClient

    def numbers(self, after: int, since: date | None = None) -> list[int]:
        """Return the numbers of the mails after this one, oldest first; with ``since`` those that arrived on that day or later.

        Raises MailboxError when the server does not answer.
        """
        with _told(self.client.host, self.client.port):
            asked: list[Any] = ["UID", f"{after + 1}:*"]
            found = self.client.search(asked + (["SINCE", since] if since else []))
        return sorted(uid for uid in found if uid > after)  # "n:*" names the last mail even when it is older

    def mails(self, numbers: list[int]) -> Iterator[Mail]:
        """Fetch these mails, a few at a time, and forget each after it was handed over. Raises MailboxError."""
        for start in range(0, len(numbers), _AT_ONCE):
            some = numbers[start : start + _AT_ONCE]
            with _told(self.client.host, self.client.port):
                found = self.client.fetch(some, [f"BODY.PEEK[]<0.{MAIL_BYTES}>", "INTERNALDATE"])
            for uid in some:  # one that was moved away meanwhile is not in the answer
                if uid in found:
                    yield Mail(uid, found[uid][b"INTERNALDATE"], found[uid].get(b"BODY[]<0>") or b"")


@contextmanager
def opened(box: Box) -> Iterator[Folder]:
    """Open the folder read-only and close it at the end. Raises MailboxError with a sentence for whoever set it up."""
    with _told(box.host, box.port):
        client = IMAPClient(
            box.host, port=box.port, ssl=box.security == "tls", ssl_context=ssl.create_default_context(),
            timeout=SocketTimeout(box.connect_within, box.answer_within),
        )  # fmt: skip
    client.normalise_times = False  # times with their zone
    with client:  # says goodbye, whatever happened
        yield _folder(client, box)


def _folder(client: IMAPClient, box: Box) -> Folder:
    with _told(box.host, box.port):
        if box.security == "starttls":
            client.starttls(ssl.create_default_context())
        try:
            client.login(box.user, box.password)
        except LoginError as error:
            if isinstance(error.__context__, IMAPClientAbortError):  # it hung up instead of answering
                raise
            raise MailboxError(
                "The mailbox refused the user name or password. Some providers ask for an app password made for this."
            ) from None
        if not client.folder_exists(box.folder):
            raise MailboxError(f"There is no folder '{box.folder}' in this mailbox.")
        said = client.select_folder(box.folder, readonly=True)
    return Folder(int(said[b"UIDVALIDITY"]), int(said.get(b"UIDNEXT", 1)) - 1, int(said[b"EXISTS"]), client)


@contextmanager
def _told(host: str, port: int) -> Iterator[None]:
    """Turn each kind of trouble into one sentence. What the server said is left out: it may quote a mail."""
    try:
        yield
    except MailboxError:
        raise
    except ssl.SSLCertVerificationError:
        raise MailboxError(
            f"The certificate of {host} is not valid for that name, or nobody known has signed it."
        ) from None
    except ssl.SSLError:
        raise MailboxError(f"{host} speaks no TLS on port {port}. Port 993 is for TLS, 143 for STARTTLS.") from None
    except socket.gaierror:
        raise MailboxError(f"There is no server called {host}. Check its name.") from None
    except TimeoutError:
        raise MailboxError(f"{host} did not answer on port {port} in time.") from None
    except ConnectionRefusedError:
        raise MailboxError(f"{host} takes no connections on port {port}. Check the port and the firewall.") from None
    except CapabilityError:
        raise MailboxError(f"{host} offers no STARTTLS on port {port}: choose TLS from the start.") from None
    except (OSError, IMAPClientError, ValueError, LookupError):
        raise MailboxError(f"{host} broke the connection off, or answered what is no IMAP.") from None
