"""The rules in force in plain words, with source and confidence, and the rows of each state and country (`recare rules`)."""

from __future__ import annotations

import functools
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from recare.compliance.packs import FOLDER, PackError, load_packs
from recare.compliance.words import STATES

if TYPE_CHECKING:
    from recare.compliance.packs import CountryPack, Hours, StateRow, Week

GRADES: Final = {"P": "primary text", "S": "secondary source", "M": "measured", "D": "our own choice"}
CONFIDENCE: Final = {"H": "high", "M": "medium", "L": "low: sources conflict, the strict reading is kept"}


class Rule(BaseModel):
    """One rule in plain words. ``not_built``: why no gate of a decision asks it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[A-Z]{3}-\d\d$")
    says: str
    source: str
    confidence: Literal["P", "S", "M", "D"]
    not_built: str = ""


@functools.cache
def rules() -> tuple[Rule, ...]:
    """Every rule, in the order of the file. Raises PackError when the file is malformed."""
    try:
        data = yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8"))
        return TypeAdapter(tuple[Rule, ...]).validate_python(data)
    except (yaml.YAMLError, ValidationError) as error:
        raise PackError(f"rules.yaml: {error}") from error


def in_words() -> list[str]:
    """All lines to print: rules first, then states, then countries."""
    packs = load_packs()
    lines = ["Rules of every decision", ""]
    lines += [_rule(rule) for rule in rules()]
    us = packs.packs["US"]
    lines += ["", f"States of the United States ({packs.names['US']}), where stricter than federal law", ""]
    lines += [_state(row) for row in us.states]
    lines += [f"Federal law alone: {', '.join(STATES[state] for state in us.federal_only)}."]
    lines += ["", "Other countries", ""]
    lines += [_country(name, packs.packs[name]) for name in sorted(packs.packs) if name != "US"]
    lines += [
        "",
        "An engineering reading of the sources named, not legal advice: counsel confirms a row before a practice sends live.",
    ]
    return lines


def _rule(rule: Rule) -> str:
    built = f" Not a gate: {rule.not_built}." if rule.not_built else ""
    return f"{rule.id}  {rule.says}{built} [{rule.source}; {GRADES[rule.confidence]}]"


def _state(row: StateRow) -> str:
    parts = [_week(row)]
    if row.device is not None:
        parts.append(f"automated texts {_week(row.device)}")
    if row.recall_floor == 3:
        parts.append("recall texts need signed consent")
    if row.call_floor > 1:
        parts.append("calls need " + ("signed consent" if row.call_floor == 3 else "an opt-in"))
    parts += [f"at most {cap.touches} in {cap.hours} hours" for cap in row.caps]
    if row.ebr_months is not None:
        parts.append(
            f"a relationship lives {row.ebr_months} months" if row.ebr_months else "a relationship never counts"
        )
    if row.state_list:
        parts.append("a do-not-call list of its own")
    if row.ad_rules:
        parts.append(f"advertising: {row.ad_rules.rstrip('.')}")
    if row.note:
        parts.append(row.note.rstrip("."))
    return (
        f"{STATES[row.state]}{_dates(row)}: {'; '.join(parts)}. [{row.cite}; confidence {CONFIDENCE[row.confidence]}]"
    )


def _dates(row: StateRow) -> str:
    starts = f" from {row.starts}" if row.starts != date.min else ""
    return starts + (f" to {row.ends}" if row.ends != date.max else "")


def _country(name: str, pack: CountryPack) -> str:
    floors = pack.floors["sms"]
    consent = f"recall by text or e-mail needs {'an opt-in' if floors['R'] == 2 else 'signed consent'}, promotion signed consent"
    implied = f"; a visit implies consent to recall for {pack.implied_months} months" if pack.implied_months else ""
    return f"{name}: {_week(pack)}; {consent}{implied}. [{pack.cite}; confidence {CONFIDENCE[pack.confidence]}]"


def _week(week: Week) -> str:
    names = ("Monday to Friday", "Saturday", "Sunday")
    days = ", ".join(
        f"{name} {_hours(hours)}" for name, hours in zip(names, (week.weekday, week.saturday, week.sunday), strict=True)
    )
    return days + (", no holidays" if week.holidays else "")


def _hours(hours: Hours) -> str:
    return "never" if hours is None else f"{hours[0]:%H:%M} to {hours[1]:%H:%M}"
