"""A published version, read back: the playbook with the templates and offers it froze."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recare.base import db
from recare.campaigns import playbook

if TYPE_CHECKING:
    from collections.abc import Collection

    from recare.campaigns.playbook import Playbook


@dataclass(frozen=True, slots=True)
class Template:
    """The approved template version a step uses, in one language."""

    version_id: int
    message_class: str
    names_person: bool


@dataclass(frozen=True, slots=True)
class Version:
    """One frozen version of a campaign."""

    id: int
    campaign_id: int
    playbook: Playbook
    templates: dict[tuple[str, str, str], Template]

    def template(self, slug: str, channel: str, language: str) -> Template | None:
        """Return the template in the patient's language, else in English, else in whatever language there is."""
        for wanted in (language.split("-", maxsplit=1)[0], "en"):
            found = self.templates.get((slug, channel, wanted))
            if found is not None:
                return found
        return next((t for (s, c, _), t in self.templates.items() if (s, c) == (slug, channel)), None)


# Fields that say who the message is for (NUM-02).
_NAMING = {"greeting_name", "first_name", "last_name", "preferred_name", "next_visit", "visit_day"}


def read(version_id: int, campaign_id: int, spec: dict[str, Any]) -> Version:
    """Read a frozen spec. Raises PlaybookError when it was made by a release this one cannot read."""
    templates = {
        (row["slug"], row["channel"], row["language"]): Template(
            row["version_id"], row["message_class"], bool(_NAMING.intersection(row["fields"]))
        )
        for row in spec["templates"]
    }
    return Version(version_id, campaign_id, playbook.parse(spec["playbook"]), templates)


class Shelf:
    """Versions by id, fetched in one query and read on first use: one that cannot be read spoils only its own enrolments."""

    def __init__(self, practice_id: int, ids: Collection[int]) -> None:
        sql = "SELECT id, campaign_id, spec FROM campaign_version WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])"
        self._rows = {row[0]: row for row in db.tuples(sql, practice=practice_id, ids=list(ids))}
        self._read: dict[int, Version] = {}

    def __getitem__(self, version_id: int) -> Version:
        """Return a version. Raises LookupError, or what reading it raises."""
        if version_id not in self._read:
            self._read[version_id] = read(*self._rows[version_id])
        return self._read[version_id]
