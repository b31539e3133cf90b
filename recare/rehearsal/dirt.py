"""Dirt in the proportions of one real clinic, thrown on the clean export rows before the traps are planted."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

from recare.rehearsal.fictional import written
from recare.rehearsal.people import Person, Row, us_date

if TYPE_CHECKING:
    import random

    from recare.rehearsal.chart import Chart

# Share of patients per kind of dirt. No birthdate: 8 % (pms-data section 7, S6). All others are assumptions.
SHARES: dict[str, float] = {
    "birthdate_missing": 0.065,
    "birthdate_placeholder": 0.015,
    "name_in_capitals": 0.012,
    "phone_with_words": 0.02,
    "two_phones_in_one_field": 0.006,
    "phone_placeholder": 0.018,
    "phone_without_area_code": 0.01,
    "email_list": 0.012,
    "email_placeholder": 0.014,
    "email_in_capitals": 0.01,
    "null_word": 0.01,
    "do_not_call": 0.015,
    "status_inactive": 0.06,
    "status_archived": 0.022,
    "status_deceased": 0.014,
    "status_deleted": 0.006,
    "status_non_patient": 0.006,
    "note_moved": 0.008,
    "note_transferred": 0.008,
    "note_dismissed": 0.004,
    "note_opt_out": 0.005,
    "collections": 0.01,
}
GONE = {"Archived", "Deceased", "Deleted", "Non-Patient"}
LEAVING = ("moved", "transferred", "dismissed", "do not", "merged", "no texts")


def throw(rng: random.Random, today: date, found: list[Person], chart: Chart) -> Counter[str]:
    """Dirty the rows in place and return how many rows got each kind; a row gets at most one kind."""
    counts: Counter[str] = Counter()
    kinds, shares = list(SHARES), list(SHARES.values())
    for person in found:
        kind = rng.choices([*kinds, ""], [*shares, 1 - sum(shares)])[0]
        if kind and _spoil(rng, today, person.row, kind):
            counts[kind] += 1
            person.status = person.row["Status"]
    counts.update(_spoil_charts(rng, chart))
    return counts


def _spoil(rng: random.Random, today: date, row: Row, kind: str) -> bool:
    """Apply one kind of dirt; return False when the row has nothing to spoil."""
    area = kind.split("_", maxsplit=1)[0]
    if area in {"phone", "two"}:
        return bool(row["Cell Phone"]) and _spoil_phone(rng, row, kind)
    if area == "email":
        return bool(row["Email"]) and _spoil_email(rng, row, kind)
    if area in {"status", "note", "collections", "do"}:
        return row["Status"] == "Patient" and _spoil_standing(rng, today, row, kind)
    if kind == "name_in_capitals":
        row["FName"], row["LName"] = row["FName"].upper(), row["LName"].upper()
    elif kind == "null_word":
        row["MI"] = row["Preferred Name"] = row["Preferred Days"] = "NULL"
    else:
        row["Birthdate"] = "" if kind == "birthdate_missing" else rng.choice(("1/1/1900", "1/1/0001"))
    return True


def _spoil_phone(rng: random.Random, row: Row, kind: str) -> bool:
    phone = row["Cell Phone"]
    if kind == "phone_with_words":
        row["Cell Phone"] = f"{phone} {rng.choice(('mom', 'dad', 'cell', 'wife', 'after 5'))}"
    elif kind == "two_phones_in_one_field":
        row["Cell Phone"] = f"{phone} / {row['HmPhone'] or phone}"
    elif kind == "phone_placeholder":
        row["Cell Phone"] = rng.choice(("(000)000-0000", "(555)555-5555", "123-456-7890", "none", "999-999-9999"))
    else:
        row["Cell Phone"] = written(rng, "".join(filter(str.isdigit, phone)))[-8:].lstrip(")-. ")
    return True


def _spoil_email(rng: random.Random, row: Row, kind: str) -> bool:
    if kind == "email_list":
        row["Email"] = f"{row['Email']}{rng.choice((',', '; ', ';'))}family{rng.randint(100, 999)}@example.org"
    elif kind == "email_placeholder":
        row["Email"] = rng.choice(("none@", "declined@", "n/a", "na@na", "none"))
    else:
        row["Email"] = row["Email"].upper() + " "
    return True


def _spoil_standing(rng: random.Random, today: date, row: Row, kind: str) -> bool:
    month = f"{rng.randint(1, 12)}/{today.year - rng.randint(1, 2)}"
    states = {"status_inactive": "Inactive", "status_archived": "Archived", "status_deceased": "Deceased"}
    states |= {"status_deleted": "Deleted", "status_non_patient": "Non-Patient"}
    notes = {
        "note_moved": f"Moved out of state {month}",
        "note_transferred": f"Records transferred to another office {month}",
        "note_dismissed": f"Dismissed from practice, certified letter {month}",
        "note_opt_out": rng.choice(
            ("Pt asked - do not text or call", "NO TEXTS per patient", "do not contact, very upset")
        ),
        "status_archived": rng.choice(("Moved", "", "Merged with other chart", "Not returned")),
    }
    row["Status"] = states.get(kind, row["Status"])
    row["Notes"] = notes.get(kind, row["Notes"])
    if kind == "collections":
        row["Billing Type"], row["Current Bal"] = "Zz - Sent to Collections", "412.00"
    elif kind == "do_not_call":
        row["ContactMethod"] = rng.choice(("DoNotCall", "SeeNotes"))
    elif kind == "status_deceased" and rng.random() < 0.4:
        row["Death Indicator"] = "Y"
    return True


def _spoil_charts(rng: random.Random, chart: Chart) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in chart.procedures:
        chance = rng.random()
        if chance < 0.004:
            row["ADACode"] = row["ADACode"][1:]  # SoftDent writes codes without the D
            counts["code_without_d"] += 1
        elif chance < 0.006:
            row["ADACode"] += ".2"
            counts["code_with_office_suffix"] += 1
        elif chance < 0.008:
            row["ADACode"] = rng.choice(("N4118", "N1001"))
            counts["office_code"] += 1
        elif chance < 0.011 and row["Status"] == "D":
            row["Amount"] = "-1"
            counts["money_minus_one"] += 1
    for row in chart.recalls:
        if rng.random() < 0.01:
            years, months = (
                (1, 0)
                if row["Interval"] == "1y"
                else (5, 0)
                if row["Interval"] == "5y"
                else (0, int(row["Interval"][:-1]))
            )
            row["Interval"] = str(years << 24 | months << 16)  # packed integer, as the database keeps it
            counts["packed_interval"] += 1
        elif rng.random() < 0.006:
            row["DueDate"] = us_date(date(1, 1, 1))
            counts["recall_without_due_date"] += 1
    return counts


def still_ours(row: Row) -> bool:
    """Whether nothing in the row says that the patient is gone or must not be contacted."""
    note = row["Notes"].lower()
    return (
        row["Status"] not in GONE
        and not row["Death Indicator"]
        and row["DoNotContact"] != "Y"
        and not any(w in note for w in LEAVING)
    )
