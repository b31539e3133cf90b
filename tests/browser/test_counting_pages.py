"""A rehearsal and the figures of a large practice appear by themselves once a worker has counted them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from recare.base import counted, db
from recare.campaigns import campaign, playbook, runs
from recare.jobs import counting
from recare.practices import practice as practices
from recare.reports import kept
from recare.segments import listing, segment
from tests.campaigns import build
from tests.campaigns.build import NOW

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from recare.practices.practice import Practice


def photographed(page: Page, name: str, accessible: Callable[[Page], None]) -> None:
    page.wait_for_selector(".htmx-request", state="detached")
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    if photos := os.environ.get("RECARE_PHOTOS"):
        page.screenshot(path=Path(photos) / f"{name}-{page.viewport_size['width']}.png", full_page=True)  # type: ignore[index]


@pytest.fixture
def draft(committed_practice: Practice) -> int:
    place = committed_practice.id
    practices.set_clock(place, NOW)
    with db.scope(place):
        segment.install(place, NOW)
        text = build.text()
        build.templates(place, playbook.read(text))
        for _ in range(30):
            build.person(place)
        build.person(place, email_level=0, phone="-")
        build.refresh(place)
        return campaign.create(place, "Win-back", text, "owner", NOW)


@pytest.mark.parametrize("width", [1280, 375])
def test_a_rehearsal_shows_how_far_it_is_and_then_itself(
    open_page: Callable[..., Page], committed_practice: Practice, sign_in: Callable[..., str], draft: int, width: int,
    accessible: Callable[[Page], None],
) -> None:  # fmt: skip
    place, page = committed_practice.id, open_page(width=width)
    sign_in(page, committed_practice)
    page.goto(f"/campaigns/{draft}/preview/")
    expect(page.get_by_text("Waiting for the worker")).to_be_visible()
    with db.scope(place):
        counted.came_to(place, f"preview:{draft}", 12, 31)
    expect(page.get_by_text("12 of 31 patients")).to_be_visible()
    photographed(page, "rehearsal-waits", accessible)
    counting.count_batch(place, NOW)
    expect(page.get_by_role("button", name="Launch:")).to_be_visible()
    photographed(page, "rehearsal", accessible)
    page.get_by_role("button", name="Launch:").click()
    expect(page.get_by_text("Before the launch")).to_be_visible()
    page.reload()  # without the note of what was done, which fades in
    photographed(page, "campaign-launched", accessible)


@pytest.mark.parametrize("width", [1280, 375])
def test_old_figures_say_so_and_are_replaced_under_the_readers_eyes(  # noqa: PLR0917 (fixtures)
    open_page: Callable[..., Page], committed_practice: Practice, sign_in: Callable[..., str], draft: int, width: int,
    accessible: Callable[[Page], None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    place, page = committed_practice.id, open_page(width=width)
    for room in (kept, runs):
        monkeypatch.setattr(room, "LIVE_UP_TO", -1)
    monkeypatch.setattr(listing, "LIVE_UP_TO", 0)
    listing.refresh_batch(place, NOW)
    sign_in(page, committed_practice)
    for path, name in (("/segments/", "segments"), ("/results/", "results"), ("/", "today")):
        page.goto(path)
        expect(page.locator("#counted-at")).to_contain_text("Counted")
        page.get_by_role("button", name="Count again").click()
        expect(page.locator("#counted-at")).to_contain_text("Being counted anew")
        photographed(page, f"{name}-being-counted", accessible)
        counting.count_batch(place, NOW)
        expect(page.get_by_role("button", name="Count again")).to_be_visible()
