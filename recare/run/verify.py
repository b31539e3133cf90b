"""Walk every chain there is: the audit trail and the consent ledger of each practice, and the installation's own trail (I6, SEC-05).

A chain that was cut off at its end, with the note of that end, is whole in itself. So its end is noted elsewhere too: in every backup and in every
evidence pack. What was noted must still be passed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from recare.base import audit, chain, db
from recare.consent import ledger
from recare.practices import practice as practices
from recare.run.archive import Noted
from recare.run.database import CannotStartError
from recare.run.sealed_file import FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence


def verify_all(noted: Sequence[Noted] = ()) -> list[str]:
    """Return a sentence about the first broken link of each chain; an empty list means that all of them are whole."""
    problems = []
    trail, _ = _of(noted, audit.INSTALLATION)
    with db.scope(audit.INSTALLATION):
        problems += [_of_installation(problem) for problem in [audit.verify(audit.INSTALLATION, trail)] if problem]
    here = practices.every()
    for practice in here:
        trail, consents = _of(noted, practice.id)
        with db.scope(practice.id):
            found = (audit.verify(practice.id, trail), ledger.verify(practice.id, consents))
            problems += [problem for problem in found if problem]
    gone = {note.practice_id for note in noted} - {audit.INSTALLATION, *(practice.id for practice in here)}
    return problems + [f"Practice {practice_id} was noted and is not there any more." for practice_id in sorted(gone)]


def noted_in(path: Path) -> tuple[Noted, ...]:
    """Return the ends that a backup or an evidence pack has noted. Raises CannotStartError when the file is neither, or not whole."""
    with path.open("rb") as file:
        is_backup = file.read(len(FORMAT)) == FORMAT
    if is_backup:
        from recare.run import backup, restore

        return restore.examine(path, backup.keys_here()).tail.ends
    from recare.reports.evidence_check import check_file

    try:
        if problems := check_file(path).problems:
            raise CannotStartError(" ".join(problems))
    except ValueError as error:
        raise CannotStartError(str(error)) from None
    pack = json.loads(path.read_text("utf-8"))
    empty = {"seq": 0, "hash": ""}
    trail, consents = pack.get("trail_end", empty), pack.get("ledger_end", empty)
    end = Noted(pack["practice"]["id"], "", trail["seq"], trail["hash"], consents["seq"], consents["hash"])
    return (end,)


def _of(noted: Sequence[Noted], practice_id: int) -> tuple[list[chain.End], list[chain.End]]:
    """What was noted of one practice: of its trail, and of its ledger."""
    here = [note for note in noted if note.practice_id == practice_id]
    trail = [chain.End(note.audit_seq, bytes.fromhex(note.audit_hash)) for note in here if note.audit_seq]
    return trail, [chain.End(note.consent_seq, bytes.fromhex(note.consent_hash)) for note in here if note.consent_seq]


def _of_installation(problem: str) -> str:
    return problem.replace(f"Practice {audit.INSTALLATION}", "The installation")
