"""Decided touches become frozen words: the right person's, read by the lint, each once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recare.base import db
from recare.campaigns import offers
from recare.compliance.clearance import CATALOGUE
from recare.messages import links, render, send, templates
from tests import factories
from tests.messages import outbox
from tests.messages.outbox import NOW
from tests.messages.test_templates import LETTER, TEXT

if TYPE_CHECKING:
    from recare.messages.templates import Draft
    from recare.practices.practice import Practice


@dataclass(frozen=True, slots=True)
class Written:
    channel: str
    state: str
    subject: str
    body_text: str
    body_html: str
    list_unsubscribe: str
    names_person: bool
    segments: int
    cost_micros: int
    reply_question: str
    reasons: list[dict[str, Any]]


@pytest.fixture
def case(practice: Practice) -> outbox.Case:
    return outbox.make_case(practice.id)


def approved(practice_id: int, draft: Draft) -> int:
    saved = templates.save_version(practice_id, draft, "olga", NOW)
    return templates.approve(practice_id, saved.id, "olga", NOW).id


def touch(
    case: outbox.Case, version: int | None, channel: str = "sms", point: dict[str, Any] | None = None, **patient: Any
) -> int:
    person = factories.make_patient(case.practice_id, **({"first_name": "Dana", "last_name": "Quillfeather"} | patient))
    address = f"patient{person}@example.com" if channel == "email" else ""
    where = factories.make_point(
        case.practice_id, person, address, **({"last_confirmed_on": NOW.date()} | (point or {}))
    )
    return outbox.make_touch(case, person, where, channel=channel, template_version_id=version)


def written(case: outbox.Case) -> list[Written]:
    return db.rows(
        Written,
        "SELECT channel, state, subject, body_text, body_html, list_unsubscribe, names_person, segments, cost_micros, reply_question, "
        "reasons FROM message WHERE practice_id = %(p)s ORDER BY touch_id",
        p=case.practice_id,
    )


def test_a_text_is_frozen_with_the_persons_name_and_a_link_of_their_own(case: outbox.Case) -> None:
    version = approved(case.practice_id, replace(TEXT, reply_question="book"))
    touches = [touch(case, version), touch(case, version), touch(case, version, first_name="")]
    assert render.render_batch(case.practice_id, NOW) == 3
    assert render.render_batch(case.practice_id, NOW) == 0
    first, second, nameless = written(case)
    assert first.body_text.startswith("Maple Dental: Hi Dana, it's been a while. Book: ")
    assert first.body_text.endswith(" or 630-555-0100. Reply STOP to opt out.")
    assert (first.state, first.segments, first.cost_micros, first.names_person, first.reply_question) == (
        "queued",
        1,
        11_300,
        True,
        "book",
    )
    assert nameless.body_text.startswith("Maple Dental: Hi there, ")
    assert first.body_text != second.body_text
    token = first.body_text.partition("/p/book/")[2].partition(" ")[0]
    link = links.resolve(token)
    assert link is not None
    assert (link.touch_id, link.purpose) == (touches[0], "book")


def test_an_email_carries_text_html_and_its_way_out(case: outbox.Case) -> None:
    touch(case, approved(case.practice_id, LETTER), "email", first_name="Dana & Co <b>")
    render.render_batch(case.practice_id, NOW)
    (letter,) = written(case)
    assert letter.reasons == []
    assert (letter.state, letter.reasons, letter.subject) == ("queued", [], "Maple Dental: see you soon?")
    assert "Hi Dana &amp; Co &lt;b&gt;," in letter.body_html
    assert "Hi Dana & Co <b>," in letter.body_text
    assert letter.list_unsubscribe.startswith(f"{settings.PUBLIC_URL}/p/unsubscribe/")
    assert letter.list_unsubscribe in letter.body_text
    assert letter.list_unsubscribe in letter.body_html
    assert "zqunsub" not in letter.body_text + letter.body_html
    link = links.resolve(letter.list_unsubscribe.rpartition("/")[2])
    assert link is not None
    assert link.expires_at is None


def test_every_link_that_a_template_may_name_is_made() -> None:
    assert set(render.LINK_FIELDS) == {name for name in CATALOGUE if name.endswith("_link")}


def test_num_02_a_number_nobody_confirmed_for_a_year_gets_the_neutral_text(case: outbox.Case) -> None:
    db.run("UPDATE practice SET is_rehearsal = false WHERE id = %(p)s", p=case.practice_id)
    version = approved(case.practice_id, TEXT)
    touch(case, version, point={"last_confirmed_on": NOW.date() - timedelta(days=300)})
    touch(case, version, point={"last_confirmed_on": NOW.date() - timedelta(days=400)})
    touch(case, version, point={"last_confirmed_on": None})
    touch(case, version, point={"last_confirmed_on": None, "reassigned": "no", "reassigned_checked_on": NOW.date()})
    render.render_batch(case.practice_id, NOW)
    assert [(message.names_person, "Dana" in message.body_text) for message in written(case)] == [
        (True, True), (False, False), (False, False), (True, True),
    ]  # fmt: skip


def test_a_childs_message_greets_the_guardian(case: outbox.Case) -> None:
    guardian = factories.make_patient(case.practice_id, first_name="Rosa")
    touch(case, approved(case.practice_id, TEXT), guarantor_id=guardian, birthdate=date(2018, 5, 1), first_name="Timmy")
    render.render_batch(case.practice_id, NOW)
    assert written(case)[0].body_text.startswith("Maple Dental: Hi Rosa,")


def test_a_rendered_text_that_breaks_a_rule_is_withheld_with_reasons_and_a_task(case: outbox.Case) -> None:
    version = approved(
        case.practice_id,
        replace(LETTER, body=LETTER.body.replace("a while", "a while {{ greeting_name | default: '' }}")),
    )
    touch(case, version, "email", first_name="Botox crown")
    touch(case, version, "email")
    touch(case, None, "email")
    render.render_batch(case.practice_id, NOW)
    bad, good, none = written(case)
    assert (bad.state, bad.reasons[0]["code"], bad.reasons[0]["rule"]) == ("withheld", "LINT_FAIL", "L01")
    assert good.state == "queued"
    assert (none.state, none.reasons[0]["code"]) == ("withheld", "NO_TEMPLATE")
    assert db.values("SELECT kind FROM task WHERE practice_id = %(p)s", p=case.practice_id) == ["text_withheld"]


def test_l03_a_family_name_that_slips_into_an_open_text_is_caught(case: outbox.Case) -> None:
    version = approved(case.practice_id, TEXT)
    touch(case, version, first_name="Dana", last_name="Dana")
    touch(case, version)
    render.render_batch(case.practice_id, NOW)
    assert [(message.state, [r["rule"] for r in message.reasons]) for message in written(case)] == [
        ("withheld", ["L03"]),
        ("queued", []),
    ]


def test_an_offer_is_read_as_one_also_where_a_short_family_name_stands_in_its_words(case: outbox.Case) -> None:
    terms = {
        "what": "Examination",
        "regular_fee_cents": 16500,
        "price_cents": 8900,
        "starts_on": NOW.date(),
        "ends_at": NOW + timedelta(days=60),
    }
    terms |= {
        "license_name": "Iris Hollinbeck, DDS",
        "license_number": "IL 019-000000",
        "who": "Patients not seen for two years.",
    }
    offers.save(case.practice_id, "spring", terms, "owner", NOW)
    body = (
        "{{ offer_headline }} at {{ offer_price }}; the regular fee is {{ offer_regular_fee }}. The offer ends on {{ offer_ends_on }}. "
        "Terms: {{ offer_terms_link }} Book: {{ book_link }} {{ practice_name }}, {{ practice_address }}. No more e-mail: {{ unsubscribe_link }}"
    )
    version = approved(case.practice_id, replace(LETTER, slug="spring", body=body, mjml="", message_class="P"))
    for name in ("Quillfeather", "Xam"):
        touch(case, version, "email", last_name=name)
    db.run("UPDATE touch SET offer = 'spring', message_class = 'P' WHERE practice_id = %(p)s", p=case.practice_id)
    render.render_batch(case.practice_id, NOW)
    assert [(message.state, message.reasons) for message in written(case)] == [("queued", []), ("queued", [])]


def test_a_real_practice_without_https_cannot_send_links(case: outbox.Case) -> None:
    db.run("UPDATE practice SET is_rehearsal = false WHERE id = %(p)s", p=case.practice_id)
    touch(case, approved(case.practice_id, TEXT))
    render.render_batch(case.practice_id, NOW)
    assert [r["rule"] for r in written(case)[0].reasons] == ["L07"]


def test_what_is_rendered_is_sent_as_it_stands(case: outbox.Case) -> None:
    version = approved(case.practice_id, LETTER)
    written_to = touch(case, version, "email")
    factories.agree(
        case.practice_id, db.value("SELECT contact_point_id FROM touch WHERE id = %(t)s", t=written_to), email=2
    )
    outbox.make_sender(case.practice_id, "email")
    render.render_batch(case.practice_id, NOW)
    assert send.send_batch(case.practice_id, NOW, worker="w1") == 1
    (letter,) = written(case)
    assert letter.state == "sent", letter.reasons
    assert db.tuples(
        "SELECT subject, body_text, body_html FROM sandbox_delivery WHERE practice_id = %(p)s", p=case.practice_id
    ) == [(letter.subject, letter.body_text, letter.body_html)]


def test_rendering_asks_the_database_as_often_for_three_as_for_one(case: outbox.Case) -> None:
    version = approved(case.practice_id, LETTER)

    def queries(count: int) -> int:
        for _ in range(count):
            touch(case, version, "email")
        with CaptureQueriesContext(connection) as seen:
            assert render.render_batch(case.practice_id, NOW) == count
        return len(seen)

    assert queries(1) == queries(3)
