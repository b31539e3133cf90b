"""From a segment to a campaign: choose a playbook, and get a draft that asks for this segment."""

from __future__ import annotations

import re
from typing import Final

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from recare.campaigns import campaign as campaigns
from recare.campaigns import playbook
from recare.practices.access import StaffRequest, staff
from recare.segments import segment as segments

_SEGMENT: Final = re.compile(r"^segment:.*(?:\n[ \t]+.*)*$", re.MULTILINE)


@staff("owner", "manager")
def segment_campaign(request: StaffRequest, slug: str) -> HttpResponse:
    """Show the playbooks; take one and make the draft."""
    row = segments.get(request.practice.id, slug)
    if row is None:
        raise Http404("There is no such segment.")
    shipped = playbook.shipped()
    if request.method == "POST":
        text = shipped.get(request.POST.get("playbook", ""))
        if text is None:
            raise Http404("There is no such playbook.")
        plan = _SEGMENT.sub(f"segment: {row.slug}", text, count=1)
        name = f"{playbook.read(plan).name}: {row.name}"[:80]
        made = campaigns.create(request.practice.id, name, plan, request.staff, request.now)
        toasts.success(request, "A draft is made. Nobody is contacted before you launch it.")
        return redirect("campaigns:detail", made)
    plans = [(key, playbook.read(text)) for key, text in shipped.items()]
    return render(request, "web/segment_campaign.html", {"segment": row, "plans": plans})
