"""A person's own sign-in: their password, and their second factor. Whoever is signed in reaches it, whatever their role."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages as toasts
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.password_validation import validate_password
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from recare.accounts import attempts, second_factor, totp
from recare.accounts.models import Staff
from recare.accounts.second_factor import FactorError
from recare.accounts.views import CodeForm, tried
from recare.base import audit, db, secret_box
from recare.base.secret_box import SecretError
from recare.base.visitor import address_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_KEY: Final = "new_factor"
"""In a session: the encrypted key of a second factor that is being set up; it counts once its app has shown a code."""


class PasswordForm(forms.Form):
    """The password now, and the next one."""

    current = forms.CharField(
        label="Password now", max_length=200, strip=False, widget=forms.PasswordInput({"autocomplete": "current-password"})
    )  # fmt: skip
    new = forms.CharField(
        label="New password", max_length=200, strip=False, widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text="At least 12 characters. Signs you out everywhere else.",
    )  # fmt: skip

    def __init__(self, staff: Staff, *args: Any) -> None:
        super().__init__(*args)
        self._staff = staff

    def clean_current(self) -> str:
        """Refuse whoever only found a computer open."""
        if not self._staff.check_password(self.cleaned_data["current"]):
            raise forms.ValidationError("That is not your password.")
        return str(self.cleaned_data["current"])

    def clean_new(self) -> str:
        """Hold it to the same rules as the first one."""
        validate_password(self.cleaned_data["new"])
        return str(self.cleaned_data["new"])


@never_cache
@login_required
def sign_in_of_mine(request: HttpRequest) -> HttpResponse:
    """Show password and second factor; for who has none, the key to set one up with."""
    return _page(request)


def _page(
    request: HttpRequest, *, code: CodeForm | None = None, password: PasswordForm | None = None, codes: tuple[str, ...] = ()
) -> HttpResponse:  # fmt: skip
    me = _me(request)
    factor = second_factor.of(me.pk)
    context: dict[str, Any] = {
        "me": me, "factor": factor, "form": code or CodeForm(), "password": password or PasswordForm(me), "codes": codes,
        "asked_for": "asked" in request.GET,
    }  # fmt: skip
    if factor is None:
        key = _pending(request)
        context |= {
            "key": " ".join(key[at : at + 4] for at in range(0, len(key), 4)),
            "picture": totp.picture(key, me.email),
        }
        context["form"].fields["code"].help_text = "The six digits that the app shows."
    return render(request, "accounts/own.html", context, status=422 if code or password else 200)


def _me(request: HttpRequest) -> Staff:
    return Staff.objects.get(pk=request.user.pk or 0)


def _pending(request: HttpRequest) -> str:
    """Return the key that is being set up in this session, made once so that a reload does not spoil what the app has read."""
    try:
        return secret_box.decrypt(request.session[_KEY].encode(), second_factor.PURPOSE)
    except (KeyError, SecretError):
        key = totp.new_key()
        request.session[_KEY] = secret_box.encrypt(key, second_factor.PURPOSE).decode()
        return key


@never_cache
@require_POST
@login_required
def set_up(request: HttpRequest) -> HttpResponse:
    """Keep the second factor whose app shows the right code, and show the recovery codes this once."""
    form = CodeForm(request.POST)
    if form.is_valid():
        try:
            codes = second_factor.enrol(
                _me(request).pk, _pending(request), form.cleaned_data["code"], datetime.now(UTC)
            )
        except FactorError as error:
            form.add_error("code", str(error))
        else:
            del request.session[_KEY]
            request.session.cycle_key()
            request.session[second_factor.SESSION] = True
            return _page(request, codes=tuple(codes))
    return _page(request, code=form)


@never_cache
@require_POST
@login_required
def change(request: HttpRequest) -> HttpResponse:
    """With a code: make new recovery codes, or remove the second factor to set up another telephone."""
    form, now, me = CodeForm(request.POST), datetime.now(UTC), _me(request)
    if not form.is_valid():
        return _page(request, code=form)
    if wrong := tried(request, me.pk, form.cleaned_data["code"], now):
        form.add_error("code", wrong)
        return _page(request, code=form)
    if request.POST.get("what") == "remove":
        second_factor.remove(me.pk, f"staff:{me.pk}", now)
        request.session.pop(second_factor.SESSION, None)
        toasts.warning(request, "Your second factor is removed. Set up the next one now.")
        return redirect("accounts:own")
    request.session[second_factor.SESSION] = True
    return _page(request, codes=tuple(second_factor.new_codes(me.pk, now)))


@never_cache
@sensitive_post_parameters("current", "new")
@require_POST
@login_required
def password(request: HttpRequest) -> HttpResponse:
    """Change one's own password; every other session of this person ends."""
    me, now = _me(request), datetime.now(UTC)
    form = PasswordForm(me, request.POST)
    key, place = attempts.keys(f"password of {me.pk}", address_of(request))
    if attempts.blocked(key, place, now):
        form.add_error(None, "Too many tries. Wait a quarter of an hour.")
    elif "current" in form.errors:
        attempts.failed([key, place], now)
    if not form.is_valid():
        return _page(request, password=form)
    me.set_password(form.cleaned_data["new"])
    me.save(update_fields=["password"])
    update_session_auth_hash(request, me)
    with db.scope(audit.INSTALLATION):
        audit.record(audit.INSTALLATION, f"staff:{me.pk}", "changed a password", f"staff:{me.pk}", now)
    toasts.success(request, "Your password is changed.")
    return redirect("accounts:own")
