"""The two nights of the year on which clocks change: the engine ticks through them, and nobody is texted in the dark, twice, or never.

The windows are computed here by hand, from a list of where each number and address may be, not by the product's own tables.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import pytest
import yaml

from recare.base import db
from recare.campaigns import campaign, enrol
from recare.consent import grant
from recare.jobs import engine
from recare.messages import templates
from recare.practices import practice as practices
from recare.practices import setup
from recare.segments import facts, segment
from tests.factories import insert, make_patient, make_point, make_visit
from tests.ways.office import PLAN

if TYPE_CHECKING:
    from recare.practices.practice import Practice

# Area code, state, ZIP, and every zone in which the person may be. Only states where federal hours alone apply (8 to 21, 47 CFR 64.1200(c)(1)).
PLACES: Final = (
    ("404", "GA", "30303", ("America/New_York",)),
    ("312", "IL", "60601", ("America/Chicago",)),
    ("402", "NE", "68102", ("America/Chicago", "America/Denver")),
    ("208", "ID", "83702", ("America/Boise", "America/Los_Angeles")),
    ("602", "AZ", "85003", ("America/Phoenix",)),
    ("907", "AK", "99501", ("America/Anchorage", "America/Adak")),
    ("808", "HI", "96813", ("Pacific/Honolulu",)),
    ("312", "AZ", "85003", ("America/Chicago", "America/Phoenix")),  # took the number along
    ("404", "HI", "96813", ("America/New_York", "Pacific/Honolulu")),
)
NIGHTS: Final = (
    (datetime(2027, 3, 14, tzinfo=UTC), "America/Chicago"),
    (datetime(2026, 11, 1, tzinfo=UTC), "America/Los_Angeles"),
    (datetime(2026, 11, 1, tzinfo=UTC), "America/Phoenix"),
)
EARLIEST: Final = time(8)
LATEST: Final = time(21)


@dataclass(frozen=True)
class Person:
    number: str
    zones: tuple[str, ...]

    def may_be_texted(self, at: datetime) -> bool:
        return all(EARLIEST <= at.astimezone(ZoneInfo(zone)).time() < LATEST for zone in self.zones)


def furnish(tz: str, evening: datetime) -> tuple[Practice, list[Person]]:
    """A practice with two people in each place, whose first step falls due between that evening and the next morning."""
    about = {"phone": "+16305550100", "state": "IL", "zip": "60540", "is_rehearsal": True}
    practice = practices.create(f"night-{uuid.uuid4().hex[:8]}", "Maple Dental", tz, **about)
    practices.set_clock(practice.id, evening)
    people = []
    with db.scope(practice.id):
        setup.add_sandbox(practice.id, "sms", practice.phone)
        insert(
            "sync_run", practice_id=practice.id, source="csv", state="done", started_at=evening, finished_at=evening,
            appointments_as_of=evening + timedelta(days=3),
        )  # fmt: skip
        for number, (area, state, zip_code, zones) in enumerate(PLACES * 2):
            person = Person(f"+1{area}55501{number:02d}", zones)
            patient = make_patient(practice.id, state=state, zip=zip_code)
            make_visit(practice.id, patient, -1200)
            point = make_point(practice.id, patient, person.number, last_confirmed_on=evening.date())
            paper = grant.Evidence(
                "paper", f"scan:{number}", "I agree to be written to about my visits.", person_id=patient
            )
            grant.grant(practice.id, point, "sms", 2, paper, evening - timedelta(days=1))
            people.append(person)
        segment.install(practice.id, evening)
        [draft] = [each for each in templates.shipped(templates.SHIPPED / "winback_text.yaml") if each.language == "en"]
        templates.approve(practice.id, templates.save_version(practice.id, draft, "test", evening).id, "test", evening)
        facts.rebuild([practice.id])
        launch(practice.id, evening)
    return practice, people


def launch(practice_id: int, evening: datetime) -> None:
    text = yaml.safe_dump(PLAN | {"steps": [{"channel": "sms", "template": "winback_text"}]}, sort_keys=False)
    made = campaign.create(practice_id, "Night", text, "test", evening)
    campaign.publish(practice_id, made, "test", evening)
    assert enrol.freeze_and_enrol(practice_id, made, evening).treated == 2 * len(PLACES)
    db.run(
        "UPDATE enrolment e SET due_at = e.due_at + (n.n - 1) * interval '35 minutes' FROM (SELECT id, row_number() OVER (ORDER BY id) AS n "
        "FROM enrolment WHERE practice_id = %(p)s) n WHERE e.practice_id = %(p)s AND e.id = n.id",
        p=practice_id,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize(
    ("night", "tz"), NIGHTS, ids=["spring forward", "fall back", "fall back, clock unchanged here"]
)
def test_no_text_leaves_a_window_or_goes_twice_on_the_night_the_clocks_change(night: datetime, tz: str) -> None:
    evening = night + timedelta(hours=2)  # Saturday evening in America
    practice, people = furnish(tz, evening)
    ticks = [evening + timedelta(minutes=15 * n) for n in range(4 * 18)]
    ticks += [
        ticks[-1] + timedelta(hours=n) for n in range(1, 37)
    ]  # daylight follows: whoever had to wait gets it then
    for at in ticks:
        practices.set_clock(practice.id, at)
        engine.step(practice.id, at)
    with db.scope(practice.id):
        sent = db.tuples("SELECT recipient, received_at FROM sandbox_delivery WHERE practice_id = %(p)s", p=practice.id)
    by_number = {person.number: person for person in people}
    outside = [(number, at) for number, at in sent if not by_number[number].may_be_texted(at)]
    assert outside == []
    assert sorted(number for number, _ in sent) == sorted(by_number), "each of them once, and nobody forgotten"
