"""A desk whose mailbox is on a real mail server."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.channels.imap_server import MailServer
from tests.conftest import new_practice
from tests.inbox.desk import Desk, make_desk
from tests.messages.outbox import NOW


@pytest.fixture
def fresh(committed: None, mail_server: MailServer) -> Desk:
    """A practice whose mailbox was never looked into."""
    return make_desk(new_practice(is_rehearsal=False, email="hello@mapledental.example.com").id, mail_server)


@pytest.fixture
def desk(fresh: Desk) -> Desk:
    """One whose mailbox is being read."""
    assert fresh.look(NOW - timedelta(minutes=30)) == 0
    return fresh
