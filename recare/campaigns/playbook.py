"""A playbook: the whole plan of a campaign in YAML. Who, why, which steps, when to stop, and who is left untouched to compare with.

A ladder with exits, not a free graph: a step waits, checks its condition, writes by the first channel that may be used, and the
patient leaves as soon as a stop rule holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from recare.campaigns.problems import ProblemsError

FOLDER: Final = Path(__file__).parent / "playbooks"

Channel = Literal["sms", "email", "call", "letter", "portal"]
Condition = Literal["no_reply", "not_clicked", "reachable", "offer_eligible", "unfinished_plan"]
StopRule = Literal["booked", "replied", "opted_out", "left", "complaint", "not_interested"]
Purpose = Literal["check_up", "hygiene", "continued_treatment", "elective", "closing"]

STOP_RULES: Final[tuple[StopRule, ...]] = ("booked", "replied", "opted_out", "left", "complaint", "not_interested")


class PlaybookError(ProblemsError):
    """A playbook that cannot be used; each sentence begins with the place."""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _once(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise ValueError("names the same thing twice")
    return value


_Slug = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[a-z][a-z0-9_]*$")]
_Template = _Slug | Annotated[dict[Channel, _Slug], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Waves(_Strict):
    """Random order of contact: wave 2 is the control of wave 1 until its own turn comes (science: wave design)."""

    count: Annotated[int, Field(ge=1, le=12)] = 1
    days_between: Annotated[int, Field(ge=1, le=183)] = 14


class Caps(_Strict):
    """At most so many touches of one patient in so many days; a practice's own settings may only lower them."""

    touches: Annotated[int, Field(ge=1, le=5)] = 5
    days: Annotated[int, Field(ge=30, le=365)] = 90


class Step(_Strict):
    """One rung: wait, check, then write or call by the first channel that may be used."""

    channel: Literal[Channel, "preferred"]
    template: _Template
    wait_days: Annotated[int, Field(ge=0, le=365)] = 0
    condition: Annotated[tuple[Condition, ...], BeforeValidator(_as_list), AfterValidator(_once)] = ()
    fallback: Annotated[tuple[Channel, ...], BeforeValidator(_as_list), AfterValidator(_once)] = ()
    offer: Annotated[str, Field(max_length=60)] = ""
    without_offer: _Template | None = None
    neutral: _Slug | None = None
    """Text for a number nobody has confirmed for a year: it names neither person nor visit (NUM-02)."""

    @model_validator(mode="after")
    def _templates_reach(self) -> Step:
        if self.channel == "preferred":
            if not isinstance(self.template, dict) or self.fallback:
                raise ValueError(
                    "channel 'preferred' needs a template for each channel (email: ..., sms: ...) and no fallback"
                )
        elif self.channel in self.fallback:
            raise ValueError(f"falls back from {self.channel} to itself")
        for template in (self.template, self.without_offer):
            missing = [c for c in self.channels() if isinstance(template, dict) and c not in template]
            if missing:
                raise ValueError(f"has no template for {', '.join(missing)}")
        if self.without_offer and not self.offer:
            raise ValueError("names a template without_offer but no offer")
        return self

    def channels(self, preferred: str = "") -> tuple[Channel, ...]:
        """Return the channels to try, in order. ``preferred`` is the patient's own wish and comes first when the step asks for it."""
        if self.channel == "preferred":
            named = tuple(self.template) if isinstance(self.template, dict) else ()
            return tuple(sorted(named, key=lambda channel: channel != preferred))
        return (self.channel, *self.fallback)

    def variants(self, channel: Channel) -> tuple[tuple[str, str], ...]:
        """Return what may go by ``channel``, as (template, offer), the fullest first: with the offer, without it, neutral."""
        found = [
            (self.template, self.offer),
            (self.without_offer, ""),
            (self.neutral if channel == "sms" else None, ""),
        ]
        named = [
            (template[channel] if isinstance(template, dict) else template, offer)
            for template, offer in found
            if template
        ]
        return tuple(dict.fromkeys(named))


class Playbook(_Strict):
    """What a campaign does, whole. Frozen with its version once published."""

    name: Annotated[str, Field(min_length=3, max_length=80)]
    purpose: Purpose
    why: Annotated[str, Field(min_length=10, max_length=600)]
    remuneration: Literal["none", "own", "third"]
    segment: _Slug | dict[str, Any]
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=8)]
    stop: Annotated[tuple[StopRule, ...], AfterValidator(_once)] = STOP_RULES
    unit: Literal["household", "patient"] = "household"
    hold_out: Annotated[float, Field(ge=0, le=0.5)] = 0.10
    waves: Waves = Waves()
    caps: Caps = Caps()
    round: Annotated[int, Field(ge=1, le=100)] = 1
    rest_days: Annotated[int, Field(ge=0, le=1000)] = 183
    measure_days: Annotated[int, Field(ge=30, le=365)] = 90
    listen_days: Annotated[int, Field(ge=1, le=90)] = 30

    @model_validator(mode="after")
    def _fits_its_caps(self) -> Playbook:
        hasty = [number for number, step in enumerate(self.steps, 1) if number > 1 and step.wait_days < 1]
        if hasty:
            raise ValueError(f"step {hasty[0]} must wait at least 1 day after the step before it")
        if len(self.steps) > self.caps.touches:
            raise ValueError(
                f"has {len(self.steps)} steps but allows {self.caps.touches} touches; drop a step or raise caps.touches"
            )
        needed = {"booked", "opted_out", "left", "complaint"} - set(self.stop)
        if needed:
            raise ValueError(
                f"must stop when {', '.join(sorted(needed)).replace('_', ' ')}: add it to 'stop' or leave 'stop' out"
            )
        return self

    @property
    def ladder_channels(self) -> tuple[Channel, ...]:
        """Every channel that any step may use, each once."""
        return tuple(dict.fromkeys(channel for step in self.steps for channel in step.channels()))

    @property
    def offers(self) -> tuple[str, ...]:
        """Slugs of the offers that steps carry."""
        return tuple(dict.fromkeys(step.offer for step in self.steps if step.offer))

    def templates(self) -> tuple[tuple[str, Channel], ...]:
        """Return every (slug, channel) that must exist and be approved before this may be published."""
        found: dict[tuple[str, Channel], None] = {}
        for step in self.steps:
            for channel in step.channels():
                found |= {(slug, channel): None for slug, _ in step.variants(channel)}
        return tuple(found)


def read(text: str) -> Playbook:
    """Read a playbook from YAML. Raises PlaybookError with a sentence for every problem."""
    try:
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PlaybookError(
            [f"Line {line}: this is not YAML: {error.problem}. Check indentation and colons."]
        ) from error
    if not isinstance(data, dict):
        raise PlaybookError(["The playbook is empty or not a list of 'key: value' lines. Start from a shipped one."])
    return parse(data)


def parse(data: object) -> Playbook:
    """Check a playbook given as plain data. Raises PlaybookError with a sentence for every problem."""
    try:
        return Playbook.model_validate(data)
    except ValidationError as error:
        raise PlaybookError(list(dict.fromkeys(_in_words(item) for item in _telling(error.errors())))) from error


def shipped() -> dict[str, str]:
    """Return the YAML of every playbook that comes with Recare, by file name without its ending."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yaml"))}


_NOISE = {"str", "constrained-str", "tuple", "dict"}
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a key of a playbook; check the spelling",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be text",
    "string_pattern_mismatch": "must be a short name in small letters, digits and underscores, such as 'winback_text'",
    "too_short": "needs at least one entry",
    "tuple_type": "must be a list",
    "dict_type": "must be a list of 'key: value' lines",
    "model_type": "must be a list of 'key: value' lines",
}


def _telling(errors: list[Any]) -> list[Any]:
    """Leave out what only follows from another error: a list short of its wrong entries, the other half of 'text or mapping'."""
    places = [error["loc"] for error in errors]

    def follows(error: Any) -> bool:
        at = error["loc"]
        if error["type"] == "too_short":
            return any(len(place) > len(at) and place[: len(at)] == at for place in places)
        return error["type"] == "dict_type" and any(place[:-1] == at[:-1] and place != at for place in places)

    return [error for error in errors if not follows(error)]


def _in_words(item: Any) -> str:
    kind, context = item["type"], item.get("ctx") or {}
    if kind == "value_error":
        said = str(context["error"])
    elif kind == "literal_error":
        said = f"must be one of {context['expected']}, not {item['input']!r}"
    elif kind in _SENTENCES:
        said = _SENTENCES[kind]
    else:
        said = item["msg"].replace("Input should be", "must be").replace("String should", "must")
    return f"{_place(item['loc'])}: {said}."


def _place(location: tuple[int | str, ...]) -> str:
    words: list[str] = []
    for part in location:
        if isinstance(part, int):
            holder = words.pop() if words else "entry"
            words.append(f"{holder.removesuffix('s')} {part + 1}")
        elif part not in _NOISE and not part.startswith(("constrained", "dict[", "function-")):
            words.append(part)
    return ", ".join(words) if words else "The playbook"
