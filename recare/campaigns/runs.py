"""What a campaign did with its people so far, as its page shows it: counted now while few are enrolled, else kept and dated."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

from recare.base import counted
from recare.base.counted import Counted
from recare.campaigns import why
from recare.campaigns.why import Run

LIVE_UP_TO: Final = 5_000
"""Enrolments that are counted at every look."""
_SHAPE: Final = TypeAdapter(Run)


def look(practice_id: int, campaign_id: int, enrolled: int, now: datetime) -> tuple[Run, Counted | None]:
    """Return who was contacted and why the others were not, and when that was counted; None: now."""
    if enrolled <= LIVE_UP_TO:
        return why.for_run(practice_id, campaign_id), None
    what = f"run:{campaign_id}"
    return counted.shaped(_SHAPE, practice_id, what, now, lambda: count(practice_id, campaign_id))


def count(practice_id: int, campaign_id: int) -> dict[str, Any]:
    """Count it as it is kept, in the caller's scope."""
    made: dict[str, Any] = _SHAPE.dump_python(why.for_run(practice_id, campaign_id), mode="json")
    return made
