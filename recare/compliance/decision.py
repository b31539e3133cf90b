"""The answer to one question: may this go to this person, now? With every reason, its rule and the version of the law it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

Verdict = Literal["allow", "delay", "review", "deny"]

STRICTNESS: Final[dict[Verdict, int]] = {"allow": 0, "delay": 1, "review": 2, "deny": 3}

WAITS_FOR_PRACTICE: Final = frozenset({"KILL_SWITCH", "SENDER_PAUSED", "VISITS_STALE"})
"""Codes that say nothing about the patient: leave the work queued and ask again once the practice has acted."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why not, or why not yet. ``pack`` names the version of every pack the decision read; ``until`` only with ``delay``."""

    code: str
    rule: str
    verdict: Verdict
    pack: str = ""
    detail: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The strictest of all reasons (ENG-01): deny over review over delay over allow. ``until`` only with ``delay``: at that instant
    the same question no longer gets any of these delays.
    """

    verdict: Verdict
    until: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    pack: str = ""
    cleared: tuple[Reason, ...] = ()
    """What a named person has cleared; it no longer counts, but stays with the decision."""

    @property
    def allowed(self) -> bool:
        return self.verdict == "allow"

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(reason.code for reason in self.reasons)

    def without(self, cleared: Collection[str]) -> Decision:
        """Return what is left once a named person has cleared these codes: only what asks for a person can be cleared, never a no."""
        left = tuple(r for r in self.reasons if r.verdict != "review" or r.code not in cleared)
        if len(left) == len(self.reasons):
            return self
        verdict: Verdict = max((r.verdict for r in left), key=STRICTNESS.__getitem__, default="allow")
        waits = [r.until for r in left if r.until is not None]
        return Decision(
            verdict,
            max(waits) if verdict == "delay" and waits else None,
            left,
            self.pack,
            tuple(r for r in self.reasons if r not in left),
        )

    @property
    def waits_for_practice(self) -> bool:
        """Whether nothing but the practice's own state stands in the way, so the work should stay queued."""
        return bool(self.reasons) and all(
            reason.verdict == "delay" or reason.code in WAITS_FOR_PRACTICE for reason in self.reasons
        )
