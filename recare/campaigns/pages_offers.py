"""Offers: their terms, who approved them, and whether every group of people heard of them alike."""

from __future__ import annotations

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from recare.campaigns import offers
from recare.campaigns.forms import OfferForm, of_offer
from recare.campaigns.offers import Offer, OfferError
from recare.campaigns.views import EDITORS
from recare.practices.access import EVERYBODY, StaffRequest, staff


def _found(request: StaffRequest, slug: str) -> Offer:
    offer = offers.by_slug(request.practice.id).get(slug)
    if offer is None:
        raise Http404("There is no such offer.")
    return offer


@staff(*EVERYBODY)
def every(request: StaffRequest) -> HttpResponse:
    """List all offers."""
    context = {"offers": offers.by_slug(request.practice.id).values(), "may_edit": request.role in EDITORS}
    return render(request, "campaigns/offers.html", context)


@staff(*EVERYBODY)
def detail(request: StaffRequest, slug: str) -> HttpResponse:
    """Show the terms of one offer and who heard of it."""
    return _page(request, _found(request, slug), [])


def _page(request: StaffRequest, offer: Offer, problems: list[str], status: int = 200) -> HttpResponse:
    context = {
        "offer": offer, "problems": problems, "may_edit": request.role in EDITORS, "told": offers.told(request.practice.id, offer.slug),
        "missing": [] if offer.approved_at else offers.problems_of(offer, request.now),
        "parity": offers.parity(request.practice.id, offer.slug), "over": offer.ends_at is not None and offer.ends_at <= request.now,
    }  # fmt: skip
    return render(request, "campaigns/offer.html", context, status=status)


@staff(*EDITORS)
def edit(request: StaffRequest, slug: str = "") -> HttpResponse:
    """Write down an offer, or change one that nobody has been told."""
    initial = of_offer(_found(request, slug), request.practice) if slug else {}
    form, problems, status = OfferForm(request.POST or None, initial=initial), [], 200
    form.fields["slug"].disabled = bool(slug)  # patients' links and playbooks know it by this name
    if request.method == "POST":
        status = 422
        if form.is_valid():
            name = slug or form.cleaned_data["slug"]
            if not slug and name in offers.by_slug(request.practice.id):
                problems = [f"There is an offer '{name}' already. Choose another short name, or change that one."]
            else:
                try:
                    offers.save(request.practice.id, name, form.terms(request.practice), request.staff, request.now)
                except OfferError as error:
                    problems = error.problems
                else:
                    toasts.success(request, "Saved. It is told to nobody before it is approved.")
                    return redirect("campaigns:offer", name)
    return render(
        request, "campaigns/offer_edit.html", {"form": form, "slug": slug, "problems": problems}, status=status
    )


@require_POST
@staff(*EDITORS)
def approve(request: StaffRequest, slug: str) -> HttpResponse:
    """Approve an offer under a name."""
    offer = _found(request, slug)
    try:
        offers.approve(request.practice.id, slug, request.staff, request.now)
    except OfferError as error:
        return _page(request, offer, error.problems, status=409)
    toasts.success(request, "Approved. Campaigns may tell patients now.")
    return redirect("campaigns:offer", slug)


@require_POST
@staff(*EDITORS)
def withdraw(request: StaffRequest, slug: str) -> HttpResponse:
    """Stop making an offer."""
    _found(request, slug)
    if offers.withdraw(request.practice.id, slug, request.staff, request.now):
        toasts.warning(request, "Withdrawn. Nobody new is told; whoever was told keeps it until its last day.")
    return redirect("campaigns:offer", slug)
