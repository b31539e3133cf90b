"""What a provider's code means for the message, the address and the sender (SMS-03, EML-04). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Step = Literal[
    "opt_out",          # the person said stop to the provider
    "sms_incapable",    # the number takes no texts; other channels stay
    "blocked",          # the person's phone or carrier blocks us: no more texts, no retry
    "filtered",         # the carrier objects to these words
    "hard_bounce",
    "soft_bounce",
    "disabled",         # mailbox switched off: suppressed the second time
    "halt_sender",      # nobody's fault but ours: the sender stops, patients are unaffected
    "review",           # a person reads what the provider says
    "none",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Meaning:
    """``retry_after`` is how long to wait before asking every gate again, None when the same message is not tried again."""

    step: Step
    retry_after: timedelta | None = None
    tries: int = 1
    """How many calls in all this code allows a message."""


_DAY = timedelta(hours=24)
_SOON = timedelta(minutes=5)
_BUSY = timedelta(minutes=1)
_KEEP_TRYING = 1000  # not_after ends it

_SMS: dict[str, Meaning] = {
    "21610": Meaning("opt_out"),
    **dict.fromkeys(("21211", "21614", "21635"), Meaning("sms_incapable")),
    "30003": Meaning("none", _DAY, tries=2),
    "30004": Meaning("blocked"),
    **dict.fromkeys(("30005", "30006"), Meaning("sms_incapable")),
    "30007": Meaning("filtered"),
    **dict.fromkeys(("30008", "20500"), Meaning("none", _SOON, tries=2)),
    **dict.fromkeys(("30001", "20429", "30022", "30023"), Meaning("none", _BUSY, tries=_KEEP_TRYING)),
    **dict.fromkeys(("30032", "30033", "30034", "30035", "30002", "20003", "21408"), Meaning("halt_sender", timedelta(0), tries=_KEEP_TRYING)),
}  # fmt: skip
UNREACHABLE = "30003"  # three on different days stop texts to the number

_HARD = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.0.0", "Permanent"}
_SOFT = {"5.2.2", "Transient", "Undetermined"}
_CONNECTION = re.compile(r"4\.[34]\.\d+")  # the way to the server or the server itself, not the mailbox


def meaning(channel: str, code: str, *, retryable: bool = False) -> Meaning:
    """Return what ``code`` asks for on ``channel``. ``retryable``: the provider surely took nothing and may later."""
    if channel == "sms":
        found = _SMS.get(code)
        if found:
            return found
    elif channel == "email":
        return _email(code, retryable=retryable)
    return Meaning("none", _SOON, tries=3) if retryable else Meaning("review")


def _email(code: str, *, retryable: bool) -> Meaning:
    if code in _HARD:
        return Meaning("hard_bounce")
    if _CONNECTION.fullmatch(code):
        return Meaning("none", _SOON, tries=_KEEP_TRYING)
    if code in _SOFT or code.startswith("4."):
        return Meaning("soft_bounce", timedelta(hours=6), tries=4)
    if code == "5.2.1":
        return Meaning("disabled")
    if code.startswith("5.7."):
        return Meaning("halt_sender", timedelta(0), tries=_KEEP_TRYING)
    return Meaning("none", _SOON, tries=3) if retryable else Meaning("review")
