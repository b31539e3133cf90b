"""Whether this process answers and reaches its database: for a load balancer or a watchdog."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from recare.base import db


def health(_request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database answers."""
    db.value("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")
