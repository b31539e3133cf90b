"""Walk every chain there is: the audit trail and the consent ledger of each practice, and the installation's own trail (I6, SEC-05)."""

from __future__ import annotations

from recare.base import audit, db
from recare.consent import ledger
from recare.practices import practice as practices


def verify_all() -> list[str]:
    """Return a sentence about the first broken link of each chain; an empty list means that all of them are whole."""
    problems = []
    with db.scope(audit.INSTALLATION):
        problems += [_of_installation(problem) for problem in [audit.verify(audit.INSTALLATION)] if problem]
    for practice in practices.every():
        with db.scope(practice.id):
            problems += [problem for problem in (audit.verify(practice.id), ledger.verify(practice.id)) if problem]
    return problems


def _of_installation(problem: str) -> str:
    return problem.replace(f"Practice {audit.INSTALLATION}", "The installation")
