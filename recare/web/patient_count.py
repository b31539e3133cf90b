"""How many patients a question finds, and whom each channel reaches."""

from __future__ import annotations

from typing import Any

from recare.base import db
from recare.segments.segment import Count
from recare.web.patient_list import Question, where_of

_WORDS = {"sms": "text", "email": "e-mail", "call": "call", "letter": "letter", "none": "nothing"}


def counted(asked: Question) -> Count:
    """Count everybody a question finds, in one statement."""
    where, params = where_of(asked)
    found = db.one(
        Count,
        "SELECT count(*) AS total, count(*) FILTER (WHERE f.sms_ok) AS sms, count(*) FILTER (WHERE f.email_ok) AS email,"
        " count(*) FILTER (WHERE f.call_ok) AS call, count(*) FILTER (WHERE f.letter_ok) AS letter,"
        " count(*) FILTER (WHERE NOT (f.sms_ok OR f.email_ok OR f.call_ok OR f.letter_ok)) AS none"
        f" FROM {asked.source.sql} f WHERE {where}",
        **(asked.source.params | params),
    )  # fmt: skip
    assert found is not None  # noqa: S101 (an aggregate always gives one row)
    return found


def shown(asked: Question) -> dict[str, Any]:
    """Return what the page says about the number of patients: the total first, then each way that reaches some of them."""
    count = counted(asked)
    ways = [(words, f"{getattr(count, name):,}") for name, words in _WORDS.items() if getattr(count, name)]
    return {"count": count, "figures": [("patient" if count.total == 1 else "patients", f"{count.total:,}"), *ways]}
