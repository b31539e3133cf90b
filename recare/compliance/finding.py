"""One thing wrong with a text, told so that a front-desk coordinator can mend it without asking anyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, where, why it matters, and words that pass.

    ``rule`` is the id of the rule (L01 to L22 of the lint, F01 to F08 of field clearance, VOX-02 and VOX-04 of calls). Severity E blocks;
    W asks for a named approver.
    """

    rule: str
    severity: Literal["E", "W"]
    what: str
    where: str
    why: str
    rewrite: str
