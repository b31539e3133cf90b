"""Households: who is invited together. One guarantor, or one shared telephone, makes one household."""

from __future__ import annotations

from typing import Final

from recare.base import db
from recare.patients import changes

# A number on more charts than this is a shelter's, a school's or a placeholder, no family's [design].
LARGEST: Final = 8
_ROUNDS: Final = 12  # each round doubles the length of the chains that are joined


def regroup(practice_id: int) -> int:
    """Put every patient of a practice into the household that guarantor and shared telephones give; return how many moved.

    Patients joined over several steps (a child with its mother's number, whose husband pays) are one household. Work numbers and
    numbers on more than ``LARGEST`` charts join nobody. Set-based; nothing changes for those who stay.
    """
    db.run("DROP TABLE IF EXISTS pg_temp.kin, pg_temp.shared_number")
    db.run(
        "CREATE TEMPORARY TABLE kin AS SELECT p.id, least(p.id, coalesce(g.id, p.id)) AS head FROM patient p LEFT JOIN patient g "
        "ON g.practice_id = p.practice_id AND g.id = p.guarantor_id WHERE p.practice_id = %(practice)s",
        practice=practice_id,
    )
    # The guarantor stands at the head of its own group, whatever the order of the charts.
    db.run(
        "UPDATE kin SET head = g.head FROM (SELECT g.id, min(k.head) AS head FROM patient p JOIN kin k ON k.id = p.id JOIN kin g ON g.id = "
        "p.guarantor_id WHERE p.practice_id = %(practice)s GROUP BY g.id) AS g WHERE kin.id = g.id AND g.head < kin.head",
        practice=practice_id,
    )
    db.run(
        "CREATE TEMPORARY TABLE shared_number AS SELECT DISTINCT c.patient_id AS id, c.contact_point_id AS point FROM patient_contact c "
        "JOIN (SELECT c.contact_point_id FROM patient_contact c JOIN contact_point t ON t.practice_id = c.practice_id AND "
        "t.id = c.contact_point_id AND t.kind = 'phone' WHERE c.practice_id = %(practice)s AND c.ended_at IS NULL AND c.label <> 'work' "
        "AND c.extension = '' GROUP BY 1 HAVING count(DISTINCT c.patient_id) BETWEEN 2 AND %(largest)s) AS n "
        "ON n.contact_point_id = c.contact_point_id WHERE c.practice_id = %(practice)s AND c.ended_at IS NULL AND c.label <> 'work'",
        practice=practice_id,
        largest=LARGEST,
    )
    db.run("ANALYZE kin")
    db.run("ANALYZE shared_number")
    for _ in range(_ROUNDS):
        if not _join_chains(practice_id):
            break
    moved = _write(practice_id)
    db.run("DROP TABLE kin, shared_number")
    return moved


def _join_chains(practice_id: int) -> int:
    """Let everybody take the smallest head among those they share a number, a guarantor or a head with."""
    joined = db.run(
        "UPDATE kin SET head = low.head FROM (SELECT k.head AS old, min(n.head) AS head FROM kin k JOIN shared_number s ON s.id = k.id JOIN "
        "(SELECT s.point, min(k.head) AS head FROM shared_number s JOIN kin k ON k.id = s.id GROUP BY s.point) AS n ON n.point = s.point "
        "GROUP BY k.head) AS low WHERE kin.head = low.old AND low.head < low.old"
    )
    joined += db.run(
        "UPDATE kin SET head = low.head FROM (SELECT k.head AS old, min(g.head) AS head FROM patient p JOIN kin k ON k.id = p.id JOIN kin g "
        "ON g.id = p.guarantor_id WHERE p.practice_id = %(practice)s GROUP BY k.head) AS low WHERE kin.head = low.old AND low.head < low.old",
        practice=practice_id,
    )
    return joined + db.run("UPDATE kin SET head = up.head FROM kin up WHERE up.id = kin.head AND up.head < kin.head")


def _write(practice_id: int) -> int:
    """Name each household after its head and move those whose household has changed, leaving a mark on them."""
    db.run(
        "INSERT INTO household (practice_id, key) SELECT %(practice)s, h.source || ':' || h.source_key FROM (SELECT DISTINCT head FROM kin) AS k "
        "JOIN patient h ON h.practice_id = %(practice)s AND h.id = k.head WHERE NOT EXISTS (SELECT FROM household x WHERE "
        "x.practice_id = %(practice)s AND x.key = h.source || ':' || h.source_key) ON CONFLICT DO NOTHING",
        practice=practice_id,
    )
    moved = db.values(
        "UPDATE patient p SET household_id = x.id FROM kin k JOIN patient h ON h.practice_id = %(practice)s AND h.id = k.head "
        "JOIN household x ON x.practice_id = %(practice)s AND x.key = h.source || ':' || h.source_key "
        "WHERE p.practice_id = %(practice)s AND p.id = k.id AND p.household_id IS DISTINCT FROM x.id RETURNING p.id",
        practice=practice_id,
    )
    changes.mark(practice_id, moved)
    return len(moved)
