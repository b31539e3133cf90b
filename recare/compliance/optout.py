"""Does a reply ask us to stop? Keywords, phrases and doubt in the languages patients write (OPT-01).

Over-revoking costs one patient; under-revoking breaks the law and a promise. So a clear request is ``stop``, anything that carries a stop
word in some other use is ``maybe`` (a person reads it and the number rests meanwhile), and ``none`` is left for texts without any sign.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

from recare.compliance.wording import fold, unmask

Verdict = Literal["stop", "maybe", "none"]

_NOT_WORDS = re.compile(r"[^\w\s]+|_")
_CLAUSES = re.compile(r"(.+?)([.,:;!?\n]|\b(?:but|pero)\b|$)", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_LONG_RUN = re.compile(r"([a-z])\1{2,}")
_ECHO = re.compile(r"\b(\w+)(?: \1)+\b")
_NUMBER_SIGN = re.compile(r"#(?!\w)")
_SHORTHAND = re.compile(r"<(\w+)>")
_TYPO_TARGETS = (
    "stop",
    "unsubscribe",
    "remove",
    "cancel",
    "quit",
    "revoke",
    "delete",
    "alto",
    "stopall",
    "optout",
    "cancelar",
    "parar",
)
_HELP = frozenset({"help", "info", "ayuda", "informacion", "aide"})
_START = frozenset({"start", "unstop", "comenzar", "iniciar"})


@dataclass(frozen=True, slots=True)
class OptOut:
    """The verdict, the words that led to it and their language ('' where none can be told)."""

    verdict: Verdict
    why: str
    language: str


_NONE = OptOut("none", "", "")


@dataclass(frozen=True, slots=True)
class _Rules:
    stop_emoji: frozenset[str]
    doubt_emoji: frozenset[str]
    courtesies: re.Pattern[str]
    keywords: dict[str, str]
    clauses: frozenset[str]
    spared: re.Pattern[str]
    instead: re.Pattern[str]
    phrases: tuple[tuple[str, re.Pattern[str]], ...]
    anywhere: tuple[tuple[str, str], ...]
    whole: dict[str, str]
    real_words: frozenset[str]
    doubt: re.Pattern[str]


@cache
def _rules() -> _Rules:
    data: dict[str, Any] = yaml.safe_load(
        (resources.files("recare.compliance") / "words" / "optout.yaml").read_text("utf-8")
    )
    courtesies = "|".join(data["courtesies"])

    def any_of(patterns: list[str]) -> re.Pattern[str]:
        long = (_SHORTHAND.sub(lambda m: data["shorthand"][m.group(1)], pattern) for pattern in patterns)
        return re.compile("|".join(rf"\b(?:{pattern})" for pattern in long))

    return _Rules(
        stop_emoji=frozenset(data["emoji"]["stop"]),
        doubt_emoji=frozenset(data["emoji"]["doubt"]),
        courtesies=re.compile(rf"^(?:(?:{courtesies}) )+(?=\S)|(?: (?:{courtesies}))+$"),
        clauses=frozenset(data["clauses"]),
        keywords={word: language for language, words in data["keywords"].items() for word in words},
        spared=any_of(data["spared"]),
        instead=any_of(data["instead"]),
        phrases=tuple((language, any_of(patterns)) for language, patterns in data["phrases"].items()),
        anywhere=tuple((language, word.casefold()) for language, words in data["anywhere"].items() for word in words),
        whole={word.casefold(): language for language, words in data["whole"].items() for word in words},
        real_words=frozenset(data["real_words"]),
        doubt=re.compile(r"\b(?:" + "|".join(data["doubt"]) + r")\b"),
    )


def read(text: str) -> OptOut:
    """Read one inbound text or note. Never raises; an empty text is no sign."""
    rules = _rules()
    written = _squeeze(text.casefold())
    if written in rules.whole:
        return OptOut("stop", written, rules.whole[written])
    for language, word in rules.anywhere:
        if word in written:
            return OptOut("stop", word, language)
    words = _words(text)
    if not words:
        return _emoji_only(text, rules)
    found = _keyword(words, rules) or _clause(text, rules) or _phrase(_mend(words, rules), rules)
    if found:
        return found
    doubt = rules.doubt.search(words) or rules.doubt.search(_mend(words, rules))
    if doubt:
        return OptOut("maybe", doubt.group(), "")
    signs = (rules.stop_emoji | rules.doubt_emoji).intersection(text)
    return OptOut("maybe", " ".join(sorted(signs)), "") if signs else _NONE


def is_help(text: str) -> bool:
    """Whether the whole text is a HELP keyword (OPT-05)."""
    return _words(text) in _HELP


def is_start(text: str) -> bool:
    """Whether the whole text is a START keyword (OPT-05). YES is none: it answers a pending question only."""
    return _words(text) in _START


def _squeeze(text: str) -> str:
    return _SPACES.sub(" ", _NOT_WORDS.sub(" ", text)).strip()


def _words(text: str) -> str:
    """Folded words with single spaces, none said twice in a row; apostrophes close up (don't, dont), other punctuation parts."""
    folded = unmask(fold(_NUMBER_SIGN.sub(" number ", text))).text.replace("'", "").replace('"', " ")
    return _ECHO.sub(r"\1", _LONG_RUN.sub(r"\1", _squeeze(folded)))


def _emoji_only(text: str, rules: _Rules) -> OptOut:
    if rules.stop_emoji.intersection(text):
        return OptOut("stop", text.strip(), "")
    if rules.doubt_emoji.intersection(text):
        return OptOut("maybe", text.strip(), "")
    return _NONE


def _bare(words: str, rules: _Rules) -> str:
    """The words without the courtesies around them."""
    return rules.courtesies.sub("", rules.courtesies.sub("", words)).strip()


def _keyword(words: str, rules: _Rules) -> OptOut | None:
    bare = _bare(words, rules)
    for candidate in (words, bare, words.replace(" ", "")):
        language = rules.keywords.get(candidate) or rules.keywords.get(re.sub(r"([a-z])\1", r"\1", candidate))
        if language:
            return OptOut("stop", candidate, language)
    if " " not in bare:
        target = _slip(bare, rules)
        if target:
            return OptOut("stop", bare, "es" if target in {"alto", "cancelar", "parar"} else "en")
        if bare in rules.real_words and any(_one_slip(bare, word) for word in _TYPO_TARGETS[:2]):
            return OptOut("maybe", bare, "")
    return None


def _clause(text: str, rules: _Rules) -> OptOut | None:
    """A request in one part of a longer text ("Don't cancel my visit, but stop texting me"); a stop word alone in a question is none."""
    if rules.instead.search(_words(text)):
        return None
    for part, end in _CLAUSES.findall(text):
        words = _mend(_words(part), rules)
        if rules.spared.search(words):
            continue
        bare = _bare(words, rules)
        if end != "?" and bare in rules.clauses:
            return OptOut("stop", bare, rules.keywords.get(bare, "en"))
        found = _phrase(words, rules)
        if found:
            return found
    return None


def _phrase(words: str, rules: _Rules) -> OptOut | None:
    spared = rules.spared.search(words)
    rest = rules.spared.sub(" ", words) if spared else words
    doubtful = spared or rules.instead.search(words)
    for language, pattern in rules.phrases:
        match = pattern.search(rest)
        if match:
            return OptOut("maybe" if doubtful else "stop", match.group().strip(), language)
    return OptOut("maybe", spared.group(), "") if spared else None


def _mend(words: str, rules: _Rules) -> str:
    """Stop words with one slip spelt right, so that the phrases find them ("rwmove me from all you lists")."""
    return " ".join(_slip(word, rules) or word for word in words.split(" "))


@cache
def _targets_by_length() -> dict[int, tuple[str, ...]]:
    return {n: tuple(t for t in _TYPO_TARGETS if abs(len(t) - n) <= 1) for n in range(3, 14)}


def _slip(word: str, rules: _Rules) -> str:
    if len(word) < 3 or word in rules.real_words or rules.keywords.get(word) in {"en", "es"}:
        return ""
    return next((t for t in _targets_by_length().get(len(word), ()) if _one_slip(word, t)), "")


def _one_slip(word: str, target: str) -> bool:
    """Damerau-Levenshtein distance of exactly one; a wrong first letter counts only in longer words (shop, atop are words)."""
    if abs(len(word) - len(target)) > 1 or word == target:
        return False
    start = next((i for i, (a, b) in enumerate(zip(word, target, strict=False)) if a != b), min(len(word), len(target)))
    if start == 0 and len(target) <= 5:
        return False
    a, b = word[start:], target[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
