"""Every template Recare ships passes every check, in both languages, with usual values and with the longest plausible ones."""

from __future__ import annotations

import itertools
import re
from datetime import date
from pathlib import Path
from typing import Any

import mrml
import pytest
import yaml

import recare.messages
from recare.compliance.clearance import CATALOGUE, check, parse, samples
from recare.compliance.lint import LintContext, lint
from recare.compliance.lint_script import read_script
from recare.compliance.message_class import detect
from recare.compliance.segments import count

SHIPPED = Path(recare.messages.__path__[0]) / "shipped"
TEMPLATES: list[dict[str, Any]] = [
    entry for path in sorted(SHIPPED.glob("*.yaml")) for entry in yaml.safe_load(path.read_text("utf-8"))
]
EMAILS = [entry for entry in TEMPLATES if entry["channel"] == "email"]
NAMES = {id(entry): f"{entry['slug']}-{entry['channel']}-{entry['language']}" for entry in TEMPLATES}


GIVEN_NAMES = ("Maria-Fernanda", "Mary-Ann", "", "Zo\u00eb", "\u674e", "Elizabeth")


def named(entries: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("template", entries, ids=[NAMES[id(entry)] for entry in entries])


def context(template: dict[str, Any], **more: Any) -> LintContext:
    values: dict[str, Any] = samples(longest=more.pop("longest", False))
    purpose = {
        "opt_out_confirmation": "opt_out",
        "help_reply": "help",
        "portal_notice": "portal_notice" if template["channel"] == "sms" else "",
    }
    facts: dict[str, Any] = {
        "channel": template["channel"],
        "message_class": template["message_class"],
        "language": template["language"],
        "practice_name": values["practice_name"],
        "practice_phone": "+15125550100",
        "postal_address": values["practice_address"],
        "allowed_link_hosts": ("go.mapledental.com",),
        "subject": template.get("subject", ""),
        "html": template.get("mjml", ""),
        "unsubscribe_link": values["unsubscribe_link"],
        "has_unsubscribe": True,
        "purpose": purpose.get(template["slug"], ""),
        "offer_ends_on": date(2027, 1, 31),
        "state": "CT",
    }
    return LintContext(**facts | more)


def values_of(template: dict[str, Any], *, longest: bool) -> dict[str, Any]:
    values: dict[str, Any] = dict(samples(longest=longest))
    if template["language"] == "es":
        values |= {"offer_ends_on": "31 de enero de 2027"}
    return values


@named(TEMPLATES)
def test_its_fields_may_travel_on_its_channel(template: dict[str, Any]) -> None:
    for text in (template["body"], template.get("mjml", "")):
        assert check(text, template["channel"], template["message_class"]) == ()
    assert check(template.get("subject", ""), "subject", template["message_class"]) == ()


@named(TEMPLATES)
def test_its_source_passes_the_lint(template: dict[str, Any]) -> None:
    assert lint(template["body"], context(template, rendered=False, practice_name="")) == ()


@named(TEMPLATES)
def test_its_words_are_of_its_class(template: dict[str, Any]) -> None:
    whole = "\n".join((template.get("subject", ""), template["body"], template.get("mjml", "")))
    assert detect(whole, template["message_class"]).message_class == template["message_class"]


@named(TEMPLATES)
@pytest.mark.parametrize("longest", [False, True])
def test_it_passes_the_lint_as_it_would_be_sent(template: dict[str, Any], *, longest: bool) -> None:
    values = values_of(template, longest=longest)
    html = parse(mrml.to_html(template["mjml"]).content, html=True).render(**values) if "mjml" in template else ""
    subject = parse(template.get("subject", "")).render(**values)
    text = parse(template["body"]).render(**values)
    if template["channel"] == "call" and longest:
        return  # a script is rendered part by part, see below
    assert lint(text, context(template, subject=subject, html=html, longest=longest)) == ()


@named([entry for entry in TEMPLATES if entry["channel"] == "sms"])
def test_a_text_is_one_gsm_7_part_with_the_longest_values_and_nobody_is_nameless(template: dict[str, Any]) -> None:
    long_name = {"practice_name": "Northside Family and Cosmetic Dentistry"}
    for given_name, more in itertools.product(GIVEN_NAMES, ({}, long_name)):
        text = parse(template["body"]).render(**samples(longest=True) | {"greeting_name": given_name} | more)
        size = count(text)
        assert (size.encoding, size.segments) == ("GSM-7", 1), (size.units, text)
        assert not re.search(r"  | [,.:]", text)


@named([entry for entry in TEMPLATES if entry["channel"] == "call"])
def test_a_script_has_all_its_parts_and_reads_well_without_optional_values(template: dict[str, Any]) -> None:
    script = read_script(template["body"])
    assert script is not None
    outcomes = {branch.outcome for branch in script.branches}
    assert outcomes >= {
        "booked",
        "call_later",
        "do_not_call",
        "wrong_number",
        "new_dentist",
        "moved",
        "angry",
        "deceased",
        "not_interested",
    }
    assert {branch.barrier for branch in script.branches} >= {"cost", "fear", "time", "experience", "forgot"}
    empty: dict[str, Any] = samples() | {
        name: [] if isinstance(field.sample, list) else ""
        for name, field in CATALOGUE.items()
        if field.may_be_empty or field.clearance == "health"
    }
    for text in (script.opening, script.closing, script.voicemail, *(branch.answer for branch in script.branches)):
        for values in (empty, samples(longest=True)):
            assert "  " not in parse(text).render(**values).strip()


@named(EMAILS)
def test_a_mail_is_small_self_contained_and_shows_the_way_out(template: dict[str, Any]) -> None:
    compiled = mrml.to_html(template["mjml"])
    html = parse(compiled.content, html=True).render(**values_of(template, longest=True))
    assert compiled.warnings == []
    assert len(html.encode()) < 30_000
    assert not re.search(r"<(?:img|script|link|iframe)\b|@import|fonts\.", html)
    for value in ("unsubscribe_link", "preferences_link", "practice_address"):
        assert str(samples(longest=True)[value]) in html
        assert str(samples(longest=True)[value]) in parse(template["body"]).render(**values_of(template, longest=True))
    assert "{{" not in html
    assert "{%" not in html


def test_every_template_comes_in_english_and_spanish() -> None:
    pairs = {(entry["slug"], entry["channel"], entry["language"]) for entry in TEMPLATES}
    assert len(pairs) == len(TEMPLATES)
    assert all((slug, channel, "es") in pairs and (slug, channel, "en") in pairs for slug, channel, _ in pairs)
