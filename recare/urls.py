"""Every address of Recare. Staff pages pass ``practices.access.staff``; patients' own links start with /p/."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

_ROOMS = (
    "accounts", "practices", "patients", "consent", "sources", "segments", "campaigns", "messages", "calls", "inbox", "bookings",
    "portal", "reports", "rehearsal", "web",
)  # fmt: skip

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include(f"recare.{room}.urls")) for room in _ROOMS if find_spec(f"recare.{room}.urls")
]
