"""What a caller may say to a machine, and must say in some states (VOX-02, VOX-04); what a portal notice may tell (POR-01)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from recare.compliance.finding import Finding
from recare.compliance.lint_form import has_phone
from recare.compliance.lint_parts import BLANK, finding
from recare.compliance.lint_words import hit_words
from recare.compliance.wording import fold, pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recare.compliance.lint_context import LintContext
    from recare.compliance.lint_parts import Part

_THREE_WAYS = tuple(
    map(
        re.compile,
        (
            r"\b(?:continue|go on|seguir|continuar)\b",
            r"\b(?:end|hang up|stop here|terminar)\b",
            r"\b(?:removed?|take you off|off our list|quit\w+ de|de la lista)\b",
        ),
    )
)


def findings(parts: tuple[Part, ...], context: LintContext) -> Iterator[Finding]:
    """The rules of this file."""
    body = parts[0]
    if context.channel == "voicemail":
        yield from _voicemail(body, context)
    if (
        context.channel == "call"
        and context.state == "CT"
        and not all(p.search(body.reading.text) for p in _THREE_WAYS)
    ):
        yield finding(
            "VOX-02",
            "E",
            (
                "The script does not ask whether to go on, end the call or be removed.",
                "opening",
                "Connecticut asks callers to put this question at the start.",
            ),
            context,
        )
    if context.purpose == "portal_notice":
        yield from _notice(body, context)


def _voicemail(body: Part, context: LintContext) -> Iterator[Finding]:
    hits = body.reading.find("voicemail_reason")
    if hits:
        yield finding(
            "VOX-04",
            "E",
            (
                f"Words that tell why you call: {hit_words(hits)}.",
                "; ".join(map(body.where, hits)),
                "Someone else may listen; leave name, practice and number only.",
            ),
            context,
        )
    named = "practice_name" in body.fields or (
        bool(context.practice_name) and fold(context.practice_name).text in fold(body.raw).text
    )
    if not named or not has_phone(body, context):
        yield finding(
            "VOX-04",
            "E",
            (
                "The practice's name or phone number is missing.",
                "whole text",
                "A voicemail must say who called and where to call back.",
            ),
            context,
        )


def _notice(body: Part, context: LintContext) -> Iterator[Finding]:
    allowed = pattern("notice")
    words = re.findall(r"[a-z0-9']+", body.reading.text.replace(BLANK, " "))
    other = [word for word in words if not allowed.fullmatch(word) and not word.isdigit()]
    if other:
        names = ", ".join(f"“{word}”" for word in other[:5])
        yield Finding(
            "POR-01",
            "E",
            f"{names} tells more than that a message is waiting.",
            "whole text",
            "What it is about stays behind the sign-in.",
            f"{context.practice_name or 'Maple Dental'}: You have a new message. Sign in to read it.",
        )
