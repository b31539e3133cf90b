"""Segments: the list with counts and reach, one segment in words, and the editor that counts as you write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from recare.base import audit
from recare.practices.access import StaffRequest, staff
from recare.segments import bands as band_definitions
from recare.segments import reach, segment
from recare.segments.fields import FIELDS
from recare.segments.forms import SegmentForm, UnreadableError, read, written
from recare.segments.predicate import in_words

if TYPE_CHECKING:
    from datetime import date

    from recare.segments.bands import Bands
    from recare.segments.segment import Count, Segment

READERS: Final = ("owner", "manager", "front_desk", "clinician", "auditor")
EDITORS: Final = ("owner", "manager")
_TAKEN: Final = frozenset({"", "new", "count"})  # addresses of pages
_NEW_TEXT: Final = (
    "all:\n  - contactable: {is: true}\n  - last_visit: {before: 12 months ago}\n  - next_visit: {known: false}\n"
)


def _today(request: StaffRequest) -> date:
    return request.now.astimezone(request.practice.zone).date()


def _bands(request: StaffRequest) -> Bands:
    return band_definitions.of_practice(request.practice.policy)


def _ready_made() -> set[str]:
    return {each.slug for each in segment.ready_made()}


@staff(*READERS)
def every(request: StaffRequest) -> HttpResponse:
    """List the practice's segments with how many they hold; the look is on the audit trail."""
    segment.install(request.practice.id, request.now)
    found, shipped = segment.every(request.practice.id), _ready_made()
    counts, counted = reach.look(request.practice, found, request.now)
    lines = list(zip(found, counts, strict=True))
    audit.record(request.practice.id, request.staff, "viewed a list", "segments", request.now, {"segments": len(found)})
    context = {
        "own": [(each, ways(count)) for each, count in lines if each.slug not in shipped],
        "ready_made": [(each, ways(count)) for each, count in lines if each.slug in shipped], "may_edit": request.role in EDITORS,
        "counted": counted,
    }  # fmt: skip
    return render(request, "segments/list.html", context)


def ways(count: Count) -> list[str]:
    """Return a count as a page shows it: total, text, e-mail, call, letter."""
    return [f"{number:,}" for number in (count.total, count.sms, count.email, count.call, count.letter)]


def _found(request: StaffRequest, slug: str) -> Segment:
    row = segment.get(request.practice.id, slug)
    if row is None:
        raise Http404("There is no such segment.")
    return row


@staff(*READERS)
def detail(request: StaffRequest, slug: str) -> HttpResponse:
    """Show one segment in words, counted, with the editor for those who may change it."""
    row = _found(request, slug)
    form = SegmentForm(
        _bands(request), initial={"name": row.name, "description": row.description, "text": written(row.predicate)}
    )
    return _page(request, row, form)


def _page(request: StaffRequest, row: Segment, form: SegmentForm, status: int = 200) -> HttpResponse:
    predicate, bands = segment.predicate_of(row), band_definitions.get(row.bands)
    [count], counted = reach.look(request.practice, [row], request.now)
    audit.record(
        request.practice.id,
        request.staff,
        "viewed a segment",
        f"segment:{row.slug}",
        request.now,
        {"patients": count.total},
    )
    context = {
        "segment": row, "words": in_words(predicate.root, _today(request)), "bands": bands, "count": ways(count), "total": count.total,
        "counted": counted,
    }  # fmt: skip
    return render(request, "segments/detail.html", context | _editor(request, form), status=status)


def _editor(request: StaffRequest, form: SegmentForm) -> dict[str, Any]:
    definition = _bands(request)
    return {
        "form": form,
        "may_edit": request.role in EDITORS,
        "fields": FIELDS.values(),
        "band_names": definition.names,
    }


@staff(*EDITORS)
def new(request: StaffRequest) -> HttpResponse:
    """Write a segment of one's own."""
    form = SegmentForm(_bands(request), request.POST or None, initial={"text": _NEW_TEXT})
    if request.method == "POST" and form.is_valid():
        slug = _slug(form.cleaned_data["name"])
        if segment.get(request.practice.id, slug) is None:
            return _save(request, slug, form)
        form.add_error("name", "There is a segment of this name already. Choose another, or change that one.")
    return render(request, "segments/new.html", _editor(request, form), status=422 if form.errors else 200)


@require_POST
@staff(*EDITORS)
def save(request: StaffRequest, slug: str) -> HttpResponse:
    """Save the next version; campaigns that run keep the version they froze."""
    row, form = _found(request, slug), SegmentForm(_bands(request), request.POST)
    return _save(request, row.slug, form) if form.is_valid() else _page(request, row, form, status=422)


def _save(request: StaffRequest, slug: str, form: SegmentForm) -> HttpResponse:
    known = form.cleaned_data
    before = segment.get(request.practice.id, slug)
    row = segment.save(
        request.practice.id, slug, known["name"], form.predicate.data, now=request.now, actor=request.staff, description=known["description"],
        bands=_bands(request),
    )  # fmt: skip
    if before is not None and before.version == row.version:
        toasts.success(request, "Nothing was different.")
    else:
        audit.record(
            request.practice.id,
            request.staff,
            "saved a segment",
            f"segment:{slug}",
            request.now,
            {"version": row.version},
        )
        toasts.success(request, f"Saved as version {row.version}. Campaigns that run keep the version they began with.")
    return redirect("segments:detail", slug)


def _slug(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60]
    return f"{plain or 'a'}_segment" if plain in _TAKEN else plain


@require_POST
@staff(*EDITORS)
def count_text(request: StaffRequest) -> HttpResponse:
    """Count what the editor holds at this moment, or say where it is wrong."""
    bands = _bands(request)
    try:
        predicate = read(request.POST.get("text", ""), bands)
    except UnreadableError as error:
        return render(request, "segments/counted.html", {"problem": str(error)})
    [count] = reach.counts(request.practice, [(predicate, bands)], _today(request))
    return render(
        request, "segments/counted.html", {"count": ways(count), "words": in_words(predicate.root, _today(request))}
    )
