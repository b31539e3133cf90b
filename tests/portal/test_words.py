from __future__ import annotations

import re
import string
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from recare.messages.values import in_words
from recare.portal import words
from recare.portal.words import LANGUAGES

ROOM = Path(words.__file__).parent
CHICAGO = ZoneInfo("America/Chicago")


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_every_sentence_exists_in_every_language_with_the_same_values() -> None:
    english, spanish = words.sentences("en"), words.sentences("es")
    assert english.keys() == spanish.keys()
    assert {key for key in english if fields(english[key]) != fields(spanish[key])} == set()


def test_every_sentence_is_used_and_every_used_sentence_exists() -> None:
    text = "\n".join(path.read_text() for path in [*ROOM.rglob("*.html"), *ROOM.rglob("*.py")])
    used = set(re.findall(r"""say[ (]\s*["']([a-z_.]+)["']""", text))
    prefixes = tuple(set(re.findall(r'with "([a-z_.]+)"\|add', text)))
    endings = (".title", ".lead")
    known = words.sentences("en").keys()
    assert used <= known
    assert {key for key in known - used if not key.startswith(prefixes) and not key.endswith(endings)} == set()


@pytest.mark.parametrize(
    ("at", "english", "spanish"),
    [
        (
            datetime(2027, 1, 12, 15, 5, tzinfo=UTC),
            "Tuesday, January 12 at 9:05\u00a0am",
            "martes, 12 de enero a las 9:05\u00a0a.\u00a0m.",
        ),
        (
            datetime(2027, 1, 12, 18, 0, tzinfo=UTC),
            "Tuesday, January 12 at 12:00\u00a0pm",
            "martes, 12 de enero a las 12:00\u00a0p.\u00a0m.",
        ),
        (
            datetime(2027, 7, 3, 18, 30, tzinfo=UTC),
            "Saturday, July 3 at 1:30\u00a0pm",
            "sábado, 3 de julio a la 1:30\u00a0p.\u00a0m.",
        ),
    ],
)
def test_days_and_times_read_as_people_write_them(at: datetime, english: str, spanish: str) -> None:
    assert words.moment(at, CHICAGO, "en") == english
    assert words.moment(at, CHICAGO, "es") == spanish


def test_a_day_with_its_year() -> None:
    assert [in_words(date(2027, 3, 1), language) for language in LANGUAGES] == [
        "March 1, 2027",
        "1 de marzo de 2027",
    ]


@pytest.mark.parametrize(
    ("wanted", "language"),
    [(("es-MX",), "es"), (("", "fr", "es,en;q=0.8"), "es"), (("fr", ""), "en"), (("en", "es"), "en")],
)
def test_the_first_language_we_have_is_spoken(wanted: tuple[str, ...], language: str) -> None:
    assert words.language_of(*wanted) == language
