"""Nobody takes the patient list out alone (D21), and whatever leaves says who took it, what for, and how much."""

from __future__ import annotations

import csv
import io
import threading
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.test import Client
from pytest_django.fixtures import Settings

from recare.base import db, spreadsheet
from recare.practices import exports, staff
from recare.practices import practice as practices
from recare.practices.exports import Asked, Export, ExportError, Who
from recare.practices.practice import Practice
from recare.segments import facts, segment
from recare.web.patient_list.filters import Filters
from tests.factories import make_patient, make_point, make_visit

LIMIT = 3
GOOD = {"purpose": "quality", "reason": "Compare our charts with the practice system."}
Staffed = Callable[..., Client]


@pytest.fixture
def practice(practice: Practice, now: datetime) -> Practice:
    db.run("UPDATE practice SET export_limit = %(l)s, clock_at = %(n)s WHERE id = %(p)s", l=LIMIT, n=now, p=practice.id)
    return practices.get(practice.id)


@pytest.fixture
def people(practice: Practice) -> list[int]:
    """Five patients, one of whom a spreadsheet would run."""
    made = [
        make_patient(practice.id, first_name=f"Ann{at}", last_name=f"Echo{at}", source_key=f"c{at}") for at in range(4)
    ]
    made.append(make_patient(practice.id, first_name="=1+2", last_name='@SUM(A1),"x"', source_key="c4"))
    for patient in made:
        make_visit(practice.id, patient, -900)
        make_point(practice.id, patient)
    facts.rebuild([practice.id])
    return made


@pytest.fixture
def enter(practice: Practice, now: datetime, settings: Settings) -> Staffed:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

    def entered(name: str, role: str, at: datetime | None = None) -> Client:
        email, client = address(practice, name), Client()
        staff.create_user(email, "correct horse battery", role, practice.slug, at or now - timedelta(days=90))
        client.post("/sign-in/", {"email": email, "password": "correct horse battery"})
        return client

    return entered


def address(practice: Practice, name: str) -> str:
    return f"{name}-{practice.slug}@example.com"


def clock(practice: Practice, at: datetime) -> None:
    db.run("UPDATE practice SET clock_at = %(at)s WHERE id = %(p)s", at=at, p=practice.id)


def rows(answer: Any) -> list[dict[str, str]]:
    body = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(body)))


def searched(name: str) -> str:
    return "&" + Filters(q=name).address()


def export(client: Client, query: str = "", **form: str) -> Any:
    return client.post(f"/exports/new/?kind=patients{query}", GOOD | form)


def asks(client: Client, query: str = "") -> str:
    """Ask for more than the limit; return the address of the request."""
    answer = export(client, query)
    assert answer.status_code == 302, answer.content
    return str(answer.headers["Location"])


def trail(practice: Practice, verb: str) -> list[tuple[str, dict[str, Any]]]:
    return db.tuples("SELECT actor, detail FROM audit_entry WHERE practice_id = %(p)s AND verb = %(v)s ORDER BY seq", p=practice.id, v=verb)  # fmt: skip


def test_SEC_05_a_small_export_leaves_at_once_with_purpose_count_and_hash_on_the_trail(  # noqa: N802
    practice: Practice, people: list[int], enter: Staffed
) -> None:
    owner = enter("olga", "owner")
    found = rows(export(owner, searched("Echo1")))
    assert [(row["chart number"], row["family name"], row["first name"]) for row in found] == [("c1", "Echo1", "Ann1")]
    [(who, detail)] = trail(practice, "exported patients")
    assert who == address(practice, "olga")
    assert (detail["rows"], detail["purpose"], len(detail["sha256"])) == (1, "quality", 64)


def test_a_list_names_nobodys_number_address_or_birth_date(
    people: list[int], enter: Staffed, practice: Practice
) -> None:
    head = set(rows(export(enter("olga", "owner"), searched("Echo1")))[0])
    assert head == set(patient_head())
    numbers = db.values("SELECT address FROM contact_point WHERE practice_id = %(p)s", p=practice.id)
    body = str(rows(export(enter("max", "manager"), searched("Echo2"))))
    assert numbers
    assert not [number for number in numbers if number.lstrip("+") in body]


def patient_head() -> list[str]:
    return [
        "chart number", "family name", "first name", "preferred name", "standing", "on hold", "band", "last visit", "next visit", "recall due",
        "days overdue", "reached by", "priority, dollars",
    ]  # fmt: skip


def test_no_cell_of_an_export_starts_a_formula(people: list[int], enter: Staffed) -> None:
    [row] = rows(export(enter("olga", "owner"), searched("SUM")))
    assert (row["family name"], row["first name"]) == ('\'@SUM(A1),"x"', "'=1+2")


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"), ("+1 630", "'+1 630"), ("-2+3", "'-2+3"), ("@x", "'@x"), ("\t=1", "'\t=1"), ("\r=1", "'\r=1"),
        ("  =1", "'  =1"), ("\uff1d1+1", "'\uff1d1+1"), ("-12.5", "-12.5"), ("+16305550100", "+16305550100"), ("Ann", "Ann"), ("", ""), ("O'Hara", "O'Hara"),
    ],
)  # fmt: skip
def test_what_starts_a_formula_is_defused_and_nothing_else_is_touched(cell: str, kept: str) -> None:
    assert spreadsheet.harmless(cell) == kept


@pytest.mark.parametrize("form", [{"purpose": ""}, {"purpose": "campaigning for mayor"}, {"reason": "because"}])
def test_an_export_without_a_purpose_does_not_happen(
    form: dict[str, str], practice: Practice, people: list[int], enter: Staffed
) -> None:
    assert export(enter("olga", "owner"), searched("Echo1"), **form).status_code == 422
    assert exports.recent(practice.id) == []


@pytest.mark.parametrize("role", ["front_desk", "clinician", "group_admin"])
def test_who_may_not_export_is_told_so_and_is_not_offered_it(role: str, people: list[int], enter: Staffed) -> None:
    client = enter("dana", role)
    assert export(client).status_code == 403
    assert client.get("/exports/").status_code == 403
    assert b"Export this list" not in client.get("/patients/").content


def test_above_the_limit_a_second_person_approves_and_the_file_is_fetched_once_by_whoever_asked(
    practice: Practice, people: list[int], enter: Staffed, now: datetime
) -> None:
    max_, olga = enter("max", "manager"), enter("olga", "owner")
    page = asks(max_)
    assert max_.post(f"{page}file/").headers["Location"] == page  # nobody has approved yet
    assert b"waits for a second person" in max_.get(page).content
    assert page.encode() in olga.get("/").content
    assert page.encode() not in max_.get("/").content
    olga.post(f"{page}decide/", {"answer": "approve"})
    assert page.encode() in max_.get("/").content
    assert olga.post(f"{page}file/").headers["Location"] == page  # approving is not fetching
    assert len(rows(max_.post(f"{page}file/"))) == 5
    assert max_.post(f"{page}file/").headers["Location"] == page
    assert b"good for one file" in max_.get(page).content
    assert [who for who, _ in trail(practice, "approved an export")] == [address(practice, "olga")]
    assert [detail["rows"] for _, detail in trail(practice, "exported patients")] == [5]
    assert trail(practice, "asked for an export")[0][1] == {
        "kind": "patients", "people": 5, "purpose": "quality", "nobody_else_could_approve": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asker", "second", "approves", "refuses"),
    [
        ("owner", "owner", True, True), ("owner", "manager", False, True), ("owner", "auditor", False, True), ("manager", "owner", True, True),
        ("manager", "manager", True, True), ("manager", "auditor", False, True), ("auditor", "auditor", True, True), ("auditor", "owner", True, True),
    ],
)  # fmt: skip
def test_nobody_approves_for_somebody_with_more_rights_but_anybody_else_may_refuse(
    *, asker: str, second: str, approves: bool, refuses: bool, practice: Practice, people: list[int], enter: Staffed
) -> None:
    first, other = enter("ada", asker), enter("ben", second)
    page = asks(first)
    other.post(f"{page}decide/", {"answer": "approve"})
    assert bool(trail(practice, "approved an export")) is approves
    page = asks(first)
    other.post(f"{page}decide/", {"answer": "refuse"})
    assert bool(trail(practice, "refused an export")) is refuses
    assert first.post(f"{page}file/").headers["Location"] == page


def test_nobody_approves_their_own_export_not_even_in_the_database(
    practice: Practice, people: list[int], enter: Staffed, now: datetime
) -> None:
    olga = enter("olga", "owner")
    page = asks(olga)
    olga.post(f"{page}decide/", {"answer": "approve"})
    assert trail(practice, "approved an export") == []
    for forged in (
        "decision = 'approved', decided_at = %(n)s, decided_by = upper(requested_by)",
        "fetched_at = %(n)s",
        "fetched_at = opens_at - interval '1 second'",
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            db.run(f"UPDATE export_request SET {forged} WHERE practice_id = %(p)s", n=now, p=practice.id)


def test_a_second_sign_in_made_after_the_request_approves_nothing(
    practice: Practice, people: list[int], enter: Staffed, now: datetime
) -> None:
    page = asks(enter("olga", "owner"))
    enter("olgas-other-self", "owner", now + timedelta(minutes=1)).post(f"{page}decide/", {"answer": "approve"})
    desk = enter("dana", "front_desk")
    staff.create_user(
        address(practice, "dana"), "", "owner", practice.slug, now + timedelta(minutes=1)
    )  # promoted for it
    desk.post(f"{page}decide/", {"answer": "approve"})
    assert trail(practice, "approved an export") == []


def test_a_practice_with_one_owner_waits_three_days_in_everybodys_sight(
    practice: Practice, people: list[int], enter: Staffed, now: datetime
) -> None:
    olga, max_ = enter("olga", "owner"), enter("max", "manager")
    page = asks(olga)
    assert trail(practice, "asked for an export")[0][1]["nobody_else_could_approve"] is True
    assert page.encode() in max_.get("/").content
    clock(practice, now + timedelta(hours=71))
    assert olga.post(f"{page}file/").headers["Location"] == page
    clock(practice, now + timedelta(hours=73))
    assert len(rows(olga.post(f"{page}file/"))) == 5
    page = asks(olga)
    max_.post(f"{page}decide/", {"answer": "refuse"})
    clock(practice, now + timedelta(hours=73 + 73))
    assert olga.post(f"{page}file/").headers["Location"] == page


def test_an_approved_file_that_is_not_fetched_within_a_day_is_gone(
    practice: Practice, people: list[int], enter: Staffed, now: datetime
) -> None:
    max_ = enter("max", "manager")
    page = asks(max_)
    enter("olga", "owner").post(f"{page}decide/", {"answer": "approve"})
    clock(practice, now + timedelta(hours=25))
    assert max_.post(f"{page}file/").headers["Location"] == page
    assert b"lapsed" in max_.get(page).content


def test_a_request_nobody_decides_about_lapses_after_a_week(
    practice: Practice, people: list[int], enter: Staffed, now: datetime
) -> None:
    max_, olga = enter("max", "manager"), enter("olga", "owner")
    page = asks(max_)
    clock(practice, now + timedelta(days=8))
    olga.post(f"{page}decide/", {"answer": "approve"})
    assert trail(practice, "approved an export") == []
    assert page.encode() not in olga.get("/").content


def test_many_small_exports_are_one_large_one(
    practice: Practice, people: list[int], enter: Staffed, now: datetime
) -> None:
    olga = enter("olga", "owner")
    for number in range(LIMIT):
        assert export(olga, searched(f"Echo{number}")).status_code == 200
    assert export(olga, searched("Echo3")).status_code == 302
    clock(practice, now + timedelta(hours=25))
    assert export(olga, searched("Echo3")).status_code == 200


def test_what_was_approved_does_not_grow_with_its_segment_or_with_the_practice(
    practice: Practice, people: list[int], enter: Staffed, now: datetime
) -> None:
    max_, olga = enter("max", "manager"), enter("olga", "owner")
    only = {"any": [{"last_visit": {"before": "2 years ago"}}]}
    segment.save(practice.id, "gone", "Gone", only, now=now)
    page = asks(max_, "&segment=gone")
    olga.post(f"{page}decide/", {"answer": "approve"})
    young = make_patient(practice.id, last_name="Recent")
    make_visit(practice.id, young, -30)
    facts.rebuild([practice.id])
    segment.save(practice.id, "gone", "Gone", {"visits": {"at_least": 0}}, now=now)
    assert "Recent" not in str(rows(max_.post(f"{page}file/")))
    page = asks(max_, "&segment=gone")
    olga.post(f"{page}decide/", {"answer": "approve"})
    for _ in range(2):
        make_visit(practice.id, make_patient(practice.id), -900)
    facts.rebuild([practice.id])
    assert max_.post(f"{page}file/").headers["Location"] == page
    assert "8 people now; 6 were asked for" in max_.get(page).content.decode()


def test_evidence_about_a_number_that_many_share_is_an_export_like_any_other(
    practice: Practice, people: list[int], enter: Staffed
) -> None:
    shared = make_point(practice.id, people[0])
    for patient in people[1:]:
        db.run("INSERT INTO patient_contact (practice_id, patient_id, contact_point_id, label, source) VALUES (%(p)s, %(i)s, %(c)s, 'home', 'test')", p=practice.id, i=patient, c=shared)  # fmt: skip
    olga = enter("olga", "owner")
    asked = olga.get(f"/evidence/?point={shared}&format=csv").headers["Location"]
    assert asked.startswith("/exports/new/?kind=evidence&point=")
    assert "5 people" in olga.get(asked).content.decode()
    page = olga.post(asked, GOOD).headers["Location"]
    enter("otto", "owner").post(f"{page}decide/", {"answer": "approve"})
    got = olga.post(f"{page}file/")
    assert got.headers["Content-Disposition"].endswith('.csv"')
    assert [detail["export"] for _, detail in trail(practice, "exported evidence")] == [
        exports.recent(practice.id)[0].id
    ]


def test_a_list_of_any_length_streams_in_constant_memory(practice: Practice) -> None:
    many = 40_000
    sql = "SELECT g, 'Echo', repeat('x', 200) FROM generate_series(1, %(many)s) g"
    tracemalloc.start()
    size = sum(len(piece) for piece in spreadsheet.lines(["n", "name", "note"], db.stream(sql, many=many)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > many * 200
    assert peak < 4 * 1024**2


def test_a_decision_and_a_fetch_count_once(
    practice: Practice, people: list[int], enter: Staffed, now: datetime
) -> None:
    asked = Asked("patients", {}, "Patients", 5, "quality")
    who, second = Who(address(practice, "max"), "manager"), Who(address(practice, "olga"), "owner")
    enter("max", "manager"), enter("olga", "owner")
    made: Export = exports.ask(practice, asked, who, now)
    exports.decide(practice.id, made.id, second, now, approve=True)
    with pytest.raises(ExportError, match="decided already"):
        exports.decide(practice.id, made.id, second, now, approve=False)
    exports.claim(practice.id, made.id, who, 5, now)
    with pytest.raises(ExportError, match="fetched already"):
        exports.claim(practice.id, made.id, who, 5, now)


def test_of_two_windows_that_fetch_at_the_same_moment_one_gets_the_file(
    committed_practice: Practice, now: datetime
) -> None:
    place = committed_practice
    who, second = Who("max@example.com", "manager"), Who(f"olga-{place.slug}@example.com", "owner")
    with db.scope(place.id):
        staff.create_user(second.email, "correct horse battery", "owner", place.slug, now - timedelta(days=1))
        made = exports.ask(place, Asked("patients", {}, "Patients", 501, "quality"), who, now)
        exports.decide(place.id, made.id, second, now, approve=True)
    start, got = threading.Barrier(4), list[str]()

    def fetch() -> None:
        start.wait(10)
        try:
            with db.scope(place.id):
                exports.claim(place.id, made.id, who, 501, now)
            got.append("file")
        except ExportError as refused:
            got.append(str(refused))
        finally:
            connections.close_all()

    windows = [threading.Thread(target=fetch) for _ in range(4)]
    for window in windows:
        window.start()
    for window in windows:
        window.join(20)
    assert sorted(got) == ["It was fetched already. An approval is good for one file; ask again for another."] * 3 + [
        "file"
    ]
