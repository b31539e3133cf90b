"""A real PostgreSQL for every test process, and practices that are strangers to each other.

Nothing is cleaned up: each test has a practice of its own, and row-level security keeps it from seeing any other. The tests run
under the same role as the product, bound by the same policies.
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from django.test import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recare.practices.practice import Practice
    from tests.channels.imap_server import MailServer

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)  # a Tuesday, 11:00 in Chicago


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """Leave the database as tests.settings has made it."""


@pytest.fixture
def now() -> datetime:
    return NOW


_numbers = itertools.count(1)


def new_practice(**more: object) -> Practice:
    from recare.practices import practice as practices

    slug = f"maple-{os.getpid()}-{next(_numbers)}-{uuid.uuid4().hex[:6]}"
    fields: dict[str, object] = {
        "phone": "+16305550100", "email": "frontdesk@mapledental.example.com", "street": "210 Larkspur Ave",
        "city": "Lindenfield", "state": "IL", "zip": "60540", "is_rehearsal": True, "legal_name": "Maple Dental, P.C.",
    }  # fmt: skip
    return practices.create(slug, "Maple Dental", "America/Chicago", **(fields | more))


@pytest.fixture
def practice(db: None) -> Iterator[Practice]:
    """A fresh practice inside a transaction that is rolled back, its scope open."""
    from recare.base import db as database

    made = new_practice()
    with database.scope(made.id):
        yield made


@pytest.fixture
def committed(django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Real commits, for workers, threads and races; closes this thread's connection at the end."""
    from django.db import connections

    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield
        connections.close_all()


@pytest.fixture
def committed_practice(committed: None) -> Practice:
    """A fresh practice that is really there for every connection; open a scope yourself."""
    return new_practice()


SignIn = Callable[[str], Client]


@pytest.fixture
def as_role(practice: Practice, now: datetime) -> SignIn:
    """Sign somebody new in for the test's practice, in the role that is asked for."""

    def sign_in(role: str) -> Client:
        from recare.practices import staff

        email, client = f"{role}-{practice.slug}@example.com", Client()
        staff.create_user(email, "correct horse battery", role, practice.slug, now)
        client.post("/sign-in/", {"email": email, "password": "correct horse battery"})
        return client

    return sign_in


@pytest.fixture(scope="session")
def mail_server() -> MailServer:
    """A real IMAP server, one for all tests of a process; each test makes a folder of its own."""
    from tests.channels.imap_server import MailServer

    return MailServer()
