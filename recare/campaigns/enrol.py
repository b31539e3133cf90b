"""The freeze: who of a segment comes in, and which arm and wave each household draws. Once, and never again (science 4.1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.campaigns import audience, standing, versions

if TYPE_CHECKING:
    from recare.campaigns.audience import Audience
    from recare.campaigns.playbook import Playbook


_MANY: Final = 1_000


class NotRunningError(ValueError):
    """A campaign that is not running takes nobody in."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """How many patients one freeze took in, by arm, and how many it left out, by reason."""

    treated: int
    held_out: int
    left_out: dict[str, int]


def draw(salt: str, unit: str) -> float:
    """Return the draw of a household (or patient) in [0, 1): the first 48 bits of a SHA-256. The database computes the same number."""
    return int.from_bytes(hashlib.sha256(f"{salt}:{unit}".encode()).digest()[:6], "big") / 2**48


def assign(drawn: float, share: float, waves: int) -> tuple[str, int]:
    """Return the arm and wave that a draw means, as the statement below computes them."""
    if drawn < share:
        return "held_out", 1
    return "treated", 1 + min(int((drawn - share) / (1 - share) * waves), waves - 1)


def freeze_and_enrol(practice_id: int, campaign_id: int, now: datetime) -> Enrolled:
    """Enrol everybody of the segment who is eligible now and not enrolled yet, in one statement.

    The draw decides the arm (below the hold-out share: held out) and the wave of the treated. A household draws once: who comes in later
    shares the arm of those already there. Runs in the caller's scope; running it again takes in only who has become eligible since.
    Raises NotRunningError.
    """
    found = db.tuples(
        "SELECT v.id, v.spec, v.salt FROM campaign c JOIN campaign_version v ON v.practice_id = c.practice_id AND v.campaign_id = c.id "
        "WHERE c.practice_id = %(practice)s AND c.id = %(campaign)s AND c.state = 'running' ORDER BY v.number DESC LIMIT 1",
        practice=practice_id, campaign=campaign_id,
    )  # fmt: skip
    if not found:
        raise NotRunningError("Only a running campaign enrols patients. Publish it first, or resume it.")
    version_id, spec, salt = found[0]
    plan = versions.read(version_id, campaign_id, spec).playbook
    chosen = audience.select(practice_id, campaign_id, plan, spec["segment"], now)
    treated, held_out, left_out = _insert(chosen, plan, {"version": version_id, "salt": salt})
    if treated + held_out > _MANY:
        db.analyze(
            "enrolment"
        )  # else the first decisions sort all of them for each batch, until the server notices by itself
    db.run(
        "INSERT INTO campaign_freeze (practice_id, campaign_id, version_id, at, treated, held_out, left_out) "
        "SELECT %(practice)s, %(campaign)s, %(version)s, %(now)s, %(treated)s, %(held_out)s, %(left_out)s",
        practice=practice_id, campaign=campaign_id, version=version_id, now=now, treated=treated, held_out=held_out,
        left_out=db.json(left_out),
    )  # fmt: skip
    return Enrolled(treated, held_out, left_out)


def _insert(chosen: Audience, plan: Playbook, more: dict[str, Any]) -> tuple[int, int, dict[str, int]]:
    now: datetime = chosen.params["now"]
    params = more | {
        "share": plan.hold_out, "waves": plan.waves.count, "between": timedelta(days=plan.waves.days_between),
        "first": timedelta(days=plan.steps[0].wait_days), "measured": now + timedelta(days=(plan.waves.count - 1) * plan.waves.days_between + plan.measure_days),
    }  # fmt: skip
    row = db.tuples(_INSERT.format(audience=chosen.sql, standing=standing.KEEP), **chosen.params, **params)[0]
    return int(row[0]), int(row[1]), dict(row[2] or {})


# A race with another freeze is settled by the unique indexes: whoever commits first has the patient.
_INSERT: Final = """
WITH audience AS MATERIALIZED ({audience}),
kin AS (
    SELECT DISTINCT ON (unit) unit, arm, wave, wave_at, probability, salt, draw FROM enrolment
    WHERE practice_id = %(practice)s AND campaign_id = %(campaign)s AND round = %(round)s ORDER BY unit, id
),
drawn AS (
    SELECT unit, ('x0000' || encode(substring(sha256(convert_to(%(salt)s || ':' || unit, 'UTF8')) FROM 1 FOR 6), 'hex'))::bit(64)::bigint
           / 281474976710656.0::double precision AS draw
    FROM (SELECT DISTINCT unit FROM audience WHERE left_out IS NULL) u
),
assigned AS (
    SELECT d.unit, coalesce(k.draw, d.draw) AS draw, coalesce(k.salt, %(salt)s) AS salt,
           coalesce(k.arm, CASE WHEN d.draw < %(share)s THEN 'held_out' ELSE 'treated' END) AS arm,
           coalesce(k.probability, CASE WHEN d.draw < %(share)s THEN %(share)s ELSE 1 - %(share)s END) AS probability,
           coalesce(k.wave, CASE WHEN d.draw < %(share)s THEN 1
                            ELSE 1 + least(floor((d.draw - %(share)s) / (1 - %(share)s) * %(waves)s), %(waves)s - 1) END) AS wave,
           k.wave_at
    FROM drawn d LEFT JOIN kin k ON k.unit = d.unit
),
kept AS ({standing}),
taken AS (
    INSERT INTO enrolment (practice_id, campaign_id, version_id, round, patient_id, household_id, unit, arm, wave, wave_at, probability,
                           salt, draw, snapshot, assigned_at, state, due_at)
    SELECT %(practice)s, %(campaign)s, %(version)s, %(round)s, a.patient_id, a.household_id, a.unit, g.arm, g.wave,
           CASE WHEN g.arm = 'treated' THEN t.at END, g.probability, g.salt, g.draw,
           to_jsonb(f) - '{{practice_id,patient_id}}'::text[], %(now)s,
           CASE WHEN g.arm = 'treated' THEN 'waiting' ELSE 'held_out' END,
           CASE WHEN g.arm = 'treated' THEN greatest(t.at, %(now)s) + %(first)s ELSE %(measured)s END
    FROM audience a
    JOIN assigned g ON g.unit = a.unit
    JOIN patient_facts f ON f.practice_id = %(practice)s AND f.patient_id = a.patient_id
    CROSS JOIN LATERAL (SELECT coalesce(g.wave_at, %(now)s + (g.wave - 1) * %(between)s) AS at) t
    WHERE a.left_out IS NULL
    ON CONFLICT DO NOTHING
    RETURNING arm
)
SELECT (SELECT count(*) FROM taken WHERE arm = 'treated'), (SELECT count(*) FROM taken WHERE arm = 'held_out'),
       (SELECT jsonb_object_agg(left_out, n) FROM (
            SELECT left_out, count(*) AS n FROM audience WHERE left_out IS NOT NULL GROUP BY left_out) r)
"""
