"""Not now: hours, pauses and how often (TIM, FRQ). Each wait answers "the earliest instant from here on", so waits can be chained.

``wait(q, t)`` returns the first instant >= t at which this gate no longer waits, as far as it alone is concerned; None when never.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from recare.compliance.question import Question

DAY: Final = 86400.0
WEEK: Final = 7 * DAY
STEPS: Final = 64
CAMPAIGN_TOUCHES: Final = 5
CAMPAIGN_DAYS: Final = 90
CAMPAIGN_REST_DAYS: Final = 183

Wait = tuple[str, "Callable[[Question, float], float | None]"]

CODES: Final = {
    "paused": ("PAUSED", "PAT-01"),
    "bounced": ("SOFT_BOUNCE", "EML-04"),
    "begins": ("OFFER_EARLY", "OFR-04"),
    "day": ("FREQ_DAY", "FRQ-01"),
    "week": ("FREQ_WEEK", "FRQ-01"),
    "state": ("FREQ_STATE", "FRQ-02"),
}


def waits(q: Question) -> float | None:
    """Add every reason to wait; the instant at which none of them waits any more, or None when nothing waits (or nothing ever opens)."""
    if q.exempt:
        return None
    active = _active(q)
    waiting = False
    for name, wait in active:
        earliest = wait(q, q.stamp)
        if earliest is None:
            q.deny("NO_WINDOW", "TIM-02")
            return None
        if earliest > q.stamp:
            waiting = True
            code, rule, detail = q.schedule().closed_because(q.stamp) if name == "hours" else (*CODES[name], "")
            q.delay(code, rule, detail, earliest)
    return _settle(q, active) if waiting else None


def _settle(q: Question, active: list[Wait]) -> float | None:
    at = q.stamp
    for _ in range(STEPS):
        before = at
        for _, wait in active:
            earliest = wait(q, at)
            if earliest is None:
                q.deny("NO_WINDOW", "TIM-02")
                return None
            at = earliest
        if at == before:
            return at
    raise ArithmeticError("waits of a decision never settle")


def _active(q: Question) -> list[Wait]:
    """The waits that can hold this message at all; asking costs less than computing. Hours come last: every wait ends inside them."""
    active: list[Wait] = []
    content, history = q.content, q.history
    if q.cls in {"R", "P", "T"}:
        if q.patient.paused_until is not None:
            active.append(("paused", _paused))
        if q.channel == "email" and history.email_touches:
            active.append(("day", _day))
    if q.channel == "email" and q.point is not None and q.point.suppressed_until is not None:
        active.append(("bounced", _bounced))
    if content.offer is not None and content.offer.starts_on is not None:
        active.append(("begins", _begins))
    if q.phone:
        if q.cls != "A" and history.number_touches:
            active.extend(COUNTED)
        if q.place.zones and q.countries:
            active.append(("hours", _hours))
    return active


def _hours(q: Question, at: float) -> float | None:
    return q.schedule().next_open(at)


def _paused(q: Question, at: float) -> float:
    """Until the local midnight, the last of all possible zones, that begins the day the patient named."""
    day = q.patient.paused_until
    return max(at, q.place.midnight(day)) if day is not None else at


def _bounced(q: Question, at: float) -> float:
    until = q.point.suppressed_until if q.point is not None else None
    return max(at, until.timestamp()) if until is not None else at


def _begins(q: Question, at: float) -> float:
    day = q.content.offer.starts_on if q.content.offer is not None else None
    return max(at, q.place.midnight(day)) if day is not None else at


def _day(q: Question, at: float) -> float:
    """FRQ-01: so many on one local day, in any zone the person may be in. E-mail: so many in 24 hours [design]."""
    if q.channel == "email":
        return _rolling(_stamps(q.history.email_touches), at, DAY, max(1, q.practice.max_per_day))
    most = max(0, min(q.practice.max_per_day, q.law.per_day))
    touches = [touch.timestamp() for touch in q.history.number_touches if touch.timestamp() > at - 3 * DAY]
    for _ in range(8):
        later = at
        for clock in q.place.clocks or (UTC,):
            today = datetime.fromtimestamp(at, clock).date()
            if sum(datetime.fromtimestamp(touch, clock).date() == today for touch in touches) >= most:
                tomorrow = today + timedelta(days=1)
                later = max(later, datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=clock).timestamp())
        if later == at:
            return at
        at = later
    return at


def _week(q: Question, at: float) -> float:
    """FRQ-01: so many in any 168 elapsed hours; at exactly the first plus 168 hours the next may go."""
    return _rolling(_stamps(q.history.number_touches), at, WEEK, max(1, min(q.practice.max_per_week, q.law.per_week)))


def _state(q: Question, at: float) -> float:
    """FRQ-02: caps of states, evaluated whatever the practice set."""
    touches = _stamps(q.history.number_touches)
    for cap in q.law.caps if q.solicits else ():
        if (cap.device_only and not q.content.automated) or (cap.lifted_by_ebr and q.has_ebr()):
            continue
        at = max(at, _rolling(touches, at, cap.hours * 3600.0, cap.touches))
    return at


def _rolling(touches: list[float], at: float, seconds: float, most: int) -> float:
    """First instant >= at with fewer than ``most`` touches in the ``seconds`` before it."""
    recent = [touch for touch in touches if touch > at - seconds]
    if len(recent) < most:
        return at
    return recent[len(recent) - most] + seconds


def _stamps(touches: tuple[datetime, ...]) -> list[float]:
    return sorted(touch.timestamp() for touch in touches)


COUNTED: Final[tuple[Wait, ...]] = (("week", _week), ("state", _state), ("day", _day))


def campaign(q: Question) -> None:
    """FRQ-01: five touches in 90 days, then half a year of rest, every channel. A practice may ask for fewer, never more."""
    touches = q.history.campaign_touches
    practice = q.practice
    most = max(1, min(practice.campaign_touches, CAMPAIGN_TOUCHES))
    if len(touches) < most or q.exempt or q.cls not in {"R", "P", "T"}:
        return
    days = max(practice.campaign_days, CAMPAIGN_DAYS) * DAY
    rest = max(practice.campaign_rest_days, CAMPAIGN_REST_DAYS) * DAY
    stamps = _stamps(touches)
    for last in range(most - 1, len(stamps)):
        if stamps[last] - stamps[last - most + 1] <= days and q.stamp < stamps[last] + rest:
            q.deny("FREQ_CAMPAIGN", "FRQ-01")
            return
