"""Files as reports print them: encodings, delimiters, titles, totals, and columns that contradict themselves."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recare.sources.csv import dates, reading
from recare.sources.csv.columns import survey
from recare.sources.csv.dates import Order, Shape
from recare.sources.csv.reading import Oddities, UnreadableError, chunks, layout

HEAD = ["Chart #", "Last Name", "First Name", "Birth Date", "Cell Phone", "Last Visit"]
ROWS = [
    ["101", "Núñez", "Ana", "5/24/1976", "(630) 555-0101", "3/2/2025"],
    ["102", "Example", "Bo", "1/30/1980", "", "4/17/2025"],
]


def written(path: Path, rows: list[list[str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    path.write_bytes("".join(delimiter.join(row) + "\r\n" for row in rows).encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_every_delimiter_and_encoding_is_found_out(tmp_path: Path, delimiter: str, encoding: str) -> None:
    path = written(tmp_path / "patients.csv", [HEAD, *ROWS], delimiter, encoding)
    found = layout(path)
    assert (found.delimiter, found.kind.name, found.header_row) == (delimiter, "patients", 1)
    (chunk,) = chunks(path, found, Oddities())
    assert chunk.columns[1] == ("Núñez", "Example")


def test_titles_totals_page_breaks_and_empty_rows_are_no_patients(tmp_path: Path) -> None:
    rows = [
        ["Maple Dental"],
        ["Patient List by Last Visit"],
        [],
        HEAD,
        ROWS[0],
        ["Page 1 of 2"],
        HEAD,
        ROWS[1],
        ["", "", "", "", "", ""],
        ["Total", "2", "", "", "", ""],
    ]
    path = written(tmp_path / "list.csv", rows)
    found, oddities = layout(path), Oddities()
    (chunk,) = chunks(path, found, oddities)
    assert found.header_row == 4
    assert chunk.columns[0] == ("101", "102")
    assert chunk.numbers == [5, 8]
    assert oddities.dropped == 4


def test_a_row_with_too_many_cells_is_reported_and_the_others_land(tmp_path: Path) -> None:
    path = written(tmp_path / "patients.csv", [HEAD, ROWS[0], [*ROWS[1], "surplus"], ["103", "Third", "Cy"]])
    oddities = Oddities()
    (chunk,) = chunks(path, layout(path), oddities)
    assert chunk.columns[0] == ("101", "103")
    assert oddities.first_broken == [(3, "cells_do_not_fit")]


@pytest.mark.parametrize("after", [0, 1, 3, 700])
def test_a_quotation_mark_that_is_never_closed_refuses_the_file_and_swallows_nobody(tmp_path: Path, after: int) -> None:
    broken = ["103", '"Example', "Cy", "1/30/1980", "", "4/17/2025"]
    path = written(tmp_path / "patients.csv", [HEAD, *ROWS, broken, *ROWS * after])
    with pytest.raises(UnreadableError, match="after row 3 a quotation mark is opened and never closed"):
        list(chunks(path, layout(path), Oddities()))


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ("PatNum,LName,FName,Birthdate", "patients"),
        ("Name,DOB,Phone,Last Visit Date", "patients"),
        ("Patient ID,Appointment Date,Appointment Time,Status", "appointments"),
        ("AptNum,PatNum,AptDateTime,AptStatus,Op", "appointments"),
        ("Patient ID,Date,Code,Amount,TransId,TransDate", "procedures"),
        ("PatNum,Recall Type,Interval,Due Date", "recalls"),
        ("PatNum,DateTP,ADA Code,Status,Fee", "treatment plans"),
        ("Patient ID,Carrier,Annual Max,Insurance Type", "coverage"),
    ],
)
def test_the_kind_of_file_shows_in_its_headers(tmp_path: Path, headers: str, kind: str) -> None:
    assert layout(written(tmp_path / "export.csv", [headers.split(","), ["1"] * 9])).kind.name == kind


def test_a_consent_column_under_an_unknown_header_stays_unused(tmp_path: Path) -> None:
    rows = [[*HEAD, "Marketing consent", "Other number"], *([*row, "Y", "630-555-0111"] for row in ROWS * 4)]
    found = survey(path := written(tmp_path / "patients.csv", rows), shape := layout(path))
    assert 6 not in shape.mapping
    assert 6 not in found.suggestions
    assert found.suggestions[7] == "telephone numbers"


def test_ids_that_a_spreadsheet_has_rounded_refuse_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "patients.csv", [HEAD, ["2.98725E+13", *ROWS[0][1:]], ROWS[1]])
    assert "'Chart #': a spreadsheet rounded the numbers" in survey(path, layout(path)).lost


def test_a_file_without_known_headers_says_what_is_missing(tmp_path: Path) -> None:
    found = layout(written(tmp_path / "strange.csv", [["My list"], ["a", "b"], ["1", "2"]]))
    assert (found.header_row, found.mapping) == (2, {})
    with pytest.raises(UnreadableError, match="header row"):
        layout(written(tmp_path / "prose.csv", [["a"], ["1"]]))


def test_a_spreadsheet_file_is_told_how_to_become_readable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="save the sheet as CSV"):
        layout(written(tmp_path / "patients.xlsx", [HEAD]))


def test_constant_memory_means_chunks(tmp_path: Path) -> None:
    path = written(tmp_path / "patients.csv", [HEAD, *([str(n), *ROWS[0][1:]] for n in range(1, 1201))])
    assert [len(chunk.numbers) for chunk in chunks(path, layout(path), Oddities())] == [500, 500, 200]
    assert reading.CHUNK == 500


def shapes(cells: list[str]) -> dict[Shape, int]:
    return {shape: [dates.shape(cell) for cell in cells].count(shape) for shape in Shape}


@given(
    st.lists(st.dates(date(1930, 1, 1), date(2027, 1, 1)), min_size=60, max_size=120),
    st.sampled_from(list(Order)),
    st.sampled_from("/-."),
)
def test_a_column_in_one_order_is_read_back_exactly(days: list[date], order: Order, mark: str) -> None:
    pattern = f"%m{mark}%d{mark}%Y" if order is Order.MDY else f"%d{mark}%m{mark}%Y"
    cells = [day.strftime(pattern) for day in days]
    if len({cell for cell in cells if dates.shape(cell) in {Shape.DAY_FIRST, Shape.MONTH_FIRST}}) < 2:
        return  # only ambiguous days: nothing to prove
    found = dates.decide(shapes(cells)).order
    assert found is order
    assert [dates.read(cell, found) for cell in cells] == days


def test_a_column_that_mixes_both_orders_is_refused() -> None:
    assert dates.decide(shapes(["5/24/1976", "6/30/1980", "24/05/1976", "30/06/1980"])).order is None


@pytest.mark.parametrize("order", Order)
def test_a_person_may_choose_the_order_of_a_mixed_column_but_not_against_its_cells(order: Order) -> None:
    mixed, clear = shapes(["5/24/1976", "6/30/1980", "24/05/1976", "30/06/1980"]), shapes(["24/05/1976", "30/06/1980"])
    assert dates.decide(mixed, order).order is order
    assert dates.decide(clear, order).order is Order.DMY


def test_one_stray_cell_is_that_rows_fault_and_not_the_columns() -> None:
    assert dates.decide(shapes(["5/24/1976", "6/30/1980", "24/05/1976"])).order is Order.MDY
    assert dates.decide(shapes(["24/05/1976", "1/2/2020"])).order is Order.MDY  # one cell alone proves nothing
    assert dates.decide(shapes(["24/05/1976", "30/06/1980", "1/2/2020"])).order is Order.DMY


def test_a_column_that_proves_nothing_follows_the_other_dates_of_its_file(tmp_path: Path) -> None:
    rows = [
        ["101", "Example", "Ana", "24/05/1976", "", "3/2/2025"],
        ["102", "Example", "Bo", "30/01/1980", "", "4/7/2025"],
    ]
    path = written(tmp_path / "patients.csv", [HEAD, *rows])
    found = survey(path, layout(path))
    assert (found.columns[3].order, found.columns[5].order) == (Order.DMY, Order.DMY)
