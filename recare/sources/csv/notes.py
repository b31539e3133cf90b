"""Words in staff notes that must stop or question a contact. The notes themselves are not kept."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml


def _load() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("notes.yaml").read_text(encoding="utf-8"))
    return data


def _long(pattern: str) -> str:
    """The expression with every <name> spelt out."""
    return re.sub(r"<(\w+)>", lambda found: _long(_DATA["shorthand"][found.group(1)]), pattern)


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(_long, patterns)))


_DATA: Final = _load()
_FLAGS: Final[dict[str, re.Pattern[str]]] = {flag: _any_of(patterns) for flag, patterns in _DATA["flags"].items()}
_NOT_THEIRS: Final = _any_of(_DATA["not_theirs"])
_BESIDE: Final = _any_of(_DATA["beside"])
_MISTAKABLE: Final = frozenset({"moved", "transferred", "dismissed", "deceased"})
# What front desks write into names and telephone fields, where nobody looks for it. "Rip" alone is a name.
_IN_PLACE: Final[dict[str, re.Pattern[str]]] = {
    flag: re.compile(pattern, re.IGNORECASE)
    for flag, pattern in {
        "deceased": r"\bdec'?d\b|\bdeceasd\b|\br\.i\.p\.?|[(*\[]\s*(?:rip|d|dec)\s*[)*\]]|\u2020",
        "no_contact": r"\bdnc\b|\bdo not (?:use|see|schedule)\b",
        "merged": r"\bduplicate\b|[(*\[]\s*dup\s*[)*\]]|\bdo not use\b",
    }.items()
}
_PHRASE: Final = re.compile(
    rf"[(*\[{{<#\s-]*(?:\b(?:{_long('<not>')}|no)\s+{_long('<list>')}(?:text(?:s|ing|ed)?|sms|txts?|calls?|calling|phone|phoning|ring|e-?mails?|e-?mailing|contact|correspond\w*|use|see|schedule)\b|\bdeceas\w*|\bdec'?d\b|\bpassed away\b|"
    r"\bdied\b|\br\.i\.p\.?|[(*\[]\s*(?:rip|d|dec|dup)\s*(?=[)*\]])|\u2020|\bdnc\b|\bdismiss\w*|\bduplicate(?: chart)?\b|\bmoved(?: away)?\b|"
    r"\btransferr?ed\b|\binactive\b|\bmerged?\b)[)*\]}>#\s-]*",
    re.IGNORECASE,
)
_SUSPECT: Final = re.compile(
    r"[(*\[{<#\u2020]|\b(?:dec|died|passed|fallec|murio|difunt|obit|death|do\b|don|never|no\b|not\b|stop|opt|dnc|unsub|dismiss|discharg|terminat|mov|transfer|merge|dup|relocat|"
    r"inactive|r\.i|lawyer|attorney|sue|custody|upset|angry|left|leave|records?\b|charts?\b)",
    re.IGNORECASE,
)
_INTO: Final = re.compile(
    r"\bmerged?\s+(?:in)?to\s+(?:chart|patient|pt|account|#)?\s*#?\s*([A-Za-z]{0,3}\d[\w-]*)", re.IGNORECASE
)


@lru_cache(maxsize=10_000)
def flags(note: str) -> tuple[str, ...]:
    """Return the flags whose words occur in a note, in a fixed order. They ask a person; they never allow anything.

    ``unclear`` stands for a death or a dismissal that may be somebody else's, or is denied.
    """
    text = _folded(note)
    found = tuple(flag for flag, pattern in _FLAGS.items() if pattern.search(text))
    if _MISTAKABLE.isdisjoint(found):
        return found
    own = _NOT_THEIRS.sub(" ", text)
    rest = _BESIDE.sub(" ", own)
    true = tuple(flag for flag in found if flag not in _MISTAKABLE or _FLAGS[flag].search(rest))
    return true if own == text else (*true, "unclear")


def _folded(note: str) -> str:
    """Lower case, no accents, straight apostrophes."""
    plain = note.lower().replace("\u2019", "'")
    if plain.isascii():
        return plain
    return "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))


def merged_into(note: str) -> str | None:
    """Return the chart number that a note names as the one this chart was merged into."""
    found = _INTO.search(note)
    return found[1] if found else None


@lru_cache(maxsize=10_000)
def marks(text: str) -> tuple[str, ...]:
    """Return the flags of words that stand in a cell meant for something else: ``(DECEASED)`` in a name, ``DO NOT TEXT`` after a number."""
    if not _SUSPECT.search(text):
        return ()
    found = dict.fromkeys(flags(text))
    return tuple(found | dict.fromkeys(flag for flag, pattern in _IN_PLACE.items() if pattern.search(text)))


def without_marks(name: str) -> str:
    """Return a name without such words, so that nobody is greeted by them."""
    return " ".join(_PHRASE.sub(" ", name).split()).strip(" -,*#")
