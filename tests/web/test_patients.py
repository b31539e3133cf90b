from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from recare.base import db
from recare.patients import changes
from recare.practices.practice import Practice
from recare.segments import facts, listing, segment
from recare.web.patient_list.filters import Filters
from tests.conftest import SignIn, new_practice
from tests.factories import insert, make_patient, make_point, make_visit


def _people(practice: Practice, *names: str, **more: object) -> list[int]:
    made = []
    for name in names:
        first, _, last = name.partition(" ")
        patient = make_patient(practice.id, first_name=first, last_name=last, **more)
        make_visit(practice.id, patient, -500)
        made.append(patient)
    facts.rebuild([practice.id])
    return made


def _names(client: Client, query: str = "") -> list[str]:
    page = client.post("/patients/", dict(parse_qsl(query)), follow=True)
    assert page.status_code == 200
    return [line.name for line, _, _ in page.context["lines"]]


def test_what_is_searched_for_and_whom_a_page_ends_with_stand_in_no_address(
    practice: Practice, as_role: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    _people(practice, "Ada Quist", "Ben Quist", "Cy Quist")
    monkeypatch.setattr("recare.web.patient_list.page.PAGE", 2)
    client = as_role("front_desk")
    answer = client.post("/patients/", {"q": "quist", "order": "name"})
    typed = client.post("/patients/", {"q": "quist", "order": "name"}, headers={"HX-Request": "true"})
    first = client.get(answer.headers["Location"])
    addresses = [answer.headers["Location"], typed.headers["HX-Push-Url"], first.context["older"]]
    assert not [one for one in addresses if "quist" in one.casefold()]
    assert [line.name for line, _, _ in first.context["lines"]] == ["Quist, Ada", "Quist, Ben"]
    second = client.get(f"/patients/{first.context['older']}")
    assert [line.name for line, _, _ in second.context["lines"]] == ["Quist, Cy"]
    assert client.get(typed.headers["HX-Push-Url"]).context["asked"].q == "quist"


def test_every_look_at_the_list_is_on_the_trail_without_the_words_searched_for(
    practice: Practice, as_role: SignIn
) -> None:
    _people(practice, "Ada Example")
    as_role("front_desk").post("/patients/", {"q": "Exam", "reach": "sms"}, follow=True)
    detail = db.value("SELECT detail FROM audit_entry WHERE verb = 'viewed a list' AND object = 'patients'")
    assert detail == {"filters": ["q", "reach"], "order": "priority", "shown": 0, "further": False}


@pytest.mark.parametrize(
    ("role", "status"),
    [("owner", 200), ("manager", 200), ("front_desk", 200), ("clinician", 200), ("auditor", 200), ("group_admin", 403)],
)
def test_who_may_see_lists_and_patients(practice: Practice, as_role: SignIn, role: str, status: int) -> None:
    [patient] = _people(practice, "Ada Example")
    client = as_role(role)
    assert client.get("/patients/").status_code == status
    assert client.get(f"/patients/{patient}/").status_code == status


def test_nobody_sees_patients_without_signing_in() -> None:
    assert Client().get("/patients/").headers["Location"].startswith("/sign-in/")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("garc", ["Garcia Lopez, Ana"]), ("LOPEZ ana", ["Garcia Lopez, Ana"]), ("lopez, a", ["Garcia Lopez, Ana"]), ("bea", ["Quist, Bea"]),
        ("beatrix", ["Quist, Bea"]), ("gracia", ["Garcia Lopez, Ana"]), ("0137", ["Garcia Lopez, Ana"]), ("(630) 555-0137", ["Garcia Lopez, Ana"]),
        ("5550137", ["Garcia Lopez, Ana"]), ("16305550137", ["Garcia Lopez, Ana"]), ("630 555", ["Garcia Lopez, Ana"]), ("X-99", ["Quist, Bea"]),
        ("nobody", []), ("9999", []),
    ],
)  # fmt: skip
def test_a_patient_is_found_by_part_of_a_name_a_number_or_the_chart_number(
    practice: Practice, as_role: SignIn, query: str, expected: list[str]
) -> None:
    ana, bea = _people(practice, "Ana Garcia", "Beatrix Quist")
    db.run("UPDATE patient SET last_name = 'Garcia Lopez' WHERE id = %(id)s", id=ana)
    db.run("UPDATE patient SET preferred_name = 'Bea', source_key = 'X-99' WHERE id = %(id)s", id=bea)
    make_point(practice.id, ana, "+16305550137")
    assert _names(as_role("front_desk"), f"q={query}&order=name") == expected


@pytest.mark.parametrize(
    "query",
    [
        "q=%25", "q=_", "q=%5C", "q='%3B DROP TABLE patient%3B--", "q=%00", "q=%25(word0)s", "q=" + "a" * 500, "q=%F0%9F%A6%B7", "q=(((((", "q=%20%20",
        "q=1%2B1", "q=" + "9" * 80, "band=nonsense", "segment=..%2F..", "order=name%3B--", "reach[]=x", "standing=%00", "cursor=x", "cursor=[1]",
        "cursor=[%22nan%22,1]", "cursor=[1,99999999999999999999999]", "order=last_visit&cursor=[%22soon%22,1]", "order=name&cursor=[%22%5Cu0000%22,1]",
        "order=name&cursor=[{},1]", "cursor=" + "[" * 150,
    ],
)  # fmt: skip
@pytest.mark.parametrize("kept", [False, True])
def test_hostile_addresses_find_nobody_or_start_the_list_again(
    practice: Practice, as_role: SignIn, monkeypatch: pytest.MonkeyPatch, now: datetime, query: str, *, kept: bool
) -> None:
    _people(practice, "Ada Example", "Ben Example")
    if kept:
        monkeypatch.setattr(listing, "LIVE_UP_TO", 0)
        copied(practice, now)
    client = as_role("owner")
    asked = dict(parse_qsl(query, keep_blank_values=True))
    assert client.get(f"/patients/?{query}", follow=True).status_code == 200
    assert client.post("/patients/", asked, follow=True).status_code == 200
    kept_at: dict[str, Any] = {name: asked[name] for name in ("cursor", "order") if name in asked}
    page = client.get(f"/patients/?{Filters(**kept_at).address()}")
    assert page.status_code in {200, 302}
    assert page.status_code == 200 or "cursor" not in page.headers["Location"]


def test_wildcards_are_letters(practice: Practice, as_role: SignIn) -> None:
    _people(practice, "Ada Example", "Ben 100%sure")
    assert _names(as_role("owner"), "q=%25") == ["100%sure, Ben"]
    assert _names(as_role("manager"), "q=_") == []


def test_filters_narrow_and_add_up(practice: Practice, as_role: SignIn, now: datetime) -> None:
    ada, ben, cy, _ = _people(practice, "Ada A", "Ben B", "Cy C", "Dee D")
    make_point(practice.id, ada, sms_level=2)
    make_visit(practice.id, ben, 20, "scheduled")
    db.run("UPDATE patient SET birthdate = %(born)s WHERE id = %(id)s", born=date(1940, 1, 1), id=cy)
    db.run("UPDATE patient SET standing = 'moved' WHERE id = %(id)s", id=cy)
    facts.rebuild([practice.id])
    segment.install(practice.id, now)
    owner = as_role("owner")
    assert _names(owner, "order=name") == ["A, Ada", "B, Ben", "C, Cy", "D, Dee"]
    assert _names(owner, "reach=sms") == ["A, Ada"]
    assert _names(owner, "visit=yes") == ["B, Ben"]
    assert _names(owner, "visit=no&age=senior") == ["C, Cy"]
    assert _names(owner, "standing=moved") == ["C, Cy"]
    assert _names(owner, "standing=closed") == ["C, Cy"]
    assert _names(owner, "band=lapsed&order=name") == ["A, Ada", "B, Ben", "C, Cy", "D, Dee"]
    assert _names(owner, "segment=inactive&order=name") == ["A, Ada", "D, Dee"]
    assert _names(owner, "band=active") == []


def test_the_counts_say_whom_each_way_reaches(practice: Practice, as_role: SignIn) -> None:
    ada, ben = _people(practice, "Ada A", "Ben B")
    make_point(practice.id, ada, "ada@example.com", email_level=2)
    make_point(practice.id, ben, sms_level=2)
    facts.rebuild([practice.id])
    page = as_role("owner").get("/patients/", headers={"HX-Request": "true"})
    assert page.context["figures"][0] == ("patients", "2")
    assert {("text", "1"), ("e-mail", "1")} <= set(page.context["figures"])
    assert b"<html" not in page.content


def copied(practice: Practice, now: datetime) -> None:
    """Let pages read the list from its copy, on the day it was made for."""
    db.run("UPDATE practice SET clock_at = %(now)s WHERE id = %(id)s", now=now, id=practice.id)
    assert listing.refresh_batch(practice.id, now)


@pytest.mark.parametrize("kept", [False, True])
def test_those_who_can_be_invited_stand_first(
    practice: Practice, as_role: SignIn, monkeypatch: pytest.MonkeyPatch, now: datetime, *, kept: bool
) -> None:
    ada, ben, cy, dee = _people(practice, "Ada Booked", "Ben Free", "Cy Unreachable", "Dee Moved")
    for patient in (ada, ben, dee):
        make_point(practice.id, patient, sms_level=2)
        make_visit(practice.id, patient, -500)
    make_visit(practice.id, ada, 20, "scheduled")
    for day in (-40, -200, -380):  # whoever comes regularly scores highest
        make_visit(practice.id, ada, day)
    db.run("UPDATE patient SET standing = 'moved' WHERE id = %(id)s", id=dee)
    facts.rebuild([practice.id])
    if kept:
        monkeypatch.setattr(listing, "LIVE_UP_TO", 0)
        copied(practice, now)
    page = as_role("front_desk").get("/patients/")
    shown = [line.patient_id for line, _, _ in page.context["lines"]]
    assert shown[:2] == [ben, ada]
    assert page.context["lines"][1][0].priority_cents > page.context["lines"][0][0].priority_cents
    assert set(shown[2:]) == {cy, dee}


def test_a_count_that_is_remembered_is_right_after_every_change_of_the_list(
    practice: Practice, as_role: SignIn, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    [ada, _] = _people(practice, "Ada A", "Ben B")
    facts.rebuild([practice.id])
    monkeypatch.setattr(listing, "LIVE_UP_TO", 0)
    monkeypatch.setattr("recare.web.patient_list.rows.PAGE", 1)
    monkeypatch.setattr("recare.web.patient_list.page.PAGE", 1)
    copied(practice, now)
    owner = as_role("owner")

    def reached() -> tuple[int, int]:
        count = owner.get("/patients/").context["count"]
        return count.total, count.sms

    def sparse() -> list[str]:  # not found among the first rows: everything is read
        return [
            line.name
            for line, _, _ in owner.get(f"/patients/?{Filters(q='A', order='name').address()}").context["lines"]
        ]

    assert (reached(), reached()) == ((2, 0), (2, 0))
    with CaptureQueriesContext(connection) as asked:
        reached()
    assert not [query for query in asked.captured_queries if "count(*) AS total" in query["sql"]]
    assert sparse() == sparse() == ["A, Ada"]
    make_point(practice.id, ada, sms_level=2)
    changes.mark(practice.id, [ada])
    db.run("UPDATE patient SET last_name = 'Zulu' WHERE id = %(id)s", id=ada)
    facts.refresh(practice.id)
    assert reached() == (2, 1)
    assert sparse() == ["Zulu, Ada"]
    assert _people(practice, "Cy C")
    facts.rebuild([practice.id])
    assert reached()[0] == 3
    listing.refresh_batch(practice.id, now)
    assert reached()[0] == 3


@pytest.mark.parametrize("order", ["priority", "name", "last_visit"])
@pytest.mark.parametrize("kept", [False, True])
def test_pages_follow_each_other_without_gap_or_repeat(
    practice: Practice, as_role: SignIn, monkeypatch: pytest.MonkeyPatch, now: datetime, order: str, *, kept: bool
) -> None:
    people = _people(practice, *(f"Ada Example{at % 7}" for at in range(125)))
    for at, patient in enumerate(people[:60]):
        make_visit(practice.id, patient, -30 * (at % 9) - 3)
    facts.rebuild([practice.id])
    if kept:
        monkeypatch.setattr(listing, "LIVE_UP_TO", 0)
        monkeypatch.setattr("recare.web.patient_list.rows.WALKED", 60)
        copied(practice, now)
    client, address, seen = as_role("owner"), f"?order={order}", []
    while address:
        page = client.get(f"/patients/{address}")
        seen += [line.patient_id for line, _, _ in page.context["lines"]]
        address = page.context["older"]
    assert len(seen) == len(set(seen)) == 125
    if order == "name":
        names = [db.value("SELECT last_name FROM patient WHERE id = %(id)s", id=patient) for patient in seen]
        assert names == sorted(names)


def test_one_patient_or_three_cost_the_same_number_of_queries(practice: Practice, as_role: SignIn) -> None:
    client = as_role("owner")
    [first] = _people(practice, "Ada A")
    client.get("/patients/")
    with CaptureQueriesContext(connection) as one:
        client.get("/patients/")
    with CaptureQueriesContext(connection) as one_detail:
        client.get(f"/patients/{first}/")
    for name in ("Ben B", "Cy C"):
        [patient] = _people(practice, name)
        make_point(practice.id, patient, sms_level=2)
    for _ in range(2):
        make_point(practice.id, first, sms_level=1)
        make_visit(practice.id, first, -90)
    facts.rebuild([practice.id])
    with CaptureQueriesContext(connection) as three:
        client.get("/patients/")
    with CaptureQueriesContext(connection) as three_detail:
        client.get(f"/patients/{first}/")
    assert len(three) <= len(one)
    assert len(three_detail) <= len(one_detail) + 2  # the first number brings its own questions, further ones none


def test_who_is_not_due_yet_stands_behind_who_is(practice: Practice, as_role: SignIn, now: datetime) -> None:
    ada, ben, cy = _people(practice, "Ada Lapsed", "Ben Recent", "Cy Perio")
    for patient in (ada, ben, cy):
        make_point(practice.id, patient, sms_level=2)
    for patient in (ben, cy):
        for days in (-90, -180):
            make_visit(practice.id, patient, days)
    insert(
        "recall", practice_id=practice.id, source="test", source_key="1", patient_id=cy, kind="perio", interval_months=3,
        due_on=now.date() - timedelta(days=2),
    )  # fmt: skip
    facts.rebuild([practice.id])
    names = _names(as_role("front_desk"))
    assert names[-1] == "Recent, Ben"


def test_a_stranger_practice_is_not_there(practice: Practice, as_role: SignIn) -> None:
    stranger = new_practice()
    with db.scope(stranger.id):
        theirs = make_patient(stranger.id, last_name="Secretname")
        make_visit(stranger.id, theirs, -500)
        facts.rebuild([stranger.id])
    client = as_role("owner")
    assert client.get(f"/patients/{theirs}/").status_code == 404
    assert _names(client, "q=Secretname") == []
