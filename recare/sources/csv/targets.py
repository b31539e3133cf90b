"""How staged columns become columns of the chart: one expression each, and which staged fields it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from recare.sources.csv import fields
from recare.sources.csv.staging import FLAGGED_ROWS

# Our own category rule: cleanings and gum care.
HYGIENE_CODES: Final = ("D1110", "D1120", "D4341", "D4342", "D4346", "D4355", "D4910")


@dataclass(frozen=True, slots=True)
class Column:
    """A chart column. It is written only when the file states one of ``needs`` (empty: always). ``kept``: the expression that an
    existing row gets instead, ``t`` being that row and ``s`` the new one; it guards what an import must never widen.
    """

    name: str
    value: str
    needs: tuple[str, ...] = ()
    kept: str = ""


def _c(name: str, value: str, needs: str = "", kept: str = "") -> Column:
    return Column(name, value, tuple(needs.split()), kept)


def _same(names: str) -> tuple[Column, ...]:
    return tuple(_c(name, f"s.{name}", name) for name in names.split())


def _texts(names: str) -> tuple[Column, ...]:
    return tuple(_c(name, f"coalesce(s.{name}, '')", name) for name in names.split())


_REFERENCE: Final = "LEFT JOIN {table} {alias} ON {alias}.practice_id = %(practice)s AND {alias}.source = %(source)s AND {alias}.source_key = s.{key}"
PATIENT_OF: Final = (
    "JOIN patient p ON p.practice_id = %(practice)s AND p.source = %(source)s AND p.source_key = s.patient"
)
SURVIVOR_OF: Final = "LEFT JOIN staged_survivor m ON m.id = p.id"
SURVIVOR: Final = "coalesce(m.root, p.id)"
JOINED: Final = frozenset({"appointments", "procedures"})
"""Kinds of rows that count for the chart which stays when charts are merged. Recalls and plans are that chart's own."""


def _reference(table: str, alias: str, key: str) -> str:
    return _REFERENCE.format(table=table, alias=alias, key=key)


NOTES: Final = tuple(field.name for field in fields.PATIENTS.fields if field.kind == "note")
_WISH_FIELDS: Final = " ".join(("contact_method recall_method recall_ok no_call", *NOTES))
_FLAG_ROWS: Final = (
    "LEFT JOIN (SELECT n, array_agg(DISTINCT flag) AS flags FROM staged_flag CROSS JOIN LATERAL unnest(flags) AS flag WHERE file = %(file)s "
    "GROUP BY n) x ON x.n = s.n"
)


def _noted(stated: frozenset[str]) -> str:
    """Return the expression for all flags of a row: those of its notes, and those of cells meant for something else."""
    parts = [f"s.{name}_flags" for name in NOTES if name in stated] + ["x.flags"] * (FLAGGED_ROWS in stated)
    return " || ".join(f"coalesce({part}, '{{}}')" for part in parts) or "'{}'::text[]"


def _flags(stated: frozenset[str]) -> str:
    return f"ARRAY(SELECT DISTINCT unnest({_noted(stated)}) ORDER BY 1)"


def _wishes(stated: frozenset[str]) -> str:
    return (
        "concat_ws(' ', s.contact_method, 'recall:' || s.recall_method, CASE WHEN s.recall_ok = 'no' THEN 'no_recalls' END, "
        f"CASE WHEN s.no_call = 'yes' THEN 'no_call' END, nullif(array_to_string(ARRAY(SELECT DISTINCT f "
        f"FROM unnest({_noted(stated)}) AS f WHERE f LIKE 'no\\_%%' OR f IN ('legal', 'unclear', 'upset') ORDER BY f), ' '), ''))"
    )


# In words of ``pms_wishes``: who bans what. A staff note that bans a channel bans it until a person has read the note.
_BANNED: Final = (
    "array_remove(ARRAY[CASE WHEN w ~ '\\mno_recalls\\M|no_contact|nobody' OR w ~ '\\mno_text\\M' THEN 'sms' END, "
    "CASE WHEN w ~ '\\mno_recalls\\M|no_contact|nobody' OR w ~ '\\mno_email\\M' THEN 'email' END, "
    "CASE WHEN w ~ '\\mno_recalls\\M|no_contact|nobody' OR w ~ '\\mno_call\\M|do_not_call' THEN 'call' END, "
    "CASE WHEN w ~ '\\mno_recalls\\M|no_contact|nobody' THEN 'letter' END], NULL)"
)
_HOLD: Final = "CASE WHEN w ~ '\\mlegal\\M' THEN 'legal' WHEN w ~ 'see_notes|unclear|upset|\\mno_(text|call|email|contact)\\M' THEN 'read_note' ELSE '' END"
_PREFERRED: Final = "coalesce(substring(w FROM '^(sms|email|call|letter)\\M'), '')"
_CHANGED: Final = "t.pms_wishes IS DISTINCT FROM s.pms_wishes"


def _own(column: str, value: str) -> str:
    """Return the expression that leaves a column alone once the patient has chosen it themselves."""
    return f"CASE WHEN '{column}' = ANY(t.own_choices) THEN t.{column} ELSE {value} END"


def _status(stated: frozenset[str]) -> str:
    """Return the expression for a patient's status; death by status, flag or date is death (pms-data trap 16)."""
    base = "coalesce(s.status, 'unknown')" if "status" in stated else "'active'"
    if "active" in stated:
        base = f"CASE WHEN {base} = 'active' AND NOT coalesce(s.active, true) THEN 'inactive' ELSE {base} END"
    return f"CASE WHEN s.deceased OR s.deceased_on IS NOT NULL THEN 'deceased' ELSE {base} END"


def patient(stated: frozenset[str]) -> tuple[Column, ...]:
    """Columns of ``patient`` for a file that states these fields. Holds, bans and preferences follow the export only when it changes."""
    wishes = f"{_WISH_FIELDS} {FLAGGED_ROWS}"
    full = bool(stated & set(_WISH_FIELDS.split()))
    return (
        *(_c(name, f"coalesce(s.{name}, '')", f"{name} full_name") for name in ("first_name", "middle_name", "last_name", "preferred_name")),
        *_same("birthdate balance_cents first_visit_on deceased_on"),
        *_texts("sex street city state zip billing_class"),
        _c("language", "coalesce(s.language, '')", "language", _own("language", "s.language")),
        _c("status", _status(stated), "status active deceased deceased_on" if stated & {"status", "active"} else "deceased deceased_on"),
        _c("pms_status", "coalesce(s.pms_status, '')", "status"),
        _c("do_not_contact", "coalesce(s.no_contact = 'yes' OR s.contact_method = 'nobody', false)", "no_contact contact_method",
           "t.do_not_contact OR s.do_not_contact"),
        _c("cannot_schedule", "coalesce(s.cannot_schedule, false)", "cannot_schedule"),
        _c("premed", "coalesce(s.premed, false)", "premed"),
        _c("last_visit_stated_on", "s.last_visit_on", "last_visit_on"),
        _c("provider_id", "d.id", "dentist"),
        _c("hygienist_id", "h.id", "hygienist"),
        # A file without notes may add warnings from other cells; it takes none back.
        _c("note_flags", _flags(stated), " ".join((*NOTES, FLAGGED_ROWS)), "" if stated & set(NOTES) else
           "CASE WHEN s.note_flags <@ t.note_flags THEN t.note_flags ELSE ARRAY(SELECT DISTINCT unnest(t.note_flags || s.note_flags) ORDER BY 1) END"),
        _c("pms_wishes", "w", wishes, "" if full else "CASE WHEN s.pms_wishes = '' THEN t.pms_wishes ELSE s.pms_wishes END"),
        _c("banned_channels", _BANNED, wishes,
           f"CASE WHEN {_CHANGED} THEN ARRAY(SELECT DISTINCT unnest(t.banned_channels || s.banned_channels) ORDER BY 1) ELSE t.banned_channels END"),
        _c("hold", _HOLD, wishes, f"CASE WHEN t.hold = '' AND {_CHANGED} THEN s.hold ELSE t.hold END"),
        _c("hold_since", f"CASE WHEN {_HOLD} <> '' THEN %(now)s::timestamptz END", wishes,
           f"CASE WHEN t.hold = '' AND {_CHANGED} THEN s.hold_since ELSE t.hold_since END"),
        _c("preferred_channel", _PREFERRED, _WISH_FIELDS,
           _own("preferred_channel", f"CASE WHEN {_CHANGED} THEN s.preferred_channel ELSE t.preferred_channel END")),
        _c("absent_since", "NULL::timestamptz"),
    )  # fmt: skip


_UNTIMED: Final = "('unscheduled', 'planned')"
_STARTS: Final = "coalesce(s.starts, s.on_day + coalesce(s.at_time, '00:00'::time))"
"""When an appointment starts by the practice's own clock."""


def appointment(stated: frozenset[str]) -> tuple[Column, ...]:
    """Columns of ``appointment`` for a file that states these fields."""
    codes = [f"s.{name}" for name in sorted(stated) if name.startswith("code")]
    listed = f"array_remove(ARRAY[{', '.join(codes)}]::text[], NULL)"
    hygienic = " OR ".join(f"coalesce(left({code}, 5) IN {HYGIENE_CODES}, false)" for code in codes) or "false"
    told = " ".join(
        f"WHEN s.status = 'broken' AND {' OR '.join(f'{one} LIKE {like!r}' for one in codes)} THEN '{status}'"
        for like, status in (("D9986%%", "missed"), ("D9987%%", "cancelled"))
        if codes
    )
    status = "coalesce(s.status, 'scheduled')"
    return (
        _c("patient_id", SURVIVOR),
        # What the completed codes of the day once told about a broken visit stays while it is the same visit.
        _c("status", f"CASE {told} ELSE {status} END" if told else status, kept="CASE WHEN s.status = 'broken' AND t.status IN "
           "('missed', 'cancelled') AND t.starts_at IS NOT DISTINCT FROM s.starts_at THEN t.status ELSE s.status END"),
        # Rows that hold no chair may carry a date in the source; it is nobody's visit (pms-data trap 19).
        _c("starts_at", f"CASE WHEN s.status IN {_UNTIMED} THEN NULL ELSE {_STARTS} AT TIME ZONE %(tz)s END"),
        _c("starts_on", f"CASE WHEN s.status IN {_UNTIMED} THEN NULL ELSE {_STARTS}::date END"),
        _c("minutes", "s.minutes", "minutes"),
        _c("operatory_id", "o.id", "operatory"),
        _c("provider_id", "coalesce(v.id, h.id)", "provider hygienist"),
        _c("codes", "CASE WHEN s.code1 IS NULL THEN '{}'::text[] ELSE ARRAY[s.code1] END" if codes == ["s.code1"] else listed,
           "code1 code2 code3 code4 code5 code6"),
        # The flag of the source is unreliable (all false in one real clinic): chair, provider and codes tell.
        _c("is_hygiene", f"coalesce(s.hygiene, false) OR coalesce(o.is_hygiene, false) OR coalesce(v.kind = 'hygienist', false) OR {hygienic}"),
        _c("deleted_at", "NULL::timestamptz"),
    )  # fmt: skip


COLUMNS: Final[dict[str, tuple[Column, ...]]] = {
    "procedures": (
        _c("patient_id", SURVIVOR),
        _c("code", "s.code"),
        _c("status", "coalesce(s.status, 'completed')"),
        _c("done_on", "s.done_on"),
        _c("fee_cents", "coalesce(s.fee_cents, 0)", "fee_cents"),
        _c("provider_id", "v.id", "provider"),
    ),
    "recalls": (
        _c("patient_id", "p.id"),
        _c("kind", "coalesce(s.kind, 'other')"),
        _c("interval_months", "s.interval_months", "interval"),
        _c("interval_days", "s.interval_days", "interval"),
        *_same("due_on previous_on scheduled_on disabled_until"),
        _c("disabled", "coalesce(s.disabled, false)"),
        _c("status", "coalesce(s.status, '')"),
    ),
    "treatment plans": (
        _c("patient_id", "p.id"),
        _c("code", "s.code"),
        _c("status", "coalesce(s.status, 'proposed')"),
        *_same("planned_on expires_on"),
        _c("fee_cents", "coalesce(s.fee_cents, 0)", "fee_cents"),
    ),
    "coverage": (
        _c("patient_id", "p.id"),
        _c("ordinal", "coalesce(s.ordinal, 1)", "ordinal"),
        _c("carrier", "coalesce(s.carrier, '')", "carrier"),
        _c("payer_class", "coalesce(s.payer_class, 'unknown')", "payer_class"),
        _c("renews_month", "CASE WHEN s.renews_month BETWEEN 1 AND 12 THEN s.renews_month END", "renews_month"),
        _c("annual_max_cents", "s.annual_max_cents", "annual_max_cents"),
        _c("used_cents", "coalesce(s.used_cents, greatest(s.annual_max_cents - s.remaining_cents, 0))", "used_cents remaining_cents"),
        _c("effective_on", "s.effective_on", "effective_on"),
        _c("ends_on", "s.ends_on"),
    ),
}  # fmt: skip
JOINS: Final[dict[str, tuple[str, ...]]] = {
    "patients": (
        _reference("provider", "d", "dentist"),
        _reference("provider", "h", "hygienist"),
    ),
    "appointments": (
        PATIENT_OF,
        SURVIVOR_OF,
        _reference("operatory", "o", "operatory"),
        _reference("provider", "v", "provider"),
        _reference("provider", "h", "hygienist"),
    ),
    "procedures": (PATIENT_OF, SURVIVOR_OF, _reference("provider", "v", "provider")),
    "recalls": (PATIENT_OF,),
    "treatment plans": (PATIENT_OF,),
    "coverage": (PATIENT_OF,),
}


def joins(kind: str, stated: frozenset[str]) -> str:
    """Return what the staged rows of this kind are joined with."""
    parts = list(JOINS[kind])
    if kind == "patients":
        parts += [_FLAG_ROWS] * (FLAGGED_ROWS in stated) + [
            f"CROSS JOIN LATERAL (SELECT {_wishes(stated)} AS w) AS wishes"
        ]
    return " ".join(parts)


def columns(kind: str, stated: frozenset[str]) -> tuple[Column, ...]:
    """Return the chart columns that a file of this kind writes when it states these fields."""
    built = {"patients": patient, "appointments": appointment}.get(kind)
    every = built(stated) if built else COLUMNS[kind]
    return tuple(column for column in every if not column.needs or stated & set(column.needs))
