"""What an e-mail must carry and may not load (L08, L09, L22)."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from recare.compliance.clearance import fields_of
from recare.compliance.lint_parts import finding
from recare.compliance.lint_words import hit_words
from recare.compliance.wording import fold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recare.compliance.finding import Finding
    from recare.compliance.lint_context import LintContext
    from recare.compliance.lint_parts import Part

_REPLY = re.compile(r"^\s*(?:re?|fwd?|rv|aw|antw|sv|vs|wg|tr)\s*(?:\[\d+\])?\s*[:\uff1a]", re.IGNORECASE)
_ACTIVE = re.compile(
    r"<\s*(script|iframe|object|embed|form|base|meta\s+http-equiv\s*=\s*[\"']?refresh|mj-include)\b|<[a-z][^>]*?\s(on[a-z]+|ping)\s*=",
    re.IGNORECASE,
)
_REMOTE = re.compile(
    r"<(?!a\b|mj-button\b)[a-z-]+\b[^>]*?\b(?:src|srcset|lowsrc|dynsrc|poster|background|background-url|data|href|action)\s*=\s*[\"']?\s*((?:https?:)?//[^\"'\s>]+)"
    r"|(?:url|image-set|image)\(\s*[\"']?\s*((?:https?:)?//[^\"')\s]+)|@import\s+(?:url\()?[\"']?([^\"');\s]+)",
    re.IGNORECASE,
)

_CSS_ESCAPE = re.compile(r"\\(0{0,4}[2-7][0-9a-f]) ?", re.IGNORECASE)
_BROKEN_SCHEME = re.compile(r"h[\t\r\n]*t[\t\r\n]*t[\t\r\n]*p[\t\r\n]*s?[\t\r\n]*:[\t\r\n]*/[\t\r\n]*/", re.IGNORECASE)


def findings(parts: tuple[Part, ...], context: LintContext) -> Iterator[Finding]:
    """The rules of this file; nothing for other channels."""
    if context.channel != "email":
        return
    yield from _subject(parts[1], context)
    if context.message_class != "S":
        yield from _footer(parts, context)
    yield from _remote(context)


def _subject(subject: Part, context: LintContext) -> Iterator[Finding]:
    why = "A subject must be true and may be read over a shoulder."
    if not subject.raw.strip() or "\n" in subject.raw or "\r" in subject.raw:
        yield finding("L09", "E", ("The subject is empty or has more than one line.", "subject", why), context)
    if _REPLY.match(subject.raw):
        yield finding(
            "L09", "E", ("The subject pretends to be a reply or a forward.", f"“{subject.raw[:12]}”", why), context
        )
    groups = (
        ("phi", "money", "last_visit")
        if context.message_class == "A"
        else ("phi", "money", "last_visit", "fake_status")
    )
    hits = tuple(hit for group in groups for hit in subject.reading.find(group))
    if hits:
        yield finding(
            "L09",
            "E",
            (
                f"Health, money or a status that is not so, in the subject: {hit_words(hits)}.",
                "; ".join(map(subject.where, hits)),
                why,
            ),
            context,
        )


def _footer(parts: tuple[Part, ...], context: LintContext) -> Iterator[Finding]:
    missing = []
    if not parts[0].raw.strip():
        missing.append("plain-text part")
    markup = {"text": parts[0].raw, "html": context.html} if context.html else {"text": parts[0].raw}
    for name, source in markup.items():
        missing += [f"{what} ({name})" for what in _missing(source, context)]
    if context.rendered and not context.has_unsubscribe:
        missing.append("List-Unsubscribe headers")
    if missing:
        yield finding(
            "L08",
            "E",
            (
                f"Missing: {', '.join(missing)}.",
                "end of the message",
                "The law asks every such e-mail for a postal address and a working way out.",
            ),
            context,
        )


def _missing(source: str, context: LintContext) -> list[str]:
    if not context.rendered:
        named = fields_of(source)
        return [
            what
            for what, field in (("postal address", "practice_address"), ("unsubscribe link", "unsubscribe_link"))
            if field not in named
        ]
    text = " ".join(fold(re.sub(r"<[^>]*>", " ", source)).text.split())
    address = " ".join(fold(context.postal_address).text.split())
    missing = [] if address and address in text else ["postal address"]
    return (
        missing if context.unsubscribe_link and context.unsubscribe_link in source else [*missing, "unsubscribe link"]
    )


def _remote(context: LintContext) -> Iterator[Finding]:
    why = "What is loaded from elsewhere tells its owner who opened the message and when."
    markup = _as_browsers_read(context.html)
    for match in _ACTIVE.finditer(markup):
        yield finding(
            "L22",
            "E",
            (
                f"“{(match.group(1) or match.group(2)).lower()}” may not stand in a message.",
                f"html, character {match.start() + 1}",
                why,
            ),
            context,
        )
    for match in _REMOTE.finditer(markup):
        target = next(group for group in match.groups() if group)
        host = re.sub(r"^(?:https?:)?//", "", target).split("/")[0].lower()
        if host not in context.covered_hosts:
            yield finding(
                "L22",
                "E",
                (f"The message loads something from “{host}”.", f"html, character {match.start() + 1}", why),
                context,
            )


def _as_browsers_read(markup: str) -> str:
    r"""Entities and CSS escapes resolved, backslashes as slashes, no tab or line break inside a scheme: &#104;ttps, ht<tab>tps, u\\72l(."""
    plain = _CSS_ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), html.unescape(markup)).replace("\\", "/")
    return _BROKEN_SCHEME.sub(lambda found: re.sub(r"\s", "", found.group()), plain)
