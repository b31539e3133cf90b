"""What a patient's page shows of the chart: who they are, their numbers and addresses with the consent of each, their family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from recare.base import db, phones

if TYPE_CHECKING:
    from datetime import date, datetime

CHANNEL_WORDS: Final = {"sms": "text", "email": "e-mail", "call": "call", "letter": "letter"}
LEVEL_WORDS: Final = {
    0: "nothing recorded", 1: "number given to the practice (C1)", 2: "agreed to reminders (C2)", 3: "signed for offers too (C3)",
}  # fmt: skip


_LANGUAGES: Final = {"en": "English", "es": "Spanish"}


@dataclass(frozen=True, slots=True)
class Person:
    """The head of the page."""

    id: int
    source: str
    source_key: str
    first_name: str
    last_name: str
    preferred_name: str
    birthdate: date | None
    language: str
    status: str
    pms_status: str
    standing: str
    standing_set_by: str
    hold: str
    hold_since: datetime | None
    do_not_contact: bool
    banned_channels: list[str]
    paused_until: date | None
    dismissed_on: date | None
    household_id: int | None
    guardian: str
    preferred_channel: str
    merged_into_id: int | None

    @property
    def name(self) -> str:
        """As the patient is called."""
        return f"{self.preferred_name or self.first_name} {self.last_name}".strip() or "No name"

    @property
    def legal_name(self) -> str:
        """The full name where it differs from what they are called."""
        return f"{self.first_name} {self.last_name}".strip() if self.preferred_name else ""

    @property
    def speaks(self) -> str:
        """The language in words, as far as we have words for it."""
        return _LANGUAGES.get(self.language, self.language)

    def age(self, today: date) -> int | None:
        """Years on a day; None without a birthdate."""
        born = self.birthdate
        return None if born is None else today.year - born.year - ((today.month, today.day) < (born.month, born.day))


@dataclass(frozen=True, slots=True)
class Way:
    """One channel of one number or address: what may be sent there, in words."""

    channel: str
    words: str
    state: str
    since: datetime | None
    ended: bool


@dataclass(frozen=True, slots=True)
class Point:
    """A number or address of the patient with everything folded from the ledger. ``others`` also hold it."""

    id: int
    kind: str
    address: str
    label: str
    extension: str
    sms_level: int
    email_level: int
    call_level: int
    sms_out_at: datetime | None
    email_out_at: datetime | None
    call_out_at: datetime | None
    wrong_number_at: datetime | None
    complained_at: datetime | None
    hard_bounced_at: datetime | None
    sms_incapable_at: datetime | None
    held_at: datetime | None
    last_confirmed_on: date | None
    others: int

    @property
    def shown(self) -> str:
        """The number or address as people read it."""
        number = phones.shown(self.address) if self.kind == "phone" and self.address else self.address
        return f"{number} ext. {self.extension}" if self.extension else number or "erased on request"

    @property
    def ways(self) -> list[Way]:
        """What may be sent here, channel by channel."""
        return [self._way(channel) for channel in (("sms", "call") if self.kind == "phone" else ("email",))]

    def _way(self, channel: str) -> Way:
        level, ended = int(getattr(self, f"{channel}_level")), getattr(self, f"{channel}_out_at")
        state, words, since = ("good" if level >= 2 else "needs-you"), LEVEL_WORDS[level], None
        if channel == "call" and level == 0:  # a person who dials by hand needs no consent, only no refusal
            state, words = "good", "a person may call"
        if self.complained_at and channel == "email":
            state, words, since = "harm", "reported as unwanted", self.complained_at
        elif self.hard_bounced_at and channel == "email":
            state, words, since = "harm", "does not exist", self.hard_bounced_at
        elif self.sms_incapable_at and channel == "sms":
            state, words, since = "", "takes no texts", self.sms_incapable_at
        if ended:
            state, words, since = "harm", "asked us to stop", ended
        if self.wrong_number_at:
            state, words, since = "harm", "belongs to somebody else", self.wrong_number_at
        return Way(CHANNEL_WORDS[channel], words, state, since, bool(ended or self.wrong_number_at))

    @property
    def ended(self) -> bool:
        """Whether every way to reach somebody here has ended."""
        return all(way.ended for way in self.ways)


@dataclass(frozen=True, slots=True)
class Relative:
    """Somebody of the same household."""

    id: int
    name: str


def person(practice_id: int, patient_id: int) -> Person | None:
    """Return the head of a page, or None when the practice has no such patient."""
    return db.one(
        Person,
        "SELECT p.id, p.source, p.source_key, p.first_name, p.last_name, p.preferred_name, p.birthdate, p.language, p.status, p.pms_status, "
        "p.standing, p.standing_set_by, p.hold, p.hold_since, p.do_not_contact, p.banned_channels, p.paused_until, p.dismissed_on, "
        "p.household_id, coalesce((SELECT coalesce(nullif(g.preferred_name, ''), g.first_name) || ' ' || g.last_name FROM patient g "
        "WHERE g.practice_id = %(practice)s AND g.id = CASE WHEN p.guardian_id IS NULL THEN p.guarantor_id ELSE p.guardian_id END AND g.id <> p.id), '') AS guardian, "
        "p.preferred_channel, p.merged_into_id FROM patient p WHERE p.practice_id = %(practice)s AND p.id = %(patient)s",
        practice=practice_id, patient=patient_id,
    )  # fmt: skip


def points(practice_id: int, patient_id: int) -> list[Point]:
    """Return the patient's numbers and addresses, phones first."""
    return db.rows(
        Point,
        "SELECT c.id, c.kind, c.address, pc.label, pc.extension, c.sms_level, c.email_level, c.call_level, c.sms_out_at, c.email_out_at, "
        "c.call_out_at, c.wrong_number_at, c.complained_at, c.hard_bounced_at, c.sms_incapable_at, c.held_at, c.last_confirmed_on, "
        "(SELECT count(DISTINCT o.patient_id) - 1 FROM patient_contact o WHERE o.practice_id = %(practice)s "
        "AND o.contact_point_id = c.id AND o.ended_at IS NULL) AS others "
        "FROM patient_contact pc JOIN contact_point c ON c.practice_id = pc.practice_id AND c.id = pc.contact_point_id "
        "WHERE pc.practice_id = %(practice)s AND pc.patient_id = %(patient)s AND pc.ended_at IS NULL AND c.kind IN ('phone', 'email') "
        "ORDER BY c.kind DESC, pc.rank, c.id",
        practice=practice_id, patient=patient_id,
    )  # fmt: skip


def family(practice_id: int, who: Person) -> list[Relative]:
    """Return who else lives there, as far as they are patients."""
    if who.household_id is None:
        return []
    return db.rows(
        Relative,
        "SELECT id, coalesce(nullif(preferred_name, ''), first_name) || ' ' || last_name AS name FROM patient "
        "WHERE practice_id = %(practice)s AND household_id = %(home)s AND id <> %(patient)s AND merged_into_id IS NULL ORDER BY id LIMIT 12",
        practice=practice_id, home=who.household_id, patient=who.id,
    )  # fmt: skip
