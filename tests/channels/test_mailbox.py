"""Reading a mailbox on a real IMAP server: read-only, in order, bounded, and every trouble told in a sentence."""

from __future__ import annotations

import datetime as dt
import ipaddress
import resource
import socket
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from recare.channels.email import incoming, mailbox
from recare.channels.email.mailbox import Box, MailboxError
from tests.channels.imap_server import MailServer

MAIL = b"From: ada@example.com\r\nMessage-ID: <%d@example.com>\r\nSubject: Hello\r\n\r\nWords %d\r\n"


def box(server: MailServer, folder: str, **more: Any) -> Box:
    return Box.of(server.settings(folder, **more))


def read(server: MailServer, folder: str, after: int = 0, **more: Any) -> list[bytes]:
    with mailbox.opened(box(server, folder, **more)) as found:
        return [mail.raw for mail in found.mails(found.numbers(after))]


def test_mails_come_in_order_and_only_those_after_the_last_one(mail_server: MailServer) -> None:
    folder = mail_server.new_folder()
    mail_server.deliver(folder, *(MAIL % (number, number) for number in range(25)))
    with mailbox.opened(box(mail_server, folder)) as found:
        numbers = found.numbers(0)
        assert found.count == len(numbers) == 25
        assert found.newest == numbers[-1]
        assert [mail.raw.count(b"Words") for mail in found.mails(numbers)] == [1] * 25
        assert [mail.uid for mail in found.mails(found.numbers(numbers[20]))] == numbers[21:]
        assert found.numbers(numbers[-1]) == []
        assert found.numbers(0, dt.date(2030, 1, 1)) == []


def test_whoever_reads_the_mailbox_in_another_program_notices_nothing(mail_server: MailServer) -> None:
    folder = mail_server.new_folder()
    mail_server.deliver(folder, MAIL % (1, 1), MAIL % (2, 2))
    read(mail_server, folder)
    assert mail_server.flags(folder) == [(), ()]
    with mailbox.opened(box(mail_server, folder)) as found:
        assert b"READ-ONLY" in found.client.select_folder(folder, readonly=True)


def test_of_a_mail_of_40_mb_only_the_beginning_is_fetched(mail_server: MailServer) -> None:
    folder = mail_server.new_folder()
    head = b"From: ada@example.com\r\nSubject: Photos\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSTOP\r\n--b\r\n"
    mail_server.deliver(
        folder,
        head
        + b"Content-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + b"A" * 76
        + b"\r\n"
        + (b"B" * 76 + b"\r\n") * 500_000,
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    [raw] = read(mail_server, folder)
    assert len(raw) == mailbox.MAIL_BYTES
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    )  # the server lives in this process, too
    found = incoming.parse(raw)
    assert isinstance(found, incoming.Answer)
    assert found.words("Photos") == "STOP"


def test_a_mail_that_was_moved_away_meanwhile_is_passed_over(mail_server: MailServer) -> None:
    folder = mail_server.new_folder()
    mail_server.deliver(folder, MAIL % (1, 1), MAIL % (2, 2))
    with mailbox.opened(box(mail_server, folder)) as found:
        [first, second] = found.numbers(0)
        assert [mail.uid for mail in found.mails([first, second, second + 1])] == [first, second]


def test_a_folder_may_have_letters_of_any_alphabet(mail_server: MailServer) -> None:
    with mail_server.signed_in() as client:
        client.create_folder("Citas & más")
    mail_server.deliver("Citas & más", MAIL % (1, 1))
    assert len(read(mail_server, "Citas & más")) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "wrong"}, "refused the user name or password"),
        ({"user": "nobody@example.com"}, "refused the user name or password"),
        ({"folder": "Nowhere"}, "no folder 'Nowhere'"),
        ({"host": "localhost", "port": 1}, "takes no connections"),
        ({"host": "mail.invalid", "security": "tls"}, "no server called mail.invalid"),
        ({"security": "tls"}, "speaks no TLS on port"),
        ({"security": "starttls"}, "offers no STARTTLS on port"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(mail_server: MailServer, changed: dict[str, Any], said: str) -> None:
    folder = mail_server.new_folder()
    with pytest.raises(MailboxError, match=said):
        _open(Box.of(mail_server.settings(folder) | changed))


def _open(where: Box) -> None:
    with mailbox.opened(where):
        pass


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "did not answer on port"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "broke the connection off"),
        ((b"* OK ready\r\n", b""), "broke the connection off"),
        ((b"* BYE too many connections\r\n", b""), "broke the connection off"),
    ],
)
def test_a_server_that_is_silent_strange_or_hangs_up_costs_a_moment(lines: tuple[bytes, ...], said: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=_talk, args=(listener, lines), daemon=True).start()
        where = Box("127.0.0.1", listener.getsockname()[1], "u", "p", "none", connect_within=1.0, answer_within=1.0)
        with pytest.raises(MailboxError, match=said):
            _open(where)


def _talk(listener: socket.socket, lines: tuple[bytes, ...]) -> None:
    with closing(listener.accept()[0]) as line:
        for words in lines:
            line.sendall(words) if words else line.close()
        if not lines or lines[-1]:
            line.settimeout(5)
            while line.recv(1000):
                pass


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "", "port": 993, "user": "u", "password": "p"},
        {"host": "imap.example.com", "port": 993, "user": "", "password": "p"},
        {"host": "imap.example.com", "port": 143, "user": "u", "password": "p", "security": "none"},
        {"host": "imap.example.com", "port": 143, "user": "u", "password": "p", "security": "maybe"},
    ],
)
def test_settings_that_would_send_words_in_the_open_or_lead_nowhere_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="mailbox"):
        Box.of(settings)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "imap.test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(scope="module")
def safe_server(certificate: Path) -> MailServer:
    return MailServer(certificate)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_the_line_is_encrypted_and_a_certificate_that_nobody_signed_is_refused(
    safe_server: MailServer, certificate: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    port = safe_server.tls_port if security == "tls" else safe_server.port
    where = Box.of(safe_server.settings("INBOX", security=security, port=port))
    with pytest.raises(MailboxError, match="certificate"):
        _open(where)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    _open(where)
