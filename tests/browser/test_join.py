"""Two strangers at the practice's public form: one confirms by the e-mail's button, one by answering the text, in the sandbox."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from recare.base import db
from recare.inbox import apply, receive
from recare.inbox.receive import Inbound
from recare.messages import send
from recare.practices import practice as practices
from tests.messages.outbox import NOW, make_sender

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from recare.practices.practice import Practice


def photo(page: Page, name: str, width: int) -> None:
    if photos := os.environ.get("RECARE_PHOTOS"):
        page.screenshot(path=Path(photos) / f"{name}-{width}.png", full_page=True)


def test_strangers_join_by_mail_and_by_text(
    open_page: Callable[..., Page], committed_practice: Practice, accessible: Callable[[Page], None]
) -> None:
    practice = committed_practice
    practices.set_clock(practice.id, NOW)
    with db.scope(practice.id):
        for channel in ("sms", "email"):
            make_sender(practice.id, channel)
    for width, scheme in ((1280, "light"), (375, "dark")):
        page = open_page(width=width, color_scheme=scheme, java_script_enabled=True)
        page.goto(f"/join/{practice.slug}/")
        accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        photo(page, "join", width)
        page.get_by_label("Your name").fill("Ada Example")
        if width == 1280:
            page.get_by_label("Your e-mail address").fill("ada@example.com")
            page.get_by_label(re.compile("I agree to get e-mails")).check()
        else:
            page.get_by_label("Your mobile number").fill("630-555-0199")
            page.get_by_label(re.compile("I agree to get automated texts")).check()
        page.get_by_role("button", name="Sign up").click()
        expect(page.get_by_text("One step is left")).to_be_visible()
        photo(page, "join-done", width)
    assert send.send_batch(practice.id, NOW) == 2
    with db.scope(practice.id):
        [mail] = db.values("SELECT body_text FROM sandbox_delivery WHERE practice_id = %(p)s AND recipient = 'ada@example.com'", p=practice.id)  # fmt: skip
    found = re.search(r"/join/confirm/[\w-]+", mail)
    assert found
    page = open_page(width=375)
    page.goto(found.group())
    accessible(page)
    photo(page, "join-confirm", 375)
    page.get_by_role("button", name="Yes, send me e-mails").click()
    expect(page.get_by_text("Thank you")).to_be_visible()
    photo(page, "join-confirmed", 375)
    receive.receive(Inbound(practice.id, "sandbox", "1", "sms", "+16305550199", body="Yes"), NOW)
    apply.apply_batch(practice.id, NOW)
    with db.scope(practice.id):
        levels = db.tuples("SELECT kind, sms_level, email_level FROM contact_point WHERE practice_id = %(p)s ORDER BY kind", p=practice.id)  # fmt: skip
    assert levels == [("email", 0, 2), ("phone", 2, 0)]
