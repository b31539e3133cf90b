"""Law as data (ENG-03): one YAML file for each country or group of countries, rows with dates, citation and confidence.

A row that cannot be read is an error that names the file and the place; nothing is skipped and nothing guessed (yes for 1, the second of two
equal keys), because either could widen the law.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

FOLDER = Path(__file__).parent / "packs"
OTHER_FILES: Final = frozenset({"national.yaml", "rules.yaml"})
CACHE_SIZE = 50_000

Hours = tuple[time, time] | None
Confidence = Literal["H", "M", "L"]


_Kind = TypeVar("_Kind", bound=BaseModel)


class PackError(Exception):
    """A pack that cannot be read. The sentence names the file, the place in it and what is wrong."""


def _hours(value: object) -> object:
    if value == "closed":
        return None
    if not isinstance(value, str) or value.count("-") != 1:
        raise ValueError(f"hours are written '08:00-20:00' or 'closed', not {value!r}")
    opens, closes = (time.fromisoformat(part.strip()) for part in value.split("-"))
    if opens >= closes:
        raise ValueError(f"hours must open before they close, not {value!r}")
    return opens, closes


def _closed(value: object) -> object:
    if value not in {"open", "closed"}:
        raise ValueError(f"holidays are 'open' or 'closed', not {value!r}")
    return value == "closed"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error
    return name


HoursField = Annotated[Hours, BeforeValidator(_hours)]
ClosedField = Annotated[bool, BeforeValidator(_closed)]
Zone = Annotated[str, AfterValidator(_zone)]
State = Annotated[str, Field(pattern="^[A-Z]{2}$")]
Level = Annotated[int, Field(strict=True, ge=0, le=3)]
Number = Annotated[int, Field(strict=True, ge=0)]
Flag = Annotated[bool, Field(strict=True)]
Class = Literal["A", "R", "P", "T", "S"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Week(_Row):
    """Hours of each kind of day; None is a closed day."""

    weekday: HoursField = (time(8), time(21))
    saturday: HoursField = (time(8), time(21))
    sunday: HoursField = (time(8), time(21))
    holidays: ClosedField = False

    def on(self, day: date) -> Hours:
        """Hours of a local day, holidays apart."""
        number = day.weekday()
        return self.weekday if number < 5 else self.saturday if number == 5 else self.sunday


class Cap(_Row):
    """No more than ``touches`` to a number in ``hours`` (FRQ-02)."""

    hours: int = Field(strict=True, gt=0)
    touches: int = Field(strict=True, gt=0)
    lifted_by_ebr: Flag = False
    device_only: Flag = False


class StateRow(Week):
    """What a state adds to federal law while the row is in force (section "state pack"; ENG-03)."""

    state: State
    starts: date = date.min
    ends: date = date.max
    device: Week | None = None
    """Hours of automated devices where they differ; an automated text is read as one."""
    recall_floor: Level = 2
    call_floor: Level = 1
    caps: tuple[Cap, ...] = ()
    ebr_months: Number | None = None
    state_list: Flag = False
    reassigned_query: Flag = False
    written_promo: Flag = False
    not_interested_months: Number = 0
    ad_rules: str = ""
    gifts_medicaid: Flag = True
    referral_rewards: Flag = False
    cite: str = Field(min_length=3)
    confidence: Confidence
    note: str = ""

    def week(self, *, automated: bool) -> Week:
        return self.device if automated and self.device is not None else self


class PhoneCaps(_Row):
    per_day: int = Field(default=1, strict=True, ge=1)
    per_week: int = Field(default=3, strict=True, ge=1)


class Country(_Row):
    """Where the numbers and people of a country are."""

    zones: tuple[Zone, ...] = ()
    calling_code: str = Field(pattern=r"^\d{1,3}$")
    regions: dict[State, tuple[Zone, ...]] = {}


class CountryPack(Week):
    """One file: what holds in its countries. ``floors``: consent level by channel and class."""

    version: str
    countries: dict[State, Country] = Field(min_length=1)
    cite: str = Field(min_length=3)
    confidence: Confidence
    floors: dict[Literal["sms", "email", "call"], dict[Class, Level]]
    implied_months: Number = 0
    implied_inquiry_months: Number = 0
    implied_classes: tuple[Class, ...] = ()
    registry_channels: tuple[Literal["sms", "call"], ...] = ()
    registry_max_age_days: Number = 31
    ebr_months: Number = 0
    ebr_inquiry_months: Number = 0
    recall_is_marketing: Flag = True
    phone_caps: PhoneCaps = PhoneCaps()
    states_required: Flag = False
    federal_only: tuple[State, ...] = ()
    states: tuple[StateRow, ...] = ()

    @model_validator(mode="after")
    def _rows_follow_one_another(self) -> CountryPack:
        last: dict[str, date] = {}
        for row in sorted(self.states, key=lambda row: (row.state, row.starts)):
            if row.ends < row.starts:
                raise ValueError(f"row {row.state}: ends {row.ends} before it starts {row.starts}")
            before = last.get(row.state)
            if before is not None and row.starts <= before:
                raise ValueError(
                    f"row {row.state} from {row.starts}: overlaps the row before it; give that one an earlier end"
                )
            if before is not None and row.starts > before + timedelta(days=1):
                raise ValueError(f"row {row.state} from {row.starts}: no row holds on the days after {before}")
            last[row.state] = row.ends
        twice = sorted(last.keys() & set(self.federal_only))
        if twice:
            raise ValueError(f"{', '.join(twice)}: a state with rows of its own stands under federal_only too")
        for channel in ("sms", "email", "call"):
            if set(self.floors.get(channel, {})) != set("ARPTS"):
                raise ValueError(f"floors.{channel}: needs exactly the classes A, R, P, T and S")
        return self

    def row(self, state: str, day: date) -> StateRow | None:
        """The row in force on a local day; a state where federal law alone applies gets an empty row; None = nobody has written one."""
        for row in self.states:
            if row.state == state and row.starts <= day <= row.ends:
                return row
        if state in self.federal_only:
            return StateRow(state=state, cite=self.cite, confidence=self.confidence)
        return None


class NationalWindow(Week):
    version: str
    margin_minutes: int = Field(strict=True, ge=0, le=60)


@dataclass(frozen=True, eq=False)
class PackSet:
    """All packs, by country. ``national`` is the product's own window, ``margin`` the minutes before a legal end (TIM-01, TIM-03)."""

    packs: dict[str, CountryPack]
    national: Week | None
    margin: timedelta
    names: dict[str, str]
    """Country -> name and version, as stored in every reason."""
    cache: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def keep(self, key: Any, value: Any) -> None:
        """Remember what was derived from these packs; all is forgotten once there is much of it, so a long run stays small."""
        if len(self.cache) >= CACHE_SIZE:
            self.cache.clear()
        self.cache[key] = value

    def law_only(self) -> PackSet:
        """The law without the product's own window and margin: to show, or to test, what a statute says."""
        return replace(self, national=None, margin=timedelta(0))


def load_from(folder: Path) -> PackSet:
    """Read every pack of a folder. Raises PackError, naming file and place, for anything that is not exactly a pack."""
    packs: dict[str, CountryPack] = {}
    names: dict[str, str] = {}
    national = _read(folder / "national.yaml", NationalWindow)
    for path in sorted(folder.glob("*.y*ml")):
        if path.name in OTHER_FILES:
            continue
        if not re.fullmatch(r"[a-z]{2}\.yaml", path.name):
            raise PackError(f"{path.name}: no pack has such a name; a pack is called by two letters, such as us.yaml")
        pack = _read(path, CountryPack)
        for country in pack.countries:
            if country in packs:
                raise PackError(f"{path.name}: countries.{country}: another pack has this country already")
            packs[country] = pack
            name = path.stem if len(pack.countries) == 1 else f"{path.stem}-{country.lower()}"
            names[country] = f"{name} {pack.version}"
    if not packs:
        raise PackError(f"no pack found in {folder.name}: nothing could be decided")
    return PackSet(packs, national, timedelta(minutes=national.margin_minutes), names)


@functools.cache
def load_packs() -> PackSet:
    """The packs shipped with this version, read once."""
    return load_from(FOLDER)


class _Once(yaml.SafeLoader):
    """YAML in which no key stands twice: of two, the reader would silently take the second."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _read(path: Path, kind: type[_Kind]) -> _Kind:
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Once)  # noqa: S506  # a safe loader, see above
        return kind.model_validate(data)
    except OSError as error:
        raise PackError(f"{path.name}: cannot be opened ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise PackError(f"{path.name}: is not UTF-8 text") from error
    except ValidationError as error:
        raise PackError(
            f"{path.name}: " + "; ".join(_place(problem, path.name) for problem in error.errors())
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # a day such as 13-18 is found by YAML itself
        raise PackError(f"{path.name}: is not YAML: {error}") from error


def _place(problem: Any, name: str) -> str:
    place = ".".join(str(step) for step in problem["loc"]) or name
    return f"{place}: {problem['msg']}"
