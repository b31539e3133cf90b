"""Builds one question that is allowed, so that a test changes only the fact it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from recare.compliance.context import Content, Context, History, Offer, Patient, Point, PracticeFacts, Sender, Window
from recare.compliance.gates import Decision, decide
from recare.compliance.packs import PackSet, load_packs

NOW = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)
"""A Tuesday, 11:30 in Denver."""

PACKS = load_packs()
LAW = PACKS.law_only()
ALL_DAY = (time(0), time.max)
WIDE = Window(ALL_DAY, ALL_DAY, ALL_DAY, holidays=True)

OFFER = Offer(
    slug="exam",
    what="Exam",
    regular_fee_cents=9500,
    price_cents=4900,
    starts_on=date(2026, 11, 1),
    ends_at=datetime(2027, 1, 31, tzinfo=UTC),
    license_name="Dr. A. Example 12345",
    approved=True,
)


def at(text: str) -> datetime:
    """An instant written '2027-01-15T01:59:59Z'."""
    return datetime.fromisoformat(text)


def ask(kind: str = "R", channel: str = "sms", now: datetime = NOW, **facts: Any) -> Context:
    """A lapsed adult in Denver who agreed to recall on this channel, with every register asked lately.

    Keywords go to the first part with a field of that name: patient, point, content, history, sender, practice.
    """
    patient = Patient(
        id=1,
        status="active",
        birthdate=date(1980, 5, 6),
        visits_known_at=now,
        last_visit_on=(now - timedelta(days=650)).date(),
        zip="80202",
        country="US",
        payer_class="commercial",
    )
    is_email = channel == "email"
    point = Point(
        id=1,
        kind="email" if is_email else "phone",
        address="sam@example.com" if is_email else "+13035550101",
        level=3 if kind in {"P", "T"} else 2,
        consent_written=True,
        last_confirmed_on=(now - timedelta(days=80)).date(),
        dnc_listed=False,
        dnc_checked_on=(now - timedelta(days=14)).date(),
    )
    parts_of_content: dict[str, Any] = {"channel": channel, "message_class": kind, "automated": channel != "call"}
    content = Content(text="Maple Dental: see you again?", **parts_of_content)
    sender = Sender(provider="x", registered=True, use_cases=("A", "R", "P", "T"), baa_from=date(2026, 1, 1))
    parts: dict[str, Any] = {
        "patient": patient,
        "point": None if channel in {"letter", "portal"} else point,
        "content": content,
        "history": History(),
        "sender": sender,
        "practice": PracticeFacts(id=1),
    }
    for name, value in facts.items():
        if name in parts:
            parts[name] = value
            continue
        owner = next(
            part for part, whole in parts.items() if whole is not None and name in type(whole).__dataclass_fields__
        )
        parts[owner] = replace(parts[owner], **{name: value})
    return Context(**parts)


def answer(
    kind: str = "R", channel: str = "sms", now: datetime = NOW, packs: PackSet = PACKS, **facts: Any
) -> Decision:
    return decide(ask(kind, channel, now, **facts), packs, now)


def by_law(now: str, kind: str = "R", channel: str = "sms", **facts: Any) -> Decision:
    """What the statutes alone say about the hour: no national window, no margin, a practice that is always open."""
    return decide(ask(kind, channel, at(now), **{"window": WIDE, **facts}), LAW, at(now))
