"""Makes ``packs/area_codes.csv``: every zone and state a North American area code may lie in (TIM-04, TIM-05).

Zones are the union over every prefix of an area code in the data files of the phonenumbers package, never its look-up of one number: that
look-up falls back to one default zone for most prefixes and does not say so (219 999 in Indiana answers Eastern; the area is mostly
Central). Curated on top: splits the data does not show and overlays, which cover the same ground as the code they overlay. Run
``python -m recare.compliance.area_codes`` after an update of phonenumbers; a test fails when the shipped file knows less than the library.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

from phonenumbers.geodata import GEOCODE_DATA
from phonenumbers.tzdata import TIMEZONE_DATA

FILE: Final = Path(__file__).parent / "packs" / "area_codes.csv"

OVERLAYS: Final = {
    "448": "850", "930": "812", "364": "270", "458": "541", "986": "208", "729": "423",
    "236": "250", "672": "250", "778": "250", "257": "250", "367": "418", "581": "418", "879": "709",
}  # fmt: skip
"""Newer code -> the code whose ground it shares; both get the zones of both."""

SPLITS: Final = {
    "931": ("America/Chicago", "America/New_York"),
    "541": ("America/Boise",),
    "432": ("America/Denver",),
    "306": ("America/Edmonton", "America/Regina"),
    "474": ("America/Edmonton", "America/Regina"),
    "639": ("America/Edmonton", "America/Regina"),
    "250": ("America/Creston", "America/Fort_Nelson"),
    "418": ("America/Blanc-Sablon",),
    "807": ("America/Atikokan",),
    "867": ("America/Whitehorse",),
}
"""Zones known from maps that the library's data files do not show."""

STATES: Final = {
    "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA", "Colorado": "CO", "Connecticut": "CT",
    "Delaware": "DE", "Washington D.C.": "DC", "Florida": "FL", "Georgia": "GA", "Hawaii": "HI", "Idaho": "ID", "Illinois": "IL",
    "Indiana": "IN", "Iowa": "IA", "Kansas": "KS", "Kentucky": "KY", "Louisiana": "LA", "Maine": "ME", "Maryland": "MD",
    "Massachusetts": "MA", "Michigan": "MI", "Minnesota": "MN", "Mississippi": "MS", "Missouri": "MO", "Montana": "MT",
    "Nebraska": "NE", "Nevada": "NV", "New Hampshire": "NH", "New Jersey": "NJ", "New Mexico": "NM", "New York": "NY",
    "North Carolina": "NC", "North Dakota": "ND", "Ohio": "OH", "Oklahoma": "OK", "Oregon": "OR", "Pennsylvania": "PA",
    "Rhode Island": "RI", "South Carolina": "SC", "South Dakota": "SD", "Tennessee": "TN", "Texas": "TX", "Utah": "UT",
    "Vermont": "VT", "Virginia": "VA", "Washington State": "WA", "West Virginia": "WV", "Wisconsin": "WI", "Wyoming": "WY",
}  # fmt: skip
PROVINCES: Final = {
    "Alberta": "AB", "British Columbia": "BC", "British Colombia": "BC", "Manitoba": "MB", "New Brunswick": "NB",
    "Newfoundland and Labrador": "NL", "Nova Scotia/Prince Edward Island": "NS|PE", "Northwest Territories/Nunavut/Yukon": "NT|NU|YT",
    "Ontario": "ON", "Quebec": "QC", "Saskatchewan": "SK",
}  # fmt: skip
CURATED: Final = {
    "203": ("US", "CT"), "310": ("US", "CA"), "713": ("US", "TX"), "718": ("US", "NY"), "905": ("CA", "ON"),
    "340": ("US", "VI"), "670": ("US", "MP"), "671": ("US", "GU"),
    "684": ("US", "AS"), "787": ("US", "PR"), "939": ("US", "PR"),
}  # fmt: skip
"""Codes the library names by town or not at all. What is neither here nor named is a country of its own, such as Jamaica: foreign."""


def build() -> dict[str, tuple[set[str], str, str]]:
    """Area code -> zones, country ('US', 'CA' or '' for any other country) and states joined by '|'."""
    zones: dict[str, set[str]] = {}
    for prefix, names in TIMEZONE_DATA.items():
        if prefix.startswith("1") and len(prefix) >= 4:
            zones.setdefault(prefix[1:4], set()).update(names)
    for code, names in SPLITS.items():
        zones.setdefault(code, set()).update(names)
    for new, old in OVERLAYS.items():
        both = zones.get(new, set()) | zones[old]
        zones[new], zones[old] = set(both), set(both)
    return {code: (names, *_place(code)) for code, names in sorted(zones.items())}


def write(path: Path = FILE) -> int:
    """Write the table; how many area codes it holds."""
    table = build()
    with path.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(("area_code", "country", "states", "zones"))
        for code, (zones, country, states) in table.items():
            rows.writerow((code, country, states, "|".join(sorted(zones))))
    return len(table)


def _place(code: str) -> tuple[str, str]:
    if code in CURATED:
        return CURATED[code]
    name = GEOCODE_DATA.get("1" + code, {}).get("en", "")
    if not name and code in OVERLAYS:
        return _place(OVERLAYS[code])
    if name in STATES:
        return "US", STATES[name]
    if name in PROVINCES:
        return "CA", PROVINCES[name]
    tail = name.rsplit(", ", 1)[-1]
    if tail in STATES.values():
        return "US", tail
    return ("CA", tail) if tail in PROVINCES.values() else ("", "")


if __name__ == "__main__":
    write()
