"""What waves changed: each wave against everybody who had not been contacted in the same days (science 4.2; Kaplan and Meier 1958).

A household's clock begins at the turn of its wave. The control of a wave is the standing hold-out and every later wave until its own turn,
over the same days; who had come before the turn belongs to neither side, alike in both. Where later waves leave the control one after
another, its share is put together piece by piece: the chance to come in each piece among those who had not come and were not contacted.
Everybody is counted by the wave that was drawn, contacted or not. Days are whole local days after the draw; the day itself counts for nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from recare.reports import intervals
from recare.reports.intervals import Difference

WINDOW: Final = 90


@dataclass(frozen=True, slots=True)
class Pattern:
    """``units`` households that are alike: drawn under one version for the same turn, ``age`` days ago, with the same days of visits.

    ``turn`` is the day of the wave's start after the draw, None for who is left alone. ``kept`` and ``booked`` hold one day for each
    member that did, not before day 1.
    """

    version: int
    turn: int | None
    age: int
    members: int
    kept: tuple[int, ...]
    booked: tuple[int, ...]
    units: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One wave with its days behind it: ``own`` and ``others`` hold (pattern number, units, at risk, came), the latter by piece of time."""

    version: int
    starts: int
    watched: int
    pieces: tuple[tuple[int, int], ...]
    own: tuple[tuple[int, int, int, int], ...]
    others: tuple[tuple[tuple[int, int, int, int], ...], ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison. ``share`` of the control is weighted and put together; ``effective`` is how many people it is worth."""

    people: int
    households: int
    came: int
    share: float
    effective: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Two sides over the same days, and their difference by Newcombe."""

    treated: Side
    control: Side
    lift: Difference


@dataclass(frozen=True, slots=True)
class Design:
    """When the waves of one version have their turns, how long each can be watched, and whether some are left alone for good."""

    turns: tuple[int, ...]
    left_alone: bool

    def watched(self, turn: int) -> int:
        """Days for which somebody not contacted remains; 0 for a last wave that leaves nobody."""
        return WINDOW if self.left_alone else min(WINDOW, self.turns[-1] - turn)

    def pieces(self, turn: int) -> tuple[tuple[int, int], ...]:
        """Cut a turn's days where a wave begins or ends, so that in each piece the control stays the same people."""
        end = turn + self.watched(turn)
        cuts = set(self.turns) | {t + self.watched(t) for t in self.turns}
        marks = [turn, *sorted(cut for cut in cuts if turn < cut < end), end]
        return tuple(pairwise(marks))


def designs(patterns: Iterable[Pattern]) -> dict[int, Design]:
    """Return the design of each version, as it was drawn."""
    turns: dict[int, set[int]] = defaultdict(set)
    alone: set[int] = set()
    for pattern in patterns:
        if pattern.turn is None:
            alone.add(pattern.version)
        else:
            turns[pattern.version].add(pattern.turn)
    return {version: Design(tuple(sorted(days)), version in alone) for version, days in turns.items()}


def closed(patterns: Sequence[Pattern], days: Callable[[Pattern], tuple[int, ...]]) -> list[Turn]:
    """Return every turn that can be compared and has its days behind it. ``days`` chooses the outcome: kept, or booked."""
    found = []
    for version, design in designs(patterns).items():
        mine = [(number, p) for number, p in enumerate(patterns) if p.version == version]
        found += [turn for start in design.turns if (turn := _turn(design, version, start, mine, days)) is not None]
    return found


def _turn(
    design: Design,
    version: int,
    start: int,
    mine: list[tuple[int, Pattern]],
    days: Callable[[Pattern], tuple[int, ...]],
) -> Turn | None:
    watched, pieces = design.watched(start), design.pieces(start)
    old = [(number, p) for number, p in mine if p.age > start + watched]  # the last day is over, on both sides
    own = _seen(((n, p) for n, p in old if p.turn == start), (start, start + watched), days)
    others = tuple(
        _seen(((n, p) for n, p in old if p.turn is None or (p.turn > start and p.turn >= piece[1])), piece, days)
        for piece in pieces
    )
    if watched <= 0 or not own or not all(others):
        return None
    return Turn(version, start, watched, pieces, own, others)


def _seen(
    whose: Iterable[tuple[int, Pattern]], piece: tuple[int, int], days: Callable[[Pattern], tuple[int, ...]]
) -> tuple[tuple[int, int, int, int], ...]:
    """Return who had not come when a piece began, and how many came in it."""
    seen = []
    for number, pattern in whose:
        at_risk = pattern.members - sum(day <= piece[0] for day in days(pattern))
        if at_risk:
            seen.append((number, pattern.units, at_risk, sum(piece[0] < day <= piece[1] for day in days(pattern))))
    return tuple(seen)


def plain(units: Sequence[tuple[str, int, int]]) -> Turn | None:
    """Return campaigns without waves as one turn of 90 days, from (arm, members, came) of each household; None without both arms."""
    own = tuple((-n, 1, m, y) for n, (arm, m, y) in enumerate(units, 1) if arm == "treated")
    others = tuple((-n, 1, m, y) for n, (arm, m, y) in enumerate(units, 1) if arm != "treated")
    return Turn(0, 0, WINDOW, ((0, WINDOW),), own, (others,)) if own and others else None


def compare(turns: Sequence[Turn]) -> Compared:
    """Compare all of these turns together, each weighted by its own people. Needs at least one turn."""
    people = [sum(units * at_risk for _, units, at_risk, _ in turn.own) for turn in turns]
    weights = [count / sum(people) for count in people]
    treated, control = _treated(turns, people), _control(turns, weights)
    return Compared(
        treated, control, intervals.newcombe(treated.share, treated.effective, control.share, control.effective)
    )


def _treated(turns: Sequence[Turn], people: Sequence[int]) -> Side:
    total, came = sum(people), sum(units * y for turn in turns for _, units, _, y in turn.own)
    groups = sum(units for turn in turns for _, units, _, _ in turn.own)
    spread = 0.0
    for turn, count in zip(turns, people, strict=True):
        share = sum(units * y for _, units, _, y in turn.own) / count
        spread += sum(units * ((y - share * at_risk) / total) ** 2 for _, units, at_risk, y in turn.own)
    return Side(total, groups, came, came / total, _worth(came / total, spread, groups, (total, groups)))


def _control(turns: Sequence[Turn], weights: Sequence[float]) -> Side:
    """Put the control's shares together, with the influence of each household on the whole (a household controls several waves)."""
    share, influence = 0.0, defaultdict[int, float](float)
    units_of, most, events = dict[int, int](), defaultdict[int, int](int), dict[tuple[int, int, int], int]()
    for turn, weight in zip(turns, weights, strict=True):
        risks = [_risk(rows) for rows in turn.others]
        stays = 1.0
        for risk in risks:
            stays *= 1 - risk
        share += weight * (1 - stays)
        for piece, rows, risk in zip(turn.pieces, turn.others, risks, strict=True):
            count = sum(units * at_risk for _, units, at_risk, _ in rows)
            for number, units, at_risk, came in rows:
                units_of[number], most[number] = units, max(most[number], at_risk)
                events[number, *piece] = units * came
                if risk < 1:
                    influence[number] += weight * stays * (came - risk * at_risk) / (count * (1 - risk))
    spread = sum(units_of[number] * part * part for number, part in influence.items())
    people, groups = sum(units_of[n] * most[n] for n in most), sum(units_of.values())
    return Side(people, groups, sum(events.values()), share, _worth(share, spread, groups, _caps(turns, weights)))


def _risk(rows: Sequence[tuple[int, int, int, int]]) -> float:
    return sum(units * came for _, units, _, came in rows) / sum(units * at_risk for _, units, at_risk, _ in rows)


def _worth(share: float, spread: float, groups: int, caps: tuple[float, float]) -> float:
    """Return the effective number of people (Kish): by the households' own spread, never more than the people; without any, the households."""
    of_people, of_households = caps
    if groups < 2 or share <= 0 or share >= 1 or spread <= 0:
        return of_households
    return min(of_people, share * (1 - share) / (spread * groups / (groups - 1)))


def _caps(turns: Sequence[Turn], weights: Sequence[float]) -> tuple[float, float]:
    """Return how many people, and households, the control would be worth if visits came evenly over time.

    A piece with few people in it and no visit by chance would else look as sure as one with many.
    """
    load = defaultdict[tuple[int, int, int], float](float)
    people, groups = dict[tuple[int, int, int], int](), dict[tuple[int, int, int], int]()
    for turn, weight in zip(turns, weights, strict=True):
        for piece, rows in zip(turn.pieces, turn.others, strict=True):
            key = (turn.version, *piece)
            load[key] += weight
            people[key] = min(sum(u * r for _, u, r, _ in rows), people.get(key, 1 << 62))
            groups[key] = min(sum(u for _, u, _, _ in rows), groups.get(key, 1 << 62))
    time = sum(w * (end - start) for (_, start, end), w in load.items())
    of = [sum(w * w * (key[2] - key[1]) / counts[key] for key, w in load.items()) for counts in (people, groups)]
    return time / of[0], time / of[1]
