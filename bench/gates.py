"""Full decisions a second, all packs loaded, against a trivial baseline of the same run.

    .venv/bin/python bench/gates.py [--seconds 3]

Baseline: a function that only builds an "allow" for each context, so the ratio says what the gates themselves cost.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from recare.compliance.context import Channel, Content, Context, History, Patient, Point, PracticeFacts, Sender
from recare.compliance.gates import Decision, decide
from recare.compliance.packs import load_packs
from recare.compliance.zones import table, zips

if TYPE_CHECKING:
    from collections.abc import Callable

CHANNELS: tuple[Channel, ...] = ("sms", "sms", "email", "call")
NOW = datetime(2026, 11, 24, 17, 30, tzinfo=UTC)


def contexts(count: int, seed: int = 7) -> list[Context]:
    """A mixed lot: every state, texts, e-mails and calls, consents of every level, numbers texted before, some opted out or booked."""
    chance = random.Random(seed)
    codes = [code for code, found in table().items() if found.country == "US"]
    places = [code for code, found in zips().items() if found.zones]
    return [_one(chance, codes, places, number) for number in range(count)]


def _one(chance: random.Random, codes: list[str], places: list[str], number: int) -> Context:
    channel: Channel = chance.choice(CHANNELS)
    touches = tuple(NOW - timedelta(hours=chance.uniform(1, 900)) for _ in range(chance.choice((0, 0, 1, 3))))
    patient = Patient(
        id=number,
        status="active",
        birthdate=date(1950 + number % 50, 3, 4),
        visits_known_at=NOW - timedelta(hours=2),
        next_visit_at=NOW + timedelta(days=9) if chance.random() < 0.1 else None,
        last_visit_on=date(2024, 1, 1) + timedelta(days=chance.randrange(700)),
        zip=chance.choice(places),
        country="US",
        payer_class="commercial",
    )
    point = Point(
        id=number,
        kind="email" if channel == "email" else "phone",
        address=f"p{number}@example.com" if channel == "email" else f"+1{chance.choice(codes)}55501{number % 100:02d}",
        level=chance.choice((1, 2, 2, 3)),
        opted_out_at=NOW - timedelta(days=40) if chance.random() < 0.05 else None,
        last_confirmed_on=date(2026, 8, 1) if chance.random() < 0.7 else date(2024, 8, 1),
        dnc_listed=chance.random() < 0.2,
        dnc_checked_on=date(2026, 11, 10),
    )
    content = Content(
        channel=channel,
        message_class="R",
        automated=channel != "call",
        text="Maple Dental: Hi Sam, we'd like to see you again.",
    )
    sender = Sender(provider="x", registered=True, use_cases=("R",), baa_from=date(2026, 1, 1))
    return Context(PracticeFacts(id=1, state="CO"), patient, point, content, History(touches, touches, touches), sender)


def rate(call: Callable[[Context], Decision], lot: list[Context], seconds: float) -> float:
    """Decisions a second of processor time, so a busy machine does not blur the figure: the median of rounds over the lot."""
    rates: list[float] = []
    until = time.perf_counter() + seconds
    while not rates or time.perf_counter() < until:
        begin = time.process_time()
        for context in lot:
            call(context)
        rates.append(len(lot) / (time.process_time() - begin))
    return statistics.median(rates)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=3)
    options.add_argument("--contexts", type=int, default=5000)
    given = options.parse_args()
    packs, lot = load_packs(), contexts(given.contexts)
    begin = time.perf_counter()
    verdicts = [decide(context, packs, NOW).verdict for context in lot]
    cold = len(lot) / (time.perf_counter() - begin)
    for verdict in sorted(set(verdicts)):
        print(f"{verdict:8} {verdicts.count(verdict):6}")
    full = rate(lambda context: decide(context, packs, NOW), lot, given.seconds)
    moved = [replace(context) for context in lot]
    trivial = rate(lambda _: Decision("allow"), moved, given.seconds / 3)
    print(f"packs    {len(packs.packs):6} countries, {len(packs.packs['US'].states)} rows of states")
    print(f"cold     {cold:10,.0f} decisions/s (every place and law met for the first time)")
    print(f"decide   {full:10,.0f} decisions/s on one core, every gate run")
    print(f"trivial  {trivial:10,.0f} decisions/s (baseline)")
    print(f"ratio    {trivial / full:10.1f} times the baseline")


if __name__ == "__main__":
    main()
