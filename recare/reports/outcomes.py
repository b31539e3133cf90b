"""What happened to each enrolled patient: booked, kept. One statement counts both arms, so neither can be favoured."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from recare.base import db

WATCHED: Final = timedelta(days=200)
"""Enrolments whose draw, wave's turn, and time of being left alone are longer ago no longer change: every window of every report has closed."""
_SQL: Final = Path(__file__).with_name("outcomes.sql").read_text(encoding="utf-8")


def record_batch(practice_id: int, now: datetime) -> int:
    """Bring the outcomes of one practice up to date; return how many rows changed. A second run changes none."""
    with db.scope(practice_id):
        return int(db.value(_SQL, practice=practice_id, now=now, since=now - WATCHED))
