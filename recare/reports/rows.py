"""What a report counts, read in a handful of statements whatever the number of patients."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from recare.base import db
from recare.reports.waves import WINDOW, Pattern

ATTRIBUTION_DAYS: Final = 30
"""A booking this soon after a touch is credited to it, for operations only; the headline never uses it."""
CALL_MINUTE_CENTS: Final = 45.0
"""Assumption: 27 dollars an hour of front-desk time. A practice's policy may state its own."""


@dataclass(frozen=True, slots=True)
class Household:
    """One randomised unit: how many of its members are in the arm, how many booked and kept a visit within the window."""

    arm: str
    members: int
    booked: int
    kept: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """How far the treated came, in patients."""

    assigned: int
    contacted: int
    delivered: int
    answered: int
    booked: int
    kept: int


@dataclass(frozen=True, slots=True)
class Span:
    """When the enrolments of a report were assigned, and how many have their whole window behind them."""

    first: datetime | None
    last: datetime | None
    assigned: int
    mature: int


# A wave's window opens with its own turn. `waves` is how many turns the version drew.
_ASSIGNED: Final = f"""
    SELECT e.id, e.arm, e.unit, e.patient_id, e.assigned_at, greatest(e.assigned_at, e.wave_at) + interval '{WINDOW} days' AS until,
           coalesce((v.spec -> 'playbook' -> 'waves' ->> 'count')::int, 1) AS waves
    FROM enrolment e JOIN campaign_version v ON v.practice_id = e.practice_id AND v.id = e.version_id
    WHERE e.practice_id = %(practice)s AND (%(campaign)s::bigint IS NULL OR e.campaign_id = %(campaign)s)
"""


def span(practice_id: int, campaign_id: int | None, now: datetime) -> Span:
    """Return when people were assigned."""
    sql = f"""WITH assigned AS ({_ASSIGNED})
        SELECT min(assigned_at) AS first, max(assigned_at) AS last, count(*) AS assigned,
               count(*) FILTER (WHERE until <= %(now)s) AS mature FROM assigned"""
    found = db.one(Span, sql, practice=practice_id, campaign=campaign_id, now=now)
    return found or Span(None, None, 0, 0)


def households(practice_id: int, campaign_id: int | None, now: datetime) -> list[Household]:
    """Return the randomised units whose window has closed, each with its members' outcomes (intention to treat); without those of waves."""
    sql = f"""WITH assigned AS ({_ASSIGNED})
        SELECT a.arm, count(*) AS members,
               count(*) FILTER (WHERE b.at IS NOT NULL OR k.at IS NOT NULL) AS booked, count(k.at) AS kept
        FROM assigned a
        LEFT JOIN outcome b ON b.practice_id = %(practice)s AND b.enrolment_id = a.id AND b.kind = 'booked' AND b.at <= a.until
        LEFT JOIN outcome k ON k.practice_id = %(practice)s AND k.enrolment_id = a.id AND k.kind = 'kept' AND k.at <= a.until
        WHERE a.until <= %(now)s AND a.waves = 1 GROUP BY a.arm, a.unit"""
    return db.rows(Household, sql, practice=practice_id, campaign=campaign_id, now=now)


def patterns(practice_id: int, campaign_id: int | None, now: datetime) -> list[Pattern]:
    """Return the households of campaigns with waves, those that are alike counted together. Days are local days after the draw.

    Who joined a household later is left out: joining may follow from what the others did. A wave whose turn would have come after its
    campaign was finished is left alone for good.
    """
    sql = """WITH drawn AS (
            SELECT e.id, e.campaign_id, e.version_id, e.unit, e.arm, e.assigned_at, e.wave_at, (e.assigned_at AT TIME ZONE p.tz)::date AS day, p.tz,
                   min(e.assigned_at) OVER (PARTITION BY e.campaign_id, e.round, e.unit) AS first
            FROM enrolment e JOIN practice p ON p.id = e.practice_id
            JOIN campaign_version v ON v.practice_id = e.practice_id AND v.id = e.version_id
            WHERE e.practice_id = %(practice)s AND (%(campaign)s::bigint IS NULL OR e.campaign_id = %(campaign)s)
              AND (v.spec -> 'playbook' -> 'waves' ->> 'count')::int > 1
        ), over AS (
            SELECT campaign_id, max(ended_at) AS at FROM enrolment
            WHERE practice_id = %(practice)s AND stop_reason = 'campaign_finished' GROUP BY campaign_id
        ), member AS (
            SELECT d.version_id, d.unit, (%(now)s AT TIME ZONE d.tz)::date - d.day AS age,
                   CASE WHEN d.arm = 'treated' AND (f.at IS NULL OR d.wave_at < f.at)
                        THEN round(extract(epoch FROM greatest(d.wave_at, d.assigned_at) - d.assigned_at) / 86400)::int END AS turn,
                   (k.at AT TIME ZONE d.tz)::date - d.day AS kept,
                   least((b.at AT TIME ZONE d.tz)::date, (k.at AT TIME ZONE d.tz)::date) - d.day AS booked
            FROM drawn d LEFT JOIN over f ON f.campaign_id = d.campaign_id
            LEFT JOIN outcome k ON k.practice_id = %(practice)s AND k.enrolment_id = d.id AND k.kind = 'kept'
            LEFT JOIN outcome b ON b.practice_id = %(practice)s AND b.enrolment_id = d.id AND b.kind = 'booked'
            WHERE d.assigned_at = d.first
        ), household AS (
            SELECT version_id, turn, age, count(*) AS members,
                   coalesce(array_agg(kept ORDER BY kept) FILTER (WHERE kept IS NOT NULL), '{}') AS kept,
                   coalesce(array_agg(booked ORDER BY booked) FILTER (WHERE booked IS NOT NULL), '{}') AS booked
            FROM member GROUP BY version_id, unit, turn, age
        )
        SELECT version_id, turn, age, members, kept, booked, count(*) FROM household GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6"""
    found = db.tuples(sql, practice=practice_id, campaign=campaign_id, now=now)
    return [Pattern(v, t, age, m, tuple(kept), tuple(booked), n) for v, t, age, m, kept, booked, n in found]


def spent(practice_id: int, campaign_id: int | None, call_minute_cents: float, now: datetime) -> list[Spent]:
    """Return what was spent on each wave, by the age of its draw as in ``patterns``."""
    sql = f"""WITH assigned AS ({_ASSIGNED}), {_CREDITED}
        SELECT e.version_id AS version,
               round(extract(epoch FROM greatest(e.wave_at, e.assigned_at) - e.assigned_at) / 86400)::int AS turn,
               (%(now)s AT TIME ZONE p.tz)::date - (e.assigned_at AT TIME ZONE p.tz)::date AS age, sum({_CENTS})::double precision AS cents
        FROM sent s JOIN enrolment e ON e.practice_id = %(practice)s AND e.id = s.enrolment_id JOIN practice p ON p.id = e.practice_id
        WHERE s.waves > 1 GROUP BY 1, 2, 3"""
    return db.rows(Spent, sql, practice=practice_id, campaign=campaign_id, minute=call_minute_cents, now=now)


def funnel(practice_id: int, campaign_id: int | None) -> Funnel:
    """Return how far the treated have come, each patient counted once a stage."""
    sql = f"""WITH assigned AS ({_ASSIGNED} AND e.arm = 'treated'), reached AS (
            SELECT t.enrolment_id, bool_or(m.sent_at IS NOT NULL OR o.call_id IS NOT NULL) AS contacted,
                   bool_or(m.delivered_at IS NOT NULL OR (m.sent_at IS NOT NULL AND m.bounced_at IS NULL)
                           OR o.outcome NOT IN ('no_answer', 'wrong_number')) AS delivered,
                   bool_or(m.replied_at IS NOT NULL OR m.clicked_at IS NOT NULL
                           OR o.outcome NOT IN ('no_answer', 'wrong_number', 'left_message')) AS answered
            FROM (SELECT practice_id, enrolment_id, CASE WHEN shares_touch_id IS NULL THEN id ELSE shares_touch_id END AS id FROM touch  -- one message for a household
                  WHERE practice_id = %(practice)s AND (verdict = 'send' OR shares_touch_id IS NOT NULL)) t
            LEFT JOIN message m ON m.practice_id = t.practice_id AND m.touch_id = t.id
            LEFT JOIN call c ON c.practice_id = t.practice_id AND c.touch_id = t.id
            LEFT JOIN call_outcome o ON o.practice_id = c.practice_id AND o.call_id = c.id
            GROUP BY t.enrolment_id)
        SELECT count(*) AS assigned, count(*) FILTER (WHERE r.contacted) AS contacted,
               count(*) FILTER (WHERE r.delivered) AS delivered, count(*) FILTER (WHERE r.answered) AS answered,
               count(*) FILTER (WHERE b.at IS NOT NULL OR k.at IS NOT NULL) AS booked, count(k.at) AS kept
        FROM assigned a LEFT JOIN reached r ON r.enrolment_id = a.id
        LEFT JOIN outcome b ON b.practice_id = %(practice)s AND b.enrolment_id = a.id AND b.kind = 'booked'
        LEFT JOIN outcome k ON k.practice_id = %(practice)s AND k.enrolment_id = a.id AND k.kind = 'kept'"""
    return db.rows(Funnel, sql, practice=practice_id, campaign=campaign_id)[0]


# Touches that went out, with what came back. A booking is credited to a touch when it follows within 30 days and no message of ours came
# between. Few people book, so bookings look for their touch and not each of the touches for a booking.
_CREDITED: Final = f"""
    sent AS MATERIALIZED (
        SELECT t.id AS touch_id, t.enrolment_id, a.until, a.waves, t.patient_id, t.channel, t.template_version_id, m.id AS message_id, c.id AS call_id,
               CASE WHEN m.sent_at IS NULL THEN c.created_at ELSE m.sent_at END AS at, m.bounced_at, m.replied_at, m.clicked_at, m.cost_micros,
               c.seconds, c.reached, c.spoke, c.refused
        FROM touch t JOIN assigned a ON a.id = t.enrolment_id
        LEFT JOIN message m ON m.practice_id = %(practice)s AND m.touch_id = t.id AND m.sent_at IS NOT NULL
        LEFT JOIN (SELECT k.touch_id, k.id, k.created_at, sum(x.seconds) AS seconds,
                          bool_or(x.outcome NOT IN ('no_answer', 'wrong_number')) AS reached,
                          bool_or(x.outcome NOT IN ('no_answer', 'wrong_number', 'left_message')) AS spoke,
                          bool_or(x.outcome = 'do_not_call') AS refused
                   FROM call k JOIN call_outcome x ON x.practice_id = k.practice_id AND x.call_id = k.id
                   WHERE k.practice_id = %(practice)s GROUP BY k.touch_id, k.id, k.created_at) c ON c.touch_id = t.id
        WHERE t.practice_id = %(practice)s AND t.verdict = 'send' AND (m.id IS NOT NULL OR c.id IS NOT NULL)),
    credited AS (
        SELECT DISTINCT s.touch_id FROM outcome o JOIN sent s ON s.enrolment_id = o.enrolment_id
        WHERE o.practice_id = %(practice)s AND o.kind = 'booked' AND o.at >= s.at AND o.at < s.at + interval '{ATTRIBUTION_DAYS} days'
          AND NOT EXISTS (SELECT FROM message later WHERE later.practice_id = %(practice)s AND later.patient_id = s.patient_id
                          AND later.sent_at > s.at AND later.sent_at <= o.at)),
    stopped AS (
        SELECT DISTINCT message_id FROM reply WHERE practice_id = %(practice)s AND intent = 'stop' AND message_id IS NOT NULL)
"""
_CENTS: Final = "coalesce(s.cost_micros, 0) / 10000.0 + coalesce(s.seconds, 0) / 60.0 * %(minute)s"


@dataclass(frozen=True, slots=True)
class Spent:
    """Cents spent on households drawn under one version for the same turn, ``age`` days ago."""

    version: int
    turn: int
    age: int
    cents: float


@dataclass(frozen=True, slots=True)
class Sent:
    """What one template did on one channel; cost in cents. ``closed_cents``: of campaigns without waves, on whom the window has closed."""

    template: str
    channel: str
    sent: int
    delivered: int
    replied: int
    opted_out: int
    booked: int
    cost_cents: float
    closed_cents: float


def sends(practice_id: int, campaign_id: int | None, call_minute_cents: float, now: datetime) -> list[Sent]:
    """Return deliveries, answers, opt-outs and cost by channel and template; a booking counts for the last touch before it."""
    sql = f"""WITH assigned AS ({_ASSIGNED}), {_CREDITED}
        SELECT coalesce(p.name, 'without a template') AS template, d.channel, sum(d.sent)::bigint AS sent, sum(d.delivered)::bigint AS delivered,
               sum(d.replied)::bigint AS replied, sum(d.opted_out)::bigint AS opted_out, sum(d.booked)::bigint AS booked,
               sum(d.cost_cents)::double precision AS cost_cents, sum(d.closed_cents)::double precision AS closed_cents
        FROM (SELECT s.template_version_id, s.channel, count(*) AS sent,
                     count(*) FILTER (WHERE s.reached OR (s.message_id IS NOT NULL AND s.bounced_at IS NULL)) AS delivered,
                     count(*) FILTER (WHERE s.spoke OR s.replied_at IS NOT NULL OR s.clicked_at IS NOT NULL) AS replied,
                     count(*) FILTER (WHERE s.refused OR r.message_id IS NOT NULL) AS opted_out, count(b.touch_id) AS booked,
                     sum({_CENTS}) AS cost_cents,
                     coalesce(sum({_CENTS}) FILTER (WHERE s.until <= %(now)s AND s.waves = 1), 0) AS closed_cents
              FROM sent s LEFT JOIN credited b ON b.touch_id = s.touch_id LEFT JOIN stopped r ON r.message_id = s.message_id
              GROUP BY s.template_version_id, s.channel) d
        LEFT JOIN template_version v ON v.practice_id = %(practice)s AND v.id = d.template_version_id
        LEFT JOIN template p ON p.practice_id = %(practice)s AND p.id = v.template_id
        GROUP BY 1, 2 ORDER BY 3 DESC, 1"""
    return db.rows(Sent, sql, practice=practice_id, campaign=campaign_id, minute=call_minute_cents, now=now)
