"""The front desk between two ringing phones: keys end a call, and every page of it fits a telephone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from recare.base import db
from recare.calls import worklist
from recare.practices import practice as practices
from tests.bookings.clinic import make_clinic
from tests.calls import rows
from tests.inbox import people
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from recare.practices.practice import Practice


def test_calls_inbox_and_trail_on_a_telephone_and_by_keys(
    open_page: Callable[..., Page],
    committed_practice: Practice,
    sign_in: Callable[..., str],
    accessible: Callable[[Page], None],
) -> None:
    practice = committed_practice.id
    practices.set_clock(practice, NOW)
    make_clinic(committed_practice)
    with db.scope(practice):
        case = people.make_case(practice)
        version = rows.script(practice)
        for name in ("Greta", "Hector"):
            rows.decided(case, version, first_name=name)
        person = people.texted(case)
    worklist.open_batch(practice, NOW)
    people.writes(person, "how do I stop these?", NOW)
    people.read(person, NOW)
    narrow = open_page(width=375, color_scheme="dark")
    sign_in(narrow, committed_practice)
    for url in ("/calls/", "/calls/next/", "/inbox/", f"/inbox/{person.point}/", "/settings/audit/"):
        narrow.goto(url)
        accessible(narrow)
        assert narrow.evaluate("document.documentElement.scrollWidth <= innerWidth"), url
        if photos := os.environ.get("RECARE_PHOTOS"):
            narrow.screenshot(path=Path(photos) / f"{url.strip('/').replace('/', '-')}-375.png", full_page=True)
    narrow.goto("/calls/next/")
    first = narrow.url
    narrow.get_by_text("Visits make me nervous").click()
    expect(narrow.get_by_label("What keeps them away")).to_have_value("fear")
    narrow.locator("h1").click()
    narrow.keyboard.press("3")
    expect(narrow.get_by_text("Noted: no answer.")).to_be_visible()
    assert narrow.url != first
    narrow.once("dialog", lambda dialog: dialog.dismiss())
    narrow.keyboard.press("6")  # asks before it takes a number off every list
    with db.scope(practice):
        noted = db.tuples("SELECT outcome, barrier FROM call_outcome WHERE practice_id = %(p)s", p=practice)
    assert noted == [("no_answer", "fear")]
