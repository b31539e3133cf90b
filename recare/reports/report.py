"""One report: what a campaign changed, against the patients it left alone by chance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from recare.base import db
from recare.practices.practice import Practice
from recare.reports import intervals, rows
from recare.reports.intervals import Cost, Difference, Rate

DEFINITION: Final = "kept visit within 90 days of assignment, intention to treat, v1"
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

    @property
    def finding(self) -> str:
        """The result in one honest sentence."""
        return in_words(self)


def build(practice: Practice, campaign_id: int | None, now: datetime) -> Report:
    """Build the report of one campaign, or of all together, inside the caller's scope."""
    known = (practice.id, campaign_id)
    sends = rows.sends(*known, float(practice.policy.get("call_minute_cents", rows.CALL_MINUTE_CENTS)))
    units, funnel = rows.households(*known, now), rows.funnel(*known)
    treated, held = arm(units, "treated"), arm(units, "held_out")
    span, responses = rows.span(*known, now), _responses(sends)
    lift = intervals.newcombe(treated.kept.value or 0.0, treated.effective, held.kept.value or 0.0, held.effective)
    cost = sum(line.cost_cents for line in responses)
    name, bands = _named(practice.id, campaign_id)
    return Report(
        practice=practice.name, campaign=name, rehearsal=practice.is_rehearsal, definition=DEFINITION, bands=bands, built_at=now,
        span=span, treated=treated, held_out=held, lift=lift, verdict=_verdict(treated, held, lift),
        detectable=intervals.smallest_detectable(held.kept.value or 0.0, treated.effective, held.effective), funnel=funnel,
        responses=responses, templates=_templates(sends), cost_cents=cost,
        cost_naive_cents=cost / treated.kept.count if treated.kept.count else None,
        cost_incremental=intervals.incremental_cost(cost, treated.patients, lift),
    )  # fmt: skip


def arm(units: list[rows.Household], which: str) -> Arm:
    """Add up one arm."""
    mine = [unit for unit in units if unit.arm == which]
    people, booked, kept = sum(u.members for u in mine), sum(u.booked for u in mine), sum(u.kept for u in mine)
    effective = intervals.effective_n([(unit.members, unit.kept) for unit in mine])
    return Arm(people, len(mine), intervals.rate(booked, people), intervals.rate(kept, people), effective)


def _verdict(treated: Arm, held: Arm, lift: Difference) -> Verdict:
    if not treated.patients:
        return "too early"
    if not held.patients:
        return "no control"
    if not lift.certain:
        return "not distinguishable from zero"
    return "more" if lift.value > 0 else "fewer"


def _responses(sends: list[rows.Sent]) -> list[Response]:
    lines = rows.channels(sends)
    sent, booked = sum(line.sent for line in lines), sum(line.booked for line in lines)
    overall = booked / sent if sent else 0.0
    return [
        Response(
            line.channel, line.sent, intervals.rate(line.replied, line.delivered), line.opted_out, line.booked,
            intervals.shrunken(line.booked, line.sent, overall), line.cost_cents,
        )
        for line in lines
    ]  # fmt: skip


def _templates(sends: list[rows.Sent]) -> list[TemplateLine]:
    lines = rows.templates(sends)
    sent = sum(line.sent for line in lines)
    overall = sum(line.booked for line in lines) / sent if sent else 0.0
    return [
        TemplateLine(
            line.template, line.channel, line.sent, line.booked, intervals.shrunken(line.booked, line.sent, overall)
        )
        for line in lines
    ]


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
    if report.verdict == "too early":
        return "Too early: nobody's 90 days are over. Counts so far are in the funnel; the result is read once, at 90 days."
    if report.verdict == "no control":
        return "Nobody was held out, so nothing can be said about what the campaign changed."
    if report.verdict == "not distinguishable from zero":
        return f"Not distinguishable from zero: {points(lift.value)} points ({between}; {seen})."
    extra = abs(lift.value) * report.treated.patients
    return f"{extra:.0f} {report.verdict} kept visits than without it: {points(lift.value)} points ({between})."
