"""A patient on a bus: one thumb, a small screen, no script, light or dark, English or Spanish."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from recare.practices.practice import Practice
from tests.portal.way import Written, written

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response

OpenPage = Callable[..., "Page"]
PHOTOS = os.environ.get("RECARE_PHOTOS", "")


@pytest.fixture
def way(committed_practice: Practice, now: datetime) -> Written:
    return written(committed_practice, now, offer="")


def photo(page: Page, name: str) -> None:
    if PHOTOS:
        page.screenshot(path=Path(PHOTOS) / f"{name}.png", full_page=True)


def fits(page: Page) -> None:
    """Nothing sticks out sideways and every button is big enough for a thumb (WCAG 2.5.8, and 44 px for buttons)."""
    wide, small = page.evaluate(
        """() => [document.documentElement.scrollWidth > innerWidth,
            [...document.querySelectorAll('button, .button, select')].filter(b => b.getBoundingClientRect().height < 44).map(b => b.outerHTML)]"""
    )
    assert not wide, page.url
    assert not small, small


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_patient_books_moves_and_cancels_with_one_thumb_and_no_script(
    open_page: OpenPage, way: Written, accessible: Callable[[Page], None], scheme: str
) -> None:
    # axe needs script, so the same way is gone once without (below) and once checked
    page = open_page(375, 667, color_scheme=scheme, has_touch=True)

    def look(name: str) -> None:
        fits(page)
        accessible(page)
        photo(page, f"{name}-{scheme}")

    page.goto(way.path("book"))
    look("book")
    page.get_by_role("button").first.tap()
    expect(page.get_by_role("heading", name="Is this right?")).to_be_visible()
    look("confirm")
    page.get_by_role("button", name="Book this time").tap()
    expect(page.get_by_role("heading", name="You are booked")).to_be_visible()
    look("done")
    with page.expect_download() as download:
        page.get_by_role("link", name="Add to my calendar").tap()
    assert download.value.suggested_filename == "visit.ics"
    page.get_by_role("link", name="Change or cancel").tap()
    expect(page.get_by_role("heading", name="Your visit")).to_be_visible()
    look("manage")
    page.get_by_role("link", name="Change the time").tap()
    expect(page.get_by_role("heading", name="Change the time")).to_be_visible()
    look("move")
    page.get_by_role("button").nth(2).tap()
    expect(page.get_by_text("The visit has been moved")).to_be_visible()
    page.get_by_role("link", name="Cancel the visit").tap()
    expect(page.get_by_role("heading", name="Cancel this visit?")).to_be_visible()
    look("cancel")
    page.get_by_role("button", name="Yes, cancel it").tap()
    expect(page.get_by_text("The visit is cancelled")).to_be_visible()
    look("cancelled")


def test_booking_needs_no_script_and_no_mouse(open_page: OpenPage, way: Written) -> None:
    page = open_page(375, 667, java_script_enabled=False)
    page.goto(way.path("book"))
    page.get_by_role("button").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Book this time").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="You are booked")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("purpose", ["preferences", "unsubscribe", "why", "portal"])
def test_every_other_page_is_without_barriers(
    open_page: OpenPage, way: Written, accessible: Callable[[Page], None], purpose: str, scheme: str
) -> None:
    page = open_page(375, 667, color_scheme=scheme)
    page.goto(way.path(purpose))
    fits(page)
    accessible(page)
    photo(page, f"{purpose}-{scheme}")


def test_wishes_are_told_back_in_the_patients_language(
    open_page: OpenPage, way: Written, accessible: Callable[[Page], None]
) -> None:
    page = open_page(375, 667)
    page.goto(way.path("preferences"))
    page.get_by_role("radio", name="Español").check()
    page.get_by_role("button", name="Save").last.click()
    expect(page.locator("html")).to_have_attribute("lang", "es")
    page.get_by_label("No quiero mensajes de texto").check()
    page.get_by_role("button", name="Detener", exact=True).click()
    expect(page.get_by_text("Hecho. Hemos parado")).to_be_visible()
    expect(page.get_by_text("Sin mensajes de texto, desde")).to_be_visible()
    accessible(page)
    photo(page, "preferences-es")


def test_a_page_at_200_percent_zoom_and_with_large_text_still_fits(open_page: OpenPage, way: Written) -> None:
    page = open_page(188, 334, device_scale_factor=2)  # what 375 px leave at 200 %
    for purpose in ("book", "preferences", "why"):
        page.goto(way.path(purpose))
        assert not page.evaluate("() => document.documentElement.scrollWidth > innerWidth"), purpose
    photo(page, "zoom")


@pytest.mark.parametrize("purpose", ["book", "preferences"])
def test_a_page_with_all_it_needs_weighs_less_than_50_kilobytes(
    open_page: OpenPage, way: Written, purpose: str
) -> None:
    page, loaded = open_page(375), list["Response"]()

    def note(response: Response) -> None:
        loaded.append(response)

    page.on("response", note)
    page.goto(way.path(purpose))
    page.wait_for_load_state("networkidle")
    assert {re.sub(r"/p/.*", "/p/", response.url.removeprefix(page.url.split("/p/")[0])) for response in loaded} <= {
        "/p/", "/static/portal/portal.css", "/static/web/mark.svg",
    }  # fmt: skip
    assert sum(len(response.body()) for response in loaded) < 50_000


def test_a_link_that_does_not_work_says_so_kindly(
    open_page: OpenPage, site: str, accessible: Callable[[Page], None]
) -> None:
    page = open_page(375, 667)
    page.goto("/p/book/AAAAAAAAAAAAAAAAAAAAAA")
    expect(page.get_by_role("heading", name="We do not know this link")).to_be_visible()
    accessible(page)
