"""What the owner may change about a practice and its people."""

from __future__ import annotations

from zoneinfo import ZoneInfo, available_timezones

from django import forms

from recare.base import phones
from recare.practices.change import LARGEST_EXPORT_LIMIT
from recare.practices.staff import ROLES


class PracticeForm(forms.Form):
    """How patients and laws know the practice."""

    name = forms.CharField(
        max_length=40, help_text="As patients know it; at most 40 characters, so that it fits a text message."
    )
    legal_name = forms.CharField(max_length=120, help_text="The entity that patients consent to.")
    phone = forms.CharField(max_length=30, help_text="Patients call back here; it stands in every text.")
    email = forms.EmailField(help_text="Where answers to e-mails go.")
    street = forms.CharField(max_length=120, help_text="A commercial e-mail must carry a postal address.")
    city = forms.CharField(max_length=80)
    state = forms.CharField(max_length=2, help_text="Two letters.")
    zip = forms.RegexField(
        r"^\d{5}(-\d{4})?$", max_length=10, label="ZIP", error_messages={"invalid": "A ZIP has five digits."}
    )
    tz = forms.CharField(max_length=60, label="Time zone", help_text="Such as America/Chicago.")

    def clean_phone(self) -> str:
        """Keep the number in E.164."""
        found = phones.parse(self.cleaned_data["phone"])
        if found is None:
            raise forms.ValidationError("That is no telephone number. Write it with its area code.")
        return found.e164

    def clean_tz(self) -> str:
        """Refuse a zone that does not exist."""
        if self.cleaned_data["tz"] not in available_timezones():
            raise forms.ValidationError("There is no such time zone. Try America/Chicago.")
        return str(ZoneInfo(self.cleaned_data["tz"]))

    def clean_state(self) -> str:
        """Keep capitals."""
        return str(self.cleaned_data["state"]).upper()


class SecurityForm(forms.Form):
    """What makes a stolen password or one person's bad day harmless."""

    export_limit = forms.IntegerField(
        label="People one person may export alone in 24 hours", min_value=1, max_value=LARGEST_EXPORT_LIMIT,
        help_text=f"Beyond it a second person approves. At most {LARGEST_EXPORT_LIMIT}.",
    )  # fmt: skip
    factor_roles = forms.MultipleChoiceField(
        label="Roles that sign in with a second factor", required=False, choices=[(role, role.replace("_", " ")) for role in ROLES],
        widget=forms.CheckboxSelectMultiple, help_text="All of them is recommended. Whoever has none yet sets one up at the next click.",
    )  # fmt: skip


class OutreachForm(forms.Form):
    """How much of a day patients may fill by themselves (empty: no limit), and how many households no campaign contacts."""

    online_per_day = forms.IntegerField(
        label="Visits booked online on one day", required=False, min_value=1, max_value=500,
        help_text="Of the whole practice. Patients only see fewer times; the front desk may always book more.",
    )  # fmt: skip
    online_per_hygiene_chair = forms.IntegerField(
        label="Of these in one hygiene chair", required=False, min_value=1, max_value=100,
        help_text="Keeps room in each hygiene column for the telephone.",
    )  # fmt: skip
    standing_percent = forms.IntegerField(
        label="Households left alone by all campaigns this year, in percent", required=False, min_value=0, max_value=10,
        help_text="Drawn by chance, once a year, so that Results can say what all campaigns together changed. 0: none. Treatment to be finished is never held back.",
    )  # fmt: skip


class PersonForm(forms.Form):
    """A sign-in for a colleague."""

    email = forms.EmailField(label="E-mail address")
    role = forms.ChoiceField(choices=[(role, role.replace("_", " ")) for role in ROLES if role != "group_admin"])
    password = forms.CharField(
        label="First password", min_length=12, widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text="At least 12 characters. Not needed for somebody who signs in already.", required=False,
    )  # fmt: skip
