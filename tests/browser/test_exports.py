from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from recare.base import db
from recare.practices import staff
from recare.segments import facts
from tests.browser.conftest import PASSWORD
from tests.factories import make_patient, make_visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from recare.practices.practice import Practice


def enter(page: Page, email: str) -> None:
    page.goto("/sign-in/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in/" not in url)


def test_a_manager_asks_for_a_list_the_owner_approves_on_today_and_the_manager_fetches_it_once(
    open_page: Callable[..., Page], committed_practice: Practice, accessible: Callable[[Page], None]
) -> None:
    practice, long_ago = committed_practice, datetime.now(UTC) - timedelta(days=30)
    with db.scope(practice.id):
        for number in range(3):
            make_visit(practice.id, make_patient(practice.id, last_name=f"Echo{number}"), -900)
        facts.rebuild([practice.id])
        db.run("UPDATE practice SET export_limit = 2 WHERE id = %(p)s", p=practice.id)
    emails = {role: f"{role}-{practice.slug}@example.com" for role in ("owner", "manager")}
    for role, email in emails.items():
        staff.create_user(email, PASSWORD, role, practice.slug, long_ago)
    manager, owner = open_page(), open_page(width=375, reduced_motion="reduce")
    enter(manager, emails["manager"])
    manager.goto("/patients/")
    manager.get_by_role("link", name="Export this list").click()
    expect(manager.get_by_role("heading", name="3 people")).to_be_visible()
    accessible(manager)
    manager.get_by_label("What it is for").select_option(label="Check or mend charts")
    manager.get_by_label("In a sentence").fill("Compare with the practice system, then delete it.")
    manager.get_by_role("button", name="Ask for it").click()
    expect(manager.get_by_text("waits for a second person").first).to_be_visible()
    enter(owner, emails["owner"])
    owner.get_by_role("link", name="3 people").click()
    accessible(owner)
    assert owner.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 1
    owner.get_by_role("button", name="Approve").click()
    expect(owner.get_by_text("Approved: they can fetch it once")).to_be_visible()
    accessible(owner)
    manager.goto("/")
    manager.get_by_role("link", name="3 people").click()
    with manager.expect_download() as got:
        manager.get_by_role("button", name="Fetch the file").click()
    lines = got.value.path().read_text("utf-8-sig").splitlines()
    assert len(lines) == 1 + 3
    manager.reload()
    expect(manager.get_by_text("fetched", exact=True)).to_be_visible()
    expect(manager.get_by_role("button", name="Fetch the file")).to_have_count(0)
