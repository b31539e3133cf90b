from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

import pytest
from django.db import connections
from django.test import Client

from recare.base import db
from recare.practices import staff as people
from recare.practices.practice import Practice, get
from tests.conftest import SignIn

PASSWORD = "correct horse battery"
GOOD = {
    "name": "Maple Dental", "legal_name": "Maple Dental, P.C.", "phone": "(630) 555-0177", "email": "desk@example.com",
    "street": "1 Elm St", "city": "Lindenfield", "state": "il", "zip": "60540", "tz": "America/Chicago",
}  # fmt: skip


def test_the_owner_changes_the_practice_and_the_trail_says_which_fields(practice: Practice, as_role: SignIn) -> None:
    assert as_role("owner").post("/settings/", GOOD).status_code == 302
    assert (get(practice.id).phone, get(practice.id).state) == ("+16305550177", "IL")
    detail = db.value("SELECT detail FROM audit_entry WHERE verb = 'changed the practice'")
    assert detail == {"fields": ["phone", "email", "street"]}


@pytest.mark.parametrize(
    ("field", "value"),
    [("phone", "call us"), ("tz", "Mars/Olympus"), ("zip", "605"), ("name", "x" * 41), ("email", "nobody")],
)
def test_bad_input_is_told_at_its_field_and_changes_nothing(
    practice: Practice, as_role: SignIn, field: str, value: str
) -> None:
    answer = as_role("owner").post("/settings/", GOOD | {field: value})
    assert answer.status_code == 422
    assert get(practice.id) == practice


def test_sec_02_anybody_may_stop_but_only_owner_and_manager_may_go_on(practice: Practice, as_role: SignIn) -> None:
    desk = as_role("front_desk")
    desk.post("/settings/stop/", {"on": "yes"})
    assert get(practice.id).held_at is not None
    desk.post("/settings/stop/", {"on": "no"})
    assert get(practice.id).held_at is not None
    as_role("manager").post("/settings/stop/", {"on": "no"})
    assert get(practice.id).held_at is None


def test_the_last_owner_cannot_be_removed(practice: Practice, as_role: SignIn) -> None:
    owner = as_role("owner")
    mine = db.value("SELECT id FROM membership WHERE practice_id = %(practice)s", practice=practice.id)
    owner.post(f"/settings/people/{mine}/remove/")
    assert owner.get("/settings/").status_code == 200


@pytest.mark.parametrize("role", ["manager", "front_desk"])
def test_the_last_owner_cannot_take_another_role(practice: Practice, as_role: SignIn, role: str) -> None:
    owner = as_role("owner")
    (me,) = people.everybody(practice.id)
    answer = owner.post("/settings/people/", {"email": me.email.upper(), "role": role, "password": ""})
    assert "This is the last owner" in answer.content.decode()
    assert [person.role for person in people.everybody(practice.id)] == ["owner"]


def test_two_owners_who_remove_each_other_at_the_same_moment_leave_one(
    committed_practice: Practice, now: datetime
) -> None:
    place, both = committed_practice, Barrier(2)
    with db.scope(place.id):
        for name in ("ada", "ben"):
            people.create_user(f"{name}-{place.slug}@example.com", PASSWORD, "owner", place.slug, now)
        memberships = [person.membership_id for person in people.everybody(place.id)]

    def remove(membership_id: int) -> str:
        try:
            with db.scope(place.id):
                both.wait()
                people.end_membership(place.id, membership_id, "the other", now)
                time.sleep(0.2)  # the other one looks while this one has not committed
        except ValueError as error:
            return str(error)
        finally:
            connections.close_all()
        return ""

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(remove, memberships))
    assert said == ["", "This is the last owner. Make somebody else an owner first."]


def test_somebody_new_gets_a_role_and_can_sign_in(practice: Practice, as_role: SignIn) -> None:
    email = f"new-{practice.slug}@example.com"
    as_role("owner").post(
        "/settings/people/", {"email": email, "role": "front_desk", "password": "battery horse correct"}
    )
    client = Client()
    client.post("/sign-in/", {"email": email, "password": "battery horse correct"})
    assert client.get("/").status_code == 200
    assert client.get("/settings/").status_code == 403
