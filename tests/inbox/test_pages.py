"""The inbox: who needs a person comes first, and a decision is made once, by a person, with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from recare.base import db
from recare.practices import practice as practices
from recare.practices import staff
from recare.practices.practice import Practice
from tests.inbox import people
from tests.inbox.people import Person
from tests.messages.outbox import Case

SignIn = Callable[..., Client]


@pytest.fixture
def case(practice: Practice, now: datetime) -> Case:
    practices.set_clock(practice.id, now)
    return people.make_case(practice.id)


@pytest.fixture
def sign_in(practice: Practice, now: datetime, settings: Settings) -> SignIn:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # slow hashes are tested at the door

    def signed(role: str = "front_desk") -> Client:
        email, client = f"{role}-{practice.slug}@example.com", Client()
        staff.create_user(email, "correct horse battery", role, practice.slug, now)
        client.post("/sign-in/", {"email": email, "password": "correct horse battery"})
        return client

    return signed


def says(case: Case, words: str, now: datetime, channel: Any = "sms") -> Person:
    person = people.texted(case, "email" if channel == "email" else "sms")
    people.writes(person, words, now, channel)
    people.read(person, now)
    return person


def task_of(person: Person) -> int:
    return int(
        db.value(
            "SELECT id FROM task WHERE practice_id = %(p)s AND contact_point_id = %(c)s AND done_at IS NULL ORDER BY id LIMIT 1",
            p=person.practice_id, c=person.point,
        )
    )  # fmt: skip


def decide(client: Client, person: Person, decision: str, why: str = "", task: int | None = None) -> Any:
    form = {"task": task or task_of(person), "decision": decision, "why": why}
    return client.post(f"/inbox/{person.point}/decide/", form, follow=True)


def test_angry_comes_first_then_doubt_questions_call_me_and_what_is_settled_last(
    case: Case, sign_in: SignIn, now: datetime
) -> None:
    settled = says(case, "STOP", now)
    call_me = says(case, "Call me after 5", now)
    question = says(case, "How much is a cleaning?", now)
    doubt = says(case, "how do I stop these?", now)
    angry = says(case, "Your receptionist was rude and I am furious", now)
    page = sign_in().get("/inbox/").content.decode()
    places = [page.index(f'"/inbox/{person.point}/') for person in (angry, doubt, question, call_me, settled)]
    assert places == sorted(places)
    assert "4 for a person" in page


def test_a_task_leads_to_the_words_it_is_about(case: Case, sign_in: SignIn, now: datetime) -> None:
    person = says(case, "How much is a cleaning?", now)
    client = sign_in()
    answer = client.get(f"/inbox/?task={task_of(person)}")
    [event] = db.values("SELECT id FROM inbound_event WHERE practice_id = %(p)s", p=case.practice_id)
    assert answer["Location"] == f"/inbox/{person.point}/#event-{event}"
    assert client.get("/inbox/?task=999999").status_code == 404
    assert client.get("/inbox/?task=abc").status_code == 404


def test_a_conversation_shows_both_sides_what_was_understood_and_the_hold(
    case: Case, sign_in: SignIn, now: datetime
) -> None:
    person = says(case, "How much is a <b>cleaning</b>?", now)
    page = sign_in().get(f"/inbox/{person.point}/").content.decode()
    for shown in (
        "it&#x27;s been a while",
        "How much is a &lt;b&gt;cleaning&lt;/b&gt;?",
        "asks something",
        "rules-1",
        ">held<",
    ):
        assert shown in page
    assert "/p/book/x" in page
    assert sign_in("owner").get("/inbox/999999/").status_code == 404


def test_a_stop_read_by_a_person_counts_from_when_it_came_in(case: Case, sign_in: SignIn, now: datetime) -> None:
    person = says(case, "how do I stop these?", now)
    practices.set_clock(case.practice_id, now + timedelta(hours=3))
    decide(sign_in(), person, "stop")
    assert people.point(person)["sms_out_at"] == now
    assert people.enrolment(person) == ("stopped", "opted_out")
    assert people.tasks(case.practice_id) == []


def test_no_stop_needs_a_reason_and_releases_the_hold(case: Case, sign_in: SignIn, now: datetime) -> None:
    person, client = says(case, "how do I stop these?", now), sign_in()
    decide(client, person, "go_on")
    assert people.point(person)["held_at"] is not None
    decide(client, person, "go_on", why="meant the tea")
    assert people.point(person)["held_at"] is None
    assert people.point(person)["sms_out_at"] is None


def test_the_second_click_decides_nothing(case: Case, sign_in: SignIn, now: datetime) -> None:
    person, client = says(case, "how do I stop these?", now), sign_in()
    task = task_of(person)
    decide(client, person, "go_on", why="asked them", task=task)
    page = decide(client, person, "stop", task=task).content.decode()
    assert "decided that already" in page
    assert people.point(person)["sms_out_at"] is None


def test_a_task_of_another_conversation_is_not_decided_here(case: Case, sign_in: SignIn, now: datetime) -> None:
    person, other = says(case, "Why?", now), says(case, "how do I stop these?", now)
    decide(sign_in(), person, "stop", task=task_of(other))
    assert people.point(other)["sms_out_at"] is None


def test_NUM_01_a_wrong_number_rests_and_somebody_looks_for_the_right_one(  # noqa: N802
    case: Case, sign_in: SignIn, now: datetime
) -> None:
    person = says(case, "I have no idea what this is?", now)
    decide(sign_in(), person, "wrong_number")
    assert people.point(person)["wrong_number_at"] is not None
    assert people.tasks(case.practice_id) == [("contact_update", 6)]


def test_D28_an_unhappy_patient_is_handed_to_the_owner_and_the_household_rests(  # noqa: N802
    case: Case, sign_in: SignIn, now: datetime
) -> None:
    person = says(case, "I waited an hour last time, why?", now)
    decide(sign_in(), person, "owner")
    assert people.tasks(case.practice_id) == [("angry", 1)]
    assert people.enrolment(person)[0] == "stopped"
    assert people.point(person)["held_at"] is not None
    assert db.value("SELECT hold FROM patient WHERE practice_id = %(p)s AND id = %(i)s", p=case.practice_id, i=person.patient) == "angry"  # fmt: skip


def test_an_answer_names_the_practice_leaves_as_a_service_message_and_settles_the_question(
    case: Case, sign_in: SignIn, now: datetime
) -> None:
    person = says(case, "How much is a cleaning?", now)
    form = {"patient": person.patient, "text": "We are happy to go over it with you. Ring us any time.", "go_on": "on"}
    client = sign_in()
    for _ in range(2):  # the second click finds nothing left to answer
        client.post(f"/inbox/{person.point}/reply/", form)
    assert people.answers(case.practice_id) == ["Maple Dental: We are happy to go over it with you. Ring us any time."]
    assert people.point(person)["held_at"] is None
    assert people.tasks(case.practice_id) == []


def test_an_answer_never_settles_what_may_be_a_stop(case: Case, sign_in: SignIn, now: datetime) -> None:
    person = says(case, "how do I stop these?", now)
    form = {"patient": person.patient, "text": "Shall we stop writing to you?", "go_on": "on"}
    sign_in().post(f"/inbox/{person.point}/reply/", form)
    assert len(people.answers(case.practice_id)) == 1
    assert people.tasks(case.practice_id) == [("maybe_optout", 2)]
    assert people.point(person)["held_at"] is not None


def test_COM_4_an_answer_with_health_details_is_refused_with_the_reason(  # noqa: N802
    case: Case, sign_in: SignIn, now: datetime
) -> None:
    person = says(case, "How much is it?", now)
    words = "Your root canal and the crown are 900 dollars."
    answer = sign_in().post(f"/inbox/{person.point}/reply/", {"patient": person.patient, "text": words})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert people.answers(case.practice_id) == []


def test_words_older_than_a_day_are_answered_by_phone(case: Case, sign_in: SignIn, now: datetime) -> None:
    person = says(case, "How much is a cleaning?", now)
    practices.set_clock(case.practice_id, now + timedelta(hours=25))
    client = sign_in()
    assert "Ring them." in client.get(f"/inbox/{person.point}/").content.decode()
    client.post(f"/inbox/{person.point}/reply/", {"patient": person.patient, "text": "About 90 dollars."})
    assert people.answers(case.practice_id) == []


def test_a_call_from_the_inbox_counts_like_any_other(case: Case, sign_in: SignIn, now: datetime) -> None:
    person = says(case, "Call me after 5", now)
    form = {"patient": person.patient, "outcome": "left_message", "note": "tries again"}
    client = sign_in()
    client.post(f"/inbox/{person.point}/call/", form)
    assert db.tuples("SELECT outcome, call_id, note FROM call_outcome WHERE practice_id = %(p)s", p=case.practice_id) == [("left_message", None, "tries again")]  # fmt: skip
    assert client.post(f"/inbox/{person.point}/call/", form | {"patient": 0}).status_code == 422


def test_a_hold_about_which_nothing_waits_is_released_with_a_reason(case: Case, sign_in: SignIn, now: datetime) -> None:
    person = says(case, "Call me after 5", now)
    db.run("UPDATE task SET done_at = %(n)s WHERE practice_id = %(p)s", n=now, p=case.practice_id)
    client = sign_in()
    client.post(f"/inbox/{person.point}/release/", {"why": " "})
    assert people.point(person)["held_at"] is not None
    client.post(f"/inbox/{person.point}/release/", {"why": "we rang"})
    assert people.point(person)["held_at"] is None


def test_somebody_unknown_who_writes_is_shown_too(
    case: Case, practice: Practice, sign_in: SignIn, now: datetime
) -> None:
    from recare.inbox.receive import Inbound, receive

    receive(Inbound(practice.id, "sandbox", "x1", "sms", "+13125550177", "", "who are you"), now)
    client = sign_in()
    assert "Somebody we do not know" in client.get("/inbox/").content.decode()
    [point] = db.values("SELECT contact_point_id FROM inbound_event WHERE practice_id = %(p)s", p=practice.id)
    assert client.get(f"/inbox/{point}/").status_code == 200


def test_automatic_answers_are_settled_by_one_press_and_nothing_else_is(
    case: Case, sign_in: SignIn, now: datetime
) -> None:
    away, both = people.texted(case, "email"), people.texted(case, "email")
    for person in (away, both):
        people.writes(person, "I am out until Monday.", now, "email", raw={"automatic": True})
    people.writes(both, "Do you take my plan?", now, "email")
    people.read(away, now)
    desk = sign_in()
    page = desk.get("/inbox/").content.decode()
    assert "I have read it: automation may go on" in page
    desk.post("/inbox/automatic/", {"point": [away.point, both.point, "x", 999999999999999999999999999999]})
    assert people.point(away)["held_at"] is None
    assert people.point(both)["held_at"] is not None
    assert "Automatic answers" not in desk.get("/inbox/").content.decode()


def test_a_mail_shows_where_it_came_from_and_what_it_quotes_without_working_links(
    case: Case, sign_in: SignIn, now: datetime
) -> None:
    person = people.texted(case, "email")
    whole = "Yes\n\n> Book: https://go.example.com/p/book/abcdefghijklmnopqrstuv"
    people.writes(person, "Yes", now, "email", raw={"from": "ada.at.work@example.org", "text": whole})
    people.read(person, now)
    page = sign_in().get(f"/inbox/{person.point}/").content.decode()
    assert "from ada.at.work@example.org" in page
    assert "The whole e-mail" in page
    assert "abcdefghijklmnopqrstuv" not in page
