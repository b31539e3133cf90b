"""One practice: who it is to its patients, and what time it is there."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from recare.base import db


@dataclass(frozen=True, slots=True)
class Practice:
    """A row of ``practice``. ``clock_at`` is set only for a rehearsal, whose time is virtual."""

    id: int
    group_id: int | None
    slug: str
    name: str
    legal_name: str
    tz: str
    phone: str
    email: str
    street: str
    city: str
    state: str
    zip: str
    country: str
    policy: dict[str, Any]
    salt: str
    held_at: datetime | None
    is_rehearsal: bool
    clock_at: datetime | None
    export_limit: int
    second_factor_roles: list[str] | None

    @property
    def zone(self) -> ZoneInfo:
        """The practice's own time zone."""
        return ZoneInfo(self.tz)

    @property
    def postal_address(self) -> str:
        """Street, city, state and ZIP on one line, as a commercial e-mail must carry it (EML-01); empty when incomplete."""
        parts = [self.street, self.city, f"{self.state} {self.zip}".strip()]
        return ", ".join(parts) if all(parts) else ""


_COLUMNS = (
    "id, group_id, slug, name, legal_name, tz, phone, email, street, city, state, zip, country, policy, salt, held_at, "
    "is_rehearsal, clock_at, export_limit, second_factor_roles"
)


def get(practice_id: int) -> Practice:
    """Return a practice. Raises LookupError when there is none with this id."""
    found = db.one(Practice, f"SELECT {_COLUMNS} FROM practice WHERE id = %(id)s", id=practice_id)
    if found is None:
        raise LookupError(f"There is no practice {practice_id}.")
    return found


def by_slug(slug: str) -> Practice | None:
    """Return the practice called ``slug`` on the command line and in addresses, or None."""
    return db.one(Practice, f"SELECT {_COLUMNS} FROM practice WHERE slug = %(slug)s", slug=slug)


class NoPracticeError(LookupError):
    """A sentence for whoever named a practice that is not there."""


def named(slug: str) -> Practice:
    """Return the practice called ``slug``. Raises NoPracticeError with a sentence that lists the ones there are."""
    found = by_slug(slug)
    if found is None:
        known = ", ".join(db.values("SELECT slug FROM practice ORDER BY slug LIMIT 20")) or "none yet"
        raise NoPracticeError(f"There is no practice '{slug}'. Known practices: {known}.")
    return found


def create(slug: str, name: str, tz: str, **more: Any) -> Practice:
    """Add a practice; ``more`` are further columns. Raises ValueError for a name over 40 characters, KeyError for an unknown time zone."""
    if len(name) > 40:
        raise ValueError("The practice's name must fit a text message: 40 characters at most.")
    ZoneInfo(tz)
    fields = {"slug": slug, "name": name, "tz": tz, "legal_name": name, "salt": secrets.token_hex(16)} | more
    if "policy" in fields:
        fields["policy"] = db.json(fields["policy"])
    names, places = ", ".join(fields), ", ".join(f"%({name})s" for name in fields)
    return get(db.value(f"INSERT INTO practice ({names}) VALUES ({places}) RETURNING id", **fields))


def clock(practice: Practice) -> datetime:
    """Return what time it is for this practice: the virtual time of a rehearsal, else the real one. Only edges call this."""
    return practice.clock_at or datetime.now(UTC)


def set_clock(practice_id: int, at: datetime) -> None:
    """Move the virtual clock of a rehearsal forward. Raises ValueError for a real practice."""
    moved = db.run("UPDATE practice SET clock_at = %(at)s WHERE id = %(id)s AND is_rehearsal", at=at, id=practice_id)
    if not moved:
        raise ValueError("Only a rehearsal has a clock of its own.")


def every() -> list[Practice]:
    """Return all practices of the installation, in order of their ids."""
    return db.rows(Practice, f"SELECT {_COLUMNS} FROM practice ORDER BY id")
