"""CON-05: who switches texts on says so twice, the second time from the phone itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from recare.base import db
from recare.consent import revoke
from recare.inbox import apply, receive
from recare.inbox.receive import Inbound
from recare.messages import send
from tests.messages.outbox import make_sender
from tests.portal.way import Written

POINT = "FROM contact_point WHERE practice_id = %(practice)s AND id = %(phone)s"


@pytest.fixture
def silent(way: Written) -> Written:
    """A patient who once texted STOP."""
    with db.scope(way.practice.id):
        make_sender(way.practice.id)
        revoke.revoke(
            way.practice.id,
            way.phone,
            revoke.NUMBER,
            "sms_keyword",
            "patient",
            "STOP",
            "inbound:1",
            way.now - timedelta(days=90),
        )
    return way


def texts(way: Written, key: str, body: str) -> None:
    address = way.value(f"SELECT address {POINT}")
    receive.receive(Inbound(way.practice.id, "sandbox", key, "sms", address, body=body), way.now)
    apply.apply_batch(way.practice.id, way.now)


def test_CON_05_texts_come_back_only_after_a_yes_from_the_phone(stranger: Client, silent: Written) -> None:  # noqa: N802
    path = silent.path("preferences")
    assert 'name="agree"' in stranger.get(path).content.decode()
    assert stranger.post(path, {"do": "texts_on", "agree": "on"}).headers["Location"].endswith("said=texts_on")
    assert silent.value(f"SELECT sms_out_at IS NOT NULL {POINT}")
    assert send.send_batch(silent.practice.id, silent.now) == 1
    asked = silent.values("SELECT body_text FROM sandbox_delivery WHERE practice_id = %(practice)s")
    assert "Reply YES" in asked[0]
    texts(silent, "yes", "Yes")
    assert silent.value(f"SELECT sms_level || ' ' || (sms_out_at IS NULL) {POINT}") == "2 true"
    kept = "SELECT exact_text, method, evidence_ref <> '' FROM consent_event WHERE practice_id = %(practice)s AND type = 'confirmed'"
    with db.scope(silent.practice.id):
        [(words, method, proven)] = db.tuples(kept, practice=silent.practice.id)
    assert ("not a condition" in words, method, proven) == (True, "portal", True)


@pytest.mark.parametrize("answer", ["", "no", "STOP"])
def test_CON_05_without_a_yes_texts_stay_off(stranger: Client, silent: Written, answer: str) -> None:  # noqa: N802
    stranger.post(silent.path("preferences"), {"do": "texts_on", "agree": "on"})
    send.send_batch(silent.practice.id, silent.now)
    if answer:
        texts(silent, "answer", answer)
    assert silent.value(f"SELECT sms_level || ' ' || (sms_out_at IS NULL) {POINT}") == "0 false"


def test_CON_05_the_box_is_empty_and_an_empty_box_changes_nothing(stranger: Client, silent: Written) -> None:  # noqa: N802
    path = silent.path("preferences")
    assert "checked" not in stranger.get(path).content.decode().partition('id="texts"')[2].partition("</form>")[0]
    assert stranger.post(path, {"do": "texts_on"}).headers["Location"].endswith("said=nothing")
    assert silent.values("SELECT type FROM consent_event WHERE practice_id = %(practice)s AND type = 'pending'") == []


def test_a_second_click_asks_once(stranger: Client, silent: Written) -> None:
    path = silent.path("preferences")
    for _ in range(3):
        stranger.post(path, {"do": "texts_on", "agree": "on"})
    assert silent.value("SELECT count(*) FROM message WHERE practice_id = %(practice)s AND message_class = 'S'") == 1
