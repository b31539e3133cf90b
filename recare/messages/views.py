"""Templates: the list, the editor with what a patient would see beside it, approval; and a campaign's first messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, ParamSpec, cast

from csp.decorators import csp_update
from django.contrib import messages as toasts
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from recare.base import audit
from recare.campaigns import pages_launch
from recare.campaigns.campaign import CannotPublishError
from recare.campaigns.playbook import PlaybookError
from recare.campaigns.views import EDITORS, LOOKERS
from recare.messages import pages_templates, templates
from recare.messages import preview as previews
from recare.messages.forms import CHANNELS, CLASSES, LANGUAGES, NewTemplateForm, TemplateForm
from recare.messages.templates import Draft, TemplateRefused, Version
from recare.practices.access import EVERYBODY, StaffRequest, staff

if TYPE_CHECKING:
    from recare.compliance.finding import Finding

KINDS: Final = dict(CLASSES)
P = ParamSpec("P")
_own_styles: Final[Any] = csp_update({"style-src": ["'self'", "'unsafe-inline'"]})


def framing(view: Callable[P, HttpResponseBase]) -> Callable[P, HttpResponse]:
    """Allow an e-mail's own styles: its frame has no scripts and no origin, but takes the rules of the page around it."""
    return cast("Callable[P, HttpResponse]", _own_styles(view))


@staff(*EVERYBODY)
def every(request: StaffRequest) -> HttpResponse:
    """List all templates with their newest and their approved version."""
    context = {
        "shelves": pages_templates.shelves(request.practice.id),
        "may_edit": request.role in EDITORS,
        "form": NewTemplateForm(),
    }
    return render(request, "messages/templates.html", context)


@require_POST
@staff(*EDITORS)
def new(request: StaffRequest) -> HttpResponse:
    """Go to the editor of a template that may not exist yet."""
    form = NewTemplateForm(request.POST)
    if form.is_valid():
        return redirect("messages:template", *(form.cleaned_data[name] for name in ("slug", "channel", "language")))
    context = {"shelves": pages_templates.shelves(request.practice.id), "may_edit": True, "form": form}
    return render(request, "messages/templates.html", context, status=422)


@framing
@staff(*EVERYBODY)
def template(request: StaffRequest, slug: str, channel: str, language: str) -> HttpResponse:
    """Show the newest version of a template for editing; save the next one."""
    if channel not in dict(CHANNELS) or language not in dict(LANGUAGES):
        raise Http404("There is no such channel or language.")
    found = templates.history(request.practice.id, slug, channel, language)
    may_edit = request.role in EDITORS
    if not found and not may_edit:
        raise Http404("There is no such template.")
    if request.method != "POST":
        start = _initial(found[0]) if found else {"message_class": "R"}
        return _editor(request, (slug, channel, language), TemplateForm(initial=start, channel=channel), found)
    if not may_edit:
        return HttpResponse("Only an owner or manager saves templates.", status=403)
    form = TemplateForm(request.POST, channel=channel)
    if not form.is_valid():
        return _editor(request, (slug, channel, language), form, found, status=422)
    try:
        saved = templates.save_version(
            request.practice.id, _draft(slug, channel, language, form), request.staff, request.now
        )
    except TemplateRefused:
        toasts.error(request, "Not saved. Mend what is marked below first.")
        return _editor(request, (slug, channel, language), form, found, status=422)
    toasts.success(request, f"Version {saved.number} is saved. It is used once somebody approves it.")
    return redirect("messages:template", slug, channel, language)


def _initial(version: Version) -> dict[str, Any]:
    return {
        name: getattr(version, name) for name in ("name", "message_class", "subject", "body", "mjml", "reply_question")
    }


def _draft(slug: str, channel: str, language: str, form: TemplateForm) -> Draft:
    data = form.cleaned_data
    return Draft(
        slug, cast("Any", channel), data["body"].replace("\r\n", "\n"), data["message_class"], language, data["name"], data.get("subject", ""),
        data.get("mjml", "").replace("\r\n", "\n"), data.get("reply_question", ""),
    )  # fmt: skip


def _editor(
    request: StaffRequest, key: tuple[str, str, str], form: TemplateForm, found: list[Version], status: int = 200
) -> HttpResponse:
    slug, channel, language = key
    drawn = None
    if form.is_bound and form.is_valid():
        drawn = previews.draw(
            request.practice, _draft(slug, channel, language, form), form.cleaned_data["person"] or "usual", request.now
        )
    elif found and not form.is_bound:
        drawn = previews.draw(request.practice, found[0].draft, "usual", request.now)
    newest = found[0] if found else None
    context = {
        "slug": slug, "channel": channel, "channel_words": dict(CHANNELS)[channel], "language": language,
        "language_words": dict(LANGUAGES)[language], "form": form, "history": found, "newest": newest, "drawn": drawn,
        "may_edit": request.role in EDITORS, "kind": KINDS.get(drawn.message_class, "") if drawn else "",
        "warned": newest is not None and any(finding["severity"] == "W" for finding in newest.findings),
        "declared": form["message_class"].value(), "fields": pages_templates.fields(channel),
    }  # fmt: skip
    return render(request, "messages/template.html", context, status=status)


@framing
@require_POST
@staff(*EVERYBODY)
def preview(request: StaffRequest) -> HttpResponse:
    """Answer the editor as somebody types: the text on a sample person, what is wrong with it, what it costs."""
    channel, language = request.POST.get("channel", ""), request.POST.get("language", "")
    if channel not in dict(CHANNELS) or language not in dict(LANGUAGES):
        raise Http404("There is no such channel or language.")
    form = TemplateForm(request.POST, channel=channel)
    drawn = None
    if form.is_valid():
        draft = _draft(request.POST.get("slug", "")[:60], channel, language, form)
        drawn = previews.draw(request.practice, draft, form.cleaned_data["person"] or "usual", request.now)
    context = {
        "drawn": drawn, "channel": channel, "declared": form.data.get("message_class", ""), "kind": KINDS.get(drawn.message_class, "") if drawn else "",
    }  # fmt: skip
    return render(request, "messages/drawn.html", context)


@require_POST
@staff(*EDITORS)
def approve(request: StaffRequest, version_id: int) -> HttpResponse:
    """Approve a version under a name; warnings need the approver's own tick."""
    try:
        version = templates.version(request.practice.id, version_id)
    except LookupError as error:
        raise Http404(str(error)) from error
    here = ("messages:template", version.slug, version.channel, version.language)
    checked = templates.check(version.draft, request.practice)
    warnings = [finding for finding in checked.findings if finding.severity == "W"]
    if warnings and request.POST.get("seen") != "yes":
        toasts.error(request, "Not approved. Read the warnings and tick that you have, then approve.")
        return redirect(*here)
    try:
        templates.approve(request.practice.id, version.id, request.staff, request.now)
    except TemplateRefused as refused:
        toasts.error(request, f"Not approved. {_first(refused.findings)}")
        return redirect(*here)
    if warnings:
        detail = {"rules": sorted({finding.rule for finding in warnings})}
        audit.record(
            request.practice.id,
            request.staff,
            "template.warnings_accepted",
            f"template_version:{version.id}",
            request.now,
            detail,
        )
    toasts.success(
        request, f"Version {version.number} is approved. The next launch uses it; campaigns that run keep their own."
    )
    return redirect(*here)


def _first(findings: tuple[Finding, ...]) -> str:
    return f"{findings[0].what} ({findings[0].where})" if findings else ""


@require_POST
@staff(*LOOKERS)
def samples(request: StaffRequest, campaign_id: int) -> HttpResponse:
    """Show the first messages of a rehearsed campaign, written for the patients whom the rehearsal named."""
    try:
        shown = pages_launch.unseal(request.practice.id, request.POST.get("token", ""))
        if shown.campaign_id != campaign_id:
            raise LookupError("That was another campaign.")  # noqa: TRY301
        found = previews.first_messages(request.practice, campaign_id, shown.patients, request.now)
    except LookupError as error:
        raise Http404(str(error)) from error
    except (CannotPublishError, PlaybookError) as error:
        return render(request, "messages/samples.html", {"problem": " ".join(error.problems)})
    except ValueError as error:
        return render(request, "messages/samples.html", {"problem": str(error)})
    return render(request, "messages/samples.html", {"samples": [(one, dict(CHANNELS)[one.channel]) for one in found]})
