"""Every trap that a CSV export can hold, planted on a patient whom the manifest names (numbers: pms-data section 7)."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from recare.rehearsal import chart as charts
from recare.rehearsal.chart import Chart, Slot
from recare.rehearsal.fictional import written
from recare.rehearsal.people import Person, us_date, workday

if TYPE_CHECKING:
    import random

# Traps of other doors: they cannot be written into a CSV folder.
NOT_IN_FILES: dict[int, str] = {
    10: "the export states minutes, not patterns",
    39: "no CSV header carries a balance limit of a recall",
    42: "change stamps exist only in a live database",
    43: "server clocks exist only at an API",
    44: "deletions without trace: leave rows out of a second export",
    45: "pages exist only at an API",
    46: "a restored backup is a second export",
    47: "only the NexHealth API has unavailable blocks",
    48: "one location",
}
Cells = dict[str, str]
Want = Callable[[Person], bool]


def plain(person: Person) -> bool:
    """Whether the patient is an ordinary adult with a mobile, an e-mail address and a visit in the exported years."""
    row = person.row
    reached = bool(person.cell and person.email and row["Cell Phone"] and row["Birthdate"])
    return (
        reached
        and person.role != "child"
        and row["Status"] == "Patient"
        and person.band in {"lapsed", "overdue", "active"}
    )


def has_appointments(person: Person) -> bool:
    return plain(person) and person.band == "lapsed"


# One-row traps: number, who may carry it, what the export then shows.
CELLS: tuple[tuple[int, Want, Cells], ...] = (
    (1, plain, {"Birthdate": "1/1/0001"}),
    (2, plain, {"Birthdate": "1/1/1900"}),
    (2, plain, {"Birthdate": "3/14/1899"}),
    (3, plain, {"Guarantor": "0", "Preferred Dentist": "0"}),
    (5, plain, {"TxtMsgOk": "2"}),
    (11, plain, {"Pre Med": "True"}),
    (11, plain, {"Pre Med": "1"}),
    (12, plain, {"Preferred Name": "NULL", "MI": "NULL", "Notes": ""}),
    (14, plain, {"Status": "Archived", "Notes": "Merged into chart 10001"}),
    (14, plain, {"Status": "Archived", "Notes": "Moved to another state"}),
    (14, plain, {"Status": "Archived", "Notes": "Dismissed from practice, certified letter 3/2024"}),
    (15, plain, {"Status": "Deleted"}),
    (16, plain, {"Status": "Deceased"}),
    (16, plain, {"Death Indicator": "Y"}),
    (17, lambda p: plain(p) and p.band == "active", {"Status": "Inactive"}),
    (24, lambda p: plain(p) and p.id == p.guarantor, {}),
    (30, plain, {"Work Phone": "=cell"}),
    (30, lambda p: plain(p) and bool(p.home), {"Cell Phone": "=home"}),
    (31, plain, {"Cell Phone": "212-555-0142 mom"}),
    (31, plain, {"Cell Phone": "cell"}),
    (31, plain, {"Cell Phone": "(630)555-0177 / (630)555-0178"}),
    (32, plain, {"Cell Phone": "(000)000-0000"}),
    (32, plain, {"Cell Phone": "555-5555"}),
    (32, plain, {"Cell Phone": "123-456-7890"}),
    (33, plain, {"Email": "first.choice@example.org; second.choice@example.com"}),
    (33, plain, {"Email": "none@"}),
    (
        33,
        plain,
        {
            "Email": "pat.overmarsh.long.address@example.org,mom.overmarsh.long.address@example.org,dad.overmarsh.long.addr"
        },
    ),
    (34, plain, {"ContactMethod": "DoNotCall"}),
    (34, plain, {"ContactMethod": "SeeNotes", "Notes": "Call her daughter first"}),
    (35, plain, {"Notes": "Pt upset about bill - do not text or email"}),
    (36, plain, {"Language": "spa"}),
    (36, plain, {"Language": "es"}),
    (36, plain, {"Language": "habla español"}),
    (38, plain, {"Billing Type": "Zz - Sent to Collections"}),
    (49, plain, {"Street Address": "12 Wharf St", "City": "Harborwick", "State": "MA", "Zip": "2139"}),
    (49, plain, {"FName": "RenÃ©e"}),
    (49, plain, {"Notes": "=SUM(A1:A9)"}),
    (49, plain, {"Notes": "+see ledger"}),
)


@dataclass(slots=True)
class Planter:
    """Plants each trap on an unused patient and remembers where."""

    rng: random.Random
    today: date
    found: list[Person]
    chart: Chart
    used: set[int] = field(default_factory=set)
    planted: list[tuple[int, str]] = field(default_factory=list)

    def take(self, number: int, want: Want) -> Person:
        """Return the first patient not yet used who fits; raises ``ValueError`` when the practice is too small."""
        for person in self.found:
            if person.id not in self.used and want(person):
                self.mark(number, person)
                return person
        raise ValueError(f"Trap {number} finds no fitting patient: ask for at least 800 patients.")

    def mark(self, number: int, person: Person) -> None:
        self.used.add(person.id)
        self.planted.append((number, str(person.id)))

    def add(self, number: int, like: Person, **cells: str) -> Person:
        """Append a second chart of the same person, without visits of its own."""
        twin = copy.deepcopy(like)
        twin.id = max(person.id for person in self.found) + 1
        twin.row |= {"PatNum": str(twin.id), "First Visit Date": "", "Last Visit": "", **cells}
        twin.band, twin.last_visit, twin.first_visit = "never", None, None
        self.found.append(twin)
        self.mark(number, twin)
        return twin

    def appointment(self, person: Person, day: date | None, start: int, status: str) -> None:
        charts.add_appointment(self.chart, person, Slot(day, "HYG1", "HYG1", start, 60), status, ("D1110",))

    def procedure(self, person: Person, day: date, code: str, status: str) -> None:
        charts.add_procedure(self.chart, person, day, (code, status, 0), "HYG1")


def plant(planter: Planter) -> None:
    """Plant every trap; the planter's ``planted`` then lists (trap number, patient's source id)."""
    for number, want, cells in CELLS:
        person = planter.take(number, want)
        numbers = {"=cell": person.row["Cell Phone"], "=home": person.row["HmPhone"]}
        person.row |= {header: numbers.get(text, text) for header, text in cells.items()}
    for step in (_procedures, _appointments, _recalls, _family, _minors, _twins, _money, _clock):
        step(planter)


def _procedures(planter: Planter) -> None:
    recent = workday(planter.today - timedelta(days=30))
    for number, code, status in (
        (7, "D2740", "D"),
        (8, "D1110", "EC"),
        (8, "D1110", "EO"),
        (9, "D9986", "C"),
        (9, "D9987", "C"),
    ):
        planter.procedure(planter.take(number, has_appointments), recent, code, status)
    for code in ("T1234", "N4118", "D1110.2", "1110"):
        person = planter.take(13, has_appointments)
        planter.procedure(person, person.last_visit or recent, code, "C")


def _appointments(planter: Planter) -> None:
    for back in (20, 45, 60, 90, 130, 200, 260, 330):  # eight of them in one real clinic
        planter.appointment(
            planter.take(18, has_appointments), workday(planter.today - timedelta(days=back)), 480, "Scheduled"
        )
    ahead = workday(planter.today + timedelta(days=60))
    for status in ("Broken", "UnschedList", "Planned"):
        planter.appointment(planter.take(19, has_appointments), ahead, 480, status)
    asap = planter.take(20, lambda p: plain(p) and p.band == "overdue")
    slot = planter.chart.seat(planter.rng, workday(planter.today + timedelta(days=75)), "hygiene", 60)
    if slot:
        charts.add_appointment(planter.chart, asap, slot, "ASAP", ("D1110",))
    planter.take(21, lambda p: p.row["Status"] == "Prospective")


def _recalls(planter: Planter) -> None:
    recalls = {row["PatNum"]: row for row in planter.chart.recalls}
    own = {row["PatNum"] for row in planter.chart.recalls if row["Type"] == "Perio"}
    packed = planter.take(6, lambda p: plain(p) and recalls.get(str(p.id), {}).get("Interval") == "6m")
    recalls[str(packed.id)]["Interval"] = "393216"
    odd = planter.take(6, lambda p: plain(p) and recalls.get(str(p.id), {}).get("Interval") == "6m")
    recalls[str(odd.id)]["Interval"] = "6m1d"
    never = planter.take(22, lambda p: p.row["Status"] == "Prospective")
    charts.add_recall(planter.chart, never, ("Prophy", "6m"), date(1, 1, 1), "")
    planter.chart.recalls[-1]["Last Recall Date"] = "1/1/0001"
    planter.take(23, lambda p: plain(p) and str(p.id) in own)


def _family(planter: Planter) -> None:
    children = [person for person in planter.found if person.role == "child" and person.age(planter.today) < 17]
    heads = {person.id: person for person in planter.found}
    for status in ("Archived", "Deceased"):
        child = planter.take(
            24, lambda p: p in children and plain(heads[p.guarantor]) and p.guarantor not in planter.used
        )
        heads[child.guarantor].row["Status"] = status
        planter.mark(24, heads[child.guarantor])
    elder = planter.take(24, lambda p: p in children)
    elder.row["Guarantor"] = str(elder.id)  # a minor who is her own guarantor
    planter.take(
        25, lambda p: p.role == "child" and bool(p.cell) and p.row["Cell Phone"] != "" and plain(heads[p.guarantor])
    )
    divorced = planter.take(28, lambda p: p in children and bool(p.row["Guardian"]))
    other = planter.take(28, lambda p: plain(p) and p.household != divorced.household)
    other.row["Marital Status"] = "D"
    divorced.row |= {"Guarantor": str(other.id), "Notes": "Parents divorced - confidential, mother only"}


def _minors(planter: Planter) -> None:
    heads = {person.id: person for person in planter.found}

    def minor(person: Person) -> bool:
        young = person.role == "child" and 5 < person.age(planter.today) < 16 and bool(person.row["Birthdate"])
        return (
            young
            and person.row["Status"] == "Patient"
            and plain(heads[person.guarantor])
            and person.guarantor not in planter.used
        )

    planter.take(26, minor)
    planter.take(26, minor).row["Guardian"] = ""
    planter.take(26, minor).row |= {"Guardian": "", "Guarantor": "0"}  # nobody to address: hold
    grown = planter.take(26, minor)
    today = planter.today
    born = today.replace(year=today.year - 18, day=min(today.day, 28))  # eighteen today
    grown.born, grown.row["Birthdate"] = born, us_date(born)


def _twins(planter: Planter) -> None:
    one = planter.take(27, plain)
    planter.add(27, one, FName=one.first.upper(), LName=one.last.upper(), Email="")
    married = planter.take(29, lambda p: plain(p) and p.sex == "F")
    planter.add(29, married, LName="Merriweather-Quist", **{"Cell Phone": written(planter.rng, married.cell)})


def _money(planter: Planter) -> None:
    covered = {row["PatNum"]: row for row in planter.chart.coverage}
    heads = {person.id: person for person in planter.found}
    minus = planter.take(4, lambda p: plain(p) and str(p.id) in covered)
    covered[str(minus.id)] |= {"Annual Max": "-1", "Prim Benefits Remaining": "-1"}
    partner = planter.take(37, lambda p: plain(p) and p.role == "partner" and plain(heads[p.guarantor]))
    partner.row["Current Bal"], heads[partner.guarantor].row["Current Bal"] = "0.00", "385.00"
    july = planter.take(40, lambda p: plain(p) and covered.get(str(p.id), {}).get("Insurance Type") == "Commercial")
    covered[str(july.id)] |= {
        "MonthRenew": "7",
        "Annual Max": "1500.00",
        "Prim Benefits Remaining": "900.00",
        "DateTerm": "",
    }


def _clock(planter: Planter) -> None:
    """A broken visit stamped in the hour that does not exist, another in the hour that comes twice."""
    zone = ZoneInfo("America/Chicago")
    days = [planter.today - timedelta(days=n) for n in range(1, 366)]
    offsets = [(day, datetime(day.year, day.month, day.day, 12, tzinfo=zone).utcoffset()) for day in days]
    for (after, later), (_, earlier) in itertools.pairwise(offsets):
        if later != earlier and later is not None and earlier is not None:
            planter.appointment(planter.take(41, has_appointments), after, 150 if later > earlier else 90, "Broken")
