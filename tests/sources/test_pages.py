"""Importing in the browser: dry run, agreement, fix list; and who may."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from recare.base import db, postgres
from recare.practices.staff import create_user

if TYPE_CHECKING:
    from recare.practices.practice import Practice

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)
LIST = b"PatNum,LName,FName,Birthdate,Cell Phone,Status\n1,Example,Ada,5/17/1980,630-555-0101,Patient\n2,Sample,Bo,6/30/1971,555-0102,Patient\n,Nobody,Cy,,,\n"


def signed_in(practice: Practice, role: str) -> Client:
    email = f"{role}-{practice.slug}@example.com"
    create_user(email, "a long made-up password", role, practice.slug, NOW)
    client = Client()
    assert client.login(username=email, password="a long made-up password")
    return client


def test_an_upload_is_shown_first_then_imported_and_then_gone(practice: Practice) -> None:
    client = signed_in(practice, "manager")
    sent = client.post("/data/import/", {"export": [SimpleUploadedFile("patients.csv", LIST)]})
    assert sent.status_code == 302
    folder = postgres.default_home() / "uploads" / str(practice.id)
    (kept,) = folder.glob("*/patients.csv")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700

    shown = client.get(sent["Location"]).content.decode()
    assert "phone_without_area_code" in shown
    assert "<strong>2</strong> of 3 rows" in shown
    assert "555-0102" not in shown
    assert db.value("SELECT count(*) FROM patient") == 0

    done = client.post(sent["Location"] + "write/", {"answer": "import"}, follow=True).content.decode()
    assert "2 rows are in the charts, 1 were rejected" in done
    assert "Phone without area code" in done
    assert db.value("SELECT count(*) FROM patient") == 2
    assert not list(folder.glob("*/*"))


def test_thrown_away_files_leave_nothing(practice: Practice) -> None:
    client = signed_in(practice, "owner")
    sent = client.post("/data/import/", {"export": [SimpleUploadedFile("patients.csv", LIST)]})
    client.post(sent["Location"] + "write/", {"answer": "discard"})
    assert db.value("SELECT count(*) FROM patient") == 0
    assert client.get(sent["Location"]).status_code == 302


def test_a_strangers_token_finds_nothing(practice: Practice) -> None:
    client = signed_in(practice, "owner")
    assert client.get("/data/import/../../x/").status_code in {302, 404}
    assert client.get("/data/import/AAAAAAAAAAAAAAAAAAAAAA/").status_code == 302


def test_an_unreadable_file_is_told_in_a_sentence(practice: Practice) -> None:
    client = signed_in(practice, "owner")
    sent = client.post("/data/import/", {"export": [SimpleUploadedFile("patients.xlsx", b"PK")]})
    assert "save the sheet as CSV" in client.get(sent["Location"]).content.decode()


@pytest.mark.parametrize("role", ["front_desk", "clinician", "auditor"])
def test_only_owner_and_manager_import(practice: Practice, role: str) -> None:
    client = signed_in(practice, role)
    assert client.get("/data/").status_code == 403
    assert client.post("/data/import/", {}).status_code == 403
