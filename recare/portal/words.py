"""What patients read, in their language: two files of sentences, and days and times as people write them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import yaml

from recare.messages.values import MONTHS

if TYPE_CHECKING:
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

Language = Literal["en", "es"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "es")
FOLDER: Final = Path(__file__).parent / "words"

_DAYS: Final = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}


@functools.cache
def sentences(language: Language) -> dict[str, str]:
    """Return every sentence of a language by its key."""
    return cast("dict[str, str]", yaml.safe_load((FOLDER / f"{language}.yaml").read_text(encoding="utf-8")))


def say(key: str, language: Language, **values: Any) -> str:
    """Return one sentence with its values filled in. Raises KeyError for a key that is not there."""
    return sentences(language)[key].format(**values)


def language_of(*wanted: str) -> Language:
    """Return the first language we have among tags such as ``es-MX`` or a browser's list; English when there is none."""
    for tag in wanted:
        start = tag.strip().lower()[:2]
        if start in LANGUAGES:
            return start
    return "en"


def full_day(day: date, language: Language) -> str:
    """Write a day with its weekday: ``Tuesday, January 12`` or ``martes, 12 de enero``."""
    weekday, month = _DAYS[language][day.weekday()], MONTHS[language][day.month - 1]
    return f"{weekday}, {day.day} de {month}" if language == "es" else f"{weekday}, {month} {day.day}"


def clock(at: datetime, zone: ZoneInfo, language: Language) -> str:
    """Write a time of day in the practice's zone: ``9:05 am`` or ``9:05 a. m.``."""
    there = at.astimezone(zone)
    half = ("am", "pm") if language == "en" else ("a.\u00a0m.", "p.\u00a0m.")
    return f"{there.hour % 12 or 12}:{there.minute:02d}\u00a0{half[there.hour >= 12]}"


def moment(at: datetime, zone: ZoneInfo, language: Language) -> str:
    """Write a day and a time: ``Tuesday, January 12 at 9:05 am``."""
    between = " a las " if language == "es" else " at "
    if language == "es" and at.astimezone(zone).hour % 12 == 1:
        between = " a la "
    return full_day(at.astimezone(zone).date(), language) + between + clock(at, zone, language)
