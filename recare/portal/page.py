"""The door of every patient's page: a link with a token, no sign-in, no cookie, no trace in other sites' logs.

The token is the whole authority, so a forged form of another site can do nothing without it and the pages need no CSRF cookie. (They
could not have one: with ``Referrer-Policy: no-referrer`` browsers send ``Origin: null``, which Django's check refuses.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt

from recare.accounts import attempts
from recare.base import db, phones, tokens
from recare.base.visitor import address_of
from recare.messages import links
from recare.portal.words import LANGUAGES, Language, language_of
from recare.practices import practice as practices

if TYPE_CHECKING:
    from recare.messages.links import LinkRow
    from recare.practices.practice import Practice

_BOOKING: Final = frozenset({"book", "manage", "preferences", "why", "offer"})
_WISHES: Final = frozenset({"preferences", "why"})
# What a link opens: one that never expires changes wishes, never visits.
OPENS: Final[dict[str, frozenset[str]]] = {
    "book": _BOOKING, "manage": _BOOKING, "offer": _BOOKING, "portal": _BOOKING | {"portal"},
    "preferences": _WISHES, "why": _WISHES, "unsubscribe": _WISHES | {"unsubscribe"},
}  # fmt: skip
HEADERS: Final = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}


@dataclass(frozen=True, slots=True)
class Person:
    """The patient a link belongs to; pages show no more than ``name``, the given name."""

    id: int
    name: str
    language: str
    birthdate: date | None
    may_book: bool
    """Whether the practice lets this patient book alone; who needs a word first is asked to call."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who has opened a page, by which link, in which language."""

    practice: Practice
    link: LinkRow
    token: str
    person: Person
    now: datetime
    language: Language
    switched: bool

    @property
    def today(self) -> date:
        """The practice's local day."""
        return self.now.astimezone(self.practice.zone).date()

    @property
    def phone(self) -> str:
        """The practice's number as people read it."""
        return phones.shown(self.practice.phone)

    @property
    def evidence(self) -> str:
        """What a record of a change points at."""
        return f"link:{self.link.id}"

    def url(self, page: str, part: str = "", language: str = "", **query: Any) -> str:
        """Return the address of another page of this link, in the language chosen."""
        if language or self.switched:
            query["lang"] = language or self.language
        path = f"/p/{page}/{self.token}" + (f"/{part}" if part else "")
        return path + (f"?{urlencode(query)}" if query else "")

    def opens(self, page: str) -> bool:
        """Whether this link opens a page."""
        return page in OPENS[self.link.purpose]


PatientView = Callable[[HttpRequest, Visitor], HttpResponse]


def patient_page(page: str, *methods: str) -> Callable[[PatientView], Callable[..., HttpResponse]]:
    """Open ``page`` to links that may, inside the practice's scope; tell everybody else kindly what to do."""

    def decorate(view: PatientView) -> Callable[..., HttpResponse]:
        @csrf_exempt
        @wraps(view)
        def guarded(request: HttpRequest, token: str) -> HttpResponse:
            allowed = methods or ("GET", "HEAD", "POST")
            response = HttpResponse(status=405) if request.method not in allowed else _open(request, page, token, view)
            for name, content in HEADERS.items():
                response.headers[name] = content
            return response

        guarded.patient_page = page  # type: ignore[attr-defined]
        return guarded

    return decorate


def _open(request: HttpRequest, page: str, token: str, view: PatientView) -> HttpResponse:
    link = links.resolve(token)
    if link is None:
        return closed(request, token)
    practice = practices.get(link.practice_id)
    now = practices.clock(practice)
    if link.expires_at is not None and link.expires_at <= now:
        return _expired(request, practice)
    if page not in OPENS[link.purpose]:
        return sorry(request, "unknown", 404)
    with db.scope(practice.id):
        person = _person(practice.id, link.patient_id)
        chosen = request.GET.get("lang", "")
        switched = chosen in LANGUAGES
        language = language_of(chosen if switched else "", person.language, _browser(request))
        return view(request, Visitor(practice, link, token, person, now, language, switched))


def _person(practice_id: int, patient_id: int) -> Person:
    """Read who the link is for; a chart merged into another one since is that other one."""
    found = db.one(
        Person,
        "SELECT p.id, coalesce(nullif(p.preferred_name, ''), p.first_name) AS name, p.language, p.birthdate, "
        "NOT p.cannot_schedule AND NOT p.premed AND p.hold = '' AND p.deceased_on IS NULL AND p.dismissed_on IS NULL "
        "AND p.status NOT IN ('deceased', 'deleted', 'non_patient') "
        "AND p.standing NOT IN ('dismissed', 'deceased', 'bad_debt', 'scheduling_restricted', 'disputed', 'gone') AS may_book "
        "FROM patient l JOIN patient p ON p.practice_id = l.practice_id AND p.id = CASE WHEN l.merged_into_id IS NULL THEN l.id ELSE l.merged_into_id END "
        "WHERE l.practice_id = %(practice)s AND l.id = %(patient)s",
        practice=practice_id, patient=patient_id,
    )  # fmt: skip
    if found is None:
        raise LookupError("The patient of a link is gone.")
    return found


def show(request: HttpRequest, v: Visitor, template: str, status: int = 200, **context: Any) -> HttpResponse:
    """Render one of the patient's pages."""
    context |= {"v": v, "language": v.language, "place": v.practice, "other": "en" if v.language == "es" else "es"}
    return render(request, f"portal/{template}.html", context, status=status)


def go(v: Visitor, page: str, part: str = "", **query: Any) -> HttpResponse:
    """Send the browser on after a form, so that reloading repeats nothing."""
    response = redirect(v.url(page, part, **query))
    response.status_code = 303
    return response


def closed(request: HttpRequest, token: str) -> HttpResponse:
    """Answer a token that opens nothing: revoked, or never ours. Guesses are counted by network address."""
    route = "SELECT practice_id FROM link_route WHERE token_hash = %(hash)s"
    practice_id = db.value(route, hash=tokens.hash_token(token))
    if practice_id is not None:
        return _expired(request, practices.get(practice_id))
    now, (key, _) = datetime.now(UTC), attempts.keys(f"link guess|{address_of(request)}", "")
    if attempts.blocked(b"", key, now):
        return sorry(request, "many", 429)
    attempts.failed([key], now)
    return sorry(request, "unknown", 404)


def _expired(request: HttpRequest, practice: Practice) -> HttpResponse:
    return sorry(request, "expired", 410, place=practice, phone=phones.shown(practice.phone))


def sorry(
    request: HttpRequest, what: str, status: int, language: Language | None = None, **context: Any
) -> HttpResponse:
    """Render a page that knows nothing of any patient."""
    context |= {"what": what, "language": language or language_of(request.GET.get("lang", ""), _browser(request))}
    return render(request, "portal/sorry.html", context, status=status)


def _browser(request: HttpRequest) -> str:
    return request.headers.get("Accept-Language", "")
