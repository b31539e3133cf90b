"""The audit trail to read and search: who did what to which record, and when (SEC-05)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render

from recare.base import audit, db
from recare.practices.access import StaffRequest, staff

READERS: Final = ("owner", "auditor")
_PAGE: Final = 50
_PAGES: Final = {
    "patient": "/patients/{}/", "message": "/messages/{}/", "contact_point": "/inbox/{}/", "campaign": "/campaigns/{}/", "sender": "/settings/senders/{}/",
}  # fmt: skip
_OBJECT: Final = re.compile(r"^(\w+):(\d{1,18})$")


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; empty fields find everything. ``first`` and ``last`` are days in the practice's time."""

    actor: str = ""
    verb: str = ""
    about: str = ""
    first: date | None = None
    last: date | None = None
    before: int | None = None

    @property
    def query(self) -> dict[str, str]:
        """The search as an address has it, without the page."""
        said = {"actor": self.actor, "verb": self.verb, "object": self.about}
        days = {"from": self.first, "to": self.last}
        return {key: value for key, value in said.items() if value} | {
            key: str(day) for key, day in days.items() if day
        }


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as it is shown."""

    seq: int
    at: datetime
    actor: str
    verb: str
    object: str
    detail: dict[str, Any]

    @property
    def url(self) -> str:
        """The page of the record it is about, where there is one."""
        found = _OBJECT.match(self.object)
        return _PAGES[found[1]].format(found[2]) if found and found[1] in _PAGES else ""


@staff(*READERS)
def trail(request: StaffRequest) -> HttpResponse:
    """Show the trail, the newest first. Searching it is itself on the trail."""
    practice = request.practice
    search = _search(request)
    lines = find(practice.id, search, practice.tz, _PAGE)
    if search.query and search.before is None:
        audit.record(
            practice.id, request.staff, "searched the audit trail", "audit", request.now, {"shown": len(lines)}
        )
    more = urlencode(search.query | {"before": str(lines[-1].seq)}) if len(lines) == _PAGE else ""
    context = {
        "lines": lines, "search": search, "older": f"?{more}" if more else None, "verbs": _verbs(practice.id),
        "newer": f"?{urlencode(search.query)}" if search.before is not None else None,
    }  # fmt: skip
    return render(request, "web/audit.html", context)


def find(practice_id: int, search: Search, tz: str, limit: int) -> list[Line]:
    """Return entries that fit, the newest first; ``before`` is the number of the last entry of the page before (keyset)."""
    return db.rows(
        Line,
        "SELECT seq, at, actor, verb, object, detail FROM audit_entry WHERE practice_id = %(practice)s "
        "AND (%(before)s::bigint IS NULL OR seq < %(before)s) AND (%(actor)s = '' OR strpos(lower(actor), lower(%(actor)s)) > 0) "
        "AND (%(verb)s = '' OR strpos(lower(verb), lower(%(verb)s)) > 0) "
        "AND (%(about)s = '' OR object = %(about)s OR (%(about)s !~ ':' AND strpos(lower(object), lower(%(about)s)) > 0)) "
        "AND (%(first)s::date IS NULL OR at >= (%(first)s::date)::timestamp AT TIME ZONE %(tz)s) "
        "AND (%(last)s::date IS NULL OR at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(tz)s) ORDER BY seq DESC LIMIT %(limit)s",
        practice=practice_id, actor=search.actor, verb=search.verb, about=search.about, first=search.first, last=search.last,
        before=search.before, tz=tz, limit=limit,
    )  # fmt: skip


def _verbs(practice_id: int) -> list[str]:
    """What has been done lately, for the list of suggestions."""
    return db.values(
        "SELECT DISTINCT verb FROM (SELECT verb FROM audit_entry WHERE practice_id = %(practice)s ORDER BY seq DESC LIMIT 5000) AS late ORDER BY 1",
        practice=practice_id,
    )


def _search(request: StaffRequest) -> Search:
    said = {key: request.GET.get(key, "").replace("\x00", "").strip()[:80] for key in ("actor", "verb", "object")}
    before = request.GET.get("before", "")
    return Search(
        said["actor"], said["verb"], said["object"], _day(request.GET.get("from", "")), _day(request.GET.get("to", "")),
        int(before) if before.isdecimal() and len(before) < 19 else None,
    )  # fmt: skip


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1900 < found.year < 9999 else None
