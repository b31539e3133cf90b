"""Reads a message before anybody else does: rules L01 to L22, on a template's source and again on the text as it will be sent.

E blocks; W asks for a named approver. Every finding says what, where, why, and gives words that pass.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from recare.compliance import lint_calls, lint_email, lint_form, lint_links, lint_offers
from recare.compliance.clearance import longest
from recare.compliance.finding import Finding
from recare.compliance.lint_context import LintContext
from recare.compliance.lint_parts import Part, parts_of
from recare.compliance.lint_script import script_parts
from recare.compliance.lint_words import word_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Finding", "LintContext", "lint", "longest"]

_RULES: tuple[Callable[[tuple[Part, ...], LintContext], Iterator[Finding]], ...] = (
    word_findings,
    lint_form.findings,
    lint_links.findings,
    lint_email.findings,
    lint_offers.findings,
    lint_calls.findings,
)
_ORDER = re.compile(r"(\D+)(\d+)")


def lint(text: str, context: LintContext) -> tuple[Finding, ...]:
    """All findings on ``text``, blocking ones first, by rule; an empty tuple means it may go.

    A call script (see ``lint_script``) has its voicemail read as one. A template's source must parse (see ``clearance.parse``, which raises TemplateError). Length is judged on what is given: lint the text rendered
    with the longest real values as well (``longest``); a source is measured with the longest plausible ones.
    """
    parts = parts_of(text, context)
    found = dict.fromkeys(finding for rule in _RULES for finding in rule(parts, context))
    script = script_parts(text, context) if context.channel == "call" else None
    if script:
        form, voicemail, on_a_machine = script
        found |= dict.fromkeys((*form, *(lint(voicemail, on_a_machine) if voicemail else ())))
    return tuple(sorted(found, key=lambda f: (f.severity, _ORDER.findall(f.rule))))
