"""What may not be said cannot be saved; what is saved never changes; what is sent was approved by a name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from recare.base import db
from recare.messages import templates
from recare.messages.templates import Draft, TemplateRefused

if TYPE_CHECKING:
    from datetime import datetime

    from recare.practices.practice import Practice

TEXT = Draft(
    "winback", "sms", "{{ practice_name }}: Hi {{ greeting_name | name | default: 'there' }}, it's been a while. Book: {{ book_link }} or "
    "{{ practice_phone }}. Reply STOP to opt out.",
)  # fmt: skip
FOOTER = "{{ practice_name }}, {{ practice_address }}. No more e-mail: {{ unsubscribe_link }}"
MJML = (
    "<mjml><mj-body><mj-section><mj-column><mj-text>Hi {{ greeting_name | default: 'there' }}, it has been a while.</mj-text>"
    '<mj-button href="{{ book_link }}">Pick a time</mj-button><mj-text>{{ practice_name }}, {{ practice_address }}. '
    '<a href="{{ unsubscribe_link }}">No more e-mail</a></mj-text></mj-column></mj-section></mj-body></mjml>'
)  # fmt: skip
LETTER = Draft(
    "winback", "email", "Hi {{ greeting_name | default: 'there' }}, it has been a while. Pick a time: {{ book_link }}\n\n" + FOOTER,
    subject="{{ practice_name }}: see you soon?", mjml=MJML,
)  # fmt: skip


def test_a_good_text_is_saved_once_and_read_back_by_slug_channel_and_language(
    practice: Practice, now: datetime
) -> None:
    saved = templates.save_version(practice.id, TEXT, "olga@example.com", now)
    assert templates.save_version(practice.id, TEXT, "olga@example.com", now).id == saved.id
    assert (saved.number, saved.message_class, saved.fields) == (
        1,
        "R",
        ["book_link", "greeting_name", "practice_name", "practice_phone"],
    )
    assert templates.approved(practice.id, "winback", "sms") is None
    templates.approve(practice.id, saved.id, "olga@example.com", now)
    found = templates.approved(practice.id, "winback", "sms", "es")
    assert found is not None
    assert (found.id, found.approved_by) == (saved.id, "olga@example.com")


def test_a_new_wording_is_a_new_version_and_the_old_one_stays(practice: Practice, now: datetime) -> None:
    first = templates.save_version(practice.id, TEXT, "olga", now)
    second = templates.save_version(
        practice.id, replace(TEXT, body=TEXT.body.replace("a while", "some time")), "olga", now
    )
    assert (first.template_id, second.number) == (second.template_id, 2)
    assert templates.version(practice.id, first.id).body == TEXT.body


@pytest.mark.parametrize(
    ("draft", "rule"),
    [
        (replace(TEXT, body=TEXT.body + " {{ procedure }}"), "F02"),
        (replace(TEXT, body=TEXT.body + "{% if balance %} x{% endif %}"), "F06"),
        (replace(TEXT, body="{{ practice_name }}: {% if %}"), "F01"),
        (replace(TEXT, body=TEXT.body.replace(" Reply STOP to opt out.", "")), "L05"),
        (replace(TEXT, body=TEXT.body.replace("it's been a while", "time to finish your root canal")), "L01"),
        (replace(LETTER, subject="Re: your results"), "L09"),
        (replace(LETTER, subject="{{ last_visit }}"), "F02"),
        (replace(LETTER, mjml=MJML.replace("</mj-text>", "{{ plan_total }}</mj-text>", 1)), "F02"),
        (replace(LETTER, mjml=MJML.replace("{{ unsubscribe_link }}", "#")), "L08"),
        (replace(LETTER, mjml="<mjml><mj-body><mj-section></mjml>"), "F01"),
        (replace(TEXT, channel="call", body="Your balance of $80 is past due."), "CLASS_BILLING"),
    ],
)
def test_what_may_not_be_said_is_refused_with_its_rule(
    practice: Practice, now: datetime, draft: Draft, rule: str
) -> None:
    with pytest.raises(TemplateRefused) as refused:
        templates.save_version(practice.id, draft, "olga", now)
    assert rule in {finding.rule for finding in refused.value.findings}
    assert db.value("SELECT count(*) FROM template_version WHERE practice_id = %(p)s", p=practice.id) == 0


def test_mjml_is_compiled_once_and_keeps_its_liquid(practice: Practice, now: datetime) -> None:
    saved = templates.save_version(practice.id, LETTER, "olga", now)
    assert saved.html.startswith("<!doctype html>")
    assert 'href="{{ book_link }}"' in saved.html
    assert "{{ greeting_name | default: 'there' }}" in saved.html


def test_the_shipped_templates_are_good_enough_for_any_practice(practice: Practice, now: datetime) -> None:
    drafts = [draft for path in sorted(templates.SHIPPED.glob("*.yaml")) for draft in templates.shipped(path)]
    assert templates.install_shipped(practice.id, now) == len(drafts)
    assert templates.install_shipped(practice.id, now) == 0
    for draft in drafts:
        found = templates.approved(practice.id, draft.slug, draft.channel, draft.language)
        assert found is not None
        assert (found.language, found.approved_by) == (draft.language, "shipped")
