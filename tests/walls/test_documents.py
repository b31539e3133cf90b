"""The documents name files and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FILE = re.compile(r"(?:tests|docs|bench|recare)/[\w/.-]+\.(?:py|md|sql|yaml|png)")
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_document_names_is_there(page: Path) -> None:
    words = page.read_text(encoding="utf-8")
    named = {ROOT / name for name in _FILE.findall(words)} | {page.parent / link for link in _LINK.findall(words)}
    assert [str(file.relative_to(ROOT)) for file in sorted(named) if not file.exists()] == []
