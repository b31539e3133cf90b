"""What imported charts mean for people: who pays for whom, how each can be reached, and what they have agreed to or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from recare.base import db
from recare.consent import ledger, points
from recare.consent.event import NewEvent
from recare.patients import changes
from recare.sources.csv import staging, targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recare.consent.event import Channel
    from recare.sources.csv.merge import Run

_WINDOW: Final = 5000  # addresses or events handled at once
_TAKEN: Final = (
    "staged_patient s JOIN patient p ON p.practice_id = %(practice)s AND p.source = %(source)s AND p.source_key = s.source_key AND NOT EXISTS "
    "(SELECT FROM staged_reject r WHERE r.entity = 'patients' AND r.file = s.file AND r.n = s.n)"
)


def link(run: Run, stated: set[str]) -> int:
    """Set guarantor, guardian and merged charts from the numbers the export gives; return how many charts changed.

    A number that nobody has is no reference.
    """
    changed = 0
    keys = {
        "guarantor": "s.guarantor",
        "guardian": "s.guardian",
        "merged_into": f"coalesce(s.merged_into, {', '.join(f's.{name}_merged' for name in targets.NOTES)})",
    }
    stated = stated | ({"merged_into"} if stated & set(targets.NOTES) else set())
    for field, key in keys.items():
        if field not in stated:
            continue
        own = "" if field == "guarantor" else "AND g.id <> p.id"
        changed += db.run(
            f"UPDATE patient t SET {field}_id = f.other, seen_run_id = %(run)s FROM (SELECT p.id, g.id AS other FROM {_TAKEN} "
            f"LEFT JOIN patient g ON g.practice_id = %(practice)s AND g.source = %(source)s AND g.source_key = {key} {own}) AS f "
            f"WHERE t.practice_id = %(practice)s AND t.id = f.id AND t.{field}_id IS DISTINCT FROM f.other",
            **run.bind,
        )
    return changed


LABELS: Final = {"mobile": "mobile", "home": "home", "work": "work", "phone": "other", "email": "email"}


def find_points(run: Run, stated: set[str]) -> list[str]:
    """Find or make the contact points of the export's numbers and addresses; return the labels of those that it states."""
    columns = [column for column in LABELS if column in stated]
    labels = [LABELS[column] for column in columns] + (["post"] if stated >= {"street", "zip"} else [])
    if not labels:
        return []
    with staging.bulk():
        _stage_contacts(run, columns, by_post="post" in labels)
    for low, high in _windows("staged_point"):
        wanted = [
            (str(kind), str(address))
            for kind, address in db.tuples(
                "SELECT kind, address FROM staged_point WHERE k > %(low)s AND k <= %(high)s", low=low, high=high
            )
        ]
        found = points.ensure(run.practice.id, wanted, run.now)
        db.run(
            "UPDATE staged_point s SET point_id = f.id FROM unnest(%(kinds)s::text[], %(addresses)s::text[], %(ids)s::bigint[]) "
            "AS f (kind, address, id) WHERE s.kind = f.kind AND s.address = f.address AND s.k > %(low)s AND s.k <= %(high)s",
            kinds=[kind for kind, _ in found], addresses=[address for _, address in found], ids=list(found.values()), low=low, high=high,
        )  # fmt: skip
    with staging.bulk():
        db.run(
            "UPDATE staged_contact c SET point_id = s.point_id FROM staged_point s WHERE s.kind = c.kind AND s.address = c.address"
        )
        db.run("ANALYZE staged_contact")
    return labels


# The chart's address as one line that is the same for everybody who lives there, however it is written: a household gets one letter.
# Nobody is found by it but the practice itself, so what an eye reads as the same street need not be guessed.
_POST: Final = (
    "SELECT 'post' AS kind, 'post' AS label, btrim(regexp_replace(lower(concat_ws(' ', p.street, p.city, p.state, "
    "regexp_replace(p.zip, '-[0-9]{4}$', ''))), '[^[:alnum:]/-]+', ' ', 'g')) AS address, '' AS extension, 0::bigint AS rank "
    "WHERE p.street <> '' AND p.zip <> ''"
)


def _stage_contacts(run: Run, columns: list[str], *, by_post: bool) -> None:
    db.run("DROP TABLE IF EXISTS pg_temp.staged_contact, pg_temp.staged_point")
    cells = " UNION ALL ".join(
        f"SELECT '{'email' if column == 'email' else 'phone'}' AS kind, '{LABELS[column]}' AS label, "
        + (
            "x AS address, '' AS extension, "
            if column == "email"
            else "split_part(x, 'x', 1) AS address, split_part(x, 'x', 2) AS extension, "
        )
        + f"nth - 1 AS rank FROM unnest(s.{column}) WITH ORDINALITY AS u (x, nth)"
        for column in columns
    )
    cells = " UNION ALL ".join(part for part in (cells, _POST if by_post else "") if part)
    db.run(
        "CREATE TEMPORARY TABLE staged_contact AS SELECT DISTINCT ON (p.id, c.kind, c.address, c.label) p.id AS patient_id, c.kind, c.address, "
        f"c.label, c.rank::smallint AS rank, c.extension, NULL::bigint AS point_id FROM {_TAKEN} CROSS JOIN LATERAL ({cells}) AS c "
        "ORDER BY p.id, c.kind, c.address, c.label, c.rank",
        **run.bind,
    )
    db.run(
        "CREATE TEMPORARY TABLE staged_point AS SELECT row_number() OVER () AS k, kind, address, NULL::bigint AS point_id FROM "
        "(SELECT DISTINCT kind, address FROM staged_contact) AS c"
    )
    db.run("CREATE INDEX ON staged_point (k)")
    db.run("ANALYZE staged_contact")


def _windows(table: str) -> Iterator[tuple[int, int]]:
    last = int(db.value(f"SELECT coalesce(max(k), 0) FROM {table}"))
    return ((low, low + _WINDOW) for low in range(0, last, _WINDOW))


_HELD: Final = (
    "staged_contact s LEFT JOIN patient_contact t ON t.practice_id = %(practice)s AND t.patient_id = s.patient_id "
    "AND t.contact_point_id = s.point_id AND t.label = s.label"
)
# Nobody's number comes back by import once a person has said that it is the wrong one.
_DIFFERS: Final = (
    "t.source = %(source)s AND (t.rank, t.extension, t.ended_at) IS DISTINCT FROM (s.rank, s.extension, NULL::timestamptz) AND NOT EXISTS "
    "(SELECT FROM contact_point c WHERE c.practice_id = %(practice)s AND c.id = t.contact_point_id AND c.wrong_number_at IS NOT NULL)"
)


def hold_points(run: Run, labels: list[str]) -> None:
    """Bring who holds which point to what the export says, after ``find_points``. A number the chart no longer has is ended, not forgotten."""
    bind = run.bind | {"labels": labels}
    if not run.fresh:
        changes.mark_selected(
            run.practice.id,
            f"SELECT s.patient_id FROM {_HELD} WHERE t.id IS NULL OR ({_DIFFERS})",
            source=run.bind["source"],
        )
    db.run(
        "MERGE INTO patient_contact t USING staged_contact s ON t.practice_id = %(practice)s AND t.patient_id = s.patient_id "
        f"AND t.contact_point_id = s.point_id AND t.label = s.label WHEN MATCHED AND {_DIFFERS} THEN UPDATE SET rank = s.rank, "
        "extension = s.extension, ended_at = NULL WHEN NOT MATCHED THEN INSERT (practice_id, patient_id, contact_point_id, label, rank, "
        "extension, source) VALUES (%(practice)s, s.patient_id, s.point_id, s.label, s.rank, s.extension, %(source)s)",
        **run.bind,
    )
    ended = db.values(
        f"UPDATE patient_contact t SET ended_at = %(now)s FROM {_TAKEN} WHERE t.practice_id = %(practice)s AND t.patient_id = p.id "
        "AND t.source = %(source)s AND t.ended_at IS NULL AND t.label = ANY(%(labels)s) AND NOT EXISTS (SELECT FROM staged_contact c "
        "WHERE c.patient_id = t.patient_id AND c.point_id = t.contact_point_id AND c.label = t.label) RETURNING t.patient_id",
        **bind,
    )
    changes.mark(run.practice.id, ended)


# What a column of the export says about consent. A yes without evidence is no more than C1 (I2); a no is a revocation.
_SAYS: Final = {
    "sms": (
        "s.text_ok = 'no' OR s.sms_ok = 'no' OR s.no_text = 'yes'",
        "s.text_ok = 'yes' OR s.sms_ok = 'yes'",
        ("mobile", "other"),
    ),
    "email": ("s.email_ok = 'no' OR s.no_email = 'yes'", "s.email_ok = 'yes'", ("email",)),
}
CONSENT_FIELDS: Final = frozenset({"text_ok", "sms_ok", "no_text", "email_ok", "no_email"})


def refuse(run: Run) -> int:
    """Record every no of the export that the ledger does not have yet; return how many. A no of one chart holds for the number."""
    return _append(run, "revoked")


def agree(run: Run) -> tuple[int, list[tuple[int, int]]]:
    """Record every yes that is new, as C1; return how many, and (file, row) of all that stand against an opt-out.

    The ledger takes an undated yes as older than any no (I3), so an import never lifts a revocation: such a yes is a finding for a person.
    """
    agreed = _append(run, "granted")
    with staging.bulk():
        return agreed, _conflicts(run)


def _append(run: Run, event: Literal["granted", "revoked"]) -> int:
    with staging.bulk():
        _stage_events(run, event)
    count = 0
    for low, high in _windows("staged_event"):
        found = db.tuples(
            "SELECT patient_id, point_id, channel FROM staged_event WHERE k > %(low)s AND k <= %(high)s ORDER BY k",
            low=low,
            high=high,
        )
        events = [_event(run, event, *one) for one in found]
        ledger.append(run.practice.id, events, run.now)
        if not run.fresh:
            changes.mark(run.practice.id, [patient for patient, _, _ in found])
        count += len(events)
    return count


def _stage_events(run: Run, event: Literal["granted", "revoked"]) -> None:
    """Stage the events whose like is not the newest that an import has recorded for this person, point and channel."""
    wanted = " UNION ALL ".join(_wanted(channel, event) for channel in _SAYS)
    db.run("DROP TABLE IF EXISTS pg_temp.staged_event")
    db.run(
        f"CREATE TEMPORARY TABLE staged_event AS SELECT row_number() OVER (ORDER BY w.patient_id, w.point_id, w.channel) AS k, w.patient_id, "
        f"w.point_id, w.channel FROM ({wanted}) AS w LEFT JOIN (SELECT DISTINCT ON (contact_point_id, person_id, channel) contact_point_id, "
        "person_id, channel, type FROM consent_event WHERE practice_id = %(practice)s AND method = 'import' "
        "ORDER BY contact_point_id, person_id, channel, seq DESC) AS e ON e.contact_point_id = w.point_id AND e.person_id = w.patient_id "
        "AND e.channel = w.channel WHERE e.type IS DISTINCT FROM %(event)s",
        event=event, **run.bind,
    )  # fmt: skip


def _wanted(channel: str, event: str) -> str:
    no, yes, labels = _SAYS[channel]
    says = no if event == "revoked" else f"({yes}) AND NOT coalesce({no}, false) AND c.extension = ''"
    # A refusal of texts also binds the numbers filed as home: landlines and mobiles cannot be told apart.
    where = (*labels, "home") if event == "revoked" and channel == "sms" else labels
    return (
        f"SELECT DISTINCT p.id AS patient_id, c.point_id, '{channel}' AS channel FROM {_TAKEN} JOIN staged_contact c ON c.patient_id = p.id "
        f"WHERE c.label IN ({', '.join(repr(label) for label in where)}) AND ({says})"
    )


def _event(
    run: Run, event: Literal["granted", "revoked"], patient_id: int, point_id: int, channel: Channel
) -> NewEvent:
    return NewEvent(
        contact_point_id=point_id,
        channel=channel,
        type=event,
        level=1 if event == "granted" else 0,
        method="import",
        person_id=patient_id,
        source_system=run.bind["source"],
        import_batch=str(run.id),
        reason="stated by the practice system's export, without evidence",
    )


def _conflicts(run: Run) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for channel, (no, yes, _) in _SAYS.items():
        found += db.tuples(
            f"SELECT DISTINCT s.file, s.n FROM {_TAKEN} JOIN staged_contact c ON c.patient_id = p.id JOIN contact_point t "
            f"ON t.practice_id = %(practice)s AND t.id = c.point_id WHERE ({yes}) AND NOT coalesce({no}, false) AND t.kind = "
            f"'{'email' if channel == 'email' else 'phone'}' AND c.label <> 'work' AND t.{channel}_out_at IS NOT NULL ORDER BY 1, 2 LIMIT 1000",
            **run.bind,
        )
    return found
