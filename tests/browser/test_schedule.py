from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from recare.base import db
from recare.bookings import book
from recare.practices import practice as practices
from recare.practices.practice import Practice
from tests.bookings.clinic import NOW, make_clinic
from tests.factories import make_patient

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_the_front_desk_works_through_the_schedule(
    browser_page: Page, committed_practice: Practice, sign_in: Callable[..., str], accessible: Callable[[Page], None]
) -> None:
    clinic = make_clinic(committed_practice)
    practices.set_clock(committed_practice.id, NOW)
    with db.scope(committed_practice.id):
        patient = make_patient(committed_practice.id)
        book.take(committed_practice.id, make_patient(committed_practice.id), clinic.openings()[2], "link", NOW)
    sign_in(browser_page, committed_practice, "front_desk")
    browser_page.goto("/schedule/")
    accessible(browser_page)
    browser_page.get_by_role("button", name="Entered").click()
    expect(browser_page.get_by_text("Noted.")).to_be_visible()
    browser_page.goto(f"/schedule/book/{patient}/")
    accessible(browser_page)
    browser_page.get_by_role("button", name="8:00 am").first.click()
    expect(browser_page.get_by_text("is booked.")).to_be_visible()
    if photos := os.environ.get("RECARE_PHOTOS"):
        browser_page.screenshot(path=Path(photos) / "schedule.png", full_page=True)
