"""Marks on patients whose facts must be computed anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recare.base import db

if TYPE_CHECKING:
    from collections.abc import Iterable


def mark(practice_id: int, patient_ids: Iterable[int]) -> int:
    """Leave a mark on each patient, inside the transaction that changed something facts read; return how many are new.

    Ids come in order, so two writers never wait for each other crosswise.
    """
    return db.run(
        "INSERT INTO patient_change (practice_id, patient_id) SELECT %(practice)s, id FROM unnest(%(ids)s::bigint[]) AS id "
        "GROUP BY id ORDER BY id ON CONFLICT DO NOTHING",
        practice=practice_id,
        ids=list(patient_ids),
    )


def mark_selected(practice_id: int, query: str, **params: object) -> int:
    """Leave a mark on every patient that ``query`` (one column of ids, SQL of our own) selects; return how many are new."""
    return db.run(
        f"INSERT INTO patient_change (practice_id, patient_id) SELECT %(practice)s, id FROM ({query}) AS changed (id) "
        "WHERE id IS NOT NULL GROUP BY id ORDER BY id ON CONFLICT DO NOTHING",
        practice=practice_id,
        **params,
    )
