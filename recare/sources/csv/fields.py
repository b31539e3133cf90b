"""What Recare wants to know, and under which headers practice systems export it: ``fields.yaml`` (pms-data sections 2 and 4).

A header counts only when it equals a synonym after lower-casing and removal of all but letters and digits: nothing is guessed from a
part of a word, least of all consent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

# Columns of the staging table that each kind of value fills.
STAGED: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "full_name": (("first_name", "text"), ("middle_name", "text"), ("last_name", "text"), ("preferred_name", "text")),
    "patient_status": (("", "text"), ("pms_status", "text"), ("reason", "text")),
    "note": (("_flags", "text[]"), ("_merged", "text")),
    "interval": (("_months", "smallint"), ("_days", "smallint")),
    "date": (("", "date"),),
    "past_date": (("", "date"),),
    "birthdate": (("", "date"),),
    "moment": (("", "timestamp"),),
    "time": (("", "time"),),
    "minutes": (("", "smallint"),),
    "number": (("", "smallint"),),
    "money": (("", "bigint"),),
    "boolean": (("", "boolean"),),
    "phones": (("", "text[]"),),
    "emails": (("", "text[]"),),
}
_TEXT: Final = (("", "text"),)
DATE_KINDS: Final = frozenset({"date", "past_date", "birthdate", "moment"})
ID_KINDS: Final = frozenset({"id", "ref"})
CODED_KINDS: Final = frozenset({"patient_status", "answer"})
"""Whose cells mean something else when the whole column is numbers."""
_PARTS: Final = frozenset({"first_name", "middle_name", "preferred_name"})


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to know. ``kind`` names its converter, ``label`` is its name to people; a row without a ``required`` value is rejected."""

    name: str
    kind: str
    label: str
    headers: tuple[str, ...]
    required: bool = False

    @property
    def staged(self) -> tuple[tuple[str, str], ...]:
        """(column, type) of the staging table, in the order the converter writes them."""
        parts = STAGED.get(self.kind, _TEXT)
        own = self.kind != "full_name"
        return tuple(
            (column if not own or column in {"pms_status", "reason"} else self.name + column, sort)
            for column, sort in parts
        )


@dataclass(frozen=True)
class Kind:
    """One kind of file. ``needs``: fields of which at least one of each group must be mapped; ``telling``: headers no other kind has."""

    name: str
    table: str
    fields: tuple[Field, ...]
    needs: tuple[tuple[str, ...], ...]
    telling: frozenset[str] = frozenset()

    def field(self, name: str) -> Field:
        """Return the field of this name. Raises KeyError when this kind has none."""
        return self.by_name[name]

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Its fields by name."""
        return {field.name: field for field in self.fields}

    @cached_property
    def synonyms(self) -> dict[str, Field]:
        """The field that each normalised header means in a file of this kind."""
        found: dict[str, Field] = {}
        for field in self.fields:
            for header in field.headers:
                found.setdefault(header, field)
        return found

    def lacking(self, mapping: dict[int, Field]) -> list[str]:
        """Return what a file with this mapping lacks to be one of this kind, each in words such as "Last name or Whole name"."""
        names = {field.name for field in mapping.values()}
        return [" or ".join(self.field(name).label for name in group) for group in self.needs if not names & set(group)]


def normalise(header: str) -> str:
    """Return a header in lower case with nothing but letters and digits."""
    return re.sub(r"[^a-z0-9]", "", header.lower())


def _kinds() -> tuple[Kind, ...]:
    known = yaml.safe_load(Path(__file__).with_name("fields.yaml").read_text(encoding="utf-8"))
    return tuple(_kind(name, text, known) for name, text in known["kinds"].items())


def _kind(name: str, text: dict[str, Any], known: dict[str, Any]) -> Kind:
    found = []
    for field, (kind, label, headers) in text["fields"].items():
        words = headers.replace("<patient>", known["patient"]).replace("<code>", known["code"]).split()
        found.append(Field(field, kind, label, tuple(words), field in text["required"]))
    needs = tuple(map(tuple, text["needs"]))
    return Kind(name, text["table"], tuple(found), needs, frozenset(text.get("telling", "").split()))


KINDS: Final = _kinds()
"""In the order they must be written: whoever is referred to comes first."""
PATIENTS, APPOINTMENTS, PROCEDURES, RECALLS, TREATMENT_PLANS, COVERAGE = KINDS


def kind_named(name: str) -> Kind | None:
    """Return the kind of file called so, or None."""
    return next((kind for kind in KINDS if kind.name == name), None)


def recognise(headers: list[str], filename: str) -> tuple[Kind, dict[int, Field]] | None:
    """Return the kind of file these headers belong to, with column -> field; None when no kind has what it needs.

    A file with headers that only one kind has is that kind; the file's name decides between equals.
    """
    best: tuple[tuple[int, int, bool], Kind, dict[int, Field]] | None = None
    plain = [normalise(header) for header in headers]
    for kind in KINDS:
        mapped = understood(kind, plain)
        if kind.lacking(mapped):
            continue
        telling = len(set(plain) & kind.telling)
        if kind.telling and not telling and kind.name.replace(" ", "") not in normalise(filename):
            continue
        score = (len(mapped) + 2 * telling, telling, normalise(kind.name)[:6] in normalise(filename))
        if best is None or score > best[0]:
            best = (score, kind, mapped)
    return (best[1], best[2]) if best else None


def understood(kind: Kind, plain: list[str]) -> dict[int, Field]:
    """Return column -> field for normalised headers. Of several headers of one field the one listed first counts."""
    mapped: dict[int, Field] = {}
    taken: set[str] = set()
    wanted = sorted(
        (
            (field.headers.index(header), place, field)
            for place, header in enumerate(plain)
            if (field := kind.synonyms.get(header))
        ),
        key=lambda found: found[:2],
    )
    for _, place, field in wanted:
        if field.name not in taken:
            mapped[place] = field
            taken.add(field.name)
    return without_clash(mapped)


def without_clash(mapping: dict[int, Field]) -> dict[int, Field]:
    """Return a mapping, by column, in which names come from one place: a whole name says nothing beside a last name, and all without one."""
    names = {field.name for field in mapping.values()}
    drop = {"full_name"} if "last_name" in names else _PARTS if "full_name" in names else frozenset()
    return {place: field for place, field in sorted(mapping.items()) if field.name not in drop}
