"""Exports that wait for whoever looks at Today: to be decided about, or to be fetched."""

from __future__ import annotations

from typing import Any

from django import template

from recare.practices import exports
from recare.practices.exports import Who

register = template.Library()


@register.inclusion_tag("web/exports_today.html", takes_context=True)
def exports_today(context: dict[str, Any]) -> dict[str, Any]:
    """Show what concerns this person; nothing, and no question to the database, for a role that may not export."""
    request = context["request"]
    if request.role not in exports.ROLES:
        return {"exports": []}
    found = exports.concerning(request.practice.id, Who(request.staff, request.role), request.now)
    return {"exports": [(one, one.state(request.now)) for one in found], "practice": request.practice}
