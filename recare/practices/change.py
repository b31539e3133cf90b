"""Changes to a practice by its owner, each with its entry in the audit trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from recare.base import audit, db
from recare.practices.practice import Practice
from recare.practices.staff import ROLES

_FIELDS: Final = ("name", "legal_name", "phone", "email", "street", "city", "state", "zip", "tz")
LARGEST_EXPORT_LIMIT: Final = 500


def update(practice: Practice, fields: Mapping[str, str], actor: str, now: datetime) -> list[str]:
    """Change the fields that differ and return their names."""
    changed = [name for name in _FIELDS if name in fields and fields[name] != getattr(practice, name)]
    if changed:
        pairs = ", ".join(f"{name} = %({name})s" for name in changed)
        db.run(
            f"UPDATE practice SET {pairs} WHERE id = %(id)s", id=practice.id, **{name: fields[name] for name in changed}
        )
        audit.record(practice.id, actor, "changed the practice", f"practice:{practice.id}", now, {"fields": changed})
    return changed


def limit_online(practice: Practice, a_day: int | None, a_chair: int | None, actor: str, now: datetime) -> list[str]:
    """Say how many visits patients may book online on one day, and in one hygiene chair (None: no limit); return what changed."""
    before = practice.policy.get("booking", {})
    after = {"online_per_day": a_day, "online_per_hygiene_chair": a_chair}
    detail = {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}
    if detail:
        booking = {name: value for name, value in (before | after).items() if value is not None}
        db.run(
            "UPDATE practice SET policy = jsonb_set(policy, '{booking}', %(booking)s) WHERE id = %(id)s",
            booking=db.json(booking), id=practice.id,
        )  # fmt: skip
        audit.record(practice.id, actor, "changed online booking", f"practice:{practice.id}", now, detail)
    return list(detail)


def leave_alone(practice: Practice, percent: int, actor: str, now: datetime) -> bool:
    """Set the share of households that all campaigns leave alone (0 to 10 percent); return whether it differs. Who is drawn stays drawn.

    Raises ValueError outside these.
    """
    if not 0 <= percent <= 10:
        raise ValueError("Between 0 and 10 percent.")
    before = round(100 * float(practice.policy.get("standing_hold_out", 0)))
    if percent == before:
        return False
    db.run(
        "UPDATE practice SET policy = jsonb_set(policy, '{standing_hold_out}', %(share)s) WHERE id = %(id)s",
        share=db.json(percent / 100), id=practice.id,
    )  # fmt: skip
    detail = {"percent": [before, percent]}
    audit.record(practice.id, actor, "changed the standing hold-out", f"practice:{practice.id}", now, detail)
    return True


def secure(practice: Practice, export_limit: int, factor_roles: Sequence[str], actor: str, now: datetime) -> list[str]:
    """Say how many people somebody may export alone in a day, and which roles need a second factor; return what changed.

    The trail keeps both values, before and after. Raises ValueError outside 1 to 500 people.
    """
    if not 1 <= export_limit <= LARGEST_EXPORT_LIMIT:
        raise ValueError(f"Between 1 and {LARGEST_EXPORT_LIMIT} people.")
    roles = [role for role in ROLES if role in factor_roles]
    before = {"export_limit": practice.export_limit, "second_factor_roles": factor_roles_of(practice)}
    after = {"export_limit": export_limit, "second_factor_roles": roles}
    changed = [name for name, value in after.items() if value != before[name]]
    if changed:
        db.run(
            "UPDATE practice SET export_limit = %(limit)s, second_factor_roles = %(roles)s WHERE id = %(id)s",
            id=practice.id, limit=export_limit, roles=roles,
        )  # fmt: skip
        detail = {name: [before[name], after[name]] for name in changed}
        audit.record(practice.id, actor, "changed security settings", f"practice:{practice.id}", now, detail)
    return changed


def factor_roles_of(practice: Practice) -> list[str]:
    """Return the roles that sign in with a second factor here: all until the owner says otherwise, none in a rehearsal (SEC-07)."""
    if practice.second_factor_roles is not None:
        return practice.second_factor_roles
    return [] if practice.is_rehearsal else list(ROLES)


def stop_everything(practice: Practice, actor: str, now: datetime) -> None:
    """Throw the practice's stop switch: no claim passes from this commit on."""
    db.run("UPDATE practice SET held_at = %(now)s WHERE id = %(id)s AND held_at IS NULL", now=now, id=practice.id)
    audit.record(practice.id, actor, "stopped all sending", f"practice:{practice.id}", now)


def go_on(practice: Practice, actor: str, now: datetime) -> None:
    """Take the stop switch back; what is queued passes every gate anew."""
    db.run("UPDATE practice SET held_at = NULL WHERE id = %(id)s", id=practice.id)
    audit.record(practice.id, actor, "allowed sending again", f"practice:{practice.id}", now)


def stop_installation(actor: str, now: datetime) -> None:
    """Throw the switch of the whole installation: no practice sends from this commit on. Opens its own transaction."""
    with db.scope(audit.INSTALLATION):
        db.run(
            "INSERT INTO installation_stop (held_at, held_by) VALUES (%(now)s, %(actor)s) ON CONFLICT DO NOTHING", now=now, actor=actor
        )  # fmt: skip
        audit.record(audit.INSTALLATION, actor, "stopped all sending", "installation", now)


def installation_goes_on(actor: str, now: datetime) -> None:
    """Take the installation's switch back; those of groups and practices stay as they are. Opens its own transaction."""
    with db.scope(audit.INSTALLATION):
        db.run("DELETE FROM installation_stop")
        audit.record(audit.INSTALLATION, actor, "allowed sending again", "installation", now)


def stop_group(group: str, actor: str, now: datetime) -> None:
    """Throw the switch of a group of practices. Opens its own transaction; raises LookupError when no group has this name."""
    _switch_group(group, now, "stopped all sending", actor, now)


def group_goes_on(group: str, actor: str, now: datetime) -> None:
    """Take a group's switch back. Opens its own transaction; raises LookupError when no group has this name."""
    _switch_group(group, None, "allowed sending again", actor, now)


def _switch_group(group: str, held_at: datetime | None, verb: str, actor: str, now: datetime) -> None:
    with db.scope(audit.INSTALLATION):
        found = db.values(
            "UPDATE practice_group SET all_held_at = %(held)s WHERE name = %(name)s RETURNING id", held=held_at, name=group
        )  # fmt: skip
        if not found:
            raise LookupError(f"There is no group of practices named '{group}'.")
        for group_id in found:
            audit.record(audit.INSTALLATION, actor, verb, f"group:{group_id}", now)
