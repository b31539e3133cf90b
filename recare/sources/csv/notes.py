"""Words in staff notes that must stop or question a contact. The notes themselves are not kept."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_NOT: Final = r"(?:do not|don'?t|dont|never|no|stop|not to)"
_TEXT: Final = r"(?:text(?:s|ing|ed)?|sms|txts?)"
_CALL: Final = r"(?:calls?|calling|phone|phoning|ring)"
_MAIL: Final = r"(?:e-?mails?|e-?mailing)"
_LIST: Final = r"(?:\w+(?:\s*(?:,|or|and|/|&)\s*|\s+)){0,3}"
_FLAGS: Final[dict[str, re.Pattern[str]]] = {
    flag: re.compile(pattern, re.IGNORECASE)
    for flag, pattern in {
        "no_text": rf"\b{_NOT}\s+{_LIST}{_TEXT}\b|\bopt(?:ed)?[ -]?out\b",
        "no_call": rf"\b{_NOT}\s+{_LIST}{_CALL}\b",
        "no_email": rf"\b{_NOT}\s+{_LIST}{_MAIL}\b|\bopt(?:ed)?[ -]?out\b|\bunsubscribe",
        "no_contact": rf"\b{_NOT}\s+{_LIST}(?:contact|correspond|bother|reach out)|\bno correspondence\b|\bleave (?:her|him|them|pt) alone\b",
        "moved": r"\bmoved\b|\bmoving (?:away|out)\b|\brelocat",
        "transferred": r"\b(?:records?|chart|x-?rays?) (?:were |was )?(?:transferr?ed|sent|forwarded)\b|\btransferr?ed (?:to|out|care)\b|\bnew dentist\b|\bgoing elsewhere\b|\bleft (?:the )?practice\b",
        "dismissed": r"\bdismiss(?:ed|al)\b|\bdischarged from (?:the )?practice\b|\bterminat(?:ed|ion) (?:letter|of care)\b",
        "deceased": r"\bdeceased\b|\bpassed away\b|\bdied\b",
        "merged": r"\bmerged?\b|\bduplicate chart\b",
        "legal": r"\blawyer|\battorney|\blawsuit|\bsu(?:ed|ing)\b|\bboard complaint\b|\bmalpractice\b",
        "upset": r"\bupset\b|\bangry\b|\bfurious\b|\bvery unhappy\b|\bcomplain(?:t|ed|s)\b",
        "custody": r"\bcustody\b|\bdivorced\b|\b(?:mother|father|mom|dad) only\b|\brestraining order\b",
    }.items()
}
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
    rf"[(*\[{{<#\s-]*(?:\b{_NOT}\s+{_LIST}(?:{_TEXT}|{_CALL}|{_MAIL}|contact|correspond\w*|use|see|schedule)\b|\bdeceas\w*|\bdec'?d\b|\bpassed away\b|"
    r"\bdied\b|\br\.i\.p\.?|[(*\[]\s*(?:rip|d|dec|dup)\s*(?=[)*\]])|\u2020|\bdnc\b|\bdismiss\w*|\bduplicate(?: chart)?\b|\bmoved(?: away)?\b|"
    r"\btransferr?ed\b|\binactive\b|\bmerged?\b)[)*\]}>#\s-]*",
    re.IGNORECASE,
)
_SUSPECT: Final = re.compile(
    r"[(*\[{<#\u2020]|\b(?:dec|died|passed|do\b|don|never|no\b|not\b|stop|opt|dnc|unsub|dismiss|discharg|terminat|mov|transfer|merge|dup|relocat|"
    r"inactive|r\.i|lawyer|attorney|sue|custody|upset|angry|left|leave|records?\b|charts?\b)",
    re.IGNORECASE,
)
_INTO: Final = re.compile(
    r"\bmerged?\s+(?:in)?to\s+(?:chart|patient|pt|account|#)?\s*#?\s*([A-Za-z]{0,3}\d[\w-]*)", re.IGNORECASE
)


@lru_cache(maxsize=10_000)
def flags(note: str) -> tuple[str, ...]:
    """Return the flags whose words occur in a note, in a fixed order. They ask a person; they never allow anything."""
    return tuple(flag for flag, pattern in _FLAGS.items() if pattern.search(note))


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
