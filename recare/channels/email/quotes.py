"""What a person wrote in an e-mail, without the mail it answers. Pure.

Both mistakes count: our own footer, quoted below, says "unsubscribe" and the person may not; and a request to stop must not go down with the
quote. So lines are taken away only where a mail program has marked them (``>``, "On ... wrote:", a block of headers) or where they are known
to be ours; and where nothing would be left, what is not ours is read after all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from html import unescape
from typing import Final

_INVISIBLE: Final = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad\x00]")
_MARKS: Final = re.compile(r"(?:>\s?)+")
_WROTE: Final = re.compile(
    r"(?=.*[\d@])(?:(?:on|el|le|em|am|il)\b.{4,300}\b(?:wrote|escribi[oó]|a écrit|escreveu|ha scritto|schrieb.{0,80})\s*:?$"
    r"|in a message dated .{4,300}\bwrites:$)",
    re.IGNORECASE,
)
_SOMEBODY_WROTE: Final = re.compile(r".{0,120}<[^<>\s]{3,120}>\)?\s*(?:wrote|escribi[oó])\s*:?$", re.IGNORECASE)
_DIVIDER: Final = re.compile(
    r"_{20,}$|-{2,}\s*(?:original message|original appointment|forwarded message|mensaje original|mensaje reenviado|"
    r"message d'origine|ursprüngliche nachricht)\s*-{2,}$|(?:begin forwarded message|inicio del mensaje reenviado):$",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(
    r"\*?(from|sent|date|to|cc|subject|reply-to|de|enviado(?: el)?|fecha|para|asunto|von|gesendet|an|betreff)\s*:\*?(?:\s|$)", re.IGNORECASE
)  # fmt: skip
_FIRST_LABELS: Final = frozenset({"from", "de", "von"})
_BY_PROGRAM: Final = re.compile(
    r"(?:sent from (?:my|yahoo|outlook|mail for|proton|the|samsung|aol)\b|get outlook for|enviado desde (?:mi|el|yahoo|outlook)\b|"
    r"obt(?:én|ener) outlook para).{0,80}$",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"<?https?://\S+")
_SIGNATURE: Final = "-- "
"""With its space (RFC 3676, 4.3): two dashes alone may part somebody's own words."""
_LINE: Final = 400
"""No longer line is a mail program's own."""
_TELLING: Final = 16
"""Of shorter lines one cannot say whose they are: "unsubscribe" stands in our footer, and is what a person answers."""


def own_words(text: str, ours: str = "") -> str:
    """Return the person's own words of a mail, above, between and below what it quotes. Never raises.

    ``ours`` are the words of the message it answers, where that is known: what stands there word for word is ours, however a mail program
    has marked it. A mail that is nothing but a quote of somebody else's words is read whole.
    """
    lines = _lines(text)
    not_own = _ours(lines, ours)
    kept = [lines[at] for at in _unquoted(lines, max(not_own, default=-1) + 1) if at not in not_own]
    if not any(kept):
        kept = [_bare(line) for at, line in enumerate(lines) if at not in not_own and not _is_frame(_bare(line))]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def _lines(text: str) -> list[str]:
    plain = _INVISIBLE.sub("", text).replace("\xa0", " ").replace("\r\n", "\n").replace("\r", "\n")
    return [line if line == _SIGNATURE else line.strip() for line in plain.split("\n")]


def _bare(line: str) -> str:
    """The line without the marks of a quote."""
    return _MARKS.sub("", line, count=1) if line.startswith(">") else line


def _folded(line: str) -> str:
    """The words alone: a mail program breaks lines anew, and writes out or changes the address behind a link."""
    return " ".join(_ADDRESS.sub(" ", _bare(line)).casefold().split())


def _ours(lines: Sequence[str], ours: str) -> frozenset[int]:
    """Which lines are our own: telling ones wherever they stand, short ones only below and right above, and as often as we have written them."""
    written = [line for line in map(_folded, _lines(ours)) if line]
    whole, short = " ".join(written), Counter(written)
    said = [_folded(line) for line in lines]
    telling = [at for at, line in enumerate(said) if len(line) >= _TELLING and line in whole]
    if not telling:
        return frozenset()
    found = set(telling)
    for at in range(len(said) - 1, telling[0], -1):  # from below: there the quote is, as a rule
        if short[said[at]] > 0:
            short[said[at]] -= 1
            found.add(at)
    first = written.index(said[telling[0]]) if said[telling[0]] in short else 0
    above = [at for at in range(telling[0] - 1, -1, -1) if said[at]]
    for at, line in zip(above, reversed(written[:first]), strict=False):  # a greeting, before the first line that tells
        if said[at] != line:
            break
        found.add(at)
    return frozenset(found)


def _unquoted(lines: Sequence[str], below: int) -> Iterator[int]:
    """The lines that no mail program has marked as quoted, as signature, or as its own; ``below`` is the first line after all that is ours."""
    at, in_signature = 0, False
    while at < len(lines):
        frame = _frame(lines, at)
        if frame:
            at, in_signature = at + frame, False
            if not _next(lines, at).startswith(
                ">"
            ):  # quoted without marks: as far as we know our words, else to the end
                at = below if below > at else len(lines)
            continue
        if lines[at].startswith(">"):
            in_signature = False
        elif lines[at] == _SIGNATURE:
            in_signature = True
        elif not in_signature and not _is_by_program(lines[at]):
            yield at
        at += 1


def _frame(lines: Sequence[str], at: int) -> int:
    """How many lines from here introduce a quote: a divider, "On ... wrote:" (broken over up to three), a block of headers; 0 for none."""
    line = lines[at]
    if len(line) <= _LINE and (_DIVIDER.match(line) or _SOMEBODY_WROTE.match(line)):
        return 1
    for count in (1, 2, 3):
        some = lines[at : at + count]
        if all(some) and len(joined := " ".join(some)) <= _LINE and _WROTE.match(joined):
            return count
    return _headers(lines, at)


def _headers(lines: Sequence[str], at: int) -> int:
    """How many lines a block like "From: / Sent: / To: / Subject:" has here. One label alone is somebody's words."""
    first = _LABEL.match(lines[at])
    if not first or first.group(1).lower() not in _FIRST_LABELS:
        return 0
    end, labels = at + 1, 1
    while end < len(lines) and end - at < 12 and (not lines[end] or _LABEL.match(lines[end])):
        labels += bool(lines[end])
        end += 1
    return end - at if labels > 1 else 0


def _next(lines: Sequence[str], at: int) -> str:
    return next((line for line in lines[at:] if line), "")


def _is_by_program(line: str) -> bool:
    return bool(_BY_PROGRAM.match(line[:_LINE]))


def _is_frame(line: str) -> bool:
    short = line[:_LINE]
    return bool(
        _DIVIDER.match(short)
        or _WROTE.match(short)
        or _SOMEBODY_WROTE.match(short)
        or _LABEL.match(short)
        or _BY_PROGRAM.match(short)
    )


_BLOCKS: Final = frozenset(
    {"address", "article", "blockquote", "br", "div", "dl", "dt", "dd", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li",
     "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul"}
)  # fmt: skip
_UNSEEN: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|title)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*|!)[^<>]*>")


def text_of_html(markup: str) -> str:
    """Return the words of an HTML mail as a text mail would have them, block quotes marked with ``>``. Never raises.

    Not the standard library's parser: it takes minutes for some malformed mails and raises at others. This takes one pass.
    """
    lines: list[tuple[int, list[str]]] = [(0, [])]
    quotes, at, seen = 0, 0, _UNSEEN.sub(" ", markup)
    for tag in _TAG.finditer(seen):
        lines[-1][1].append(seen[at : tag.start()])
        at, closing, name = tag.end(), tag.group(1), tag.group(2).lower()
        if name == "blockquote":
            quotes = max(0, quotes + (-1 if closing else 1))
        if name in _BLOCKS:
            lines.append((quotes, []))
    lines[-1][1].append(seen[at:])
    found = [(depth, " ".join(unescape("".join(pieces)).split())) for depth, pieces in lines]
    return "\n".join(f"{'>' * depth} {line}".strip() for depth, line in found if line)
