"""A real browser on the real application, both on this test process's database.

``site`` serves the product and returns its address; ``open_page`` opens pages of any width and colour scheme; ``browser_page`` is one
at 1280 px for staff. A page that logs an error, breaks the content policy or answers 500 fails its test.
"""

from __future__ import annotations

import os
import shutil
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.signals import got_request_exception

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.fixtures import Settings

    from recare.practices.practice import Practice

PASSWORD = "correct horse battery"
OpenPage = Callable[..., "Page"]

# Playwright's synchronous driver keeps an event loop in this thread, which Django takes for an asynchronous view.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadedWSGIServer):
    daemon_threads = True
    request_queue_size = 64


broken: list[str] = []
"""Tracebacks of requests that raised, for the test that caused them."""


def _remember(**_: Any) -> None:
    broken.append(traceback.format_exc(limit=-8))


@pytest.fixture(scope="session")
def served() -> Iterator[str]:
    from recare.wsgi import application

    got_request_exception.connect(_remember)
    server = _Server(("127.0.0.1", 0), _QuietHandler)
    server.set_app(application)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(served: str, committed: None, settings: Settings) -> str:
    """The address of the product, on committed data; patients' links begin with it."""
    settings.PUBLIC_URL = served
    return served


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    path = os.environ.get("RECARE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        # root has no sandbox to drop into; a small /dev/shm crashes tabs
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, site: str) -> Iterator[OpenPage]:
    """Open a fresh browser profile: ``open_page(width=375, color_scheme="dark", java_script_enabled=False)``."""
    contexts, faults = [], []
    broken.clear()

    def opened(width: int = 1280, height: int = 812, **more: Any) -> Page:
        context = chromium.new_context(base_url=site, viewport={"width": width, "height": height}, **more)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.on("console", lambda said: faults.append(f"{page.url}: {said.text}") if _is_fault(said) else None)
        page.on("response", lambda got: faults.append(f"{got.url}: {got.status}") if got.status >= 500 else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not faults + broken, "\n".join(faults + broken)


def _is_fault(said: Any) -> bool:
    return said.type == "error" and "the server responded with a status of 4" not in said.text


@pytest.fixture
def browser_page(open_page: OpenPage) -> Page:
    return open_page()


@pytest.fixture
def sign_in(site: str) -> Callable[..., str]:
    """Sign a page in with a role: ``sign_in(page, practice, "front_desk")``; returns the e-mail address of the sign-in."""
    from datetime import UTC, datetime

    from recare.practices import staff

    def signed(page: Page, practice: Practice, role: str = "owner") -> str:
        email = f"{role}-{practice.slug}@example.com"
        staff.create_user(email, PASSWORD, role, practice.slug, datetime.now(UTC))
        page.goto("/sign-in/")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/sign-in/" not in url)
        return email

    return signed


@pytest.fixture
def accessible() -> Callable[[Page], None]:
    """Fail when axe-core finds anything on the page against WCAG 2.2 A and AA."""
    from axe_playwright_python.sync_playwright import Axe

    axe = Axe()
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

    def check(page: Page) -> None:
        found = axe.run(page, options=rules).response["violations"]
        assert not found, "\n".join(f"{page.url}: {v['id']}: {n['html']}" for v in found for n in v["nodes"])

    return check
