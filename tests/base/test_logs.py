from __future__ import annotations

import pytest

from recare.base.logs import redact


@pytest.mark.parametrize(
    "secret",
    ["+16305550100", "(630) 555-0100", "630.555.0100", "ada.example@example.com", "/p/AbCdEf123456_-xyz"],
)
def test_sec_08_a_log_line_shows_no_number_no_address_and_no_token(secret: str) -> None:
    line = redact(f"could not send to {secret} at 10:02")
    assert secret.removeprefix("/p/") not in line
    assert "at 10:02" in line


@pytest.mark.parametrize("plain", ["message 123456 of practice 7", "took 0.25 s", "2027-01-12 failed"])
def test_ids_times_and_days_stay(plain: str) -> None:
    assert redact(plain) == plain
