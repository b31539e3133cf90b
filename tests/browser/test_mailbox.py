"""The mailbox of a sender, from the empty form to the first answers, on a screen and on a telephone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from recare.base import db
from recare.inbox import apply, mailbox
from recare.messages import mailboxes
from recare.practices import practice as practices
from recare.practices import setup
from tests.channels import mails
from tests.conftest import new_practice
from tests.inbox.people import make_case, texted
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.channels.imap_server import MailServer


@pytest.mark.parametrize("width", [1280, 375])
def test_a_mailbox_is_set_up_tried_and_its_automatic_answers_are_settled(
    open_page: Callable[..., Page],
    site: str,
    sign_in: Callable[..., str],
    mail_server: MailServer,
    accessible: Callable[[Page], None],
    width: int,
) -> None:
    practice, folder = new_practice(), mail_server.new_folder()
    practices.set_clock(practice.id, NOW)
    with db.scope(practice.id):
        setup.add_sandbox(practice.id, "email", practice.email)
        sender = db.value("SELECT id FROM sender WHERE practice_id = %(p)s", p=practice.id)
        db.run("UPDATE sender SET provider = 'smtp' WHERE practice_id = %(p)s", p=practice.id)
        person = texted(make_case(practice.id), "email")
    page = open_page(width)
    sign_in(page, practice)
    page.goto(f"{site}/settings/senders/")
    page.get_by_role("link", name=f"Mailbox of {practice.email}").click()
    accessible(page)
    for label, value in mail_server.settings(folder).items():
        if label not in {"security", "password"}:
            page.locator(f"[name={label}]").fill(str(value))
    page.locator("[name=security]").select_option("none")
    page.locator("[name=password]").fill("wrong")
    page.get_by_role("button", name="Save and try").click()
    expect(page.get_by_text("refused the user name or password")).to_be_visible()
    page.get_by_role("link", name=f"Mailbox of {practice.email}").click()
    page.locator("[name=password]").fill(mail_server.settings(folder)["password"])
    page.get_by_role("button", name="Save and try").click()
    expect(page.get_by_text(f"The mailbox can be read: 0 mails in {folder}.")).to_be_visible()
    page.goto(f"{site}/settings/senders/")
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    away = mails.answer("I am out until Monday.", head="Auto-Submitted: auto-replied\n")
    with db.scope(practice.id):
        box = mailboxes.every(practice.id)[sender]
    mailbox._read(practice.id, box, NOW)  # by hand: what is a rehearsal here reads no mailbox by itself
    mail_server.deliver(folder, mails.raw(away, f"{practice.id}-{person.sent}", person.address), at=NOW)
    with db.scope(practice.id):
        box = mailboxes.every(practice.id)[sender]
    mailbox._read(practice.id, box, NOW + timedelta(minutes=2))
    apply.apply_batch(practice.id, NOW)
    page.goto(f"{site}/inbox/")
    accessible(page)
    page.get_by_role("button", name="I have read it: automation may go on").click()
    expect(page.get_by_text("1 read.")).to_be_visible()
    with db.scope(practice.id):
        assert (
            db.value(
                "SELECT count(*) FROM contact_point WHERE practice_id = %(p)s AND held_at IS NOT NULL", p=practice.id
            )
            == 0
        )
