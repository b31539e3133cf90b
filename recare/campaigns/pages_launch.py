"""The launch: publish, freeze and enrol in one go, but only what the person at the button has seen."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.core import signing

from recare.base import audit, db
from recare.campaigns import campaign, enrol, rehearsed

if TYPE_CHECKING:
    from datetime import datetime

    from recare.campaigns.enrol import Enrolled
    from recare.campaigns.preview import Preview

_SALT: Final = "recare.campaigns.launch"
LIVES: Final = 12 * 3600  # seconds; as long as a session at most
SLACK: Final = 0.02  # a sync between looking and pressing may move a few patients


class NumberChangedError(ValueError):
    """The launch would reach another number of patients than was shown; nothing has happened."""


class LaunchedBeforeError(ValueError):
    """The same launch has happened already, by a second click or a colleague."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What stood beside the button. ``freezes`` tells a first launch from one that came in between."""

    campaign_id: int
    playbook: str
    treated: int
    held_out: int
    freezes: int
    patients: list[int]


def seal(practice_id: int, campaign_id: int, seen: Preview) -> str:
    """Return what the launch button posts: the numbers as shown, signed."""
    row = campaign.get(practice_id, campaign_id)
    shown = [
        campaign_id, _digest(row.playbook), seen.eligible - seen.held_out, seen.held_out, _freezes(practice_id, campaign_id),
        [first.patient_id for first in seen.examples[:10]],
    ]  # fmt: skip
    return signing.dumps([practice_id, *shown], salt=_SALT)


def unseal(practice_id: int, token: str) -> Shown:
    """Read a posted token. Raises ValueError with a sentence when it is not ours, another practice's, or too old."""
    try:
        owner, *shown = signing.loads(token, salt=_SALT, max_age=LIVES)
    except signing.BadSignature as error:
        raise ValueError("This page is too old to launch from. Look at the numbers again, then launch.") from error
    if owner != practice_id:
        raise ValueError("This page belongs to another practice. Open the campaign again.")
    return Shown(*shown)


def launch(practice_id: int, shown: Shown, actor: str, now: datetime) -> Enrolled:
    """Publish the campaign and enrol its segment, in the caller's transaction.

    Raises LaunchedBeforeError and NumberChangedError (then nothing has happened), and what ``campaign.publish`` and
    ``enrol.freeze_and_enrol`` raise.
    """
    with db.scope(practice_id):
        db.run(
            "SELECT id FROM campaign WHERE practice_id = %(p)s AND id = %(c)s FOR UPDATE",
            p=practice_id,
            c=shown.campaign_id,
        )
        if _freezes(practice_id, shown.campaign_id) != shown.freezes:
            raise LaunchedBeforeError("This was launched already. Nothing was done twice.")
        if _digest(campaign.get(practice_id, shown.campaign_id).playbook) != shown.playbook:
            raise NumberChangedError("The plan was changed since you looked. Read it again, then launch.")
        version_id = campaign.publish(practice_id, shown.campaign_id, actor, now)
        done = enrol.freeze_and_enrol(practice_id, shown.campaign_id, now)
        _compare(shown, done)
        rehearsed.keep_for_launch(practice_id, shown.campaign_id)
        detail: dict[str, Any] = {"version": version_id, "treated": done.treated, "held_out": done.held_out}
        audit.record(practice_id, actor, "campaign.launched", f"campaign:{shown.campaign_id}", now, detail)
        return done


def _compare(shown: Shown, done: Enrolled) -> None:
    allowed = max(3, round(SLACK * shown.treated))
    if abs(done.treated - shown.treated) > allowed:
        raise NumberChangedError(
            f"Since you looked, the number of patients went from {shown.treated:,} to {done.treated:,}. Look again, then launch."
        )


def _freezes(practice_id: int, campaign_id: int) -> int:
    return int(
        db.value(
            "SELECT count(*) FROM campaign_freeze WHERE practice_id = %(practice)s AND campaign_id = %(campaign)s",
            practice=practice_id, campaign=campaign_id,
        )
    )  # fmt: skip


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
