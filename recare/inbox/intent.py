"""What a reply means, by rules in English and Spanish. Pure. What it says never sends anything; it only stops, suppresses or calls a person.

A request to stop is read first and by its own, wider net (compliance.optout); it stands beside whatever else the text says, so "I told you
to leave me alone, my lawyer will call" is heard as a stop and as anger. Everything the rules do not know is ``unclear`` and goes to a person.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, Literal

import yaml

from recare.compliance import optout

Name = Literal[
    "yes", "stop", "wrong_number", "question", "not_now", "call_me", "other_dentist", "moved", "angry", "deceased", "help", "start",
    "unclear",
]  # fmt: skip
DETECTOR: Final = "rules-1"

_NOT_WORDS: Final = re.compile(r"[^\w\s?]+|_")

_WHO: Final = re.compile(
    r"^(?:sorry |hi |um )?(?:who(?: i)?s (?:this|it|that)|who (?:are you|dis|r u)|quien (?:es|eres|habla)(?: este| esto| usted)?)\W*$"
)
GRAVE: Final = frozenset({"deceased", "wrong_number", "angry"})
BESIDE_A_STOP: Final = GRAVE | {"moved", "other_dentist"}
"""What counts as well when the same text asks to stop: "We moved to Denver, please take us off your list"."""
_EVERYTHING: Final = re.compile(
    r"contact|communicat|reach(?:ing)? out|bother|leave (?:me|us|her|him|them) alone|forget (?:me|us)|all (?:messages|communication|contact)|"
    r"any (?:more )?(?:way|communication)|every (?:list|thing)|everything|all (?:your )?(?:lists|records)|\bmolest|comuni|dej(?:en|a|e)(?:me|nos) en paz"
)  # fmt: skip
_SPANISH: Final = re.compile(
    r"\b(?:si|no me|por favor|gracias|cita|el|la|los|las|mi|su|que|con|ya|para|numero|telefono|dentista|limpieza|ahora|alto|parar|mensajes)\b"
)
_ANSWERS: Final[dict[str, frozenset[str]]] = {
    "book": frozenset({"yes", "y", "yes please", "si", "si por favor", "1"}),
    "opt_in": frozenset({"yes", "y", "si"}),
    "join": frozenset({"yes", "y", "si"}),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """What one text says. ``stop`` is the opt-out's own verdict; ``everything``: it asks to end every way of contact, not only this one;
    ``exact``: it is, word for word, an expected answer to the question we asked.
    """

    name: Name
    stop: Literal["stop", "maybe", "none"]
    why: str
    language: str
    everything: bool = False
    exact: bool = False


def read(text: str, question: str = "") -> Reading:
    """Read one inbound text; ``question`` names the question of the message it answers ('' when we asked none). Never raises."""
    words = plain(text)
    out = optout.read(text)
    language = out.language or ("es" if _SPANISH.search(words) else "en")
    name, why = _intent(text, words)
    if out.verdict == "stop" and name not in BESIDE_A_STOP:
        name, why = "stop", out.why
    return Reading(
        name,
        out.verdict,
        out.why if out.verdict != "none" and name not in GRAVE else why,
        language,
        everything=out.verdict == "stop" and bool(_EVERYTHING.search(words)),
        exact=out.verdict == "none" and words in _ANSWERS.get(question, frozenset()),
    )


def _intent(text: str, words: str) -> tuple[Name, str]:
    if optout.is_start(text):
        return "start", words
    if optout.is_help(text) or _WHO.search(words):
        return "help", words
    for name, pattern in _rules():
        found = pattern.search(words)
        if found:
            return name, found.group()[:60]
    return "unclear", ""


@cache
def _rules() -> tuple[tuple[Name, re.Pattern[str]], ...]:
    data = yaml.safe_load((resources.files("recare.inbox") / "intents.yaml").read_text("utf-8"))
    return tuple(
        (name, re.compile("|".join(f"(?:{pattern})" for pattern in patterns))) for name, patterns in data.items()
    )


def plain(text: str) -> str:
    """Return the words: lower case, no accents, apostrophes closed up, other punctuation gone but the question mark."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(
        _NOT_WORDS.sub(" ", bare.replace("'", "").replace("\u2019", "")).replace("?", " ? ").split()
    ).strip()
