"""Offers (OFR-01 to OFR-05), every channel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from recare.compliance.context import Offer
    from recare.compliance.question import Question

FEDERAL: Final = frozenset({"medicare", "medicaid", "chip", "tricare"})
PRIVATE: Final = frozenset({"commercial", "self_pay", "membership"})
"""Payers that are surely of no federal program; whatever is not named here may be one."""
GIFT_CENTS: Final = 1500
GIFT_YEAR_CENTS: Final = 7500

WAIVER: Final = re.compile(
    r"(?:waiv\w+|no|zero|nothing|\$0|free|forgiv\w+|cover|skip|without|sin|perdonamos)\W+(?:\w+\W+){0,2}"
    r"(?:co-?pay\w*|deductibles?|out[- ]of[- ]pocket|copagos?|deducibles?)"
    r"|(?:co-?pay\w*|deductibles?)\W+(?:is|are)\W+(?:on\W+us|waived|free|covered|forgiven)"
    r"|(?:insurance|plan)\W+(?:\w+\W+){0,3}(?:(?:payment|paid)\W+in\W+full|full\W+payment)|(?:seguro|plan)\W+(?:\w+\W+){0,3}pago\W+(?:total|completo)",
    re.IGNORECASE,
)
WAIVER_SIGNS: Final = ("pay", "deduc", "pocket", "paid", "pago")
PROTECTED: Final = re.compile(
    r"(?<![a-z])(?:rac(?:e|ial)|ethnic\w*|colou?r|black|white|asians?|hispanics?|latin[oax]s?|african\w*|caucasians?|religi\w*|faith|church\w*|christians?|"
    r"jew\w*|muslims?|catholics?|sex|gender\w*|m[ae]n|wom[ae]n|males?|females?|boys?|girls?|ladies|gentlem[ae]n|mo(?:m|ther)s?|(?:dad|father)s?|"
    r"orientation|gay|lesbian|lgbt\w*|trans(?:gender)?|nationality|national[ _-]?origin|citizen\w*|immigra\w*|languages?|spanish|disab\w*|"
    r"handicap\w*|wheelchair|age|ages|aged|agegroup|birth\w*|years?[ _-]old|(?:over|under) ?\d\d|\d\d ?(?:\+|- ?\d\d)|seniors?|elderly|adults?|teens?|"
    r"minors?|children|child|kids?|diagnos\w*|conditions?|care|perio\w*|procedure\w*|d\d{4}|unfinished[ _-]plan|unscheduled\w*|diabet\w*|hiv|"
    r"smok\w*|pregnan\w*|marital\w*|married|single)(?![a-z])",
    re.IGNORECASE,
)


def offer(q: Question) -> None:
    """OFR-01 to OFR-04 for the offer a message carries."""
    found = q.content.offer
    if found is None:
        return
    _federal(q, found)
    if found.waives_copay:
        q.deny("COPAY_WAIVER", "OFR-02")
    if found.is_referral_reward and not _reward_allowed(q, found):
        q.deny("REFERRAL_REWARD", "OFR-03")
    unfair = [criterion for criterion in found.criteria if PROTECTED.search(criterion.replace("_", " "))]
    if unfair:
        q.deny("OFFER_DISCRIM", "OFR-04", unfair[0])
    missing = _missing_terms(found)
    if missing:
        q.deny("OFFER_TERMS", "OFR-04", missing)
    if found.ends_at is not None and q.now >= found.ends_at:
        q.deny("OFFER_ENDED", "EML-06")


def waiver_words(q: Question) -> None:
    """OFR-02: "insurance as payment in full" is a waiver in other words."""
    text = q.content.text.lower()
    # plain searching first: most texts have none of these words, and every decision asks
    if any(word in text for word in WAIVER_SIGNS) and WAIVER.search(text):
        q.deny("COPAY_WAIVER", "OFR-02")


def advertising(q: Question) -> None:
    """OFR-05: promotion where nobody has written the state's advertising rules goes to a person."""
    if q.cls not in {"P", "T"} or not q.us:
        return
    states = q.place.address_states or q.place.states
    practice = (q.practice.state,) if q.practice.state else ()
    unknown = [state for state in dict.fromkeys(states + practice) if not _has_ad_rules(q, state)]
    if unknown or not (states or practice):
        q.review("AD_RULES_UNKNOWN", "OFR-05", " ".join(unknown))


def _has_ad_rules(q: Question, state: str) -> bool:
    row = q.packs.packs["US"].row(state, q.last_day)
    return row is not None and bool(row.ad_rules)


def _federal(q: Question, found: Offer) -> None:
    """OFR-01: federal payers, and payers nobody knows, get at most a small thing that is not money."""
    payer = q.patient.payer_class
    if payer in FEDERAL:
        value = _value(found)
        small = value is not None and 0 <= value <= GIFT_CENTS and q.patient.gifts_year_cents + value <= GIFT_YEAR_CENTS
        state_allows = q.law.gifts_medicaid or payer not in {"medicaid", "chip"}
        if small and not found.cash_like and state_allows:
            return
    elif payer in PRIVATE:
        return
    q.deny("OFFER_FED", "OFR-01", payer)


def _value(found: Offer) -> int | None:
    if found.value_cents is not None:
        return found.value_cents
    if found.regular_fee_cents is None or found.price_cents is None:
        return None
    return found.regular_fee_cents - found.price_cents


def _reward_allowed(q: Question, found: Offer) -> bool:
    federal = q.patient.payer_class in FEDERAL or q.patient.payer_class == "unknown"
    return q.practice.referral_rewards and found.counsel_note and q.law.referral_rewards and not federal


def _missing_terms(found: Offer) -> str:
    is_gift = found.value_cents is not None and found.price_cents is None
    needed = {
        "what": bool(found.what),
        "regular fee": is_gift or found.regular_fee_cents is not None,
        "price": is_gift or found.price_cents is not None,
        "start": found.starts_on is not None,
        "end": found.ends_at is not None,
        "licence name": bool(found.license_name),
        "approval": found.approved,
    }
    return ", ".join(name for name, given in needed.items() if not given)
