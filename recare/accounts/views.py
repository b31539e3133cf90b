"""Sign in and out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django import forms
from django.contrib.auth import authenticate, login, logout
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from recare.accounts import attempts
from recare.base import audit, db
from recare.base.visitor import address_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


class SignInForm(forms.Form):
    """Address and password."""

    email = forms.CharField(
        max_length=254, label="E-mail address", widget=forms.EmailInput({"autocomplete": "username"})
    )
    password = forms.CharField(
        max_length=200, widget=forms.PasswordInput({"autocomplete": "current-password"}), strip=False
    )


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
            form.add_error(None, "Too many tries. Wait a quarter of an hour, or ask the owner for a new password.")
        elif (
            user := authenticate(request, username=form.cleaned_data["email"], password=form.cleaned_data["password"])
        ) is None:
            attempts.failed([account, address], now)
            form.add_error(None, "That address and password do not belong together. Check both and try again.")
        else:
            attempts.forget(account)
            login(request, user)
            _remember(user.pk, now)
            return redirect(_target(request))
    return render(request, "accounts/sign_in.html", {"form": form, "next": request.POST.get("next", "")}, status=422)


def _remember(staff_id: int, now: datetime) -> None:
    with db.scope(audit.INSTALLATION):
        audit.record(audit.INSTALLATION, f"staff:{staff_id}", "signed in", f"staff:{staff_id}", now)


def _target(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if safe else "/"


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("accounts:sign-in")
