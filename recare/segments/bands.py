"""Bands: what active, overdue and inactive mean, as versioned data (``data/bands.yaml``). Computed when read, never stored."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import resources
from typing import Any

import yaml

NEVER = "never"
USUAL_INTERVAL_DAYS = 183
"""Six months, as ``recall_interval_days`` counts them: the recall interval that the first limit of six months stands for."""


@dataclass(frozen=True, slots=True)
class Band:
    """One band. ``months`` since the last visit at which it ends, None = never; ``through`` counts that day in."""

    band: str
    title: str
    months: int | None = None
    through: bool = False
    inactive: bool = False


@dataclass(frozen=True, slots=True)
class Bands:
    """One version of a definition."""

    name: str
    version: int
    title: str
    source: str
    own_interval: bool
    bands: tuple[Band, ...]

    @property
    def label(self) -> str:
        """What a report prints beside its figures, such as ``founding-article 1``."""
        return f"{self.name} {self.version}"

    @property
    def names(self) -> tuple[str, ...]:
        """All bands a patient can be in."""
        return (*(band.band for band in self.bands), NEVER)

    @property
    def inactive(self) -> tuple[str, ...]:
        """The bands that this definition calls inactive."""
        return tuple(band.band for band in self.bands if band.inactive)

    def title_of(self, band: str) -> str:
        """Name of a band for the reader."""
        return next((each.title for each in self.bands if each.band == band), "Never seen")

    def of(self, last_visit_on: date | None, interval_days: int | None, today: date) -> str:
        """Return the band of one patient: the same rule as ``sql``, for explanations and tests."""
        if last_visit_on is None:
            return NEVER
        for position, band in enumerate(self.bands):
            if band.months is None:
                return band.band
            shift = (interval_days or USUAL_INTERVAL_DAYS) - USUAL_INTERVAL_DAYS if self.own_interval else 0
            if last_visit_on + timedelta(days=shift if position == 0 else max(shift, 0)) >= _least_day(band, today):
                return band.band
        raise AssertionError("The last band has no limit.")

    def sql(self, today: date, prefix: str = "band") -> tuple[str, dict[str, Any]]:
        """Return a CASE expression over facts ``f`` and its parameters, whose names begin with ``prefix``."""
        lines, params = ["CASE WHEN f.last_visit_on IS NULL THEN 'never'"], dict[str, Any]()
        for position, band in enumerate(self.bands):
            params[f"{prefix}_{position}"] = band.band
            if band.months is None:
                lines.append(f"ELSE %({prefix}_{position})s")
                continue
            params[f"{prefix}_{position}_day"] = _least_day(band, today)
            visit = "f.last_visit_on"
            if self.own_interval:
                shift = f"coalesce(f.recall_interval_days, {USUAL_INTERVAL_DAYS}) - {USUAL_INTERVAL_DAYS}"
                visit += f" + ({shift})" if position == 0 else f" + greatest({shift}, 0)"
            lines.append(f"WHEN {visit} >= %({prefix}_{position}_day)s::date THEN %({prefix}_{position})s")
        return " ".join(lines) + " END", params


def _least_day(band: Band, today: date) -> date:
    """Return the earliest last visit that still belongs to the band."""
    limit = months_before(today, band.months or 0)
    return limit if band.through else limit + timedelta(days=1)


def months_before(day: date, months: int) -> date:
    """Return the same day ``months`` earlier (later when negative), or the last day of that month when it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@cache
def every() -> tuple[Bands, ...]:
    """Return all versions of all definitions. Raises ValueError when one is not well formed."""
    text = resources.files("recare.segments").joinpath("data/bands.yaml").read_text(encoding="utf-8")
    return tuple(
        _well_formed(Bands(**{**row, "bands": tuple(Band(**band) for band in row["bands"])}))
        for row in yaml.safe_load(text)
    )


def _well_formed(bands: Bands) -> Bands:
    limits = [band.months for band in bands.bands]
    rising = [limit for limit in limits[:-1] if limit is not None]
    if limits[-1] is not None or len(rising) != len(limits) - 1 or rising != sorted(set(rising)):
        raise ValueError(f"Bands {bands.label}: limits must rise, and only the last band has none.")
    return bands


def get(label: str = "founding-article") -> Bands:
    """Return a definition by name (its newest version) or by ``name version``. Raises LookupError for an unknown one."""
    name, _, version = label.partition(" ")
    found = [bands for bands in every() if bands.name == name and version in {"", str(bands.version)}]
    if not found:
        raise LookupError(
            f"There is no band definition '{label}': choose one of {', '.join(bands.label for bands in every())}."
        )
    return max(found, key=lambda bands: bands.version)


def of_practice(policy: dict[str, Any]) -> Bands:
    """Return the definition that a practice has chosen in its policy (``bands``), else the default."""
    return get(str(policy.get("bands", "founding-article")))
