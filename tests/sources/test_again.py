"""Imports after the first: nothing new changes nothing, what changed changes, what is gone is kept, a kill loses nothing."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from recare.base import db
from recare.consent import ledger
from recare.consent.event import NewEvent
from recare.practices import practice as practices
from recare.rehearsal.practice import write_csv
from recare.sources import imports, uploads
from recare.sources.csv import importer
from recare.sources.csv.fields import KINDS, PATIENTS
from tests.conftest import new_practice

if TYPE_CHECKING:
    from pathlib import Path

    from recare.practices.practice import Practice
    from recare.sources.csv.fields import Kind
    from recare.sources.csv.plans import Plan

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)
TABLES = ("patient", "appointment", "procedure", "recall", "treatment_plan_item", "coverage", "household", "contact_point", "patient_contact",
          "consent_event", "task", "provider", "operatory")  # fmt: skip
HEAD = [
    "PatNum",
    "LName",
    "FName",
    "Birthdate",
    "Status",
    "Cell Phone",
    "Email",
    "TxtMsgOk",
    "ContactMethod",
    "Notes",
    "Last Visit",
]


def row(key: int, **more: str) -> dict[str, str]:
    plain = {"PatNum": str(key), "LName": f"Example{key}", "FName": "Ada", "Birthdate": "5/17/1980", "Status": "Patient",
             "Cell Phone": f"630-555-01{key % 100:02d}", "Email": "", "TxtMsgOk": "0", "ContactMethod": "None", "Notes": "", "Last Visit": "3/30/2025"}  # fmt: skip
    return plain | {name.replace("_", " "): value for name, value in more.items()}


def export(folder: Path, rows: list[dict[str, str]], name: str = "patients.csv") -> Path:
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def load(practice: Practice, folder: Path, now: datetime = NOW) -> Plan:
    return importer.write([folder], practice, now, "test")


def one(sql: str, **params: Any) -> Any:
    return db.tuples(sql, **params)[0]


def versions(practice: Practice) -> dict[str, list[tuple[Any, ...]]]:
    with db.scope(practice.id):
        return {
            table: db.tuples(
                f"SELECT ctid::text, xmin::text FROM {table} WHERE practice_id = %(p)s ORDER BY 1", p=practice.id
            )
            for table in TABLES
        }


def test_a_second_import_of_the_same_files_touches_no_row(committed_practice: Practice, tmp_path: Path) -> None:
    write_csv(tmp_path, date(2027, 1, 12), 11, patients=800)
    load(committed_practice, tmp_path)
    before = versions(committed_practice)
    with db.scope(committed_practice.id):
        db.run("DELETE FROM patient_change WHERE practice_id = %(p)s", p=committed_practice.id)
    load(committed_practice, tmp_path, TOMORROW)
    assert versions(committed_practice) == before
    with db.scope(committed_practice.id):
        assert db.value("SELECT count(*) FROM patient_change") == 0
        assert db.values("SELECT state FROM sync_run ORDER BY id") == ["done", "done"]
        assert ledger.verify(committed_practice.id) is None


def test_only_what_changed_is_written_and_marked(practice: Practice, tmp_path: Path) -> None:
    load(practice, export(tmp_path, [row(n) for n in range(1, 21)]))
    db.run("DELETE FROM patient_change")
    load(practice, export(tmp_path, [row(n, LName="Newname") if n == 7 else row(n) for n in range(1, 21)]), TOMORROW)
    assert db.values("SELECT p.source_key FROM patient_change c JOIN patient p ON p.id = c.patient_id") == ["7"]
    assert db.values("SELECT source_key FROM patient WHERE last_name = 'Newname'") == ["7"]


def test_a_patient_who_is_missing_is_absent_and_comes_back(practice: Practice, tmp_path: Path) -> None:
    load(practice, export(tmp_path, [row(n) for n in range(1, 11)]))
    load(practice, export(tmp_path, [row(n) for n in range(1, 10)]), TOMORROW)
    assert db.tuples("SELECT source_key, absent_since FROM patient WHERE absent_since IS NOT NULL") == [
        ("10", TOMORROW)
    ]
    load(practice, export(tmp_path, [row(n) for n in range(1, 11)]), TOMORROW)
    assert db.value("SELECT count(*) FROM patient WHERE absent_since IS NULL") == 10


def test_a_file_that_lost_half_its_patients_marks_nobody_absent_and_says_so(practice: Practice, tmp_path: Path) -> None:
    load(practice, export(tmp_path, [row(n) for n in range(1, 101)]))
    load(practice, export(tmp_path, [row(n) for n in range(1, 51)]), TOMORROW)
    assert db.value("SELECT count(*) FROM patient WHERE absent_since IS NOT NULL") == 0
    assert db.values("SELECT rule FROM import_issue WHERE resolved_at IS NULL") == ["looks_partial"]


def test_a_visit_that_is_gone_from_the_days_of_the_export_is_gone(practice: Practice, tmp_path: Path) -> None:
    visits = [
        {"ApptId": str(n), "PatNum": "1", "ApptDate": f"{n}/20/2027", "ApptTime": "9:00 AM", "Status": "Scheduled"}
        for n in range(1, 6)
    ]
    export(tmp_path, [row(1)])
    load(practice, export(tmp_path, visits, "appointments.csv"))
    load(practice, export(tmp_path, [visits[1], visits[3]], "appointments.csv"), TOMORROW)
    assert db.values("SELECT source_key FROM appointment WHERE deleted_at IS NULL ORDER BY 1") == ["1", "2", "4", "5"]
    assert one("SELECT appointments_as_of FROM sync_run ORDER BY id DESC LIMIT 1") == (TOMORROW,)


def test_rows_of_unknown_patients_and_numbers_used_twice_are_rejected_and_the_others_land(
    practice: Practice, tmp_path: Path
) -> None:
    head = {
        "ProcNum": "1",
        "PatNum": "1",
        "TransDate": "3/30/2025",
        "ADACode": "D1110",
        "Status": "C",
        "Amount": "102.00",
    }
    export(tmp_path, [row(1)])
    export(tmp_path, [head, head | {"ADACode": "D0120"}, head | {"ProcNum": "2", "PatNum": "99"}, head | {"ProcNum": "3", "ADACode": "nonsense"},
                      head | {"ProcNum": "4", "TransDate": "3/30/2029"}, head | {"ProcNum": "5"}], "procedures.csv")  # fmt: skip
    result = load(practice, tmp_path)
    assert db.values("SELECT source_key || code FROM procedure ORDER BY 1") == ["1D1110", "5D1110"]
    found = db.tuples("SELECT row_number, rule, severity FROM import_issue WHERE file = 'procedures.csv' ORDER BY 1")
    assert found == [
        (3, "duplicate_key", "rejected"),
        (4, "unknown_patient", "rejected"),
        (5, "code_unreadable", "rejected"),
        (6, "date_in_future", "rejected"),
    ]
    assert [(file.good, file.rejected) for file in result.files] == [(1, 0), (2, 4)]


def test_a_mended_file_settles_its_findings(practice: Practice, tmp_path: Path) -> None:
    load(practice, export(tmp_path, [row(1, Cell_Phone="555-0101"), row(2)]))
    assert db.values("SELECT rule FROM import_issue WHERE resolved_at IS NULL") == ["phone_without_area_code"]
    load(practice, export(tmp_path, [row(1), row(2)]), TOMORROW)
    assert db.values("SELECT rule FROM import_issue WHERE resolved_at IS NULL") == []


def test_an_imported_yes_never_lifts_an_opt_out(practice: Practice, tmp_path: Path) -> None:
    load(practice, export(tmp_path, [row(1, TxtMsgOk="1"), row(2)]))
    point = db.value("SELECT t.id FROM contact_point t WHERE t.address = '+16305550101'")
    stop = NewEvent(
        contact_point_id=point, channel="sms", type="revoked", method="sms_keyword", effective_at=NOW, reason="STOP"
    )
    ledger.append(practice.id, [stop], NOW)
    load(practice, export(tmp_path, [row(1, TxtMsgOk="2"), row(2)]), TOMORROW)
    load(practice, export(tmp_path, [row(1, TxtMsgOk="1"), row(2)]), TOMORROW)
    assert one("SELECT sms_out_at IS NOT NULL FROM contact_point WHERE id = %(point)s", point=point) == (True,)
    assert db.tuples("SELECT row_number, rule FROM import_issue WHERE resolved_at IS NULL") == [(2, "consent_conflict")]


def test_a_hold_that_a_person_has_lifted_stays_lifted_until_the_note_changes(
    practice: Practice, tmp_path: Path
) -> None:
    load(practice, export(tmp_path, [row(1, Notes="do not text"), row(2)]))
    assert one("SELECT hold, banned_channels FROM patient WHERE source_key = '1'") == ("read_note", ["sms"])
    db.run("UPDATE patient SET hold = '', hold_since = NULL, banned_channels = '{}' WHERE source_key = '1'")
    load(practice, export(tmp_path, [row(1, Notes="do not text"), row(2)]), TOMORROW)
    assert one("SELECT hold, banned_channels FROM patient WHERE source_key = '1'") == ("", [])
    load(practice, export(tmp_path, [row(1, Notes="do not text or call"), row(2)]), TOMORROW)
    assert one("SELECT hold, banned_channels FROM patient WHERE source_key = '1'") == ("read_note", ["call", "sms"])
    assert db.value("SELECT count(*) FROM task WHERE kind = 'read_note'") == 2


def test_a_dismissal_survives_an_export_that_says_active(practice: Practice, tmp_path: Path) -> None:
    load(practice, export(tmp_path, [row(1, Notes="Dismissed from practice"), row(2)]))
    load(practice, export(tmp_path, [row(1), row(2)]), TOMORROW)
    assert one("SELECT standing FROM patient WHERE source_key = '1'") == ("dismissed",)
    assert db.values("SELECT rule FROM import_issue WHERE resolved_at IS NULL") == ["standing_conflict"]


def test_a_number_that_left_the_chart_is_ended_and_a_wrong_one_does_not_come_back(
    practice: Practice, tmp_path: Path
) -> None:
    load(practice, export(tmp_path, [row(1), row(2)]))
    load(practice, export(tmp_path, [row(1, Cell_Phone="630-555-0188"), row(2)]), TOMORROW)
    held = (
        "SELECT t.address FROM patient_contact c JOIN contact_point t ON t.id = c.contact_point_id JOIN patient p ON p.id = c.patient_id "
        "WHERE p.source_key = '1' AND c.ended_at IS NULL"
    )
    assert db.values(held) == ["+16305550188"]
    db.run("UPDATE contact_point SET wrong_number_at = %(now)s WHERE address = '+16305550101'", now=NOW)
    load(practice, export(tmp_path, [row(1), row(2)]), TOMORROW)
    assert db.values(held) == []


def test_a_list_with_last_visits_alone_is_enough(practice: Practice, tmp_path: Path) -> None:
    rows = [
        {
            "Name": f'"Example{n}, Ada"',
            "DOB": "17/05/1980",
            "Phone": f"630-555-01{n:02d}",
            "Last Visit Date": "30/03/2025",
        }
        for n in range(10, 15)
    ]
    load(
        practice, export(tmp_path, [{key: value.strip('"') for key, value in one.items()} for one in rows], "list.csv")
    )
    before = db.tuples(
        "SELECT id, first_name, last_name, birthdate, status, last_visit_stated_on FROM patient ORDER BY id"
    )
    assert {found[1:2] + found[3:] for found in before} == {("Ada", date(1980, 5, 17), "active", date(2025, 3, 30))}
    load(practice, tmp_path, TOMORROW)
    assert (
        db.tuples("SELECT id, first_name, last_name, birthdate, status, last_visit_stated_on FROM patient ORDER BY id")
        == before
    )


def test_one_row_a_visit_keeps_the_latest(practice: Practice, tmp_path: Path) -> None:
    load(practice, export(tmp_path, [row(1), row(1, Last_Visit="11/30/2026"), row(1, Last_Visit="1/30/2024"), row(2)]))
    assert db.tuples("SELECT source_key, last_visit_stated_on FROM patient ORDER BY 1") == [
        ("1", date(2026, 11, 30)),
        ("2", date(2025, 3, 30)),
    ]


def test_a_smaller_file_leaves_what_it_does_not_state(practice: Practice, tmp_path: Path) -> None:
    load(practice, export(tmp_path, [row(1, Notes="Moved away"), row(2)]))
    small = [{"PatNum": str(n), "LName": f"Example{n}", "FName": "Ada", "Last Visit": "11/30/2026"} for n in (1, 2)]
    load(practice, export(tmp_path, small), TOMORROW)
    assert one("SELECT birthdate, note_flags, status, last_visit_stated_on FROM patient WHERE source_key = '1'") == (
        date(1980, 5, 17), ["moved"], "active", date(2026, 11, 30),
    )  # fmt: skip
    assert db.value("SELECT count(*) FROM patient_contact WHERE ended_at IS NULL") == 2


NASTY = ["\x00", "\\N", "\\.", "a\tb", 'x"y', "99999999999999999999999", "-99999", "1e999", "{a,b}", "\u0663\u0664", "9999 years", "99/99/9999", "25:61 PM",
         "$99,999,999,999,999,999.00", "\ufffd", "=1+1", "'; DROP TABLE patient; --", "%s %(practice)s", "\U0001f9b7", "31/12/9999", "0000000000"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_cell_whatever_it_holds_breaks_an_import(practice: Practice, tmp_path: Path, kind: Kind) -> None:
    chosen = [field for field in kind.fields if field.name != "full_name"]
    rows = []
    for n, nasty in enumerate(NASTY * len(chosen)):
        cells = {field.headers[0]: "" for field in chosen} | {kind.field("source_key").headers[0]: str(n + 1)}
        if kind is PATIENTS:
            cells |= {"lastname": "Example"}
        else:
            cells |= {"patnum": "1"}
        rows.append(cells | {chosen[n // len(NASTY)].headers[0]: nasty})
    export(tmp_path, [row(1)], "patients.csv")
    load(practice, export(tmp_path, rows, f"{kind.name}.csv"))
    assert db.values("SELECT state FROM sync_run") == ["done"]


IMPORT = """
import os, signal, sys; from datetime import datetime, UTC; from pathlib import Path
import django; django.setup()
from django.db import connection
from recare.sources.csv.importer import run_import
left = int(sys.argv[3])
def count(execute, *rest):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(*rest)
with connection.execute_wrapper(count):
    code = run_import([Path(sys.argv[1])], sys.argv[2], False, datetime(2027, 1, 12, 17, 0, tzinfo=UTC), lambda line: None)
print(-left)
sys.exit(code)
"""


def run_import(practice: Practice, folder: Path, killed_at: int = 0) -> tuple[int, str]:
    """Import in a process of its own, which kills itself before its ``killed_at``-th statement; return exit code and statements run."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "recare.settings"}
    command = [sys.executable, "-c", IMPORT, str(folder), practice.slug, str(killed_at)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout.strip()


def chart(practice: Practice) -> dict[str, tuple[int, str]]:
    """Return count and fingerprint of what matters, without ids and times."""
    shown = {
        "patient": "source_key || first_name || last_name || status || standing || hold || banned_channels::text || coalesce(birthdate::text, '')",
        "appointment": "source_key || status || coalesce(starts_at::text, '')", "procedure": "source_key || code || status || fee_cents",
        "recall": "source_key || kind || coalesce(due_on::text, '')", "coverage": "source_key || carrier", "consent_event": "channel || type || level",
        "patient_contact": "label || rank || extension", "contact_point": "address || sms_level || coalesce(sms_out_at IS NULL, true)", "task": "kind",
    }  # fmt: skip
    with db.scope(practice.id):
        return {
            table: one(
                f"SELECT count(*), md5(string_agg(md5({text}), '' ORDER BY md5({text}))) FROM {table} WHERE practice_id = %(p)s",
                p=practice.id,
            )
            for table, text in shown.items()
        }


WORK = IMPORT.replace(
    "from recare.sources.csv.importer import run_import", "from recare.sources import imports"
).replace(
    "code = run_import([Path(sys.argv[1])], sys.argv[2], False, datetime(2027, 1, 12, 17, 0, tzinfo=UTC), lambda line: None)",
    "code = imports.work(int(sys.argv[1]), sys.argv[2])",
)


@pytest.mark.slow
def test_a_worker_killed_while_it_reads_or_writes_an_upload_loses_nothing_and_the_next_one_goes_on(
    committed_practice: Practice, tmp_path: Path
) -> None:
    write_csv(tmp_path, date(2027, 1, 12), 11, patients=800)
    files = [SimpleUploadedFile(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())]
    place = committed_practice
    practices.set_clock(place.id, NOW)
    with db.scope(place.id):
        token = imports.begin(place.id, files, "test", NOW)

    def works(killed_at: int = 0) -> int:
        command = [sys.executable, "-c", WORK, str(place.id), token, str(killed_at)]
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "recare.settings"}
        return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120).returncode

    def state() -> str:
        with db.scope(place.id):
            found = imports.find(place.id, token)
        return found.state if found else ""

    assert (works(20), state()) == (-signal.SIGKILL, "reading")
    assert (works(), state()) == (0, "read")
    with db.scope(place.id):
        assert imports.ask(place.id, token, "writing")
    for killed_at in (40, 80, 120):
        assert (works(killed_at), state()) == (-signal.SIGKILL, "writing")
    for _ in range(50):  # the lock of a dead client is freed within moments; until then the work is given back
        if works() == 0:
            break
    assert state() == "done"
    assert uploads.find(place.id, token) is None
    whole = new_practice()
    load(whole, tmp_path)
    assert chart(place) == chart(whole)


@pytest.mark.slow
def test_an_import_killed_anywhere_and_run_again_gives_the_same_chart(
    committed_practice: Practice, tmp_path: Path
) -> None:
    write_csv(tmp_path, date(2027, 1, 12), 11, patients=800)
    whole, killed = new_practice(), committed_practice
    code, statements = run_import(whole, tmp_path)
    assert code == 0
    for share in (0.35, 0.65, 0.45):  # a run after a kill has less to do
        assert run_import(killed, tmp_path, int(int(statements) * share))[0] == -signal.SIGKILL
    for _ in range(50):  # the server notices within moments that its client is dead, and frees the lock
        code, _ = run_import(killed, tmp_path)
        if code == 0:
            break
    assert code == 0
    assert chart(killed) == chart(whole)
    with db.scope(killed.id):
        assert ledger.verify(killed.id) is None
        assert db.value("SELECT count(*) FROM sync_run WHERE state = 'running'") == 0


# 12 visits of one patient, of which some broke, the codes of the ledger, and the chart that stays after a merge.
BROKEN = {"ApptId": "1", "PatNum": "1", "ApptDate": "3/3/2025", "ApptTime": "9:00 AM", "Status": "Broken"}
MISSED = {"ProcNum": "1", "PatNum": "1", "TransDate": "3/3/2025", "ADACode": "D9986", "Status": "C", "Amount": "50"}


@pytest.mark.parametrize(("codes", "status"), [(["D9986"], "missed"), (["9987"], "cancelled"), (["D9986", "D9987"], "broken"), (["D0120"], "broken"), ([], "broken")])  # fmt: skip
def test_a_broken_visit_is_missed_or_cancelled_as_the_codes_of_its_day_say(
    practice: Practice, tmp_path: Path, codes: list[str], status: str
) -> None:
    export(tmp_path, [row(1), row(2)])
    export(tmp_path, [BROKEN], "appointments.csv")
    export(tmp_path, [MISSED | {"ProcNum": "0", "PatNum": "2"}, *(MISSED | {"ProcNum": str(n + 1), "ADACode": code} for n, code in enumerate(codes))], "procedures.csv")  # fmt: skip
    load(practice, tmp_path)
    load(practice, tmp_path, TOMORROW)
    assert db.values("SELECT status FROM appointment") == [status]


def test_the_code_may_stand_in_the_visit_itself_and_a_moved_visit_is_told_anew(
    practice: Practice, tmp_path: Path
) -> None:
    export(tmp_path, [row(1)])
    load(practice, export(tmp_path, [BROKEN | {"ADACode": "D9987"}], "appointments.csv"))
    assert db.values("SELECT status FROM appointment") == ["cancelled"]
    load(practice, export(tmp_path, [BROKEN | {"ADACode": "", "ApptDate": "4/3/2025"}], "appointments.csv"), TOMORROW)
    assert db.values("SELECT status FROM appointment") == ["broken"]


def test_the_chart_that_stays_has_the_visits_of_the_charts_merged_into_it(practice: Practice, tmp_path: Path) -> None:
    visit = MISSED | {"ADACode": "D1110"}
    export(tmp_path, [row(1), row(2), row(3)])
    export(tmp_path, [visit, visit | {"ProcNum": "2", "PatNum": "2"}], "procedures.csv")
    load(practice, export(tmp_path, [BROKEN | {"PatNum": "3", "Status": "Scheduled", "ApptDate": "3/3/2027"}], "appointments.csv"))  # fmt: skip
    owners = (
        "SELECT p.source_key FROM (SELECT patient_id FROM procedure UNION ALL SELECT patient_id FROM appointment) x "
        "JOIN patient p ON p.id = x.patient_id ORDER BY 1"
    )
    assert db.values(owners) == ["1", "2", "3"]
    db.run("DELETE FROM patient_change")
    export(tmp_path, [row(1), row(2, Notes="Merged into chart 1"), row(3, Notes="merged into #2")])
    load(practice, tmp_path, TOMORROW)
    assert db.values(owners) == ["1", "1", "1"]
    assert db.value("SELECT count(*) FROM patient_change") == 3
    before = db.tuples("SELECT ctid::text, xmin::text FROM procedure UNION ALL SELECT ctid::text, xmin::text FROM appointment")  # fmt: skip
    load(practice, tmp_path, TOMORROW)
    after = db.tuples("SELECT ctid::text, xmin::text FROM procedure UNION ALL SELECT ctid::text, xmin::text FROM appointment")  # fmt: skip
    assert after == before
    load(practice, export(tmp_path, [row(1), row(2), row(3)]), TOMORROW)
    assert db.values(owners) == ["1", "2", "3"]


def test_what_a_patient_has_chosen_on_their_own_page_is_not_overwritten(practice: Practice, tmp_path: Path) -> None:
    wished = {"ContactMethod": "Email", "Language": "English"}
    load(practice, export(tmp_path, [row(1, **wished), row(2, **wished)]))
    db.run("UPDATE patient SET language = 'es', preferred_channel = 'sms', own_choices = '{language,preferred_channel}' WHERE source_key = '1'")  # fmt: skip
    other = {"ContactMethod": "Mail", "Language": "French"}
    load(practice, export(tmp_path, [row(1, **other), row(2, **other)]), TOMORROW)
    found = db.tuples("SELECT language, preferred_channel FROM patient ORDER BY source_key")
    assert found == [("es", "sms"), ("fr", "letter")]


def test_headers_without_rows_change_nothing_and_nobody_is_gone(practice: Practice, tmp_path: Path) -> None:
    write_csv(tmp_path / "export", date(2027, 1, 12), 11, patients=800)
    load(practice, tmp_path / "export")
    before = versions(practice)
    for kind in KINDS:
        path = tmp_path / f"{kind.name}.csv"
        path.write_text(",".join(field.headers[0] for field in kind.fields) + "\n", encoding="utf-8")
        result = importer.write([path], practice, TOMORROW, "test")
        assert result.empty
        assert versions(practice) == before, kind.name
        found = "SELECT rule FROM import_issue WHERE resolved_at IS NULL AND entity = %(kind)s"
        assert db.values(found, kind=kind.name) == ["no_rows"]
    assert one("SELECT max(appointments_as_of) FROM sync_run") == (NOW,)
