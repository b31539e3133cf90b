"""Importing in the browser: upload, dry run, what columns mean, agreement, result, fix list; and who may."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from recare.base import db, postgres
from recare.sources import imports, uploads
from recare.sources.csv import importer, runs
from tests.conftest import new_practice

if TYPE_CHECKING:
    from pathlib import Path

    from recare.practices.practice import Practice
    from tests.conftest import SignIn

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)
LIST = b"PatNum,LName,FName,Birthdate,Cell Phone,Status\n1,Example,Ada,5/17/1980,630-555-0101,Patient\n2,Sample,Bo,6/30/1971,555-0102,Patient\n,Nobody,Cy,,,\n"


class Office:
    """Somebody at the import pages of a practice, and the worker that does what they ask for."""

    def __init__(self, practice: Practice, client: Client) -> None:
        self.practice, self.client, self.at = practice, client, ""

    def uploads(self, *files: tuple[str, bytes], dated: dict[str, int] | None = None) -> str:
        sent = self.client.post(
            "/data/import/",
            {"export": [SimpleUploadedFile(*file) for file in files], "dated": json.dumps(dated) if dated else ""},
        )
        assert sent.status_code == 302, sent.content.decode()
        self.at = sent["Location"]
        return self.works()

    def works(self) -> str:
        """Let the worker do what there is, and look."""
        imports.work(self.practice.id, self.token)
        return self.looks()

    def looks(self, **headers: str) -> str:
        return self.client.get(self.at, headers=headers).content.decode()

    def answers(self, **posted: str) -> str:
        assert self.client.post(self.at + "answer/", posted).status_code in {302, 422}
        return self.works()

    @property
    def token(self) -> str:
        return self.at.strip("/").rsplit("/", 1)[-1]

    @property
    def folder(self) -> Path:
        return postgres.default_home() / "uploads" / str(self.practice.id) / self.token


@pytest.fixture
def office(practice: Practice, as_role: SignIn) -> Office:
    return Office(practice, as_role("manager"))


def selects(page: str) -> dict[str, str]:
    """Return what the selects of a page stand on, by their accessible name."""
    found = {}
    for name, options in re.findall(r'<select name="[co][^"]*" aria-label="([^"]+)">(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r"<option[^>]* selected>([^<]*)<|<option selected>([^<]*)<", options)
        found[name] = (chosen[1] or chosen[2]) if chosen else ""
    return found


def test_an_upload_is_shown_first_then_imported_and_then_gone(office: Office) -> None:
    shown = office.uploads(("patients.csv", LIST))
    (kept,) = office.folder.glob("files/*")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (kept.parent, office.folder)} == {0o700}
    assert stat.S_IMODE((office.folder / "plan.json").stat().st_mode) == 0o600
    assert "Phone without area code" in shown
    assert "<strong>2</strong> of 3 rows" in shown
    assert db.value("SELECT count(*) FROM patient") == 0

    done = office.answers(answer="import")
    assert "2 patients added" in done
    assert db.value("SELECT count(*) FROM patient") == 2
    assert not office.folder.exists()
    data = office.client.get("/data/").content.decode()
    assert "Phone without area code" in data
    assert "555-0102" not in data


def test_the_request_never_reads_the_files_and_the_page_shows_how_far_the_worker_is(
    practice: Practice, as_role: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, seen = Office(practice, as_role("owner")), list[dict[str, Any]]()
    sent = office.client.post("/data/import/", {"export": [SimpleUploadedFile("patients.csv", LIST)]})
    office.at = sent["Location"]
    assert "Waiting for the worker" in office.looks()
    assert db.values("SELECT args ->> 'token' FROM procrastinate_jobs WHERE task_name = 'import'")[-1] == office.token
    monkeypatch.setattr(uploads, "_EVERY", 0)
    put = uploads.put

    def noted(folder: Path, name: str, data: Any) -> None:
        if name == "progress":
            seen.append(data)
        put(folder, name, data)

    monkeypatch.setattr(uploads, "put", noted)
    imports.work(practice.id, office.token)
    shares = [one["share"] for one in seen]
    assert len(set(shares)) > 2
    assert shares == sorted(shares)
    db.run("UPDATE import_upload SET state = 'reading'")
    fragment = office.looks(**{"HX-Request": "true"})
    assert f'value="{shares[-1]}"' in fragment
    assert "3 rows read" in fragment
    assert "<h1>" not in fragment
    assert "takes a while" not in fragment
    os.utime(office.folder / "progress.json", (time.time() - 30,) * 2)
    assert "another one goes on by itself" in office.looks(**{"HX-Request": "true"})
    db.run("UPDATE import_upload SET state = 'read'")
    assert office.client.get(office.at, headers={"HX-Request": "true"})["HX-Refresh"] == "true"


def test_a_meaning_that_a_person_has_chosen_counts_now_next_time_and_on_the_command_line(
    office: Office, tmp_path: Path
) -> None:
    rows = b"Pt No,Last Name,First,Birth,Reach,Other\n1,Example,Ada,3/4/1980,630-555-0101,630-555-0111\n"
    shown = office.uploads(("list.csv", rows))
    assert selects(shown)["Meaning of Reach"] == ""
    assert db.value("SELECT count(*) FROM import_layout") == 0
    meanings = {"c0-0": "source_key", "c0-1": "last_name", "c0-2": "first_name", "c0-3": "birthdate", "c0-4": "mobile", "c0-5": "", "o0-3": "day/month/year"}  # fmt: skip
    shown = office.answers(answer="import", **meanings)
    assert db.value("SELECT count(*) FROM patient") == 0, "what was changed is looked at first"
    assert (selects(shown)["Meaning of Reach"], selects(shown)["Order of dates in Birth"]) == ("Mobile phone", "day/month/year")  # fmt: skip
    assert "= 3 Apr 1980" in shown
    assert "chosen by manager-" in shown
    office.answers(answer="import", **meanings)
    assert db.value("SELECT birthdate::text FROM patient") == "1980-04-03"
    assert db.values("SELECT address FROM contact_point") == ["+16305550101"]

    again = office.uploads(("list2.csv", rows.replace(b"Ada", b"Adah")))
    assert selects(again)["Meaning of Reach"] == "Mobile phone"
    (tmp_path / "any.csv").write_bytes(rows.replace(b"Ada", b"Adele"))
    said: list[str] = []
    assert importer.run_import([tmp_path], office.practice.slug, False, NOW, said.append) == 0
    assert any("Reach -> mobile (chosen by manager-" in line for line in said)
    assert db.values("SELECT first_name FROM patient") == ["Adele"]

    forgotten = office.answers(forget="0", **meanings)
    assert selects(forgotten)["Meaning of Reach"] == ""


MIXED = ("5/24/1976", "6/30/1980", "3/4/1990", "24/05/1976", "30/06/1980", "13/07/1985")


def test_an_order_that_a_person_has_chosen_counts_in_a_column_that_mixes_both(office: Office) -> None:
    rows = "".join(f"{n},Example{n},Ada,{day}\n" for n, day in enumerate(MIXED, 1))
    shown = office.uploads(("patients.csv", b"PatNum,LName,FName,Birthdate\n" + rows.encode()))
    assert "Day and month mixed up" in shown
    assert selects(shown)["Order of dates in Birthdate"] == "", "it can be chosen"
    shown = office.answers(answer="look", **{"o0-3": "day/month/year"})
    assert "Day and month mixed up" not in shown
    assert "= 3 Apr 1990" in shown
    assert "Date unreadable" in shown
    office.answers(answer="import", **{"o0-3": "day/month/year"})
    assert db.values("SELECT birthdate::text FROM patient ORDER BY source_key") == [None, None, "1990-04-03", "1976-05-24", "1980-06-30", "1985-07-13"]  # fmt: skip


def test_a_file_that_cannot_do_without_its_mixed_dates_asks_for_their_order(office: Office) -> None:
    rows = "".join(f"{n},1,{day},D1110,C\n" for n, day in enumerate(MIXED, 1))
    procedures = ("procedures.csv", b"ProcNum,PatNum,ProcDate,ProcCode,Status\n" + rows.encode())
    shown = office.uploads(("patients.csv", LIST), procedures)
    assert ": 2 cells have the month first and 3 have the day first" in shown
    shown = office.answers(answer="look", **{"o1-2": "month/day/year"})
    assert "cannot be imported without" not in shown
    office.answers(answer="import", **{"o1-2": "month/day/year"})
    assert db.values("SELECT done_on::text FROM procedure WHERE done_on IS NOT NULL ORDER BY 1") == [
        "1976-05-24",
        "1980-06-30",
        "1990-03-04",
    ]


def test_headers_that_have_changed_since_are_pointed_out_and_what_was_chosen_stays(office: Office) -> None:
    head = b"PatNum,LName,FName,DOB,Reach,City\n"
    row = b"1,Example,Ada,3/4/1980,630-555-0101,Lindenfield\n"
    office.uploads(("patients.csv", head + row))
    office.answers(answer="look", **{"c0-4": "mobile"})
    office.answers(answer="import")
    shown = office.uploads(("patients.csv", head.replace(b"City", b"Town,Plan") + row.replace(b"field", b"field,PPO")))
    assert "New: “Town”, “Plan”; no longer there: “City”." in shown
    assert selects(shown)["Meaning of Reach"] == "Mobile phone"
    shown = office.uploads(("patients.csv", b"PatNum,LName\n1,Example\n"))
    assert "have changed" not in shown, "a different list is no changed one"


def test_two_columns_cannot_mean_one_thing_and_the_page_keeps_what_was_said(office: Office) -> None:
    office.uploads(("patients.csv", LIST))
    posted = {"answer": "look", "c0-3": "mobile", "c0-4": "mobile"}
    refused = office.client.post(office.at + "answer/", posted)
    page = refused.content.decode()
    assert refused.status_code == 422
    assert "“Birthdate” and “Cell Phone” cannot both be “Mobile phone”" in page
    assert selects(page)["Meaning of Birthdate"] == "Mobile phone"


def test_a_list_whose_headers_nobody_knows_can_be_explained(office: Office) -> None:
    rows = "Nr.;Nachname;Vorname;Geboren\n1;Muster;Ida;24.12.1980\n2;Muster;Jo;13.01.1990\n".encode("cp1252")
    shown = office.uploads(("liste.csv", rows))
    assert "none of its headers is known here" in shown
    assert 'value="import"' not in shown
    shown = office.answers(answer="look", **{"c0-0": "source_key", "c0-1": "last_name", "c0-2": "first_name", "c0-3": "birthdate"})  # fmt: skip
    assert "<strong>2</strong> of 2 rows" in shown
    assert "= 24 Dec 1980" in shown
    office.answers(answer="import")
    assert db.values("SELECT birthdate::text FROM patient ORDER BY 1") == ["1980-12-24", "1990-01-13"]


def test_what_kind_of_list_it_is_can_be_said(office: Office) -> None:
    rows = b"Chart,Day,Code,Fee,State\n1,3/4/2025,D1110,10,C\n"
    office.uploads(("patients.csv", LIST))
    office.answers(answer="import")
    office.uploads(("ledger.csv", rows))
    shown = office.answers(answer="look", k0="procedures")
    assert "no column is known as Day done" in shown
    shown = office.answers(answer="look", k0="procedures", **{"c0-1": "done_on", "c0-4": "status"})
    assert "ledger.csv: procedures" in shown
    office.answers(answer="import")
    assert db.values("SELECT code FROM procedure") == ["D1110"]


def test_headers_without_rows_are_said_to_be_nothing(office: Office) -> None:
    shown = office.uploads(("patients.csv", LIST.splitlines()[0] + b"\n"))
    assert "There is nothing to import: the files hold headers and no rows" in shown
    assert "looks_partial" not in shown
    assert 'value="import"' not in shown


def test_the_browser_tells_how_old_an_export_is_and_a_person_can_correct_it(
    practice: Practice, as_role: SignIn
) -> None:
    office = Office(practice, as_role("owner"))
    db.run("UPDATE practice SET is_rehearsal = false, second_factor_roles = '{}' WHERE id = %(id)s", id=practice.id)
    now = datetime.now(UTC)
    ahead = f"{now + timedelta(days=9):%m/%d/%Y} 9:00 AM"
    visits = f"AptNum,PatNum,AptDateTime,AptStatus\n1,1,{ahead},Scheduled\n".encode()
    written = now - timedelta(hours=30)
    shown = office.uploads(("patients.csv", LIST), ("appointments.csv", visits), dated={"appointments.csv": int(written.timestamp() * 1000)})  # fmt: skip
    local = written.astimezone(practice.zone)
    assert f'value="{local:%Y-%m-%dT%H:%M}"' in shown
    assert "Taken from: the date of the file" in shown
    earlier = local - timedelta(hours=20)
    office.answers(answer="import", as_of=f"{earlier:%Y-%m-%dT%H:%M}")
    at = db.value("SELECT appointments_as_of FROM sync_run")
    assert at == earlier.replace(second=0, microsecond=0)
    shown = office.uploads(("patients.csv", LIST), ("appointments.csv", visits + b"2,1,1/5/2026 9:00 AM,Complete\n"), dated={"appointments.csv": int((now - timedelta(days=3)).timestamp() * 1000)})  # fmt: skip
    assert "This export cannot be imported: its appointments are of" in shown
    assert 'value="import"' not in shown
    shown = office.answers(answer="look", as_of=f"{local:%Y-%m-%dT%H:%M}")
    assert 'value="import"' in shown


def test_two_files_of_one_name_are_two_files(office: Office) -> None:
    shown = office.uploads(("patients.csv", LIST), ("patients.csv", LIST.replace(b"1,Ex", b"8,Ex").replace(b"2,Sa", b"9,Sa")))  # fmt: skip
    assert "patients (2).csv" in shown
    office.answers(answer="import")
    assert db.values("SELECT source_key FROM patient ORDER BY 1") == ["1", "2", "8", "9"]


def test_the_same_file_twice_is_read_once_and_said(office: Office) -> None:
    shown = office.uploads(("patients.csv", LIST), ("copy.csv", LIST))
    assert "holds the same as" in shown
    assert "Number used twice" not in shown


def test_an_answer_given_twice_is_one_import(office: Office) -> None:
    office.uploads(("patients.csv", LIST))
    for _ in range(2):
        office.client.post(office.at + "answer/", {"answer": "import"})
    imports.work(office.practice.id, office.token)
    office.works()
    assert db.value("SELECT count(*) FROM sync_run") == 1
    assert "Imported" in office.looks()


def test_thrown_away_files_leave_nothing(office: Office) -> None:
    office.uploads(("patients.csv", LIST))
    office.client.post(office.at + "answer/", {"answer": "discard"})
    assert not office.folder.exists()
    assert db.value("SELECT count(*) FROM patient") + db.value("SELECT count(*) FROM import_upload") == 0
    assert office.client.get(office.at).status_code == 302


def test_an_upload_nobody_came_back_to_is_removed_after_a_day_but_not_one_that_waits_to_be_written(
    office: Office,
) -> None:
    office.uploads(("patients.csv", LIST))
    waiting = Office(office.practice, office.client)
    waiting.uploads(("patients.csv", LIST))
    waiting.client.post(waiting.at + "answer/", {"answer": "import"})
    for folder in (office.folder, waiting.folder):
        os.utime(folder, (time.time() - 2 * uploads.KEPT_SECONDS,) * 2)
    imports.sweep()
    assert (office.folder.exists(), waiting.folder.exists()) == (False, True)
    assert office.client.get(office.at).status_code == 302


def test_a_mistake_in_the_files_is_told_and_can_be_looked_at_again(office: Office) -> None:
    shown = office.uploads(("practice.yaml", b"name: [\n"))
    assert "The import stopped" in shown
    office.answers(answer="again")
    assert imports.find(office.practice.id, office.token) is not None
    office.client.post(office.at + "answer/", {"answer": "discard"})
    assert not office.folder.exists()


def test_an_import_waits_for_another_one_of_the_same_practice(committed: None) -> None:
    from django.db import connection

    place = new_practice()
    with db.scope(place.id):
        token = imports.begin(place.id, [SimpleUploadedFile("patients.csv", LIST)], "test", NOW)
    imports.work(place.id, token)
    with db.scope(place.id):
        assert imports.ask(place.id, token, "writing")
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [runs._LOCK, place.id])
        with pytest.raises(runs.BusyError):
            imports.work(place.id, token)
    other.close()
    folder = uploads.find(place.id, token)
    assert folder is not None
    assert "Another import" in uploads.get(folder, "progress")["words"]
    for _ in range(50):
        try:
            imports.work(place.id, token)
            break
        except runs.BusyError:
            time.sleep(0.1)
    with db.scope(place.id):
        assert db.value("SELECT count(*) FROM patient") == 2


def test_a_strangers_token_finds_nothing(office: Office) -> None:
    assert office.client.get("/data/import/../../x/").status_code in {302, 404}
    assert office.client.get("/data/import/AAAAAAAAAAAAAAAAAAAAAA/").status_code == 302


def test_an_unreadable_file_is_told_in_a_sentence(office: Office) -> None:
    assert "save the sheet as CSV" in office.uploads(("patients.xlsx", b"PK"))


@pytest.mark.parametrize("role", ["front_desk", "clinician", "auditor"])
def test_only_owner_and_manager_import(as_role: SignIn, role: str) -> None:
    client = as_role(role)
    assert client.get("/data/").status_code == 403
    assert client.post("/data/import/", {}).status_code == 403
