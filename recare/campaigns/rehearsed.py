"""Previews that are kept: a worker makes them, pages show them with their date, and a launch keeps the one that it was based on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from recare.base import counted, db
from recare.campaigns import campaign, playbook
from recare.campaigns.preview import Preview, preview

if TYPE_CHECKING:
    from recare.base.counted import Counted
    from recare.campaigns.campaign import Campaign
    from recare.campaigns.preview import Say

GOOD_FOR: Final = timedelta(hours=1)
"""Older than this it is made anew before anybody launches by it."""
_SHAPE: Final = TypeAdapter(Preview)


@dataclass(frozen=True, slots=True)
class Look:
    """A preview, or None while it is being made; ``counted`` says as of when, how far it has come, or why it failed."""

    counted: Counted
    seen: Preview | None = None


def look(practice_id: int, row: Campaign, now: datetime) -> Look:
    """Return the preview of a campaign's plan as it stands; asks a worker for one when there is none of this plan, or an old one.

    Raises CannotPublishError and PlaybookError, so that a plan which cannot be launched says so at once.
    """
    campaign.frozen(practice_id, playbook.read(row.playbook), now)
    found = counted.latest(practice_id, _preview(row.id))
    if found.waiting:
        return Look(found)
    seen = _read(found)
    if seen is not None and (found.figures or {}).get("plan") == _plan(practice_id, row) and _is_new(found, now):
        return Look(found, seen)
    if found.error:
        return Look(found)
    again(practice_id, row.id, now)
    return Look(counted.latest(practice_id, _preview(row.id)))


def under_way(practice_id: int, campaign_id: int) -> Counted | None:
    """Return how far a preview has come that somebody waits for, or None when nobody does."""
    found = counted.latest(practice_id, _preview(campaign_id))
    return found if found.waiting else None


def again(practice_id: int, campaign_id: int, now: datetime) -> None:
    """Ask a worker for a new preview."""
    counted.want(practice_id, _preview(campaign_id), now)


def count(practice_id: int, campaign_id: int, now: datetime, say: Say) -> dict[str, Any]:
    """Make a preview as it is kept. Opens its own transactions; raises what ``preview`` raises."""
    with db.scope(practice_id):
        plan = _plan(practice_id, campaign.get(practice_id, campaign_id))
    return {"plan": plan, "seen": _SHAPE.dump_python(preview(practice_id, campaign_id, now, say), mode="json")}


def keep_for_launch(practice_id: int, campaign_id: int) -> None:
    """Keep the preview that somebody has just launched by: the next one does not write over it."""
    found = counted.latest(practice_id, _preview(campaign_id))
    if found.figures is not None and found.counted_at is not None:
        counted.keep(practice_id, f"launch:{campaign_id}", found.figures, found.counted_at)


def before_launch(practice_id: int, campaign_id: int) -> tuple[Preview, datetime] | None:
    """Return the preview of the last launch, or of a draft the last one made, whatever its age, with its date; None when there is none."""
    for what in (f"launch:{campaign_id}", _preview(campaign_id)):
        found = counted.latest(practice_id, what)
        seen = _read(found)
        if seen is not None and found.counted_at is not None:
            return seen, found.counted_at
    return None


def _preview(campaign_id: int) -> str:
    return f"preview:{campaign_id}"


def _plan(practice_id: int, row: Campaign) -> str:
    """What a preview is about: the plan's text, and how often the campaign has taken people in before."""
    freezes = db.value(
        "SELECT count(*) FROM campaign_freeze WHERE practice_id = %(practice)s AND campaign_id = %(campaign)s",
        practice=practice_id,
        campaign=row.id,
    )
    return f"{hashlib.sha256(row.playbook.encode()).hexdigest()[:16]}:{freezes}"


def _read(found: Counted) -> Preview | None:
    try:
        return _SHAPE.validate_python(found.figures["seen"]) if found.figures else None
    except (ValidationError, KeyError):  # kept by another release
        return None


def _is_new(found: Counted, now: datetime) -> bool:
    return found.counted_at is not None and timedelta(0) <= now - found.counted_at < GOOD_FOR
