"""An import by an office manager in a real browser, at a desk and on a telephone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recare.base import db
from recare.sources import imports
from tests.conftest import new_practice

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenPage

LIST = 'Pt No\tName\tBorn\tReach\tLast Visit\n1\t"Overmarsh, Ida"\t3/4/1961\t630-555-0101\t2/3/2024\n2\t"Testerson, Cy (DECEASED)"\t1/2/1940\t630-555-0102\t5/6/2022\n'  # fmt: skip


@pytest.mark.parametrize("width", [1280, 375])
def test_a_column_is_explained_and_the_import_agreed_to(
    open_page: OpenPage, sign_in: Callable[..., str], accessible: Callable[[Page], None], tmp_path: Path, width: int
) -> None:
    place, page = new_practice(), open_page(width)
    sign_in(page, place, "manager")
    path = tmp_path / "list.txt"
    path.write_text(LIST, encoding="utf-8")
    page.goto("/data/import/")
    accessible(page)
    page.get_by_label("Files").set_input_files(path)
    page.get_by_role("button", name="Check the files").click()
    page.get_by_text("Waiting for the worker").wait_for()
    accessible(page)

    def works() -> None:
        imports.work(place.id, page.url.strip("/").rsplit("/", 1)[-1])

    works()
    page.get_by_role("heading", name="Before the import").wait_for()
    assert page.get_by_role("button", name="Import", exact=True).count() == 0
    for column, meaning in {"Pt No": "Patient number", "Reach": "Mobile phone", "Born": "Birthdate"}.items():
        page.get_by_label(f"Meaning of {column}", exact=True).select_option(label=meaning)
    accessible(page)
    page.get_by_role("button", name="Look again with these meanings").click()
    page.get_by_text("Waiting for the worker").wait_for()
    works()
    page.get_by_text("of 2 rows can be used").wait_for()
    page.get_by_text("Warning in a name or number").wait_for()
    page.get_by_text("What its columns mean").click()
    page.get_by_role("combobox", name="Meaning of Reach").wait_for()
    page.get_by_label("Order of dates in Born").select_option("day/month/year")
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text("Waiting for the worker").wait_for()
    works()
    page.get_by_text("You have changed what columns mean").wait_for()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text("Waiting for the worker").wait_for()
    works()
    page.get_by_role("heading", name="Imported").wait_for()
    page.get_by_text("2 patients added").wait_for()
    accessible(page)
    page.get_by_role("link", name="fix list").click()
    page.get_by_text("Warning in a name or number").wait_for()
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    with db.scope(place.id):
        found = db.tuples("SELECT last_name, birthdate::text, standing FROM patient ORDER BY source_key")
    assert found == [("Overmarsh", "1961-04-03", ""), ("Testerson", "1940-02-01", "deceased")]
