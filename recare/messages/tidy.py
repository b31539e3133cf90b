"""What a message said is kept for six years after the last contact and no longer; that it went, when, and why, is kept (I7)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from recare.base import db

KEPT: Final = timedelta(days=6 * 365 + 2)
EVERY: Final = timedelta(hours=24)
ANSWERS_KEPT: Final = ("stop", "maybe_optout", "wrong_number", "deceased", "angry")
"""Intents whose words are evidence of a no; a no has no end."""


def tidy_batch(practice_id: int, now: datetime, limit: int = 5000) -> int:
    """Once a day, put a hash in place of each text whose address has had no contact for six years; return how many were tidied.

    The decision, the consent ledger, delivery facts and template versions stay, so what a person was told can still be shown from the
    template. Words with which somebody said no are never touched. Six years cover TCPA (4), TSR (5) and HIPAA (6).
    """
    with db.scope(practice_id):
        if db.value("SELECT done_at FROM message_tidy WHERE practice_id = %(p)s AND done_at > %(since)s", p=practice_id, since=now - EVERY):  # fmt: skip
            return 0
        done = _messages(practice_id, now, limit) + _answers(practice_id, now, limit)
        if done < limit:
            db.run(
                "INSERT INTO message_tidy (practice_id, done_at) VALUES (%(p)s, %(now)s) "
                "ON CONFLICT (practice_id) DO UPDATE SET done_at = excluded.done_at",
                p=practice_id, now=now,
            )  # fmt: skip
    return done


# Either side's last word counts, and so does a call.
_QUIET: Final = """
NOT EXISTS (SELECT FROM message c WHERE c.practice_id = %(p)s AND c.contact_point_id = x.contact_point_id AND c.created_at > %(before)s)
AND NOT EXISTS (SELECT FROM inbound_event c WHERE c.practice_id = %(p)s AND c.contact_point_id = x.contact_point_id AND c.received_at > %(before)s)
AND NOT EXISTS (SELECT FROM call_outcome c WHERE c.practice_id = %(p)s AND c.contact_point_id = x.contact_point_id AND c.at > %(before)s)
"""


def _messages(practice_id: int, now: datetime, limit: int) -> int:
    return db.run(
        "WITH old AS MATERIALIZED (SELECT x.id FROM message x WHERE x.practice_id = %(p)s "
        f"AND x.created_at <= %(before)s AND x.tidied_at IS NULL AND {_QUIET} ORDER BY x.id LIMIT %(limit)s) "
        "UPDATE message m SET body_text = 'sha256:' || encode(sha256(convert_to(m.body_text, 'UTF8')), 'hex'), body_html = '', "
        "subject = '', list_unsubscribe = '', tidied_at = %(now)s FROM old "
        "WHERE m.practice_id = %(p)s AND m.id = old.id AND m.state NOT IN ('queued', 'sending')",
        p=practice_id, now=now, before=now - KEPT, limit=limit,
    )  # fmt: skip


def _answers(practice_id: int, now: datetime, limit: int) -> int:
    return db.run(
        "WITH old AS MATERIALIZED (SELECT x.id FROM inbound_event x JOIN reply r "
        "ON r.practice_id = x.practice_id AND r.inbound_event_id = x.id WHERE x.practice_id = %(p)s AND x.received_at <= %(before)s "
        f"AND x.body <> '' AND r.intent <> ALL(%(kept)s) AND {_QUIET} ORDER BY x.id LIMIT %(limit)s) "
        "UPDATE inbound_event i SET body = '', raw = '{}' FROM old WHERE i.practice_id = %(p)s AND i.id = old.id",
        p=practice_id, before=now - KEPT, limit=limit, kept=list(ANSWERS_KEPT),
    )  # fmt: skip
