"""One mail server for every test of this folder."""

from __future__ import annotations

import pytest

from tests.channels.imap_server import MailServer


@pytest.fixture(scope="session")
def mail_server() -> MailServer:
    return MailServer()
