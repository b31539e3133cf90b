"""Results of a practice that leaves some households alone for the year and runs a campaign in waves, as an owner reads them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from recare.base import db
from recare.campaigns import campaign, enrol, playbook
from recare.practices import practice as practices
from recare.reports import outcomes
from recare.segments import segment
from tests.campaigns import build
from tests.campaigns.build import NOW
from tests.factories import insert

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from recare.practices.practice import Practice
    from tests.browser.conftest import OpenPage

WAVES = {"count": 3, "days_between": 30}


@pytest.fixture
def campaign_id(committed_practice: Practice) -> int:
    """A campaign of three waves with a hold-out, 120 patients; all of those invited came 100 days later."""
    place = committed_practice.id
    with db.scope(place):
        db.run("UPDATE practice SET policy = policy || '{\"standing_hold_out\": 0.1}' WHERE id = %(p)s", p=place)
        segment.install(place, NOW)
        plan = build.text(hold_out=0.1, waves=WAVES)
        build.templates(place, playbook.read(plan))
        made = campaign.create(place, "Unfinished plans", plan, "owner", NOW)
        campaign.publish(place, made, "owner", NOW)
        for _ in range(120):
            build.person(place)
        build.refresh(place)
        enrol.freeze_and_enrol(place, made, NOW)
        invited = db.values(
            "SELECT patient_id FROM enrolment WHERE practice_id = %(p)s AND arm = 'treated' ORDER BY 1", p=place
        )
        for patient in invited:
            insert(
                "procedure", practice_id=place, patient_id=patient, source="t", source_key=str(patient), code="D1110", status="completed",
                done_on=(NOW + timedelta(days=100)).date(),
            )  # fmt: skip
    return made


def at(place: Practice, days: int) -> None:
    now = NOW + timedelta(days=days)
    practices.set_clock(place.id, now)
    outcomes.record_batch(place.id, now)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_an_owner_reads_waves_and_the_year(  # noqa: PLR0917 (fixtures)
    open_page: OpenPage, committed_practice: Practice, campaign_id: int, sign_in: Callable[..., str],
    accessible: Callable[[Page], None], width: int, scheme: str,
) -> None:  # fmt: skip
    page = open_page(width=width, color_scheme=scheme)
    at(committed_practice, 100)
    sign_in(page, committed_practice, "owner")
    page.goto("/results/")
    year = page.get_by_role("region", name="All campaigns of").first
    expect(year).to_contain_text("too early")
    expect(year.get_by_role("table")).to_have_count(0)  # nothing to show but noughts
    at(committed_practice, 200)
    page.goto("/results/")
    expect(year).to_contain_text("all campaigns together changed the share that kept a visit by +")
    expect(year).to_contain_text("Left alone by all, by chance")
    kept(page, f"results-year-{width}-{scheme}", accessible)
    page.goto(f"/results/?campaign={campaign_id}")
    waves = page.get_by_role("region", name="Waves")
    for number in (1, 2, 3):
        expect(waves).to_contain_text(f"Wave {number}")
    expect(page.get_by_text("households whose own turn had not come and those left alone by chance")).to_be_visible()
    kept(page, f"results-waves-{width}-{scheme}", accessible)


def kept(page: Page, name: str, accessible: Callable[[Page], None]) -> None:
    """Hold the page to axe and to the width of its screen; keep a picture where one is asked for."""
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    if photos := os.environ.get("RECARE_PHOTOS"):
        page.screenshot(path=Path(photos) / f"{name}.png", full_page=True)
