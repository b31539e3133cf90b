"""Which practice a member of staff looks at."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from recare.practices.access import CHOSEN, memberships


@require_POST
@login_required
def choose_practice(request: HttpRequest) -> HttpResponse:
    """Switch to one of the person's own practices; anything else changes nothing."""
    wanted = request.POST.get("practice", "")
    for membership in memberships(request.user.pk or 0):
        if str(membership.practice_id) == wanted:
            request.session[CHOSEN] = membership.practice_id
    return redirect("/")
