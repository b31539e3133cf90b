from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from recare.accounts import totp
from tests.browser.conftest import PASSWORD
from tests.conftest import new_practice

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_sec_07_somebody_new_sets_up_a_telephone_and_signs_in_with_it(
    open_page: Callable[..., Page], sign_in: Callable[..., str], accessible: Callable[[Page], None]
) -> None:
    """A practice with real patients asks everybody; the whole way in a browser, on a narrow telephone."""
    practice = new_practice(is_rehearsal=False)
    page = open_page(width=375)
    email = sign_in(page, practice)
    expect(page.get_by_text("Your practice asks for it.")).to_be_visible()
    assert page.locator("svg.qr").bounding_box()
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 1
    key = page.locator("code.key").inner_text().replace(" ", "")
    here = totp.step_of(datetime.now(UTC))
    page.get_by_label("Code").fill(totp.code(key, here - 1))
    page.get_by_role("button", name="Turn it on").click()
    papers = page.locator(".codes code").all_inner_texts()
    assert len(papers) == 10
    accessible(page)
    page.get_by_role("link", name="Go on to Today").click()
    expect(page.get_by_role("heading", level=1, name="Today")).to_be_visible()
    page.get_by_text("Menu").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    accessible(page)
    page.get_by_label("Code").fill(totp.code(key, here - 1))  # read along by somebody
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("was used already")).to_be_visible()
    page.get_by_label("Code").fill(papers[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1, name="Today")).to_be_visible()
