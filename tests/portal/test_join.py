"""CON-05: the practice's public form. Wanted twice, the second time from the phone or the mailbox itself; it tells nobody about anybody."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from recare.base import db
from recare.consent import fold, ledger, points, revoke
from recare.inbox import apply, receive
from recare.inbox.receive import Inbound
from recare.messages import evidence, send
from recare.practices.practice import Practice
from recare.reports import evidence as packs
from tests import factories
from tests.messages.outbox import make_sender

MAIL = "ada@example.com"
PHONE = "+16305550199"


@pytest.fixture
def practice(practice: Practice, now: datetime) -> Practice:
    db.run("UPDATE practice SET clock_at = %(n)s WHERE id = %(p)s", n=now, p=practice.id)
    for channel in ("sms", "email"):
        make_sender(practice.id, channel)
    return replace(practice, clock_at=now)


def fill(client: Client, practice: Practice, **form: str) -> str:
    answer = client.post(f"/join/{practice.slug}/", {"name": "Ada Example"} | form)
    assert answer.status_code in {200, 422}
    return re.sub(r"\s+", " ", answer.content.decode())


def by_mail(client: Client, practice: Practice, email: str = MAIL) -> str:
    return fill(client, practice, email=email, agree_email="on")


def by_text(client: Client, practice: Practice, mobile: str = "630-555-0199", **more: str) -> str:
    return fill(client, practice, mobile=mobile, agree="on", **more)


def got(practice: Practice, to: str) -> list[str]:
    return db.values("SELECT body_text FROM sandbox_delivery WHERE practice_id = %(p)s AND recipient = %(to)s ORDER BY id", p=practice.id, to=to)  # fmt: skip


def level(practice: Practice, address: str, channel: str) -> int:
    return int(db.value(f"SELECT {channel}_level FROM contact_point WHERE practice_id = %(p)s AND address = %(a)s", p=practice.id, a=address))  # fmt: skip


def kinds(practice: Practice) -> list[str]:
    return db.values("SELECT type FROM consent_event WHERE practice_id = %(p)s ORDER BY seq", p=practice.id)


def later(practice: Practice, at: datetime) -> None:
    db.run("UPDATE practice SET clock_at = %(n)s WHERE id = %(p)s", n=at, p=practice.id)


def link(practice: Practice) -> str:
    found = re.search(r"/join/confirm/[\w-]+", got(practice, MAIL)[-1])
    assert found
    return found.group()


def answers(practice: Practice, body: str, now: datetime, key: str = "1") -> None:
    receive.receive(Inbound(practice.id, "sandbox", key, "sms", PHONE, body=body), now)
    apply.apply_batch(practice.id, now)


def test_CON_05_an_e_mail_address_is_confirmed_by_the_button_behind_its_link(  # noqa: N802
    stranger: Client, practice: Practice, now: datetime
) -> None:
    assert "within 48 hours" in by_mail(stranger, practice)
    assert (kinds(practice), level(practice, MAIL, "email")) == (["pending"], 0)
    assert send.send_batch(practice.id, now) == 1
    path = link(practice)
    page = stranger.get(path)
    assert (page.status_code, page.headers["Referrer-Policy"]) == (200, "no-referrer")
    assert level(practice, MAIL, "email") == 0, "a scanner that opens the link confirms nothing"
    assert stranger.post(path).status_code == 302
    assert "Thank you" in stranger.get(path).content.decode()
    assert (kinds(practice), level(practice, MAIL, "email")) == (["pending", "confirmed"], 2)
    assert (ledger.verify(practice.id), fold.compare(practice.id)) == (None, [])
    assert db.value("SELECT count(*) FROM patient WHERE practice_id = %(p)s", p=practice.id) == 0, "no chart is opened"


def test_CON_05_the_evidence_holds_the_words_shown_their_version_and_no_network_address(  # noqa: N802
    stranger: Client, practice: Practice, now: datetime
) -> None:
    by_mail(stranger, practice)
    send.send_batch(practice.id, now)
    stranger.post(link(practice))
    point = points.ensure(practice.id, [("email", MAIL)], now)["email", MAIL]
    subject = packs.of_point(practice.id, point)
    assert subject is not None
    pack = packs.build(practice.id, subject, "olga@example.com", now)
    events: list[dict[str, Any]] = [
        record["content"] for record in pack["records"] if record["kind"] == "consent_event"
    ]
    for event in events:
        assert (event["text_version"], event["signature"], event["level"]) == ("mail 1", "typed: Ada Example", 2)
        assert "Maple Dental, P.C. at this address" in event["exact_text"]
        assert event["ip"].startswith("hmac:")
        assert "127.0.0.1" not in str(event)
    assert events[1]["evidence_ref"].startswith("opt_in_link:")


def test_CON_05_the_link_works_once_for_two_days_and_is_kept_as_a_hash(  # noqa: N802
    stranger: Client, practice: Practice, now: datetime
) -> None:
    by_mail(stranger, practice)
    send.send_batch(practice.id, now)
    path = link(practice)
    token = path.rpartition("/")[2]
    assert db.value("SELECT count(*) FROM opt_in_link WHERE practice_id = %(p)s AND token_hash = %(t)s::bytea", p=practice.id, t=token.encode()) == 0  # fmt: skip
    later(practice, now + timedelta(hours=48))
    assert stranger.post(path).status_code == 410
    later(practice, now + timedelta(hours=47, minutes=59))
    assert [stranger.post(path).status_code for _ in range(2)] == [302, 200]
    assert kinds(practice) == ["pending", "confirmed"]
    assert stranger.post("/join/confirm/" + "x" * 22).status_code == 404


def test_CON_05_who_unsubscribes_in_between_is_not_confirmed_by_the_old_link(  # noqa: N802
    stranger: Client, practice: Practice, now: datetime
) -> None:
    by_mail(stranger, practice)
    send.send_batch(practice.id, now)
    point = points.ensure(practice.id, [("email", MAIL)], now)["email", MAIL]
    revoke.revoke(practice.id, point, ("email",), "one_click", "patient", "", "link:1", now + timedelta(hours=1))
    later(practice, now + timedelta(hours=2))
    assert stranger.post(link(practice)).status_code == 410
    assert level(practice, MAIL, "email") == 0


@pytest.mark.parametrize("word", ["YES", "yes!", "START", "Sí"])
def test_CON_05_a_number_is_asked_once_and_confirmed_by_its_exact_answer(  # noqa: N802
    stranger: Client, practice: Practice, now: datetime, word: str
) -> None:
    assert "Answer the text" in by_text(stranger, practice)
    by_text(stranger, practice)
    send.send_batch(practice.id, now)
    assert len(got(practice, PHONE)) == 1
    assert "Reply YES" in got(practice, PHONE)[0]
    answers(practice, word, now)
    assert level(practice, PHONE, "sms") == 2
    assert kinds(practice)[-1] == "confirmed"
    [words] = db.values("SELECT exact_text FROM consent_event WHERE practice_id = %(p)s AND type = 'confirmed'", p=practice.id)  # fmt: skip
    assert "not a condition" in words


@pytest.mark.parametrize("word", ["yes I guess, who is this?", "ok", "STOP", "no", "1"])
def test_CON_05_anything_else_grants_nothing(stranger: Client, practice: Practice, now: datetime, word: str) -> None:  # noqa: N802
    by_text(stranger, practice)
    send.send_batch(practice.id, now)
    answers(practice, word, now)
    assert level(practice, PHONE, "sms") == 0


def test_CON_05_a_yes_to_another_question_confirms_no_strangers_form(  # noqa: N802
    stranger: Client, practice: Practice, now: datetime
) -> None:
    """Somebody types a patient's number; the patient's YES to "Reply YES to book" is no opt-in."""
    by_text(stranger, practice)
    send.send_batch(practice.id, now)
    db.run("UPDATE message SET reply_question = 'book' WHERE practice_id = %(p)s", p=practice.id)
    answers(practice, "YES", now)
    assert level(practice, PHONE, "sms") == 0


SUPPRESSED = {
    "stop": lambda practice, point, now: revoke.revoke(practice, point, revoke.NUMBER, "sms_keyword", "patient", "", "inbound:1", now),
    "do not call": lambda practice, point, now: revoke.revoke(practice, point, ("call",), "front_desk", "desk", "", "note", now),
    "wrong number": lambda practice, point, now: revoke.wrong_number(practice, point, "front_desk", "desk", "note", now),
    "no texts": lambda practice, point, now: revoke.sms_incapable(practice, point, "note", now),
}  # fmt: skip


@pytest.mark.parametrize("how", SUPPRESSED)
def test_OPT_03_a_number_that_said_no_gets_nothing_and_the_page_says_the_same_words(  # noqa: N802
    stranger: Client, practice: Practice, now: datetime, how: str
) -> None:
    unknown = by_text(stranger, practice, "630-555-0198")
    point = factories.make_point(practice.id, factories.make_patient(practice.id), PHONE)
    SUPPRESSED[how](practice.id, point, now - timedelta(days=9))
    assert by_text(stranger, practice) == unknown
    send.send_batch(practice.id, now)
    assert got(practice, PHONE) == []


def test_OPT_02_a_stop_between_the_form_and_the_question_wins(  # noqa: N802
    stranger: Client, practice: Practice, now: datetime
) -> None:
    by_text(stranger, practice)
    point = points.ensure(practice.id, [("phone", PHONE)], now)["phone", PHONE]
    revoke.revoke(practice.id, point, revoke.NUMBER, "front_desk", "desk", "", "note", now)
    send.send_batch(practice.id, now)
    assert got(practice, PHONE) == []
    assert db.values("SELECT reasons -> 0 ->> 'code' FROM message WHERE practice_id = %(p)s", p=practice.id) == ["OPTED_OUT"]  # fmt: skip


def test_EML_04_an_address_that_bounced_or_complained_gets_nothing(  # noqa: N802
    stranger: Client, practice: Practice, now: datetime
) -> None:
    known = by_mail(stranger, practice, "new@example.com")
    for verb, address in ((revoke.hard_bounce, "a@example.com"), (revoke.complaint, "b@example.com")):
        verb(practice.id, factories.make_point(practice.id, None, address), "note", now - timedelta(days=2))
        assert by_mail(stranger, practice, address) == known
    send.send_batch(practice.id, now)
    assert [len(got(practice, address)) for address in ("a@example.com", "b@example.com", "new@example.com")] == [0, 0, 1]  # fmt: skip


def test_TIM_01_a_form_filled_in_at_night_texts_nobody_at_night(  # noqa: N802
    stranger: Client, practice: Practice, now: datetime
) -> None:
    night = now + timedelta(hours=14)  # 01:00 in Chicago
    later(practice, night)
    by_text(stranger, practice)
    send.send_batch(practice.id, night)
    assert got(practice, PHONE) == []
    send.send_batch(practice.id, now + timedelta(days=1))
    assert len(got(practice, PHONE)) == 1


def test_who_gets_our_messages_already_is_not_asked_again_and_the_page_says_the_same(
    stranger: Client, practice: Practice, now: datetime
) -> None:
    factories.agree(practice.id, factories.make_point(practice.id, factories.make_patient(practice.id), MAIL), email=2)
    assert by_mail(stranger, practice) == by_mail(stranger, practice, "new@example.com")
    send.send_batch(practice.id, now)
    assert got(practice, MAIL) == []


@pytest.mark.parametrize(
    "form",
    [
        {}, {"agree": "", "mobile": "630-555-0199"}, {"agree": "on", "mobile": "12"}, {"agree": "on", "mobile": "630-555-0199", "name": " "},
        {"agree_email": "on"}, {"agree_email": "on", "email": "ada"}, {"agree_email": "on", "email": "a@b@example.com"}, {"email": MAIL},
        {"agree_email": "on", "email": "ada@example.com, ben@example.com"}, {"agree_email": "on", "email": "ada@example.com\nBcc: ben@example.com"},
    ],
)  # fmt: skip
def test_CON_05_a_missing_box_address_or_name_keeps_nothing(  # noqa: N802
    stranger: Client, practice: Practice, form: dict[str, str]
) -> None:
    assert "we keep nothing" in fill(stranger, practice, **form)
    assert kinds(practice) == []
    assert db.value("SELECT count(*) FROM contact_point WHERE practice_id = %(p)s", p=practice.id) == 0


def test_CON_05_no_box_is_ticked_beforehand(stranger: Client, practice: Practice) -> None:  # noqa: N802
    page = stranger.get(f"/join/{practice.slug}/").content.decode()
    assert page.count("Maple Dental, P.C.") == 2
    assert "checked" not in page
    assert "Acepto recibir" in stranger.get(f"/join/{practice.slug}/?lang=es").content.decode()
    assert stranger.get("/join/nobody-here/").status_code == 404


@pytest.mark.parametrize("same", ["place", "number", "mailbox"])
def test_a_flood_of_sign_ups_is_slowed_down_by_place_by_number_and_by_mailbox(
    stranger: Client, practice: Practice, same: str
) -> None:
    def one(n: int) -> int:
        form = {"name": "A", "mobile": f"630-555-01{n if same != 'number' else 0:02d}", "agree": "on"}
        if same == "mailbox":
            form = {"name": "A", "email": "flood@example.com", "agree_email": "on"}
        place = "192.0.2.77" if same == "place" else f"198.51.100.{n}"
        return stranger.post(f"/join/{practice.slug}/", form, REMOTE_ADDR=place).status_code

    assert [one(n) for n in range(10)] == [200] * 8 + [429] * 2


def test_I1_the_question_itself_shows_what_it_answers(stranger: Client, practice: Practice, now: datetime) -> None:  # noqa: N802
    by_text(stranger, practice)
    send.send_batch(practice.id, now)
    [found] = evidence.contacted(practice.id, PHONE, now)
    assert "answers the person's own words" in "\n".join(evidence.in_lines(found))
