"""What must outlive a restore: whoever said no after the backup was made is not contacted because of it (I5, OPT-03).

Before the old rows go, every no that they know is put aside in temporary tables of the same transaction; afterwards those that the backup does
not know are written into the restored ledger by the product's own verbs. Only what restricts is carried: a yes must be given again.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.campaigns.stop import stop
from recare.consent import ledger
from recare.consent.event import NewEvent
from recare.consent.points import address_hash, ensure_hashed
from recare.consent.stops_file import RESTRICTS, No
from recare.inbox.receive import Inbound, receive
from recare.patients import changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from recare.practices.practice import Practice

_PAGE: Final = 2000


@dataclass(slots=True)
class Carried:
    """How much was carried into the restored database. ``lost`` are noes whose address nobody can tell any more."""

    noes: int = 0
    lost: int = 0
    replies: int = 0
    charts: int = 0
    stopped: int = 0
    sign_ins: int = 0


# Temporary tables, each with the practice's name: its number may be another one in the backup.
_REMEMBER: Final = {
    "had_event": """
SELECT p.slug, p.salt, c.kind, c.address, c.address_hash, e.event_id, e.channel, e.type, e.method, e.effective_at, e.actor, e.reason, e.seq
FROM consent_event e JOIN practice p ON p.id = e.practice_id
JOIN contact_point c ON c.practice_id = e.practice_id AND c.id = e.contact_point_id
WHERE e.type = ANY(%(restricts)s) AND NOT EXISTS (
    SELECT FROM consent_event x WHERE x.practice_id = e.practice_id AND x.type = 'corrected' AND x.supersedes_id = e.id)""",
    "had_point": """
SELECT p.slug, p.salt, c.kind, c.address, c.address_hash, c.held_at, c.suppressed_until, c.dnc_listed, c.dnc_checked_on, c.reassigned,
    c.reassigned_checked_on FROM contact_point c JOIN practice p ON p.id = c.practice_id
WHERE c.held_at IS NOT NULL OR c.suppressed_until IS NOT NULL OR c.dnc_listed OR c.reassigned IN ('yes', 'no_data')""",
    "had_inbound": """
SELECT p.slug, i.provider, i.provider_event_id, i.channel, i.sender, i.recipient, i.body, i.raw, i.received_at, i.id
FROM inbound_event i JOIN practice p ON p.id = i.practice_id""",
    "had_patient": """
SELECT p.slug, c.source, c.source_key, c.status, c.standing, c.standing_set_by, c.deceased_on, c.dismissed_on, c.do_not_contact, c.hold,
    c.hold_since, c.banned_channels, c.paused_until, c.part2 FROM patient c JOIN practice p ON p.id = c.practice_id
WHERE c.status = 'deceased' OR c.standing <> '' OR c.deceased_on IS NOT NULL OR c.dismissed_on IS NOT NULL OR c.do_not_contact OR c.hold <> ''
    OR c.banned_channels <> '{}' OR c.paused_until IS NOT NULL OR c.part2""",
    "had_dismissal": """
SELECT p.slug, c.source, c.source_key, d.notice_on, d.ends_on, d.letter_ref, d.recorded_by, d.recorded_at
FROM dismissal d JOIN practice p ON p.id = d.practice_id JOIN patient c ON c.practice_id = d.practice_id AND c.id = d.patient_id
WHERE d.lifted_at IS NULL""",
    "had_contact": """
SELECT DISTINCT p.slug, c.source, c.source_key FROM (
    SELECT practice_id, patient_id FROM message WHERE coalesce(sent_at, claimed_at) >= %(made_at)s
    UNION SELECT practice_id, patient_id FROM call_outcome WHERE at >= %(made_at)s
    UNION SELECT practice_id, patient_id FROM booking WHERE created_at >= %(made_at)s) m
JOIN practice p ON p.id = m.practice_id JOIN patient c ON c.practice_id = m.practice_id AND c.id = m.patient_id""",
    "had_member": """
SELECT lower(s.email) AS email, p.slug, m.role, s.is_active, bool_and(m.ended_at IS NOT NULL) AS ended
FROM staff s LEFT JOIN membership m ON m.staff_id = s.id LEFT JOIN practice p ON p.id = m.practice_id GROUP BY 1, 2, 3, 4""",
    "had_switch": """
SELECT p.slug, p.held_at, g.name AS group_name, g.all_held_at FROM practice p LEFT JOIN practice_group g ON g.id = p.group_id""",
}  # fmt: skip


def remember(made_at: datetime) -> None:
    """Put aside what the rows that are about to go say no to. Runs in the transaction of the restore, in a scope of every practice."""
    for name, query in _REMEMBER.items():
        db.run(f"CREATE TEMP TABLE {name} ON COMMIT DROP AS {query}", restricts=RESTRICTS, made_at=made_at)
        db.run(f"ANALYZE {name}")


def bring_over(practice: Practice, filed: Sequence[No], now: datetime) -> Carried:
    """Write into one restored practice what was put aside for it, and the noes that its file has beyond these.

    Runs in the caller's scope, after ``remember`` and the load.
    """
    carried = write(practice, [*filed, *_noes(practice)], now)
    _points(practice, now)
    _replies(practice, carried)
    carried.charts = _charts(practice.id, practice.slug)
    _dismissals(practice.id, practice.slug)
    contacted = db.values(f"SELECT c.id FROM had_contact h {_CHART}", practice=practice.id, slug=practice.slug)
    carried.stopped = stop(practice.id, contacted, "restored", now) if contacted else 0
    carried.sign_ins = db.run(
        "UPDATE membership m SET ended_at = %(now)s FROM staff s, had_member h WHERE m.practice_id = %(practice)s AND s.id = m.staff_id "
        "AND h.email = lower(s.email) AND h.slug = %(slug)s AND h.role = m.role AND h.ended AND m.ended_at IS NULL",
        practice=practice.id, slug=practice.slug, now=now,
    )  # fmt: skip
    db.run(
        "UPDATE practice p SET held_at = coalesce(p.held_at, h.held_at) FROM had_switch h WHERE p.id = %(practice)s AND h.slug = p.slug",
        practice=practice.id,
    )
    return carried


def bring_over_sign_ins() -> None:
    """Whoever was shut out of the installation, or a group that was stopped, stays so."""
    db.run(
        "UPDATE staff s SET is_active = false FROM had_member h WHERE h.email = lower(s.email) AND NOT h.is_active AND s.is_active"
    )
    db.run(
        "UPDATE practice_group g SET all_held_at = coalesce(g.all_held_at, h.all_held_at) FROM had_switch h WHERE h.group_name = g.name"
    )


def write(practice: Practice, noes: Iterable[No], now: datetime) -> Carried:
    """Add to the ledger of a practice those of these events that it does not know, and return how many; addresses are made where missing.

    Every added event names the one it stands for, so that doing this twice adds nothing. Of an event that is named
    twice the later word counts; one without a hash is lost.
    """
    known = set(
        db.values(
            "SELECT event_id::text FROM consent_event WHERE practice_id = %(practice)s UNION ALL SELECT substr(evidence_ref, 10) "
            "FROM consent_event WHERE practice_id = %(practice)s AND source_system = 'restore'",
            practice=practice.id,
        )
    )
    new = {str(no.event_id): no for no in noes if str(no.event_id) not in known}.values()
    fresh = [no for no in new if no.address_hash]
    for start in range(0, len(fresh), _PAGE):
        some = fresh[start : start + _PAGE]
        ids = ensure_hashed(practice.id, [(no.kind, no.address, no.address_hash) for no in some], now)
        events = [
            NewEvent(
                ids[no.kind, no.address_hash], no.channel, no.type, no.method, effective_at=no.effective_at, actor=no.actor,
                reason=no.reason, evidence_ref=f"restored:{no.event_id}", source_system="restore", scope="practice",
            )
            for no in some
        ]  # fmt: skip
        ledger.append(practice.id, events, now)
        changes.mark_selected(
            practice.id,
            "SELECT patient_id FROM patient_contact WHERE practice_id = %(practice)s AND contact_point_id = ANY(%(points)s::bigint[])",
            points=list(set(ids.values())),
        )
    return Carried(noes=len(fresh), lost=len(new) - len(fresh))


def _hash(practice: Practice, salt: str, address: str, kept: bytes) -> bytes:
    """The hash under which the restored practice keeps an address; empty when its salt is another one and the address was erased."""
    if salt == practice.salt:
        return bytes(kept)
    return address_hash(practice.salt, address) if address else b""


def _noes(practice: Practice) -> list[No]:
    names = ", ".join(field.name for field in fields(No))
    rows = db.tuples(
        f"SELECT h.salt, {names} FROM had_event h WHERE h.slug = %(slug)s AND NOT EXISTS (SELECT FROM consent_event e "
        "WHERE e.practice_id = %(practice)s AND e.event_id = h.event_id) ORDER BY h.seq",
        practice=practice.id, slug=practice.slug,
    )  # fmt: skip
    return [No(kind, address, _hash(practice, salt, address, kept), *rest) for salt, kind, address, kept, *rest in rows]


def _points(practice: Practice, now: datetime) -> None:
    """Holds and scrubs are no events: the stricter of both counts."""
    rows: list[tuple[Any, ...]] = []
    for salt, kind, address, kept, *rest in db.tuples(
        "SELECT salt, kind, address, address_hash, held_at, suppressed_until, dnc_listed, dnc_checked_on, reassigned, reassigned_checked_on "
        "FROM had_point WHERE slug = %(slug)s",
        slug=practice.slug,
    ):  # fmt: skip
        if key := _hash(practice, salt, address, kept):
            rows.append((kind, address, key, *rest))
    ids = ensure_hashed(practice.id, [(kind, address, key) for kind, address, key, *_ in rows], now)
    db.run_many(
        "UPDATE contact_point SET held_at = coalesce(held_at, %(held)s), suppressed_until = greatest(suppressed_until, %(until)s), "
        "dnc_listed = CASE WHEN %(dnc)s::boolean THEN true ELSE dnc_listed END, "
        "dnc_checked_on = CASE WHEN %(dnc)s::boolean THEN %(dnc_on)s ELSE dnc_checked_on END, "
        "reassigned = CASE WHEN %(new)s = 'yes' OR reassigned = '' THEN %(new)s ELSE reassigned END, "
        "reassigned_checked_on = CASE WHEN %(new)s = 'yes' OR reassigned = '' THEN %(new_on)s ELSE reassigned_checked_on END "
        "WHERE practice_id = %(practice)s AND id = %(id)s",
        [
            {"practice": practice.id, "id": ids[kind, key], "held": held, "until": until, "dnc": dnc, "dnc_on": dnc_on, "new": new, "new_on": on}
            for kind, _, key, held, until, dnc, dnc_on, new, on in rows
        ],
    )  # fmt: skip


def _replies(practice: Practice, carried: Carried) -> None:
    """What came in and the backup does not know comes in again: stored, held, and understood by the next step. Nothing is answered twice."""
    for row in db.tuples(
        "SELECT provider, provider_event_id, channel, sender, recipient, body, raw, received_at FROM had_inbound h WHERE slug = %(slug)s "
        "AND NOT EXISTS (SELECT FROM inbound_event i WHERE i.practice_id = %(practice)s AND i.provider = h.provider "
        "AND i.provider_event_id = h.provider_event_id) ORDER BY h.id",
        practice=practice.id, slug=practice.slug,
    ):  # fmt: skip
        provider, event, channel, sender, recipient, body, raw, at = row
        answered = dict(raw) | {"auto_replied": True}
        receive(Inbound(practice.id, provider, event, channel, sender, recipient, body, answered), at)
        carried.replies += 1


_CHART: Final = (
    "JOIN patient c ON c.practice_id = %(practice)s AND c.source = h.source AND c.source_key = h.source_key "
    "WHERE h.slug = %(slug)s"
)


def _charts(practice_id: int, slug: str) -> int:
    """A death, a dismissal, a hold, a wish: what was known of a person, where the backup knows less."""
    changed = db.values(
        "UPDATE patient c SET status = CASE WHEN h.status = 'deceased' THEN h.status ELSE c.status END, "
        "standing = CASE WHEN h.standing <> '' THEN h.standing ELSE c.standing END, "
        "standing_set_by = CASE WHEN h.standing <> '' THEN h.standing_set_by ELSE c.standing_set_by END, "
        "deceased_on = coalesce(c.deceased_on, h.deceased_on), dismissed_on = coalesce(c.dismissed_on, h.dismissed_on), "
        "do_not_contact = c.do_not_contact OR h.do_not_contact, hold = CASE WHEN c.hold = '' THEN h.hold ELSE c.hold END, "
        "hold_since = coalesce(c.hold_since, h.hold_since), paused_until = greatest(c.paused_until, h.paused_until), part2 = c.part2 OR h.part2, "
        "banned_channels = (SELECT coalesce(array_agg(DISTINCT b ORDER BY b), '{}') FROM unnest(c.banned_channels || h.banned_channels) b) "
        "FROM had_patient h WHERE c.practice_id = %(practice)s AND c.source = h.source AND c.source_key = h.source_key AND h.slug = %(slug)s AND "
        "(h.status = 'deceased' AND c.status <> 'deceased' OR h.standing NOT IN ('', c.standing) OR h.deceased_on IS NOT NULL AND c.deceased_on IS NULL "
        "OR h.dismissed_on IS NOT NULL AND c.dismissed_on IS NULL OR h.do_not_contact AND NOT c.do_not_contact OR h.hold <> '' AND c.hold = '' "
        "OR h.paused_until > coalesce(c.paused_until, '-infinity') OR h.part2 AND NOT c.part2 OR NOT h.banned_channels <@ c.banned_channels) "
        "RETURNING c.id",
        practice=practice_id, slug=slug,
    )  # fmt: skip
    changes.mark(practice_id, changed)
    return len(changed)


def _dismissals(practice_id: int, slug: str) -> None:
    db.run(
        "INSERT INTO dismissal (practice_id, patient_id, notice_on, ends_on, letter_ref, recorded_by, recorded_at) "
        "SELECT c.practice_id, c.id, h.notice_on, h.ends_on, h.letter_ref, h.recorded_by, h.recorded_at FROM had_dismissal h "
        f"{_CHART} ON CONFLICT DO NOTHING",
        practice=practice_id, slug=slug,
    )  # fmt: skip
