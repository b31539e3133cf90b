"""A report as text, CSV or JSON: the same figures as the page."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from recare.base import db
from recare.base.spreadsheet import harmless
from recare.practices.practice import clock, named
from recare.reports import standing
from recare.reports.report import Report, build, points


def printed(practice: str, kind: str, now: datetime | None) -> str:
    """Return the report of all campaigns of a practice as ``text``, ``csv`` or ``json``; ``now`` None means its own clock."""
    place = named(practice)
    with db.scope(place.id):
        report = build(place, None, now or clock(place))
    return {"text": as_text, "csv": as_csv, "json": as_json}[kind](report)


def as_json(report: Report) -> str:
    """Return the whole report as JSON; no patient is in it."""
    said = {
        "finding": report.finding,
        "compared": report.waves.in_words if report.waves else "",
        "years": [year.finding for year in report.years],
    }
    return json.dumps(asdict(report) | said, default=str, indent=2)


def lines(report: Report) -> list[tuple[str, Any]]:
    """Return the figures in the order of the page, each with its plain name."""
    treated, held = report.treated, report.held_out
    return [
        ("practice", report.practice),
        ("campaign", report.campaign),
        ("rehearsal with simulated patients", "yes" if report.rehearsal else "no"),
        ("definition", report.definition),
        ("bands", report.bands),
        ("finding", report.finding),
        ("treated, patients with a closed window", treated.patients),
        ("held out, patients with a closed window", held.patients),
        ("treated, booked", treated.booked.count),
        ("treated, kept", treated.kept.count),
        ("held out, booked", held.booked.count),
        ("held out, kept", held.kept.count),
        ("treated, kept, share", _share(treated.kept.value)),
        ("held out, kept, share", _share(held.kept.value)),
        ("difference in kept visits, points", points(report.lift.value)),
        ("difference, lowest, points", points(report.lift.low)),
        ("difference, highest, points", points(report.lift.high)),
        ("cost, dollars", f"{report.cost_cents / 100:.2f}"),
        ("cost per kept visit (naive), dollars", _dollars(report.cost_naive_cents)),
        ("cost per additional kept visit, dollars", _dollars(report.cost_incremental.value)),
        ("cost per additional kept visit, lowest, dollars", _dollars(report.cost_incremental.low)),
        ("cost per additional kept visit, highest, dollars", _dollars(report.cost_incremental.high, "no upper limit")),
        *_waves(report),
        *((f"standing hold-out, {standing.DEFINITION}", year.finding) for year in report.years),
        *(
            (f"{line.channel}: sent, answered, opted out", f"{line.sent}, {line.answered.count}, {line.opted_out}")
            for line in report.responses
        ),
    ]


def _waves(report: Report) -> list[tuple[str, Any]]:
    """Return what was compared with what, and a line for each wave."""
    if report.waves is None:
        return []
    several = len({line.version for line in report.waves.lines}) > 1
    return [
        ("waves, what is compared", report.waves.in_words),
        *(
            (
                f"wave {line.number}{f' of version {line.version}' if several else ''}, {line.watched} days from day {line.starts}",
                f"{line.treated.came} of {line.treated.people} kept; others {_share(line.control.share)}; difference {points(line.lift.value)} points ({points(line.lift.low)} to {points(line.lift.high)})",
            )
            for line in report.waves.lines
        ),
    ]


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{100 * value:.1f} %"


def _dollars(cents: float | None, none: str = "not known") -> str:
    return none if cents is None else f"{cents / 100:.2f}"


def as_text(report: Report) -> str:
    """Return the figures as two columns for a terminal."""
    return "\n".join(f"{name:52} {value}" for name, value in lines(report))


def as_csv(report: Report) -> str:
    """Return the figures as CSV; no cell can start a formula in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["figure", "value"])
    writer.writerows((name, harmless(str(value))) for name, value in lines(report))
    return out.getvalue()
