"""The sandbox records what patients would see, and like a real provider shows doubles instead of hiding them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from recare.base import db
from recare.channels.outgoing import Outgoing, open_transport

if TYPE_CHECKING:
    from datetime import datetime

    from recare.practices.practice import Practice


def text(practice_id: int) -> Outgoing:
    return Outgoing("1-1", practice_id, "sms", "+16305550100", "+16305550111", "Maple Dental: hello")


def test_it_keeps_its_record_when_the_senders_own_rows_roll_back(committed_practice: Practice, now: datetime) -> None:
    line = open_transport("sandbox", {"practice_id": committed_practice.id})
    assert line.send(text(committed_practice.id), now).outcome == "accepted"
    with pytest.raises(RuntimeError), db.scope(committed_practice.id):
        raise RuntimeError
    assert line.lookup("1-1").outcome == "accepted"


def test_it_shows_a_double_and_knows_what_it_never_got(practice: Practice, now: datetime) -> None:
    line = open_transport("sandbox", {"practice_id": practice.id})
    assert not line.reaches_people
    assert line.lookup("1-1").outcome == "refused"
    line.send(text(practice.id), now)
    line.send(text(practice.id), now)
    assert db.value("SELECT count(*) FROM sandbox_delivery WHERE practice_id = %(practice)s", practice=practice.id) == 2


def test_an_unknown_provider_is_named_with_the_known_ones() -> None:
    with pytest.raises(LookupError, match=r"pigeon.*sandbox, smtp"):
        open_transport("pigeon", {})
