"""The fix list: what imports found and nobody has mended, by rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recare.base import db
from recare.sources.csv.rules import title


@dataclass(frozen=True, slots=True)
class Group:
    """All open findings of one rule in one column. ``rows``: the first row numbers, for a person to look up."""

    file: str
    entity: str
    rule: str
    severity: str
    column_name: str
    advice: str
    count: int
    rows: list[int]

    @property
    def title(self) -> str:
        """The rule in words."""
        return title(self.rule)


@dataclass(frozen=True, slots=True)
class SyncRun:
    """One import. ``files`` and ``counts`` hold no patient data."""

    id: int
    state: str
    files: list[dict[str, Any]]
    counts: dict[str, int]
    error: str
    actor: str
    appointments_as_of: datetime | None
    started_at: datetime
    finished_at: datetime | None

    @property
    def written(self) -> int:
        """How many rows the run added or changed."""
        return sum(number for word, number in self.counts.items() if word.endswith((" added", " changed")))

    @property
    def rejected(self) -> int:
        """How many rows it rejected."""
        return sum(number for word, number in self.counts.items() if word.endswith(" rejected"))

    @property
    def empty(self) -> bool:
        """Whether its files held no rows."""
        return (
            self.state == "done"
            and any(file.get("rows") == 0 for file in self.files)
            and not any(file.get("rows") for file in self.files)
        )

    @property
    def outcome(self) -> list[str]:
        """What it did, in words: "12 patients added"."""
        return [
            f"{number:,} {_said(word, number)}" for word, number in sorted(self.counts.items()) if _is_outcome(word)
        ]


_SAID = {
    "consents added": "numbers given with a yes, recorded without evidence (level C1)",
    "refusals added": "refusals recorded",
    "patients gone": "patients marked absent, for they are in no file any more",
}


def _said(word: str, number: int) -> str:
    found = _SAID.get(word, word)
    return found.replace("s ", " ", 1) if number == 1 else found


def _is_outcome(word: str) -> bool:
    return word.endswith((" added", " changed", " gone"))


def groups(practice_id: int) -> list[Group]:
    """Return the open findings, rejected rows first, the most frequent first."""
    return db.rows(
        Group,
        "SELECT file, entity, rule, severity, column_name, advice, sum(occurrences) AS count, coalesce((array_agg(row_number ORDER BY row_number) "
        "FILTER (WHERE row_number IS NOT NULL))[1:5], '{}') AS rows FROM import_issue WHERE practice_id = %(practice)s AND resolved_at IS NULL "
        "GROUP BY file, entity, rule, severity, column_name, advice ORDER BY severity, count DESC, rule, file",
        practice=practice_id,
    )


_RUN = "SELECT id, state, files, counts, error, actor, appointments_as_of, started_at, finished_at FROM sync_run WHERE practice_id = %(practice)s "


def runs(practice_id: int, limit: int = 10) -> list[SyncRun]:
    """Return the newest imports of files first."""
    return db.rows(
        SyncRun,
        _RUN + "AND source = 'csv' ORDER BY started_at DESC, id DESC LIMIT %(limit)s",
        practice=practice_id,
        limit=limit,
    )


def run(practice_id: int, run_id: int) -> SyncRun | None:
    """Return one import, or None."""
    return db.one(SyncRun, _RUN + "AND id = %(run)s", practice=practice_id, run=run_id)


def last_written_by_rehearsal(practice_id: int) -> datetime | None:
    """Return when the made-up patients of a rehearsal last wrote into the chart themselves; None outside one."""
    at: datetime | None = db.value(
        "SELECT max(finished_at) FROM sync_run WHERE practice_id = %(practice)s AND source <> 'csv'",
        practice=practice_id,
    )
    return at
