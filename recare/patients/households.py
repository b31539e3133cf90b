"""Households: who is invited together. One guarantor, or one shared telephone, makes one household."""

from __future__ import annotations

from typing import Final

from recare.base import db

# A number on more charts than this is a shelter's, a school's or a placeholder, no family's [design].
LARGEST: Final = 8
_ROUNDS: Final = 12  # each round doubles the length of the chains that are joined


def regroup(practice_id: int) -> int:
    """Put every patient of a practice into the household that guarantor and shared telephones give; return how many moved.

    Patients joined over several steps (a child with its mother's number, whose husband pays) are one household. Work numbers and
    numbers on more than ``LARGEST`` charts join nobody. Set-based; nothing changes for those who stay.
    """
    db.run("DROP TABLE IF EXISTS pg_temp.kin, pg_temp.edge")
    db.run(
        "CREATE TEMPORARY TABLE kin AS SELECT id, id AS head FROM patient WHERE practice_id = %(practice)s",
        practice=practice_id,
    )
    _edges(practice_id)
    for _ in range(_ROUNDS):
        if not _join_chains():
            break
    moved = _write(practice_id)
    db.run("DROP TABLE kin, edge")
    return moved


def _edges(practice_id: int) -> None:
    """List who belongs with whom: patient and guarantor, and everybody with the first chart of a number they share."""
    db.run(
        "CREATE TEMPORARY TABLE edge AS WITH held AS (SELECT DISTINCT c.patient_id AS id, c.contact_point_id AS point FROM patient_contact c JOIN "
        "contact_point t ON t.practice_id = c.practice_id AND t.id = c.contact_point_id AND t.kind = 'phone' WHERE c.practice_id = %(practice)s "
        "AND c.ended_at IS NULL AND c.label <> 'work' AND c.extension = ''), pair AS (SELECT id, guarantor_id AS other FROM patient "
        "WHERE practice_id = %(practice)s AND guarantor_id <> id UNION SELECT h.id, n.first FROM held h JOIN (SELECT point, min(id) AS first "
        "FROM held GROUP BY point HAVING count(*) BETWEEN 2 AND %(largest)s) AS n ON n.point = h.point WHERE h.id <> n.first) "
        "SELECT id, other FROM pair UNION SELECT other, id FROM pair",
        practice=practice_id,
        largest=LARGEST,
    )
    db.run("ANALYZE kin")
    db.run("ANALYZE edge")


def _join_chains() -> int:
    """Let every group take the smallest head among its neighbours, then skip along the chain of heads; return how many moved."""
    joined = db.run(
        "UPDATE kin SET head = low.head FROM (SELECT k.head AS old, min(n.head) AS head FROM edge e JOIN kin k ON k.id = e.id JOIN kin n "
        "ON n.id = e.other GROUP BY k.head) AS low WHERE kin.head = low.old AND low.head < low.old"
    )
    return joined + db.run("UPDATE kin SET head = up.head FROM kin up WHERE up.id = kin.head AND up.head < kin.head")


def _write(practice_id: int) -> int:
    """Name each household after its first chart and move those whose household has changed, leaving a mark on them."""
    db.run(
        "INSERT INTO household (practice_id, key) SELECT %(practice)s, h.source || ':' || h.source_key FROM (SELECT DISTINCT head FROM kin) AS k "
        "JOIN patient h ON h.practice_id = %(practice)s AND h.id = k.head WHERE NOT EXISTS (SELECT FROM household x WHERE "
        "x.practice_id = %(practice)s AND x.key = h.source || ':' || h.source_key) ON CONFLICT DO NOTHING",
        practice=practice_id,
    )
    return int(
        db.value(
            "WITH moved AS (UPDATE patient p SET household_id = x.id FROM kin k JOIN patient h ON h.practice_id = %(practice)s AND h.id = k.head "
            "JOIN household x ON x.practice_id = %(practice)s AND x.key = h.source || ':' || h.source_key WHERE p.practice_id = %(practice)s "
            "AND p.id = k.id AND p.household_id IS DISTINCT FROM x.id RETURNING p.id), marked AS (INSERT INTO patient_change (practice_id, "
            "patient_id) SELECT %(practice)s, id FROM moved ORDER BY id ON CONFLICT DO NOTHING) SELECT count(*) FROM moved",
            practice=practice_id,
        )
    )
