"""What only all rows together show: references to nobody, numbers used twice, visits done in the future. One statement each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recare.base import db
from recare.sources.csv import fields, staging
from recare.sources.csv.rules import LISTED
from recare.sources.csv.staging import SOURCE

if TYPE_CHECKING:
    from datetime import datetime

    from recare.sources.csv.fields import Kind
    from recare.sources.csv.staging import Stager

_REJECT = "INSERT INTO staged_reject (entity, file, n, rule, column_name, value_kind)"


def check(practice_id: int, stager: Stager, file: int, now: datetime) -> int:
    """Reject staged rows of one file and add them to its findings; return how many rows were rejected."""
    kind = stager.layout.kind
    table = staging.name(kind)
    _give_keys(stager, file)
    bind = {"entity": kind.name, "file": file, "practice": practice_id, "source": SOURCE, "now": now}
    first = db.value(f"SELECT min(file) FROM {table}")
    headers = {field.name: stager.layout.labels[place] for place, field in stager.layout.mapping.items()}
    if kind is fields.PATIENTS:
        _gather_visits(stager, file)
    rejected = 0
    if not (stager.ascending and file == first):
        rejected += _reject_doubles(table, headers.get("source_key", ""), bind)
    if kind is not fields.PATIENTS:
        rejected += db.run(
            f"{_REJECT} SELECT %(entity)s, %(file)s, n, 'unknown_patient', %(header)s, 'id' FROM {table} s WHERE file = %(file)s "
            "AND NOT EXISTS (SELECT FROM patient p WHERE p.practice_id = %(practice)s AND p.source = %(source)s AND p.source_key = s.patient) "
            "AND NOT EXISTS (SELECT FROM staged_patient p WHERE p.source_key = s.patient)",
            header=headers["patient"], **bind,
        )  # fmt: skip
    if future := _DONE_IN_FUTURE.get(kind.name):
        rejected += db.run(
            f"{_REJECT} SELECT %(entity)s, %(file)s, n, 'date_in_future', %(header)s, 'date' FROM {table} WHERE file = %(file)s AND {future}",
            header=headers.get("on_day") or headers.get("starts") or headers.get("done_on", ""), **bind,
        )  # fmt: skip
    if rejected:
        _list(stager, kind, file)
    return rejected


def _reject_doubles(table: str, header: str, bind: dict[str, Any]) -> int:
    """Reject rows whose number stands in an earlier row of these files."""
    return db.run(
        f"{_REJECT} SELECT %(entity)s, %(file)s, n, 'duplicate_key', %(header)s, 'id' FROM (SELECT file, n, "
        f"row_number() OVER (PARTITION BY source_key ORDER BY file, n) AS nth FROM {table} WHERE source_key IN "
        f"(SELECT source_key FROM {table} GROUP BY source_key HAVING count(*) > 1)) AS twice WHERE nth > 1 AND file = %(file)s",
        header=header,
        **bind,
    )


_DONE_IN_FUTURE = {
    "appointments": "status = 'completed' AND coalesce(starts, on_day) > %(now)s + interval '36 hours'",
    "procedures": "status = 'completed' AND done_on > %(now)s + interval '36 hours'",
}


def _list(stager: Stager, kind: Kind, file: int) -> None:
    """Add the rejected rows to the findings: the first of each rule one by one, the rest as a count."""
    found = db.tuples(
        "SELECT n, column_name, value_kind, rule, every FROM (SELECT *, row_number() OVER w AS nth, count(*) OVER (PARTITION BY rule) AS every "
        "FROM staged_reject WHERE entity = %(entity)s AND file = %(file)s WINDOW w AS (PARTITION BY rule ORDER BY n)) AS r "
        "WHERE nth <= %(listed)s ORDER BY rule, n",
        entity=kind.name, file=file, listed=LISTED,
    )  # fmt: skip
    for number, column, value_kind, rule, every in found:
        stager.findings.add(number, column, value_kind, rule, "rejected")
        stager.findings.counts[rule, column, value_kind, "rejected"] = every


def _give_keys(stager: Stager, file: int) -> None:
    """Give rows of a file without an id column a key made of what identifies them, so that the next import finds them again."""
    if "source_key" in stager.known:
        return
    parts = {
        "patients": "lower(concat_ws('|', last_name, first_name, birthdate, CASE WHEN birthdate IS NULL THEN "
        "coalesce(mobile[1], home[1], phone[1], email[1]) END))",
        "appointments": "concat_ws('|', patient, coalesce(starts, on_day + coalesce(at_time, '00:00'::time)), status)",
        "procedures": "concat_ws('|', patient, done_on, code, status, fee_cents)",
        "recalls": "concat_ws('|', patient, kind)",
        "treatment plans": "concat_ws('|', patient, code, planned_on)",
        "coverage": "concat_ws('|', patient, coalesce(ordinal, 1), carrier)",
    }
    kind = stager.layout.kind
    table = staging.name(kind)
    # Two fillings of one kind on one day are two rows: the same parts again get a running number.
    nth = "''" if kind is fields.PATIENTS else "'.' || row_number() OVER (PARTITION BY parts ORDER BY n)"
    db.run(
        f"UPDATE {table} t SET source_key = '~' || k.key FROM (SELECT n, md5(parts) || {nth} AS key FROM "
        f"(SELECT n, {parts[kind.name]} AS parts FROM {table} WHERE file = %(file)s) AS known) AS k WHERE t.file = %(file)s AND t.n = k.n",
        file=file,
    )


def _gather_visits(stager: Stager, file: int) -> None:
    """Let the first row of a patient carry the latest visit when the file has one row a visit."""
    if "last_visit_on" in stager.known:
        db.run(
            "UPDATE staged_patient t SET last_visit_on = g.latest FROM (SELECT source_key, min(n) AS n, max(last_visit_on) AS latest "
            "FROM staged_patient WHERE file = %(file)s GROUP BY source_key HAVING count(*) > 1) AS g "
            "WHERE t.file = %(file)s AND t.n = g.n AND t.last_visit_on IS DISTINCT FROM g.latest",
            file=file,
        )
