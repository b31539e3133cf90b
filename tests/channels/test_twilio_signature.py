"""SMS-05: a webhook is believed only with a valid signature."""

from __future__ import annotations

import hashlib

import pytest

from recare.channels.twilio_signature import genuine, genuine_json, signature

URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
POSTED = [
    ("CallSid", "CA1234567890ABCDE"), ("From", "+12349013030"), ("Digits", "1234"), ("To", "+18005551212"), ("Caller", "+12349013030"),
]  # fmt: skip
SIGNED = "0/KCTR6DLpKmkAf8muzZqo1nDgQ="


def test_sms_05_the_providers_own_example_is_genuine_in_any_order() -> None:
    assert signature("12345", URL, POSTED) == SIGNED
    assert genuine("12345", URL, reversed(POSTED), SIGNED)


@pytest.mark.parametrize(
    ("token", "url", "posted", "header"),
    [
        ("12345", URL.replace("https:", "http:"), POSTED, SIGNED),
        ("12345", URL, POSTED, None),
        ("12345", URL, POSTED, ""),
        ("12346", URL, POSTED, SIGNED),
        ("", URL, POSTED, signature("", URL, POSTED)),
        ("12345", URL, POSTED[:-1], SIGNED),
        ("12345", URL, [*POSTED[:-1], ("Caller", "+12349013031")], SIGNED),
        ("12345", URL, [*POSTED, ("Unknown", "1")], SIGNED),
        ("12345", URL, POSTED, SIGNED[:-1]),
        ("12345", URL, POSTED, "é"),
    ],
    ids=["http", "no header", "empty header", "other token", "no token", "one missing", "one changed", "one more", "cut", "no ascii"],
)  # fmt: skip
def test_sms_05_anything_else_is_not(token: str, url: str, posted: list[tuple[str, str]], header: str | None) -> None:
    assert not genuine(token, url, posted, header)


def test_sms_05_parameters_nobody_knows_yet_may_come_signed() -> None:
    more = [*POSTED, ("SomethingNew", "x")]
    assert genuine("12345", URL, more, signature("12345", URL, more))


def test_sms_05_json_is_signed_by_the_hash_in_its_address() -> None:
    body = b'{"status":"delivered"}'
    url = f"https://mycompany.com/hook?bodySHA256={hashlib.sha256(body).hexdigest()}"
    assert genuine_json("12345", url, body, signature("12345", url))
    assert not genuine_json("12345", url, body + b" ", signature("12345", url))
    assert not genuine_json(
        "12345", "https://mycompany.com/hook", body, signature("12345", "https://mycompany.com/hook")
    )
