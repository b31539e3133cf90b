"""The mailbox of a sender in the browser: set up, tried, seen, and closed to everybody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recare.base import db
from recare.messages import mailboxes, senders
from tests import factories

if TYPE_CHECKING:
    from datetime import datetime

    from recare.practices.practice import Practice
    from tests.channels.imap_server import MailServer
    from tests.conftest import SignIn


@pytest.fixture
def sender(practice: Practice) -> int:
    kept = senders.keep_settings({"host": "127.0.0.1", "port": 1, "security": "none"})
    return factories.insert(
        "sender", practice_id=practice.id, channel="email", provider="smtp", address="desk@example.com", settings=kept
    )


@pytest.fixture
def settings(mail_server: MailServer) -> dict[str, Any]:
    return mail_server.settings(mail_server.new_folder())


def test_saving_tries_the_mailbox_and_leads_answers_there(
    practice: Practice, sender: int, settings: dict[str, Any], as_role: SignIn
) -> None:
    owner = as_role("owner")
    assert "not read: a person enters" in owner.get("/settings/senders/").content.decode()
    page = owner.post(f"/settings/senders/{sender}/mailbox/", settings, follow=True).content.decode()
    assert f"The mailbox can be read: 0 mails in {settings['folder']}." in page
    assert "not read yet" in page
    assert senders.by_id(practice.id, [sender])[sender].reply_to == "desk@example.com"
    assert "mailbox.saved" in db.values("SELECT verb FROM audit_entry WHERE practice_id = %(p)s", p=practice.id)


def test_the_password_is_encrypted_never_shown_and_handed_to_no_other_server(
    practice: Practice, sender: int, settings: dict[str, Any], as_role: SignIn
) -> None:
    owner, path = as_role("owner"), f"/settings/senders/{sender}/mailbox/"
    owner.post(path, settings)
    box = mailboxes.every(practice.id)[sender]
    assert settings["password"].encode() not in bytes(box.settings)
    assert settings["password"] not in owner.get(path).content.decode()
    owner.post(path, settings | {"password": "", "folder": "Elsewhere"})
    assert mailboxes.settings_of(mailboxes.every(practice.id)[sender])["password"] == settings["password"]
    answer = owner.post(path, settings | {"password": "", "host": "localhost"})
    assert answer.status_code == 422
    assert "Enter the password" in answer.content.decode()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password": "wrong"}, "refused the user name or password"),
        ({"folder": "Nowhere"}, "There is no folder"),
        ({"port": 1}, "takes no connections on port 1"),
    ],
)
def test_what_failed_is_said_in_one_sentence(
    sender: int, settings: dict[str, Any], as_role: SignIn, wrong: dict[str, Any], said: str
) -> None:
    owner = as_role("owner")
    assert said in owner.post(f"/settings/senders/{sender}/mailbox/", settings | wrong, follow=True).content.decode()
    assert said in owner.post(f"/settings/senders/{sender}/mailbox/try/", follow=True).content.decode()


@pytest.mark.parametrize(
    "wrong",
    [{"host": ""}, {"user": ""}, {"port": 0}, {"folder": ""}, {"host": "imap.example.com"}, {"security": "maybe"}],
)
def test_settings_that_cannot_work_are_refused_at_their_field(
    practice: Practice, sender: int, settings: dict[str, Any], as_role: SignIn, wrong: dict[str, Any]
) -> None:
    assert as_role("owner").post(f"/settings/senders/{sender}/mailbox/", settings | wrong).status_code == 422
    assert mailboxes.every(practice.id) == {}


def test_trouble_stands_on_the_page_and_another_folder_is_begun_anew(
    practice: Practice, sender: int, settings: dict[str, Any], as_role: SignIn, now: datetime
) -> None:
    owner, path = as_role("owner"), f"/settings/senders/{sender}/mailbox/"
    owner.post(path, settings)
    box = mailboxes.every(practice.id)[sender]
    mailboxes.start_at(practice.id, box, 7, 120)
    mailboxes.note_trouble(practice.id, box, "mail.example.com did not answer on port 993 in time.", now)
    assert "did not answer on port 993" in owner.get("/settings/senders/").content.decode()
    owner.post(path, settings | {"security": "none"})
    assert mailboxes.every(practice.id)[sender].last_uid == 120
    owner.post(path, settings | {"folder": "Elsewhere"})
    assert (mailboxes.every(practice.id)[sender].validity, mailboxes.every(practice.id)[sender].last_uid) == (None, 0)


def test_a_mailbox_that_is_read_no_more_leads_answers_to_the_practice_again(
    practice: Practice, sender: int, settings: dict[str, Any], as_role: SignIn
) -> None:
    owner = as_role("owner")
    owner.post(f"/settings/senders/{sender}/mailbox/", settings)
    owner.post(f"/settings/senders/{sender}/mailbox/remove/")
    assert mailboxes.every(practice.id) == {}
    assert senders.by_id(practice.id, [sender])[sender].reply_to == practice.email
    assert owner.post(f"/settings/senders/{sender}/mailbox/try/").status_code == 404


@pytest.mark.parametrize("role", ["front_desk", "clinician", "auditor", "group_admin"])
def test_only_owner_and_manager_may_touch_it(sender: int, settings: dict[str, Any], as_role: SignIn, role: str) -> None:
    someone = as_role(role)
    assert someone.get(f"/settings/senders/{sender}/mailbox/").status_code == 403
    for path in ("", "try/", "remove/"):
        assert someone.post(f"/settings/senders/{sender}/mailbox/{path}", settings).status_code == 403


def test_only_an_e_mail_sender_has_a_mailbox(practice: Practice, as_role: SignIn) -> None:
    texts = factories.insert(
        "sender", practice_id=practice.id, channel="sms", provider="sandbox", address="+16305550100"
    )
    assert as_role("owner").get(f"/settings/senders/{texts}/mailbox/").status_code == 404
