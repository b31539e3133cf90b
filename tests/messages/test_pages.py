"""Templates, outbox, one message and senders, as staff see them."""

from __future__ import annotations

import re
import socket
from datetime import timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from recare.base import db
from recare.campaigns import campaign, playbook
from recare.jobs import counting
from recare.messages import senders, templates
from recare.messages.templates import Draft
from recare.practices.practice import Practice
from recare.segments import segment
from tests.campaigns import build
from tests.conftest import SignIn
from tests.messages import outbox
from tests.messages.outbox import NOW

GOOD = (
    "{{ practice_name }}: Hi {{ greeting_name | name | default: 'there' }}, it's been a while. Book: {{ book_link }} or "
    "{{ practice_phone }}. Reply STOP to opt out."
)  # fmt: skip
WORDS = {"name": "Win-back", "message_class": "R", "body": GOOD, "reply_question": "", "person": "usual"}
KEY = {"slug": "winback_text", "channel": "sms", "language": "en"}
EDITOR = "/templates/winback_text/sms/en/"


@pytest.fixture
def practice(practice: Practice) -> Practice:
    db.run("UPDATE practice SET clock_at = %(now)s WHERE id = %(p)s", now=NOW, p=practice.id)
    return practice


def newest(practice: Practice) -> Any:
    return db.tuples(
        "SELECT number, approved_by, message_class FROM template_version WHERE practice_id = %(p)s ORDER BY id DESC LIMIT 1",
        p=practice.id,
    )


def test_a_template_is_written_seen_saved_and_approved(practice: Practice, as_role: SignIn) -> None:
    owner = as_role("owner")
    assert owner.post("/templates/new/", KEY)["Location"] == EDITOR
    assert owner.get(EDITOR).status_code == 200
    seen = owner.post("/templates/preview/", KEY | WORDS).content.decode()
    assert "Maple Dental: Hi Dana" in seen
    assert "1 part" in seen
    assert newest(practice) == []
    assert owner.post(EDITOR, WORDS).status_code == 302
    assert newest(practice) == [(1, "", "R")]
    version = db.value("SELECT id FROM template_version WHERE practice_id = %(p)s", p=practice.id)
    owner.post(f"/templates/versions/{version}/approve/", {"seen": "yes"})
    assert newest(practice)[0][1].startswith("owner-")
    assert "in use" in owner.get("/templates/").content.decode()


def test_what_is_wrong_is_told_while_typing_and_never_saved(practice: Practice, as_role: SignIn) -> None:
    owner, bad = as_role("owner"), WORDS | {"body": GOOD.replace("it's been a while", "time to finish your root canal")}
    typed, saved = owner.post("/templates/preview/", KEY | bad), owner.post(EDITOR, bad)
    for page in (typed.content.decode(), saved.content.decode()):
        assert "L01" in page
        assert "blocks" in page
    assert saved.status_code == 422
    assert "root canal" in saved.content.decode()
    assert newest(practice) == []


def test_a_discount_word_shows_what_kind_it_really_is(practice: Practice, as_role: SignIn) -> None:
    promo = WORDS | {"body": GOOD.replace("it's been a while", "half price cleaning")}
    assert "This counts as promotion" in as_role("owner").post("/templates/preview/", KEY | promo).content.decode()


@pytest.mark.parametrize(
    "body", ["{{ practice_name", "{% if %}", "{{ nobody }}", "{{ book_link | shout }}", "{% include 'x' %}", "\x00"]
)
def test_a_text_that_cannot_be_read_is_a_finding_not_a_fault(practice: Practice, as_role: SignIn, body: str) -> None:
    assert as_role("owner").post("/templates/preview/", KEY | WORDS | {"body": body}).status_code == 200


def test_a_call_script_is_shown_part_by_part(practice: Practice, as_role: SignIn) -> None:
    templates.install_shipped(practice.id, NOW)
    page = as_role("front_desk").get("/templates/winback_call/call/en/").content.decode()
    assert "On a machine" in page
    assert "Wrong number" in page
    assert "Save a new version" not in page


def test_an_email_is_framed_without_scripts_or_the_outside(practice: Practice, as_role: SignIn) -> None:
    templates.install_shipped(practice.id, NOW)
    page = as_role("owner").get("/templates/winback/email/en/")
    frame = re.search(r"<iframe[^>]*>", page.content.decode())
    assert frame
    assert " sandbox srcdoc=" in frame[0]
    assert "default-src &#x27;none&#x27;" in frame[0]
    assert "unsafe-inline" not in re.sub(r"style-src [^;]*", "", page["Content-Security-Policy"])


def test_a_warning_needs_the_approvers_own_tick(practice: Practice, as_role: SignIn) -> None:
    draft = Draft("pressing", "sms", GOOD.replace("it's been a while", "you are overdue"))
    saved = templates.save_version(practice.id, draft, "olga", NOW)
    assert any(finding["severity"] == "W" for finding in saved.findings)
    owner = as_role("owner")
    owner.post(f"/templates/versions/{saved.id}/approve/")
    assert newest(practice)[0][1] == ""
    owner.post(f"/templates/versions/{saved.id}/approve/", {"seen": "yes"})
    assert newest(practice)[0][1] != ""
    assert (
        db.value(
            "SELECT count(*) FROM audit_entry WHERE practice_id = %(p)s AND verb = 'template.warnings_accepted'",
            p=practice.id,
        )
        == 1
    )


def test_only_owner_and_manager_save_and_approve(practice: Practice, as_role: SignIn) -> None:
    saved = templates.save_version(practice.id, Draft("winback_text", "sms", GOOD), "olga", NOW)
    desk = as_role("front_desk")
    assert desk.get("/templates/").status_code == desk.get(EDITOR).status_code == 200
    assert desk.get("/templates/never_saved/sms/en/").status_code == 404
    for path in (EDITOR, f"/templates/versions/{saved.id}/approve/", "/templates/new/"):
        assert desk.post(path, WORDS).status_code == 403
    assert desk.get("/settings/senders/").status_code == 403


def test_a_rehearsal_shows_the_first_messages_of_real_patients(practice: Practice, as_role: SignIn) -> None:
    segment.install(practice.id, NOW)
    templates.install_shipped(practice.id, NOW)
    text = build.text(hold_out=0, steps=[{"channel": "sms", "template": "winback_text"}])
    build.templates(practice.id, playbook.read(text))
    build.person(practice.id, first_name="Bertha")
    build.refresh(practice.id)
    campaign_id = campaign.create(practice.id, "Win-back", text, "owner", NOW)
    owner = as_role("owner")
    owner.get(f"/campaigns/{campaign_id}/preview/")
    counting.count_batch(practice.id, NOW)
    page = owner.get(f"/campaigns/{campaign_id}/preview/").content.decode()
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token
    shown = owner.post(f"/campaigns/{campaign_id}/preview/messages/", {"token": token[1]}).content.decode()
    assert "Hi Bertha" in shown
    assert "/p/book/…" in shown
    assert db.value("SELECT count(*) FROM touch WHERE practice_id = %(p)s", p=practice.id) == 0
    assert db.value("SELECT count(*) FROM link WHERE practice_id = %(p)s", p=practice.id) == 0
    assert "too old" in owner.post(f"/campaigns/{campaign_id}/preview/messages/", {"token": "x"}).content.decode()


def states_page(client: Client, state: str) -> str:
    return client.get(f"/outbox/?state={state}").content.decode()


def test_the_outbox_shows_each_state_with_its_reasons(practice: Practice, as_role: SignIn) -> None:
    case = outbox.make_case(practice.id)
    held = outbox.make_message(case)
    db.run("UPDATE contact_point SET held_at = %(n)s WHERE practice_id = %(p)s", n=NOW, p=practice.id)
    queued = outbox.make_message(case)
    reason = {"code": "HAS_APPT", "rule": "PAT-01", "verdict": "deny", "detail": "2027-02-03"}
    withheld = outbox.make_message(case, state="withheld", reasons=db.json([reason]))
    desk = as_role("front_desk")
    for state, message_id, words in (
        ("held", held, "wrote to us"),
        ("queued", queued, ""),
        ("withheld", withheld, "Has a visit on"),
    ):
        page = states_page(desk, state)
        assert re.findall(r'/messages/(\d+)/"', page) == [str(message_id)]
        assert words in page
    assert len(re.findall(r'/messages/(\d+)/"', states_page(desk, ""))) == 3
    assert desk.get("/outbox/?state=lost").status_code == 404
    for before in ("x", "\N{SUPERSCRIPT TWO}", "9" * 30):
        assert desk.get("/outbox/", {"before": before}).status_code == 404


def test_the_outbox_goes_on_from_where_a_page_ended(practice: Practice, as_role: SignIn) -> None:
    case = outbox.make_case(practice.id)
    for _ in range(52):
        outbox.make_message(case)
    desk = as_role("front_desk")
    page = desk.get("/outbox/").content.decode()
    older = re.search(r'href="(\?[^"]*before=\d+)"', page)
    assert older
    first, second = (
        re.findall(r'/messages/(\d+)/"', text)
        for text in (page, desk.get("/outbox/" + older[1].replace("&amp;", "&")).content.decode())
    )
    assert (len(first), len(second)) == (50, 2)
    assert not set(first) & set(second)


def test_a_person_says_how_an_unknown_message_ended_once(practice: Practice, as_role: SignIn) -> None:
    case = outbox.make_case(practice.id)
    went, lost = (outbox.make_message(case, state="unknown", claimed_at=NOW - timedelta(hours=1)) for _ in range(2))
    desk = as_role("front_desk")
    assert "It went out" in states_page(desk, "unknown")
    desk.post(f"/messages/{went}/settle/", {"was_sent": "yes"})
    desk.post(f"/messages/{lost}/settle/", {"was_sent": "no"})
    desk.post(f"/messages/{went}/settle/", {"was_sent": "no"})
    assert (outbox.message(practice.id, went).state, outbox.message(practice.id, lost).state) == ("sent", "failed")
    assert desk.post(f"/messages/{went}/settle/").status_code == 400
    assert as_role("auditor").post(f"/messages/{went}/settle/", {"was_sent": "no"}).status_code == 403


def test_a_message_says_why_it_was_sent_and_keeps_the_patients_links_to_the_patient(
    practice: Practice, as_role: SignIn
) -> None:
    case = outbox.make_case(practice.id)
    link = "http://127.0.0.1:8000/p/book/" + "A" * 22
    sent = outbox.make_message(
        case,
        "email",
        state="sent",
        sent_at=NOW,
        body_text=f"See you: {link}",
        body_html=f"<p>See you <a href='{link}'>here</a></p>",
    )
    allowed = {"code": "ALLOWED", "rule": "ENG-01", "verdict": "allow", "pack": "us 2027-01 / IL 3", "words": "Every rule was asked and none objected."}  # fmt: skip
    db.run("UPDATE touch SET reasons = %(r)s WHERE practice_id = %(p)s", r=db.json([allowed]), p=practice.id)
    auditor = as_role("auditor")
    page = auditor.get(f"/messages/{sent}/").content.decode()
    assert "Win back" in page
    assert "us 2027-01 / IL 3" in page
    assert "What stopped or delayed it" not in page
    assert "none objected" in page
    assert link not in page
    frame = auditor.get(f"/messages/{sent}/html/")
    assert link not in frame.content.decode()
    assert "sandbox" in frame["Content-Security-Policy"]
    assert "default-src 'none'" in frame["Content-Security-Policy"]
    assert frame["X-Frame-Options"] == "SAMEORIGIN"
    assert (
        db.value(
            "SELECT count(*) FROM audit_entry WHERE practice_id = %(p)s AND verb = 'message.viewed'", p=practice.id
        )
        == 1
    )


SMTP = {
    "channel": "email", "provider": "smtp", "address": "Desk@example.com", "host": "smtp.example.com", "port": "587", "security": "starttls",
    "user": "desk", "password": "hunter2-hunter2", "auth_ok": "on", "baa_party": "Mail Example, Inc.", "baa_from": "2026-01-01",
}  # fmt: skip


def test_a_mail_server_is_kept_with_its_password_encrypted_and_never_shown(practice: Practice, as_role: SignIn) -> None:
    owner = as_role("owner")
    assert owner.post("/settings/senders/new/", SMTP).status_code == 302
    sender_id, address, settings = db.tuples(
        "SELECT id, address, settings FROM sender WHERE practice_id = %(p)s", p=practice.id
    )[0]
    assert address == "desk@example.com"
    assert b"hunter2" not in bytes(settings)
    page = owner.get(f"/settings/senders/{sender_id}/").content.decode()
    assert "smtp.example.com" in page
    assert "hunter2" not in page
    owner.post(f"/settings/senders/{sender_id}/", SMTP | {"password": "", "user": "frontdesk"})
    from recare.messages import pages_senders

    line = pages_senders._lines(practice.id)[0]
    assert {name: pages_senders._kept(line)[name] for name in ("user", "password")} == {
        "user": "frontdesk",
        "password": "hunter2-hunter2",
    }
    assert owner.post("/settings/senders/new/", SMTP).status_code == 422
    owner.post(f"/settings/senders/{sender_id}/pause/")
    assert senders.ready(practice.id) == {}
    owner.post(f"/settings/senders/{sender_id}/resume/")
    assert "email" in senders.ready(practice.id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": ""},
        {"security": "none"},
        {"address": "desk"},
        {"channel": "sms"},
        {"baa_until": "2025-01-01"},
        {"port": "99999"},
    ],
)
def test_a_sender_that_cannot_work_is_refused_at_its_field(
    practice: Practice, as_role: SignIn, wrong: dict[str, str]
) -> None:
    answer = as_role("owner").post("/settings/senders/new/", SMTP | wrong)
    assert answer.status_code == 422
    assert "error" in answer.content.decode()
    assert db.value("SELECT count(*) FROM sender WHERE practice_id = %(p)s", p=practice.id) == 0


class _Mailbox:
    def __init__(self) -> None:
        self.letters: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.letters.append(envelope)
        return "250 OK"


def test_a_test_email_goes_to_whoever_asks_for_it_and_to_nobody_else(practice: Practice, as_role: SignIn) -> None:
    db.run(
        "UPDATE practice SET is_rehearsal = false, clock_at = NULL, second_factor_roles = '{}' WHERE id = %(p)s",
        p=practice.id,
    )
    mailbox = _Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    try:
        owner = as_role("owner")
        relay = {"host": "127.0.0.1", "port": str(port), "security": "none", "user": "", "password": ""}
        owner.post("/settings/senders/new/", SMTP | relay)
        sender_id = db.value("SELECT id FROM sender WHERE practice_id = %(p)s", p=practice.id)
        page = owner.post(f"/settings/senders/{sender_id}/test/", follow=True).content.decode()
    finally:
        server.stop()
    assert "The server took it." in page
    assert [letter.rcpt_tos for letter in mailbox.letters] == [[f"owner-{practice.slug}@example.com"]]
    answer = owner.post(f"/settings/senders/{sender_id}/test/", follow=True)
    assert "No answer from the mail server." in answer.content.decode()


def test_a_rehearsal_sends_no_test_to_the_outside(practice: Practice, as_role: SignIn) -> None:
    owner = as_role("owner")
    owner.post("/settings/senders/new/", SMTP)
    sender_id = db.value("SELECT id FROM sender WHERE practice_id = %(p)s", p=practice.id)
    assert "would reach real people" in owner.post(f"/settings/senders/{sender_id}/test/", follow=True).content.decode()


def test_a_strangers_rows_are_not_there(practice: Practice, as_role: SignIn) -> None:
    from tests.conftest import new_practice

    stranger = new_practice()
    with db.scope(stranger.id):
        message_id = outbox.make_message(
            outbox.make_case(stranger.id), "email", state="unknown", body_html="<p>x</p>", claimed_at=NOW
        )
        version = templates.save_version(stranger.id, Draft("theirs", "sms", GOOD), "olga", NOW)
        sender_id = outbox.make_sender(stranger.id, "email")
    owner = as_role("owner")
    for path in (f"/messages/{message_id}/", f"/messages/{message_id}/html/", f"/settings/senders/{sender_id}/"):
        assert owner.get(path).status_code == 404
    for path in (f"/messages/{message_id}/settle/", f"/templates/versions/{version.id}/approve/"):
        assert owner.post(path, {"was_sent": "yes", "seen": "yes"}).status_code == 404
    for path in ("pause/", "resume/", "test/"):
        assert owner.post(f"/settings/senders/{sender_id}/{path}").status_code == 404
    assert "theirs" not in owner.get("/templates/").content.decode()
    with db.scope(stranger.id):
        assert outbox.message(stranger.id, message_id).state == "unknown"


def test_the_number_of_statements_does_not_grow_with_the_lists(practice: Practice, as_role: SignIn) -> None:
    owner, case, counts = as_role("owner"), outbox.make_case(practice.id), []
    owner.get("/outbox/")
    for number in (1, 3):
        for n in range(number):
            outbox.make_message(case)
            templates.save_version(practice.id, Draft(f"text_{number}_{n}", "sms", GOOD), "olga", NOW)
        if number == 1:
            outbox.make_sender(practice.id)
        else:
            outbox.make_sender(practice.id, "email")
        with CaptureQueriesContext(connection) as asked:
            for path in ("/outbox/", "/templates/", "/settings/senders/"):
                assert owner.get(path).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]
