"""The state of a contact point is a fold of its events, and of nothing else.

The order in which events were written down does not matter, only when they took effect, so a revocation or a grant that is imported
later finds its place. The rules:

* A revocation beats every grant that took effect at the same moment or before (I3).
* After a revocation only a fresh, evidenced opt-in of the person restores contact (OPT-03): never an import, never C1.
* A number that changed hands, a new owner and an expiry void what was granted before (CON-04).
* Only facts about the address (wrong number, bounce, no texts, a grant entered by mistake) can be corrected; a person's no cannot.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

from recare.base import db
from recare.consent.event import GRANTS, STOPS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

CHANNELS: Final = ("sms", "email", "call")
_VOIDS: Final = frozenset({"expired", "number_changed", "wrong_number", "reassigned"})
_CORRECTABLE: Final = frozenset(
    {"granted", "confirmed", "pending", "wrong_number", "hard_bounce", "sms_incapable", "reassigned"}
)
_FRESH: Final = frozenset({"paper", "web", "portal", "sms_keyword", "email_reply", "verbal", "front_desk"})
_PAGE: Final = 5000


@dataclass(frozen=True, slots=True)
class Line:
    """What the fold reads of one event."""

    contact_point_id: int
    id: int
    seq: int
    channel: str
    type: str
    level: int
    method: str
    evidence_ref: str
    effective_at: datetime
    supersedes_id: int | None


@dataclass(frozen=True, slots=True)
class State:
    """The folded columns of ``contact_point``."""

    sms_level: int = 0
    email_level: int = 0
    call_level: int = 0
    consent_event_id: int | None = None
    sms_out_at: datetime | None = None
    email_out_at: datetime | None = None
    call_out_at: datetime | None = None
    revoked_event_id: int | None = None
    wrong_number_at: datetime | None = None
    complained_at: datetime | None = None
    hard_bounced_at: datetime | None = None
    sms_incapable_at: datetime | None = None
    unencrypted_ok_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A contact point whose row does not say what its events say."""

    contact_point_id: int
    column: str
    stored: object
    folded: object


L = TypeVar("L", bound=Line)


def _standing(lines: Iterable[L]) -> list[L]:
    """In the order of their effect, without what was corrected."""
    found = sorted(lines, key=lambda line: (line.effective_at, line.seq))
    corrected = {line.supersedes_id for line in found if line.type == "corrected"}
    return [line for line in found if not (line.id in corrected and line.type in _CORRECTABLE)]


def cited(lines: Iterable[L]) -> dict[str, L]:
    """Return the grant that counts on each channel, of the events of one contact point: what a message rests on (I1)."""
    standing = _standing(lines)
    found = {channel: _channel(standing, channel)[1] for channel in CHANNELS}
    return {channel: grant for channel, grant in found.items() if grant is not None}


def fold(lines: Iterable[Line]) -> State:
    """Return the state that these events of one contact point amount to, in whatever order they come."""
    standing = _standing(lines)
    by_channel = {channel: _channel(standing, channel) for channel in CHANNELS}
    grants = [grant for _, grant in by_channel.values() if grant]
    stops = [stop for stop, _ in by_channel.values() if stop]
    best = next(
        iter(grants), None
    )  # what a message cites: the grant for texts or e-mail comes before the one for calls
    latest = max(stops, key=lambda line: (line.effective_at, line.seq), default=None)
    levels = {f"{channel}_level": grant.level if grant else 0 for channel, (_, grant) in by_channel.items()}
    outs = {f"{channel}_out_at": stop.effective_at if stop else None for channel, (stop, _) in by_channel.items()}
    complaint = _last(standing, "complaint")
    return State(
        **levels,  # type: ignore[arg-type]
        **outs,  # type: ignore[arg-type]
        consent_event_id=best.id if best else None,
        revoked_event_id=latest.id if latest else None,
        wrong_number_at=_last(standing, "wrong_number"),
        complained_at=complaint if complaint and by_channel["email"][0] else None,
        hard_bounced_at=_last(standing, "hard_bounce"),
        sms_incapable_at=_last(standing, "sms_incapable"),
        unencrypted_ok_at=_last(standing, "unencrypted_warned"),
    )


def _channel(lines: Sequence[L], channel: str) -> tuple[L | None, L | None]:
    """Return the revocation that stands and the grant that counts on one channel; at most one of them is there."""
    here = [line for line in lines if line.channel in {channel, "all"}]
    stop = next((line for line in reversed(here) if line.type in STOPS), None)
    void = max((line.effective_at for line in here if line.type in _VOIDS), default=None)
    grants = [line for line in here if line.type in GRANTS and (void is None or line.effective_at > void)]
    if stop:
        grants = [line for line in grants if line.effective_at > stop.effective_at and line.method in _FRESH]
        if not any(line.level >= 2 and line.evidence_ref for line in grants):
            return stop, None
    return None, max(grants, key=lambda line: (line.level, line.effective_at, line.seq), default=None)


def _last(lines: Sequence[Line], kind: str) -> datetime | None:
    return next((line.effective_at for line in reversed(lines) if line.type == kind), None)


def refresh(practice_id: int, point_ids: Collection[int]) -> int:
    """Write the folded state of these points, which the caller has locked; return how many rows changed."""
    return _write(practice_id, _folded(practice_id, list(point_ids)))


def compare(practice_id: int) -> list[Difference]:
    """Return every folded column that does not say what the events say; empty when the table is right."""
    found = []
    for ids in _pages(practice_id):
        stored = {point: State(*rest) for point, *rest in db.tuples(
            f"SELECT id, {', '.join(_COLUMNS)} FROM contact_point WHERE practice_id = %(practice)s AND id = ANY(%(ids)s)",
            practice=practice_id, ids=ids,
        )}  # fmt: skip
        for point, state in _folded(practice_id, ids).items():
            found += [
                Difference(point, name, getattr(stored[point], name), getattr(state, name))
                for name in _COLUMNS
                if getattr(stored[point], name) != getattr(state, name)
            ]
    return found


def rebuild(practice_id: int) -> int:
    """Fold every contact point of a practice anew inside the caller's scope; return how many rows were wrong."""
    return sum(_write(practice_id, _folded(practice_id, ids)) for ids in _pages(practice_id))


def _pages(practice_id: int) -> Iterator[list[int]]:
    last = 0
    while ids := db.values(
        "SELECT id FROM contact_point WHERE practice_id = %(practice)s AND id > %(last)s ORDER BY id LIMIT %(page)s",
        practice=practice_id, last=last, page=_PAGE,
    ):  # fmt: skip
        yield ids
        last = ids[-1]


def _folded(practice_id: int, ids: list[int]) -> dict[int, State]:
    lines: dict[int, list[Line]] = {point: [] for point in ids}
    for line in db.rows(
        Line,
        f"SELECT {', '.join(field.name for field in fields(Line))} FROM consent_event "
        "WHERE practice_id = %(practice)s AND contact_point_id = ANY(%(ids)s::bigint[])",
        practice=practice_id, ids=ids,
    ):  # fmt: skip
        lines[line.contact_point_id].append(line)
    return {point: fold(found) for point, found in lines.items()}


_COLUMNS: Final = tuple(field.name for field in fields(State))
_TYPES: Final = {
    name: "smallint" if name.endswith("_level") else "bigint" if name.endswith("_id") else "timestamptz"
    for name in _COLUMNS
}


def _write(practice_id: int, states: dict[int, State]) -> int:
    """One statement for all points; a row that already says so is left alone, so that its version does not move."""
    if not states:
        return 0
    arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in _TYPES.items())
    values = {name: [getattr(state, name) for state in states.values()] for name in _COLUMNS}
    return db.run(
        f"UPDATE contact_point p SET {', '.join(f'{name} = s.{name}' for name in _COLUMNS)} "
        f"FROM unnest(%(ids)s::bigint[], {arrays}) AS s (id, {', '.join(_COLUMNS)}) "
        "WHERE p.practice_id = %(practice)s AND p.id = s.id "
        f"AND ({', '.join(f'p.{name}' for name in _COLUMNS)}) IS DISTINCT FROM ({', '.join(f's.{name}' for name in _COLUMNS)})",
        practice=practice_id, ids=list(states), **values,
    )  # fmt: skip
