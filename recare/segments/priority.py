"""Priority: expected kept visits x production, less cost and harm. One formula in SQL for lists and in Python to explain it.

It says who is likely to bring something in after a contact: a propensity, never a lift (part would have come by itself; the hold-out says how
much). Coefficients are versioned data (``data/priority.yaml``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import yaml

from recare.segments import bands as band_definitions

if TYPE_CHECKING:
    from datetime import date

    from recare.segments.bands import Bands
    from recare.segments.facts import Facts

CHANNELS = ("sms", "email", "call", "letter")
"""The channel counted with is the preferred one, else the first of these that reaches the patient."""


@dataclass(frozen=True, slots=True)
class Coefficients:
    """One version of the numbers; meanings and sources stand beside them in ``data/priority.yaml``."""

    name: str
    version: int
    return_90d: dict[str, float]
    regular_visits: int
    regular_factor: float
    broken_visits: int
    broken_factor: float
    silence_factor: float
    silence_most: int
    most_chance: float
    contact: dict[str, float]
    typical_visit_cents: float
    typical_weight: float
    plan_share: float
    plan_most_cents: float
    cost_cents: dict[str, float]
    opt_out_risk: dict[str, float]
    opt_out_growth: float
    opt_out_cents: float

    @property
    def label(self) -> str:
        """What a list prints beside its scores."""
        return f"{self.name} {self.version}"


@cache
def coefficients() -> Coefficients:
    """Return the newest set."""
    text = resources.files("recare.segments").joinpath("data/priority.yaml").read_text(encoding="utf-8")
    return max((Coefficients(**row) for row in yaml.safe_load(text)), key=lambda each: each.version)


def sql(today: date, bands: Bands | None = None) -> tuple[str, dict[str, Any]]:
    """Return the score in cents as an SQL expression over ``facts_on(today) f``, and its parameters; 0 for whom nothing reaches."""
    k = coefficients()
    band, params = (bands or band_definitions.get()).sql(today, "pband")
    params |= _scalars(k) | {f"pr_{each}": value for each, value in k.return_90d.items()}
    for channel in CHANNELS:
        params |= {
            f"pc_{channel}": k.contact[channel], f"pk_{channel}": k.cost_cents[channel], f"po_{channel}": k.opt_out_risk[channel],
        }  # fmt: skip
    base = (
        f"(CASE {band} "
        + " ".join(f"WHEN '{each}' THEN %(pr_{each})s::float8" for each in k.return_90d)
        + " ELSE 0 END)"
    )
    ways = " ".join(f"WHEN f.preferred_channel = '{each}' AND f.{each}_ok THEN '{each}'" for each in CHANNELS)
    ways += " " + " ".join(f"WHEN f.{each}_ok THEN '{each}'" for each in CHANNELS)
    channel_value = {
        letter: "(CASE "
        f"(CASE {ways} END) "
        + " ".join(f"WHEN '{each}' THEN %({letter}_{each})s::float8" for each in CHANNELS)
        + " END)"
        for letter in ("pc", "pk", "po")
    }
    chance = (
        f"least({base} * CASE WHEN f.visits_24m >= %(p_regular_visits)s THEN %(p_regular_factor)s::float8 ELSE 1 END"
        " * CASE WHEN f.missed_visits >= %(p_broken_visits)s THEN %(p_broken_factor)s::float8 ELSE 1 END"
        " * power(%(p_silence_factor)s::float8, least(f.touches_since_reply, %(p_silence_most)s))"
        f" * {channel_value['pc']}, %(p_most_chance)s::float8)"
    )
    production = (
        "((f.production_24m_cents + %(p_typical_weight)s::float8 * %(p_typical_visit_cents)s::float8)"
        " / (f.visits_24m + %(p_typical_weight)s::float8)"
        " + %(p_plan_share)s::float8 * least(f.unscheduled_cents, %(p_plan_most_cents)s::float8))"
    )
    harm = f"{channel_value['po']} * (1 + %(p_opt_out_growth)s::float8 * f.touches_since_reply) * %(p_opt_out_cents)s::float8"
    return (
        f"coalesce(CASE WHEN f.contactable THEN {chance} * {production} - {channel_value['pk']} - {harm} END, 0)",
        params,
    )


def _scalars(k: Coefficients) -> dict[str, Any]:
    return {
        f"p_{name}": getattr(k, name) for name in Coefficients.__slots__ if isinstance(getattr(k, name), int | float)
    }


@dataclass(frozen=True, slots=True)
class Score:
    """One patient's score and what it is made of. Money is in cents."""

    band: str
    channel: str
    chance: float
    production_cents: float
    cost_cents: float
    harm_cents: float

    @property
    def cents(self) -> float:
        """Expected kept visits x production, less cost and harm."""
        return self.chance * self.production_cents - self.cost_cents - self.harm_cents if self.channel else 0.0


def score(facts: Facts, today: date, bands: Bands | None = None) -> Score:
    """Return the score of one patient by the same formula as ``sql``."""
    k, definition = coefficients(), bands or band_definitions.get()
    band = definition.of(facts.last_visit_on, facts.recall_interval_days, today)
    ways = [each for each in CHANNELS if getattr(facts, f"{each}_ok")] if facts.contactable else []
    if not ways:
        return Score(band, "", 0.0, 0.0, 0.0, 0.0)
    channel = facts.preferred_channel if facts.preferred_channel in ways else ways[0]
    chance = k.return_90d.get(band, 0.0) * _engagement(facts, k) * k.contact[channel]
    production = (facts.production_24m_cents + k.typical_weight * k.typical_visit_cents) / (
        facts.visits_24m + k.typical_weight
    )
    production += k.plan_share * min(facts.unscheduled_cents, k.plan_most_cents)
    harm = k.opt_out_risk[channel] * (1 + k.opt_out_growth * facts.touches_since_reply) * k.opt_out_cents
    return Score(band, channel, min(chance, k.most_chance), production, k.cost_cents[channel], harm)


def _engagement(facts: Facts, k: Coefficients) -> float:
    factor = k.regular_factor if facts.visits_24m >= k.regular_visits else 1.0
    factor *= k.broken_factor if facts.missed_visits >= k.broken_visits else 1.0
    return float(factor * k.silence_factor ** min(facts.touches_since_reply, k.silence_most))


_BY = {"sms": "text", "email": "e-mail", "call": "call", "letter": "letter"}


def explain(facts: Facts, today: date, bands: Bands | None = None) -> list[str]:
    """Say how the score of one patient comes about, one line a step, with the numbers."""
    k, definition = coefficients(), bands or band_definitions.get()
    made = score(facts, today, definition)
    if not made.channel:
        return ["Score $0.00: nothing reaches this patient, or nobody may contact them."]
    return [
        f"Chance to return within 90 days unasked: {k.return_90d.get(made.band, 0.0):.0%} ({definition.title_of(made.band)}, {definition.label}).",
        (
            f"Engagement: x {_engagement(facts, k):.2f} ({facts.visits_24m} visits in two years, {facts.missed_visits} missed, "
            f"{facts.touches_since_reply} contacts without a reply)."
        ),
        f"By {_BY[made.channel]}: x {k.contact[made.channel]:.2f}, together {made.chance:.1%} (at most {k.most_chance:.0%}).",
        (
            f"A visit brings about ${made.production_cents / 100:,.2f}: own production drawn towards a typical visit, and {k.plan_share:.0%} of "
            f"${min(facts.unscheduled_cents, k.plan_most_cents) / 100:,.2f} planned treatment."
        ),
        f"Less ${made.cost_cents / 100:,.2f} for the contact and ${made.harm_cents / 100:,.2f} for the risk of losing the permission to write.",
        f"Score ${made.cents / 100:,.2f}: a propensity, not a lift ({k.label}).",
    ]
