"""Every page that staff can come to by links, in a real browser on a telephone's width: it opens, fits, keeps the content policy, names
its fields, guards its forms, and is fit for everybody. And every link that has gone out opens for whoever holds it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.test import override_settings

from recare.base import db
from tests.walls.furnished import PASSWORD, Furnished, furnish

if TYPE_CHECKING:
    from playwright.sync_api import Page

FILES: Final = re.compile(r"\.(csv|json|ics|pdf)(\?|$)|[?&]format=|/html/$|/sandbox/mail/")
OF_A_KIND: Final = 2
LINKS: Final = "[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))"
WIDER: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BARE_FORMS: Final = (
    "[...document.querySelectorAll('form[method=post]')].filter(f => !f.querySelector('input[name=csrfmiddlewaretoken]'))"
    ".map(f => f.outerHTML.slice(0, 200))"
)
NAMELESS: Final = (
    "[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]"
    ".filter(f => !f.labels?.length && !f.getAttribute('aria-label') && !f.getAttribute('aria-labelledby')).map(f => f.outerHTML.slice(0, 200))"
)


@pytest.fixture(scope="module")
def office(served: str, django_db_setup: None, django_db_blocker: Any) -> Iterator[Furnished]:
    from django.db import connections

    with django_db_blocker.unblock(), override_settings(PUBLIC_URL=served):
        yield furnish("Qzwalk", people=30)
        connections.close_all()


def kind_of(path: str) -> str:
    """The address without what it names: pages of one kind differ only by what they show."""
    unnamed = re.sub(r"/(templates|segments|offers)/[^/?]+", r"/\1/*", path)
    return re.sub(r"\d+|=[^&]*|(?<=/templates/\*/).+", "*", unnamed)


def enter(page: Page, office: Furnished) -> None:
    page.goto("/sign-in/")
    page.get_by_label("E-mail").fill(office.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in/" not in url)


@pytest.mark.slow
def test_every_page_opens_fits_a_telephone_and_keeps_the_rules(
    open_page: Callable[..., Page], office: Furnished, accessible: Callable[[Page], None]
) -> None:
    page = open_page(width=375, reduced_motion="reduce")
    enter(page, office)
    waiting, met, seen, faults = ["/"], {"/"}, Counter[str](), list[str]()
    while waiting:
        path = waiting.pop(0)
        seen[kind := kind_of(path)] += 1
        if seen[kind] > OF_A_KIND:
            continue
        faults += look_at(page, path, accessible if seen[kind] == 1 else None)
        found = [link.split("#")[0] for link in page.evaluate(LINKS) if re.match(r"/(?!/|static/)", link)]
        waiting += [link for link in dict.fromkeys(found) if link not in met]
        met.update(found)
    assert not faults, "\n".join(faults)
    assert len(seen) > 40, sorted(seen)


def look_at(page: Page, path: str, accessible: Callable[[Page], None] | None) -> list[str]:
    """What is wrong with one page, each beginning with its address."""
    if FILES.search(path):  # files and e-mails: what they hold is not a page of ours
        return [] if (file := page.request.get(path)).ok else [f"{path}: {file.status}"]
    answer = page.goto(path)
    assert answer is not None
    if answer.status >= 400:
        return [f"{path}: {answer.status}"]
    wrong = [f"{path}: {page.evaluate(WIDER)} px too wide"] if page.evaluate(WIDER) > 1 else []
    wrong += [f"{path}: a form without a token: {form}" for form in page.evaluate(BARE_FORMS) if "/p/" not in path]
    wrong += [f"{path}: a field without a name: {one}" for one in page.evaluate(NAMELESS)]
    try:
        if accessible is not None:
            page.wait_for_selector(
                ".htmx-request", state="detached"
            )  # a function would be refused by the page's own policy
            accessible(page)
    except AssertionError as error:
        wrong.append(str(error))
    return wrong


def test_every_link_that_has_gone_out_opens_without_a_sign_in(
    open_page: Callable[..., Page], office: Furnished
) -> None:
    with db.scope(office.practice.id):
        texts = db.values(
            "SELECT body_text || ' ' || body_html FROM sandbox_delivery WHERE practice_id = %(p)s", p=office.practice.id
        )
    links = dict.fromkeys(re.findall(r"https?://[^\s\"'<>)]+", " ".join(texts)))
    kinds, page = Counter[str](), open_page(width=375)
    for link in links:
        kinds[kind := re.sub(r"[\w-]{22}", "", link)] += 1
        if kinds[kind] > OF_A_KIND or "w3.org" in link:
            continue
        answer = page.goto(link)
        assert answer is not None
        assert answer.status == 200, link
        assert page.evaluate(WIDER) <= 1, link
    assert {purpose for purpose in ("book", "unsubscribe", "preferences") if any(f"/p/{purpose}" in kind for kind in kinds)} == {
        "book", "unsubscribe", "preferences",
    }  # fmt: skip
