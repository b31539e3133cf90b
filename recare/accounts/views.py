"""Sign in and out: password, then the second factor of whoever has one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from django import forms
from django.contrib.auth import authenticate, login, logout
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from recare.accounts import attempts, second_factor
from recare.accounts.models import Staff
from recare.base import audit, db
from recare.base.secret_box import SecretError
from recare.base.visitor import address_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_HALF_IN: Final = "half_in"
"""In a session: who has given the right password and when (seconds since 1970); the second factor is still to come."""
_HALF_IN_SECONDS: Final = 600


class SignInForm(forms.Form):
    """Address and password."""

    email = forms.CharField(
        max_length=254, label="E-mail address", widget=forms.EmailInput({"autocomplete": "username"})
    )
    password = forms.CharField(
        max_length=200, widget=forms.PasswordInput({"autocomplete": "current-password"}), strip=False
    )


class CodeForm(forms.Form):
    """A code of the app, or one from paper."""

    code = forms.CharField(
        max_length=40, label="Code", widget=forms.TextInput({"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}),
        help_text="The six digits that your app shows now, or one of your recovery codes.",
    )  # fmt: skip


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Show the form; sign in with the right password, at most a few tries a quarter of an hour."""
    if request.method == "GET":
        return render(request, "accounts/sign_in.html", {"form": SignInForm(), "next": request.GET.get("next", "")})
    form, now = SignInForm(request.POST), datetime.now(UTC)
    if form.is_valid():
        account, address = attempts.keys(form.cleaned_data["email"], address_of(request))
        if attempts.blocked(account, address, now):
            form.add_error(
                None, "Too many tries. Wait a quarter of an hour, or ask whoever runs Recare for a new password."
            )
        elif (
            user := authenticate(request, username=form.cleaned_data["email"], password=form.cleaned_data["password"])
        ) is None:
            attempts.failed([account, address], now)
            form.add_error(None, "That address and password do not belong together. Check both and try again.")
        else:
            attempts.forget(account)
            return _password_given(request, user.pk, now)
    return render(request, "accounts/sign_in.html", {"form": form, "next": request.POST.get("next", "")}, status=422)


def _password_given(request: HttpRequest, staff_id: int, now: datetime) -> HttpResponse:
    """Let in who has no second factor; ask the others for it."""
    if second_factor.of(staff_id) is None:
        return _let_in(request, staff_id, now, with_factor=False)
    logout(request)  # whoever was in before in this browser is out
    request.session[_HALF_IN] = [staff_id, time.time(), request.POST.get("next", "")]
    return redirect("accounts:code")


def _let_in(request: HttpRequest, staff_id: int, now: datetime, *, with_factor: bool) -> HttpResponse:
    target = _target(request)
    login(request, Staff.objects.get(pk=staff_id, is_active=True))
    request.session.pop(_HALF_IN, None)
    if with_factor:
        request.session[second_factor.SESSION] = True
    with db.scope(audit.INSTALLATION):
        detail = {"second_factor": with_factor}
        audit.record(audit.INSTALLATION, f"staff:{staff_id}", "signed in", f"staff:{staff_id}", now, detail)
    return redirect(target)


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """Ask who has given the right password for the second factor; as few tries as for the password."""
    staff_id, since, _ = request.session.get(_HALF_IN, (0, 0.0, ""))
    if time.time() - since > _HALF_IN_SECONDS:
        request.session.pop(_HALF_IN, None)
        return redirect("accounts:sign-in")
    if request.method == "GET":
        return render(request, "accounts/code.html", {"form": CodeForm()})
    form, now = CodeForm(request.POST), datetime.now(UTC)
    if form.is_valid():
        wrong = tried(request, staff_id, form.cleaned_data["code"], now)
        if not wrong:
            return _let_in(request, staff_id, now, with_factor=True)
        form.add_error("code", wrong)
    return render(request, "accounts/code.html", {"form": form}, status=422)


def tried(request: HttpRequest, staff_id: int, said: str, now: datetime) -> str:
    """Try a second factor and count the failures; return what is wrong in a sentence, '' when it was right."""
    key, address = attempts.keys(f"second factor of {staff_id}", address_of(request))
    if attempts.blocked(key, address, now):
        return "Too many tries. Wait a quarter of an hour."
    try:
        right = second_factor.shown(staff_id, said, now)
    except SecretError:
        return "Codes of apps cannot be checked on this installation at the moment. Use a recovery code, or ask whoever runs Recare."
    if right:
        attempts.forget(key)
        return ""
    attempts.failed([key, address], now)
    with db.scope(audit.INSTALLATION):
        audit.record(audit.INSTALLATION, f"staff:{staff_id}", "gave a wrong second factor", f"staff:{staff_id}", now)
    return (
        "That code does not fit, or it was used already. Wait for the next one; your telephone's clock has to be right."
    )


def _target(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "") or request.session.get(_HALF_IN, ("", 0, ""))[2]
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if safe else "/"


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("accounts:sign-in")
