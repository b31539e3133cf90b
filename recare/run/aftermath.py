"""What a restored database may not do: send again what may have gone out since its backup was made (docs/why/0004, 0012)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from recare.base import audit, db
from recare.campaigns import campaign
from recare.messages.render import CHANNELS

RESTORED: Final[dict[str, Any]] = {
    "code": "RESTORED", "rule": "ENG-02", "verdict": "skip", "pack": "", "detail": "", "channel": "",
    "words": "The data were restored from a backup, and this may have gone out after the backup was made.",
}  # fmt: skip


def take_back(practice_id: int, actor: str, when: str, now: datetime) -> int:
    """Take back everything of a practice that waits to go out, and pause its campaigns; return how many messages that were.

    Runs in the caller's scope. What was being sent stays in that state: settling asks the provider, and never sends.
    """
    reason = db.json([RESTORED])
    taken = db.run(
        "UPDATE message SET state = 'cancelled', settled_at = %(now)s, reasons = reasons || %(reason)s::jsonb "
        "WHERE practice_id = %(practice)s AND state = 'queued'",
        practice=practice_id, now=now, reason=reason,
    )  # fmt: skip
    taken += db.run(
        "UPDATE touch t SET verdict = 'skip', reasons = t.reasons || %(reason)s::jsonb WHERE t.practice_id = %(practice)s AND t.verdict = 'send' "
        "AND t.channel = ANY(%(channels)s) AND t.contact_point_id IS NOT NULL AND t.shares_touch_id IS NULL "
        "AND NOT EXISTS (SELECT FROM message m WHERE m.practice_id = %(practice)s AND m.touch_id = t.id)",
        practice=practice_id, reason=reason, channels=list(CHANNELS),
    )  # fmt: skip
    # An answer to what came in before the backup was given then, or is too late now (OPT-04).
    db.run(
        """UPDATE inbound_event SET raw = raw || '{"auto_replied": true}' WHERE practice_id = %(practice)s AND applied_at IS NULL""",
        practice=practice_id,
    )
    for running in [one for one in campaign.every(practice_id) if one.state == "running"]:
        why = f"the data were restored from the backup of {when}, and steps taken since then are not known"
        campaign.pause(practice_id, running.id, why, actor, now)
    return taken


def note(practice_id: int, actor: str, now: datetime, detail: dict[str, Any]) -> None:
    """Write the restore into a trail, where it explains why the trail forks from later copies of it. Opens its own scope."""
    with db.scope(practice_id):
        audit.record(practice_id, actor, "restored a backup", "installation", now, detail)
