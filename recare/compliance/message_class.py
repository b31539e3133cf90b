"""Which class a text really has, whatever its author called it (CLS-01, HIP-02). Words only ever make a class stricter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recare.compliance.clearance import TemplateError, fields_of
from recare.compliance.lint_context import LintContext
from recare.compliance.lint_parts import parts_of, visible
from recare.compliance.wording import Hit, Reading

DetectedClass = Literal["A", "R", "P", "T", "S", "CLASS_BILLING"]


@dataclass(frozen=True, slots=True)
class Classified:
    """The class a text must be treated as, and the words that made it so; no words where the declared class stands."""

    message_class: DetectedClass
    because: tuple[str, ...] = ()


def detect(text: str, declared: Literal["A", "R", "P", "T", "S"]) -> Classified:
    """The class of a text or a template's source, never milder than ``declared``.

    Billing words make it CLASS_BILLING, which never travels. Someone else's product or money makes it T. A price, discount, plan, financing,
    gift, whitening or "special" makes A and R into P. A staff reply to the person's own words (S) may speak of prices.
    """
    reading, fields = _read(text)
    billing = _words(reading.find("billing"))
    if billing:
        return Classified("CLASS_BILLING", billing)
    third = _words(reading.find("third"))
    if third and declared != "T":
        return Classified("T", third)
    if declared in {"A", "R"}:
        pitch = _words(reading.find("promo") + reading.find("pitch")) + tuple(
            sorted(f for f in fields if f.startswith("offer_"))
        )
        if pitch:
            return Classified("P", pitch)
    return Classified(declared)


def _read(source: str) -> tuple[Reading, frozenset[str]]:
    text = visible(source) if "<" in source else source
    if "{{" not in text and "{%" not in text:
        return parts_of(text, LintContext("letter"))[0].reading, frozenset()
    try:
        return parts_of(text, LintContext("letter", rendered=False))[0].reading, fields_of(source)
    except TemplateError:
        return Reading(text), frozenset()


def _words(hits: tuple[Hit, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(hit.words.split()) for hit in hits))
