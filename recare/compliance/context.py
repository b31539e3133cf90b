"""Everything a gate may read, frozen. Whoever asks loads these in bulk; the gates themselves know no database.

Missing is None (or an empty value that the comment calls unknown), never a guess: a gate that needs it and does not find it says no
(ENG-01). All instants are aware and UTC; all money is in cents.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Literal

Channel = Literal["sms", "email", "call", "letter", "portal"]
MessageClass = Literal["A", "R", "P", "T", "S"]
PayerClass = Literal["commercial", "medicaid", "chip", "medicare", "tricare", "self_pay", "membership", "unknown"]


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer a message carries (OFR-01 to OFR-05). ``criteria`` are the facts that decide who gets it."""

    slug: str
    what: str = ""
    regular_fee_cents: int | None = None
    price_cents: int | None = None
    value_cents: int | None = None
    cash_like: bool = False
    starts_on: date | None = None
    ends_at: datetime | None = None
    exclusions: str = ""
    license_name: str = ""
    criteria: tuple[str, ...] = ()
    waives_copay: bool = False
    is_referral_reward: bool = False
    counsel_note: bool = False
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What would be sent. ``findings`` are rule ids of the lint's blocking findings on the text itself."""

    channel: Channel
    message_class: MessageClass
    automated: bool = True
    text: str = ""
    findings: tuple[str, ...] = ()
    names_person: bool = False
    """The text names the person or the visit, so it is not neutral (NUM-02)."""
    remuneration: Literal["none", "own", "third", ""] = "none"
    offer: Offer | None = None
    part2: bool = False
    is_billing: bool = False
    health_detail: bool = False
    answers_person_at: datetime | None = None
    """When the person wrote or spoke the words this answers; only class S."""
    confirms_opt_out_at: datetime | None = None
    asks_consent: bool = False
    """The question that confirms an opt-in of a public form: it answers nobody we know, so a no, a hold and the hours all count."""
    already_confirmed: bool = False
    """The provider (or an earlier message) has confirmed this opt-out already."""


@dataclass(frozen=True, slots=True)
class Patient:
    """The person the message is about. ``standing`` is the status resolver's word, see patients."""

    id: int
    status: str = "unknown"
    standing: str = ""
    deceased: bool = False
    dismissed: bool = False
    do_not_contact: bool = False
    hold: str = ""
    birthdate: date | None = None
    has_guardian: bool = False
    """An adult guardian or guarantor on record to whom a minor's message is addressed."""
    custody_flag: bool = False
    has_representative: bool = False
    representative_known: bool = False
    adult_since_consent: bool = False
    """The consent was given by a guardian and the patient has turned 18 since."""
    next_visit_at: datetime | None = None
    visits_known_at: datetime | None = None
    """When the practice's appointments were last read; old knowledge proves no absence of a visit."""
    in_active_treatment: bool = False
    last_visit_on: date | None = None
    last_transaction_on: date | None = None
    last_inquiry_on: date | None = None
    part2: bool = False
    banned_channels: tuple[str, ...] = ()
    paused_until: date | None = None
    payer_class: PayerClass = "unknown"
    gifts_year_cents: int = 0
    state: str = ""
    zip: str = ""
    country: str = ""
    confirmed_tz: str = ""
    unfinished_plan: bool = False
    identity_conflict: bool = False
    """Two records may be one person, or one record two people; a person decides first."""


@dataclass(frozen=True, slots=True)
class Point:
    """The number or address. ``level`` is the consent level of the channel in question: 0 to 3; None = ledger cannot tell."""

    id: int
    kind: Literal["phone", "email", "post"]
    address: str
    level: int | None = None
    pewc_incomplete: bool = False
    consent_event_id: int | None = None
    consent_written: bool = False
    """Written or electronic permission, as Tex. Health & Safety 181.152 asks."""
    names_seller: bool = True
    seller_changed: bool = False
    opted_out_at: datetime | None = None
    all_calls_out_at: datetime | None = None
    """An opt-out of any automated text or call to this number, whatever its channel (OPT-02)."""
    wrong_number: bool = False
    complained: bool = False
    hard_bounced: bool = False
    sms_incapable: bool = False
    suppressed_until: datetime | None = None
    held: bool = False
    """Something came in from this address that nobody has read yet."""
    maybe_opt_out: bool = False
    extension: str = ""
    banned_channels: tuple[str, ...] = ()
    """What anybody who holds this number or address has forbidden there (HIP-05)."""
    last_confirmed_on: date | None = None
    dnc_listed: bool | None = None
    dnc_checked_on: date | None = None
    state_dnc_checked: bool = False
    state_dnc_listed: bool = False
    internal_dnc: bool = False
    reassigned: Literal["", "no", "yes", "no_data"] = ""
    reassigned_checked_on: date | None = None
    unencrypted_ok: bool = False
    authorization_until: date | None = None
    """A signed 164.508 authorization that states the remuneration runs until this day; None = there is none."""
    not_interested_on: date | None = None
    consented_on: date | None = None
    """When the consent of ``level`` was given; before the 18th birthday it was a guardian's (PAT-04)."""
    is_guardians: bool | None = None
    """Whether number or address is the guardian's own (True) or a minor's (False); None = unknown. Read only for minors."""


@dataclass(frozen=True, slots=True)
class History:
    """What went to the number before: all patients, all campaigns, texts and calls together (FRQ-01)."""

    number_touches: tuple[datetime, ...] = ()
    email_touches: tuple[datetime, ...] = ()
    campaign_touches: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Sender:
    """What the practice sends from on this channel."""

    provider: str = ""
    registered: bool = False
    use_cases: tuple[str, ...] = ()
    """Classes the registered use case covers, such as R or P."""
    auth_ok: bool = True
    baa_from: date | None = None
    baa_until: date | None = None
    needs_baa: bool = True
    paused: bool = False
    toll_free: bool = False
    has_one_click: bool = True


@dataclass(frozen=True, slots=True)
class Window:
    """A practice's own narrower hours: local opening and closing; a day that is missing is closed."""

    weekday: tuple[time, time] | None = (time(10), time(18))
    saturday: tuple[time, time] | None = None
    sunday: tuple[time, time] | None = None
    holidays: bool = False


@dataclass(frozen=True, slots=True)
class Emergency:
    """A declared emergency that somebody of the practice has entered. Without ``zips`` (first digits) it is the whole state, without
    ``until`` it has not ended.
    """

    state: str
    first: date
    until: date | None = None
    zips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PracticeFacts:
    """What of the practice counts in a decision. Its settings may narrow a pack, never widen it (ENG-03)."""

    id: int
    country: str = "US"
    state: str = ""
    postal_address: bool = True
    held: bool = False
    """Kill switch of the practice or of its group or installation."""
    window: Window = field(default_factory=Window)
    max_per_day: int = 1
    max_per_week: int = 1
    campaign_touches: int = 5
    campaign_days: int = 90
    campaign_rest_days: int = 183
    recall_is_solicitation: bool = True
    """False only with a counsel-signed document on file (CLS-01)."""
    is_sandbox: bool = False
    """Rehearsals and demos: external registries that cannot exist for invented numbers are taken as checked and clean."""
    visits_max_age_hours: int = 24
    referral_rewards: bool = False
    recording_announced: bool = False
    emergencies: tuple[Emergency, ...] = ()
    tz: str = ""
    """The practice's own zone: local dates of letters and e-mail to people without a known address. Never a window's zone."""


@dataclass(frozen=True, slots=True)
class Context:
    """One question: may this content go to this person by this channel? Asked when planning and again at the claim (ENG-02)."""

    practice: PracticeFacts
    patient: Patient
    point: Point | None
    content: Content
    history: History = field(default_factory=History)
    sender: Sender | None = None
