"""Settings: the practice, its people, its chairs, and the switch that stops everything."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from django.contrib import messages as toasts
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from recare.base import db
from recare.practices import change
from recare.practices import staff as people
from recare.practices.access import StaffRequest, staff
from recare.practices.forms import OutreachForm, PersonForm, PracticeForm, SecurityForm

PERSON_IDS = "person_%s"  # two forms on one page: each e-mail field keeps its own label


@dataclass(frozen=True, slots=True)
class Chair:
    """An operatory as the settings page shows it."""

    name: str
    is_hygiene: bool
    bookable: bool
    provider: str


def _chairs(practice_id: int) -> list[Chair]:
    return db.rows(
        Chair,
        "SELECT o.name, o.is_hygiene, o.bookable, coalesce(p.name, '') AS provider FROM operatory o "
        "LEFT JOIN provider p ON p.practice_id = o.practice_id AND p.id = o.provider_id "
        "WHERE o.practice_id = %(practice)s ORDER BY o.position, o.name",
        practice=practice_id,
    )


def _page(
    request: StaffRequest,
    *,
    practice: PracticeForm | None = None,
    person: PersonForm | None = None,
    security: SecurityForm | None = None,
    outreach: OutreachForm | None = None,
) -> HttpResponse:
    """Show the page; with a form that was filled in wrongly, as an error."""
    here = request.practice
    roles = change.factor_roles_of(here)
    status = 422 if practice or person or security or outreach else 200
    context = {
        "form": practice or PracticeForm(initial=asdict(here)),
        "person": person or PersonForm(auto_id=PERSON_IDS),
        "security": security or SecurityForm(initial={"export_limit": here.export_limit, "factor_roles": roles}),
        "outreach": outreach
        or OutreachForm(
            initial=here.policy.get("booking", {})
            | {"standing_percent": round(100 * here.policy.get("standing_hold_out", 0))}
        ),
        "unsecured": [role.replace("_", " ") for role in people.ROLES if role not in roles],
        "people": people.everybody(request.practice.id),
        "chairs": _chairs(request.practice.id),
    }
    return render(request, "practices/settings.html", context, status=status)


@staff("owner", "manager")
def settings(request: StaffRequest) -> HttpResponse:
    """Show the settings; save the practice's own."""
    if request.method != "POST":
        return _page(request)
    form = PracticeForm(request.POST)
    if not form.is_valid():
        return _page(request, practice=form)
    changed = change.update(request.practice, form.cleaned_data, request.staff, request.now)
    toasts.success(request, f"Saved: {', '.join(changed).replace('_', ' ')}." if changed else "Nothing was different.")
    return redirect("practices:settings")


@require_POST
@staff("owner", "manager")
def outreach(request: StaffRequest) -> HttpResponse:
    """Save how much of a day patients may fill online, and how many households no campaign contacts."""
    form = OutreachForm(request.POST)
    if not form.is_valid():
        return _page(request, outreach=form)
    said = form.cleaned_data
    changed = change.limit_online(
        request.practice, said["online_per_day"], said["online_per_hygiene_chair"], request.staff, request.now
    )
    held = change.leave_alone(request.practice, said["standing_percent"] or 0, request.staff, request.now)
    toasts.success(request, "Saved." if changed or held else "Nothing was different.")
    return redirect("practices:settings")


@require_POST
@staff("owner")
def add_person(request: StaffRequest) -> HttpResponse:
    """Give somebody a role here."""
    form = PersonForm(request.POST, auto_id=PERSON_IDS)
    if form.is_valid():
        try:
            people.create_user(
                form.cleaned_data["email"],
                form.cleaned_data["password"],
                form.cleaned_data["role"],
                request.practice.slug,
                request.now,
                request.staff,
            )
        except ValueError as error:
            form.add_error(None, str(error))
        else:
            toasts.success(request, "They can sign in now. Hand over the first password in person.")
            return redirect("practices:settings")
    return _page(request, person=form)


@require_POST
@staff("owner")
def remove_person(request: StaffRequest, membership_id: int) -> HttpResponse:
    """Take somebody's role here away."""
    try:
        people.end_membership(request.practice.id, membership_id, request.staff, request.now)
    except ValueError as error:
        toasts.error(request, str(error))
    return redirect("practices:settings")


@require_POST
@staff("owner")
def reset_factor(request: StaffRequest, membership_id: int) -> HttpResponse:
    """Take a lost second factor away; its person sets up another at the next sign-in."""
    try:
        if people.reset_factor(request.practice.id, membership_id, request.staff, request.now):
            toasts.success(
                request,
                "Their second factor is gone. Make sure that it is them who asked, and that they set up another.",
            )
        else:
            toasts.warning(request, "They have no second factor.")
    except ValueError as error:
        toasts.error(request, str(error))
    return redirect("practices:settings")


@require_POST
@staff("owner")
def security(request: StaffRequest) -> HttpResponse:
    """Save the limit of exports and who needs a second factor."""
    form = SecurityForm(request.POST)
    if not form.is_valid():
        return _page(request, security=form)
    known = form.cleaned_data
    changed = change.secure(request.practice, known["export_limit"], known["factor_roles"], request.staff, request.now)
    toasts.success(request, "Saved." if changed else "Nothing was different.")
    return redirect("practices:settings")


@require_POST
@staff()
def stop_switch(request: StaffRequest) -> HttpResponse:
    """Stop all sending of this practice, or allow it again (owner and manager only)."""
    if request.POST.get("on") == "yes":
        change.stop_everything(request.practice, request.staff, request.now)
        toasts.warning(request, "Nothing is being sent any more.")
    elif request.role in {"owner", "manager"}:
        change.go_on(request.practice, request.staff, request.now)
        toasts.success(request, "Sending is allowed again. Everything queued passes every check anew.")
    else:
        toasts.error(request, "Only the owner or a manager may allow sending again.")
    return redirect("practices:settings" if request.POST.get("next") == "/settings/" else "/")
