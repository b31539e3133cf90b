"""What a person enters about a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms

from recare.calls.outcomes import OUTCOMES

if TYPE_CHECKING:
    from recare.inbox.threads import Holder

_ENDS = (
    ("left_message", "left a message"), ("no_answer", "no answer"), ("booked", "booked"), ("not_interested", "not interested"),
    ("do_not_call", "wants no calls"), ("wrong_number", "wrong number"), ("angry", "is angry: the owner rings"), ("moved", "has moved away"),
    ("new_dentist", "has another dentist"), ("deceased", "has died"),
)  # fmt: skip
assert {end for end, _ in _ENDS} <= set(OUTCOMES)  # noqa: S101  (read once, at import)


class _AboutForm(forms.Form):
    """A form about one of the people who are reached here."""

    patient = forms.TypedChoiceField(coerce=int, label="About")

    def __init__(self, about: list[Holder], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.TypedChoiceField", self.fields["patient"])
        field.choices = [(holder.id, holder.name) for holder in about]
        if len(about) == 1:
            field.widget, field.initial = forms.HiddenInput(), about[0].id

    field_order = ("patient",)


class ReplyForm(_AboutForm):
    """An answer in one's own words."""

    text = forms.CharField(
        max_length=600, label="Answer", widget=forms.Textarea({"rows": 3, "class": "short"}),
        help_text="Nothing about their health: anybody may see the screen of a phone. It goes out at once.",
    )  # fmt: skip
    go_on = forms.BooleanField(required=False, label="That settles it: automation may go on")


class CallForm(_AboutForm):
    """A call made from here; it counts like every other (FRQ-01)."""

    outcome = forms.ChoiceField(choices=_ENDS, label="How it ended")
    note = forms.CharField(max_length=1000, required=False, widget=forms.TextInput)
