"""What a template may say on which channel, decided from its parsed Liquid, before any word of it is read (HIP-03).

Every merge field has a clearance, every channel a ceiling. A template that so much as *mentions* a field above the ceiling is refused:
printed, filtered, assigned, captured, looped over or only asked about in a condition, because a reader learns from a condition which words
it let through (implicit flow). As no such field is ever read, nothing of it can reach the text by any path. Computed names (``{{ [x] }}``),
parts of fields, includes and everything else that would hide a mention are refused as well.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import yaml
from liquid import Environment, StrictUndefined
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.exceptions import LiquidError

from recare.compliance.finding import Finding
from recare.compliance.segments import count, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from liquid import BoundTemplate
    from liquid.ast import Node
    from liquid.expression import Expression

Clearance = Literal["open", "limited", "health"]
Value = str | bool | list[str]

_RANK: dict[str, int] = {"open": 0, "limited": 1, "health": 2}
# Ceilings outside class A; class A may name the booked visit by text, e-mail and voicemail (HIP-03, VOX-04).
_CEILING: dict[str, Clearance] = {
    "sms": "open",
    "email": "open",
    "subject": "open",
    "voicemail": "open",
    "postcard": "open",
    "letter": "limited",
    "call": "health",
    "portal": "health",
}
_CEILING_A: dict[str, Clearance] = {"sms": "limited", "email": "limited", "voicemail": "limited"}
_TAGS = frozenset({"if", "unless", "case", "for", "assign", "capture", "echo", "comment", "#"})
_FILTERS = frozenset(
    [
        "default",
        "capitalize",
        "downcase",
        "upcase",
        "strip",
        "squish",
        "truncate",
        "truncatewords",
        "append",
        "prepend",
        "replace",
        "remove",
        "first",
        "last",
        "join",
        "size",
        "plus",
        "minus",
    ]
)
_PARTS = frozenset({"first", "last", "size"})
_PSEUDO_TAGS = frozenset({"content", "output", "illegal", "literal"})


@dataclass(frozen=True, slots=True)
class Field:
    """One merge field; ``sample`` and ``longest`` are what previews and length checks use."""

    name: str
    clearance: Clearance
    says: str
    sample: Value
    longest: Value
    may_be_empty: bool = False


class TemplateError(ValueError):
    """The template cannot be parsed; the message says where and what to do."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Mention:
    """One place of a template where a name is read. ``role`` is output, condition, loop, assignment or capture."""

    name: str
    role: str
    at: int
    filters: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    computed: bool = False


def _load() -> dict[str, Field]:
    data: dict[str, Any] = yaml.safe_load(
        (resources.files("recare.compliance") / "words" / "fields.yaml").read_text("utf-8")
    )
    return {name: Field(name, **row) for name, row in data.items()}


CATALOGUE: Mapping[str, Field] = _load()
FIELDS: Mapping[str, Clearance] = {field.name: field.clearance for field in CATALOGUE.values()}


def ceiling(channel: str, message_class: str) -> Clearance:
    """The highest clearance a message may use; an unknown channel is treated as a postcard."""
    if message_class == "A" and channel in _CEILING_A:
        return _CEILING_A[channel]
    return _CEILING.get(channel, "open")


class _Environment(Environment):
    block_nesting_limit = 8
    context_depth_limit = 12
    loop_iteration_limit = 200
    local_namespace_limit = 20_000
    output_stream_limit = 120_000

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.tags = {name: tag for name, tag in self.tags.items() if name in _TAGS or name.lower() in _PSEUDO_TAGS}
        self.filters = {name: self.filters[name] for name in _FILTERS}
        self.add_filter("name", _name)
        self.add_filter("gsm", _gsm)


@cache
def environment(*, html: bool = False) -> Environment:
    """The one Liquid environment, for checking and for rendering: few tags and filters, strict names, bounded loops and output.

    With ``html`` every value is escaped. Rendering passes all of FIELDS, an unknown value as an empty string.
    """
    return _Environment(undefined=StrictUndefined, strict_filters=True, autoescape=html)


@lru_cache(maxsize=2048)
def parse(source: str, *, html: bool = False) -> BoundTemplate:
    """Parse once per text; raises TemplateError with line and column."""
    try:
        return environment(html=html).from_string(source)
    except LiquidError as error:
        token = error.token or (error.__cause__.token if isinstance(error.__cause__, LiquidError) else None)
        line, column = position(source, token.start_index if token and token.start_index >= 0 else len(source))
        raise TemplateError(_syntax_words(str(error.message or "cannot be read")), line, column) from error


def position(source: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of an offset."""
    before = source[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def fields_of(source: str) -> frozenset[str]:
    """Names the template takes from outside, known or not; raises TemplateError."""
    own = local_names(source)
    return frozenset(m.name for m in mentions(source) if m.name not in own)


def check(source: str, channel: str, message_class: str) -> tuple[Finding, ...]:
    """Everything in the template that may not travel by ``channel`` in this class (F01 to F08); empty means it may be saved."""
    try:
        found = mentions(source)
    except TemplateError as fault:
        return (Finding("F01", "E", str(fault), f"line {fault.line}, column {fault.column}", "A text that cannot be read cannot be sent.", "Hi {{ first_name | default: 'there' }}"),)  # fmt: skip
    limit = ceiling(channel, message_class)
    own = local_names(source)
    findings = [f for m in found if (f := _judge(source, m, own, (channel, message_class, limit)))]
    findings += [_shadowing(source, name, at) for name, at in _assigned(source) if name in FIELDS]
    return tuple(dict.fromkeys(findings))


def _judge(source: str, mention: Mention, own: frozenset[str], where_to: tuple[str, str, Clearance]) -> Finding | None:
    spot = "line {}, column {}".format(*position(source, mention.at))
    hidden = _hidden(mention, spot)
    if hidden or mention.name in own or mention.name == "":
        return hidden
    if mention.name not in FIELDS:
        what, why = f"There is no field “{mention.name}”.", "An unknown field would leave a hole in the message."
        return Finding("F03", "E", what, spot, why, "{{ " + _nearest(mention.name) + " }}")
    channel, message_class, limit = where_to
    if _RANK[FIELDS[mention.name]] > _RANK[limit]:
        return _too_high(mention, spot, channel, message_class)
    if mention.name.startswith("offer_") and message_class not in {"P", "T"}:
        what = f"“{mention.name}” is part of an offer; this text is class {message_class}."
        why = "An offer makes a message advertising, which needs the person's written consent."
        return Finding("F07", "E", what, spot, why, "We'd like to see you again. Pick a time: {{ book_link }}")
    return None


def _hidden(mention: Mention, spot: str) -> Finding | None:
    """Whatever would hide what is printed: an unknown filter, a computed name, a part of a field."""
    allowed = _FILTERS | {"name", "gsm"}
    unknown = next((f for f in mention.filters if f not in allowed), None)
    if unknown:
        what, why = (
            f"There is no filter “{unknown}”.",
            "Only filters that keep a text predictable: " + ", ".join(sorted(allowed)) + ".",
        )
        return Finding("F04", "E", what, spot, why, "{{ first_name | default: 'there' }}")
    why = "What it would print cannot be known before it is sent."
    if mention.computed:
        return Finding(
            "F05", "E", "A field is named by a computed value.", spot, why, "{{ first_name | default: 'there' }}"
        )
    if mention.name in FIELDS and any(part not in _PARTS for part in mention.parts):
        return Finding("F05", "E", f"“{mention.name}” has no parts.", spot, why, "{{ " + mention.name + " }}")
    return None


def _too_high(mention: Mention, spot: str, channel: str, message_class: str) -> Finding:
    field = CATALOGUE[mention.name]
    reads = {
        "output": "is printed",
        "condition": "decides which words appear, so the reader learns it",
        "loop": "decides how often words appear, so the reader learns it",
    }.get(mention.role, "is kept in a name of the template")
    allowed = (
        "the portal and the caller's screen"
        if field.clearance == "health"
        else "a reminder of a booked visit (class A), a sealed letter, the portal and the caller's screen"
    )
    return Finding(
        "F02" if mention.role == "output" else "F06",
        "E",
        f"“{mention.name}” ({field.says.lower()}) {reads}; {channel} in class {message_class} may not carry it.",
        spot,
        f"Others may see a {'message' if channel != 'voicemail' else 'voicemail'} on this channel. This belongs only to {allowed}.",
        "We'd like to see you again. Pick a time: {{ book_link }}",
    )


def _shadowing(source: str, name: str, at: int) -> Finding:
    line, column = position(source, at)
    return Finding("F08", "E", f"“{name}” is a field; the template gives the name another meaning.", f"line {line}, column {column}", "A reader of the template could no longer tell what is printed.", f"{{% assign my_{name} = ... %}}")  # fmt: skip


def mentions(source: str) -> tuple[Mention, ...]:
    """Every read of a name, in order of the tree; raises TemplateError."""
    return tuple(_mentions(source))


@lru_cache(maxsize=2048)
def _mentions(source: str) -> tuple[Mention, ...]:
    return tuple(m for node in parse(source).nodes for m in _of_node(node))


def local_names(source: str) -> frozenset[str]:
    """Names the template gives itself by assign, capture or a loop."""
    return frozenset(name for name, _ in _assigned(source)) | {"forloop"}


def _assigned(source: str) -> tuple[tuple[str, int], ...]:
    return tuple(
        (str(name), name.token.start_index)
        for node in _walk(parse(source).nodes)
        for name in (*node.template_scope(), *node.block_scope())
        if name != "forloop"
    )


def _walk(nodes: Iterable[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _walk(node.children(None, include_partials=False))  # type: ignore[arg-type]


def _of_node(node: Node) -> Iterator[Mention]:
    role = "condition"
    for kind, word in ((OutputNode, "output"), (AssignNode, "assignment"), (ForNode, "loop"), (CaptureNode, "capture")):
        if isinstance(node, kind):
            role = word
    for expression in node.expressions():
        yield from _of_expression(expression, role)
    for child in node.children(None, include_partials=False):  # type: ignore[arg-type]
        yield from _of_node(child)


def _of_expression(expression: Expression, role: str) -> Iterator[Mention]:
    if isinstance(expression, Path):
        head, *rest = expression.path
        computed = isinstance(head, Path) or any(isinstance(part, Path) for part in rest)
        name = head if isinstance(head, str) else ""
        yield Mention(
            name, role, expression.token.start_index, (), tuple(str(part) for part in rest), computed or not name
        )
    elif isinstance(expression, FilteredExpression) and expression.filters:
        yield from _filtered(expression, role)
        return
    for child in expression.children():
        yield from _of_expression(child, role)


def _filtered(expression: FilteredExpression, role: str) -> Iterator[Mention]:
    names = tuple(f.name for f in expression.filters or ())
    inside = [m for child in expression.children() for m in _of_expression(child, role)]
    if not inside:
        yield Mention("", role, expression.token.start_index, names)
    for mention in inside:
        yield Mention(
            mention.name, mention.role, mention.at, (*mention.filters, *names), mention.parts, mention.computed
        )


def _syntax_words(message: str) -> str:
    if message.startswith("unexpected tag"):
        return f"{message.removeprefix('unexpected ')} is not allowed here; use if, unless, case, for, assign or capture, each with its end"
    return message


def _nearest(name: str) -> str:
    words = set(name.lower().split("_"))
    return max(sorted(FIELDS), key=lambda known: (len(words & set(known.split("_"))), FIELDS[known] == "open"))


def _name(value: object, longest: object = 12) -> str:
    """A given name fit to greet with: tidy case, at most ``longest`` letters, cut only between words; else empty."""
    text = re.sub(
        r"\s+", " ", "".join(c for c in str(value) if unicodedata.category(c)[0] in "LM" or c in " -'\u2019")
    ).strip(" -'")
    if text.isupper() or text.islower():
        text = re.sub(r"\w+(?:['\u2019]\w+)?", lambda m: m.group()[0].upper() + m.group()[1:].lower(), text)
    limit = longest if isinstance(longest, int) else 12
    while len(text) > limit:
        shorter = re.sub(r"[ \-][^ \-]*$", "", text)
        text = shorter if shorter != text else ""
    return text


def _gsm(value: object) -> str:
    """The text in GSM-7, so that one accent does not make a text message cost three."""
    return plain(str(value))


def samples(*, longest: bool = False) -> dict[str, Value]:
    """A value for every field: a usual one for previews, or the longest plausible one for length checks."""
    return {field.name: field.longest if longest else field.sample for field in CATALOGUE.values()}


def longest(values: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Of each field's real values the one that takes most room in a text message; a field without values is left out."""
    return {
        name: max(given, key=lambda v: (count(v).segments, count(v).units))
        for name, many in values.items()
        if (given := sorted(many))
    }
