"""Charts of the synthetic practice: four years of visits, today's schedule, procedures, recalls, plans and coverage."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from recare.rehearsal import names
from recare.rehearsal.people import NO_DATE, Person, Row, us_date, workday

if TYPE_CHECKING:
    import random

CHAIRS = {"doctor": (("OP1", "DOC1"), ("OP2", "DOC2")), "hygiene": (("HYG1", "HYG1"), ("HYG2", "HYG2"))}
OPENS, LUNCH, AFTER_LUNCH, CLOSES = 8 * 60, 12 * 60, 13 * 60, 17 * 60  # minutes of the day, Monday to Friday
HYGIENE_GAP = {
    "regular": (182, 12),
    "yearly": (365, 25),
    "irregular": (330, 140),
    "perio": (100, 10),
}  # days: mean, spread
# Code strings only, with invented fees in dollars: (code, fee, minutes).
FILLINGS = (
    ("D2391", 185, 50),
    ("D2392", 240, 60),
    ("D2330", 165, 50),
    ("D7140", 195, 50),
    ("D2740", 1280, 90),
    ("D3330", 1150, 90),
)
PAYERS = (("Commercial", 62), ("Medicaid", 9), ("Medicare", 6), ("Tricare", 2), ("None", 21))


@dataclass(frozen=True, slots=True)
class Slot:
    """A stretch of a chair: no day for planned and unscheduled rows; ``start`` is the minute of the local day."""

    day: date | None
    operatory: str
    provider: str
    start: int
    minutes: int


@dataclass(slots=True)
class Chart:
    """The tables beside the patients, as export rows, and who sits in which chair when."""

    appointments: list[Row] = field(default_factory=list)
    procedures: list[Row] = field(default_factory=list)
    recalls: list[Row] = field(default_factory=list)
    plans: list[Row] = field(default_factory=list)
    coverage: list[Row] = field(default_factory=list)
    busy: dict[tuple[date, str], list[tuple[int, int]]] = field(default_factory=dict)

    def seat(self, rng: random.Random, day: date, kind: str, minutes: int) -> Slot | None:
        """Take a free chair of that kind on that day; return none when the day is full."""
        chairs = list(CHAIRS[kind])
        rng.shuffle(chairs)
        for operatory, provider in chairs:
            taken = self.busy.setdefault((day, operatory), [])
            starts = [*range(OPENS, LUNCH - minutes + 1, 10), *range(AFTER_LUNCH, CLOSES - minutes + 1, 10)]
            # Fill close to a neighbour or an edge, as a front desk does: no ten-minute holes.
            edges = (
                {OPENS, AFTER_LUNCH, LUNCH - minutes, CLOSES - minutes}
                | {e for _, e in taken}
                | {s - minutes for s, _ in taken}
            )
            free = [s for s in starts if s in edges and all(s >= end or s + minutes <= begin for begin, end in taken)]
            if free:
                start = rng.choice(free)
                taken.append((start, start + minutes))
                return Slot(day, operatory, provider, start, minutes)
        return None


def charts(rng: random.Random, today: date, found: list[Person]) -> Chart:
    """Return the charts of all patients, each with its last completed visit exactly on ``Person.last_visit``."""
    chart = Chart()
    for person in found:
        _visits(rng, today, person, chart)
        _coverage(rng, today, person, chart)
    _fill_schedule(rng, today, found, chart)
    for person in found:
        _recalls(rng, today, person, chart)
        _plan(rng, today, person, chart)
    return chart


def _visits(rng: random.Random, today: date, person: Person, chart: Chart) -> None:
    """Write completed visits backwards from the last one, then broken and unscheduled ones around them."""
    horizon = today - timedelta(days=4 * 365)
    day, gap, kind = person.last_visit, HYGIENE_GAP[person.cadence], "hygiene"
    if rng.random() < 0.14:
        kind = "doctor"
    while day and day >= horizon and person.first_visit and day >= person.first_visit:
        _visit(rng, person, day, kind, chart)
        back = max(20, int(rng.gauss(*gap)))
        if kind == "hygiene" and back > 60 and rng.random() < 0.22:  # treatment between two hygiene visits
            between = workday(day - timedelta(days=back - rng.randint(9, 35)))
            if between >= max(horizon, person.first_visit):
                _visit(rng, person, between, "doctor", chart)
        day, kind = workday(day - timedelta(days=back)), "hygiene"
    lapsed = person.band in {"lapsed", "long_lapsed", "overdue"}
    if person.last_visit and person.last_visit >= horizon and rng.random() < (0.20 if lapsed else 0.10):
        after = workday(person.last_visit + timedelta(days=rng.randint(40, 180)))
        if after < today - timedelta(days=3):
            missed = Slot(after, "HYG1", "HYG1", OPENS + 30 * rng.randint(0, 6), 60)
            add_appointment(chart, person, missed, "Broken", ("D1110",))


def _visit(rng: random.Random, person: Person, day: date, kind: str, chart: Chart) -> None:
    codes = _codes(rng, person, day, kind)
    minutes = 60 if kind == "hygiene" else max((m for code, _, m in FILLINGS if code in dict(codes)), default=30)
    overflow = Slot(day, "OP5", "DOC1" if kind == "doctor" else "HYG1", AFTER_LUNCH, minutes)
    slot = chart.seat(rng, day, kind, minutes) or overflow
    appointment = add_appointment(chart, person, slot, "Complete", tuple(code for code, _ in codes))
    for code, fee in codes:
        add_procedure(chart, person, day, (code, "C", fee), slot.provider, appointment)


def _codes(rng: random.Random, person: Person, day: date, kind: str) -> list[tuple[str, int]]:
    age = (day - person.born).days // 365
    if kind == "doctor":
        code, fee, _ = rng.choices(FILLINGS, (30, 22, 18, 10, 14, 6))[0]
        return [
            (code, fee),
            *([("D0140", 75)] if rng.random() < 0.3 else []),
            *([("D0220", 32)] if rng.random() < 0.35 else []),
        ]
    if person.cadence == "perio":
        return [("D4910", 148), *([("D0120", 58)] if rng.random() < 0.5 else [])]
    base = [("D1120", 72), ("D1206", 42)] if age < 14 else [("D1110", 102)]
    extra = [("D0274", 68)] if rng.random() < 0.42 else []
    return [*base, ("D0120", 58), *extra]


def add_appointment(chart: Chart, person: Person, slot: Slot, status: str, codes: tuple[str, ...]) -> str:
    """Append one appointment row and return its number."""
    number = str(500001 + len(chart.appointments))
    at = time(slot.start // 60, slot.start % 60).strftime("%I:%M %p") if slot.day else ""
    chart.appointments.append(
        {
            "ApptId": number,
            "PatNum": str(person.id),
            "ApptDate": us_date(slot.day),
            "ApptTime": at,
            "Duration": str(slot.minutes),
            "Status": status,
            "ApptOperatory": slot.operatory,
            "Provider": slot.provider,
            "ApptADACode": codes[0] if codes else "",
            "ApptADACode2": codes[1] if len(codes) > 1 else "",
        }
    )
    return number


def add_procedure(
    chart: Chart, person: Person, day: date, item: tuple[str, str, int], provider: str, appointment: str = "0"
) -> None:
    """Append one procedure row; ``item`` is (code, status, fee in dollars)."""
    code, status, fee = item
    row = {
        "ProcNum": str(900001 + len(chart.procedures)),
        "PatNum": str(person.id),
        "TransDate": us_date(day),
        "ADACode": code,
        "Status": status,
        "Amount": f"{fee:.2f}",
        "Provider": provider,
        "ApptId": appointment,
    }
    chart.procedures.append(row)


def _fill_schedule(rng: random.Random, today: date, found: list[Person], chart: Chart) -> None:
    """Book the next six weeks about 70 % full (hygiene chairs emptier than doctors'), then the rest of the half year thinly."""
    days = [day for n in range(1, 43) if workday(day := today + timedelta(days=n)) == day]
    pool = [person for person in found if person.band in {"active", "overdue"} and person.role != "child"]
    pool += [person for person in found if person.band == "active" and person.role == "child"]
    rng.shuffle(pool)
    waiting = iter(pool * 3)
    seen: set[tuple[int, str]] = set()
    for kind, share in (("hygiene", 0.62), ("doctor", 0.69)):
        for n, day in enumerate(days):
            level = share + 0.14 - 0.28 * n / len(days)  # next week fuller than the sixth
            room = int(level * 480 * len(CHAIRS[kind]))
            while room > 0 and (person := next(waiting, None)) is not None:
                if (person.id, kind) in seen or (
                    kind == "hygiene" and person.last_visit and (day - person.last_visit).days < 80
                ):
                    continue
                room -= _book(rng, person, day, kind, chart)
                seen.add((person.id, kind))
    later = [person for person in pool if person.band == "active" and (person.id, "hygiene") not in seen]
    for person in later[: int(len(later) * 0.6)]:
        _book(rng, person, workday(today + timedelta(days=rng.randint(46, 180))), "hygiene", chart)


def _book(rng: random.Random, person: Person, day: date, kind: str, chart: Chart) -> int:
    code, _, minutes = ("D1110", 102, 60) if kind == "hygiene" else rng.choice(FILLINGS)
    slot = chart.seat(rng, day, kind, minutes)
    if slot is None:
        return 30  # the chair is fuller than planned: give up a little of the aim, so that the loop ends
    add_appointment(chart, person, slot, "Scheduled", (code,))
    return minutes


def _recalls(rng: random.Random, today: date, person: Person, chart: Chart) -> None:
    if person.last_visit is None or rng.random() < 0.06:
        return
    child = person.age(today) < 14
    kind, months = {"perio": ("Perio", 3), "yearly": ("Prophy", 12)}.get(
        person.cadence, ("Child Prophy" if child else "Prophy", 6)
    )
    due = person.last_visit + timedelta(days=round(months * 30.44))
    late = (today - due).days
    status = "" if late < 30 else rng.choice(("", "Mailed Postcard", "Left Msg", "No Answer", "Emailed"))
    add_recall(chart, person, (kind, f"{months}m" if months < 12 else "1y"), due, status)
    if kind != "Perio" and rng.random() < 0.45:
        add_recall(chart, person, ("Bitewings", "1y"), person.last_visit + timedelta(days=rng.randint(120, 365)), "")
    if rng.random() < 0.12:
        add_recall(chart, person, ("Pano", "5y"), person.last_visit + timedelta(days=rng.randint(300, 1800)), "")


def add_recall(chart: Chart, person: Person, kind: tuple[str, str], due: date, status: str) -> None:
    """Append one recall row; ``kind`` is (type, interval)."""
    row = {
        "RecallNum": str(700001 + len(chart.recalls)),
        "PatNum": str(person.id),
        "Type": kind[0],
        "Interval": kind[1],
        "DueDate": us_date(due),
        "Last Recall Date": us_date(person.last_visit),
        "Disabled": "False",
        "Status": status,
    }
    chart.recalls.append(row)


def _plan(rng: random.Random, today: date, person: Person, chart: Chart) -> None:
    """Write planned, deleted, existing and condition rows in the proportions of a real clinic [pms-data, S6]."""
    seen = person.last_visit
    if seen is None or (today - seen).days > 4 * 365:
        return
    for status, mean in (("TP", 4.3), ("D", 3.0), ("EC", 1.1), ("Cn", 0.85)):
        planned = status == "TP" and rng.random() < 0.5
        if status == "TP" and not planned:
            continue
        for _ in range(int(rng.expovariate(1 / (mean * (2 if status == "TP" else 1))) + 0.5)):
            code, fee, _ = rng.choices(FILLINGS, (34, 22, 18, 12, 11, 3))[0]
            day = workday(max(seen - timedelta(days=rng.choice((0, 0, 182, 365))), person.first_visit or seen))
            add_procedure(chart, person, day, (code, status, fee), "DOC1")
            if status == "TP" and rng.random() < 0.35:
                _plan_item(rng, person, day, (code, fee), chart)
    if rng.random() < 0.85:
        for status in rng.choices((("Planned",), ("Planned", "UnschedList"), ("UnschedList",)), (60, 25, 15))[0]:
            add_appointment(chart, person, Slot(None, "0", "DOC1", OPENS, rng.choice((30, 60, 90))), status, ("D2740",))


def _plan_item(rng: random.Random, person: Person, day: date, item: tuple[str, int], chart: Chart) -> None:
    row = {
        "ItemNum": str(300001 + len(chart.plans)),
        "PatNum": str(person.id),
        "TreatmentPlan": "Active Treatment Plan",
        "DateTP": us_date(day),
        "ADACode": item[0],
        "Status": rng.choices(("Proposed", "Accepted", "Rejected"), (60, 30, 10))[0],
        "Amount": f"{item[1]:.2f}",
    }
    chart.plans.append(row)


def _coverage(rng: random.Random, today: date, person: Person, chart: Chart) -> None:
    payer = rng.choices([name for name, _ in PAYERS], [share for _, share in PAYERS])[0]
    if person.age(today) >= 67 and payer == "Commercial" and rng.random() < 0.5:
        payer = "Medicare"
    if payer == "None":
        return
    carrier = (
        rng.choice(names.CARRIERS)
        if payer == "Commercial"
        else f"Illinois {payer} Dental"
        if payer == "Medicaid"
        else f"{payer} Dental"
    )
    yearly = rng.choice((1000, 1500, 1500, 2000)) if payer == "Commercial" else 0
    start = (person.first_visit or today - timedelta(days=400)).replace(day=1)
    row = {
        "PatPlanNum": str(200001 + len(chart.coverage)),
        "PatNum": str(person.id),
        "Ordinal": "1",
        "Carrier": carrier,
        "Group": f"G{rng.randint(1000, 9999)}",
        "Insurance Type": payer,
        "MonthRenew": rng.choices(("1", "7", "4", "10"), (80, 10, 5, 5))[0],
        "Annual Max": f"{yearly:.2f}" if yearly else "-1",
        "Prim Benefits Remaining": f"{yearly * rng.choice((1, 1, 0.8, 0.55, 0.2)):.2f}" if yearly else "-1",
        "DateEffective": us_date(start),
        "DateTerm": us_date(NO_DATE) if rng.random() < 0.9 else us_date(today - timedelta(days=rng.randint(20, 500))),
    }
    chart.coverage.append(row)


def starts_at(row: Row) -> datetime | None:
    """Return the naive local start an appointment row states, or none."""
    return datetime.strptime(f"{row['ApptDate']} {row['ApptTime']}", "%m/%d/%Y %I:%M %p") if row["ApptTime"] else None  # noqa: DTZ007
