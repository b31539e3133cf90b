"""The behaviour rates as a checked model: every value with its unit, its source, and whether it is an assumption."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Generic, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

Channel = Literal["sms", "email", "call", "letter", "portal"]
Band = Literal["active", "overdue", "lapsed", "long_lapsed", "never"]
Intent = Literal["question", "not_now", "call_me", "other_dentist", "moved", "angry", "deceased", "unclear"]
CallEnd = Literal["call_later", "declined", "other_dentist", "do_not_call", "angry"]
Door = Literal["link", "reply", "phone"]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(ge=0, le=10)]
T = TypeVar("T")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rate(_Strict, Generic[T]):
    """One input of the rehearsal. ``source`` says where the value comes from ("none" is allowed only for an assumption)."""

    value: T
    unit: str = Field(min_length=3)
    source: str = Field(min_length=3)
    assumption: bool

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        if self.source == "none" and not self.assumption:
            raise ValueError('A rate without a source is an assumption: write "assumption: true".')
        return self


class Rates(_Strict):
    """All rates of ``rates.yaml``; the comments on meaning stand there."""

    unprompted_return_90d: Rate[dict[Band, Annotated[float, Field(ge=0, lt=1)]]]
    frailty_shape: Rate[Annotated[float, Field(gt=0.05)]]
    season: Rate[dict[Annotated[int, Field(ge=1, le=12)], Factor]]
    risk_ratio: Rate[dict[Channel, Annotated[float, Field(ge=1, le=10)]]]
    voicemail_risk_ratio: Rate[Annotated[float, Field(ge=1, le=10)]]
    effect_days: Rate[Annotated[int, Field(ge=1, le=180)]]
    free_touches: Rate[Annotated[int, Field(ge=0)]]
    fatigue: Rate[Share]
    offer_factor: Rate[Factor]
    template_sd: Rate[Factor]
    answered_within_a_day: Rate[Share]
    later_answer_days: Rate[Annotated[float, Field(gt=0)]]
    door: Rate[dict[Channel, dict[Door, Share]]]
    own_return_by_link: Rate[Share]
    idle_click: Rate[dict[Channel, Share]]
    opt_out: Rate[dict[Channel, Share]]
    opt_out_growth: Rate[Annotated[float, Field(ge=1)]]
    spam_complaint: Rate[Share]
    chatter: Rate[dict[Intent, Share]]
    number_lost: Rate[dict[Annotated[int, Field(ge=0)], Share]]
    number_lost_to_stranger: Rate[Share]
    stranger_says_wrong_number: Rate[Share]
    stranger_says_stop: Rate[Share]
    not_textable: Rate[Share]
    email_hard_bounce: Rate[Share]
    email_lost_per_year: Rate[Share]
    email_soft_bounce: Rate[Share]
    letter_returned: Rate[Share]
    call_answered: Rate[Share]
    call_voicemail: Rate[Share]
    call_outcomes: Rate[dict[CallEnd, Share]]
    no_show: Rate[dict[Annotated[int, Field(ge=0)], Share]]
    no_show_after_misses: Rate[Factor]
    reminder_no_show_ratio: Rate[Share]
    wished_lead_days: Rate[Annotated[float, Field(gt=0)]]
    signed_consent: Rate[dict[Literal["sms", "email"], Share]]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if set(self.season.value) != set(range(1, 13)):
            raise ValueError("season: name every month from 1 to 12.")
        if len(self.unprompted_return_90d.value) != 5 or len(self.risk_ratio.value) != 5 or len(self.door.value) != 5:
            raise ValueError("unprompted_return_90d, risk_ratio and door: name all five bands or channels.")
        if any(abs(sum(shares.values()) - 1) > 1e-9 for shares in self.door.value.values()):
            raise ValueError("door: the shares of each channel must add up to 1.")
        if 0 not in self.no_show.value or 0 not in self.number_lost.value:
            raise ValueError("no_show and number_lost: the table must begin at 0.")
        return self

    def without_effect(self) -> Rates:
        """Return the same rates with every contact powerless: the check that a report does not see effects where none are."""
        changed = {
            "risk_ratio": self.risk_ratio.model_copy(update={"value": dict.fromkeys(self.risk_ratio.value, 1.0)}),
            "voicemail_risk_ratio": self.voicemail_risk_ratio.model_copy(update={"value": 1.0}),
        }
        return self.model_copy(update=changed)

    def listed(self) -> list[tuple[str, str, str, str, bool]]:
        """Return (name, value, unit, source, assumption) of every rate, for the page that lists a rehearsal's inputs."""
        rates = [(name, getattr(self, name)) for name in type(self).model_fields]
        return [(name, str(rate.value), rate.unit, rate.source, rate.assumption) for name, rate in rates]


@cache
def rates() -> Rates:
    """Return the shipped rates; raises pydantic's error, naming the place, when the file was edited wrongly."""
    return read_rates(Path(__file__).with_name("rates.yaml"))


def read_rates(path: Path) -> Rates:
    """Return the rates of a file in the form of ``rates.yaml``."""
    return Rates.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


class Replies(BaseModel):
    """What patients write, by intent and language."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    texts: dict[str, dict[Literal["en", "es"], Annotated[list[str], Field(min_length=3)]]]


@cache
def reply_texts() -> Replies:
    """Return the shipped texts of ``replies.yaml``."""
    path = Path(__file__).with_name("replies.yaml")
    return Replies.model_validate({"texts": yaml.safe_load(path.read_text(encoding="utf-8"))})
