"""What the template pages list."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from recare.base import db
from recare.compliance import clearance

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One template in one channel and language."""

    slug: str
    channel: str
    language: str
    name: str
    newest: int
    message_class: str
    approved: int | None
    approved_by: str
    approved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Shelf:
    """All templates of one slug."""

    slug: str
    lines: tuple[Line, ...]


def shelves(practice_id: int) -> list[Shelf]:
    """Return every template by slug, channel and language, in one statement."""
    found = db.rows(
        Line,
        "SELECT t.slug, t.channel, t.language, t.name, n.number AS newest, n.message_class, a.number AS approved, "
        "coalesce(a.approved_by, '') AS approved_by, a.approved_at FROM template t "
        "JOIN LATERAL (SELECT number, message_class FROM template_version v WHERE v.practice_id = t.practice_id AND v.template_id = t.id "
        "  ORDER BY number DESC LIMIT 1) n ON true "
        "LEFT JOIN LATERAL (SELECT number, approved_by, approved_at FROM template_version v WHERE v.practice_id = t.practice_id "
        "  AND v.template_id = t.id AND v.approved_at IS NOT NULL ORDER BY number DESC LIMIT 1) a ON true "
        "WHERE t.practice_id = %(practice)s ORDER BY t.slug, t.channel, t.language",
        practice=practice_id,
    )
    return [Shelf(slug, tuple(lines)) for slug, lines in groupby(found, key=lambda line: line.slug)]


def fields(channel: str) -> list[clearance.Field]:
    """Return the merge fields that a recall on this channel may use."""
    rank = ("open", "limited", "health")
    most = rank.index(clearance.ceiling(channel, "R"))
    return [field for field in clearance.CATALOGUE.values() if rank.index(field.clearance) <= most]
