"""Where a request comes from, behind as many proxies as the installation says it has."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """Return the visitor's network address: the one our outermost proxy saw. What a visitor claims beyond that counts for nothing."""
    claimed = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    if settings.PROXIES and len(claimed) >= settings.PROXIES:
        return str(claimed[-settings.PROXIES])
    return str(request.META.get("REMOTE_ADDR", ""))
