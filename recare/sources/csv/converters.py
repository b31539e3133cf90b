"""From a raw cell to the text that COPY takes: one function a kind of value, and a memory of the cells already seen.

The same few thousand dates, codes and amounts fill millions of cells, so each is read once. A whole column is converted by
``map(memory.__getitem__, column)``, which stays inside the interpreter's C code for every cell that was seen before.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from recare.sources.csv import contacts, dates, notes, values
from recare.sources.csv.fields import DATE_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from recare.sources.csv.columns import Column
    from recare.sources.csv.fields import Field

NULL: Final = "\\N"
REMEMBERED: Final = 50_000
FLAGGED: Final = {"name": "names", "full_name": "names", "phones": "addresses", "emails": "addresses"}
"""Kinds of cells into which front desks write what must stop a contact."""
_LARGEST: Final = 32_000  # numbers, months and days; a larger one is a mistake and no column holds it
_LONGEST: Final = 300  # characters of a text that is kept
_STATUS, _STATUS_NUMBER, _REASON = values.table("status"), values.table("status_number"), values.table("reason")
_RECALL_KIND: Final = values.table("recall_kind")
_PAYER_PARTS: Final = ("medicaid", "medicare", "tricare", "chip", "ppo", "hmo", "membership")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": " ", "\n": " ", "\r": " ", "\x00": ""})


_FOUR_DIGITS: Final = re.compile(r"\d{4}")


class DoubtError(ValueError):
    """A cell that breaks ``rule``; ``kept`` is what is stored all the same, as COPY text."""

    def __init__(self, rule: str, kept: str = "") -> None:
        super().__init__(rule)
        self.rule, self.kept = rule, kept


class Memory(dict[str, str]):
    """COPY text by raw cell. ``doubts`` holds the rule of each remembered cell that breaks one, and whether a value was kept;
    ``flags`` the warnings that stand in cells meant for something else.
    """

    def __init__(self, convert: Callable[[str], str], width: int, *, required: bool, look_for_flags: str = "") -> None:
        super().__init__()
        self.convert, self.required = convert, required
        self.nothing = "\t".join([NULL] * width)
        self.doubts: dict[str, tuple[str, bool]] = {}
        self.flags: dict[str, tuple[str, ...]] = {}
        self.look_for_flags = look_for_flags

    def __missing__(self, raw: str) -> str:
        text = values.clean(raw)
        if self.look_for_flags and (marks := notes.marks(text)):
            self.flags[raw] = marks
            text = notes.without_marks(text) if self.look_for_flags == "names" else text
        try:
            found = self.convert(text) if text else ""
        except DoubtError as doubt:
            found = doubt.kept
            self.doubts[raw] = (doubt.rule, bool(doubt.kept))
        if self.required and not found:
            self.doubts.setdefault(raw, ("missing", False))
        found = self[raw] = found or self.nothing
        return found

    def trim(self) -> None:
        """Forget everything when it has become much; only between chunks, which look their doubts up."""
        if len(self) > REMEMBERED:
            self.clear()
            self.doubts.clear()
            self.flags.clear()


def memory(field: Field, column: Column, today: date) -> Memory:
    """Return the memory that converts the cells of a mapped column."""
    look = FLAGGED.get(field.kind, "")
    return Memory(_converter(field, column, today), len(field.staged), required=field.required, look_for_flags=look)


def _converter(field: Field, column: Column, today: date) -> Callable[[str], str]:
    if field.kind in DATE_KINDS:
        return partial(_date, kind=field.kind, column=column, today=today)
    if field.kind == "patient_status":
        return partial(_status, numbers=column.numeric)
    if field.kind in {"answer", "coded_answer"}:
        return partial(_answer, coded=field.kind == "coded_answer" or column.has_two)
    return _SIMPLE.get(field.kind) or partial(_word, words=values.table(field.kind), kind=field.kind)


def _date(text: str, *, kind: str, column: Column, today: date) -> str:
    if values.is_null(text) or dates.is_none(text):
        return ""
    found = dates.read(text, column.order, today.year + (0 if kind == "birthdate" else 10))
    if found is None:
        raise DoubtError("date_unreadable")
    if kind == "birthdate" and found > today and not _FOUR_DIGITS.search(text):
        found = found.replace(year=found.year - 100)  # "2/1/27" in January 2027 is somebody of a hundred
    if kind == "birthdate" and not dates.is_birthdate(found, today):
        raise DoubtError("birthdate_implausible")
    if kind == "past_date" and found > today:
        raise DoubtError("date_in_future")
    if kind == "moment":
        if fraction := re.fullmatch(r"\d{5}(\.\d+)", text):  # a spreadsheet's day and fraction of a day
            return f"{found} {_guarded(values.clock, fraction[1], 'time_unreadable')}"
        _, _, rest = text.replace("T", " ").partition(" ")
        return f"{found} {_guarded(values.clock, rest.strip(), 'time_unreadable') if rest.strip() else '00:00'}"
    return found.isoformat()


def _guarded(read: Callable[[str], object], text: str, rule: str) -> str:
    try:
        found = read(text)
    except ValueError:
        raise DoubtError(rule) from None
    return "" if found is None else str(found)


def _nullable(rule: str, read: Callable[[str], object]) -> Callable[[str], str]:
    return lambda text: "" if values.is_null(text) else _guarded(read, text, rule)


def _text(text: str) -> str:
    return "" if values.is_null(text) else values.mended(text)[:_LONGEST].translate(_ESCAPES)


def _name(text: str) -> str:
    return values.name(text)[:_LONGEST].translate(_ESCAPES)


def _key(text: str) -> str:
    return (values.key(text) or "")[:_LONGEST].translate(_ESCAPES)


def _full_name(text: str) -> str:
    if values.is_null(text):
        return ""
    return "\t".join(part[:_LONGEST].translate(_ESCAPES) or NULL for part in values.full_name(text))


def _status(text: str, *, numbers: bool) -> str:
    lower = text.lower()
    word = text[:40].translate(_ESCAPES)
    if values.is_null(text):
        raise DoubtError("status_unknown", f"unknown\t{NULL}\t{NULL}")
    found = (_STATUS_NUMBER if numbers else _STATUS).get(lower)
    if found is None:
        raise DoubtError("status_unknown", f"unknown\t{word}\t{NULL}")
    return f"{found}\t{word}\t{_REASON.get(lower, NULL)}"


def _answer(text: str, *, coded: bool) -> str:
    if values.is_null(text):
        return ""
    return _guarded(partial(values.answer, coded=coded), text, "answer_unreadable")


def _word(text: str, *, words: dict[str, str], kind: str) -> str:
    found = words.get(text.lower())
    if found is not None:
        return "" if found == "none" else found
    if values.is_null(text):
        return ""
    if kind == "appointment_status":
        raise DoubtError("appointment_status_unknown", "scheduled")
    if kind == "procedure_status":
        raise DoubtError("procedure_status_unknown")
    if kind in {"language", "contact_method"}:
        raise DoubtError(f"{kind}_unknown")
    return ""


def _payer(text: str) -> str:
    lower = text.lower()
    found = values.table("payer").get(lower) or next((part for part in _PAYER_PARTS if part in lower), "unknown")
    return {"ppo": "commercial", "hmo": "commercial"}.get(found, found)


def _recall_kind(text: str) -> str:
    lower = text.lower()
    return next((kind for part, kind in _RECALL_KIND.items() if part in lower), "other")


def _interval(text: str) -> str:
    if values.is_null(text):
        return ""
    try:
        months, days = values.interval(text)
    except ValueError:
        raise DoubtError("interval_unreadable") from None
    if max(months, days) > _LARGEST:
        raise DoubtError("interval_unreadable")
    return f"{months}\t{days}"


def _phones(text: str) -> str:
    found = contacts.telephones(text)
    if not found:
        digits = sum(character.isdigit() for character in text)
        if digits == 7:
            raise DoubtError("phone_without_area_code")
        if digits > 3 and len({*filter(str.isdigit, text)}) > 1:
            raise DoubtError("phone_unreadable")
        return ""
    return "{" + ",".join(f"{phone.e164}x{phone.extension}" for phone in found) + "}"


def _emails(text: str) -> str:
    found = contacts.emails(text)
    if not found and "@" in text and not contacts.is_placeholder(text):
        raise DoubtError("email_unreadable")
    return "{" + ",".join(f'"{address}"' for address in found) + "}" if found else ""


def _note(text: str) -> str:
    flags, merged = notes.flags(text), notes.merged_into(text)
    return f"{{{','.join(flags)}}}\t{merged or NULL}" if flags or merged else ""


def _whole(text: str) -> int:
    number = int(text.removesuffix(".0"))
    if not 0 <= number <= _LARGEST:
        raise ValueError("number")
    return number


_SIMPLE: Final[dict[str, Callable[[str], str]]] = {
    "id": _key,
    "ref": _key,
    "name": _name,
    "text": _text,
    "state": lambda text: _text(text).upper(),
    "full_name": _full_name,
    "interval": _interval,
    "payer": _payer,
    "recall_kind": _recall_kind,
    "phones": _phones,
    "emails": _emails,
    "note": _note,
    "zip": _nullable("zip_unreadable", values.zip_code),
    "time": _nullable("time_unreadable", values.clock),
    "minutes": _nullable("length_unreadable", values.minutes),
    "money": _nullable("money_unreadable", values.money),
    "number": _nullable("number_unreadable", _whole),
    "boolean": _nullable("answer_unreadable", values.boolean),
    "code": _nullable("code_unreadable", values.code),
}
