"""Rules on the form of a text: sender, opt-out words, length, gaps, shouting, reading level (L04, L05, L06, L18, L19, L20, L21)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from liquid.exceptions import LiquidError

from recare.compliance.clearance import CATALOGUE, mentions, parse, samples
from recare.compliance.finding import Finding
from recare.compliance.lint_parts import BLANK, finding, rewrite_for
from recare.compliance.lint_words import hit_words
from recare.compliance.segments import Count, count, foreign, plain
from recare.compliance.wording import fold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recare.compliance.lint_context import LintContext
    from recare.compliance.lint_parts import Part

_UNRESOLVED = re.compile(
    r"\{\{|\}\}|\{%|%\}|\$\{|\{[A-Za-z_]+\}|@[A-Za-z_]+@|\[\[\w+\]\]|\[\[?[A-Za-z]+[_ ][A-Za-z_ ]*\]|<<?[A-Za-z_ ]+>>?|%[A-Za-z_]{3,}%|\bNone\b(?! of)|\bnull\b|\bundefined\b|\bNaN\b"
)
_GAP = re.compile(
    r"(?<=\S)  +(?=\S)|(?<=\w) +[,.!:;](?=\s|$)|[,:;] +[,.!:;](?=\s|$)|\(\s*\)|(?i:\b(?:hi|hello|hola|dear|hey)[!:](?=\s))"
)
_OPTED_OUT = re.compile(
    r"\b(?:unsubscribed|opted out|you'?re out|no more (?:texts?|messages?)|no longer (?:receive|get)|ya no recibira|fue removid\w+|dado de baja)\b"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z'\u2019]*")
_VOWELS = re.compile(r"[aeiouy]+")


def findings(parts: tuple[Part, ...], context: LintContext) -> Iterator[Finding]:
    """The rules of this file."""
    body = parts[0]
    if context.channel == "sms":
        yield from _sender_first(body, context)
        yield from _opt_out_words(body, context)
        yield from _length(body, context)
        yield from _gaps(body, context)
        yield from _shouting(body, context)
    yield from _one_sender(context)
    yield from _reading(body, context)
    if context.message_class == "S":
        yield from _confirmation(body, context)


def _sender_first(body: Part, context: LintContext) -> Iterator[Finding]:
    if context.rendered:
        name = fold(plain(context.practice_name) or context.practice_name).text.strip()
        at = fold(plain(body.raw)).text.find(name) if name else -1
        fine = at == 0 or 0 < at <= 40 - len(name)
    else:
        own = context.practice_name and body.raw.startswith(context.practice_name)
        fine = bool(own) or re.match(r"\W*\{\{-?\s*practice_name\b", body.raw) is not None
    if not fine:
        yield finding(
            "L04",
            "E",
            (
                "The practice's name is not among the first 40 characters.",
                "start of the text",
                "People must see at once who writes.",
            ),
            context,
        )


def _opt_out_words(body: Part, context: LintContext) -> Iterator[Finding]:
    if context.message_class == "S" and context.purpose != "help":
        return
    missing = []
    if not body.reading.find("opt_out_words"):
        missing.append("the words “Reply STOP”" if context.language != "es" else "las palabras “Responda STOP”")
    if not has_phone(body, context):
        missing.append("the practice's phone number")
    if missing:
        yield finding(
            "L05",
            "E",
            (f"Missing: {' and '.join(missing)}.", "whole text", "Every text must show how to stop and whom to call."),
            context,
        )


def has_phone(body: Part, context: LintContext) -> bool:
    """Whether the practice's number stands in the part, however it is written."""
    digits = re.sub(r"\D", "", context.practice_phone)[-10:]
    return "practice_phone" in body.fields or (bool(digits) and digits in re.sub(r"\D", "", body.masked))


def _length(body: Part, context: LintContext) -> Iterator[Finding]:
    text = body.raw if context.rendered else _with_longest(body.raw, context)
    size = count(text, toll_free=context.toll_free)
    severity: Literal["E", "W"] = "W" if context.message_class == "S" else "E"
    odd = tuple(dict.fromkeys(char for _, char in foreign(text)))
    if odd and not context.two_parts_approved:
        shown = " ".join(f"“{c}” (U+{ord(c):04X})" for c in odd[:6])
        place = f"character {foreign(text)[0][0] + 1}"
        what, why = (
            f"These characters make the text cost more than double: {shown}.",
            "Outside the GSM-7 alphabet a part holds 70 characters, not 160.",
        )
        rewrite = plain(body.raw).strip() or rewrite_for("L06", context)
        yield Finding("L06", severity, what, place, why, rewrite)
    limit = 2 if context.two_parts_approved or context.message_class == "S" else 1
    if size.segments > limit:
        yield finding(
            "L06",
            severity,
            (
                _too_long(size, rendered=context.rendered),
                "whole text",
                f"One text is at most {limit} part{'s' * (limit > 1)}: each further part costs again and may arrive apart.",
            ),
            context,
        )


def _too_long(size: Count, *, rendered: bool) -> str:
    values = "" if rendered else " with the longest plausible names and links"
    over = size.units - (160 if size.encoding == "GSM-7" else 70)
    return f"{size.units} units in {size.segments} parts ({size.encoding}){values}; {over} too many for one part."


def _with_longest(source: str, context: LintContext) -> str:
    values = samples(longest=True)
    if context.practice_name:
        values["practice_name"] = context.practice_name
    try:
        return parse(source).render(**values)
    except LiquidError:
        return source


def _gaps(body: Part, context: LintContext) -> Iterator[Finding]:
    why = "A hole or a raw field shows that nobody looked before sending."
    if context.rendered:
        for expression, what in (
            (_UNRESOLVED, "A merge field was not filled in."),
            (_GAP, "An empty value has left a gap."),
        ):
            match = expression.search(body.raw)
            if match:
                around = body.raw[max(match.start() - 10, 0) : match.end() + 10]
                yield finding("L18", "E", (what, f"“{around}”, character {match.start() + 1}", why), context)
        if not body.raw.strip():
            yield finding("L18", "E", ("The text is empty.", "whole text", why), context)
        return
    asked = {m.name for m in mentions(body.raw) if m.role == "condition"}
    for m in mentions(body.raw):
        field = CATALOGUE.get(m.name)
        if field and field.may_be_empty and m.role == "output" and "default" not in m.filters and m.name not in asked:
            yield Finding(
                "L18",
                "E",
                f"“{m.name}” may be empty and has no fallback.",
                f"character {m.at + 1}",
                why,
                "Hi {{ first_name | name: 8 | default: 'there' }}",
            )


def _shouting(body: Part, context: LintContext) -> Iterator[Finding]:
    letters = [
        c for c in re.sub(r"\b(?:STOP|HELP|YES|START|AYUDA|SI)\b", "", body.masked.replace(BLANK, " ")) if c.isalpha()
    ]
    capitals = sum(c.isupper() for c in letters)
    why = "Shouting reads as spam, to people and to carriers."
    if len(letters) >= 8 and capitals > 0.3 * len(letters):
        yield finding(
            "L18",
            "E",
            (f"{round(100 * capitals / len(letters))} % of the letters are capitals.", "whole text", why),
            context,
        )
    if body.masked.count("!") > 1:
        yield finding(
            "L18", "E", ("More than one exclamation mark.", f"character {body.masked.rindex('!') + 1}", why), context
        )


def _one_sender(context: LintContext) -> Iterator[Finding]:
    brand, name = (" ".join(re.findall(r"\w+", fold(value).text)) for value in (context.brand, context.practice_name))
    if brand and name and brand not in name and name not in brand:
        yield finding(
            "L19",
            "E",
            (
                f"The sender is registered as “{context.brand}”, the text speaks for “{context.practice_name}”.",
                "sender",
                "A message may only speak for the brand it is registered for.",
            ),
            context,
        )


def _reading(body: Part, context: LintContext) -> Iterator[Finding]:
    if context.preferred_language and context.preferred_language != context.language:
        yield finding(
            "L20",
            "W",
            (
                f"The text is in “{context.language}”, the person prefers “{context.preferred_language}”.",
                "whole text",
                "People answer in the language they asked for.",
            ),
            context,
        )
    grade = reading_grade(body.masked.replace(BLANK, " ")) if context.language == "en" else 0.0
    if grade > 8:
        yield finding(
            "L20",
            "W",
            (
                f"Reading level is grade {grade:.0f}; aim for 8 or lower.",
                "whole text",
                "Short words and sentences reach everyone.",
            ),
            context,
        )


def reading_grade(text: str) -> float:
    """Flesch-Kincaid grade of an English text; 0 below twenty words, where it says nothing."""
    words = _WORD.findall(text)
    if len(words) < 20:
        return 0.0
    sentences = max(1, len([s for s in re.split(r"[.!?:;\n]+(?:\s|$)", text) if _WORD.search(s)]))
    syllables = sum(_syllables(word.lower()) for word in words)
    return 0.39 * len(words) / sentences + 11.8 * syllables / len(words) - 15.59


def _syllables(word: str) -> int:
    groups = len(_VOWELS.findall(word))
    silent = word.endswith("e") and not word.endswith("le") and groups > 1
    silent_ed = word.endswith("ed") and len(word) > 3 and word[-3] not in "td" and groups > 1
    return max(1, groups - silent - silent_ed)


def _confirmation(body: Part, context: LintContext) -> Iterator[Finding]:
    looks_like = _OPTED_OUT.search(body.reading.text) is not None
    if context.purpose != "opt_out" and not (context.purpose == "" and looks_like):
        return
    hits = body.reading.find("promo") + body.reading.find("pitch") + body.reading.find("comeback")
    why = "The one text after an opt-out may confirm it and nothing else."
    if hits:
        yield finding(
            "L21",
            "E",
            (
                f"Words that try to win back someone who has just opted out: {hit_words(hits)}.",
                "; ".join(map(body.where, hits)),
                why,
            ),
            context,
        )
    if body.urls or any(name.endswith("_link") for name in body.fields):
        yield finding(
            "L21",
            "E",
            ("An opt-out confirmation carries no link.", "; ".join(map(body.where, body.urls)) or "link field", why),
            context,
        )
