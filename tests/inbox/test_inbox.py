"""Held at the door, understood later, released by a person or a narrow list."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from recare.base import db
from recare.compliance.lint import lint
from recare.consent import fold, grant, ledger, points
from recare.consent.event import NewEvent
from recare.consent.grant import Evidence
from recare.inbox import answer, apply, intent, receive, release
from recare.inbox.receive import Inbound
from recare.messages import send, templates
from tests.factories import fictional_phone, insert, make_patient, make_point
from tests.inbox import people
from tests.inbox.people import texted, writes
from tests.messages import outbox

if TYPE_CHECKING:
    from recare.practices.practice import Practice

_REPLIES = yaml.safe_load((Path(__file__).parents[2] / "recare" / "rehearsal" / "replies.yaml").read_text("utf-8"))
_TEXTS = [text for languages in _REPLIES.values() for texts in languages.values() for text in texts]


@pytest.fixture
def case(practice: Practice) -> outbox.Case:
    outbox.make_sender(practice.id)
    outbox.make_sender(practice.id, "email")
    return people.make_case(practice.id)


def _sends(practice_id: int, now: datetime, *, answers: bool = False) -> set[int]:
    """Points that anything automated (or an answer) leaves for now."""
    send.send_batch(practice_id, now, 1000, "test")
    found = db.values(
        "SELECT contact_point_id FROM message WHERE practice_id = %(p)s AND claimed_at = %(now)s AND (answers_event_id IS NOT NULL) = %(a)s",
        p=practice_id, now=now, a=answers,
    )  # fmt: skip
    return set(found)


def test_OPT_01_after_any_text_nothing_automated_leaves_until_it_is_released(case: outbox.Case, now: datetime) -> None:
    senders = {texted(case, reply_question="book"): text for text in [*_TEXTS, "", "\x00", "\u202e" * 5, "stop " * 500]}
    silent = texted(case)
    events = {writes(person, text, now): person for person, text in senders.items()}
    assert _sends(case.practice_id, now) == {silent.point}
    while apply.apply_batch(case.practice_id, now):
        pass
    free = {person.point for person, text in senders.items() if intent.read(text, "book").exact}
    assert len(free) >= 5
    held = {person.point for person in senders if people.point(person)["held_at"]}
    assert held == {person.point for person in events.values()} - free
    assert _sends(case.practice_id, now + timedelta(hours=1)) <= free
    assert ledger.verify(case.practice_id) is None


def test_a_replay_of_the_providers_event_changes_nothing(case: outbox.Case, now: datetime) -> None:
    person = texted(case)
    inbound = Inbound(case.practice_id, "sandbox", "in-once", "sms", person.address, "+16305550100", "STOP")
    first = receive.receive(inbound, now)
    people.read(person, now)
    before = people.point(person)
    assert receive.receive(inbound, now + timedelta(hours=1)) is None
    assert apply.apply_batch(case.practice_id, now + timedelta(hours=1)) == 0
    assert people.point(person) == before
    assert before["held_event_id"] == first
    assert len(people.answers(case.practice_id)) == 1


def test_the_last_message_to_the_address_is_marked_as_answered(case: outbox.Case, now: datetime) -> None:
    person = texted(case)
    writes(person, "hello", now)
    [(sent, waiting)] = db.tuples(
        "SELECT max(replied_at) FILTER (WHERE id = %(s)s), max(replied_at) FILTER (WHERE id = %(w)s) FROM message "
        "WHERE practice_id = %(p)s",
        p=case.practice_id, s=person.sent, w=person.waiting,
    )  # fmt: skip
    assert (sent, waiting) == (now, None)


def test_a_stranger_can_say_stop_before_he_is_ever_imported(practice: Practice, now: datetime) -> None:
    phone = fictional_phone()
    receive.receive(Inbound(practice.id, "sandbox", "in-stranger", "sms", phone, "", "stop"), now)
    apply.apply_batch(practice.id, now)
    point = points.ensure(practice.id, [("phone", phone)], now)[("phone", phone)]
    out = db.value(
        "SELECT sms_out_at FROM contact_point WHERE practice_id = %(p)s AND id = %(i)s", p=practice.id, i=point
    )
    assert out == now
    assert people.answers(practice.id) == []


def test_OPT_02_stop_on_a_shared_number_rests_it_for_the_whole_family(case: outbox.Case, now: datetime) -> None:
    mother = texted(case)
    child = make_patient(case.practice_id)
    insert(
        "patient_contact",
        practice_id=case.practice_id,
        patient_id=child,
        contact_point_id=mother.point,
        label="mobile",
        source="test",
    )
    writes(mother, "Stop", now)
    people.read(mother, now)
    point = people.point(mother)
    assert (point["sms_out_at"], point["call_out_at"], point["email_out_at"]) == (now, now, None)
    assert people.enrolment(mother) == ("stopped", "opted_out")
    marked = db.values("SELECT patient_id FROM patient_change WHERE practice_id = %(p)s", p=case.practice_id)
    assert {mother.patient, child} <= set(marked)


def test_OPT_02_stop_contacting_me_ends_email_calls_and_letters_too(case: outbox.Case, now: datetime) -> None:
    person = texted(case)
    mail = make_point(case.practice_id, person.patient, f"p{person.patient}@example.com", email_level=2)
    writes(person, "Do not contact me again", now)
    people.read(person, now)
    assert people.point(person)["call_out_at"] == now
    out = db.value(
        "SELECT email_out_at FROM contact_point WHERE practice_id = %(p)s AND id = %(i)s", p=case.practice_id, i=mail
    )
    assert out == now
    assert db.value(
        "SELECT do_not_contact FROM patient WHERE practice_id = %(p)s AND id = %(i)s",
        p=case.practice_id,
        i=person.patient,
    )


def test_OPT_02_an_email_that_unsubscribes_leaves_the_telephone_alone(case: outbox.Case, now: datetime) -> None:
    person = texted(case, "email")
    writes(person, "", now, "one_click")
    people.read(person, now)
    point = people.point(person)
    assert (point["email_out_at"], point["sms_out_at"], point["call_out_at"]) == (now, None, None)
    method = db.value(
        "SELECT method FROM consent_event WHERE practice_id = %(p)s AND type = 'revoked'", p=case.practice_id
    )
    assert method == "one_click"


def test_OPT_04_a_stop_is_confirmed_once_and_only_at_once(case: outbox.Case, now: datetime) -> None:
    prompt, late, twice = texted(case), texted(case), texted(case)
    writes(prompt, "STOP", now)
    writes(late, "STOP", now - timedelta(minutes=6))
    writes(twice, "STOP", now)
    writes(twice, "STOP", now)
    replied = texted(case)
    writes(replied, "STOP", now, raw={"auto_replied": True})
    people.read(prompt, now)
    asked = db.values(
        "SELECT contact_point_id FROM message WHERE practice_id = %(p)s AND answers_event_id IS NOT NULL ORDER BY id", p=case.practice_id
    )  # fmt: skip
    assert asked == [prompt.point, twice.point]
    assert set(people.answers(case.practice_id)) == {
        "Maple Dental: You're unsubscribed and will get no more texts from us. Call 630-555-0100 with questions."
    }
    assert _sends(case.practice_id, now, answers=True) == {prompt.point, twice.point}


@pytest.mark.parametrize("slug", ["opt_out_confirmation", "help_reply"])
@pytest.mark.parametrize("language", ["en", "es", "vi"])
def test_OPT_04_the_answers_pass_the_lint(practice: Practice, now: datetime, slug: Any, language: str) -> None:
    words = answer.text(practice.id, slug, language, now)
    context = templates.lint_context(practice, "sms", "S", "es" if language == "es" else "en")
    assert [finding for finding in lint(words, context) if finding.severity == "E"] == []
    assert words.startswith("Maple Dental")


@pytest.mark.parametrize(
    "text", ["cancel my Tuesday appt", "can you stop by the office?", "please don't stop the texts"]
)
def test_OPT_01_a_doubtful_stop_goes_to_a_person_and_holds(case: outbox.Case, now: datetime, text: str) -> None:
    person = texted(case)
    writes(person, text, now)
    people.read(person, now)
    assert people.point(person)["held_at"] == now
    assert people.point(person)["sms_out_at"] is None
    assert ("maybe_optout", 2) in people.tasks(case.practice_id)
    intent_kept = db.value("SELECT intent FROM reply WHERE practice_id = %(p)s", p=case.practice_id)
    assert intent_kept == "maybe_optout"


def test_OPT_01_a_doubt_unread_for_one_business_day_becomes_an_opt_out(case: outbox.Case) -> None:
    friday = datetime(2027, 1, 15, 21, 0, tzinfo=UTC)  # 15:00 in Chicago, Monday is a holiday
    person = texted(case)
    writes(person, "can you stop by the office?", friday)
    people.read(person, friday)
    tuesday = datetime(2027, 1, 19, 21, 0, tzinfo=UTC)
    assert apply.expire_reviews_batch(case.practice_id, tuesday - timedelta(seconds=1)) == 0
    assert people.point(person)["sms_out_at"] is None
    assert apply.expire_reviews_batch(case.practice_id, tuesday) == 1
    assert people.point(person)["sms_out_at"] == friday
    assert people.enrolment(person) == ("stopped", "opted_out")
    assert apply.expire_reviews_batch(case.practice_id, tuesday) == 0


@pytest.mark.parametrize("stops", [True, False])
def test_a_person_who_has_read_it_decides(case: outbox.Case, now: datetime, stops: bool) -> None:  # noqa: FBT001
    person = texted(case)
    writes(person, "can you stop by the office?", now)
    people.read(person, now)
    task = db.value("SELECT id FROM task WHERE practice_id = %(p)s", p=case.practice_id)
    assert release.by_person(case.practice_id, task, "staff:7", stops=stops, why="read", now=now)
    assert not release.by_person(case.practice_id, task, "staff:7", stops=stops, why="again", now=now)
    point = people.point(person)
    assert (point["sms_out_at"] is not None) is stops
    assert (point["held_at"] is None) is not stops
    assert apply.expire_reviews_batch(case.practice_id, now + timedelta(days=9)) == 0


def test_a_person_releases_only_when_nothing_else_waits(case: outbox.Case, now: datetime) -> None:
    person = texted(case)
    writes(person, "what are your hours?", now)
    people.read(person, now)
    task = db.value("SELECT id FROM task WHERE practice_id = %(p)s", p=case.practice_id)
    writes(person, "hello?", now)
    release.by_person(case.practice_id, task, "staff:7", stops=False, why="answered", now=now)
    assert people.point(person)["held_at"] is not None


def test_NUM_01_a_wrong_number_rests_for_everybody_and_names_nobody(case: outbox.Case, now: datetime) -> None:
    person = texted(case)
    writes(person, "wrong #", now)
    people.read(person, now)
    assert people.point(person)["wrong_number_at"] == now
    assert people.tasks(case.practice_id) == [("wrong_number", 5)]
    assert people.answers(case.practice_id) == []
    assert people.enrolment(person)[0] == "waiting"  # nothing was said about the patient
    writes(person, "START", now + timedelta(days=1))
    people.read(person, now + timedelta(days=1))
    after = people.point(person)
    assert after["wrong_number_at"] == now
    assert after["held_at"] is not None
    assert (
        db.value(
            "SELECT count(*) FROM consent_event WHERE practice_id = %(p)s AND person_id IS NOT NULL", p=case.practice_id
        )
        == 0
    )


def test_PAT_03_a_death_stops_everything_at_the_first_signal(case: outbox.Case, now: datetime) -> None:
    person = texted(case)
    writes(person, "She passed away in March", now)
    people.read(person, now)
    standing = db.value(
        "SELECT standing FROM patient WHERE practice_id = %(p)s AND id = %(i)s", p=case.practice_id, i=person.patient
    )
    assert standing == "deceased"
    assert people.enrolment(person) == ("stopped", "deceased")
    assert people.tasks(case.practice_id) == [("deceased", 2)]
    assert people.answers(case.practice_id) == []
    assert _sends(case.practice_id, now) == set()


def test_PAT_03_when_it_may_be_one_of_several_all_of_them_rest_until_a_person_knows(
    practice: Practice, now: datetime
) -> None:
    first, second = make_patient(practice.id), make_patient(practice.id)
    phone = fictional_phone()
    point = make_point(practice.id, first, phone)
    insert(
        "patient_contact",
        practice_id=practice.id,
        patient_id=second,
        contact_point_id=point,
        label="home",
        source="test",
    )
    receive.receive(Inbound(practice.id, "sandbox", "in-death", "sms", phone, "", "my husband died last year"), now)
    apply.apply_batch(practice.id, now)
    rows = db.tuples("SELECT hold, standing FROM patient WHERE practice_id = %(p)s ORDER BY id", p=practice.id)
    assert rows == [("read_note", ""), ("read_note", "")]


def test_an_angry_reply_freezes_the_household_and_calls_the_owner(case: outbox.Case, now: datetime) -> None:
    home = insert("household", practice_id=case.practice_id, key="h1")
    person, son = texted(case), texted(case)
    db.run(
        "UPDATE patient SET household_id = %(h)s WHERE practice_id = %(p)s AND id = ANY(%(i)s)",
        h=home, p=case.practice_id, i=[person.patient, son.patient],
    )  # fmt: skip
    db.run(
        "UPDATE enrolment SET household_id = %(h)s WHERE practice_id = %(p)s AND patient_id = ANY(%(i)s)",
        h=home, p=case.practice_id, i=[person.patient, son.patient],
    )  # fmt: skip
    writes(person, "Worst dentist ever. That filling fell out in a week!!", now)
    people.read(person, now)
    hold = db.value(
        "SELECT hold FROM patient WHERE practice_id = %(p)s AND id = %(i)s", p=case.practice_id, i=person.patient
    )
    assert hold == "angry"
    assert ("angry", 1) in people.tasks(case.practice_id)
    assert people.enrolment(person) == people.enrolment(son) == ("stopped", "complaint")
    assert _sends(case.practice_id, now) == set()


@pytest.mark.parametrize(
    ("text", "standing", "reason", "task"),
    [
        ("We go to another dentist now", "transferred", "new_dentist", ("records", 6)),
        ("We moved to Arizona last year", "moved", "moved", ("contact_update", 6)),
        ("Not interested", "", "not_interested", ("reply", 7)),
        ("What are your hours?", "", "replied", ("reply", 4)),
        ("call me please", "", "replied", ("call_me", 3)),
    ],
)
def test_what_a_reply_says_ends_the_campaign_and_reaches_a_person(
    case: outbox.Case, now: datetime, text: str, standing: str, reason: str, task: tuple[str, int]
) -> None:  # fmt: skip
    person = texted(case)
    writes(person, text, now)
    people.read(person, now)
    kept = db.value(
        "SELECT standing FROM patient WHERE practice_id = %(p)s AND id = %(i)s", p=case.practice_id, i=person.patient
    )
    assert kept == standing
    assert people.enrolment(person) == ("stopped", reason)
    assert people.tasks(case.practice_id) == [task]
    assert people.point(person)["sms_out_at"] is None  # consent is untouched
    assert people.point(person)["held_at"] is not None


def test_PAT_01_who_moves_and_asks_to_stop_has_both_and_one_confirmation(case: outbox.Case, now: datetime) -> None:
    person = texted(case)
    writes(person, "We moved to Denver, take us off your list", now)
    people.read(person, now)
    standing = db.value("SELECT standing FROM patient WHERE practice_id = %(p)s AND id = %(i)s", p=case.practice_id, i=person.patient)  # fmt: skip
    assert (standing, people.point(person)["sms_out_at"]) == ("moved", now)
    assert people.enrolment(person) == ("stopped", "opted_out")
    assert len(people.answers(case.practice_id)) == 1


def test_an_exact_yes_to_our_question_releases_and_reaches_a_person(case: outbox.Case, now: datetime) -> None:
    person, other = texted(case, reply_question="book"), texted(case)
    writes(person, "Yes!", now)
    writes(other, "Yes!", now)
    people.read(person, now)
    assert people.point(person)["held_at"] is None
    assert people.point(other)["held_at"] is not None  # nothing was asked
    assert people.tasks(case.practice_id) == [("booking_request", 3)] * 2


def test_a_yes_does_not_release_what_was_said_before_it(case: outbox.Case, now: datetime) -> None:
    person = texted(case, reply_question="book")
    writes(person, "can you stop by the office?", now)
    writes(person, "yes", now + timedelta(seconds=5))
    people.read(person, now)
    assert people.point(person)["held_at"] is not None


def test_OPT_05_yes_after_a_stop_subscribes_nobody(case: outbox.Case, now: datetime) -> None:
    person = texted(case, reply_question="book")
    writes(person, "STOP", now)
    people.read(person, now)
    writes(person, "YES", now + timedelta(minutes=1))
    people.read(person, now + timedelta(minutes=1))
    point = people.point(person)
    assert (point["sms_out_at"], point["sms_level"]) == (now, 0)
    assert point["held_at"] is not None
    assert people.tasks(case.practice_id) == [("reply", 3)]


def test_OPT_05_yes_confirms_an_opt_in_that_waits_for_it(case: outbox.Case, now: datetime) -> None:
    person = texted(case)
    writes(person, "STOP", now)
    people.read(person, now)
    later = now + timedelta(days=2)
    grant.grant(case.practice_id, person.point, "sms", 2, Evidence("web", exact_text="Text me"), later)
    grant.grant(case.practice_id, person.point, "call", 2, Evidence("verbal", evidence_ref="call:3"), later)
    db.run(
        "UPDATE message SET reply_question = 'opt_in' WHERE practice_id = %(p)s AND id = %(m)s", p=case.practice_id, m=person.sent
    )  # fmt: skip
    writes(person, "yes", later)
    people.read(person, later)
    point = people.point(person)
    assert (point["sms_level"], point["sms_out_at"], point["held_at"]) == (2, None, None)


def test_OPT_05_start_brings_back_c2_and_help_says_who_we_are(case: outbox.Case, now: datetime) -> None:
    person, asker = texted(case), texted(case)
    writes(person, "STOP", now)
    people.read(person, now)
    writes(person, "START", now + timedelta(days=1))
    writes(asker, "HELP", now + timedelta(days=1))
    people.read(person, now + timedelta(days=1))
    point = people.point(person)
    assert (point["sms_level"], point["sms_out_at"], point["call_out_at"], point["held_at"]) == (2, None, None, None)
    assert any("Reply STOP to end" in text and "630-555-0100" in text for text in people.answers(case.practice_id))
    assert people.point(asker)["sms_out_at"] is None


def test_OPT_03_an_import_after_the_stop_leaves_the_number_resting(case: outbox.Case, now: datetime) -> None:
    person = texted(case)
    writes(person, "STOP", now)
    people.read(person, now)
    event = NewEvent(person.point, "sms", "granted", "import", 2, now + timedelta(days=300), evidence_ref="row:1")
    ledger.append(case.practice_id, [event], now + timedelta(days=400))
    assert people.point(person)["sms_out_at"] == now
    assert fold.compare(case.practice_id) == []


def test_a_word_that_cancels_also_tells_the_front_desk(case: outbox.Case, now: datetime) -> None:
    person = texted(case)
    writes(person, "cancel", now)
    people.read(person, now)
    assert people.point(person)["sms_out_at"] == now
    assert people.tasks(case.practice_id) == [("reply", 3)]


def test_one_event_that_breaks_does_not_hold_up_the_stop_behind_it(
    case: outbox.Case, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    broken, person = texted(case), texted(case)
    writes(broken, "boom", now)
    writes(person, "STOP", now)
    read = intent.read

    def stumble(text: str, question: str = "") -> intent.Reading:
        if text == "boom":
            raise RecursionError
        return read(text, question)

    monkeypatch.setattr(intent, "read", stumble)
    assert apply.apply_batch(case.practice_id, now) == 2
    assert people.point(person)["sms_out_at"] == now
    assert people.point(broken)["held_at"] is not None
    assert people.tasks(case.practice_id) == [("reply", 2)]
