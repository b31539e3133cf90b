"""A real IMAP server for tests: pymap in a thread, with a folder for each test."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
from argparse import Namespace
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from imapclient import IMAPClient
from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer
from pysasl.hashing import BuiltinHash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "frontdesk@mapledental.example.com", "made up"
_numbers = itertools.count(1)


class MailServer:
    """What the server of a practice's provider is to it: folders, mail that arrives, and somebody else who reads it."""

    def __init__(self, certificate: Path | None = None) -> None:
        self._certificate = certificate
        self._ready = threading.Event()
        self.port = self.tls_port = 0
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        assert self._ready.wait(20)

    async def _serve(self) -> None:
        args = Namespace(
            debug=False, host=None, port="0", cert=self._certificate, key=self._certificate, tls=bool(self._certificate), proxy_protocol=None,
            inherited_sockets=None, passlib_cfg=None, demo_data=False, demo_user=USER, demo_password=PASSWORD,
        )  # fmt: skip
        backend, config = await DictBackend.init(
            args, hash_context=BuiltinHash(rounds=1)
        )  # as in tests.settings: hashing well takes longer than the test
        config.apply_context()
        answer = ProxyProtocolReader(config.proxy_protocol).get_callback(IMAPServer(backend.login, config))
        plain = await asyncio.start_server(answer, "127.0.0.1", 0)
        self.port = plain.sockets[0].getsockname()[1]
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            wrapped = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
            self.tls_port = wrapped.sockets[0].getsockname()[1]
        self._ready.set()
        await asyncio.Event().wait()

    @contextmanager
    def signed_in(self) -> Iterator[Any]:
        """Somebody's own mail program."""
        client = IMAPClient("127.0.0.1", port=self.port, ssl=False, timeout=30)
        client.login(USER, PASSWORD)
        with client:
            yield client

    def new_folder(self) -> str:
        name = f"Practice {next(_numbers)}"
        with self.signed_in() as client:
            client.create_folder(name)
        return name

    def deliver(self, folder: str, *mails: bytes, at: datetime | None = None) -> None:
        with self.signed_in() as client:
            for mail in mails:
                client.append(folder, mail, msg_time=at)

    def renumber(self, folder: str) -> None:
        """What a move to another server does: the same mails under other numbers, the folder with another UIDVALIDITY."""
        with self.signed_in() as client:
            client.select_folder(folder, readonly=True)
            found = client.fetch(client.search(), ["BODY.PEEK[]", "INTERNALDATE"])
        with self.signed_in() as client:
            client.delete_folder(folder)
            client.create_folder(folder)
            for uid in sorted(found):
                client.append(folder, found[uid][b"BODY[]"], msg_time=found[uid][b"INTERNALDATE"])

    def flags(self, folder: str) -> list[tuple[bytes, ...]]:
        with self.signed_in() as client:
            client.select_folder(folder, readonly=True)
            found = client.fetch(client.search(), ["FLAGS"])
            return [tuple(flag for flag in found[uid][b"FLAGS"] if flag != b"\\Recent") for uid in sorted(found)]

    def settings(self, folder: str, **more: Any) -> dict[str, Any]:
        """As they are entered on the senders' page."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "password": PASSWORD,
            "security": "none",
            "folder": folder,
        } | more
