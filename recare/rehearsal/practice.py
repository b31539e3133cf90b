"""A synthetic suburban practice with known truth, written as the files its own system would export.

Everything is drawn from a seed: same arguments, same bytes. Nobody in it exists; see ``fictional`` for the telephones.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import yaml

from recare.rehearsal import chart as charts
from recare.rehearsal import dirt, fictional, traps
from recare.rehearsal import people as persons

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from recare.rehearsal.people import Person, Row

SMALLEST = 800  # below that some trap finds nobody who fits
PRACTICE: dict[str, Any] = {
    "name": "Maple Dental",
    "legal_name": "Maple Dental of Lindenfield, P.C.",
    "tz": "America/Chicago",
    "phone": fictional.PRACTICE_NUMBER,
    "email": "frontdesk@mapledental.example.com",
    "address": {"street": "210 Larkspur Ave", "city": "Lindenfield", "state": "IL", "zip": "60540", "country": "US"},
    "providers": [
        {"id": "DOC1", "name": "Dr. Iris Hollinbeck", "kind": "dentist"},
        {"id": "DOC2", "name": "Dr. Owen Peñalbar", "kind": "dentist"},
        {"id": "HYG1", "name": "Amy Tidewell, RDH", "kind": "hygienist"},
        {"id": "HYG2", "name": "Marcus Silverthrop, RDH", "kind": "hygienist"},
    ],
    "operatories": [
        {"id": "HYG1", "name": "Hygiene 1", "hygiene": True, "bookable": True, "provider": "HYG1"},
        {"id": "HYG2", "name": "Hygiene 2", "hygiene": True, "bookable": True, "provider": "HYG2"},
        {"id": "OP1", "name": "Operatory 1", "hygiene": False, "bookable": True, "provider": "DOC1"},
        {"id": "OP2", "name": "Operatory 2", "hygiene": False, "bookable": True, "provider": "DOC2"},
        {"id": "OP5", "name": "Overflow", "hygiene": False, "bookable": False, "provider": None},
    ],
    "hours": {day: [["08:00", "12:00"], ["13:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The planted truth of one synthetic practice. ``bands`` count all charts by days since the last completed visit in the
    practice (founding article: 6 and 12 months, split at 24); ``inactive`` = lapsed + long lapsed; ``inactive_ours`` leaves out
    those whom status or notes call gone; ``last_visits`` maps source id to that visit; ``fullness`` is the share of chair time
    taken in the next six weeks, by kind of chair; ``traps`` lists (trap number of pms-data section 7, source id).
    """

    today: date
    seed: int
    rows: dict[str, int]
    bands: dict[str, int]
    inactive: int
    inactive_ours: int
    dirt: dict[str, int]
    traps: tuple[tuple[int, str], ...]
    not_in_files: dict[int, str]
    last_visits: dict[str, date | None]
    fullness: dict[str, float]


def write_csv(folder: Path, today: date, seed: int, patients: int = 2600) -> Manifest:
    """Write the practice's export into ``folder`` (made when missing) and return what is true of it.

    Files: patients.csv (Windows-1252), appointments.csv (UTF-8 with mark), procedures.csv, recalls.csv, treatment_plans.csv (with a
    title and a total line, as reports print them), coverage.csv, practice.yaml. Dates are month/day/year. Raises ``ValueError``
    when ``patients`` is under 800, for the traps would not find their people.
    """
    if patients < SMALLEST:
        raise ValueError(f"A practice of {patients} patients cannot hold every trap: ask for at least {SMALLEST}.")
    found = persons.people(_rng(seed, "people"), today, patients - 2)  # two more are second charts of the same person
    persons.export_rows(_rng(seed, "rows"), today, found)
    chart = charts.charts(_rng(seed, "charts"), today, found)
    thrown = dirt.throw(_rng(seed, "dirt"), today, found, chart)
    planter = traps.Planter(_rng(seed, "traps"), today, found, chart)
    traps.plant(planter)
    rows = _write(folder, found, chart)
    bands = Counter(person.band for person in found)
    gone = sum(not dirt.still_ours(person.row) for person in found if person.band in {"lapsed", "long_lapsed"})
    inactive = bands["lapsed"] + bands["long_lapsed"]
    last_visits = {str(person.id): person.last_visit for person in found}
    return Manifest(
        today, seed, rows, dict(bands), inactive, inactive - gone, dict(thrown), tuple(planter.planted), traps.NOT_IN_FILES,
        last_visits, fullness(chart, today),
    )  # fmt: skip


def _rng(seed: int, purpose: str) -> random.Random:
    return random.Random(f"{seed}:{purpose}")


def _write(folder: Path, found: list[Person], chart: charts.Chart) -> dict[str, int]:
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, tuple[Sequence[Row], str]] = {
        "patients.csv": ([person.row for person in found], "cp1252"),
        "appointments.csv": (chart.appointments, "utf-8-sig"),
        "procedures.csv": (chart.procedures, "utf-8"),
        "recalls.csv": (chart.recalls, "utf-8"),
        "treatment_plans.csv": (chart.plans, "utf-8"),
        "coverage.csv": (chart.coverage, "utf-8"),
    }
    for name, (rows, encoding) in tables.items():
        with (folder / name).open("w", encoding=encoding, newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            if name == "treatment_plans.csv":
                file.write("Active Treatment Plans\r\n")
            writer.writeheader()
            writer.writerows(rows)
            if name == "treatment_plans.csv":
                file.write(f"Total,{len(rows)},,,,,\r\n")
    (folder / "practice.yaml").write_text(
        yaml.safe_dump(PRACTICE, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    return {name: len(rows) for name, (rows, _) in tables.items()}


def fullness(chart: charts.Chart, today: date) -> dict[str, float]:
    """Return the share of chair minutes taken in the six weeks after ``today``, for hygiene and doctor chairs and all together."""
    days = [day for n in range(1, 43) if persons.workday(day := today + timedelta(days=n)) == day]
    shares = {}
    for kind, chairs in charts.CHAIRS.items():
        taken = sum(
            end - start for day in days for chair, _ in chairs for start, end in chart.busy.get((day, chair), [])
        )
        shares[kind] = taken / (len(days) * 480 * len(chairs))
    return {**shares, "all": sum(shares.values()) / len(shares)}
