"""E-mail against a real SMTP server: what arrives is what was meant, and every ending is told apart."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller

from recare.channels.email import mime
from recare.channels.email.transport import Server, open_transport
from recare.channels.outgoing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)


class Mailbox:
    """Keeps what it is given; answers RCPT and DATA as the test says."""

    def __init__(self, rcpt: str = "250 OK", data: str = "250 OK") -> None:
        self.rcpt, self.data = rcpt, data
        self.mails: list[tuple[str, list[str], bytes]] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: ARG002, N802
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return self.data


@contextmanager
def mail_server(handler: Mailbox) -> Iterator[dict[str, Any]]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield {"host": "127.0.0.1", "port": port, "security": "none", "timeout": 5.0}
    finally:
        controller.stop()


def letter(**more: Any) -> Outgoing:
    fields: dict[str, Any] = {
        "our_id": "7-4711", "practice_id": 7, "channel": "email", "sender": "frontdesk@mapledental.example.com",
        "sender_name": "Maple Dental, P.C.", "reply_to": "frontdesk@mapledental.example.com", "recipient": "ada@example.com",
        "subject": "Maple Dental: see you soon? ¿Nos vemos?", "text": "Hola José,\n.\nFrom here on\n" + "long " * 300,
        "html": "<p>Hola José 👋</p>\r\n<p>.dot</p>", "list_unsubscribe": "https://go.example.com/p/unsubscribe/abc",
    }  # fmt: skip
    return Outgoing(**(fields | more))


def parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"html": ""},
        {"subject": "A subject so long that it must be folded " * 6},
        {"sender_name": 'Dr. "Ana" Núñez; Dentist'},
        {"text": "", "html": "<p></p>"},
        {"text": "one line, no end", "html": "\u2028<b>\x0b</b>"},
    ],
)
def test_the_standard_parser_reads_back_what_was_spliced(changed: dict[str, Any]) -> None:
    sent = letter(**changed)
    message = parsed(mime.build(sent, NOW))
    assert message.defects == []
    assert str(message["Subject"]).strip() == sent.subject.strip()
    assert message["From"].addresses[0].addr_spec == sent.sender
    assert message["From"].addresses[0].display_name == sent.sender_name
    assert message["To"].addresses[0].addr_spec == sent.recipient
    assert message["Date"].datetime == NOW
    assert mime.our_id_of(message["Message-ID"]) == sent.our_id
    text = message.get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == sent.text.replace("\r\n", "\n")
    html = message.get_body(("html",))
    assert (html.get_content().replace("\r\n", "\n") if html else "") == sent.html.replace("\r\n", "\n")
    assert all(len(line) <= 998 for line in mime.build(sent, NOW).split(b"\r\n"))
    assert not any(line.startswith(b".") for line in mime.build(sent, NOW).split(b"\r\n"))


def test_eml_02_every_letter_carries_both_one_click_headers() -> None:
    message = parsed(mime.build(letter(), NOW))
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert str(message["List-Unsubscribe"]).startswith("<https://go.example.com/p/unsubscribe/abc>, <mailto:frontdesk@")


@pytest.mark.parametrize(
    "changed",
    [
        {"subject": "Hello\r\nBcc: eve@example.com"},
        {"subject": "Hello\nX: y"},
        {"recipient": ""},
        {"recipient": "no-at-sign"},
        {"recipient": "two words@example.com"},
        {"recipient": "ada@example.com\r\nBcc: eve@example.com"},
        {"recipient": "josé@example.com"},
        {"sender_name": "Maple\r\nBcc: eve@example.com"},
        {"reply_to": "a@example.com>\r\nX: y"},
        {"list_unsubscribe": "https://go.example.com/x>\r\nX: y"},
        {"list_unsubscribe": "javascript:alert(1)"},
    ],
)
def test_a_letter_that_cannot_be_written_is_refused_and_nothing_is_smuggled_in(changed: dict[str, Any]) -> None:
    with closing(open_transport({"host": "127.0.0.1", "port": 9, "security": "none"})) as line:
        result = line.send(letter(**changed), NOW)
    assert (result.outcome, result.retryable) == ("refused", False)


def test_a_real_server_receives_several_letters_over_one_connection() -> None:
    box = Mailbox()
    with mail_server(box) as settings, closing(open_transport(settings)) as line:
        results = [line.send(letter(our_id=f"7-{number}"), NOW) for number in range(5)]
        first = line._smtp
        assert line.send(letter(our_id="7-5"), NOW).outcome == "accepted"
        assert line._smtp is first
    assert [result.outcome for result in results] == ["accepted"] * 5
    assert [mime.our_id_of(parsed(raw)["Message-ID"]) for _, _, raw in box.mails] == [f"7-{n}" for n in range(6)]
    assert box.mails[0][:2] == ("frontdesk@mapledental.example.com", ["ada@example.com"])
    assert parsed(box.mails[0][2])["Subject"] == letter().subject


@pytest.mark.parametrize(
    ("rcpt", "data", "outcome", "code", "retryable"),
    [
        ("550 5.1.1 No such user here", "250 OK", "refused", "5.1.1", False),
        ("550 no such user", "250 OK", "refused", "5.0.0", False),
        ("452 4.2.2 Mailbox full", "250 OK", "refused", "4.2.2", True),
        ("250 OK", "554 5.7.26 Not authenticated", "refused", "5.7.26", False),
        ("250 OK", "451 4.7.1 Try again later", "refused", "4.7.1", True),
        ("250 OK", "554 no", "refused", "5.6.0", False),
    ],
)
def test_a_servers_no_is_told_with_its_code(rcpt: str, data: str, outcome: str, code: str, retryable: bool) -> None:  # noqa: FBT001
    box = Mailbox(rcpt, data)
    with mail_server(box) as settings, closing(open_transport(settings)) as line:
        result = line.send(letter(), NOW)
        assert (result.outcome, result.code, result.retryable) == (outcome, code, retryable)
        box.rcpt = box.data = "250 OK"
        assert line.send(letter(our_id="7-2"), NOW).outcome == "accepted"


def scripted(answers: list[bytes | None]) -> tuple[dict[str, Any], threading.Thread]:
    """A server that reads a line (or a whole mail after 354) before each answer; None hangs up."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(10)

    def talk() -> None:
        connection, _ = server.accept()
        with connection, server:
            connection.settimeout(10)
            connection.sendall(b"220 ready\r\n")
            data = False
            for answer in answers:
                heard = b""
                while not heard.endswith(b"\r\n.\r\n" if data else b"\r\n"):
                    got = connection.recv(65536)
                    if not got:
                        return
                    heard += got
                if answer is None:
                    return
                connection.sendall(answer + b"\r\n")
                data = answer.startswith(b"354")

    thread = threading.Thread(target=talk)
    thread.start()
    return {"host": "127.0.0.1", "port": server.getsockname()[1], "security": "none", "timeout": 5.0}, thread


def test_a_connection_lost_after_the_data_leaves_it_unknown() -> None:
    settings, thread = scripted([b"250 hello", b"250 from", b"250 to", b"354 go on", None])
    with closing(open_transport(settings)) as line:
        assert line.send(letter(), NOW).outcome == "unknown"
    thread.join()


def test_a_connection_lost_before_the_data_is_surely_not_accepted() -> None:
    settings, thread = scripted([b"250 hello", b"250 from", None])
    with closing(open_transport(settings)) as line:
        result = line.send(letter(), NOW)
    assert (result.outcome, result.retryable) == ("refused", True)
    thread.join()


def test_a_server_that_is_not_there_is_tried_again_later() -> None:
    with closing(open_transport({"host": "127.0.0.1", "port": 9, "security": "none", "timeout": 1})) as line:
        result = line.send(letter(), NOW)
    assert (result.outcome, result.code, result.retryable) == ("refused", "4.4.1", True)


def test_a_server_that_closes_after_each_letter_still_gets_every_one() -> None:
    class Closing(Mailbox):
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            answer = await super().handle_DATA(server, session, envelope)
            asyncio.get_running_loop().call_later(0.05, server.transport.close)
            return answer

    box = Closing()
    with mail_server(box) as settings, closing(open_transport(settings)) as line:
        for number in range(3):
            assert line.send(letter(our_id=f"7-{number}"), NOW).outcome == "accepted"
            threading.Event().wait(0.15)
    assert len(box.mails) == 3


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"host": "mail.example.com", "security": "none"},
        {"host": "mail.example.com", "security": "ssl"},
        {"host": "mail.example.com", "secret": "x"},
    ],
)
def test_settings_that_would_send_in_the_open_or_nowhere_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="mail server"):
        Server.of(settings)
