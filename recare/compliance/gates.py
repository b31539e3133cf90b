"""May this go to this person, by this channel, now? Every gate runs, the strictest answer wins, every reason is kept (ENG-01).

Asked when planning and again inside the transaction that claims the message (ENG-02). Pure: no database, no clock, no network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recare.compliance.checks import consent, country, numbers, offers, sending, standing, timing
from recare.compliance.decision import STRICTNESS, WAITS_FOR_PRACTICE, Decision, Reason, Verdict
from recare.compliance.question import Question
from recare.compliance.words import in_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from recare.compliance.context import Context
    from recare.compliance.packs import PackSet

__all__ = ["WAITS_FOR_PRACTICE", "Decision", "Reason", "Verdict", "decide", "in_words"]

EVERYWHERE: Final[tuple[Callable[[Question], None], ...]] = (
    standing.practice_running,
    country.packs,
    standing.status,
    standing.holds,
    standing.booked,
    standing.minors,
    standing.representatives,
    consent.opted_out,
    consent.unread,
    consent.restricted,
    sending.billing,
    sending.part2,
    sending.authorization,
    sending.content,
    offers.offer,
    offers.waiver_words,
    offers.advertising,
    timing.campaign,
)
REACHED: Final = (*EVERYWHERE, consent.consent, numbers.dead, sending.vendor)
PHONE: Final = (
    *REACHED,
    country.states,
    country.zone,
    country.emergency,
    numbers.do_not_call,
    numbers.reassigned,
    numbers.not_interested,
)
GATES: Final = {
    "sms": (*PHONE, numbers.neutral, sending.texting),
    "call": (*PHONE, sending.dialing),
    "email": (*REACHED, consent.written_promotion, sending.mailing),
    "letter": EVERYWHERE,
    "portal": EVERYWHERE,
}
"""Gates by channel. Letters and the portal have no gates of phone or e-mail (section 6, POR-01)."""


def decide(context: Context, pack_set: PackSet, now: datetime) -> Decision:
    """Return the verdict with every reason. ``now`` is aware UTC.

    A gate that raises denies with GATE_ERROR and the others still run. With ``delay``, ``until`` is the first instant at which none of
    the waits hold any more: asked again then, the answer is allow or has another reason.
    """
    try:
        question = Question(context, pack_set, now)
        gates = GATES[context.content.channel]
    except Exception as error:  # noqa: BLE001  # whatever a gate stumbles over, nothing may go out (ENG-01)
        reason = Reason("GATE_ERROR", "ENG-01", "deny", detail=type(error).__name__)
        return Decision("deny", None, (reason,))
    for gate in gates:
        try:
            gate(question)
        except Exception as error:  # noqa: BLE001
            question.deny("GATE_ERROR", "ENG-01", f"{gate.__name__}: {type(error).__name__}")
    until: float | None = None
    try:
        until = timing.waits(question)
    except Exception as error:  # noqa: BLE001
        question.deny("GATE_ERROR", "ENG-01", f"waits: {type(error).__name__}")
    return _strictest(question, until)


def _strictest(question: Question, until: float | None) -> Decision:
    reasons = question.reasons
    if not reasons:
        return Decision("allow", None, (), question.law.name)
    verdict = max((reason.verdict for reason in reasons), key=STRICTNESS.__getitem__)
    return Decision(verdict, question.instant(until) if verdict == "delay" else None, tuple(reasons), question.law.name)
