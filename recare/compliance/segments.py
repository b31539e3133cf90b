"""How many parts a text message is sent and billed in (SMS-02). Exact, because each part costs and the limit is one."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

# 3GPP TS 23.038, default alphabet and its extension table. The extension characters travel as an escape and a second septet.
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")
GSM7 = BASIC | EXTENSION

# What people paste from a word processor, and what stands for it in GSM-7.
PLAIN = {
    **dict.fromkeys("\u2018\u2019\u201a\u2032\u00b4\u02bc`", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\u2007\t", " "),
    **dict.fromkeys("\u200b\u200c\u200d\ufeff\ufe0f\u00ad", ""),
    "\u2026": "...",
    "\u2022": "-",
    "\u0111": "d",
    "\u0110": "D",
    "\u0142": "l",
    "\u0141": "L",
    "\u00ba": "o",
    "\u00aa": "a",
    "\u0131": "i",
    "\u0153": "oe",
    "\u0152": "OE",
    "\u00f0": "d",
    "\u00fe": "th",
    "\u2044": "/",
}


@dataclass(frozen=True, slots=True)
class Count:
    """Encoding, billing units (septets or UTF-16 code units) and parts of one text."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


def count(text: str, *, toll_free: bool = False) -> Count:
    """Count the units and parts of ``text``; an empty text has no part.

    One part holds 160 septets or 70 UTF-16 units; of several, each holds 153 or 67, on toll-free numbers 152 or 66 (SMS-02). An escaped
    character or a surrogate pair is never split between parts.
    """
    if GSM7.issuperset(text):
        wide = sum(map(text.count, EXTENSION))
        single, part = 160, 152 if toll_free else 153
        units = len(text) + wide
        segments = _pack(text, EXTENSION.__contains__, part) if wide and units > single else _parts(units, single, part)
        return Count("GSM-7", units, segments)
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    single, part = 70, 66 if toll_free else 67
    has_pairs = units > len(text)
    segments = _pack(text, "\uffff".__lt__, part) if has_pairs and units > single else _parts(units, single, part)
    return Count("UCS-2", units, segments)


def foreign(text: str) -> tuple[tuple[int, str], ...]:
    """Offsets and characters that force the whole text out of GSM-7."""
    return tuple((at, char) for at, char in enumerate(text) if char not in GSM7)


def plain(text: str) -> str:
    """The text in GSM-7: curly quotes made straight, accents GSM-7 lacks taken off, what has no counterpart left out."""
    if GSM7.issuperset(text):
        return text
    return "".join(map(_plain_character, unicodedata.normalize("NFC", text)))


def _plain_character(char: str) -> str:
    if char in GSM7:
        return char
    if char in PLAIN:
        return PLAIN[char]
    folded = unicodedata.normalize("NFKD", char)
    return "".join(PLAIN.get(c, c if c in GSM7 else "") for c in folded)


def _parts(units: int, single: int, part: int) -> int:
    if units <= single:
        return 1 if units else 0
    return -(-units // part)


def _pack(text: str, is_double: Callable[[str], bool], part: int) -> int:
    segments, room = 1, part
    for char in text:
        need = 2 if is_double(char) else 1
        if need > room:
            segments, room = segments + 1, part
        room -= need
    return segments
