"""One report: what a campaign changed, against the patients it left alone by chance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from recare.base import db
from recare.practices.practice import Practice
from recare.reports import intervals, rows, standing, waves
from recare.reports.intervals import Cost, Difference, Rate

DEFINITION: Final = "kept visit within 90 days of assignment, intention to treat, v1"
BY_WAVES: Final = (
    "kept visit within 90 days of the wave's own turn, or until nobody is left to compare with; intention to treat, v2"
)
Verdict = Literal["too early", "no control", "more", "fewer", "not distinguishable from zero"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm with its window closed. ``effective`` is what it is worth when households were drawn, for the kept visits."""

    patients: int
    households: int
    booked: Rate
    kept: Rate
    effective: float


@dataclass(frozen=True, slots=True)
class WaveLine:
    """One wave's own comparison: ``starts`` and ``watched`` in days; ``version`` is the campaign version that drew it."""

    version: int
    number: int
    starts: int
    watched: int
    treated: waves.Side
    control: waves.Side
    lift: Difference


@dataclass(frozen=True, slots=True)
class Waves:
    """What was compared in campaigns with waves: a line for each wave whose days are over, and what is still to come."""

    lines: tuple[WaveLine, ...]
    pending: tuple[tuple[int, int], ...]
    alone: tuple[tuple[int, int], ...]
    left_alone: bool

    @property
    def in_words(self) -> str:
        """Say who is compared with whom."""
        whom = "households whose own turn had not come" + (" and those left alone by chance" if self.left_alone else "")
        said = (
            f"Each household's days begin with the turn of its wave. In the same days it is compared with {whom}; who had kept a visit "
            "before the turn belongs to neither side."
        )
        if self.alone:
            said += f" Not counted here, as nobody is left to be compared with: {_listed(self.alone).lower()}."
        if self.pending:
            said += f" {_listed(self.pending)} will be read when the days are over."
        return said


def _listed(which: tuple[tuple[int, int], ...]) -> str:
    numbers = sorted({number for _, number in which})
    return ("Wave " if len(numbers) == 1 else "Waves ") + ", ".join(map(str, numbers))


@dataclass(frozen=True, slots=True)
class Response:
    """Answers of what a channel delivered, and its cost."""

    channel: str
    sent: int
    answered: Rate
    opted_out: int
    booked: int
    shrunken: float
    cost_cents: float


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """A template's credited booking rate, raw and pulled towards the overall one."""

    template: str
    channel: str
    sent: int
    booked: int
    shrunken: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a results page, file or print shows. Money in cents; shares of one."""

    practice: str
    campaign: str
    rehearsal: bool
    definition: str
    bands: str
    built_at: datetime
    span: rows.Span
    treated: Arm
    held_out: Arm
    lift: Difference
    verdict: Verdict
    detectable: float | None
    funnel: rows.Funnel
    responses: list[Response]
    templates: list[TemplateLine]
    cost_cents: float
    cost_naive_cents: float | None
    cost_incremental: Cost
    waves: Waves | None = None
    years: tuple[standing.Year, ...] = ()

    @property
    def finding(self) -> str:
        """The result in one honest sentence."""
        return in_words(self)


@dataclass(frozen=True, slots=True)
class _Found:
    """Both arms, their difference, and what was spent on those who are compared."""

    treated: Arm
    held_out: Arm
    lift: Difference
    spent: float
    waves: Waves | None = None


def build(practice: Practice, campaign_id: int | None, now: datetime) -> Report:
    """Build the report of one campaign, or of all together, inside the caller's scope."""
    known = (practice.id, campaign_id)
    minute = float(practice.policy.get("call_minute_cents", rows.CALL_MINUTE_CENTS))
    sends, funnel, span = rows.sends(*known, minute, now), rows.funnel(*known), rows.span(*known, now)
    units, patterns = rows.households(*known, now), rows.patterns(*known, now)
    found = _by_arms(units, sum(line.closed_cents for line in sends))
    if patterns:
        found = _by_waves(units, patterns, found.spent, rows.spent(*known, minute, now))
    treated, held, lift = found.treated, found.held_out, found.lift
    name, bands = _named(practice.id, campaign_id)
    return Report(
        practice=practice.name, campaign=name, rehearsal=practice.is_rehearsal, definition=BY_WAVES if patterns else DEFINITION, bands=bands,
        built_at=now, span=span, treated=treated, held_out=held, lift=lift, verdict=_verdict(treated, held, lift),
        detectable=intervals.smallest_detectable(held.kept.value or 0.0, treated.effective, held.effective), funnel=funnel,
        responses=_responses(sends), templates=_templates(sends), cost_cents=sum(line.cost_cents for line in sends),
        cost_naive_cents=found.spent / treated.kept.count if treated.kept.count else None,
        cost_incremental=intervals.incremental_cost(found.spent, treated.patients, lift), waves=found.waves,
        years=standing.years(practice.id, now) if campaign_id is None else (),
    )  # fmt: skip


def _by_arms(units: list[rows.Household], spent: float) -> _Found:
    treated, held = arm(units, "treated"), arm(units, "held_out")
    lift = intervals.newcombe(treated.kept.value or 0.0, treated.effective, held.kept.value or 0.0, held.effective)
    return _Found(treated, held, lift, spent)


def _by_waves(
    units: list[rows.Household], patterns: list[waves.Pattern], plainly: float, spent: list[rows.Spent]
) -> _Found:
    """Compare each wave from its own turn; campaigns without waves, if any are in the report, join as one turn of 90 days.

    ``plainly``: what was spent in those. Of waves only what was spent on draws that are old enough to be compared counts.
    """
    designs = waves.designs(patterns)
    turns, booked = waves.closed(patterns, lambda p: p.kept), waves.closed(patterns, lambda p: p.booked)
    lines = tuple(_line(designs[turn.version], turn) for turn in turns)
    told = _told(designs, lines)
    if without := waves.plain([(u.arm, u.members, u.kept) for u in units]):
        turns.append(without)
        booked += [turn for turn in [waves.plain([(u.arm, u.members, u.booked) for u in units])] if turn]
    if not turns:
        return _Found(arm([], ""), arm([], ""), intervals.newcombe(0.0, 0.0, 0.0, 0.0), 0.0, told)
    kept, first = waves.compare(turns), waves.compare(booked or turns)
    ends = {(turn.version, turn.starts): turn.starts + turn.watched for turn in turns}
    paid = plainly if without else 0.0
    paid += sum(one.cents for one in spent if (one.version, one.turn) in ends and one.age > ends[one.version, one.turn])
    return _Found(_arm(kept.treated, first.treated), _arm(kept.control, first.control), kept.lift, paid, told)


def _line(design: waves.Design, turn: waves.Turn) -> WaveLine:
    own = waves.compare([turn])
    number = 1 + design.turns.index(turn.starts)
    return WaveLine(turn.version, number, turn.starts, turn.watched, own.treated, own.control, own.lift)


def _told(designs: dict[int, waves.Design], lines: tuple[WaveLine, ...]) -> Waves:
    read = {(line.version, line.starts) for line in lines}
    named = [(v, n, start, d) for v, d in designs.items() for n, start in enumerate(d.turns, 1)]
    return Waves(
        lines,
        tuple((v, n) for v, n, start, d in named if d.watched(start) and (v, start) not in read),
        tuple((v, n) for v, n, start, d in named if not d.watched(start)),
        any(design.left_alone for design in designs.values()),
    )


def _arm(kept: waves.Side, booked: waves.Side) -> Arm:
    return Arm(kept.people, kept.households, _rate(booked), _rate(kept), kept.effective)


def _rate(side: waves.Side) -> Rate:
    low, high = intervals.wilson(side.share * side.effective, side.effective)
    return Rate(side.came, side.people, low, high, side.share)


def arm(units: list[rows.Household], which: str) -> Arm:
    """Add up one arm."""
    mine = [unit for unit in units if unit.arm == which]
    people, booked, kept = sum(u.members for u in mine), sum(u.booked for u in mine), sum(u.kept for u in mine)
    first = intervals.effective_n([(unit.members, unit.booked) for unit in mine])
    effective = intervals.effective_n([(unit.members, unit.kept) for unit in mine])
    return Arm(
        people, len(mine), intervals.rate(booked, people, first), intervals.rate(kept, people, effective), effective
    )


def _verdict(treated: Arm, held: Arm, lift: Difference) -> Verdict:
    if not treated.patients:
        return "too early"
    if not held.patients:
        return "no control"
    if not lift.certain:
        return "not distinguishable from zero"
    return "more" if lift.value > 0 else "fewer"


def _responses(sends: list[rows.Sent]) -> list[Response]:
    overall, found = _booked_overall(sends), []
    for channel in sorted({line.channel for line in sends}):
        mine = [line for line in sends if line.channel == channel]
        sent, booked = sum(line.sent for line in mine), sum(line.booked for line in mine)
        answered = intervals.rate(sum(line.replied for line in mine), sum(line.delivered for line in mine))
        found.append(
            Response(
                channel, sent, answered, sum(line.opted_out for line in mine), booked, intervals.shrunken(booked, sent, overall),
                sum(line.cost_cents for line in mine),
            )
        )  # fmt: skip
    return found


def _templates(sends: list[rows.Sent]) -> list[TemplateLine]:
    overall = _booked_overall(sends)
    return [
        TemplateLine(
            line.template, line.channel, line.sent, line.booked, intervals.shrunken(line.booked, line.sent, overall)
        )
        for line in sends
    ]


def _booked_overall(sends: list[rows.Sent]) -> float:
    sent = sum(line.sent for line in sends)
    return sum(line.booked for line in sends) / sent if sent else 0.0


def _named(practice_id: int, campaign_id: int | None) -> tuple[str, str]:
    """Return the campaign's name and the version of the band definition it was frozen with."""
    sql = """SELECT c.name, coalesce(v.spec ->> 'bands', '') FROM campaign c
        LEFT JOIN campaign_version v ON v.practice_id = c.practice_id AND v.campaign_id = c.id
        WHERE c.practice_id = %(practice)s AND c.id = %(campaign)s ORDER BY v.number DESC LIMIT 1"""
    found = db.tuples(sql, practice=practice_id, campaign=campaign_id) if campaign_id else []
    return (str(found[0][0]), str(found[0][1])) if found else ("All campaigns", "")


def points(share: float) -> str:
    """Write a difference of shares as percentage points: ``+2.1``."""
    return f"{100 * share:+.1f}"


def in_words(report: Report) -> str:
    """Say what was found, and what could not have been."""
    lift, seen = (
        report.lift,
        f"smallest difference that could have been seen: {100 * (report.detectable or 0):.1f} points",
    )
    between = f"95 % interval {points(lift.low)} to {points(lift.high)} points"
    if report.verdict == "too early" and report.waves is not None:
        return "Too early: no wave has its days behind it yet. Counts so far are in the funnel; each wave is read once, when its days are over."
    if report.verdict == "too early":
        return "Too early: nobody's 90 days are over. Counts so far are in the funnel; the result is read once, at 90 days."
    if report.verdict == "no control":
        return "Nobody was held out, so nothing can be said about what the campaign changed."
    if report.verdict == "not distinguishable from zero":
        return f"Not distinguishable from zero: {points(lift.value)} points ({between}; {seen})."
    extra, *ends = (abs(share) * report.treated.patients for share in (lift.value, lift.low, lift.high))
    return (
        f"{extra:,.0f} {report.verdict} kept visits than without it ({min(ends):,.0f} to {max(ends):,.0f}): "
        f"{points(lift.value)} points ({between})."
    )
