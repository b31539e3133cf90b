"""The flight before the flight (D2): who would be contacted, when, by which channel, at what cost, and why the others would not. Writes nothing."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from recare.base import collector, db
from recare.campaigns import audience, campaign, enrol, playbook, versions
from recare.campaigns import material as materials
from recare.campaigns.contexts import Reader
from recare.campaigns.ladder import Due, Walker, point_of
from recare.compliance.packs import load_packs
from recare.practices import practice as practices

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Say = Callable[[int, int], None]

    from recare.campaigns.ladder import Move, Touch
    from recare.campaigns.material import Material
    from recare.campaigns.versions import Version

CHUNK: Final = 5000

# Millionths of a dollar for one contact: list prices of carriers and post, and four minutes of a person at 27 dollars an hour. Assumptions;
# a practice's policy may state its own under "costs".
COSTS: Final = {"sms": 11_000, "email": 400, "call": 1_800_000, "letter": 1_000_000, "portal": 0}

# Kept visits of contacted, lapsed patients within 90 days: 3 to 5 % come unasked, an invitation multiplies that by 1.5 to 2. Carried over from
# recall trials in other patients (Altmann and Traxler; JAMA Netw Open 2022;5(11):e2242853); no trial in lapsed dental patients is known.
ASSUMED: Final = (0.045, 0.10)
OWN_DATA: Final = 300  # fewer contacted patients of its own tell a practice less than the trials do


@dataclass(frozen=True, slots=True)
class Reason:
    """Why patients are left out or wait: a code, its words and how many."""

    code: str
    words: str
    patients: int


@dataclass(frozen=True, slots=True)
class StepCount:
    """How many would be contacted at one step, by channel, if nobody answered before."""

    number: int
    channels: dict[str, int]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Kept visits to expect within 90 days, as an interval, and what that rests on (D32)."""

    low: int
    high: int
    evidence: str


@dataclass(frozen=True, slots=True)
class Chairs:
    """Free hygiene visits of an hour in the next 30 days, beside how many first invitations fall into them (D3)."""

    free: int
    invited: int


@dataclass(frozen=True, slots=True)
class First:
    """One first contact, for the list of examples."""

    patient_id: int
    channel: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Preview:
    """What a campaign would do. Patients of the segment = left out + held out + contacted + not contacted."""

    segment: int
    left_out: tuple[Reason, ...]
    held_out: int
    contacted: int
    channels: dict[str, int]
    days: dict[date, int]
    not_contacted: tuple[Reason, ...]
    waiting: tuple[Reason, ...]
    every_code: tuple[Reason, ...]
    steps: tuple[StepCount, ...]
    cost_micros: int
    expected: Forecast
    chairs: Chairs
    examples: tuple[First, ...]

    @property
    def eligible(self) -> int:
        """Patients that would be enrolled, both arms."""
        return self.segment - sum(reason.patients for reason in self.left_out)


def preview(practice_id: int, campaign_id: int, now: datetime, say: Say | None = None) -> Preview:
    """Rehearse the draft (or newest playbook) of a campaign over its segment as it stands. ``say(done, total)`` hears how far it has come.

    Opens a transaction for each chunk, so that nothing is held for long. Raises PlaybookError, CannotPublishError, LookupError.
    """
    with db.scope(practice_id):
        row = campaign.get(practice_id, campaign_id)
        plan = playbook.read(row.playbook)
        spec = campaign.frozen(practice_id, plan, now)
        chosen = audience.select(practice_id, campaign_id, plan, spec["segment"], now)
        people = db.tuples(
            f"SELECT patient_id, unit, left_out FROM ({chosen.sql}) a ORDER BY household_id, patient_id",
            **chosen.params,
        )
        flight = _Flight(practice_id, versions.read(0, campaign_id, spec), campaign.salt_of(practice_id, row), now)
    total = len(people)
    left_out = Counter(reason for _, _, reason in people if reason is not None)
    eligible = [one for one in people if one[2] is None]
    for start in range(0, len(eligible), CHUNK):
        if say is not None:
            say(start, len(eligible))
        with db.scope(practice_id), collector.resting():
            flight.fly(eligible[start : start + CHUNK])
    with db.scope(practice_id):
        return flight.landed(total, left_out)


@dataclass(slots=True)
class _Flight:
    """Counts of one rehearsal, added up chunk by chunk so that memory stays flat."""

    practice_id: int
    version: Version
    salt: str
    now: datetime
    held_out: int = 0
    channels: Counter[str] = field(default_factory=Counter)
    days: Counter[date] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    words: dict[str, str] = field(default_factory=dict)
    steps: list[Counter[str]] = field(default_factory=list)
    examples: list[First] = field(default_factory=list)

    def fly(self, people: Sequence[tuple[Any, ...]]) -> None:
        """Decide the first contact of these patients, as ``advance`` would."""
        plan = self.version.playbook
        treated: list[tuple[int, int]] = []
        for patient_id, unit, _ in people:
            arm, wave = enrol.assign(enrol.draw(self.salt, unit), plan.hold_out, plan.waves.count)
            if arm == "held_out":
                self.held_out += 1
            else:
                treated.append((patient_id, wave))
        material = materials.gather(self.practice_id, [patient_id for patient_id, _ in treated], self.now)
        walker = Walker(Reader(material), load_packs(), self.now)
        for patient_id, wave in treated:
            due = Due(patient_id, 0, self.version.id, patient_id, self.now, 0, 0, 0, "", sent=False)
            self._count(walker.walk(due, self.version), patient_id, wave)
            self._later(material, patient_id)

    def _count(self, move: Move, patient_id: int, wave: int) -> None:
        seen = set()
        for touch in move.touches:
            for reason in touch.reasons:
                if reason["verdict"] != "allow":
                    self.words.setdefault(reason["code"], reason["words"])
                    seen.add(reason["code"])
        self.codes.update(seen)
        last = move.touches[-1]
        if last.verdict in {"send", "wait"} or last.shares is not None:
            self._contact(last, patient_id, wave)
        else:
            self.refused.update([_main(last)])

    def _contact(self, touch: Touch, patient_id: int, wave: int) -> None:
        plan = self.version.playbook
        turn = self.now + timedelta(days=plan.steps[0].wait_days + (wave - 1) * plan.waves.days_between)
        at = max(touch.until or turn, turn)
        self.channels[touch.channel] += 1
        self.days[at.date()] += 1
        if touch.verdict == "wait":
            self.waits.update([_main(touch)])
        if len(self.examples) < 20:
            self.examples.append(First(patient_id, touch.channel, at))

    def _later(self, material: Material, patient_id: int) -> None:
        """Count every step by the first channel with consent: an upper limit of what the whole ladder costs."""
        row = material.patients[patient_id]
        for number, step in enumerate(self.version.playbook.steps):
            if len(self.steps) <= number:
                self.steps.append(Counter())
            for channel in step.channels(row.preferred_channel):
                point = material.points.get(point_of(row, channel) or 0)
                agreed = point is not None and (
                    point.call_out_at is None if channel == "call" else getattr(point, f"{channel}_level", 2) >= 2
                )
                if agreed:
                    self.steps[number][channel] += 1
                    break

    def landed(self, total: int, left_out: Counter[str]) -> Preview:
        """Return what the whole rehearsal found."""
        contacted = self.channels.total()
        costs = COSTS | (practices.get(self.practice_id).policy.get("costs") or {})
        last_day = (self.now + timedelta(days=30)).date()
        invited = sum(count for day, count in self.days.items() if day <= last_day)
        return Preview(
            segment=total,
            left_out=_reasons(left_out, audience.LEFT_OUT),
            held_out=self.held_out,
            contacted=contacted,
            channels=dict(self.channels),
            days=dict(sorted(self.days.items())),
            not_contacted=_reasons(self.refused, self.words),
            waiting=_reasons(self.waits, self.words),
            every_code=_reasons(self.codes, self.words),
            steps=tuple(StepCount(number, dict(count)) for number, count in enumerate(self.steps, 1)),
            cost_micros=sum(int(costs[channel]) * n for count in self.steps for channel, n in count.items()),
            expected=forecast(self.practice_id, contacted),
            chairs=Chairs(free_visits(self.practice_id, self.now), invited),
            examples=tuple(self.examples),
        )


def _main(touch: Touch) -> str:
    """The reason that is told first: of a denial before a review before a wait, the last channel tried decides."""
    order = {"deny": 0, "skip": 1, "review": 2, "delay": 3}
    codes = sorted(touch.reasons, key=lambda reason: order.get(reason["verdict"], 4))
    return str(codes[0]["code"]) if codes else "UNREACHABLE"


def _reasons(counts: Counter[str], words: dict[str, str]) -> tuple[Reason, ...]:
    return tuple(Reason(code, words.get(code, code), patients) for code, patients in counts.most_common())


def forecast(practice_id: int, contacted: int) -> Forecast:
    """Return how many of ``contacted`` will have kept a visit after 90 days: from the practice's own results when it has enough, else from trials."""
    known, kept = db.tuples(
        "SELECT count(*), count(o.id) FROM enrolment e LEFT JOIN outcome o ON o.practice_id = e.practice_id AND o.enrolment_id = e.id "
        "AND o.kind = 'kept' AND o.at <= e.assigned_at + interval '90 days' "
        "WHERE e.practice_id = %(practice)s AND e.arm = 'treated' AND e.state IN ('finished', 'stopped')",
        practice=practice_id,
    )[0]
    if known >= OWN_DATA:
        low, high = _wilson(kept, known)
        return Forecast(
            math.floor(contacted * low),
            math.ceil(contacted * high),
            f"own data: {kept} of {known} patients kept a visit",
        )
    low, high = ASSUMED
    return Forecast(
        math.floor(contacted * low),
        math.ceil(contacted * high),
        "assumption: trials in other patients, none in lapsed ones",
    )


def _wilson(hits: int, total: int) -> tuple[float, float]:
    z, rate = 1.959964, hits / total
    middle, spread = rate + z * z / (2 * total), z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    return (middle - spread) / (1 + z * z / total), (middle + spread) / (1 + z * z / total)


def free_visits(practice_id: int, now: datetime, days: int = 30) -> int:
    """Return how many hour-long hygiene visits the next ``days`` still hold: opening hours of bookable hygiene chairs less what is taken."""
    tz = practices.get(practice_id).tz
    first = now.astimezone(ZoneInfo(tz)).date() + timedelta(days=1)
    minutes = db.value(_FREE, practice=practice_id, first=first, last=first + timedelta(days=days - 1), tz=tz)
    return max(0, int(minutes or 0)) // 60


_FREE: Final = """
WITH chairs AS (
    SELECT id FROM operatory WHERE practice_id = %(practice)s AND bookable AND is_hygiene
),
days AS (
    SELECT d::date AS day FROM generate_series(%(first)s::date, %(last)s::date, interval '1 day') d
    WHERE NOT EXISTS (SELECT FROM closure c WHERE c.practice_id = %(practice)s AND c.day = d::date)
),
hours AS (
    SELECT coalesce(sum(extract(epoch FROM h.ends - h.starts) / 60), 0) AS minutes
    FROM days CROSS JOIN chairs JOIN opening_hours h ON h.practice_id = %(practice)s AND h.weekday = extract(isodow FROM day) - 1
     AND (h.operatory_id = chairs.id OR (h.operatory_id IS NULL AND NOT EXISTS (
            SELECT FROM opening_hours own WHERE own.practice_id = %(practice)s AND own.operatory_id = chairs.id)))
),
taken AS (
    SELECT coalesce(sum(minutes), 0) AS minutes FROM (
        SELECT coalesce(a.minutes, 60) AS minutes FROM appointment a JOIN chairs ON chairs.id = a.operatory_id
        WHERE a.practice_id = %(practice)s AND a.status = 'scheduled' AND a.deleted_at IS NULL
          AND a.starts_at >= %(first)s::timestamp AT TIME ZONE %(tz)s AND a.starts_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(tz)s
        UNION ALL
        SELECT extract(epoch FROM upper(b.during) - lower(b.during)) / 60 FROM booking b JOIN chairs ON chairs.id = b.operatory_id
        WHERE b.practice_id = %(practice)s AND b.state IN ('held', 'booked') AND b.appointment_id IS NULL
          AND lower(b.during) >= %(first)s::timestamp AT TIME ZONE %(tz)s
          AND lower(b.during) < (%(last)s::date + 1)::timestamp AT TIME ZONE %(tz)s) t
)
SELECT hours.minutes - taken.minutes FROM hours, taken
"""
