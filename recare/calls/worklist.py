"""The call worklist: by priority, within the hours of the person called, one number on one screen at a time (VOX-01)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from recare.base import db
from recare.calls import script
from recare.calls.script import CallScript, Occasion
from recare.campaigns import contexts
from recare.campaigns.contexts import Ask
from recare.compliance.gates import decide, in_words
from recare.compliance.packs import load_packs
from recare.compliance.question import Question
from recare.consent.points import lock_points
from recare.practices import practice as practices
from recare.segments import priority

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from recare.compliance.context import Context, MessageClass
    from recare.compliance.decision import Decision

CALL_LIVES: Final = timedelta(days=21)
"""A call nobody made in three weeks is no longer the follow-up it was meant to be."""
TAKEN_FOR: Final = timedelta(minutes=30)
"""How long a call stays on the screen of whoever took it; then a colleague may."""
_LOOK_BACK: Final = timedelta(days=30)
_PAGE: Final = 100
_PAGES: Final = 10
_NOBODY_AFTER: Final = 3  # at night nobody may be called; no need to read the whole list to know it
_FINAL: Final = frozenset({
    "OPTED_OUT", "DNC_INTERNAL", "DECEASED", "DISMISSED", "TRANSFERRED", "NOT_A_PATIENT", "HAS_APPT", "IN_TREATMENT", "PATIENT_RESTRICTION",
    "WRONG_NUMBER", "RND_REASSIGNED", "NOT_INTERESTED",
})  # fmt: skip
"""Denials that end a call; any other is asked again the next day."""
_SOON: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Item:
    """An open call as the gates are asked about it."""

    id: int
    patient_id: int
    patient_name: str
    contact_point_id: int
    phone: str
    extension: str
    touch_id: int
    message_class: str
    remuneration: str
    offer: str
    script_version_id: int | None
    is_family: bool
    cleared: list[str]
    priority: float
    attempts: int
    due_at: datetime
    not_after: datetime
    taken_by: str
    last_outcome: str
    last_note: str


@dataclass(frozen=True, slots=True)
class WorklistEntry:
    """One line of the list. ``opens_at`` is set on a locked line, with the reasons in words; both empty: call now."""

    item: Item
    opens_at: datetime | None
    locked_because: tuple[str, ...]
    local_times: tuple[str, ...]
    """What time it is now in each zone the person may be in."""

    @property
    def locked(self) -> bool:
        """Whether this number may not be dialled now."""
        return bool(self.locked_because)


@dataclass(frozen=True, slots=True)
class TakenCall:
    """A call on somebody's screen: dial it."""

    item: Item
    script: CallScript | None


class CallNotFree(RuntimeError):  # noqa: N818  (reads as a sentence where it is caught)
    """The number may not be dialled now; the message says why in words for the caller."""


def open_batch(practice_id: int, now: datetime, limit: int = 500) -> int:
    """Put decided calls on the worklist with their priority, and take off those that have had their day; return how many changed.

    Opens its own transaction; may be killed anywhere and run again.
    """
    with db.scope(practice_id):
        changed = _withdraw_dead(practice_id, now)
        today = now.astimezone(practices.get(practice_id).zone).date()
        score, params = priority.sql(today)
        return changed + db.run_prepared(
            _OPEN.format(score=score), practice=practice_id, now=now, limit=limit, since=now - _LOOK_BACK, lives=CALL_LIVES,
            **(params | {"today": today}),
        )  # fmt: skip


_OPEN: Final = """
INSERT INTO call (practice_id, touch_id, enrolment_id, campaign_id, patient_id, contact_point_id, script_version_id, priority, offer, due_at, not_after,
                  created_at)
SELECT t.practice_id, t.id, t.enrolment_id, t.campaign_id, t.patient_id, t.contact_point_id, t.template_version_id,
       coalesce((SELECT {score} FROM facts_on(%(today)s) f WHERE f.practice_id = %(practice)s AND f.patient_id = t.patient_id), 0), t.offer,
       t.decided_at, t.decided_at + %(lives)s, %(now)s
FROM (
    SELECT t.*, e.campaign_id FROM touch t JOIN enrolment e ON e.practice_id = t.practice_id AND e.id = t.enrolment_id AND e.state <> 'stopped'
    WHERE t.practice_id = %(practice)s AND t.channel = 'call' AND t.verdict = 'send' AND t.decided_at > %(since)s
      AND t.contact_point_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM call c WHERE c.practice_id = t.practice_id AND c.touch_id = t.id)
    ORDER BY t.id LIMIT %(limit)s) t
ON CONFLICT (practice_id, touch_id) DO NOTHING
"""


def _withdraw_dead(practice_id: int, now: datetime) -> int:
    """Calls past their time, and calls of people who have booked, answered, opted out or left since."""
    return db.run(
        "UPDATE call c SET state = 'withdrawn', closed_at = %(now)s, close_reason = CASE WHEN e.state = 'stopped' THEN e.stop_reason "
        "ELSE 'late' END FROM enrolment e WHERE c.practice_id = %(practice)s AND c.state = 'open' AND e.practice_id = c.practice_id "
        "AND e.id = c.enrolment_id AND (c.not_after <= %(now)s OR e.state = 'stopped') "
        "AND (c.taken_at IS NULL OR c.taken_at <= %(stale)s)",
        practice=practice_id, now=now, stale=now - TAKEN_FOR,
    )  # fmt: skip


def due(practice_id: int, now: datetime, limit: int = 50, staff: str = "") -> list[WorklistEntry]:
    """Return what ``staff`` may call, best first; locked lines (outside hours, to be reviewed) follow with their opening time.

    Whom nobody may call any more is taken off the list, and who must wait for more than a day is put back until then: a number that said
    STOP yesterday is not there, and the best of the list is never buried under those who cannot be called.
    """
    free: list[WorklistEntry] = []
    locked: list[WorklistEntry] = []
    late: list[tuple[int, datetime | None, str]] = []
    after: tuple[float, int] | None = None
    here = practices.get(practice_id).zone
    for number in range(1, _PAGES + 1):
        page = _page(practice_id, now, staff, after, min(_PAGE, max(20, 2 * limit)))
        for item, context, decision in _decided(practice_id, page, now) if page else ():
            entry = _entry(item, context, decision, now, here)
            if entry is None or (entry.opens_at is not None and entry.opens_at > now + _SOON):
                late.append(_put_off(item, decision, now))
            else:
                (locked if entry.locked else free).append(entry)
        if not page or len(free) >= limit or (not free and number >= _NOBODY_AFTER):
            break
        after = page[-1].priority, page[-1].id
    _put_off_all(practice_id, late, now)
    free = free[:limit]
    locked.sort(key=lambda entry: (entry.opens_at is None, entry.opens_at or now, -entry.item.priority))
    return free + locked[: limit - len(free)]


def _put_off(item: Item, decision: Decision, now: datetime) -> tuple[int, datetime | None, str]:
    """(call, when to ask again or None for never, why)."""
    if decision.verdict == "delay":
        return item.id, decision.until, ""
    final = next((code for code in decision.codes if code in _FINAL), "")
    return item.id, None if final else now + _SOON, final


def _put_off_all(practice_id: int, late: Sequence[tuple[int, datetime | None, str]], now: datetime) -> None:
    if late:
        db.run(
            "UPDATE call c SET state = CASE WHEN u.until IS NULL THEN 'withdrawn' ELSE c.state END, due_at = coalesce(u.until, c.due_at), "
            "closed_at = CASE WHEN u.until IS NULL THEN %(now)s::timestamptz END, close_reason = u.why "
            "FROM unnest(%(ids)s::bigint[], %(untils)s::timestamptz[], %(whys)s::text[]) AS u (id, until, why) "
            "WHERE c.practice_id = %(practice)s AND c.id = u.id AND c.state = 'open' AND c.id IN (SELECT id FROM call "
            "WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[]) AND taken_by = '' FOR UPDATE SKIP LOCKED)",
            practice=practice_id, now=now, ids=[one[0] for one in late], untils=[one[1] for one in late], whys=[one[2] for one in late],
        )  # fmt: skip


def _page(
    practice_id: int, now: datetime, staff: str, after: tuple[float, int] | None, size: int
) -> list[Item]:  # fmt: skip
    return db.rows_prepared(
        Item,
        "WITH page AS MATERIALIZED (SELECT c.* FROM call c WHERE c.practice_id = %(practice)s AND c.state = 'open' AND c.due_at <= %(now)s "
        "AND c.not_after > %(now)s "
        "AND c.campaign_id <> ALL(ARRAY(SELECT g.id FROM campaign g WHERE g.practice_id = %(practice)s AND g.state = 'paused')) "
        "AND (c.taken_by IN ('', %(staff)s) OR c.taken_at <= %(stale)s) "
        "AND (%(priority)s::float8 IS NULL OR c.priority < %(priority)s OR c.priority = %(priority)s AND c.id > %(last)s::bigint) "
        f"ORDER BY c.priority DESC, c.id LIMIT %(page)s) {_ITEMS.format(calls='page')} ORDER BY c.priority DESC, c.id",
        practice=practice_id, now=now, staff=staff, stale=now - TAKEN_FOR, page=size,
        priority=after[0] if after else None, last=after[1] if after else None,
    )  # fmt: skip


def _decided(
    practice_id: int, items: Sequence[Item], now: datetime
) -> list[tuple[Item, Context, Decision]]:  # fmt: skip
    asks = [
        Ask(
            item.patient_id, "call", cast("MessageClass", item.message_class), item.contact_point_id, touch_id=item.touch_id,
            offer=item.offer, remuneration=cast("Any", item.remuneration),
        )
        for item in items
    ]  # fmt: skip
    packs = load_packs()
    loaded = contexts.load(practice_id, asks, now)
    return [(item, context, decide(context, packs, now)) for item, context in zip(items, loaded, strict=True)]


def _entry(item: Item, context: Context, decision: Decision, now: datetime, here: ZoneInfo) -> WorklistEntry | None:
    if decision.verdict == "deny" and not decision.waits_for_practice:
        return None
    clocks = Question(context, load_packs(), now).place.clocks
    because = () if _free(item, decision) else _why(decision, here, clocks)
    times = tuple(sorted({f"{now.astimezone(clock):%H:%M}" for clock in clocks}))
    return WorklistEntry(item, decision.until if because else None, because, times)


def _why(decision: Decision, here: ZoneInfo, clocks: Sequence[ZoneInfo]) -> tuple[str, ...]:
    """Say each reason once; a time as the practice's clock shows it and, where it is another, the clock of the person called."""
    return tuple(dict.fromkeys(in_words(reason, here, clocks or (here,)) for reason in decision.reasons))


def _free(item: Item, decision: Decision) -> bool:
    """Allowed, or a person has cleared exactly what the gates would ask a person about."""
    return decision.without(item.cleared).allowed


def take(
    practice_id: int, call_id: int, staff: str, now: datetime, *, caller_name: str = "", openings: Sequence[str] = ()
) -> TakenCall:
    """Put a call on the screen of ``staff`` and return it with its script; the number is decided about once more, under lock.

    Raises CallNotFree when a colleague has this number, or the person may not be called now; LookupError when there is no such open call.
    """
    item = _locked(practice_id, call_id)
    _alone(practice_id, item, staff, now)
    [(_, context, decision)] = _decided(practice_id, [item], now)
    if not _free(item, decision):
        clocks = Question(context, load_packs(), now).place.clocks
        raise CallNotFree(f"Do not call now. {' '.join(_why(decision, practices.get(practice_id).zone, clocks))}")
    db.run(
        "UPDATE call SET taken_by = %(staff)s, taken_at = %(now)s WHERE practice_id = %(practice)s AND id = %(call)s AND state = 'open'",
        practice=practice_id, call=call_id, staff=staff, now=now,
    )  # fmt: skip
    occasion = Occasion(
        item.patient_id, item.script_version_id, item.offer, caller_name, tuple(openings), item.is_family
    )
    return TakenCall(item, script.render(practice_id, occasion, now))


def _locked(practice_id: int, call_id: int) -> Item:
    """Lock the number, then the call: whoever dials a number has its point to himself, and so has a STOP."""
    point = db.value(
        "SELECT contact_point_id FROM call WHERE practice_id = %(practice)s AND id = %(call)s AND state = 'open'",
        practice=practice_id, call=call_id,
    )  # fmt: skip
    if point is not None:
        lock_points(practice_id, [point])
    found = db.rows_prepared(
        Item, _ITEMS.format(calls="call") + "AND c.id = %(call)s AND c.state = 'open' FOR UPDATE OF c", practice=practice_id, call=call_id
    )  # fmt: skip
    if not found:
        raise LookupError("This call is no longer open.")
    return found[0]


def _alone(practice_id: int, item: Item, staff: str, now: datetime) -> None:
    """Raise CallNotFree when somebody else has a call to this number on the screen."""
    other = db.tuples(
        "SELECT taken_by, taken_at FROM call WHERE practice_id = %(practice)s AND contact_point_id = %(point)s AND state = 'open' "
        "AND taken_by NOT IN ('', %(staff)s) AND taken_at > %(stale)s ORDER BY taken_at DESC LIMIT 1",
        practice=practice_id, point=item.contact_point_id, staff=staff, stale=now - TAKEN_FOR,
    )  # fmt: skip
    if other:
        who, since = other[0]
        minutes = int((now - since).total_seconds() // 60)
        raise CallNotFree(f"{who} has had this number on the screen for {minutes} min. Take another one.")


def put_back(practice_id: int, call_id: int, staff: str) -> bool:
    """Take a call off one's own screen without having called; return False when it was not there."""
    return bool(
        db.run(
            "UPDATE call SET taken_by = '', taken_at = NULL WHERE practice_id = %(practice)s AND id = %(call)s AND state = 'open' "
            "AND taken_by = %(staff)s",
            practice=practice_id, call=call_id, staff=staff,
        )
    )  # fmt: skip


# Each table is reached by its key from within a subquery: also right after an import, when nothing is known about its size.
_ITEMS: Final = """
SELECT c.id, c.patient_id, trim(coalesce(nullif(p.preferred_name, ''), p.first_name) || ' ' || p.last_name) AS patient_name,
       c.contact_point_id, o.address AS phone,
       coalesce((SELECT max(h.extension) FROM patient_contact h WHERE h.practice_id = c.practice_id AND h.patient_id = c.patient_id
                 AND h.contact_point_id = c.contact_point_id AND h.ended_at IS NULL), '') AS extension,
       c.touch_id, t.message_class, coalesce(v.spec -> 'playbook' ->> 'remuneration', '') AS remuneration, c.offer, c.script_version_id,
       cardinality(t.shared_with) > 0 AS is_family,
       ARRAY(SELECT jsonb_array_elements_text(k.detail -> 'codes') FROM task k WHERE k.practice_id = c.practice_id
             AND k.once_key = 'contact_review:' || c.enrolment_id || ':' || t.step AND k.outcome = 'approved') AS cleared,
       c.priority, c.attempts, c.due_at, c.not_after, c.taken_by, coalesce(l.outcome, '') AS last_outcome, coalesce(l.note, '') AS last_note
FROM {calls} c
CROSS JOIN LATERAL (SELECT * FROM patient x WHERE x.practice_id = c.practice_id AND x.id = c.patient_id LIMIT 1) p
CROSS JOIN LATERAL (SELECT * FROM contact_point x WHERE x.practice_id = c.practice_id AND x.id = c.contact_point_id LIMIT 1) o
CROSS JOIN LATERAL (SELECT * FROM touch x WHERE x.practice_id = c.practice_id AND x.id = c.touch_id LIMIT 1) t
CROSS JOIN LATERAL (SELECT x.version_id FROM enrolment x WHERE x.practice_id = c.practice_id AND x.id = c.enrolment_id LIMIT 1) e
CROSS JOIN LATERAL (SELECT x.spec FROM campaign_version x WHERE x.practice_id = c.practice_id AND x.id = e.version_id LIMIT 1) v
LEFT JOIN LATERAL (SELECT x.outcome, x.note FROM call_outcome x WHERE x.practice_id = c.practice_id AND x.call_id = c.id
                   ORDER BY x.at DESC, x.id DESC LIMIT 1) l ON true
WHERE c.practice_id = %(practice)s
  AND c.campaign_id <> ALL(ARRAY(SELECT g.id FROM campaign g WHERE g.practice_id = %(practice)s AND g.state = 'paused'))
"""
