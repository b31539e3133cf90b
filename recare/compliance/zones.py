"""Where a person may be: every possible time zone and state of a number and an address, and never a guess (TIM-04, TIM-05)."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import zipcodes

from recare.compliance import area_codes

if TYPE_CHECKING:
    from recare.compliance.packs import PackSet

US_ZONES: Final = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles", "America/Anchorage",
    "America/Adak", "Pacific/Honolulu", "America/Puerto_Rico", "America/Halifax", "America/St_Johns", "America/Regina",
)  # fmt: skip
"""Names preferred for zones with the same clock, so that 'America/Boise' and 'America/Denver' are one (TIM-04: lies inside)."""

ODD_ZIPS: Final = {
    **dict.fromkeys(("89883", "89825", "86045", "86502", "86512", "86034", "57532", "73946", "79942"), ("America/Denver",)),
    **dict.fromkeys(("36867", "36868", "36869", "36870", "36854", "36872", "36863", "36877", "37405", "37338"), ("America/New_York",)),
    "83522": ("America/Los_Angeles",),
    "86003": ("America/Phoenix",),
}  # fmt: skip
"""Places that keep, or partly keep, another clock than the list says; both count. West Wendover and Jackpot, Nevada; Kenton, Oklahoma; Fort Pierre;
Phenix City, Valley, Lanett and Smiths Station, Alabama, live by the clock of the state next door. The edge of the Navajo Nation (Tuba City,
Chambers, Sanders, Keams Canyon) changes to summer time while Arizona around it does not. And the list errs where all ZIPs around say otherwise:
North Chattanooga, Graysville, one of El Paso, Cottonwood in Idaho, one of Flagstaff.
"""

MILITARY: Final = frozenset({"AA", "AE", "AP"})
"""Post offices of the forces abroad: the person can be anywhere."""


class AreaCode(NamedTuple):
    country: str
    states: frozenset[str]
    zones: frozenset[str]


@dataclass(slots=True, eq=False)
class Place:
    """Zones and states to respect together; no zones = nobody knows where (TZ_UNKNOWN). Compared by identity: places are cached."""

    zones: tuple[str, ...]
    states: tuple[str, ...]
    address_states: tuple[str, ...]
    country_of_number: str
    clocks: tuple[ZoneInfo, ...] = ()
    _slot: tuple[int, date, date] = field(default=(-1, date.min, date.min))

    def dates(self, stamp: float) -> tuple[date, date]:
        """Earliest and latest local date at an instant (UTC where no zone is known). Offsets are whole quarters of an hour, so the
        answer is kept until the next quarter.
        """
        slot = int(stamp // 900)
        kept = self._slot
        if kept[0] == slot:
            return kept[1], kept[2]
        days = [datetime.fromtimestamp(stamp, clock).date() for clock in self.clocks or (UTC,)]
        kept = self._slot = (slot, min(days), max(days))
        return kept[1], kept[2]

    def midnight(self, day: date) -> float:
        """The last of the local midnights that begin a day."""
        starts = [datetime(day.year, day.month, day.day, tzinfo=clock).timestamp() for clock in self.clocks or (UTC,)]
        return max(starts)


@dataclass(frozen=True, slots=True)
class Address:
    """What of an address and number tells where somebody is. ``number`` is E.164 or '' for channels without one."""

    number: str = ""
    zip: str = ""
    state: str = ""
    country: str = ""
    confirmed_tz: str = ""


def place(packs: PackSet, address: Address) -> Place:
    """TIM-04: the zone the patient confirmed; else zones of the ZIP where they lie inside the area code's; else both together.

    Without a ZIP the area code decides, joined by the zones of the stated home state unless the number belongs to that state. Toll-free,
    non-geographic and foreign numbers tell nothing. States: of the address and of the area code, together.
    """
    code, number_country = _number(packs, address)
    home, abroad = _home(packs, address)
    if abroad:
        zones: frozenset[str] = frozenset()
    elif address.confirmed_tz and _same_clock(address.confirmed_tz):
        zones = frozenset({_same_clock(address.confirmed_tz)})
    elif not home.zones or not code.zones:
        zones = home.zones or code.zones
    elif home.exact:
        zones = home.zones if home.zones <= code.zones else home.zones | code.zones
    else:
        zones = code.zones if home.states and home.states <= code.states else home.zones | code.zones
    at_home = home.states if address.country in {"", "US"} else frozenset()
    states = at_home | (code.states if code.country == "US" else frozenset())
    ordered = tuple(sorted(zones))
    clocks = tuple(ZoneInfo(name) for name in ordered)
    return Place(ordered, tuple(sorted(states)), tuple(sorted(at_home)), number_country, clocks)


@dataclass(frozen=True, slots=True)
class _Home:
    zones: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    exact: bool = False


_NOWHERE: Final = AreaCode("", frozenset(), frozenset())


def _number(packs: PackSet, address: Address) -> tuple[AreaCode, str]:
    """What the number tells, and its country. A number of another country than the person's is foreign: it tells nothing alone."""
    number = address.number
    if not number:
        return _NOWHERE, ""
    if number.startswith("+1"):
        code = table().get(number[2:5], _NOWHERE) if len(number) == 12 else _NOWHERE
        foreign = code.country != (address.country or "US")
        return (_NOWHERE if foreign and not (address.zip or address.state) else code), code.country
    for country, pack in packs.packs.items():
        place = pack.countries[country]
        if place.calling_code != "1" and number.startswith("+" + place.calling_code):
            same = address.country == country
            return (AreaCode(country, frozenset(), _clocks(place.zones)) if same else _NOWHERE), country
    return _NOWHERE, ""


def _home(packs: PackSet, address: Address) -> tuple[_Home, bool]:
    """What the postal address tells, and whether it is a post office of the forces abroad."""
    state = address.state.strip().upper()
    if address.country in {"", "US"}:
        if state in MILITARY:
            return _Home(), True
        return _us_home(state, address.zip)
    pack = packs.packs.get(address.country)
    if pack is None:
        return _Home(), False
    country = pack.countries[address.country]
    region = frozenset({state} & country.regions.keys())
    return _Home(_clocks(country.regions.get(state, country.zones)), region), False


def _us_home(state: str, raw_zip: str) -> tuple[_Home, bool]:
    stated = frozenset({state}) if state in state_zones() else frozenset()
    code = raw_zip.strip()[:5]
    if code.isdigit() and len(code) >= 3:
        code = code.zfill(5)
        found = zips().get(code)
        if found is None and code[:3] in prefixes():
            found = prefixes()[code[:3]]
        if found is not None:
            if MILITARY & found.states:
                return _Home(), True
            return _Home(found.zones, found.states | stated, exact=True), False
    return _Home(state_zones().get(state, frozenset()), stated), False


@functools.cache
def table() -> dict[str, AreaCode]:
    """Area code -> country, states and all zones; only codes that lie in the United States or Canada tell anything."""
    with area_codes.FILE.open(encoding="utf-8", newline="") as lines:
        return {
            row["area_code"]: AreaCode(
                row["country"], frozenset(filter(None, row["states"].split("|"))), _clocks(row["zones"].split("|"))
            )
            for row in csv.DictReader(lines)
            if row["country"]
        }


@functools.cache
def zips() -> dict[str, AreaCode]:
    """ZIP -> state and zone, from the zipcodes package; odd places keep both clocks."""
    return {
        row["zip_code"]: AreaCode(
            "US",
            frozenset({row["state"]}),
            _clocks((row["timezone"], *ODD_ZIPS.get(row["zip_code"], ()))) or state_zones()[row["state"]],
        )
        for row in _zip_rows()
    }


@functools.cache
def state_zones() -> dict[str, frozenset[str]]:
    """State -> all its zones, as its ZIPs and area codes show them."""
    found: dict[str, set[str]] = {}
    for row in _zip_rows():
        found.setdefault(row["state"], set()).update(_clocks((row["timezone"],)))
    found["NV"].update(_clocks(ODD_ZIPS["89883"]))
    return {state: frozenset(zones) for state, zones in found.items()}


@functools.cache
def prefixes() -> dict[str, AreaCode]:
    """First three digits of a ZIP -> all zones of the states it lies in: a ZIP nobody knows tells no more than that."""
    found: dict[str, set[str]] = {}
    for row in _zip_rows():
        found.setdefault(row["zip_code"][:3], set()).add(row["state"])
    return {
        prefix: AreaCode("US", frozenset(states), frozenset().union(*(state_zones()[state] for state in states)))
        for prefix, states in found.items()
    }


def _zip_rows() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = zipcodes.list_all()  # type: ignore[no-untyped-call]
    return rows


def _clocks(names: tuple[str, ...] | list[str]) -> frozenset[str]:
    return frozenset(filter(None, map(_same_clock, names)))


@functools.cache
def _same_clock(name: str) -> str:
    """The preferred name of a zone whose clock reads the same from 2025 to 2032; '' for a name that is no zone."""
    try:
        signature = _signature(name)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError):
        return ""
    return next((other for other in US_ZONES if _signature(other) == signature), name)


@functools.cache
def _signature(name: str) -> tuple[timedelta | None, ...]:
    clock = ZoneInfo(name)
    first = datetime(2025, 1, 1, 12, tzinfo=UTC)
    return tuple((first + timedelta(days=day)).astimezone(clock).utcoffset() for day in range(0, 8 * 365, 3))
