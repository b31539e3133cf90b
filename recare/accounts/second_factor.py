"""The second factor of a sign-in: an app on a telephone, and codes on paper for when it is lost (SEC-07)."""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from recare.accounts import totp
from recare.base import audit, db, secret_box, tokens

SESSION: Final = "second_factor"
"""In a session whose second factor was shown."""
PURPOSE: Final = "second factor"
_RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10


class FactorError(ValueError):
    """A sentence for whoever is setting up or changing a second factor."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A person's second factor, without its secret."""

    created_at: datetime
    codes_left: int


def of(staff_id: int) -> Factor | None:
    """Return a person's second factor; None when they have none."""
    return db.one(
        Factor,
        "SELECT f.created_at, (SELECT count(*) FROM recovery_code r WHERE r.staff_id = f.staff_id AND r.used_at IS NULL) AS codes_left "
        "FROM second_factor f WHERE f.staff_id = %(staff)s",
        staff=staff_id,
    )  # fmt: skip


def enrol(staff_id: int, key: str, said: str, now: datetime) -> list[str]:
    """Keep the key of an app that has shown a right code; return the recovery codes, which nobody sees again.

    Opens its own transaction. Raises FactorError when the code does not fit, or the person has a second factor already.
    """
    step = totp.fitting_step(key, _digits(said), now)
    if step is None:
        raise FactorError(
            "That is not the code of this moment. Check that the telephone's clock is right, and type the next one."
        )
    with db.scope(audit.INSTALLATION):
        made = db.run(
            "INSERT INTO second_factor (staff_id, secret, last_step, created_at) VALUES (%(staff)s, %(secret)s, %(step)s, %(now)s) "
            "ON CONFLICT DO NOTHING",
            staff=staff_id, secret=secret_box.encrypt(key, PURPOSE), step=step, now=now,
        )  # fmt: skip
        if not made:
            raise FactorError("There is a second factor already. Remove it first, with one of its codes.")
        _record(staff_id, "set up a second factor", now)
        return _write_codes(staff_id)


def shown(staff_id: int, said: str, now: datetime) -> bool:
    """Whether ``said`` is a code of the person's app or an unused recovery code; whichever it is, it is not good again.

    Opens its own transaction. Raises SecretError when the installation's key is another one; recovery codes need no key.
    """
    words = said.strip()
    with db.scope(audit.INSTALLATION):
        if len(_digits(words)) == totp.DIGITS and not re.search(r"[^\d\s-]", words):
            return _app_code(staff_id, _digits(words), now)
        used = db.run(
            "UPDATE recovery_code SET used_at = %(now)s WHERE staff_id = %(staff)s AND code_hash = %(hash)s AND used_at IS NULL",
            staff=staff_id, hash=_hash(words), now=now,
        )  # fmt: skip
        if used:
            _record(staff_id, "used a recovery code", now)
        return bool(used)


def _app_code(staff_id: int, said: str, now: datetime) -> bool:
    found = db.tuples("SELECT secret, last_step FROM second_factor WHERE staff_id = %(staff)s", staff=staff_id)
    if not found:
        return False
    step = totp.fitting_step(secret_box.decrypt(found[0][0], PURPOSE), said, now, after=found[0][1])
    # Of two who say the same code at the same moment, the row lets in one.
    return step is not None and bool(
        db.run(
            "UPDATE second_factor SET last_step = %(step)s WHERE staff_id = %(staff)s AND last_step < %(step)s",
            staff=staff_id, step=step,
        )
    )  # fmt: skip


def new_codes(staff_id: int, now: datetime) -> list[str]:
    """Replace the recovery codes; return the new ones. Opens its own transaction."""
    with db.scope(audit.INSTALLATION):
        _record(staff_id, "made new recovery codes", now)
        return _write_codes(staff_id)


def remove(staff_id: int, actor: str, now: datetime, practice_id: int = audit.INSTALLATION) -> bool:
    """Take a second factor away, so that its person sets up another; return False when there was none. Opens its own transaction."""
    with db.scope(practice_id):
        removed = db.run("DELETE FROM second_factor WHERE staff_id = %(staff)s", staff=staff_id)
        if removed:
            audit.record(practice_id, actor, "removed a second factor", f"staff:{staff_id}", now)
        return bool(removed)


def _write_codes(staff_id: int) -> list[str]:
    made = [_fresh() for _ in range(_RECOVERY_CODES)]
    db.run("DELETE FROM recovery_code WHERE staff_id = %(staff)s", staff=staff_id)
    db.run_many(
        "INSERT INTO recovery_code (staff_id, code_hash) VALUES (%(staff)s, %(hash)s)",
        [{"staff": staff_id, "hash": _hash(one)} for one in made],
    )
    return made


def _fresh() -> str:
    letters = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def _hash(said: str) -> bytes:
    """Unsalted, as of any token: 80 random bits. However it is typed, with or without hyphens."""
    return tokens.hash_token(re.sub(r"[\s-]", "", said).lower())


def _digits(said: str) -> str:
    return re.sub(r"[^0-9]", "", said)


def _record(staff_id: int, verb: str, now: datetime) -> None:
    audit.record(audit.INSTALLATION, f"staff:{staff_id}", verb, f"staff:{staff_id}", now)
