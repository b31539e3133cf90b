"""Households and patients of the synthetic practice: who they are, how they can be reached, how long ago they came."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from recare.rehearsal import fictional, names

if TYPE_CHECKING:
    import random

Row = dict[str, str]

# Days since the last completed visit, by band of the founding article (active < 6 months, overdue 6-12, inactive > 12 split at
# 24). A margin of a week on each side keeps every patient off the borders. The shares are an assumption.
BANDS: dict[str, tuple[float, int, int]] = {
    "active": (0.29, 5, 172),
    "overdue": (0.17, 190, 352),
    "lapsed": (0.25, 374, 718),
    "long_lapsed": (0.25, 740, 1440),
    "never": (0.04, 0, 0),
}
NO_DATE = date(1, 1, 1)


@dataclass(slots=True)
class Person:
    """One patient with what is true of them; ``row`` is what the export shows and where dirt is thrown."""

    id: int
    household: int
    guarantor: int
    role: str  # head, partner, child
    first: str
    last: str
    sex: str
    born: date
    spanish: bool
    band: str
    cadence: str = "regular"  # regular, yearly, irregular, perio
    last_visit: date | None = None
    first_visit: date | None = None
    cell: str = ""
    home: str = ""
    email: str = ""
    status: str = "Patient"
    row: Row = field(default_factory=dict)

    def age(self, today: date) -> int:
        """Return whole years lived on ``today``."""
        return today.year - self.born.year - ((today.month, today.day) < (self.born.month, self.born.day))


def us_date(day: date | None) -> str:
    """Return month/day/year as the practice's own system prints it; empty for none."""
    return f"{day.month}/{day.day}/{day.year:04d}" if day else ""


def workday(day: date) -> date:
    """Return ``day``, or the Friday before when it falls on a weekend or a closed holiday."""
    while day.weekday() > 4 or (day.month, day.day) in {(1, 1), (7, 4), (12, 24), (12, 25)}:
        day -= timedelta(days=1)
    return day


def people(rng: random.Random, today: date, count: int) -> list[Person]:
    """Return ``count`` patients in households of one to five, in the order of their chart numbers."""
    numbers, household = fictional.Numbers(rng), 0
    found: list[Person] = []
    while len(found) < count:
        household += 1
        members = _family(rng, today, household, 10001 + len(found))[: count - len(found)]
        _reach(rng, today, members, numbers)
        for member in members:
            _history(rng, today, member)
        found += members
    return found


def _family(rng: random.Random, today: date, household: int, first_id: int) -> list[Person]:
    kind = rng.choices(("single", "couple", "family", "seniors", "lone_parent"), (28, 20, 34, 12, 6))[0]
    spanish = rng.random() < 0.14
    last = rng.choice(names.SPANISH_SURNAMES if spanish else names.SURNAMES)
    old = {"single": (19, 78), "couple": (24, 66), "family": (29, 52), "seniors": (66, 89), "lone_parent": (25, 48)}[
        kind
    ]
    age = rng.randint(*old)
    band = rng.choices(list(BANDS), [share for share, _, _ in BANDS.values()])[0]
    adults = 2 if kind in {"couple", "family", "seniors"} else 1
    children = rng.choices((1, 2, 3), (35, 48, 17))[0] if kind in {"family", "lone_parent"} else 0
    first_sex = rng.choice("FM")
    members: list[Person] = []
    for place in range(adults + children):
        is_child = place >= adults
        years = rng.randint(2, min(22, age - 19)) if is_child else max(19, age + (rng.randint(-5, 5) if place else 0))
        sex = rng.choice("FM") if is_child else first_sex if place == 0 else "MF"[first_sex == "M"]
        born = today - timedelta(days=int(years * 365.25) + rng.randint(3, 360))
        own = rng.choices(list(BANDS), [share for share, _, _ in BANDS.values()])[0]
        members.append(
            Person(
                id=first_id + place,
                household=household,
                guarantor=first_id,
                role="child" if is_child else ("head", "partner")[place > 0],
                first=names.first_name(rng, born.year, sex, spanish),
                last=last,
                sex=sex,
                born=born,
                spanish=spanish,
                band=band if rng.random() < 0.8 else own,  # families mostly come and lapse together
            )
        )
    return members


def _reach(rng: random.Random, today: date, members: list[Person], numbers: fictional.Numbers) -> None:
    """Give the household its telephones and e-mail: parents' for children, now and then one for a couple."""
    head = members[0]
    landline = numbers.next() if rng.random() < (0.7 if head.age(today) > 65 else 0.18) else ""
    for member in members:
        grown = member.age(today) >= 16
        if member is head or (grown and rng.random() < 0.86):
            member.cell = numbers.next() if rng.random() < (0.80 if member.age(today) > 75 else 0.97) else ""
            with_mail = rng.random() < (0.62 if member.age(today) > 75 else 0.90)
            member.email = fictional.address(member.first, member.last, member.id % 997) if with_mail else ""
        else:  # children, and partners who gave the other one's
            member.cell, member.email = head.cell, head.email
        member.home = landline


def _history(rng: random.Random, today: date, member: Person) -> None:
    """Draw cadence, last and first visit; three in a hundred were last seen before the four exported years."""
    age = member.age(today)
    kinds, weights = ("regular", "yearly", "irregular", "perio"), (56, 20, 13, 11 if age > 35 else 0)
    member.cadence = rng.choices(kinds, weights)[0]
    if member.band == "never":
        return
    _, newest, oldest = BANDS[member.band]
    days = rng.randint(newest, oldest)
    if member.band == "long_lapsed" and rng.random() < 0.12:
        days = rng.randint(1500, 2500)
    if days > age * 365:
        days, member.band = rng.randint(*BANDS["active"][1:]), "active"
    member.last_visit = workday(today - timedelta(days=days))
    tenure = int(rng.expovariate(1 / 1500))
    member.first_visit = workday(max(member.last_visit - timedelta(days=tenure), member.born + timedelta(days=700)))
    member.first_visit = min(member.first_visit, member.last_visit)


def export_rows(rng: random.Random, today: date, found: list[Person]) -> None:
    """Fill the clean patient row of each person, with headers as practice systems print them."""
    homes: dict[int, tuple[str, str, str, str]] = {}
    for person in found:
        if person.household not in homes:
            homes[person.household] = _home(rng)
        person.row = {
            **_identity(rng, today, person),
            **_contact(rng, person, homes[person.household]),
            **_office(rng, today, person),
        }


def _home(rng: random.Random) -> tuple[str, str, str, str]:
    street = f"{rng.randint(11, 989)} {rng.choice(names.STREETS)} {rng.choice(names.STREET_KINDS)}"
    if rng.random() < 0.97:
        town, code = rng.choice(names.TOWNS)
        return street, town, "IL", code
    return (street, *rng.choice(names.FAR_TOWNS))


def _identity(rng: random.Random, today: date, person: Person) -> Row:
    nickname = names.NICKNAMES.get(person.first, "") if rng.random() < 0.5 else ""
    language = (
        rng.choice(("es", "spa", "Spanish"))
        if person.spanish and rng.random() < 0.6
        else rng.choice(("en", "English", ""))
    )
    marital = (
        "C"
        if person.role == "child"
        else "M"
        if person.role == "partner"
        else rng.choice("SMMW" if person.age(today) > 65 else "SMMD")
    )
    return {
        "PatNum": str(person.id),
        "LName": person.last,
        "FName": person.first,
        "MI": rng.choice("ABCDEJKLMRST") if rng.random() < 0.4 else "",
        "Preferred Name": nickname,
        "Birthdate": us_date(person.born),
        "Gender": person.sex,
        "Status": person.status if person.band != "never" else "Prospective",
        "Language": language,
        "Guarantor": str(person.guarantor),
        "Guardian": str(person.guarantor) if person.age(today) < 18 else "",
        "Marital Status": marital,
    }


def _contact(rng: random.Random, person: Person, home: tuple[str, str, str, str]) -> Row:
    street, town, state, code = home
    method = rng.choices(("Email", "HmPhone", "WirelessPh", "TextMessage", "Mail", "None"), (58, 14, 14, 6, 2, 6))[0]
    return {
        "HmPhone": fictional.written(rng, person.home) if person.home else "",
        "Work Phone": "",
        "Cell Phone": fictional.written(rng, person.cell) if person.cell else "",
        "Email": person.email,
        "Street Address": street,
        "City": town,
        "State": state,
        "Zip": code,
        "ContactMethod": method,
        # Open Dental's own coding: 0 unknown, 1 yes, 2 no.
        "TxtMsgOk": rng.choices("012", (34, 59, 7))[0] if person.cell else "0",
        "Receive Email": rng.choices(("Y", "", "N"), (62, 33, 5))[0] if person.email else "",
        "Receive Recalls": "N" if rng.random() < 0.02 else "Y",
        "DoNotContact": "Y" if rng.random() < 0.008 else "",
    }


def _office(rng: random.Random, today: date, person: Person) -> Row:
    balance = rng.choice((18, 45, 62.5, 110, 240, 385)) if person.id == person.guarantor and rng.random() < 0.12 else 0
    known = person.first_visit is not None and rng.random() < 0.90  # 10 % without first visit [pms-data, S6]
    return {
        "First Visit Date": us_date(person.first_visit) if known else "",
        "Last Visit": us_date(person.last_visit),
        "Preferred Dentist": rng.choice(("DOC1", "DOC2")),
        "Preferred Hygienist": rng.choice(("HYG1", "HYG2")),
        "Preferred Days": rng.choice(("", "", "", "Mon Wed", "Fri", "Tue Thu")),
        "Billing Type": "Standard Account" if rng.random() < 0.9 else "Payment Plan",
        "Current Bal": f"{balance:.2f}",
        "Pre Med": "true" if person.age(today) > 50 and rng.random() < 0.04 else "false",
        "Death Indicator": "",
        "Notes": rng.choice(("Prefers mornings", "Nervous - likes music", "Prefers Tue pm"))
        if rng.random() < 0.05
        else "",
    }
