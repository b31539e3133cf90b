"""Words by the hundred: what each rule must find, and the neighbours it must leave alone."""

# ruff: noqa: N802  # the rule id stands in the name of its test

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.compliance.lint_texts import LETTER, OFFER, SMS, verdict

VECTORS: dict[str, dict[str, list[str]]] = yaml.safe_load(
    (Path(__file__).parent / "lint_vectors.yaml").read_text("utf-8")
)
CONTEXTS = dict.fromkeys(("L10", "L11", "L12", "L15"), LETTER) | {"L14": OFFER}


@pytest.mark.parametrize("rule", sorted(VECTORS))
def test_L01_to_L19_find_hundreds_of_words(rule: str) -> None:
    context = CONTEXTS.get(rule, SMS)
    assert [text for text in VECTORS[rule].get("fail", ()) if not verdict(rule, text, context)] == []


@pytest.mark.parametrize("rule", sorted(VECTORS))
def test_L01_to_L19_leave_their_neighbours_alone(rule: str) -> None:
    context = CONTEXTS.get(rule, SMS)
    assert [text for text in VECTORS[rule].get("pass", ()) if verdict(rule, text, context)] == []
