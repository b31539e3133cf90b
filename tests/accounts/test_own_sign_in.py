"""Each person has a sign-in of their own (SEC-01), and what opens one is never kept in the clear (SEC-04)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from recare.accounts import attempts, second_factor, totp
from recare.base import db
from recare.messages import senders
from recare.practices import staff
from recare.practices.practice import Practice
from tests.factories import insert

PASSWORD = "correct horse battery"
NEXT = "staple battery horse"


def person(practice: Practice, now: datetime, name: str, role: str = "owner") -> tuple[int, str]:
    email = f"{name}-{practice.slug}@example.com"
    return staff.create_user(email, PASSWORD, role, practice.slug, now), email


def signed_in(email: str, password: str = PASSWORD) -> Client:
    client = Client()
    client.post("/sign-in/", {"email": email, "password": password})
    return client


def test_sec_01_two_people_cannot_have_one_address_however_it_is_written(practice: Practice, now: datetime) -> None:
    _, email = person(practice, now, "ada")
    with pytest.raises(IntegrityError), transaction.atomic():
        db.run("INSERT INTO staff (email, password) VALUES (%(email)s, 'x')", email=email.upper())


def test_sec_01_a_second_role_for_a_known_address_is_the_same_person_with_the_same_password(
    practice: Practice, now: datetime
) -> None:
    first, email = person(practice, now, "ada")
    person(practice, now, "ben")
    assert staff.create_user(email.upper(), "somebody elses idea", "manager", practice.slug, now) == first
    assert signed_in(email).get("/").status_code == 200
    assert signed_in(email, "somebody elses idea").get("/").status_code == 302


def test_sec_01_what_each_of_two_does_stands_under_their_own_name(practice: Practice, now: datetime) -> None:
    emails = [person(practice, now, name)[1] for name in ("ada", "ben")]
    for email in emails:
        signed_in(email).get("/patients/")
    viewed = db.values("SELECT actor FROM audit_entry WHERE practice_id = %(p)s AND verb = 'viewed a list' ORDER BY seq", p=practice.id)  # fmt: skip
    assert viewed == emails


def test_sec_01_whoever_gives_a_role_is_named_on_the_trail(practice: Practice, now: datetime) -> None:
    _, email = person(practice, now, "ada")
    added = {"email": f"new-{practice.slug}@example.com", "role": "front_desk", "password": NEXT}
    signed_in(email).post("/settings/people/", added)
    assert db.value("SELECT actor FROM audit_entry WHERE practice_id = %(p)s AND verb = 'gave a role' ORDER BY seq DESC LIMIT 1", p=practice.id) == email  # fmt: skip


def test_sec_01_a_first_password_that_the_owner_knows_is_changed_by_its_person_and_ends_other_sessions(
    practice: Practice, now: datetime
) -> None:
    _, email = person(practice, now, "ada")
    here, elsewhere = signed_in(email), signed_in(email)
    assert here.post("/your-sign-in/password/", {"current": "not it, sorry", "new": NEXT}).status_code == 422
    assert here.post("/your-sign-in/password/", {"current": PASSWORD, "new": "short"}).status_code == 422
    assert here.post("/your-sign-in/password/", {"current": PASSWORD, "new": NEXT}).status_code == 302
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302
    assert signed_in(email, NEXT).get("/").status_code == 200


def test_sec_01_a_computer_left_open_is_no_place_to_guess_its_persons_password(
    practice: Practice, now: datetime
) -> None:
    _, email = person(practice, now, "ada")
    here = signed_in(email)
    for _ in range(attempts.PER_ACCOUNT):
        here.post("/your-sign-in/password/", {"current": "guess after guess", "new": NEXT})
    assert here.post("/your-sign-in/password/", {"current": PASSWORD, "new": NEXT}).status_code == 422
    assert signed_in(email).get("/").status_code == 200  # the door itself is another count


def test_sec_01_a_forgotten_password_is_reset_by_whoever_runs_it_and_the_old_one_is_worth_nothing(
    practice: Practice, now: datetime
) -> None:
    _, email = person(practice, now, "ada")
    client = signed_in(email)
    with pytest.raises(ValueError, match="password"):
        staff.reset_password(email, "short", "operator ben", now)
    staff.reset_password(email, NEXT, "operator ben", now)
    assert client.get("/").status_code == 302
    assert signed_in(email).get("/").status_code == 302
    assert signed_in(email, NEXT).get("/").status_code == 200


def stored(table: str, where: str, **params: object) -> str:
    """A whole row as the database holds it, bytes as text too: what a stolen dump would show."""
    row = db.tuples(f"SELECT * FROM {table} WHERE {where}", **params)
    return repr([bytes(cell) if isinstance(cell, memoryview) else cell for one in row for cell in one])


def test_sec_04_passwords_and_second_factors_are_not_in_the_clear_in_a_stolen_dump(
    practice: Practice, now: datetime
) -> None:
    who, _ = person(practice, now, "ada")
    key = totp.new_key()
    papers = second_factor.enrol(who, key, totp.code(key, totp.step_of(datetime.now(UTC))), datetime.now(UTC))
    assert PASSWORD not in stored("staff", "id = %(id)s", id=who)
    kept = stored("second_factor", "staff_id = %(id)s", id=who)
    assert "gAAAA" in kept  # Fernet
    assert key not in kept
    kept = stored("recovery_code", "staff_id = %(id)s", id=who)
    assert len(db.values("SELECT 1 FROM recovery_code WHERE staff_id = %(id)s", id=who)) == len(papers)
    assert not [paper for paper in papers if paper in kept or paper.replace("-", "") in kept]


def test_sec_04_the_password_of_a_sender_is_not_in_the_clear_in_a_stolen_dump(practice: Practice) -> None:
    kept = senders.keep_settings({"host": "smtp.example.com", "password": "hunter2 hunter2"})
    insert(
        "sender", practice_id=practice.id, channel="email", provider="smtp", address="desk@example.com", settings=kept
    )
    assert "hunter2" not in stored("sender", "practice_id = %(p)s", p=practice.id)


def test_sec_04_a_key_that_is_being_set_up_is_not_in_the_clear_in_the_session(
    practice: Practice, now: datetime
) -> None:
    _, email = person(practice, now, "ada")
    client = signed_in(email)
    page = client.get("/your-sign-in/").content.decode()
    shown = page.split('class="key">')[1].split("<")[0].replace(" ", "")
    assert shown not in repr(dict(client.session.items()))
