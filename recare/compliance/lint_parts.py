"""A message cut into the parts a rule reads: body, subject, the words of its HTML."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from recare.compliance.clearance import fields_of, position
from recare.compliance.finding import Finding
from recare.compliance.wording import Hit, Reading, word_list

if TYPE_CHECKING:
    from recare.compliance.lint_context import LintContext

URL = re.compile(r"https?://[^\s<>\"']+|\b(?:www\.)[^\s<>\"']+|\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|ly|co|me|info|us|link|app|dental|health|gl|gd|cc|to|page|site|xyz)(?:/[^\s<>\"']*)?(?![\w@.])", re.IGNORECASE)  # fmt: skip
_LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"")
_COMMENT = re.compile(r"\{%-?\s*comment\s*-?%\}.*?\{%-?\s*endcomment\s*-?%\}", re.DOTALL)
_INVISIBLE = re.compile(r"<!--.*?-->|<(style|script|title|mj-head)\b.*?</\1>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:mj[a-z-]*|html|head|body|title|meta|style|div|table|tbody|tr|td|th|p|a|b|i|u|em|strong|br|hr|span|img|h[1-6]|ul|ol|li|center|font|!doctype)"
    r"\b[^>]*>",
    re.DOTALL | re.IGNORECASE,
)
BLANK = "\u00b7"  # stands for what is not read: no word, no space


@dataclass(frozen=True)
class Part:
    """One part: its raw text, and a reading with links, the practice's own name and Liquid blanked at the same length."""

    name: str
    raw: str
    masked: str
    fields: frozenset[str]

    @cached_property
    def reading(self) -> Reading:
        return Reading(self.masked)

    @cached_property
    def urls(self) -> tuple[Hit, ...]:
        text = _without_liquid(self.raw) if self.fields else self.raw
        return tuple(Hit(m.start(), m.group().rstrip(".,;:!?)")) for m in URL.finditer(text))

    def where(self, hit: Hit) -> str:
        """The words and their place, for a reader."""
        line, column = position(self.raw, hit.start)
        place = "" if self.name == "text" else f"{self.name}, "
        return f"“{' '.join(hit.words.split())}” ({place}line {line}, column {column})"


def parts_of(text: str, context: LintContext) -> tuple[Part, ...]:
    """The body first, then the subject and the words of the HTML where there are any."""
    parts = [_part("text", text, context)]
    if context.channel == "email":
        parts.append(_part("subject", context.subject, context))
        if context.html:
            parts.append(_part("html", visible(context.html), context))
    return tuple(parts)


def visible(markup: str) -> str:
    """The words a reader of HTML or MJML sees, and what attributes hold of links left out."""
    return re.sub(r"[ \t]{2,}", " ", html.unescape(_TAG.sub(" ", _INVISIBLE.sub(" ", markup))))


def rewrite_for(rule: str, context: LintContext) -> str:
    """Words that pass the rule, in the language of the text."""
    words: dict[str, str] = word_list(context.language if context.language in {"en", "es"} else "en")["rewrites"]
    host = context.allowed_link_hosts[0] if context.allowed_link_hosts else "go.mapledental.com"
    values = {
        "practice": context.practice_name or "Maple Dental",
        "phone": re.sub(r"^\+1(\d{3})(\d{3})(\d{4})$", r"\1-\2-\3", context.practice_phone) or "512-555-0100",
        "link": f"https://{host}/b/7Kq2",
        "address": context.postal_address or "12 Maple St, Austin, TX 78701",
        "unsubscribe": context.unsubscribe_link or f"https://{host}/u/7Kq2",
    }
    if not context.rendered:
        values |= {"practice": "{{ practice_name }}", "phone": "{{ practice_phone }}", "link": "{{ book_link }}"}
        values |= {"address": "{{ practice_address }}", "unsubscribe": "{{ unsubscribe_link }}"}
    return words[rule].format(**values)


def _part(name: str, raw: str, context: LintContext) -> Part:
    fields: frozenset[str] = frozenset()
    masked = raw
    if not context.rendered:
        fields = fields_of(raw)
        masked = _without_liquid(masked)
    masked = URL.sub(lambda m: BLANK * len(m.group()), masked)
    for own in (context.practice_name, context.brand, context.postal_address):
        if own and own in masked:
            masked = masked.replace(own, BLANK * len(own))
    return Part(name, raw, masked, fields)


def _without_liquid(source: str) -> str:
    """Liquid blanked at its length, except the words in its quotes, which a reader may see."""

    def blank(match: re.Match[str]) -> str:
        tag = match.group()
        kept = list(BLANK * len(tag))
        for literal in _LITERAL.finditer(tag):
            kept[literal.start() + 1 : literal.end() - 1] = literal.group()[1:-1]
        return "".join(kept)

    return _LIQUID.sub(blank, _COMMENT.sub(lambda m: BLANK * len(m.group()), source))


def finding(rule: str, severity: str, words: tuple[str, str, str], context: LintContext) -> Finding:
    """A finding from (what, where, why) with the rule's rewrite."""
    what, where, why = words
    return Finding(rule, "W" if severity == "W" else "E", what, where, why, rewrite_for(rule, context))
