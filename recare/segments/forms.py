"""What staff type about a segment: a name, a description, and the predicate as YAML."""

from __future__ import annotations

from typing import Any

import yaml
from django import forms

from recare.segments.bands import Bands
from recare.segments.predicate import Predicate, PredicateError, parse

LONGEST: int = 20_000


class UnreadableError(ValueError):
    """Text that is no predicate. The message names the place: a line of the text, or a part of the predicate."""


def read(text: str, bands: Bands) -> Predicate:
    """Read a predicate written as YAML or JSON. Raises UnreadableError."""
    if len(text) > LONGEST:
        raise UnreadableError(f"Too long: at most {LONGEST:,} characters.")
    try:
        data = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 (a safe loader without anchors)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UnreadableError(f"Line {mark.line + 1 if mark else 1}: {error.problem or error.context}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableError(f"This is no YAML: {type(error).__name__}.") from error
    if data is None:
        raise UnreadableError("Write what must hold, such as: last_visit: {before: 18 months ago}")
    try:
        return parse(data, bands)
    except PredicateError as error:
        raise UnreadableError(f"{error}.") from error


class _PlainLoader(yaml.SafeLoader):
    """YAML without anchors, which can make a short text enormous, and without double keys, of which one would be lost in silence."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="references (*name) are not used here",
                problem_mark=self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 (the library's signature)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a name is wanted before the colon", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"'{key.value}' stands here twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class SegmentForm(forms.Form):
    """A segment to save; ``predicate`` is set once the text has been read."""

    name = forms.CharField(max_length=80, min_length=3)
    description = forms.CharField(max_length=300, required=False)
    text = forms.CharField(
        label="Who is in it", max_length=LONGEST, strip=False,
        widget=forms.Textarea({"class": "code short", "spellcheck": "false", "autocomplete": "off", "rows": 14}),
    )  # fmt: skip
    predicate: Predicate

    def __init__(self, bands: Bands, *args: Any, **more: Any) -> None:
        """``bands`` are the practice's: a predicate may name only these."""
        super().__init__(*args, **more)
        self.bands = bands

    def clean_text(self) -> str:
        """Check the predicate, and say where it is wrong."""
        text: str = self.cleaned_data["text"]
        try:
            self.predicate = read(text, self.bands)
        except UnreadableError as error:
            raise forms.ValidationError(str(error)) from error
        return text


def written(data: dict[str, Any]) -> str:
    """Write a predicate as the editor shows it."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (the library's signature)
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: Any = None) -> Any:
        """Write a field's operators on its own line, groups below each other."""
        inner = not any(
            isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict))
            for value in dict(mapping).values()
        )
        return super().represent_mapping(tag, mapping, flow_style=inner or flow_style)
