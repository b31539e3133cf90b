from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from recare.practices.practice import Practice


def test_staff_sign_in_and_land_on_a_page_without_barriers(
    browser_page: Page, committed_practice: Practice, sign_in: Callable[..., str], accessible: Callable[[Page], None]
) -> None:
    sign_in(browser_page, committed_practice)
    assert browser_page.get_by_role("heading", level=1).is_visible()
    accessible(browser_page)
