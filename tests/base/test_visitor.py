from __future__ import annotations

import pytest
from django.test import Client, RequestFactory
from pytest_django.fixtures import Settings

from recare.base.visitor import address_of


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "127.0.0.1"),  # nobody stands before us: what a visitor claims is ignored
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the first one is the visitor's own claim
        (2, "203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (1, "", "127.0.0.1"),
    ],
)
def test_only_what_our_own_proxies_saw_counts(settings: Settings, proxies: int, forwarded: str, expected: str) -> None:
    settings.PROXIES = proxies
    assert address_of(RequestFactory().get("/", HTTP_X_FORWARDED_FOR=forwarded)) == expected


@pytest.mark.usefixtures("db")
def test_forms_work_behind_a_proxy_that_ends_tls(settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.CSRF_TRUSTED_ORIGINS = ["https://recall.mapledental.example.com"]
    settings.ALLOWED_HOSTS = ["recall.mapledental.example.com"]
    client = Client(
        enforce_csrf_checks=True,
        headers={
            "host": "recall.mapledental.example.com",
            "x-forwarded-proto": "https",
            "origin": settings.CSRF_TRUSTED_ORIGINS[0],
        },
    )
    token = client.get("/sign-in/").cookies["csrftoken"].value
    answer = client.post("/sign-in/", {"email": "a@example.com", "password": "x", "csrfmiddlewaretoken": token})
    assert answer.status_code == 422
