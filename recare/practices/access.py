"""The door of every staff page: signed in, a role in this practice, and a transaction that sees only its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from recare.accounts import second_factor
from recare.base import db
from recare.practices.practice import Practice, clock, get
from recare.practices.staff import ROLES

if TYPE_CHECKING:
    from datetime import datetime

P = ParamSpec("P")
EVERYBODY: Final = ROLES
CHOSEN: Final = "practice_id"


@dataclass(frozen=True, slots=True)
class Membership:
    """What one person may do in one practice."""

    practice_id: int
    practice_name: str
    role: str
    needs_factor: bool = False
    """Whether the practice asks this role for a second factor."""


class StaffRequest(HttpRequest):
    """A request that has passed the door."""

    practice: Practice
    role: str
    staff: str
    """Who acts, as it is written into records: their e-mail address."""
    now: datetime
    memberships: list[Membership]


StaffView = Callable[Concatenate[StaffRequest, P], HttpResponseBase]
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def staff(*roles: str) -> Callable[[StaffView[P]], View[P]]:
    """Let in only signed-in people whose role in the chosen practice is one of ``roles`` (none named: every role)."""
    allowed = frozenset(roles or EVERYBODY)

    def decorate(view: StaffView[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_sign_in(request)
            found = memberships(request.user.pk)
            here = _chosen(request, found)
            if here is None or here.role not in allowed:
                return _refused(request, here, allowed)
            if here.needs_factor and not request.session.get(second_factor.SESSION):
                return _to_second_factor(request)
            with db.scope(here.practice_id):
                return view(_let_in(request, here, found), *args, **kwargs)

        guarded.roles = allowed  # type: ignore[attr-defined]
        return guarded

    return decorate


def memberships(staff_id: int) -> list[Membership]:
    """Return the practices a person works for, by name."""
    return db.rows(
        Membership,
        "SELECT m.practice_id, p.name AS practice_name, m.role, "
        "coalesce(m.role = ANY(p.second_factor_roles), NOT p.is_rehearsal) AS needs_factor "
        "FROM membership m JOIN practice p ON p.id = m.practice_id "
        "WHERE m.staff_id = %(staff)s AND m.ended_at IS NULL ORDER BY p.name, p.id",
        staff=staff_id,
    )


def _chosen(request: HttpRequest, found: Iterable[Membership]) -> Membership | None:
    by_id = {membership.practice_id: membership for membership in found}
    return by_id.get(request.session.get(CHOSEN, 0)) or next(iter(by_id.values()), None)


def _let_in(request: HttpRequest, here: Membership, found: list[Membership]) -> StaffRequest:
    known: Any = request
    known.practice, known.role, known.memberships = get(here.practice_id), here.role, found
    known.staff, known.now = request.user.get_username(), clock(known.practice)
    return known  # type: ignore[no-any-return]


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    target = f"{settings.LOGIN_URL}?{urlencode({'next': request.get_full_path()})}"
    if request.headers.get("HX-Request"):  # an expired session inside a partial must not nest the sign-in page
        return HttpResponse(status=401, headers={"HX-Redirect": target})
    return redirect(target)


def _to_second_factor(request: HttpRequest) -> HttpResponse:
    """Who has none sets one up; who has one signs in anew, for this session began before it was set up."""
    if second_factor.of(request.user.pk or 0) is not None:
        logout(request)
        return _to_sign_in(request)
    target = f"{reverse('accounts:own')}?asked=1"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=401, headers={"HX-Redirect": target})
    return redirect(target)


def _refused(request: HttpRequest, here: Membership | None, allowed: frozenset[str]) -> HttpResponse:
    return render(request, "practices/refused.html", {"here": here, "allowed": sorted(allowed)}, status=403)


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Give templates the practice, the role and the clock of a request that has passed the door."""
    if not hasattr(request, "practice"):
        return {}
    known: Any = request
    return {"practice": known.practice, "role": known.role, "now": known.now, "memberships": known.memberships}
