from __future__ import annotations

from datetime import datetime

import pytest
from django.conf import settings
from django.test import Client

from recare.accounts import attempts
from recare.practices import staff
from recare.practices.practice import Practice

PASSWORD = "correct horse battery"


@pytest.fixture
def ada(practice: Practice, now: datetime) -> str:
    email = f"ada-{practice.slug}@example.com"
    staff.create_user(email, PASSWORD, "owner", practice.slug, now)
    return email


def sign_in(client: Client, email: str, password: str, next_page: str = "") -> int:
    return client.post("/sign-in/", {"email": email, "password": password, "next": next_page}).status_code


def test_the_right_password_lets_in_whatever_the_case_of_the_address(client: Client, ada: str) -> None:
    assert sign_in(client, ada.upper(), PASSWORD) == 302
    assert client.get("/").status_code == 200


def test_a_wrong_password_is_told_in_one_sentence_and_lets_nobody_in(client: Client, ada: str) -> None:
    assert sign_in(client, ada, "wrong horse battery") == 422
    assert client.get("/").status_code == 302


def test_after_eight_failures_even_the_right_password_waits(client: Client, ada: str) -> None:
    for _ in range(attempts.PER_ACCOUNT):
        sign_in(client, ada, "wrong horse battery")
    assert sign_in(client, ada, PASSWORD) == 422


def test_signing_in_never_leads_to_another_site(client: Client, ada: str) -> None:
    answer = client.post("/sign-in/", {"email": ada, "password": PASSWORD, "next": "https://example.org/steal"})
    assert answer.headers["Location"] == "/"


def test_sec_03_an_idle_session_is_signed_out(client: Client, ada: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(client, ada, PASSWORD)
    client.get("/")
    session = client.session
    session["seen_at"] -= settings.SESSION_IDLE_SECONDS
    session.save()
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("password", ["short", "password1234"])
def test_a_weak_password_is_refused_with_the_reason(practice: Practice, now: datetime, password: str) -> None:
    with pytest.raises(ValueError, match="password"):
        staff.create_user("ben@example.com", password, "owner", practice.slug, now)


def test_a_role_that_does_not_exist_is_refused(practice: Practice, now: datetime) -> None:
    with pytest.raises(ValueError, match="choose one of"):
        staff.create_user("ben@example.com", PASSWORD, "emperor", practice.slug, now)
