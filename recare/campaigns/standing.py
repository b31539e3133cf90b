"""The practice's standing hold-out: some households are left alone by every campaign for a year, so that all campaigns together can be read.

Setting ``policy.standing_hold_out``: a share of one up to 0.1, none means off. Whoever has a treatment to finish is not left alone for it:
campaigns for continued treatment pay no heed (science 4.2).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import date

    from recare.campaigns.playbook import Playbook
    from recare.practices.practice import Practice

LARGEST: Final = 0.10
HOME: Final = "CASE WHEN h.key IS NOT NULL THEN 'h:' || h.key ELSE 'p:' || p.source || ':' || p.source_key END"
"""What is drawn: the household, whatever unit a campaign draws by."""
DRAW: Final = (
    "('x0000' || encode(substring(sha256(convert_to(%(standing_salt)s || ':' || {unit}, 'UTF8')) FROM 1 FOR 6), 'hex'))::bit(64)::bigint "
    "/ 281474976710656.0::double precision"
)
"""``enrol.draw`` in SQL."""


def share_of(practice: Practice) -> float:
    """Return the share of households that is left alone by all campaigns; 0 when the practice has not turned it on."""
    return min(max(float(practice.policy.get("standing_hold_out", 0)), 0.0), LARGEST)


def salt_of(practice: Practice, year: int) -> str:
    """Return the salt of one year's draw; secret with the practice's own."""
    return hashlib.sha256(f"{practice.salt}:standing:{year}".encode()).hexdigest()[:32]


def params(practice: Practice, plan: Playbook, today: date) -> dict[str, Any]:
    """Return what the statements of the audience and of the freeze bind."""
    share = share_of(practice)
    return {
        "standing": share > 0 and plan.purpose != "continued_treatment", "standing_share": share, "standing_year": today.year,
        "standing_salt": salt_of(practice, today.year),
    }  # fmt: skip


# Both arms are written down alike: everybody who would be taken in but for this draw.
KEEP: Final = f"""
    INSERT INTO standing_draw (practice_id, year, patient_id, unit, held_out, share, draw, salt, drawn_at)
    SELECT %(practice)s, %(standing_year)s, a.patient_id, a.home, a.left_out IS NOT NULL, %(standing_share)s, {DRAW.format(unit="a.home")},
           %(standing_salt)s, %(now)s
    FROM audience a WHERE %(standing)s AND (a.left_out IS NULL OR a.left_out = 'STANDING_HOLD_OUT')
    ON CONFLICT DO NOTHING
"""
