"""Stored secrets, and what becomes of them when a backup comes to another machine (SEC-04)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recare.base import secret_box
from recare.base.secret_box import SecretError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("RECARE_SECRET_KEY", raising=False)
    move_to(tmp_path / "here", monkeypatch)
    yield tmp_path / "here"
    secret_box.installation_key.cache_clear()


def move_to(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECARE_HOME", str(home))
    secret_box.installation_key.cache_clear()


def test_sec_04_a_secret_opens_only_with_its_key_and_for_its_purpose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = secret_box.encrypt("the mail server's password", "senders")
    assert b"password" not in locked
    assert secret_box.decrypt(locked, "senders") == "the mail server's password"
    with pytest.raises(SecretError):
        secret_box.decrypt(locked, "second factor")
    move_to(tmp_path / "there", monkeypatch)
    with pytest.raises(SecretError, match=r"put secret.key back"):
        secret_box.decrypt(locked, "senders")


def test_sec_04_a_key_that_came_with_a_backup_reads_and_never_writes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, older = secret_box.encrypt("a password", "senders"), secret_box.keys()
    move_to(tmp_path / "there", monkeypatch)
    own = secret_box.installation_key()
    secret_box.also_read(older)
    secret_box.also_read(older)
    assert secret_box.keys() == (own, *older)
    assert secret_box.decrypt(locked, "senders") == "a password"
    fresh = secret_box.encrypt("another", "senders")
    file = tmp_path / "there" / "secret.key"
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    file.write_text(own)
    assert secret_box.decrypt(fresh, "senders") == "another"


def test_a_key_from_the_environment_is_never_written_down(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECARE_SECRET_KEY", "given by the environment")
    secret_box.installation_key.cache_clear()
    home.mkdir()
    secret_box.also_read(["older", "given by the environment"])
    assert (home / "secret.key").read_text().split() == ["older"]
    assert secret_box.keys() == ("given by the environment", "older")


def test_asking_whether_there_is_a_key_makes_none(home: Path) -> None:
    assert not secret_box.is_there()
    assert not home.exists()
    secret_box.installation_key()
    assert secret_box.is_there()
