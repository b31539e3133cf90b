"""Rules that forbid words: health, money, fear, boasts, pressure, kickbacks and the like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recare.compliance.lint_parts import finding
from recare.compliance.wording import Hit, fold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recare.compliance.finding import Finding
    from recare.compliance.lint_context import LintContext
    from recare.compliance.lint_parts import Part

_EVERYWHERE = frozenset({"sms", "email", "call", "voicemail", "letter", "portal", "subject"})


@dataclass(frozen=True, slots=True)
class _WordRule:
    rule: str
    group: str
    channels: frozenset[str]
    what: str
    why: str
    severity: str = "E"
    classes: str = "ARPTS"


_RULES = (
    _WordRule("L01", "phi", frozenset({"sms", "email", "voicemail"}), "Words about health or treatment: {}.", "Others may see this message; health details belong in the portal."),
    _WordRule("L02", "money", frozenset({"sms", "email"}), "Words about money or insurance: {}.", "Others may see this message; balances, plans and benefits belong in the portal or a call."),
    _WordRule("L03", "last_visit", frozenset({"sms", "subject", "voicemail"}), "Words that tell when the person was last seen or born: {}.", "Others may see this message; dates of visits and birth are health information."),
    _WordRule("L10", "urgency", _EVERYWHERE, "Words that press for time without a reason the reader can check: {}.", "False urgency misleads, and in some states costs money for each message."),
    _WordRule("L11", "fear", _EVERYWHERE, "Words that frighten, shame or blame: {}.", "Fear and blame keep people away, and dental boards forbid appeals to anxiety."),
    _WordRule("L12", "boast", _EVERYWHERE, "Words that promise or praise more than anyone can prove: {}.", "Guarantees and superlatives are forbidden in dental advertising."),
    _WordRule("L14", "kickback", _EVERYWHERE, "Words that waive a copay, or promise cash, prizes or rewards: {}.", "Waivers and rewards for patients or referrals can break federal and state law."),
    _WordRule("L15", "promo", _EVERYWHERE, "Words that make this an offer (class P), not a recall: {}.", "An offer needs the person's written consent and full terms.", classes="AR"),
    _WordRule("L15", "pitch", _EVERYWHERE, "Words that make this an offer (class P), not a recall: {}.", "Plans, financing and cosmetic services need the person's written consent.", classes="AR"),
    _WordRule("L16", "pressing", frozenset({"sms"}), "Words that sound like blame or an order: {}.", "People come back for a welcome, not for a reprimand.", severity="W"),
    _WordRule("L17", "restricted", frozenset({"sms"}), "Words on the carriers' list of restricted content: {}.", "Carriers block such texts and may suspend the number."),
    _WordRule("L19", "impersonation", _EVERYWHERE, "Words that speak as if for a government office, an insurer or someone else: {}.", "A message may only speak for the practice that sends it."),
)  # fmt: skip


def word_findings(parts: tuple[Part, ...], context: LintContext) -> Iterator[Finding]:
    """One finding for each rule and place."""
    for part in parts:
        channel = "subject" if part.name == "subject" else context.channel
        for rule in _RULES:
            reads = channel in rule.channels or (channel == "subject" and "email" in rule.channels)
            if reads and context.message_class in rule.classes:
                yield from _of_rule(rule, part, context)
        if context.private_words and channel in {"sms", "subject", "voicemail"}:
            yield from _private(part, context)


def _of_rule(rule: _WordRule, part: Part, context: LintContext) -> Iterator[Finding]:
    hits = part.reading.find(rule.group)
    if not hits:
        return
    words = tuple(dict.fromkeys(" ".join(hit.words.split()) for hit in hits))
    where = "; ".join(part.where(hit) for hit in hits)
    yield finding(rule.rule, rule.severity, (rule.what.format(_listed(words)), where, rule.why), context)


def _private(part: Part, context: LintContext) -> Iterator[Finding]:
    text = f" {_plain_words(part.reading.text)} "
    for index, word in enumerate(context.private_words):
        private = _plain_words(fold(word).text)
        if private and f" {private} " in text:
            why = "A full name, a birth date or a relative's name tells others who is meant."
            yield finding(
                "L03",
                "E",
                (
                    f"A private word of this person (number {index + 1} of those given) stands in the text.",
                    part.name,
                    why,
                ),
                context,
            )


def _plain_words(folded: str) -> str:
    return " ".join(re.findall(r"\w+", folded))


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"“{word}”" for word in words)


def hit_words(hits: tuple[Hit, ...]) -> str:
    """The words found, quoted, for a finding."""
    return _listed(tuple(dict.fromkeys(" ".join(hit.words.split()) for hit in hits)))
