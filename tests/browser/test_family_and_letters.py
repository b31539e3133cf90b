"""A family books on a telephone; the front desk prints and posts letters."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recare.base import db
from recare.campaigns import advance
from recare.messages import render, templates
from recare.practices import practice as practices
from recare.segments import facts
from tests.campaigns import build
from tests.factories import insert, make_patient, make_point, make_visit
from tests.portal.way import Written, written

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from recare.practices.practice import Practice

OpenPage = Callable[..., "Page"]
PHOTOS = os.environ.get("RECARE_PHOTOS", "")


Look = Callable[["Page", str], None]


@pytest.fixture
def looked_at(accessible: Callable[[Page], None]) -> Look:
    """Hold a page to axe and to the width of its screen; keep a picture where one is asked for."""

    def look(page: Page, name: str) -> None:
        if PHOTOS:
            page.screenshot(path=Path(PHOTOS) / f"{name}.png", full_page=True)
        accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")

    return look


@pytest.fixture
def family(committed_practice: Practice, now: datetime, site: str) -> Written:
    way = written(committed_practice, now)
    names: dict[str, Any] = {"practice_id": way.practice.id, "source": "test"}
    with db.scope(way.practice.id):
        other = insert("provider", source_key="H2", name="Kim Lee", kind="hygienist", **names)
        insert(
            "operatory",
            source_key="3",
            name="Hygiene 2",
            position=3,
            is_hygiene=True,
            bookable=True,
            provider_id=other,
            **names,
        )
        for name in ("Mia", "Leo"):
            child = make_patient(way.practice.id, first_name=name, birthdate=date(2017, 3, 1), guarantor_id=way.patient)
            make_visit(way.practice.id, child, -400)
        facts.rebuild([way.practice.id])
    return way


@pytest.mark.parametrize("width", [375, 1280])
def test_a_family_books_one_trip_and_changes_it(
    open_page: OpenPage, family: Written, looked_at: Look, width: int
) -> None:
    page = open_page(width=width)
    page.goto(family.path("book"))
    page.get_by_role("link", name="Book for").click()
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Show times").click()
    looked_at(page, f"family-times-{width}")
    page.locator("button[name=time]").first.click()
    looked_at(page, f"family-confirm-{width}")
    page.get_by_role("button", name="Book these times").click()
    assert page.get_by_role("heading", name="You are all booked").is_visible()
    looked_at(page, f"family-done-{width}")
    page.get_by_role("link", name="Change or cancel").click()
    looked_at(page, f"family-manage-{width}")
    page.get_by_role("link", name="Change the time").last.click()
    looked_at(page, f"family-move-{width}")
    page.go_back()
    page.get_by_role("link", name="Cancel the visit").last.click()
    looked_at(page, f"family-cancel-{width}")
    page.get_by_role("button", name="Yes, cancel it").click()
    assert page.get_by_role("link", name="Cancel the visit").count() == 2


@pytest.mark.parametrize("width", [375, 1280])
def test_the_front_desk_prints_and_posts(
    open_page: OpenPage, committed_practice: Practice, sign_in: Callable[..., str], looked_at: Look, width: int
) -> None:
    place = committed_practice
    with db.scope(place.id):
        db.run(
            "UPDATE practice SET street = '1 Elm Street', city = 'Naperville', state = 'IL', zip = '60540', is_rehearsal = true, clock_at = %(n)s "
            "WHERE id = %(p)s",
            p=place.id, n=build.NOW,
        )  # fmt: skip
        templates.install_shipped(place.id, build.NOW)
        version = build.version(practices.get(place.id), steps=[{"channel": "letter", "template": "closing_letter"}])
        for number in range(3):
            patient = build.person(place.id, phone="-", email="-", street=f"{number} Oak St", city="Naperville")
            make_point(place.id, patient, f"{number} oak st naperville il 60540", label="post")
            build.enrolment(place.id, version, patient)
        facts.rebuild([place.id])
    advance.advance_batch(place.id, build.NOW)
    render.render_batch(place.id, build.NOW)
    page = open_page(width=width, reduced_motion="reduce")
    sign_in(page, place, "front_desk")
    page.goto("/letters/")
    looked_at(page, f"letters-{width}")
    page.get_by_role("button", name="Printed and posted").click()
    assert page.get_by_text("3 letters noted as posted.").is_visible()
    looked_at(page, f"letters-posted-{width}")
