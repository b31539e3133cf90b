"""Automatic sign-out: clinic computers are shared (SEC-03)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import logout

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

_SEEN = "seen_at"
_WRITE_EVERY = 30  # seconds; a session row is not rewritten for every request


class IdleSignOut:
    """Signs out a session that was idle for longer than ``SESSION_IDLE_SECONDS``; the next request meets the sign-in page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Check the session's age before anything else looks at it."""
        if request.user.is_authenticated:
            at = time.time()
            seen = float(request.session.get(_SEEN, at))
            if at - seen >= settings.SESSION_IDLE_SECONDS:
                logout(request)
            elif at - seen >= _WRITE_EVERY or _SEEN not in request.session:
                request.session[_SEEN] = at
        return self.get_response(request)
