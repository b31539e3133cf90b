"""Finding a patient by what somebody at the desk types: part of a name, a number from its beginning or its end, a chart number.

Row-level security lets an index be used only for plain comparisons, so numbers and chart numbers are found by those, and names by reading
the practice's own list once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recare.base import db

if TYPE_CHECKING:
    from recare.segments.listing import Relation

MOST_WORDS: Final = 5
MOST_KEYS: Final = 500
CLOSE: Final = 0.28
"""How alike a name must be to be shown when nobody is written as typed (word_similarity of pg_trgm, 0 to 1)."""
_NUMBER: Final = re.compile(r"[\d\s()+.\-/]+")


@dataclass(frozen=True, slots=True)
class Found:
    """A condition over a listing's ``f`` and its values. ``close``: nobody is written like that, these come close."""

    where: str
    params: dict[str, Any]
    close: bool = False
    few: bool = False
    """The people are known one by one, so that nothing else needs to be read."""


def find(practice_id: int, text: str) -> Found | None:
    """Return what a search asks of a list; None for an empty one."""
    if not text:
        return None
    ids = db.values(
        "SELECT id FROM patient WHERE practice_id = %(practice)s AND source_key = %(key)s ORDER BY id LIMIT %(most)s",
        practice=practice_id, key=text, most=MOST_KEYS,
    )  # fmt: skip
    digits = re.sub(r"\D", "", text)
    if _NUMBER.fullmatch(text):
        if len(digits) >= 4:
            ids += _by_number(practice_id, digits)
        return Found("f.patient_id = ANY(%(found)s::bigint[])", {"found": sorted(set(ids))[:MOST_KEYS]}, few=True)
    words = text.lower().replace(",", " ").split()[:MOST_WORDS]
    asked = " AND ".join(f"f.find_name LIKE %(word{at})s" for at, _ in enumerate(words)) or "false"
    return Found(
        f"(({asked}) OR f.patient_id = ANY(%(found)s::bigint[]))",
        {f"word{at}": f"%{_escaped(word)}%" for at, word in enumerate(words)} | {"found": ids},
    )  # fmt: skip


def _by_number(practice_id: int, digits: str) -> list[int]:
    """Return who holds a number that begins (country code or not) or ends with these digits."""
    begins = ["+" + digits, "+1" + digits]
    return db.values(
        "WITH hit AS MATERIALIZED ("
        "  SELECT id FROM contact_point WHERE practice_id = %(practice)s AND kind = 'phone' AND address >= %(a)s AND address < %(a_end)s"
        "  UNION SELECT id FROM contact_point WHERE practice_id = %(practice)s AND kind = 'phone' AND address >= %(b)s AND address < %(b_end)s"
        "  UNION SELECT id FROM contact_point WHERE practice_id = %(practice)s AND kind = 'phone' AND address_end = %(tail)s"
        "    AND address LIKE %(ends)s LIMIT %(most)s) "
        "SELECT DISTINCT pc.patient_id FROM hit JOIN patient_contact pc ON pc.practice_id = %(practice)s AND pc.contact_point_id = hit.id "
        "AND pc.ended_at IS NULL LIMIT %(most)s",
        practice=practice_id, a=begins[0], a_end=begins[0] + ":", b=begins[1], b_end=begins[1] + ":",  # ":" comes after the digits
        tail=digits[-4:], ends=f"%{digits}", most=MOST_KEYS,
    )  # fmt: skip


def close(practice_id: int, text: str, source: Relation) -> Found | None:
    """Return names much like ``text`` whose family name begins with the same letter as one of its words, or None when there are none."""
    words = text.lower().replace(",", " ").split()[:2]
    if _NUMBER.fullmatch(text) or max((len(word) for word in words), default=0) < 3:
        return None
    begins = [f"(f.sort_name >= %(from{at})s AND f.sort_name < %(to{at})s)" for at, _ in enumerate(words)]
    letters = {f"from{at}": word[0] for at, word in enumerate(words)}
    letters |= {f"to{at}": word[0] + "\U0010ffff" for at, word in enumerate(words)}
    ids = db.values(
        f"SELECT f.patient_id FROM {source.sql} f WHERE f.practice_id = %(practice)s AND ({' OR '.join(begins)})"
        " AND word_similarity(%(text)s, f.find_name) >= %(close)s ORDER BY word_similarity(%(text)s, f.find_name) DESC, f.patient_id LIMIT 20",
        practice=practice_id, text=" ".join(words), close=CLOSE, **(source.params | letters),
    )  # fmt: skip
    return Found("f.patient_id = ANY(%(found)s::bigint[])", {"found": ids}, close=True, few=True) if ids else None


def _escaped(word: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", word)
