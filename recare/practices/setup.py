"""``practice.yaml``: what an export cannot tell. Providers, chairs, hours, closed days and senders, applied as often as wanted."""

from __future__ import annotations

from datetime import date, time
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from recare.base import db, phones

if TYPE_CHECKING:
    from pathlib import Path

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SOURCE: Final = "csv"  # whose ids the file uses: those of the exported files beside it


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Address(_Strict):
    """Where the practice is; a commercial e-mail must say it (EML-01)."""

    street: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    country: str = "US"


class ProviderSpec(_Strict):
    """Somebody who treats."""

    id: str
    name: str
    kind: Literal["dentist", "hygienist", "other"] = "other"
    active: bool = True


class OperatorySpec(_Strict):
    """A chair. ``bookable``: patients may book it by link."""

    id: str
    name: str
    hygiene: bool = False
    bookable: bool = False
    provider: str | None = None


class SenderSpec(_Strict):
    """What messages are sent from. Passwords and keys are entered under Settings, never in a file."""

    channel: Literal["sms", "email", "letter", "portal"]
    provider: str
    address: str
    registered: bool = False
    use_cases: tuple[str, ...] = ()
    baa_party: str = ""
    baa_from: date | None = None
    baa_until: date | None = None

    @field_validator("address")
    @classmethod
    def _as_dialled(cls, address: str) -> str:
        found = phones.parse(address)
        return found.e164 if found and "@" not in address else address.strip().lower()


class Closure(_Strict):
    """A day on which nobody works."""

    day: date
    label: str = ""


class EmergencySpec(_Strict):
    """A declared emergency: nobody there is called or texted to come back (New York's law asks it; wherever it is entered it holds)."""

    state: str = Field(pattern="^[A-Z]{2}$")
    first: date
    until: date | None = None
    zips: tuple[str, ...] = ()

    @field_validator("zips")
    @classmethod
    def _first_digits(cls, zips: tuple[str, ...]) -> tuple[str, ...]:
        for each in zips:
            if not (each.isdigit() and 3 <= len(each) <= 5):
                raise ValueError(
                    f"'{each}' is no ZIP code and no beginning of one; put it in quotes, three to five digits"
                )
        return zips

    @model_validator(mode="after")
    def _ends_later(self) -> EmergencySpec:
        if self.until is not None and self.until < self.first:
            raise ValueError("an emergency cannot end before it begins")
        return self


class PracticeSpec(_Strict):
    """Everything ``practice.yaml`` may say."""

    name: str = Field(max_length=40)
    legal_name: str = ""
    tz: str
    phone: str = ""
    email: str = ""
    address: Address = Address()
    providers: tuple[ProviderSpec, ...] = ()
    operatories: tuple[OperatorySpec, ...] = ()
    hours: dict[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], tuple[tuple[time, time], ...]] = {}
    closures: tuple[Closure, ...] = ()
    senders: tuple[SenderSpec, ...] = ()
    emergencies: tuple[EmergencySpec, ...] | None = None

    @field_validator("tz")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"there is no time zone '{name}'; America/Chicago is one") from error
        return name

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of ``practice`` that the file states, for ``practice.create``."""
        plain = {"legal_name": self.legal_name or self.name, "phone": self.phone, "email": self.email}
        return {**plain, **self.address.model_dump()}


def read_practice_yaml(path: Path) -> PracticeSpec:
    """Read a ``practice.yaml``. Raises ValueError with file and place when something in it is wrong."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return PracticeSpec.model_validate(data)
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name} is not YAML: {getattr(error, 'problem', error)}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{path.name}: {place}: {first['msg']}.") from error


def apply(practice_id: int, spec: PracticeSpec) -> int:
    """Bring providers, chairs, hours, closures and senders to what the file says; return how many rows changed.

    Rows keep their ids. Providers that the file no longer names stay, for history points to them; chairs it no longer names are not
    bookable. Senders are added and corrected, never removed. Runs inside the caller's scope.
    """
    changed = _providers(practice_id, spec) + _operatories(practice_id, spec)
    return changed + _hours(practice_id, spec) + _senders(practice_id, spec) + _emergencies(practice_id, spec)


def _providers(practice_id: int, spec: PracticeSpec) -> int:
    return sum(
        db.run(
            "INSERT INTO provider AS t (practice_id, source, source_key, name, kind, active) VALUES (%(practice)s, %(source)s, %(id)s, %(name)s, "
            "%(kind)s, %(active)s) ON CONFLICT (practice_id, source, source_key) DO UPDATE SET name = EXCLUDED.name, kind = EXCLUDED.kind, "
            "active = EXCLUDED.active WHERE (t.name, t.kind, t.active) IS DISTINCT FROM (EXCLUDED.name, EXCLUDED.kind, EXCLUDED.active)",
            practice=practice_id, source=SOURCE, **provider.model_dump(),
        )
        for provider in spec.providers
    )  # fmt: skip


def _operatories(practice_id: int, spec: PracticeSpec) -> int:
    changed = sum(
        db.run(
            "INSERT INTO operatory AS t (practice_id, source, source_key, name, position, is_hygiene, bookable, provider_id) VALUES "
            "(%(practice)s, %(source)s, %(id)s, %(name)s, %(position)s, %(hygiene)s, %(bookable)s, (SELECT id FROM provider WHERE "
            "practice_id = %(practice)s AND source = %(source)s AND source_key = %(provider)s)) "
            "ON CONFLICT (practice_id, source, source_key) DO UPDATE SET name = EXCLUDED.name, position = EXCLUDED.position, "
            "is_hygiene = EXCLUDED.is_hygiene, bookable = EXCLUDED.bookable, provider_id = EXCLUDED.provider_id WHERE (t.name, t.position, "
            "t.is_hygiene, t.bookable, t.provider_id) IS DISTINCT FROM (EXCLUDED.name, EXCLUDED.position, EXCLUDED.is_hygiene, "
            "EXCLUDED.bookable, EXCLUDED.provider_id)",
            practice=practice_id, source=SOURCE, position=position, **chair.model_dump(),
        )
        for position, chair in enumerate(spec.operatories)
    )  # fmt: skip
    return changed + db.run(
        "UPDATE operatory SET bookable = false WHERE practice_id = %(practice)s AND source = %(source)s AND bookable "
        "AND NOT source_key = ANY(%(named)s)",
        practice=practice_id, source=SOURCE, named=[chair.id for chair in spec.operatories],
    )  # fmt: skip


def _hours(practice_id: int, spec: PracticeSpec) -> int:
    """Replace the practice's own hours when they differ; the hours of single chairs are set under Settings and stay."""
    wanted = sorted((_DAYS.index(day), starts, ends) for day, spans in spec.hours.items() for starts, ends in spans)
    present = db.tuples(
        "SELECT weekday, starts, ends FROM opening_hours WHERE practice_id = %(practice)s AND operatory_id IS NULL ORDER BY 1, 2, 3",
        practice=practice_id,
    )
    changed = 0
    if wanted and wanted != present:
        db.run(
            "DELETE FROM opening_hours WHERE practice_id = %(practice)s AND operatory_id IS NULL", practice=practice_id
        )
        db.run_many(
            "INSERT INTO opening_hours (practice_id, weekday, starts, ends) VALUES (%(practice)s, %(weekday)s, %(starts)s, %(ends)s)",
            [{"practice": practice_id, "weekday": day, "starts": starts, "ends": ends} for day, starts, ends in wanted],
        )
        changed = len(wanted)
    for closure in spec.closures:
        changed += db.run(
            "INSERT INTO closure AS t (practice_id, day, label) VALUES (%(practice)s, %(day)s, %(label)s) ON CONFLICT (practice_id, day) "
            "DO UPDATE SET label = EXCLUDED.label WHERE t.label <> EXCLUDED.label",
            practice=practice_id, **closure.model_dump(),
        )  # fmt: skip
    return changed


def _emergencies(practice_id: int, spec: PracticeSpec) -> int:
    """Replace the declared emergencies when the file has the word at all; an empty list says that there is none any more."""
    if spec.emergencies is None:
        return 0
    return db.run(
        "UPDATE practice SET policy = policy || jsonb_build_object('emergencies', %(wanted)s::jsonb) WHERE id = %(practice)s "
        "AND policy -> 'emergencies' IS DISTINCT FROM %(wanted)s::jsonb",
        practice=practice_id, wanted=db.json([each.model_dump(mode="json") for each in spec.emergencies]),
    )  # fmt: skip


def _senders(practice_id: int, spec: PracticeSpec) -> int:
    changed = 0
    for sender in spec.senders:
        fields = sender.model_dump() | {"use_cases": list(sender.use_cases)}
        changed += db.run(
            "INSERT INTO sender AS t (practice_id, channel, provider, address, registered, use_cases, baa_party, baa_from, baa_until) VALUES "
            "(%(practice)s, %(channel)s, %(provider)s, %(address)s, %(registered)s, %(use_cases)s, %(baa_party)s, %(baa_from)s, %(baa_until)s) "
            "ON CONFLICT (practice_id, channel, provider, address) DO UPDATE SET registered = EXCLUDED.registered, "
            "use_cases = EXCLUDED.use_cases, baa_party = EXCLUDED.baa_party, baa_from = EXCLUDED.baa_from, baa_until = EXCLUDED.baa_until "
            "WHERE (t.registered, t.use_cases, t.baa_party, t.baa_from, t.baa_until) IS DISTINCT FROM "
            "(EXCLUDED.registered, EXCLUDED.use_cases, EXCLUDED.baa_party, EXCLUDED.baa_from, EXCLUDED.baa_until)",
            practice=practice_id, **fields,
        )  # fmt: skip
        changed += db.run(
            "INSERT INTO sender_route (channel, address, practice_id) VALUES (%(channel)s, %(address)s, %(practice)s) ON CONFLICT DO NOTHING",
            channel=sender.channel, address=sender.address, practice=practice_id,
        )  # fmt: skip
    return changed


def add_sandbox(practice_id: int, channel: str, address: str) -> None:
    """Let a rehearsal or a first look send through the sandbox, which reaches nobody."""
    db.run(
        "INSERT INTO sender (practice_id, channel, provider, address, registered, use_cases, auth_ok) "
        "VALUES (%(practice)s, %(channel)s, 'sandbox', %(address)s, true, '{A,R,P}', true) ON CONFLICT DO NOTHING",
        practice=practice_id, channel=channel, address=address,
    )  # fmt: skip
    db.run(
        "INSERT INTO sender_route (channel, address, practice_id) VALUES (%(channel)s, %(address)s, %(practice)s) ON CONFLICT DO NOTHING",
        channel=channel, address=address, practice=practice_id,
    )  # fmt: skip
