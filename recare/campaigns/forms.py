"""What staff type about campaigns and offers."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from django import forms

from recare.segments.predicate import PredicateError, parse

if TYPE_CHECKING:
    from recare.campaigns.offers import Offer
    from recare.practices.practice import Practice


class NewCampaignForm(forms.Form):
    """A name, and the playbook to begin with."""

    playbook = forms.CharField(max_length=60, widget=forms.HiddenInput)
    name = forms.CharField(max_length=80, min_length=3)


class PlaybookForm(forms.Form):
    """The plan as YAML."""

    text = forms.CharField(
        label="Playbook", max_length=40_000, strip=False,
        widget=forms.Textarea({"class": "code", "spellcheck": "false", "autocomplete": "off"}),
        help_text="Who, why, which steps, when to stop. Everything is checked when you save.",
    )  # fmt: skip


_PAYERS = ("commercial", "self_pay", "membership", "medicare", "medicaid", "chip", "tricare")


def _dollars(help_text: str, label: str | None = None) -> forms.DecimalField:
    return forms.DecimalField(
        min_value=0, max_digits=9, decimal_places=2, required=False, help_text=help_text, label=label
    )


class _RuleField(forms.JSONField):
    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


_GROUPS = (
    (
        "What",
        (
            "slug",
            "what",
            "regular_fee",
            "price",
            "value",
            "cash_like",
            "starts_on",
            "ends_on",
            "exclusions",
            "extra_fees",
        ),
    ),
    ("Who", ("who", "payer_classes", "states", "predicate")),
    ("The law", ("license_name", "license_number", "waives_copay", "is_referral_reward", "counsel_note")),
)


class OfferForm(forms.Form):
    """The terms of an offer, all of them on one page."""

    slug = forms.RegexField(
        r"^[a-z][a-z0-9_]*$", max_length=60, label="Short name", help_text="As playbooks call it, such as welcome_back.",
        error_messages={"invalid": "Small letters, digits and underscores, beginning with a letter."},
    )  # fmt: skip
    what = forms.CharField(max_length=120, help_text="What the patient gets, in a few words.")
    regular_fee = _dollars("Dollars. What everybody else pays.")
    price = _dollars("Dollars. Leave empty for a gift.")
    value = _dollars("Dollars. Leave empty for a price.", "Value of a gift")
    cash_like = forms.BooleanField(required=False, label="It is money or as good as money, such as a gift card")
    starts_on = forms.DateField(required=False, label="First day", widget=forms.DateInput({"type": "date"}))
    ends_on = forms.DateField(
        required=False, label="Last day", widget=forms.DateInput({"type": "date"}),
        help_text="A last day that a patient was told stays the last day.",
    )  # fmt: skip
    who = forms.CharField(max_length=200, required=False, label="Who qualifies", help_text="In words for the patient.")
    predicate = _RuleField(
        required=False, label="Who qualifies, as a rule", widget=forms.Textarea({"class": "mono", "rows": 3, "spellcheck": "false"}),
        help_text="The language of segments, as JSON. Empty: everybody whom payer and state allow.",
    )  # fmt: skip
    payer_classes = forms.MultipleChoiceField(
        required=False, choices=[(payer, payer.replace("_", " ")) for payer in _PAYERS], label="Only for these payers",
        widget=forms.CheckboxSelectMultiple, help_text="None ticked: every payer that the law allows.",
    )  # fmt: skip
    states = forms.CharField(
        max_length=200, required=False, help_text="Two letters each, such as IL WI. Empty: every state."
    )
    exclusions = forms.CharField(max_length=300, required=False, help_text="Who or what is left out.")
    extra_fees = forms.CharField(max_length=300, required=False, help_text="What may be charged besides.")
    license_name = forms.CharField(max_length=120, required=False, label="Name on the dental licence")
    license_number = forms.CharField(max_length=60, required=False, label="Number of the dental licence")
    waives_copay = forms.BooleanField(required=False, label="It waives a copay or deductible")
    is_referral_reward = forms.BooleanField(required=False, label="It rewards bringing somebody else")
    counsel_note = forms.CharField(max_length=300, required=False, label="What your lawyer said, with the date")

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the fields as the page groups them."""
        return [(title, [self[name] for name in names]) for title, names in _GROUPS]

    def clean_predicate(self) -> Any:
        """Refuse a rule that cannot be read."""
        data = self.cleaned_data["predicate"]
        if data is not None:
            try:
                parse(data)
            except PredicateError as error:
                raise forms.ValidationError(f"This rule cannot be read: {error}") from error
        return data

    def clean_states(self) -> list[str]:
        """Keep capitals."""
        found = str(self.cleaned_data["states"]).replace(",", " ").upper().split()
        if any(len(state) != 2 for state in found):
            raise forms.ValidationError("Write states with two letters each, such as IL WI.")
        return found

    def terms(self, practice: Practice) -> dict[str, Any]:
        """Return the terms as offers keep them: cents, and the last instant of the last day where the practice is."""
        data = dict(self.cleaned_data)
        del data["slug"]
        for name, column in (("regular_fee", "regular_fee_cents"), ("price", "price_cents"), ("value", "value_cents")):
            amount = data.pop(name)
            data[column] = None if amount is None else int(amount * 100)
        last = data.pop("ends_on")
        data["ends_at"] = last and datetime.combine(last, time(23, 59, 59), practice.zone)
        return data


def of_offer(offer: Offer, practice: Practice) -> dict[str, Any]:
    """Return an offer as its form shows it."""
    plain = {
        name: getattr(offer, name)
        for name in OfferForm.base_fields
        if name not in {"regular_fee", "price", "value", "ends_on", "states"}
    }
    return plain | {
        "regular_fee": _in_dollars(offer.regular_fee_cents), "price": _in_dollars(offer.price_cents),
        "value": _in_dollars(offer.value_cents), "states": " ".join(offer.states),
        "ends_on": offer.ends_at.astimezone(practice.zone).date() if offer.ends_at else None,
    }  # fmt: skip


def _in_dollars(cents: int | None) -> str | None:
    return None if cents is None else f"{cents / 100:.2f}"
