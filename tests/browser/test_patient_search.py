from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from recare.base import db
from recare.segments import facts
from tests.factories import make_patient, make_visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from recare.practices.practice import Practice


def test_a_name_typed_between_two_calls_finds_the_patient_and_stays_out_of_the_address(
    open_page: Callable[..., Page], sign_in: Callable[..., str], committed_practice: Practice
) -> None:
    practice = committed_practice
    with db.scope(practice.id):
        for name in ("Quist", "Rivera"):
            make_visit(practice.id, make_patient(practice.id, first_name="Ada", last_name=name), -900)
        facts.rebuild([practice.id])
    page = open_page()
    sign_in(page, practice, "front_desk")
    page.keyboard.press("/")  # the field of every page
    page.keyboard.type("quist")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Quist, Ada")).to_be_visible()
    expect(page.get_by_text("Rivera, Ada")).to_have_count(0)
    page.get_by_label("Name, phone or chart number").fill("rivera")  # the list's own, as one types
    expect(page.get_by_role("link", name="Rivera, Ada")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/patients/\?q="))
    assert not re.search("quist|rivera", page.url, re.IGNORECASE)
    page.reload()
    expect(page.get_by_role("link", name="Rivera, Ada")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("link", name="Quist, Ada")).to_be_visible()
