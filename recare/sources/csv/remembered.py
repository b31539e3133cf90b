"""What the headers of an export mean, and what people of the practice have said about such headers before."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.sources.csv import fields
from recare.sources.csv.dates import Order
from recare.sources.csv.fields import Field, Kind, normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

UNUSED: Final = ""
_ALIKE: Final = 0.5  # share of headers in common from which a layout is the same export, changed


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person has said about one column. ``field``: None nothing, '' not to be used; ``order``: '' nothing."""

    field: str | None = None
    order: str = ""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A row of ``import_layout``: headers the practice has exported, and the choices made for them, by header."""

    signature: str
    kind: str
    headers: list[str]
    choices: dict[str, dict[str, Any]]
    chosen_by: str
    chosen_at: datetime | None
    imported_at: datetime | None


@dataclass(slots=True)
class Meaning:
    """What a row of headers means: a kind of file, column -> field, and what people have chosen about it."""

    kind: Kind
    mapping: dict[int, Field]
    orders: dict[int, Order] = field(default_factory=dict)
    how: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def labels(headers: Sequence[str]) -> tuple[str, ...]:
    """Return each header only once: a second "Phone" is "Phone (2)", an empty one is named after its place."""
    seen: Counter[str] = Counter()
    found = []
    for place, header in enumerate(headers, 1):
        seen[header.lower()] += 1
        count = seen[header.lower()]
        found.append(f"(column {place})" if not header else header if count == 1 else f"{header} ({count})")
    return tuple(found)


def signature(headers: Sequence[str]) -> str:
    """Return what is the same for every export with these headers in this order."""
    return hashlib.sha256("|".join(map(normalise, headers)).encode()).hexdigest()[:32]


def load(practice_id: int) -> list[Remembered]:
    """Return the layouts a practice has imported or chosen, the newest first."""
    return db.rows(
        Remembered,
        "SELECT signature, kind, headers, choices, chosen_by, chosen_at, imported_at FROM import_layout WHERE practice_id = %(practice)s "
        "ORDER BY greatest(chosen_at, imported_at) DESC NULLS LAST, signature LIMIT 200",
        practice=practice_id,
    )


def meaning(headers: Sequence[str], filename: str, past: Sequence[Remembered]) -> Meaning | None:
    """Return what a row of headers means, or None when it names no columns of any kind of file.

    What a person has chosen for these very headers holds. For headers that resemble an earlier export's, the choices for those that are
    still there hold, and what has changed is said.
    """
    own = signature(headers)
    exact = next((one for one in past if one.signature == own), None)
    if exact is not None and (kind := fields.kind_named(exact.kind)):
        found = Meaning(kind, fields.understood(kind, list(map(normalise, headers))))
        _choose(found, headers, exact)
        return found
    recognised = fields.recognise(list(headers), filename)
    if recognised is None:
        return None
    found = Meaning(*recognised)
    if before := _resembling(headers, found.kind, past):
        _choose(found, headers, before)
        found.notes = (_changed(headers, before),)
    return found


def _resembling(headers: Sequence[str], kind: Kind, past: Sequence[Remembered]) -> Remembered | None:
    mine = set(labels(headers))
    shares = [
        (len(mine & set(one.headers)) / len(mine | set(one.headers)), -place, one)
        for place, one in enumerate(past)
        if one.kind == kind.name
    ]
    best = max(shares, key=lambda share: share[:2], default=None)
    return best[2] if best and best[0] >= _ALIKE else None


def _changed(headers: Sequence[str], before: Remembered) -> str:
    now, then = labels(headers), before.headers
    new = [f"“{label}”" for label in now if label not in then]
    gone = [f"“{label}”" for label in then if label not in now]
    when = before.imported_at or before.chosen_at
    since = f" of {when:%d %b %Y}".replace(" of 0", " of ") if when else ""
    parts = [f"new: {', '.join(new)}" if new else "", f"no longer there: {', '.join(gone)}" if gone else ""]
    said = "; ".join(filter(None, parts)) or "they stand in another order"
    return f"The columns have changed since the export{since}. {said[0].upper()}{said[1:]}."


def _choose(found: Meaning, headers: Sequence[str], said: Remembered) -> None:
    """Let the choices for headers that are there count, before what the headers alone would mean."""
    places = {label: place for place, label in enumerate(labels(headers))}
    because = f"chosen by {said.chosen_by}" + (f" on {said.chosen_at:%Y-%m-%d}" if said.chosen_at else "")
    for label, choice in said.choices.items():
        if (place := places.get(label)) is None:
            continue
        if (name := choice.get("field")) is not None:
            _set(found, place, name, because)
        if (order := choice.get("order")) in set(Order):
            found.orders[place] = Order(order)
    found.mapping = fields.without_clash(found.mapping)


def _set(found: Meaning, place: int, name: str, because: str) -> None:
    if name == UNUSED:
        found.mapping.pop(place, None)
        found.how[place] = because
    elif wanted := found.kind.by_name.get(name):
        for other in [where for where, field in found.mapping.items() if field.name == name]:
            del found.mapping[other]
        found.mapping[place] = wanted
        found.how[place] = because


def keep(
    practice_id: int, headers: Sequence[str], kind: str, choices: dict[str, Choice], actor: str, now: datetime
) -> None:
    """Remember what a person has said about these headers. Without any choice, what was said before is forgotten."""
    said = {
        label: {"field": choice.field, "order": choice.order}
        for label, choice in choices.items()
        if choice.field is not None or choice.order
    }
    db.run(
        "INSERT INTO import_layout (practice_id, signature, kind, headers, choices, chosen_by, chosen_at) VALUES (%(practice)s, %(signature)s, "
        "%(kind)s, %(headers)s, %(choices)s, %(actor)s, %(now)s) ON CONFLICT (practice_id, signature) DO UPDATE SET kind = EXCLUDED.kind, "
        "choices = EXCLUDED.choices, chosen_by = EXCLUDED.chosen_by, chosen_at = EXCLUDED.chosen_at",
        practice=practice_id, signature=signature(headers), kind=kind, headers=db.json(labels(headers)), choices=db.json(said),
        actor=actor, now=now,
    )  # fmt: skip


def forget(practice_id: int, headers: Sequence[str]) -> None:
    """Forget what people have said about these headers."""
    db.run(
        "DELETE FROM import_layout WHERE practice_id = %(practice)s AND signature = %(signature)s",
        practice=practice_id,
        signature=signature(headers),
    )


def imported(practice_id: int, headers: Sequence[str], kind: str, now: datetime) -> None:
    """Note that a file with these headers has been imported, so that a later change of them is seen.

    Choices that were made for headers like these go with them.
    """
    before = None
    past = load(practice_id)
    if all(one.signature != signature(headers) for one in past) and (known := fields.kind_named(kind)):
        before = _resembling(headers, known, past)
    there = set(labels(headers))
    kept = {label: said for label, said in before.choices.items() if label in there} if before else {}
    db.run(
        "INSERT INTO import_layout (practice_id, signature, kind, headers, choices, chosen_by, chosen_at, imported_at) VALUES (%(practice)s, "
        "%(signature)s, %(kind)s, %(headers)s, %(choices)s, %(by)s, %(at)s, %(now)s) ON CONFLICT (practice_id, signature) DO UPDATE SET "
        "imported_at = EXCLUDED.imported_at",
        practice=practice_id, signature=signature(headers), kind=kind, headers=db.json(labels(headers)), choices=db.json(kept), now=now,
        by=before.chosen_by if before and kept else "", at=before.chosen_at if before and kept else None,
    )  # fmt: skip
