"""Public holidays by local date (TIM-02, TIM-06): of the country, of the state, and the days both observe instead."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import holidays

if TYPE_CHECKING:
    from datetime import date


@functools.lru_cache(maxsize=4096)
def closed_days(country: str, state: str, year: int) -> frozenset[date]:
    """Holidays of a country and, with ``state``, that state's own: Mardi Gras and Good Friday in Louisiana, Victory Day in Rhode Island.

    A state that does not keep a federal holiday still counts it closed: the stricter reading of both lists.
    """
    days = set(holidays.country_holidays(country, years=year))
    if state:
        days |= set(holidays.country_holidays(country, subdiv=state, years=year))
    return frozenset(days)
