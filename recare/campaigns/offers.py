"""What a practice offers to come back: complete terms, fair criteria, an end that stays the end (OFR-01 to OFR-05, EML-06)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from recare.base import audit, db
from recare.campaigns.problems import ProblemsError
from recare.compliance import context
from recare.segments import predicate

if TYPE_CHECKING:
    from collections.abc import Sequence

REPEAT_DAYS: Final = 30  # an offer that has ended is not made again at once: "last day" would have been untrue (EML-06)

# Facts that are, or stand in for, a protected trait (OFR-04): language for national origin, kinds of care for a diagnosis.
PROTECTED_FACTS: Final = frozenset(
    {
        "age", "adult", "birthday_month", "sex", "language", "recall", "care", "procedure_code", "unscheduled", "unscheduled_items",
        "oldest_plan", "plan_expires",
    }
)  # fmt: skip
"""Facts that are, or stand in for, a protected trait or a diagnosis: the kind of a recall and an open plan tell what was found."""


class OfferError(ProblemsError):
    """An offer that may not be made."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A row of ``offer``; money in cents."""

    id: int
    slug: str
    what: str
    regular_fee_cents: int | None
    price_cents: int | None
    value_cents: int | None
    cash_like: bool
    starts_on: date | None
    ends_at: datetime | None
    exclusions: str
    extra_fees: str
    license_name: str
    license_number: str
    who: str
    predicate: dict[str, Any] | None
    payer_classes: list[str]
    states: list[str]
    waives_copay: bool
    is_referral_reward: bool
    counsel_note: str
    approved_by: str
    approved_at: datetime | None
    withdrawn_at: datetime | None

    def for_gates(self) -> context.Offer:
        """Return the offer as the gates read it."""
        return context.Offer(
            slug=self.slug,
            what=self.what,
            regular_fee_cents=self.regular_fee_cents,
            price_cents=self.price_cents,
            value_cents=self.value_cents,
            cash_like=self.cash_like,
            starts_on=self.starts_on,
            ends_at=self.ends_at,
            exclusions=self.exclusions,
            license_name=self.license_name,
            criteria=tuple(facts_of(self.predicate)),
            waives_copay=self.waives_copay,
            is_referral_reward=self.is_referral_reward,
            counsel_note=bool(self.counsel_note),
            approved=self.approved_at is not None and self.withdrawn_at is None,
        )

    def terms(self) -> dict[str, Any]:
        """Return the terms as plain data, to be frozen with a campaign's version."""
        return {name: getattr(self, name) for name in sorted(_TERMS)}

    def misses(self, payer_class: str, state: str) -> str:
        """Return why a patient with this payer in this state does not get the offer, in words; '' when these do not matter."""
        if self.payer_classes and payer_class not in self.payer_classes:
            return "the offer is not for this kind of insurance"
        if self.states and state not in self.states:
            return "the offer is not made in this state"
        return ""


_COLUMNS: Final = (
    "id, slug, what, regular_fee_cents, price_cents, value_cents, cash_like, starts_on, ends_at, exclusions, extra_fees, license_name, "
    "license_number, who, predicate, payer_classes, states, waives_copay, is_referral_reward, counsel_note, approved_by, approved_at, "
    "withdrawn_at"
)
_TERMS: Final = frozenset(_COLUMNS.replace("\n", " ").split(", ")) - {
    "id",
    "slug",
    "approved_by",
    "approved_at",
    "withdrawn_at",
}


def by_slug(practice_id: int) -> dict[str, Offer]:
    """Return every offer of the practice by its slug."""
    found = db.rows(
        Offer, f"SELECT {_COLUMNS} FROM offer WHERE practice_id = %(practice)s ORDER BY slug", practice=practice_id
    )
    return {offer.slug: offer for offer in found}


def save(practice_id: int, slug: str, terms: dict[str, Any], actor: str, now: datetime) -> int:
    """Make an offer, or change one that no patient has been told yet; return its id. A change takes the approval away.

    Raises OfferError for unknown terms, for an offer patients have been told, and for one that ended less than 30 days ago.
    """
    problems = [f"'{name}' is not a term of an offer." for name in sorted(set(terms) - _TERMS)]
    if not problems:
        problems = (
            _unreadable(terms.get("predicate"))
            + unfair(terms.get("predicate"))
            + _repeats(practice_id, slug, terms, now)
        )
    if problems:
        raise OfferError(problems)
    if told(practice_id, slug):
        raise OfferError(
            [
                f"Patients have been told the terms of '{slug}', so they stay. Withdraw it, or make another offer with a new name (EML-06)."
            ]
        )
    fields = {
        name: db.json(value) if name == "predicate" and value is not None else value for name, value in terms.items()
    }
    fields |= {"practice_id": practice_id, "slug": slug, "created_by": actor, "created_at": now}
    names, places = ", ".join(fields), ", ".join(f"%({name})s" for name in fields)
    changes = ", ".join(f"{name} = excluded.{name}" for name in fields if name not in {"practice_id", "slug"})
    offer_id = db.value(
        f"INSERT INTO offer ({names}) VALUES ({places}) ON CONFLICT (practice_id, slug) DO UPDATE "
        f"SET {changes}, approved_by = '', approved_at = NULL RETURNING id",
        **fields,
    )
    audit.record(practice_id, actor, "offer.saved", f"offer:{offer_id}", now)
    return int(offer_id)


def approve(practice_id: int, slug: str, actor: str, now: datetime) -> None:
    """Approve an offer, once. Raises OfferError with a sentence for every term that is missing or unfair."""
    db.run(  # what is looked at is what is approved
        "SELECT id FROM offer WHERE practice_id = %(practice)s AND slug = %(slug)s FOR UPDATE", practice=practice_id, slug=slug
    )  # fmt: skip
    offer = by_slug(practice_id).get(slug)
    if offer is None:
        raise OfferError([f"There is no offer '{slug}'."])
    problems = problems_of(offer, now) + _repeats(practice_id, slug, offer.terms(), now)
    if problems:
        raise OfferError(problems)
    approved = db.run(
        "UPDATE offer SET approved_by = %(actor)s, approved_at = %(now)s "
        "WHERE practice_id = %(practice)s AND id = %(id)s AND approved_at IS NULL",
        actor=actor, now=now, practice=practice_id, id=offer.id,
    )  # fmt: skip
    if approved:
        audit.record(practice_id, actor, "offer.approved", f"offer:{offer.id}", now)


def withdraw(practice_id: int, slug: str, actor: str, now: datetime) -> bool:
    """Stop making an offer; who was told it keeps it. False when it was withdrawn before or never existed."""
    gone = db.run(
        "UPDATE offer SET withdrawn_at = %(now)s WHERE practice_id = %(practice)s AND slug = %(slug)s AND withdrawn_at IS NULL",
        now=now, practice=practice_id, slug=slug,
    )  # fmt: skip
    if gone:
        audit.record(practice_id, actor, "offer.withdrawn", f"offer:{slug}", now)
    return bool(gone)


def told(practice_id: int, slug: str) -> bool:
    """Whether any patient has been written to or called with this offer."""
    return bool(
        db.value(
            "SELECT EXISTS (SELECT FROM touch WHERE practice_id = %(practice)s AND offer = %(slug)s AND verdict = 'send')",
            practice=practice_id,
            slug=slug,
        )
    )


def problems_of(offer: Offer, now: datetime) -> list[str]:
    """Return a sentence for everything that keeps an offer from being approved (OFR-02, OFR-04)."""
    is_gift = offer.value_cents is not None and offer.price_cents is None
    needed = {
        "what it is": bool(offer.what),
        "the regular fee": is_gift or offer.regular_fee_cents is not None,
        "the price": is_gift or offer.price_cents is not None,
        "who qualifies, in words": bool(offer.who),
        "its first day": offer.starts_on is not None,
        "its end": offer.ends_at is not None,
        "the name on the dental licence": bool(offer.license_name),
        "the number of the dental licence": bool(offer.license_number),
    }
    problems = [f"The offer does not say {name}." for name, given in needed.items() if not given]
    if offer.ends_at is not None and offer.ends_at <= now:
        problems.append("The offer has ended already; set a later end before anyone is told.")
    if offer.ends_at is not None and offer.starts_on is not None and offer.ends_at.date() < offer.starts_on:
        problems.append("The offer ends before it begins.")
    if None not in {offer.price_cents, offer.regular_fee_cents} and (offer.price_cents or 0) >= (
        offer.regular_fee_cents or 0
    ):
        problems.append("The price is no lower than the regular fee, so there is nothing to offer.")
    if offer.waives_copay:
        problems.append("The offer waives a copay or deductible, which no dental practice may do (OFR-02).")
    return problems + unfair(offer.predicate)


def facts_of(data: Any) -> list[str]:
    """Return the names of the facts a predicate asks about, wherever they stand in it."""
    if not isinstance(data, dict):
        return []
    found: dict[str, None] = {}
    for name, inside in data.items():
        if name in {"all", "any"} and isinstance(inside, list):
            found |= dict.fromkeys(fact for part in inside for fact in facts_of(part))
        elif name == "not":
            found |= dict.fromkeys(facts_of(inside))
        else:
            found[str(name)] = None
    return list(found)


def members(practice_id: int, offer: Offer, patient_ids: Sequence[int], today: date) -> set[int]:
    """Return which of these patients meet what an offer asks for beyond payer and state."""
    compiled = predicate.compile(predicate.parse(offer.predicate), today)
    return set(
        db.values(
            f"SELECT f.patient_id FROM facts_on(%(today)s) f WHERE f.practice_id = %(practice)s "
            f"AND f.patient_id = ANY(%(patients)s::bigint[]) AND ({compiled.where})",
            **compiled.params,
            practice=practice_id,
            patients=list(patient_ids),
        )
    )


def unfair(data: object) -> list[str]:
    """Return why a predicate may not choose who gets an offer: its own, or that of a campaign that carries one (OFR-04)."""
    return [
        f"Who gets an offer may not depend on '{fact}': it is, or stands in for, a protected trait (OFR-04)."
        for fact in facts_of(data)
        if fact in PROTECTED_FACTS
    ]


def _unreadable(data: object) -> list[str]:
    try:
        if data is not None:
            predicate.parse(data)
    except predicate.PredicateError as error:
        return [f"Who qualifies cannot be read: {error}."]
    return []


def _repeats(practice_id: int, slug: str, terms: dict[str, Any], now: datetime) -> list[str]:
    """The same offer under a new name within 30 days of its last day is an extension in disguise."""
    ended = db.value(
        "SELECT o.slug FROM offer o WHERE o.practice_id = %(practice)s AND o.slug <> %(slug)s "
        r"AND lower(regexp_replace(o.what, '\W+', '', 'g')) = lower(regexp_replace(%(what)s, '\W+', '', 'g')) "
        "AND o.ends_at BETWEEN %(since)s AND %(starts)s "
        "AND EXISTS (SELECT FROM touch t WHERE t.practice_id = o.practice_id AND t.offer = o.slug AND t.verdict = 'send') LIMIT 1",
        practice=practice_id, slug=slug, what=terms.get("what", ""), starts=terms.get("ends_at") or now,
        since=(_start(terms) or now) - timedelta(days=REPEAT_DAYS),
    )  # fmt: skip
    return (
        [f"The same offer, '{ended}', ended less than 30 days before. Patients were told it was over (EML-06)."]
        if ended
        else []
    )


def _start(terms: dict[str, Any]) -> datetime | None:
    day, end = terms.get("starts_on"), terms.get("ends_at")
    return datetime(day.year, day.month, day.day, tzinfo=end.tzinfo) if day is not None and end is not None else None


@dataclass(frozen=True, slots=True)
class Parity:
    """One group of people and how an offer reached them. Counts are patients; ``left_out`` qualified, were reached and not offered it."""

    trait: str
    group: str
    qualified: int
    offered: int
    redeemed: int
    left_out: int


def parity(practice_id: int, slug: str) -> list[Parity]:
    """Count who qualified for an offer, who was offered it and who kept a visit after it, by sex, age group, language and payer (OFR-04).

    Qualified = asked about at the step that carries the offer, whatever the answer. A group that qualified and was offered less often than
    the others is for a person to look at.
    """
    return db.rows(Parity, _PARITY, practice=practice_id, slug=slug)


_PARITY = """
WITH asked AS (
    SELECT t.patient_id, bool_or(t.verdict = 'send' AND t.offer = %(slug)s) AS offered, bool_or(t.verdict = 'send') AS reached,
           min(t.decided_at) AS at, min(t.enrolment_id) AS enrolment_id
    FROM touch t
    JOIN enrolment e ON e.practice_id = t.practice_id AND e.id = t.enrolment_id
    JOIN campaign_version v ON v.practice_id = e.practice_id AND v.id = e.version_id
    WHERE t.practice_id = %(practice)s AND v.spec -> 'playbook' -> 'steps' -> t.step::int ->> 'offer' = %(slug)s
    GROUP BY t.patient_id
),
people AS (
    SELECT a.*, p.sex, p.language, f.payer_class,
           CASE WHEN p.birthdate IS NULL THEN 'unknown'
                WHEN p.birthdate > a.at::date - interval '18 years' THEN 'under 18'
                WHEN p.birthdate > a.at::date - interval '40 years' THEN '18 to 39'
                WHEN p.birthdate > a.at::date - interval '65 years' THEN '40 to 64' ELSE '65 and over' END AS age,
           EXISTS (SELECT FROM outcome o WHERE o.practice_id = %(practice)s AND o.enrolment_id = a.enrolment_id AND o.kind = 'kept') AS kept
    FROM asked a
    JOIN patient p ON p.practice_id = %(practice)s AND p.id = a.patient_id
    LEFT JOIN patient_facts f ON f.practice_id = %(practice)s AND f.patient_id = a.patient_id
)
SELECT trait, coalesce(nullif(grp, ''), 'unknown') AS group, count(*)::int AS qualified, count(*) FILTER (WHERE offered)::int AS offered,
       count(*) FILTER (WHERE offered AND kept)::int AS redeemed, count(*) FILTER (WHERE reached AND NOT offered)::int AS left_out
FROM people, LATERAL (VALUES ('sex', sex), ('age', age), ('language', language), ('payer', payer_class)) AS g (trait, grp)
GROUP BY 1, 2 ORDER BY 1, 2
"""
