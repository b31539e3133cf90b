"""What happened to each enrolled patient: booked, kept. One statement counts both arms, so neither can be favoured."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from recare.base import db

WATCHED: Final = timedelta(days=200)
"""Enrolments older than this no longer change: every window of every report has closed."""
_SQL: Final = Path(__file__).with_name("outcomes.sql").read_text(encoding="utf-8")
_GONE: Final = """
DELETE FROM outcome o USING enrolment e
WHERE o.practice_id = %(practice)s AND e.practice_id = o.practice_id AND e.id = o.enrolment_id AND e.assigned_at > %(since)s
  AND NOT EXISTS (SELECT 1 FROM seen_outcome s WHERE s.enrolment_id = o.enrolment_id AND s.kind = o.kind)
"""
_SEEN: Final = """
INSERT INTO outcome (practice_id, enrolment_id, kind, at, evidence, recorded_at)
SELECT %(practice)s, enrolment_id, kind, at, evidence, %(now)s FROM seen_outcome
ON CONFLICT (practice_id, enrolment_id, kind) DO UPDATE
   SET at = EXCLUDED.at, evidence = EXCLUDED.evidence, recorded_at = EXCLUDED.recorded_at
 WHERE (outcome.at, outcome.evidence) IS DISTINCT FROM (EXCLUDED.at, EXCLUDED.evidence)
"""


def record_batch(practice_id: int, now: datetime) -> int:
    """Bring the outcomes of one practice up to date; return how many rows changed. A second run changes none."""
    with db.scope(practice_id):
        known = {"practice": practice_id, "now": now, "since": now - WATCHED}
        db.run(_SQL, **known)
        changed = db.run(_GONE, **known) + db.run(_SEEN, **known)
        db.run("DROP TABLE seen_outcome")
    return changed
