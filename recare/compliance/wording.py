"""Finding words as a reader sees them, however they are spelt: cr0wn, c-r-o-w-n, a Cyrillic letter for a Latin one, raíz.

The term lists are data (``words/*.yaml``, one file per language). A term is a regular expression in folded spelling (lower case, no accents)
where a space stands for any run of spaces or hyphens; it matches whole words only. Every language's list is read for every text: a Spanish
word hides nowhere in an English message.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

LANGUAGES = ("en", "es")

# Letters of other alphabets that look like Latin ones (the common subset of Unicode's confusables), lower case.
_LOOK_ALIKES = str.maketrans(
    "авекмнорстухѕіјԁԛԝһӏαβεικνορτυχ\u0131\u0142\u0111",
    "abekmhopctyxsijdqwhlabeiknoptux" + "ild",
)
_TYPOGRAPHY = {
    **dict.fromkeys("\u2018\u2019\u02bc\u00b4`\u2032", "'"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
}
_INVISIBLE = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0e\ufe0f")
_LEET = str.maketrans("0134578@$!|", "oieastbasil")
_LEET_WORD = re.compile(r"(?<![\w@$])(?=[\w@$!|]*[a-z])(?=[\w@$!|]*[0134578@$!|])[a-z0134578@$!|]{3,}(?<!!)(?![\w@$])")
_SPELT_OUT = re.compile(r"(?<!\w)(?:[^\W\d_][ .\-_*/]){2,}[^\W\d_](?!\w)")
_SPACE = re.compile(r"\(\?<[!=][^)]*\)| \?| ")  # a look-behind needs its fixed width
_SEPARATORS = frozenset(" .-_*/")


@dataclass(frozen=True, slots=True)
class Folded:
    """Folded text; ``at[i]`` is where its character ``i`` stood in the original."""

    text: str
    at: tuple[int, ...] | range


@dataclass(frozen=True, slots=True)
class Hit:
    """Words of the original that matched, and their offset."""

    start: int
    words: str


def fold(text: str) -> Folded:
    """Lower case, no accents, look-alike letters as Latin, plain quotes and hyphens, nothing invisible."""
    if text.isascii():
        return Folded(text.lower(), range(len(text)))
    out: list[str] = []
    at: list[int] = []
    for index, char in enumerate(text):
        for piece in _fold_character(char):
            out.append(piece)
            at.append(index)
    return Folded("".join(out), tuple(at))


@cache
def _fold_character(char: str) -> str:
    if char in _INVISIBLE:
        return ""
    if char in _TYPOGRAPHY:
        return _TYPOGRAPHY[char]
    if char.isspace():
        return "\n" if char in "\r\n" else " "
    decomposed = unicodedata.normalize("NFKD", char).casefold()
    return "".join(c for c in decomposed if not unicodedata.combining(c)).translate(_LOOK_ALIKES)


def unmask(folded: Folded) -> Folded:
    """Undo digits for letters and letters set apart; the same object where nothing was masked."""
    masked = _LEET_WORD.search(folded.text) or _SPELT_OUT.search(folded.text)
    if not masked:
        return folded
    text = _LEET_WORD.sub(lambda m: m.group().translate(_LEET), folded.text)
    dropped: set[int] = set()
    for match in _SPELT_OUT.finditer(text):
        dropped.update(i for i in range(match.start(), match.end()) if text[i] in _SEPARATORS)
    kept = [i for i in range(len(text)) if i not in dropped]
    return Folded("".join(text[i] for i in kept), tuple(folded.at[i] for i in kept))


@cache
def word_list(language: str) -> dict[str, Any]:
    """One language's data file, as it stands."""
    data: dict[str, Any] = yaml.safe_load(
        (resources.files("recare.compliance") / "words" / f"{language}.yaml").read_text("utf-8")
    )
    return data


@cache
def pattern(group: str) -> re.Pattern[str]:
    """All languages' terms of one group as one expression."""
    terms = [term for language in LANGUAGES for term in word_list(language)["terms"].get(group, ())]
    joined = "|".join(_SPACE.sub(_any_space, term) for term in terms)
    return re.compile(rf"(?<!\w)(?:{joined})(?!\w)")


def _any_space(match: re.Match[str]) -> str:
    return {" ": r"[\s\-]+", " ?": r"[\s\-]*"}.get(match.group(), match.group())


class Reading:
    """One text, folded once and searched for many groups of words."""

    __slots__ = ("_folded", "_source", "_unmasked")

    def __init__(self, text: str) -> None:
        self._source = text
        self._folded = fold(text)
        self._unmasked = unmask(self._folded)

    @property
    def text(self) -> str:
        """The folded text."""
        return self._folded.text

    def find(self, group: str) -> tuple[Hit, ...]:
        """Every place where a term of ``group`` stands, in reading order, each once."""
        found = self._search(pattern(group), self._folded)
        if self._unmasked is not self._folded:
            known = {hit.start for hit in found}
            found += [hit for hit in self._search(pattern(group), self._unmasked) if hit.start not in known]
        return tuple(found)

    def matches(self, expression: re.Pattern[str]) -> tuple[Hit, ...]:
        """Every match of an expression in the folded text."""
        return tuple(self._search(expression, self._folded))

    def _search(self, expression: re.Pattern[str], folded: Folded) -> list[Hit]:
        hits = []
        for match in expression.finditer(folded.text):
            if match.start() == match.end():
                continue
            start, last = folded.at[match.start()], folded.at[match.end() - 1]
            hits.append(Hit(start, self._source[start : last + 1]))
        return hits
