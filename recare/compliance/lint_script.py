"""Call scripts: what the caller says first, what follows each answer, and the words for a machine.

The body of a call template is YAML with Liquid in its texts: ``opening``, ``branches`` (each ``they_say``, ``answer`` and, where the call ends
so, ``outcome`` and ``barrier``), ``closing`` and ``voicemail``. A body that is no such mapping is read as one plain text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import yaml

from recare.compliance.clearance import check
from recare.compliance.finding import Finding

if TYPE_CHECKING:
    from recare.compliance.lint_context import LintContext

OUTCOMES = frozenset(
    {
        "",
        "booked",
        "left_message",
        "no_answer",
        "call_later",
        "wrong_number",
        "do_not_call",
        "angry",
        "not_interested",
        "moved",
        "new_dentist",
        "deceased",
    }
)
BARRIERS = frozenset({"", "cost", "fear", "time", "moved", "experience", "forgot"})
_TEXTS = ("opening", "closing", "voicemail")


class ScriptError(ValueError):
    """The script's form is wrong; the message says where."""


@dataclass(frozen=True, slots=True)
class Branch:
    """What the person says, the answer to it, and how the call ends with it ('' goes on)."""

    they_say: str
    answer: str
    outcome: str = ""
    barrier: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """One call script, its texts still Liquid."""

    opening: str
    branches: tuple[Branch, ...]
    closing: str
    voicemail: str


@lru_cache(maxsize=256)
def read_script(body: str) -> Script | None:
    """The script in a call template's body; None for a plain text. Raises ScriptError naming what is missing or unknown."""
    try:
        data = yaml.safe_load(body)
    except yaml.YAMLError:
        data = None
    if not isinstance(data, dict) or "opening" not in data:
        return None
    unknown = set(data) - {*_TEXTS, "branches"}
    missing = [key for key in _TEXTS if not isinstance(data.get(key), str) or not data[key].strip()]
    if unknown or missing:
        raise ScriptError(
            f"A script has opening, branches, closing and voicemail; look at: {', '.join(sorted(map(str, [*unknown, *missing])))}."
        )
    branches = tuple(_branch(number, row) for number, row in enumerate(data.get("branches") or (), 1))
    return Script(data["opening"].strip(), branches, data["closing"].strip(), data["voicemail"].strip())


def _branch(number: int, row: Any) -> Branch:
    try:
        branch = Branch(**{key: str(value).strip() for key, value in row.items()})
    except (TypeError, AttributeError) as error:
        raise ScriptError(f"Branch {number} has they_say, answer, outcome and barrier, nothing else.") from error
    if not branch.they_say or not branch.answer:
        raise ScriptError(f"Branch {number} needs they_say and answer.")
    if branch.outcome not in OUTCOMES or branch.barrier not in BARRIERS:
        raise ScriptError(
            f"Branch {number}: outcome is one of {', '.join(sorted(OUTCOMES - {''}))}; barrier one of {', '.join(sorted(BARRIERS - {''}))}."
        )
    return branch


def script_parts(body: str, context: LintContext) -> tuple[tuple[Finding, ...], str, LintContext] | None:
    """Findings on the form and on the voicemail's fields, and the voicemail with its own context; None for a plain text."""
    try:
        script = read_script(body)
    except ScriptError as error:
        why = "The caller reads the script part by part."
        form = Finding(
            "F09", "E", str(error), "script", why, "opening: Hi, this is {{ caller_name }} from {{ practice_name }}."
        )
        return (form,), "", context
    if script is None:
        return None
    fields = () if context.rendered else check(script.voicemail, "voicemail", context.message_class)
    return fields, script.voicemail, replace(context, channel="voicemail")
