from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
import structlog
from django.db import transaction
from django.db.utils import DatabaseError

from recare.base import db as database
from recare.base.logs import redact, set_up


@pytest.mark.parametrize(
    "secret",
    ["+16305550100", "(630) 555-0100", "630.555.0100", "ada.example@example.com", "/p/AbCdEf123456_-xyz"],
)
def test_sec_08_a_log_line_shows_no_number_no_address_and_no_token(secret: str) -> None:
    line = redact(f"could not send to {secret} at 10:02")
    assert secret.removeprefix("/p/") not in line
    assert "at 10:02" in line


@pytest.mark.parametrize("plain", ["message 123456 of practice 7", "took 0.25 s", "2027-01-12 failed"])
def test_ids_times_and_days_stay(plain: str) -> None:
    assert redact(plain) == plain


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the product logs; afterwards logs go where they went."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level, out = root.handlers[:], root.level, io.StringIO()
    monkeypatch.setattr("sys.stderr", out)
    set_up()
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 'Adelheid'::int",
        "SELECT 'Adelheid' FROM nowhere",
        "INSERT INTO practice_group (id, name) VALUES (1, 'Adelheid'), (1, 'Adelheid')",
        "SELECT 'Adelheid'::date",
    ],
)
def test_sec_08_what_a_database_says_of_a_row_does_not_reach_the_log(
    db: None, lines: io.StringIO, statement: str
) -> None:
    try:
        with transaction.atomic():
            database.run(statement)
    except DatabaseError:
        structlog.get_logger().exception("ours")
        logging.getLogger("library").exception("theirs")
    said = lines.getvalue()
    assert said.count("Traceback") >= 2
    assert "django.db.utils." in said
    assert "Adelheid" not in said
