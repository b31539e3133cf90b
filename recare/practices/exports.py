"""Exports: every one states its purpose; above the practice's limit a second person approves, and the file is fetched once (D21).

A practice paid 62,500 dollars after its owner's patient list was used for a political campaign: one person, whatever the role, should
not take the list out alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from recare.base import audit, db
from recare.practices.practice import Practice

ROLES: Final = ("owner", "manager", "auditor")
"""Who may export, and approve: the most rights first. Nobody approves for somebody with more rights."""
PURPOSES: Final = {
    "recall": "Bring patients back by other means than Recare", "quality": "Check or mend charts", "transfer": "Move to another system",
    "legal": "An audit, a court or an authority", "patient": "The patient asked for it", "other": "Something else",
}  # fmt: skip
DAY: Final = timedelta(hours=24)
"""For so long people count against what one person may export alone, and an approved file waits to be fetched."""
ALONE: Final = timedelta(hours=72)
"""Where nobody else could approve: so long everybody who may export sees the request and may refuse it, then it opens."""
LAPSES: Final = timedelta(days=7)
"""A request nobody decides about."""
State = Literal["fetched", "refused", "ready", "waiting", "lapsed"]


class ExportError(ValueError):
    """A sentence for whoever asks, decides or fetches."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who acts: the sign-in and the role they have here."""

    email: str
    role: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to take out. ``question`` is frozen: later edits of a segment do not widen what was approved."""

    kind: str
    question: dict[str, Any]
    words: str
    people: int
    purpose: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """A row of ``export_request``."""

    id: int
    kind: str
    question: dict[str, Any]
    words: str
    people: int
    purpose: str
    reason: str
    requested_by: str
    requested_role: str
    requested_at: datetime
    needs_second: bool
    opens_at: datetime | None
    decision: str
    decided_by: str
    decided_at: datetime | None
    fetched_at: datetime | None

    def state(self, now: datetime) -> State:
        """Where it stands: only ``ready`` can be fetched."""
        if self.fetched_at is not None:
            return "fetched"
        if self.decision == "refused":
            return "refused"
        since = self.ready_since
        if since is not None and since <= now:
            return "ready" if now < since + DAY else "lapsed"
        return "waiting" if now < self.requested_at + LAPSES else "lapsed"

    @property
    def ready_since(self) -> datetime | None:
        """From when it may be fetched."""
        return self.decided_at if self.decision == "approved" else self.opens_at

    @property
    def until(self) -> datetime | None:
        """Until when it may be fetched."""
        return self.ready_since + DAY if self.ready_since is not None else None

    @property
    def purpose_in_words(self) -> str:
        return PURPOSES.get(self.purpose, self.purpose)

    def may_refuse(self, who: Who) -> bool:
        """Anybody else who may export."""
        return who.role in ROLES and who.email.lower() != self.requested_by.lower()

    def may_approve(self, who: Who) -> bool:
        """Somebody else, with no less rights."""
        return self.may_refuse(who) and who.role in _no_less(self.requested_role)


def _no_less(role: str) -> tuple[str, ...]:
    return ROLES[: ROLES.index(role) + 1] if role in ROLES else ()


_COLUMNS: Final = (
    "id, kind, question, words, people, purpose, reason, requested_by, requested_role, requested_at, needs_second, opens_at, decision, "
    "decided_by, decided_at, fetched_at"
)


def left_alone(practice: Practice, who: Who, now: datetime) -> int:
    """Return how many people somebody may still export today without a second person: many small exports are one large one."""
    taken = db.value(
        "SELECT coalesce(sum(people), 0) FROM export_request WHERE practice_id = %(practice)s AND requested_at > %(since)s "
        "AND lower(requested_by) = lower(%(who)s) AND NOT needs_second",
        practice=practice.id, since=now - DAY, who=who.email,
    )  # fmt: skip
    return max(0, practice.export_limit - int(taken))


def ask(practice: Practice, asked: Asked, who: Who, now: datetime) -> Export:
    """Write down an export. Within the limit it counts as fetched and the caller delivers it at once; else it waits for a second person.

    Raises ExportError for a role that may not export.
    """
    if who.role not in ROLES:
        raise ExportError("Your role may not export.")
    db.value("SELECT pg_advisory_xact_lock(hashtext('export'), %(practice)s::int)", practice=practice.id)
    second = asked.people > left_alone(practice, who, now)
    alone = second and not _others(practice.id, who, now)
    [export] = db.rows(
        Export,
        "INSERT INTO export_request (practice_id, kind, question, words, people, purpose, reason, requested_by, requested_role, requested_at, "
        "needs_second, opens_at, fetched_at) VALUES (%(practice)s, %(kind)s, %(question)s, %(words)s, %(people)s, %(purpose)s, %(reason)s, "
        f"%(who)s, %(role)s, %(now)s, %(second)s, %(opens)s, %(fetched)s) RETURNING {_COLUMNS}",
        practice=practice.id, kind=asked.kind, question=db.json(asked.question), words=asked.words, people=asked.people,
        purpose=asked.purpose, reason=asked.reason, who=who.email, role=who.role, now=now, second=second,
        opens=now + ALONE if alone else None, fetched=None if second else now,
    )  # fmt: skip
    if second:
        detail = {
            "kind": asked.kind,
            "people": asked.people,
            "purpose": asked.purpose,
            "nobody_else_could_approve": alone,
        }
        audit.record(practice.id, who.email, "asked for an export", f"export:{export.id}", now, detail)
    return export


def _others(practice_id: int, who: Who, now: datetime) -> int:
    """How many other people have no less rights here."""
    return int(
        db.value(
            "SELECT count(*) FROM membership m JOIN staff s ON s.id = m.staff_id AND s.is_active WHERE m.practice_id = %(practice)s "
            "AND m.ended_at IS NULL AND m.created_at <= %(now)s AND m.role = ANY(%(roles)s) AND lower(s.email) <> lower(%(who)s)",
            practice=practice_id, now=now, roles=list(_no_less(who.role)), who=who.email,
        )
    )  # fmt: skip


def get(practice_id: int, export_id: int) -> Export | None:
    """Return one export, or None."""
    return db.one(
        Export,
        f"SELECT {_COLUMNS} FROM export_request WHERE practice_id = %(practice)s AND id = %(id)s",
        practice=practice_id,
        id=export_id,
    )


def recent(practice_id: int, limit: int = 100) -> list[Export]:
    """Return the newest exports first."""
    return db.rows(
        Export,
        f"SELECT {_COLUMNS} FROM export_request WHERE practice_id = %(practice)s ORDER BY requested_at DESC, id DESC LIMIT %(limit)s",
        practice=practice_id, limit=limit,
    )  # fmt: skip


def concerning(practice_id: int, who: Who, now: datetime) -> list[Export]:
    """Return what waits for somebody: requests they may decide about, and files of theirs that are ready; the oldest first."""
    found = db.rows(
        Export,
        f"SELECT {_COLUMNS} FROM export_request WHERE practice_id = %(practice)s AND needs_second AND fetched_at IS NULL "
        "AND decision <> 'refused' AND requested_at > %(since)s ORDER BY requested_at, id",
        practice=practice_id, since=now - LAPSES - DAY,
    )  # fmt: skip
    return [
        export
        for export in found
        if (export.state(now) in {"waiting", "ready"} and not export.decision and export.may_refuse(who))
        or (export.state(now) == "ready" and export.requested_by.lower() == who.email.lower())
    ]


def decide(practice_id: int, export_id: int, who: Who, now: datetime, *, approve: bool) -> Export:
    """Approve or refuse a request, once. Raises ExportError in a sentence when this person may not, or it is decided already."""
    export = get(practice_id, export_id)
    if export is None:
        raise ExportError("There is no such export.")
    if not (export.may_approve(who) if approve else export.may_refuse(who)):
        raise ExportError("A second person decides: somebody else, with no fewer rights than whoever asked.")
    if approve and not _here_before(practice_id, who, export.requested_at):
        raise ExportError("Whoever approves must have had their role here before the request was made.")
    decided = db.run(
        "UPDATE export_request SET decision = %(decision)s, decided_by = %(who)s, decided_at = %(now)s WHERE practice_id = %(practice)s "
        "AND id = %(id)s AND needs_second AND decision = '' AND fetched_at IS NULL AND requested_at > %(since)s",
        practice=practice_id, id=export_id, decision="approved" if approve else "refused", who=who.email, now=now, since=now - LAPSES,
    )  # fmt: skip
    if not decided:
        raise ExportError("It is decided already, fetched, or too old.")
    verb = "approved an export" if approve else "refused an export"
    audit.record(
        practice_id, who.email, verb, f"export:{export_id}", now, {"people": export.people, "for": export.requested_by}
    )
    return _again(practice_id, export_id)


def _here_before(practice_id: int, who: Who, at: datetime) -> bool:
    return bool(
        db.value(
            "SELECT true FROM membership m JOIN staff s ON s.id = m.staff_id WHERE m.practice_id = %(practice)s AND m.ended_at IS NULL "
            "AND lower(s.email) = lower(%(who)s) AND m.created_at <= %(at)s",
            practice=practice_id, who=who.email, at=at,
        )
    )  # fmt: skip


def claim(practice_id: int, export_id: int, who: Who, people: int, now: datetime) -> Export:
    """Take an approved file, once, by whoever asked for it; ``people`` is how many would be in it now.

    Raises ExportError in a sentence: not theirs, not ready, fetched before, or grown by more than a tenth since it was asked for.
    """
    export = get(practice_id, export_id)
    if export is None or export.requested_by.lower() != who.email.lower():
        raise ExportError("Whoever asked for an export fetches it; nobody else.")
    if export.state(now) != "ready":
        raise ExportError(_NOT_READY[export.state(now)])
    if people > export.people * 1.1:
        raise ExportError(f"It would hold {people:,} people now; {export.people:,} were asked for. Ask again.")
    claimed = db.run(
        "UPDATE export_request SET fetched_at = %(now)s WHERE practice_id = %(practice)s AND id = %(id)s AND fetched_at IS NULL "
        "AND decision <> 'refused'",
        practice=practice_id, id=export_id, now=now,
    )  # fmt: skip
    if not claimed:
        raise ExportError(_NOT_READY["fetched"])
    return _again(practice_id, export_id)


_NOT_READY: Final[dict[State, str]] = {
    "fetched": "It was fetched already. An approval is good for one file; ask again for another.",
    "refused": "It was refused.", "waiting": "It waits for a second person.", "lapsed": "It was not fetched in time. Ask again.", "ready": "",
}  # fmt: skip


def _again(practice_id: int, export_id: int) -> Export:
    found = get(practice_id, export_id)
    assert found is not None  # noqa: S101 (just written)
    return found
