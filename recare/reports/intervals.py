"""Intervals for rates, differences and costs from small numbers (science: Wilson 1927; Newcombe 1998, method 10; Kish effective n)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Final

Z: Final = 1.959964
"""95 % two-sided."""
POWER: Final = 0.80


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` of ``of`` people, with a Wilson interval; ``value`` is None when there is nobody.

    ``weighted``: the share where it is not the plain one, because people were watched for different times.
    """

    count: int
    of: int
    low: float
    high: float
    weighted: float | None = None

    @property
    def value(self) -> float | None:
        """The share."""
        if self.weighted is not None:
            return self.weighted
        return self.count / self.of if self.of else None


@dataclass(frozen=True, slots=True)
class Difference:
    """Treated minus held out, as shares of one, with its Newcombe interval."""

    value: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Cost:
    """Cents per incremental kept visit. ``high`` None: no upper limit; ``value`` None: no gain was seen."""

    value: float | None
    low: float | None
    high: float | None


def wilson(count: float, of: float) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a rate. ``of`` may be an effective number; nobody gives (0, 1)."""
    if of <= 0:
        return 0.0, 1.0
    share, square = count / of, Z * Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = Z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def rate(count: int, of: int, worth: float | None = None) -> Rate:
    """Return a rate with its Wilson interval; ``worth``: how many independent people they are, when fewer."""
    low, high = wilson(count / of * worth, worth) if of and worth is not None else wilson(count, of)
    return Rate(count, of, low, high)


def newcombe(share_1: float, n_1: float, share_0: float, n_0: float) -> Difference:
    """Return share_1 - share_0 with Newcombe's hybrid interval; ``n`` may be effective numbers.

    An empty arm knows nothing: its own interval is (0, 1).
    """
    low_1, high_1 = wilson(share_1 * n_1, n_1)
    low_0, high_0 = wilson(share_0 * n_0, n_0)
    value = share_1 - share_0
    low = value - math.hypot(share_1 - low_1, high_0 - share_0)
    high = value + math.hypot(high_1 - share_1, share_0 - low_0)
    return Difference(value, max(-1.0, low), min(1.0, high))


def effective_n(clusters: Sequence[tuple[int, int]]) -> float:
    """Return how many independent people an arm is worth when households were randomised, from (members, kept) of each.

    Variance by households over variance by people (Kish's design effect); never more than the people, and for a rate of
    0 or 1, where the data say nothing about it, as few as the households.
    """
    people, kept, groups = sum(m for m, _ in clusters), sum(y for _, y in clusters), len(clusters)
    if groups < 2 or kept in {0, people}:
        return float(groups)
    share = kept / people
    variance = groups / (groups - 1) * sum((y - share * m) ** 2 for m, y in clusters) / people**2
    if variance <= 0:
        return float(groups)
    return min(float(people), share * (1 - share) / variance)


@lru_cache(maxsize=1024)
def smallest_detectable(base: float, n_1: float, n_0: float) -> float | None:
    """Return the smallest gain over ``base`` that the interval of ``newcombe`` leaves zero out of in 80 % of repetitions.

    Numbers may be effective ones; None when an arm is empty.
    """
    if n_1 < 1 or n_0 < 1:
        return None
    base = min(max(base, 0.5 / n_0), 0.95)
    low, high = 0.0, 1.0 - base
    for _ in range(14):
        gain = (low + high) / 2
        low, high = (low, gain) if _power(base, gain, round(n_1), round(n_0)) >= POWER else (gain, high)
    return high


def _power(base: float, gain: float, n_1: int, n_0: int) -> float:
    """Chance that the interval lies above zero: summed over the held-out arm's counts, normal for the treated arm's."""
    spread = NormalDist(n_1 * (base + gain), math.sqrt(max(1e-9, n_1 * (base + gain) * (1 - base - gain))))
    total = weight = 0.0
    for count, chance in _counts(base, n_0):
        needed = _first_above_zero(count, n_1, n_0)
        total += chance * (1 - spread.cdf(needed - 0.5))
        weight += chance
    return total / weight


def _counts(share: float, of: int) -> list[tuple[int, float]]:
    """Return (count, binomial chance) around the mean, at most some 40 of them."""
    middle, spread = share * of, math.sqrt(of * share * (1 - share)) + 1
    lowest, highest = max(0, math.floor(middle - 4 * spread)), min(of, math.ceil(middle + 4 * spread))
    step = max(1, (highest - lowest) // 40)
    whole = math.lgamma(of + 1)
    return [
        (
            k,
            math.exp(
                whole
                - math.lgamma(k + 1)
                - math.lgamma(of - k + 1)
                + k * math.log(share)
                + (of - k) * math.log1p(-share)
            ),
        )
        for k in range(lowest, highest + 1, step)
    ]


@lru_cache(maxsize=8192)
def _first_above_zero(held: int, n_1: int, n_0: int) -> int:
    """Return the smallest treated count whose interval lies above zero, against ``held`` of ``n_0``; n_1 + 1 if none does."""
    low, high = 0, n_1 + 1
    while low < high:
        middle = (low + high) // 2
        above = newcombe(middle / n_1, n_1, held / n_0, n_0).low > 0
        low, high = (low, middle) if above else (middle + 1, high)
    return low


def incremental_cost(cost_cents: float, treated: int, lift: Difference) -> Cost:
    """Return the cost per additional kept visit: the cost is known, so the interval of the lift is inverted (Fieller's idea)."""
    if treated <= 0 or lift.high <= 0:
        return Cost(None, None, None)
    value = cost_cents / (treated * lift.value) if lift.value > 0 else None
    high = cost_cents / (treated * lift.low) if lift.low > 0 else None
    return Cost(value, cost_cents / (treated * lift.high), high)


PSEUDO_SENDS: Final = 200


def shrunken(count: int, of: int, overall: float) -> float:
    """Return a cell's rate pulled towards the overall one by 200 pseudo-sends, so that small cells do not shout (science 4.5)."""
    return (count + PSEUDO_SENDS * overall) / (of + PSEUDO_SENDS)
