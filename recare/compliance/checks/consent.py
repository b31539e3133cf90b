"""What the person agreed to and what they ended (CON-01 to CON-05, OPT-01 to OPT-05, HIP-05)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recare.compliance.question import CONFIRM_AGE, SKEW

if TYPE_CHECKING:
    from recare.compliance.question import Question


def opted_out(q: Question) -> None:
    """OPT-02: an opt-out of any text or call ends all texts and calls to the number; e-mail has its own. OPT-04: one confirmation."""
    point = q.point
    if point is None:
        return
    if q.exempt:
        _confirms(q)
        return
    if point.opted_out_at is not None or (q.phone and point.all_calls_out_at is not None):
        q.deny("OPTED_OUT", "OPT-02")
    if q.phone and point.internal_dnc:
        q.deny("DNC_INTERNAL", "DNC-04")


def _confirms(q: Question) -> None:
    content = q.content
    if content.confirms_opt_out_at is None:
        return
    if not -SKEW <= q.now - content.confirms_opt_out_at <= CONFIRM_AGE:
        q.deny("CONFIRM_LATE", "OPT-04")
    if content.already_confirmed:
        q.deny("CONFIRM_DUP", "OPT-04")


def unread(q: Question) -> None:
    """Words nobody has read yet, or read with doubt, hold everything that does not answer them (OPT-01)."""
    point = q.point
    if point is None or q.exempt:
        return
    if point.held:
        q.review("UNREAD_REPLY", "OPT-01")
    if point.maybe_opt_out and q.cls != "A":
        q.review("MAYBE_OPTOUT", "OPT-01")


def restricted(q: Question) -> None:
    """HIP-05: "no texts", "only call work": the strongest gate after suppression; on a shared number for everybody who holds it."""
    shared = q.point.banned_channels if q.point is not None else ()
    if (q.channel in q.patient.banned_channels or q.channel in shared) and not q.exempt:
        q.deny("PATIENT_RESTRICTION", "HIP-05", q.channel)


def consent(q: Question) -> None:
    """CON-01, CON-03, CON-04: the floor of the class on this channel, never below (CON-02: there is no exemption).

    The question that confirms an opt-in (CON-05) is what consent begins with; every other gate holds it.
    """
    if q.exempt or (q.cls == "S" and q.content.asks_consent):
        return
    point = q.point
    if point is None:
        q.deny("CONSENT_UNKNOWN", "ENG-01", "no address")
        return
    if point.seller_changed:
        q.review("SELLER_CHANGED", "CON-04")
    if q.level < 0:
        q.deny("CONSENT_UNKNOWN", "ENG-01")
        return
    floor = _floor(q)
    if q.level >= floor or _implied(q, floor):
        return
    if q.channel == "email":
        q.deny("NO_CONSENT_EMAIL", "CON-03")
        return
    # both codes where even the lower consent is missing, so reports count both
    if floor == 3:
        q.deny("NO_PEWC", "CON-01", _states(q))
    if floor < 3 or q.level < 2:
        q.deny("NO_CONSENT_SMS" if q.channel == "sms" else "NO_CONSENT_CALL", "CON-01")


def written_promotion(q: Question) -> None:
    """CON-03, Tex. Health & Safety 181.152: promotion needs clear permission, written or electronic."""
    states = q.law.written_promo_states
    if states and q.cls in {"P", "T"} and not (q.point is not None and q.point.consent_written):
        q.deny("TX_181_152", "CON-03", states[0])


def _floor(q: Question) -> int:
    law = q.law
    floor = law.floors[q.channel][q.cls]
    if q.channel == "sms" and q.cls == "R":
        return max(floor, law.recall_floor)
    if q.channel == "call" and q.cls in {"R", "P", "T"} and not (law.call_floor == 3 and q.has_ebr()):
        return max(floor, law.call_floor)
    return floor


def _implied(q: Question, floor: int) -> bool:
    """Consent that a visit implies where the law knows it (Canada: two years; six months from an inquiry)."""
    law = q.law
    if not law.implied_months or q.cls not in law.implied_classes or floor > 2 or q.level < 1:
        return False
    return q.within(q.last_transaction(), law.implied_months) or q.within(
        q.patient.last_inquiry_on, law.implied_inquiry_months
    )


def _states(q: Question) -> str:
    states = q.law.recall_floor_states if q.channel == "sms" else q.law.call_floor_states
    return " ".join(states) if q.cls == "R" or q.channel == "call" else ""
