"""What the database knows about many patients and contact points at once, for the gates. A fixed number of queries for any number."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from recare.base import db
from recare.consent import fold

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from recare.campaigns.offers import Offer

_FEW: Final = 20
"""For so many the plan takes longer than the answer and is kept. A kept plan loops where thousands of patients should be hashed."""
HISTORY_DAYS: Final = 400  # longest span any gate looks back: 90 days of touches, then 6 months of rest


@dataclass(frozen=True, slots=True)
class PracticeRow:
    """The practice with what holds all of its sending."""

    id: int
    legal_name: str
    tz: str
    street: str
    city: str
    state: str
    zip: str
    country: str
    policy: dict[str, Any]
    is_rehearsal: bool
    held: bool
    visits_known_at: datetime | None


@dataclass(frozen=True, slots=True)
class SenderRow:
    """One line of ``sender``."""

    channel: str
    provider: str
    address: str
    registered: bool
    use_cases: list[str]
    auth_ok: bool
    baa_from: date | None
    baa_until: date | None
    paused: bool


@dataclass(frozen=True, slots=True)
class PatientRow:
    """A patient with the facts, the holds of the household and the next visit known right now."""

    id: int
    household_id: int | None
    guarantor_id: int | None
    guardian_adult: bool | None
    status: str
    standing: str
    deceased_on: date | None
    dismissed_on: date | None
    do_not_contact: bool
    hold: str
    birthdate: date | None
    language: str
    has_representative: bool
    note_flags: list[str]
    part2: bool
    banned_channels: list[str]
    preferred_channel: str
    paused_until: date | None
    state: str
    zip: str
    country: str
    confirmed_tz: str
    last_visit_on: date | None
    payer_class: str
    unscheduled_items: int
    identity_conflict: bool
    next_visit_at: datetime | None
    replied_at: datetime | None
    inquired_at: datetime | None
    sms_point_id: int | None
    email_point_id: int | None
    call_point_id: int | None
    letter_point_id: int | None


@dataclass(frozen=True, slots=True)
class PointRow:
    """One number or address, who holds it today and who holds it with an extension."""

    id: int
    kind: str
    address: str
    sms_level: int
    email_level: int
    call_level: int
    sms_out_at: datetime | None
    email_out_at: datetime | None
    call_out_at: datetime | None
    wrong_number: bool
    complained: bool
    hard_bounced: bool
    sms_incapable: bool
    last_confirmed_on: date | None
    unencrypted_ok: bool
    held: bool
    dnc_listed: bool | None
    dnc_checked_on: date | None
    reassigned: str
    reassigned_checked_on: date | None
    suppressed_until: datetime | None
    holders: list[int]
    banned: list[str]
    extension: str
    maybe_opt_out: bool
    not_interested_on: date | None


@dataclass(frozen=True, slots=True)
class GrantRow(fold.Line):
    """An event of a contact point; as a grant, what a channel's consent there rests on."""

    seller_named: bool
    practice_legal_name: str


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact that went out or is on its way. ``touch_id`` is None for a call that was logged by hand."""

    at: datetime
    touch_id: int | None
    version_id: int | None = None
    step: int | None = None
    channel: str = ""
    written: object = None
    """The touch of this very batch, not yet in the database."""


@dataclass(slots=True)
class Material:
    """Everything gathered for one batch of questions. Grows as the batch itself decides to send."""

    practice: PracticeRow
    now: datetime
    senders: dict[str, SenderRow]
    patients: dict[int, PatientRow]
    points: dict[int, PointRow]
    grants: dict[tuple[int, str], GrantRow]
    offers: dict[str, Offer]
    authorizations: dict[int, date] = field(default_factory=dict)
    """Until when each patient's signed authorization runs that states who pays (HIP-02)."""
    offer_members: dict[str, set[int]] = field(default_factory=dict)
    by_point: dict[int, list[Contact]] = field(default_factory=lambda: defaultdict(list))
    by_patient: dict[int, list[Contact]] = field(default_factory=lambda: defaultdict(list))

    def add_contact(self, contact: Contact, point_id: int | None, patient_id: int) -> None:
        """Count a touch that this very batch has decided to send, so that the next question sees it."""
        if point_id is not None:
            self.by_point[point_id].append(contact)
        self.by_patient[patient_id].append(contact)


def gather(practice_id: int, patient_ids: Collection[int], now: datetime, point_ids: Collection[int] = ()) -> Material:
    """Read what the gates may ask about these patients and the contact points they would be reached at.

    ``point_ids`` are further points, such as the ones a frozen message names. Raises LookupError when there is no such practice.
    """
    from recare.campaigns import offers

    ids, here = list(dict.fromkeys(patient_ids)), practice(practice_id, now)
    few = len(ids) + len(point_ids) <= _FEW
    read, look_up = (db.rows_prepared, db.tuples_prepared) if few else (db.rows, db.tuples)
    today = now.astimezone(ZoneInfo(here.tz)).date()
    patients = {row.id: row for row in read(PatientRow, _PATIENTS, practice=practice_id, ids=ids, now=now, today=today)}
    wanted = {
        point
        for row in patients.values()
        for point in (row.sms_point_id, row.email_point_id, row.call_point_id, row.letter_point_id)
        if point is not None
    } | set(point_ids)
    known = {"practice": practice_id, "points": list(wanted), "now": now, "since": now - timedelta(days=HISTORY_DAYS)}
    points = {row.id: row for row in read(PointRow, _POINTS, **known)}
    grants = _grants(read(GrantRow, _EVENTS, **known))
    material = Material(here, now, senders(practice_id), patients, points, grants, offers.by_slug(practice_id))
    material.authorizations = dict(look_up(_AUTHORIZATIONS, practice=practice_id, ids=ids))
    material.offer_members = {
        slug: offers.members(practice_id, offer, ids, today)
        for slug, offer in material.offers.items()
        if offer.predicate is not None
    }
    for point_id, *contact in look_up(_POINT_CONTACTS, **known):
        material.by_point[point_id].append(Contact(*contact))
    for patient_id, at, touch_id in look_up(_PATIENT_CONTACTS, ids=ids, **known):
        material.by_patient[patient_id].append(Contact(at, touch_id))
    return material


def _grants(rows: Sequence[GrantRow]) -> dict[tuple[int, str], GrantRow]:
    """By contact point and channel. One plain look-up by key and a fold here: a join that finds what stands may walk the whole ledger."""
    by_point: dict[int, list[GrantRow]] = defaultdict(list)
    for row in rows:
        by_point[row.contact_point_id].append(row)
    return {
        (point, channel): grant for point, events in by_point.items() for channel, grant in fold.cited(events).items()
    }


def practice(practice_id: int, now: datetime) -> PracticeRow:
    """Return the practice as the gates see it. Raises LookupError when there is none."""
    row = db.one(PracticeRow, _PRACTICE, practice=practice_id, now=now)
    if row is None:
        raise LookupError(f"There is no practice {practice_id}.")
    return row


def senders(practice_id: int) -> dict[str, SenderRow]:
    """Return the sender of each channel: of several the first that is not paused."""
    found: dict[str, SenderRow] = {}
    for row in db.rows(SenderRow, _SENDERS, practice=practice_id):
        found.setdefault(row.channel, row)
    return found


_PRACTICE = """
SELECT p.id, p.legal_name, p.tz, p.street, p.city, p.state, p.zip, p.country, p.policy, p.is_rehearsal,
       sending_held(p.id) AS held,
       -- the simulated patients of a rehearsal write into the chart themselves: it is never stale
       CASE WHEN p.is_rehearsal THEN %(now)s::timestamptz ELSE (
           SELECT max(r.appointments_as_of) FROM sync_run r
           WHERE r.practice_id = p.id AND r.state = 'done') END AS visits_known_at
FROM practice p
WHERE p.id = %(practice)s
"""

_SENDERS = """
SELECT channel, provider, address, registered, use_cases, auth_ok, baa_from, baa_until, paused_at IS NOT NULL AS paused
FROM sender WHERE practice_id = %(practice)s ORDER BY channel, paused_at IS NOT NULL, id
"""

# A hold on one person freezes automation for the whole household (a complaint of the mother is not answered by a text to the son).
_ANY_POINT = (
    "(SELECT min(a.id) FROM patient_contact c JOIN contact_point a ON a.practice_id = c.practice_id AND a.id = c.contact_point_id "
    "WHERE c.practice_id = %(practice)s AND c.patient_id = p.id AND c.ended_at IS NULL AND a.kind = '{kind}'{but})"
)
_PATIENTS = """
WITH asked AS (SELECT * FROM patient WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])),
facts AS (
    SELECT patient_id, last_visit_on, payer_class, unscheduled_items, sms_point_id, email_point_id, call_point_id, letter_ok
    FROM facts_on(%(today)s) WHERE practice_id = %(practice)s AND patient_id = ANY(%(ids)s::bigint[])
),
visits AS (
    SELECT patient_id, min(at) AS at FROM (
        SELECT patient_id, starts_at AS at FROM appointment
        WHERE practice_id = %(practice)s AND patient_id = ANY(%(ids)s::bigint[]) AND status = 'scheduled' AND deleted_at IS NULL
          AND starts_at >= %(now)s
        UNION ALL
        SELECT patient_id, lower(during) FROM booking
        WHERE practice_id = %(practice)s AND patient_id = ANY(%(ids)s::bigint[]) AND state = 'booked' AND lower(during) >= %(now)s
    ) v GROUP BY patient_id
),
conflicts AS (
    SELECT DISTINCT patient_id FROM task
    WHERE practice_id = %(practice)s AND patient_id = ANY(%(ids)s::bigint[]) AND kind = 'identity_conflict' AND done_at IS NULL
),
held AS (
    SELECT household_id, min(hold) AS hold FROM patient
    WHERE practice_id = %(practice)s AND hold IN ('complaint', 'legal', 'angry', 'dispute')
      AND household_id IN (SELECT household_id FROM asked)
    GROUP BY household_id
),
replies AS (
    -- who asked about a visit, or wanted to be rung, has inquired (DNC-02); who only answered has not
    SELECT patient_id, max(at) AS at, max(at) FILTER (WHERE intent IN ('yes', 'question', 'call_me')) AS inquired_at FROM reply
    WHERE practice_id = %(practice)s AND patient_id = ANY(%(ids)s::bigint[]) GROUP BY patient_id
),
asked_online AS (
    SELECT patient_id, max(created_at) AS at FROM booking
    WHERE practice_id = %(practice)s AND patient_id = ANY(%(ids)s::bigint[]) AND via = 'link' AND booked_at IS NOT NULL GROUP BY patient_id
)
SELECT p.id, p.household_id, p.guarantor_id,
       (SELECT g.birthdate <= (%(now)s::date - interval '18 years')::date FROM patient g
        WHERE g.practice_id = %(practice)s AND g.id = p.guarantor_id AND g.id <> p.id) AS guardian_adult,
       p.status, p.standing, p.deceased_on, p.dismissed_on, p.do_not_contact,
       CASE WHEN p.hold <> '' THEN p.hold ELSE coalesce(held.hold, '') END AS hold,
       p.birthdate, p.language, p.has_representative, p.note_flags, p.part2, p.banned_channels, p.preferred_channel, p.paused_until,
       p.state, p.zip, p.country, p.confirmed_tz, f.last_visit_on, coalesce(f.payer_class, 'unknown') AS payer_class,
       coalesce(f.unscheduled_items, 0) AS unscheduled_items,
       conflicts.patient_id IS NOT NULL AS identity_conflict, visits.at AS next_visit_at, replies.at AS replied_at,
       greatest(replies.inquired_at, asked_online.at) AS inquired_at,
       -- for whom facts call unreachable, any number or address at all: the gates then say why (opted out, wrong number, bounced)
       coalesce(f.sms_point_id, {phone}) AS sms_point_id, coalesce(f.email_point_id, {email}) AS email_point_id,
       coalesce(f.call_point_id, {phone}) AS call_point_id, {post} AS letter_point_id
FROM asked p
LEFT JOIN facts f ON f.patient_id = p.id
LEFT JOIN conflicts ON conflicts.patient_id = p.id
LEFT JOIN held ON held.household_id = p.household_id
LEFT JOIN visits ON visits.patient_id = p.id
LEFT JOIN replies ON replies.patient_id = p.id
LEFT JOIN asked_online ON asked_online.patient_id = p.id
""".format(
    phone=_ANY_POINT.format(kind="phone", but=""),
    email=_ANY_POINT.format(kind="email", but=""),
    post=_ANY_POINT.format(kind="post", but=" AND a.wrong_number_at IS NULL"),  # a letter came back from there
)

_POINTS = """
SELECT c.id, c.kind, c.address, c.sms_level, c.email_level, c.call_level, c.sms_out_at, c.email_out_at, c.call_out_at,
       c.wrong_number_at IS NOT NULL AS wrong_number, c.complained_at IS NOT NULL AS complained,
       c.hard_bounced_at IS NOT NULL AS hard_bounced, c.sms_incapable_at IS NOT NULL AS sms_incapable, c.last_confirmed_on,
       c.unencrypted_ok_at IS NOT NULL AS unencrypted_ok, c.held_at IS NOT NULL AS held, c.dnc_listed, c.dnc_checked_on,
       c.reassigned, c.reassigned_checked_on, c.suppressed_until,
       coalesce(h.holders, '{}') AS holders, coalesce(b.banned, '{}') AS banned, coalesce(h.extension, '') AS extension,
       coalesce(t.waiting, false) AS maybe_opt_out, o.day AS not_interested_on
FROM contact_point c
LEFT JOIN (
    SELECT contact_point_id, array_agg(patient_id) AS holders, max(extension) AS extension FROM patient_contact
    WHERE practice_id = %(practice)s AND contact_point_id = ANY(%(points)s::bigint[]) AND ended_at IS NULL
    GROUP BY contact_point_id) h ON h.contact_point_id = c.id
LEFT JOIN (
    SELECT pc.contact_point_id, array_agg(DISTINCT ban) AS banned FROM patient_contact pc
    JOIN patient p ON p.practice_id = pc.practice_id AND p.id = pc.patient_id AND p.banned_channels <> '{}', unnest(p.banned_channels) AS ban
    WHERE pc.practice_id = %(practice)s AND pc.contact_point_id = ANY(%(points)s::bigint[]) AND pc.ended_at IS NULL
    GROUP BY pc.contact_point_id) b ON b.contact_point_id = c.id
LEFT JOIN (
    SELECT contact_point_id, true AS waiting FROM task
    WHERE practice_id = %(practice)s AND done_at IS NULL AND kind = 'maybe_optout' AND contact_point_id = ANY(%(points)s::bigint[])
    GROUP BY contact_point_id) t ON t.contact_point_id = c.id
LEFT JOIN (
    SELECT contact_point_id, max(at)::date AS day FROM call_outcome
    WHERE practice_id = %(practice)s AND contact_point_id = ANY(%(points)s::bigint[]) AND outcome = 'not_interested'
    GROUP BY contact_point_id) o ON o.contact_point_id = c.id
WHERE c.practice_id = %(practice)s AND c.id = ANY(%(points)s::bigint[])
"""

_EVENTS = """
SELECT contact_point_id, id, seq, channel, type, level, method, evidence_ref, effective_at, supersedes_id, seller_named, practice_legal_name
FROM consent_event WHERE practice_id = %(practice)s AND contact_point_id = ANY(%(points)s::bigint[])
"""

# The newest word about a signed authorization counts; one that states no payer or no end is none (HIP-02, 45 CFR 164.508).
_AUTHORIZATIONS = """
SELECT person_id, expires_on FROM (
    SELECT DISTINCT ON (person_id) person_id, type, expires_on, scope, signature FROM consent_event
    WHERE practice_id = %(practice)s AND person_id = ANY(%(ids)s::bigint[]) AND type IN ('authorization_signed', 'authorization_revoked')
    ORDER BY person_id, effective_at DESC, seq DESC) newest
WHERE type = 'authorization_signed' AND expires_on IS NOT NULL AND signature <> '' AND scope LIKE '%%remuneration%%'
"""

# What has gone out to a number or may still: all patients, all campaigns, calls logged by hand (FRQ-01). A message that was withheld,
# expired or refused never reached anybody; one whose fate is unknown may have.
_POINT_CONTACTS = """
SELECT t.contact_point_id, coalesce(m.sent_at, m.claimed_at, t.decided_at), t.id, e.version_id, t.step, t.channel
FROM touch t
JOIN enrolment e ON e.practice_id = t.practice_id AND e.id = t.enrolment_id
LEFT JOIN message m ON m.practice_id = t.practice_id AND m.touch_id = t.id
LEFT JOIN call c ON c.practice_id = t.practice_id AND c.touch_id = t.id
WHERE t.practice_id = %(practice)s AND t.contact_point_id = ANY(%(points)s::bigint[]) AND t.verdict = 'send'
  AND t.decided_at > %(since)s AND (m.id IS NULL OR m.state IN ('queued', 'sending', 'sent', 'unknown'))
  AND (c.id IS NULL OR c.state = 'open')
UNION ALL
SELECT o.contact_point_id, o.at, NULL, NULL, NULL, 'call' FROM call_outcome o
WHERE o.practice_id = %(practice)s AND o.contact_point_id = ANY(%(points)s::bigint[]) AND o.at > %(since)s AND o.outcome <> 'withdrawn'
"""

_PATIENT_CONTACTS = """
SELECT t.patient_id, coalesce(m.sent_at, m.claimed_at, t.decided_at), coalesce(t.shares_touch_id, t.id)
FROM touch t
LEFT JOIN message m ON m.practice_id = t.practice_id AND m.touch_id = CASE WHEN t.shares_touch_id IS NULL THEN t.id ELSE t.shares_touch_id END
LEFT JOIN call c ON c.practice_id = t.practice_id AND c.touch_id = t.id
WHERE t.practice_id = %(practice)s AND t.patient_id = ANY(%(ids)s::bigint[])
  AND (t.verdict = 'send' OR t.shares_touch_id IS NOT NULL) AND t.decided_at > %(since)s
  AND (m.id IS NULL OR m.state IN ('queued', 'sending', 'sent', 'unknown')) AND (c.id IS NULL OR c.state <> 'withdrawn')
"""
