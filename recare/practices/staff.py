"""Who works where: sign-ins and roles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from recare.accounts import second_factor
from recare.base import audit, db
from recare.practices.practice import named

ROLES: Final = ("owner", "manager", "front_desk", "clinician", "auditor", "group_admin")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in here."""

    membership_id: int
    email: str
    role: str
    has_factor: bool


def create_user(email: str, password: str, role: str, practice: str, now: datetime, actor: str = "command line") -> int:
    """Make a sign-in with one role in one practice, or add the role to a sign-in that exists; return the staff id.

    A role counts from ``now``: who gets another one has it from then on. Raises ValueError with a sentence when role, address or password
    will not do, or for the last owner, who stays one; NoPracticeError when there is no such practice.
    """
    if role not in ROLES:
        raise ValueError(f"'{role}' is no role: choose one of {', '.join(ROLES)}.")
    if "@" not in email:
        raise ValueError("People sign in with their e-mail address.")
    place = named(practice)
    with db.scope(place.id):
        staff_id = _staff(email.strip(), password)
        if role != "owner":
            _keep_an_owner(place.id, staff_id)
        db.run(
            "INSERT INTO membership (staff_id, practice_id, role, created_at) VALUES (%(staff)s, %(practice)s, %(role)s, %(now)s) "
            "ON CONFLICT (staff_id, practice_id) WHERE ended_at IS NULL DO UPDATE SET role = EXCLUDED.role, created_at = EXCLUDED.created_at "
            "WHERE membership.role <> EXCLUDED.role",
            staff=staff_id, practice=place.id, role=role, now=now,
        )  # fmt: skip
        audit.record(place.id, actor, "gave a role", f"staff:{staff_id}", now, {"role": role})
    return staff_id


def everybody(practice_id: int) -> list[Person]:
    """Return who may sign in here, by address."""
    return db.rows(
        Person,
        "SELECT m.id AS membership_id, s.email, m.role, "
        "EXISTS (SELECT FROM second_factor f WHERE f.staff_id = s.id) AS has_factor FROM membership m JOIN staff s ON s.id = m.staff_id "
        "WHERE m.practice_id = %(practice)s AND m.ended_at IS NULL ORDER BY lower(s.email)",
        practice=practice_id,
    )


def end_membership(practice_id: int, membership_id: int, actor: str, now: datetime) -> None:
    """Take somebody's role here away. Raises ValueError for the last owner: somebody must be able to sign in."""
    staff_id = db.value(
        "SELECT staff_id FROM membership WHERE practice_id = %(practice)s AND id = %(id)s AND ended_at IS NULL",
        practice=practice_id, id=membership_id,
    )  # fmt: skip
    _keep_an_owner(practice_id, staff_id)
    ended = db.run(
        "UPDATE membership SET ended_at = %(now)s WHERE practice_id = %(practice)s AND id = %(id)s AND ended_at IS NULL",
        practice=practice_id, id=membership_id, now=now,
    )  # fmt: skip
    if ended:
        audit.record(practice_id, actor, "took a role away", f"membership:{membership_id}", now)


def _keep_an_owner(practice_id: int, staff_id: int | None) -> None:
    """Refuse that this person stops being an owner when nobody else is one; locks the owners, for two may remove each other at once."""
    owners = db.values(
        "SELECT staff_id FROM membership WHERE practice_id = %(practice)s AND role = 'owner' AND ended_at IS NULL ORDER BY id FOR UPDATE",
        practice=practice_id,
    )
    if owners == [staff_id]:
        raise ValueError("This is the last owner. Make somebody else an owner first.")


def reset_factor(practice_id: int, membership_id: int, actor: str, now: datetime) -> bool:
    """Take a second factor away from somebody who has lost theirs; return False when they had none.

    Raises ValueError when they work in a practice too where ``actor`` is no owner: that practice rests on it as well.
    """
    staff_id = db.value(
        "SELECT staff_id FROM membership WHERE practice_id = %(practice)s AND id = %(id)s AND ended_at IS NULL",
        practice=practice_id, id=membership_id,
    )  # fmt: skip
    if staff_id is None:
        return False
    elsewhere = db.value(
        "SELECT count(*) FROM membership m WHERE m.staff_id = %(staff)s AND m.ended_at IS NULL AND NOT EXISTS (SELECT FROM membership o "
        "JOIN staff s ON s.id = o.staff_id WHERE lower(s.email) = lower(%(actor)s) AND o.practice_id = m.practice_id AND o.role = 'owner' "
        "AND o.ended_at IS NULL)",
        staff=staff_id, actor=actor,
    )  # fmt: skip
    if elsewhere:
        raise ValueError(
            "They work in another practice too, where you are no owner. Whoever runs Recare can do it: recare reset-second-factor."
        )
    return second_factor.remove(staff_id, actor, now, practice_id)


def reset_second_factor(email: str, actor: str, now: datetime) -> bool:
    """Take somebody's second factor away; return False when they had none. Raises LookupError for an address nobody signs in with."""
    return second_factor.remove(_known(email), actor, now)


def reset_password(email: str, password: str, actor: str, now: datetime) -> None:
    """Give somebody a new password; their sessions end. Raises LookupError for an unknown address, ValueError for a weak password."""
    staff_id, hashed = _known(email), _hashed(password)
    with db.scope(audit.INSTALLATION):
        db.run("UPDATE staff SET password = %(hash)s WHERE id = %(staff)s", hash=hashed, staff=staff_id)
        audit.record(audit.INSTALLATION, actor, "reset a password", f"staff:{staff_id}", now)


def _known(email: str) -> int:
    found = db.value("SELECT id FROM staff WHERE lower(email) = lower(%(email)s)", email=email.strip())
    if found is None:
        raise LookupError(f"Nobody signs in with {email}.")
    return int(found)


def _staff(email: str, password: str) -> int:
    found = db.value("SELECT id FROM staff WHERE lower(email) = lower(%(email)s)", email=email)
    if found is not None:
        return int(found)
    hashed = _hashed(password)
    return int(
        db.value(
            "INSERT INTO staff (email, password) VALUES (%(email)s, %(hash)s) RETURNING id", email=email, hash=hashed
        )
    )


def _hashed(password: str) -> str:
    try:
        validate_password(password)
    except ValidationError as error:
        raise ValueError(" ".join(error.messages)) from error
    return make_password(password)
