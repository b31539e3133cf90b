"""Cells as practice systems print them, against vectors of what they mean."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recare.base import phones
from recare.sources.csv import contacts, dates, notes, values
from recare.sources.csv.columns import Column
from recare.sources.csv.converters import NULL, memory
from recare.sources.csv.dates import Order
from recare.sources.csv.fields import COVERAGE, PATIENTS, Field

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("trap_cases.json").read_text(encoding="utf-8"))
STAFF_NOTES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("staff_notes.yaml").read_text("utf-8"))
TODAY = date(2027, 1, 12)


@pytest.mark.parametrize(("raw", "day"), CASES["dates_of_a_month_first_column"])
def test_a_date_is_read_in_its_columns_order(raw: str, day: str | None) -> None:
    found = None if dates.is_none(raw) else dates.read(raw, Order.MDY)
    assert (found.isoformat() if found else None) == day


@pytest.mark.parametrize("raw", CASES["birthdates_that_are_none"])
def test_a_placeholder_or_impossible_birthdate_is_unknown(raw: str) -> None:
    assert memory(PATIENTS.field("birthdate"), Column(), TODAY)[raw] == NULL


@given(st.dates(date(1920, 1, 1), TODAY), st.sampled_from(["5/24/76", "05-24-1976", "May 24, 1976", "24-May-1976"]))
def test_two_digit_birth_years_never_lie_in_the_future(day: date, style: str) -> None:
    text = {
        "5/24/76": f"{day.month}/{day.day}/{day:%y}",
        "05-24-1976": f"{day:%m-%d-%Y}",
        "May 24, 1976": f"{day:%B} {day.day}, {day.year}",
    }.get(style, f"{day.day}-{day:%b}-{day.year}")
    found = memory(PATIENTS.field("birthdate"), Column(), TODAY)[text]
    assert date.fromisoformat(found) <= TODAY
    assert found[5:] == day.isoformat()[5:]


@pytest.mark.parametrize(("raw", "months", "days"), CASES["intervals"])
def test_recall_intervals_are_unpacked(raw: str, months: int, days: int) -> None:
    assert values.interval(raw) == (months, days)


@pytest.mark.parametrize(("raw", "minutes"), CASES["appointment_patterns"])
def test_lengths_and_patterns_become_minutes(raw: str, minutes: int) -> None:
    assert values.minutes(raw) == minutes


@pytest.mark.parametrize(("raw", "meaning"), CASES["coded_answers"])
def test_two_means_no(raw: str, meaning: str) -> None:
    assert values.answer(raw, coded=True) == meaning


@pytest.mark.parametrize(("raw", "meaning"), CASES["booleans"])
def test_booleans_in_every_dress(raw: str, meaning: bool) -> None:  # noqa: FBT001 (a vector)
    assert values.boolean(raw) is meaning


@pytest.mark.parametrize(("raw", "e164", "extension"), CASES["phones"])
def test_a_phone_is_dialled_as_written_or_not_at_all(raw: str, e164: str | None, extension: str | None) -> None:
    found = contacts.telephones(raw)
    assert [phone.e164 for phone in found] == ([e164] if e164 else [])
    assert [phone.extension for phone in found] == ([extension or ""] if e164 else [])


@pytest.mark.parametrize(("raw", "numbers"), CASES["two_phones"])
def test_several_phones_and_words_in_one_cell(raw: str, numbers: list[str]) -> None:
    assert [phone.e164 for phone in contacts.telephones(raw)] == numbers


@given(st.text(max_size=40))
def test_whatever_stands_in_a_phone_cell_only_valid_numbers_come_out(raw: str) -> None:
    for phone in contacts.telephones(raw):
        again = phones.parse(phone.e164)
        assert again is not None
        assert again.e164 == phone.e164


@pytest.mark.parametrize(("raw", "addresses"), CASES["emails"])
def test_email_cells_are_lists(raw: str, addresses: list[str]) -> None:
    assert list(contacts.emails(raw)) == addresses


def test_the_last_address_of_a_list_cut_at_the_fields_end_is_left_out() -> None:
    first, cut = "pat.overmarsh.with.a.rather.long.address@example.org", "mom.overmarsh.with.a.long.address@example.co"
    raw = f"{first},{cut}".ljust(contacts.EMAIL_CUT, "m")
    assert contacts.emails(raw) == (first,)


@pytest.mark.parametrize(("raw", "first", "last", "preferred"), CASES["names"])
def test_names_in_one_cell(raw: str, first: str, last: str, preferred: str) -> None:
    found = values.full_name(raw)
    assert (found[0], found[2], found[3]) == (first, last, preferred)


def test_text_that_was_read_in_the_wrong_encoding_is_mended() -> None:
    assert values.name("RenÃ©e") == "Renée"


@pytest.mark.parametrize(("raw", "status", "reason"), CASES["status_words"])
def test_status_words(raw: str, status: str, reason: str | None) -> None:
    found = memory(PATIENTS.field("status"), Column(numeric=False), TODAY)[raw].split("\t")
    assert (found[0], found[2]) == (status, reason or NULL)


def test_numbers_are_the_source_systems_own_codes_only_when_the_whole_column_is_numbers() -> None:
    assert memory(PATIENTS.field("status"), Column(numeric=True), TODAY)["2"].startswith("inactive\t")
    assert memory(PATIENTS.field("status"), Column(numeric=False), TODAY)["2"].startswith("unknown\t")


@pytest.mark.parametrize(("raw", "code"), CASES["procedure_codes"])
def test_procedure_codes(raw: str, code: str) -> None:
    assert values.code(raw) == code


@pytest.mark.parametrize(("raw", "code"), CASES["zip"])
def test_zip_codes_get_their_zeros_back(raw: str, code: str) -> None:
    assert values.zip_code(raw) == code


@pytest.mark.parametrize(("raw", "cents"), CASES["money"])
def test_money(raw: str, cents: int | None) -> None:
    assert values.money(raw) == cents


@pytest.mark.parametrize(("raw", "clock"), CASES["times"])
def test_times_of_day(raw: str, clock: str) -> None:
    assert values.clock(raw) == clock


@pytest.mark.parametrize(
    ("note", "flags"),
    [
        ("Pt asked - do not text or call", {"no_text", "no_call"}),
        ("NO TEXTS per patient", {"no_text"}),
        ("do not contact, very upset", {"no_contact", "upset"}),
        ("Moved out of state 3/2024", {"moved"}),
        ("Records transferred to another office 3/2024", {"transferred"}),
        ("Dismissed from practice, certified letter 3/2024", {"dismissed"}),
        ("Parents divorced - confidential, mother only", {"custody"}),
        ("Prefers mornings", set()),
        ("Nervous - likes music", set()),
    ],
)
def test_notes_are_searched_for_words_that_stop_a_contact(note: str, flags: set[str]) -> None:
    assert set(notes.flags(note)) == flags


@pytest.mark.parametrize("row", STAFF_NOTES, ids=[row["note"] for row in STAFF_NOTES])
def test_PAT_01_what_staff_write_is_heard_and_what_only_sounds_like_it_is_not(row: dict[str, Any]) -> None:  # noqa: N802
    found = {*notes.flags(row["note"]), *notes.marks(row["note"])}
    assert found >= set(row.get("raises", ()))
    assert not found & set(row.get("never", ()))


def test_a_note_names_the_chart_it_was_merged_into() -> None:
    assert notes.merged_into("Merged into chart 10001") == "10001"
    assert notes.merged_into("Merged with other chart") is None


@given(st.sampled_from([field for field in PATIENTS.fields if field.name != "full_name"]), st.text(max_size=60))
def test_any_cell_becomes_one_line_of_copy_text_with_the_right_number_of_columns(field: Field, raw: str) -> None:
    text = memory(field, Column(numeric=False), TODAY)[raw]
    assert "\n" not in text
    assert "\r" not in text
    assert len(text.split("\t")) == len(field.staged)


@pytest.mark.parametrize(
    ("raw", "payer"),
    [
        ("Insurance", "unknown"), ("Group", "unknown"), ("Medi-Cal", "unknown"), ("TennCare", "unknown"), ("VA", "unknown"), ("State", "unknown"), ("Delta Dental", "unknown"),
        ("PPO / Medicare", "medicare"), ("Medicaid HMO", "medicaid"), ("commercial + medicaid", "medicaid"), ("CHIP+", "chip"), ("TRICARE Dental Program", "tricare"),
        ("Delta PPO", "commercial"), ("Private", "commercial"), ("Uninsured", "self_pay"), ("Membership Plan", "membership"),
    ],
)  # fmt: skip
def test_OFR_01_a_payer_is_private_only_where_its_words_say_so(raw: str, payer: str) -> None:  # noqa: N802
    assert memory(COVERAGE.field("payer_class"), Column(), TODAY)[raw] == payer
