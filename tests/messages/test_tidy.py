"""I7: words go six years after the last contact; what happened, and every no, stays."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from recare.base import db
from recare.messages import tidy
from tests import factories
from tests.messages import outbox
from tests.messages.outbox import NOW, TEXT

if TYPE_CHECKING:
    from recare.practices.practice import Practice

OLD = NOW - tidy.KEPT - timedelta(days=1)


@pytest.fixture
def case(practice: Practice) -> outbox.Case:
    return outbox.make_case(practice.id)


def sent(case: outbox.Case, at: Any) -> int:
    return outbox.make_message(case, state="sent", sent_at=at, created_at=at, settled_at=at)


def text(case: outbox.Case, message_id: int) -> str:
    return str(db.value("SELECT body_text FROM message WHERE practice_id = %(p)s AND id = %(m)s", p=case.practice_id, m=message_id))  # fmt: skip


def write(case: outbox.Case, message_id: int, at: Any, intent: str) -> int:
    point = outbox.message(case.practice_id, message_id).contact_point_id
    event = factories.insert(
        "inbound_event", practice_id=case.practice_id, provider="sandbox", provider_event_id=f"e{message_id}{intent}", channel="sms",
        sender="", contact_point_id=point, body="their words", received_at=at,
    )  # fmt: skip
    factories.insert(
        "reply", practice_id=case.practice_id, inbound_event_id=event, intent=intent, detector="t", held=False, at=at
    )
    return event


def test_i7_an_old_text_gives_way_to_its_hash_and_its_facts_stay(case: outbox.Case) -> None:
    old, young = sent(case, OLD), sent(case, NOW - tidy.KEPT + timedelta(days=1))
    assert tidy.tidy_batch(case.practice_id, NOW) == 1
    assert text(case, old) == "sha256:" + hashlib.sha256(TEXT.encode()).hexdigest()
    assert text(case, young) == TEXT
    facts = "SELECT state, sent_at, touch_id IS NOT NULL FROM message WHERE practice_id = %(p)s AND id = %(m)s"
    assert db.tuples(facts, p=case.practice_id, m=old) == [("sent", OLD, True)]


def test_i7_a_later_word_of_either_side_keeps_the_whole_exchange(case: outbox.Case) -> None:
    old = sent(case, OLD)
    write(case, old, NOW - timedelta(days=30), "question")
    assert tidy.tidy_batch(case.practice_id, NOW) == 0
    assert text(case, old) == TEXT


def test_i7_the_words_of_a_no_are_kept_for_ever(case: outbox.Case) -> None:
    stop, chat = write(case, sent(case, OLD), OLD, "stop"), write(case, sent(case, OLD), OLD, "question")
    tidy.tidy_batch(case.practice_id, NOW)
    bodies = dict(db.tuples("SELECT id, body FROM inbound_event WHERE practice_id = %(p)s", p=case.practice_id))
    assert bodies == {stop: "their words", chat: ""}


def test_i7_old_texts_are_looked_for_once_a_day(case: outbox.Case) -> None:
    assert tidy.tidy_batch(case.practice_id, NOW) == 0
    sent(case, OLD)
    assert tidy.tidy_batch(case.practice_id, NOW + timedelta(hours=23)) == 0
    assert tidy.tidy_batch(case.practice_id, NOW + timedelta(hours=24)) == 1
