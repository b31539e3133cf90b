"""What staff type on a patient's page."""

from __future__ import annotations

from typing import Any

from django import forms

from recare.consent.grant import Evidence
from recare.patients.standing import WORDS

_DATE = {"type": "date"}


class WhyForm(forms.Form):
    """A reason, in a few words without health information."""

    why = forms.CharField(max_length=200, error_messages={"required": "Say why in a few words."})


class GrantForm(forms.Form):
    """A yes, with what shows it (CON-01 to CON-05)."""

    channel = forms.ChoiceField(choices=[("sms", "Texts"), ("email", "E-mail"), ("call", "Calls")])
    level = forms.TypedChoiceField(
        label="What they agreed to", coerce=int, choices=[(2, "Reminders and recall (C2)"), (3, "Offers too, in writing and signed (C3)")],
    )  # fmt: skip
    method = forms.ChoiceField(
        label="How",
        choices=[("paper", "On paper"), ("verbal", "Said so, on a recorded line"), ("front_desk", "At the front desk")],
    )
    evidence_ref = forms.CharField(
        label="Where the proof is", max_length=200, help_text="The scan, the recording or the signed form, such as 'scan 2027-0114'.",
        error_messages={"required": "Name the scan, the recording or the form that shows this."},
    )  # fmt: skip
    exact_text = forms.CharField(
        label="The words they agreed to", max_length=2000, required=False, widget=forms.Textarea({"rows": 3}),
        help_text="Copy them from the form. For offers it must also be signed, name this practice, and say that consent is no condition of treatment.",
    )  # fmt: skip
    language = forms.ChoiceField(choices=[("en", "English"), ("es", "Español")])
    signature = forms.CharField(label="Signed by", max_length=120, required=False)
    given_on = forms.DateField(
        label="Given on", required=False, widget=forms.DateInput(_DATE), help_text="Empty: today."
    )
    seller_named = forms.BooleanField(label="The text names this practice", required=False)
    not_condition_of_purchase = forms.BooleanField(
        label="It says that consent is no condition of treatment", required=False
    )
    frequency_disclosed = forms.BooleanField(label="It says how often", required=False)
    msg_rates_disclosed = forms.BooleanField(label="It says that message and data rates may apply", required=False)

    def evidence(self, patient_id: int, actor: str, given_at: Any) -> Evidence:
        """Return what the ledger keeps."""
        clean = {
            name: value for name, value in self.cleaned_data.items() if name not in {"channel", "level", "given_on"}
        }
        return Evidence(**clean, person_id=patient_id, actor=actor, effective_at=given_at)


class StandingForm(forms.Form):
    """Where a patient stands, by a person's word."""

    word = forms.ChoiceField(
        label="They are", required=False, choices=[*WORDS.items()], error_messages={"invalid_choice": "Choose one of the list."},
    )  # fmt: skip
    why = forms.CharField(max_length=200, required=False, help_text="Needed to take a dismissal or a death back.")


class DismissForm(forms.Form):
    """A dismissal with its written notice (PAT-02)."""

    notice_on = forms.DateField(label="Notice sent on", widget=forms.DateInput(_DATE))
    ends_on = forms.DateField(
        label="Care ends on", widget=forms.DateInput(_DATE), help_text="Usually 30 days or more after the notice; emergencies are treated until then.",
    )  # fmt: skip
    letter_ref = forms.CharField(label="Where the letter is kept", max_length=200)


class PauseForm(forms.Form):
    """A pause until a day; empty ends it."""

    until = forms.DateField(required=False, widget=forms.DateInput(_DATE))
