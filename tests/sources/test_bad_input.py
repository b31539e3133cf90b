"""What an office manager feeds it on a bad day: nothing is lost, and words say which file, row and column, and what to do."""

from __future__ import annotations

import csv
import io
import tracemalloc
import zipfile
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recare.base import db
from recare.sources.csv import importer, notes, reading, values
from recare.sources.csv.columns import Column
from recare.sources.csv.converters import memory
from recare.sources.csv.dates import Order
from recare.sources.csv.fields import APPOINTMENTS, PATIENTS
from recare.sources.csv.reading import Oddities, UnreadableError, chunks, layout

if TYPE_CHECKING:
    from pathlib import Path

    from recare.practices.practice import Practice

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)
TODAY = date(2027, 1, 12)
HEAD = ["Patient ID", "LName", "FName", "DOB", "Mobile", "Home Phone", "Email", "Notes", "Balance"]
ENCODINGS = ("utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


def said(practice: Practice, *paths: Path) -> tuple[int, str]:
    lines: list[str] = []
    return importer.run_import(paths, practice.slug, False, NOW, lines.append), "\n".join(lines)


def one(sql: str) -> tuple[Any, ...]:
    found: tuple[Any, ...] = db.tuples(sql)[0]
    return found


def lines(rows: list[list[str]], delimiter: str = ",", end: str = "\r\n") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(rows)
    return out.getvalue()


# --- whole files --------------------------------------------------------------------------------------------------------------------

cells = st.text(st.characters(codec="cp1252", exclude_categories=["Cc"]), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(cells, min_size=7, max_size=7), min_size=1, max_size=5), st.sampled_from(ENCODINGS), st.sampled_from(",;\t|"),
    st.sampled_from(["\r\n", "\n", "\r"]), st.booleans(), st.booleans(),
)  # fmt: skip
def test_every_row_comes_back_whatever_its_encoding_delimiter_line_ends_and_end(  # noqa: PLR0917
    tmp_path: Path, rows: list[list[str]], encoding: str, delimiter: str, end: str, last: bool, newline_in_cell: bool  # noqa: FBT001
) -> None:  # fmt: skip
    tail = "a\nb" if newline_in_cell and end != "\r" else "ü"
    table = [[str(n), "Example", *row[:6], f"{row[6]}{tail}"] for n, row in enumerate(rows, 1)]
    text = lines([HEAD, *table], delimiter, end)
    path = tmp_path / "patients.csv"
    path.write_bytes((text if last else text.removesuffix(end)).encode(encoding))
    shape = layout(path)
    found = [row for chunk in chunks(path, shape, Oddities()) for row in zip(*chunk.columns, strict=True)]
    assert shape.delimiter == delimiter
    assert [list(row) for row in found] == table


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("patients.csv", b"PK\x03\x04" + b"\x00" * 60, "a spreadsheet or a zip archive, whatever its name says"),
        ("patients.txt", b"%PDF-1.7\n", "a PDF"),
        ("patients.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old spreadsheet"),
        ("patients.csv", b"\x1f\x8b\x08\x00", "a compressed file"),
        ("patients.csv", b"  <HTML><table><tr><td>PatNum", "a web page"),
        ("patients.csv", b'<?xml version="1.0"?><Workbook>', "an XML file"),
        ("patients.csv", bytes(range(256)) * 20, "no text file"),
        ("patients.csv", b"\x00" * 5000, "no text file"),
        ("patients.csv", (bytes(range(256)) + b"Ada Example,\n" * 20) * 20, "no text file"),
        ("patients.csv", b"", "is empty"),
        ("patients.csv", b"\xef\xbb\xbf\r\n\r\n", "is empty"),
        ("patients.csv", b"PatNum,LName\n" + b"1," + b"x" * 1_200_000 + b"\n", "line 2 is longer than a million characters"),
        ("patients.csv", b'PatNum,LName,FName\n1,Example,"Ada\n2,Sample,Bo\n', "after row 1 a quotation mark is opened and never closed"),
        ("patients.csv", b"PatNum,LName\n2.98E+13,Example\n", "column 'PatNum': a spreadsheet rounded the numbers"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_why_and_stops_no_other(
    practice: Practice, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    code, text = said(practice, tmp_path)
    assert (code, db.value("SELECT count(*) FROM patient")) == (1, 0)
    assert name in text
    assert words in text
    (tmp_path / "good.csv").write_bytes(b"PatNum,LName,FName\n7,Example,Ada\n")
    code, text = said(practice, tmp_path)
    assert (code, db.values("SELECT source_key FROM patient")) == (0, ["7"])
    assert words in text


def test_a_bomb_is_refused_by_its_first_bytes_and_a_line_without_end_never_comes_into_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.csv"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("patients.csv", b"0" * 50_000_000)
    endless = tmp_path / "endless.csv"
    with endless.open("wb") as file:
        file.write(b"PatNum,LName\n1,")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
    tracemalloc.start()
    for path in (bomb, endless):
        with pytest.raises(UnreadableError):
            layout(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_what_is_not_read_is_said_and_what_is_named_twice_is_read_once(practice: Practice, tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("PatNum,LName\n1,Example\n", encoding="utf-8")
    (tmp_path / "export.zip").write_bytes(b"PK")
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "patients.csv").write_text("PatNum,LName\n2,Example\n", encoding="utf-8")
    code, text = said(practice, tmp_path, tmp_path, tmp_path / "patients.csv")
    assert code == 0
    assert "export.zip is not read" in text
    assert "older is a folder inside the folder and is not read" in text
    assert "patients.csv was named twice and is read once" in text
    assert "Number used twice" not in text
    assert db.values("SELECT source_key FROM patient") == ["1"]


def test_swapped_names_do_not_matter_for_headers_tell(practice: Practice, tmp_path: Path) -> None:
    (tmp_path / "appointments.csv").write_text("PatNum,LName,DOB\n1,Example,1980-05-17\n", encoding="utf-8")
    (tmp_path / "patients.csv").write_text("AptNum,PatNum,AptDateTime,AptStatus\n1,1,2027-03-01 09:00,1\n", "utf-8")
    code, _ = said(practice, tmp_path)
    assert code == 0
    assert one("SELECT (SELECT count(*) FROM patient), (SELECT count(*) FROM appointment)") == (1, 1)


def test_a_second_column_of_the_same_name_is_shown_and_not_used(practice: Practice, tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text(
        "PatNum,LName,Phone,Phone,\n1,Example,6305550101,6305550102,x\n", encoding="utf-8"
    )
    code, text = said(practice, tmp_path)
    assert code == 0
    assert "  Phone -> phone (header)" in text
    assert "  Phone (2) is not used" in text
    assert "  (column 5) is not used" in text
    assert db.values("SELECT address FROM contact_point") == ["+16305550101"]


def test_a_whole_name_beside_a_first_name_is_read_from_one_place(practice: Practice, tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text(
        'PatNum,First Name,Patient Name\n1,Adelheid,"Example, Ada"\n', encoding="utf-8"
    )
    assert said(practice, tmp_path)[0] == 0
    assert one("SELECT first_name, last_name FROM patient") == ("Ada", "Example")


def test_nul_bytes_and_an_end_mark_of_old_systems_hurt_nobody(practice: Practice, tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_bytes(
        b"PatNum,LName,FN\x00ame,Room\x00\r\n1,Exam\x00ple,Ada,\r\n2,Sample,Bo,\r\n\x1a"
    )
    code, text = said(practice, tmp_path)
    assert (code, "rejected" in text.replace("0 rejected", "")) == (0, False)
    assert db.tuples("SELECT last_name, first_name FROM patient ORDER BY 1") == [("Example", "Ada"), ("Sample", "Bo")]


def test_every_column_has_an_order_of_its_own(practice: Practice, tmp_path: Path) -> None:
    rows = "".join(f"{n},Example,{n + 12}/03/1980,03/{n + 12}/2025\n" for n in range(1, 9))
    (tmp_path / "patients.csv").write_text(
        f"PatNum,LName,DOB,Last Visit\n{rows}9,Example,04/05/1980,04/05/2025\n", "utf-8"
    )
    said(practice, tmp_path)
    found = one("SELECT birthdate, last_visit_stated_on FROM patient WHERE source_key = '9'")
    assert found == (date(1980, 5, 4), date(2025, 4, 5))


# --- single cells, with other values than the vectors have ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "order", "day"),
    [
        ("44197", Order.MDY, "2021-01-01"), ("29221.0", Order.DMY, "1980-01-01"), ("7/8/68", Order.DMY, "1968-08-07"), ("7-8-03", Order.MDY, "2003-07-08"),
        ("29.02.2000", Order.DMY, "2000-02-29"), ("1991.3.4", Order.MDY, "1991-03-04"), ("19910304", Order.DMY, "1991-03-04"), ("Sept 9, 1955", Order.DMY, "1955-09-09"),
        ("Tue 9 Sep 1955", Order.MDY, "1955-09-09"), ("1955-09-09T00:00:00Z", Order.MDY, "1955-09-09"), ("02/29/2001", Order.MDY, ""), ("00/00/0000", Order.MDY, ""),
        ("1899-12-30", Order.MDY, ""), ("12/31/9999", Order.MDY, ""), ("1/1/1753", Order.MDY, ""), ("TBD", Order.MDY, ""),
    ],
)  # fmt: skip
def test_dates(cell: str, order: Order, day: str) -> None:
    assert memory(PATIENTS.field("birthdate"), Column(order=order), TODAY)[cell] == (day or "\\N")


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("44197.5", "2021-01-01 12:00"), ("44197.354166666664", "2021-01-01 08:30"), ("44197", "2021-01-01 00:00"), ("1/1/2021 8:30:00 PM", "2021-01-01 20:30"),
        ("2021-01-01T08:30:00.000", "2021-01-01 08:30"), ("1/1/2021 12:05 am", "2021-01-01 00:05"), ("1/1/2021 0830", "2021-01-01 08:30"),
    ],
)  # fmt: skip
def test_moments(cell: str, moment: str) -> None:
    assert memory(APPOINTMENTS.field("starts"), Column(), TODAY)[cell] == moment


@pytest.mark.parametrize(
    ("cell", "cents"),
    [
        ("(1,234.50)", -123450), ("$ (12.00)", -1200), ("1.234,50", 123450), ("-1.234.567,80", -123456780), ("45.00 CR", -4500), ("45.00 DR", 4500), ("45.00cr", -4500),
        ("12,345,678.90", 1234567890), ("7.5", 750), ("-0.00", 0), ("$-3.20", -320), ("3.20-", -320), (".5", 50), ("1,5", None), ("12 USD", None), ("()", None),
    ],
)  # fmt: skip
def test_money(cell: str, cents: int | None) -> None:
    if cents is None:
        with pytest.raises(ValueError, match="money"):
            values.money(cell)
    else:
        assert values.money(cell) == cents


@given(st.integers(-10**9, 10**9).filter(lambda cents: cents != -100), st.sampled_from(["-1,234.50", "(1,234.50)", "1,234.50-", "-$1234.50", "1,234.50 CR"]))  # fmt: skip
def test_an_amount_comes_back_in_every_dress(cents: int, style: str) -> None:
    whole = f"{abs(cents) / 100:,.2f}"
    dress = {"(1,234.50)": f"({whole})", "1,234.50-": f"{whole}-", "-$1234.50": f"-${whole.replace(',', '')}", "1,234.50 CR": f"{whole} CR"}  # fmt: skip
    assert values.money(dress.get(style, f"-{whole}") if cents < 0 else whole) == cents


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        ("(773) 555-0161 ext 44", "{+17735550161x44}"), ("773.555.0161 x7", "{+17735550161x7}"), ("+1 773 555 0161", "{+17735550161x}"), ("1-773-555-0161 (wife)", "{+17735550161x}"),
        ("773-555-0161 or 773-555-0162", "{+17735550161x,+17735550162x}"), ("7735550161.0", "{+17735550161x}"), ("c: 773 555 0161", "{+17735550161x}"), ("tel:+17735550161", "{+17735550161x}"),
        ("773-555-0161 DO NOT TEXT", "{+17735550161x}"), ("DO NOT CALL 773-555-0161", "{+17735550161x}"), ("same as husband", "\\N"), ("999-999-9999", "\\N"),
    ],
)  # fmt: skip
def test_phones(cell: str, numbers: str) -> None:
    assert memory(PATIENTS.field("mobile"), Column(), TODAY)[cell] == numbers


@pytest.mark.parametrize(
    ("cell", "flags", "name"),
    [
        ("Smithson (DECEASED)", ["deceased"], "Smithson"), ("*Deceased* Smithson", ["deceased"], "Smithson"), ("Smithson - dec'd", ["deceased"], "Smithson"),
        ("Smithson (D)", ["deceased"], "Smithson"), ("Smithson R.I.P.", ["deceased"], "Smithson"), ("Smithson DO NOT CALL", ["no_call"], "Smithson"),
        ("Smithson **DNC**", ["no_contact"], "Smithson"), ("DO NOT USE Smithson", ["merged", "no_contact"], "Smithson"), ("Smithson [dismissed]", ["dismissed"], "Smithson"),
        ("Smithson (moved away)", ["moved"], "Smithson"), ("Smithson (duplicate)", ["merged"], "Smithson"),
        ("O'Doe", [], "O'Doe"), ("D'Arcy-Leigh", [], "D'Arcy-Leigh"), ("Rip", [], "Rip"), ("Dec", [], "Dec"), ("Do", [], "Do"), ("No", [], "No"), ("Stopford", [], "Stopford"),
        ("Moveson", [], "Moveson"), ("Mergen", [], "Mergen"), ("Left", [], "Left"), ("St. John", [], "St. John"), ("Maria (Mia)", [], "Maria (Mia)"), ("Ring", [], "Ring"),
    ],
)  # fmt: skip
def test_names_and_what_is_written_into_them(cell: str, flags: list[str], name: str) -> None:
    remembered = memory(PATIENTS.field("last_name"), Column(), TODAY)
    assert remembered[cell] == name
    assert sorted(remembered.flags.get(cell, ())) == flags


@pytest.mark.parametrize(
    ("cell", "first", "last", "preferred"),
    [
        ("O'Doe, Bo D'Arc", "Bo", "O'Doe", ""), ("O'Doe, \"Bo\" Robert", "Robert", "O'Doe", "Bo"), ("Overmarsh, Ida (Dee)", "Ida", "Overmarsh", "Dee"), ("van der Testen, Kay", "Kay", "van der Testen", ""),
    ],
)  # fmt: skip
def test_whole_names(cell: str, first: str, last: str, preferred: str) -> None:
    found = values.full_name(cell)
    assert (found[0], found[2], found[3]) == (first, last, preferred)


@given(st.text(st.characters(codec="utf-8"), max_size=30), st.sampled_from(["(DECEASED)", "DO NOT TEXT", "*deceased*", "do not contact"]))  # fmt: skip
def test_no_warning_in_a_cell_is_ever_missed(text: str, warning: str) -> None:
    assert notes.marks(values.clean(f"{text} {warning}"))


def test_warnings_in_names_and_numbers_stop_contact_and_are_on_the_fix_list(practice: Practice, tmp_path: Path) -> None:
    rows = [
        "1,Example (DECEASED),Ada,6305550101,", "2,Sample,Bo,630-555-0102 DO NOT TEXT,", "3,Third,Cy,6305550103,do not email me@example.com", "4,Fourth,Di,6305550104,",
    ]  # fmt: skip
    (tmp_path / "patients.csv").write_text("PatNum,LName,FName,Mobile,Email\n" + "\n".join(rows), encoding="utf-8")
    said(practice, tmp_path)
    found = db.tuples("SELECT source_key, last_name, standing, hold, banned_channels FROM patient ORDER BY 1")
    assert found == [
        ("1", "Example", "deceased", "", []), ("2", "Sample", "", "read_note", ["sms"]), ("3", "Third", "", "read_note", ["email"]), ("4", "Fourth", "", "", []),
    ]  # fmt: skip
    assert db.values("SELECT row_number FROM import_issue WHERE rule = 'warning_in_cell' ORDER BY 1") == [2, 3, 4]
    (tmp_path / "patients.csv").write_text(
        "PatNum,LName,FName,Mobile,Notes\n2,Sample,Bo,6305550102,\n", encoding="utf-8"
    )
    said(practice, tmp_path)
    assert one("SELECT note_flags, hold, banned_channels FROM patient WHERE source_key = '2'") == (
        [],
        "read_note",
        ["sms"],
    )


def test_a_list_without_notes_takes_back_no_warning_and_adds_its_own(practice: Practice, tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_text("PatNum,LName,ContactMethod,Notes\n1,Example,Email,moved away\n2,Sample,Mail,\n", encoding="utf-8")
    said(practice, tmp_path)
    path.write_text("PatNum,LName\n1,Example DO NOT TEXT\n2,Sample\n", encoding="utf-8")
    said(practice, tmp_path)
    found = db.tuples(
        "SELECT note_flags, banned_channels, preferred_channel, pms_wishes FROM patient ORDER BY source_key"
    )
    assert found == [(["moved", "no_text"], ["sms"], "email", "no_text"), ([], [], "letter", "letter")]


def test_privacy_requests_hold_and_refusals_in_an_unknown_column_are_pointed_out(
    practice: Practice, tmp_path: Path
) -> None:
    (tmp_path / "patients.csv").write_text(
        'Chart Number,Patient Name,Birth Date,Privacy Request,Wishes\n1,"Example, Ada",5/17/1980,No Correspondence,\n'
        '2,"Sample, Bo",6/30/1971,,please never call\n', encoding="utf-8",
    )  # fmt: skip
    code, text = said(practice, tmp_path)
    assert code == 0
    assert "“Wishes” is not used, but some of its cells read like refusals or warnings" in text
    assert one("SELECT hold, banned_channels FROM patient WHERE source_key = '1'") == (
        "read_note",
        ["sms", "email", "call", "letter"],
    )


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_sixteen_bits_without_a_mark_are_seen(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "patients.txt"
    path.write_bytes(lines([HEAD, ["1", "Núñez", *[""] * 7]], "\t").encode(encoding))
    assert reading.encoding_of(path) == encoding


def test_PAT_03_a_death_that_may_be_somebody_elses_rests_the_patient_until_a_person_has_read_the_note(  # noqa: N802
    practice: Practice, tmp_path: Path
) -> None:
    rows = ["1,Example,Ada,Mother deceased", "2,Sample,Bo,Falleció en mayo", "3,Third,Cy,x-rays sent to insurance"]
    (tmp_path / "patients.csv").write_text("PatNum,LName,FName,Notes\n" + "\n".join(rows) + "\n", encoding="utf-8")
    said(practice, tmp_path)
    found = db.tuples("SELECT standing, hold FROM patient ORDER BY source_key")
    assert found == [("", "read_note"), ("deceased", ""), ("", "")]
    assert db.values("SELECT kind FROM task WHERE kind = 'read_note'") == ["read_note"]
