"""The simulated patients: what each of them would do, fixed in advance by the seed and hidden from the product.

Every draw is a hash of (seed, patient or address, purpose), so an answer never depends on who asks, how often or in what order.
Each patient has an unprompted return date. A contact that arrives multiplies the hazard for 30 days; that is drawn as a second,
independent stream whose hazard is the excess (risk ratio - 1). Both together have exactly the multiplied hazard, and with risk
ratios of 1 a treated patient is the untreated patient. What a patient does enters the product only through the doors real
patients use: a text, an e-mail, a click, a telephone call, the next export of the practice system.

How to drive it: play ``unprompted_return`` for everybody, treated and held out alike; for each contact that went out call
``react`` (or ``answer_call`` for a call) once and play the reactions at their times; whoever already has a visit ignores the rest.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cache
from hashlib import blake2b
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from recare.rehearsal.rates import Band, Channel, Rates, rates, reply_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DAYS_AHEAD = 1461  # nobody is followed longer than four years


@dataclass(frozen=True, slots=True)
class Person:
    """Whom we ask about. ``key`` is the patient's source id; ``last_visit`` is none for those never seen."""

    key: str
    last_visit: date | None
    language: str = "en"
    missed_before: bool = False

    def months_since(self, day: date) -> float:
        """Return months from the last visit to ``day``; 36 for those never seen."""
        return (day - self.last_visit).days / 30.44 if self.last_visit else 36.0


@dataclass(frozen=True, slots=True)
class Contact:
    """One message or call that went out. ``address`` is the number or e-mail it went to (families share one); ``number`` counts the
    touches of this patient from 1; ``earlier`` holds the touches before it, oldest first, without their own ``earlier``.
    """

    channel: Channel
    at: datetime  # aware
    address: str
    number: int = 1
    earlier: tuple[Contact, ...] = ()
    offer: bool = False
    template: str = ""


@dataclass(frozen=True, slots=True)
class Replies:
    """The patient (or whoever has the number) writes back. ``intent`` is the truth, for scoring only."""

    text: str
    at: datetime
    intent: str


@dataclass(frozen=True, slots=True)
class Clicks:
    """Opens the link; ``books`` says whether a visit is booked there and then."""

    at: datetime
    books: bool


@dataclass(frozen=True, slots=True)
class Phones:
    """Rings the practice and books; the product learns of it from the practice system only."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Bounces:
    """The message comes back: ``hard`` and ``soft`` for e-mail, ``undeliverable`` for text, ``returned`` for a letter."""

    at: datetime
    kind: Literal["hard", "soft", "undeliverable", "returned"]


@dataclass(frozen=True, slots=True)
class Complains:
    """Presses the mail program's one-click unsubscribe, or its spam button."""

    at: datetime
    how: Literal["one_click", "spam"]


@dataclass(frozen=True, slots=True)
class Ignores:
    """Nothing happens."""


Reaction = Replies | Clicks | Phones | Bounces | Complains | Ignores
CallOutcome = Literal[
    "booked",
    "left_message",
    "no_answer",
    "call_later",
    "wrong_number",
    "do_not_call",
    "angry",
    "declined",
    "other_dentist",
]
Owner = Literal["theirs", "stranger", "dead"]


@dataclass(frozen=True, slots=True)
class CallResult:
    """How the call ended, and when."""

    outcome: CallOutcome
    at: datetime


@dataclass(frozen=True, slots=True)
class Behaviour:
    """All simulated patients of one rehearsal: ``start`` is its first day, ``tz`` the practice's zone."""

    seed: int
    start: date
    tz: str = "America/Chicago"
    rates: Rates = field(default_factory=rates)

    def unprompted_return(self, person: Person) -> date | None:
        """Return the day on which the patient books unasked, counted from ``start``; none within four years is none."""
        wanted = -math.log(self._draw(person.key, "unprompted")) / self._hazard(person)
        day = bisect_left(_seasons(self.start, self._months), wanted)
        return self.start + timedelta(days=day) if day <= DAYS_AHEAD else None

    def own_door(self, person: Person, day: date, contacts: Sequence[Contact]) -> Literal["link", "phone"]:
        """Return how an unprompted patient books on ``day``: by the link of a message that arrived in the last 30 days, or by phone."""
        fresh = any(
            0 <= (day - contact.at.date()).days <= 30 and contact.channel != "call" and self._arrives(person, contact)
            for contact in contacts
        )
        return "link" if fresh and self._draw(person.key, "own door") < self.rates.own_return_by_link.value else "phone"

    def react(self, person: Person, contact: Contact) -> tuple[Reaction, ...]:
        """Return what comes of one text, e-mail, letter or portal message, each with its time; never empty.

        Raises ``ValueError`` for a call: ask ``answer_call``.
        """
        if contact.channel == "call":
            raise ValueError("A call is answered while it is made: use answer_call.")
        failed = self._failure(person, contact)
        if failed is not None:
            return failed
        happened: list[Reaction] = []
        if self._persuaded(person, contact):
            happened.append(self._comes(person, contact))
        else:
            happened += self._other_answer(person, contact)
        return tuple(happened) or (Ignores(),)

    def react_many(self, pairs: Iterable[tuple[Person, Contact]]) -> list[tuple[Reaction, ...]]:
        """Return ``react`` of each pair, in order."""
        return [self.react(person, contact) for person, contact in pairs]

    def answer_call(self, person: Person, contact: Contact) -> CallResult:
        """Return how a call ends; ``contact.at`` is when the telephone rings."""
        picked = self._call_state(person, contact)
        ended = contact.at + timedelta(seconds=25 if picked == "no_answer" else 45 if picked == "left_message" else 150)
        if picked != "answered":
            return CallResult(picked, ended)
        if self._persuaded(person, contact):
            return CallResult("booked", ended)
        chance = self._draw(person.key, f"call end {contact.number}")
        for outcome, share in self.rates.call_outcomes.value.items():
            if chance < share:
                return CallResult(outcome, ended)
            chance -= share
        return CallResult("declined", ended)

    def after_call(self, person: Person, contact: Contact) -> tuple[Reaction, ...]:
        """Return what a voicemail brings: a booking by telephone within the month, or nothing."""
        if self._call_state(person, contact) != "left_message" or not self._persuaded(person, contact):
            return (Ignores(),)
        return (Phones(self._answer_at(person, contact)),)

    def keeps_visit(self, person: Person, visit: str, lead_days: int, *, reminded: bool) -> bool:
        """Return whether the patient comes. ``visit`` names the visit (the first is "1"), ``lead_days`` from booking to visit."""
        miss = max(rate for day, rate in self.rates.no_show.value.items() if day <= max(0, lead_days))
        miss *= self.rates.no_show_after_misses.value if person.missed_before else 1
        miss *= self.rates.reminder_no_show_ratio.value if reminded else 1
        return self._draw(person.key, f"keeps {visit}") >= miss

    def wished_lead(self, person: Person) -> int:
        """Return how many days after booking the patient would like to come (1 to 60); the nearest opening is then taken."""
        spread = NormalDist(math.log(self.rates.wished_lead_days.value), 0.7).inv_cdf(self._draw(person.key, "lead"))
        return min(60, max(1, round(math.exp(spread))))

    def number_owner(self, person: Person, address: str) -> Owner:
        """Return who has the number today: the truth behind "wrong number". Families who share a number share the answer."""
        table = sorted(self.rates.number_lost.value.items())
        months = person.months_since(self.start)
        lost = table[-1][1]
        for (low, rate), (high, above) in itertools.pairwise(table):
            if months < high:
                lost = rate + (above - rate) * (max(months, low) - low) / (high - low)
                break
        chance = self._draw(address, "number")
        if chance >= lost:
            return "theirs"
        return "stranger" if chance < lost * self.rates.number_lost_to_stranger.value else "dead"

    def excess(self, person: Person, contact: Contact) -> float:
        """Return the extra cumulative hazard a contact brings: the planted effect. 0 when it does not arrive."""
        ratio = self._ratio(person, contact)
        if ratio <= 1:
            return 0.0
        base = _seasons(self.start, self._months)
        begin = min(max(0, (contact.at.date() - self.start).days), DAYS_AHEAD)
        end = min(begin + self.rates.effect_days.value, DAYS_AHEAD)
        still = {
            min(DAYS_AHEAD, max(0, (past.at.date() - self.start).days) + self.rates.effect_days.value): self._ratio(
                person, past
            )
            for past in contact.earlier
        }
        total, day = 0.0, begin
        for until in sorted({*(stop for stop in still if begin < stop < end), end}):
            others = max((other for stop, other in still.items() if stop > day), default=1.0)
            total += max(0.0, ratio - max(1.0, others)) * (
                base[until] - base[day]
            )  # the stronger holds, they do not multiply
            day = until
        return total * self._hazard(person)

    # -- below: how it is drawn --

    @property
    def _months(self) -> tuple[float, ...]:
        return tuple(self.rates.season.value[month] for month in range(1, 13))

    def _draw(self, key: str, purpose: str) -> float:
        """Return a number in (0, 1) that depends on seed, key and purpose alone."""
        digest = blake2b(f"{self.seed}|{key}|{purpose}".encode(), digest_size=8).digest()
        return (int.from_bytes(digest, "little") + 0.5) / 2**64

    def _hazard(self, person: Person) -> float:
        """Return the patient's own hazard a day before season: the band's, times a gamma-like factor with mean 1."""
        shape = self.rates.frailty_shape.value
        chance = self.rates.unprompted_return_90d.value[band(person.last_visit, self.start)]
        mean = shape * (math.pow(1 - chance, -1 / shape) - 1) / 90  # so that the band as a whole returns at ``chance``
        return max(1e-12, mean * _gamma_quantile(shape, self._draw(person.key, "frailty")))

    def _ratio(self, person: Person, contact: Contact) -> float:
        """Return the factor on the hazard: fatigue, offer and template act on the part above 1."""
        set_ratio = self.rates.risk_ratio.value[contact.channel]
        if contact.channel == "call":
            state = self._call_state(person, contact)
            set_ratio = (
                set_ratio
                if state == "answered"
                else self.rates.voicemail_risk_ratio.value
                if state == "left_message"
                else 1.0
            )
        elif not self._arrives(person, contact):
            return 1.0
        tired = self.rates.fatigue.value ** max(0, contact.number - self.rates.free_touches.value)
        offer = self.rates.offer_factor.value if contact.offer else 1.0
        return 1 + (set_ratio - 1) * tired * offer * self.template_factor(contact.template)

    def template_factor(self, template: str) -> float:
        """Return a template's planted factor on the extra effect; 1 for an unnamed one."""
        if not template or not self.rates.template_sd.value:
            return 1.0
        return math.exp(NormalDist(0, self.rates.template_sd.value).inv_cdf(self._draw(template, "template")))

    def _persuaded(self, person: Person, contact: Contact) -> bool:
        return -math.log(self._draw(person.key, f"persuaded {contact.number}")) < self.excess(person, contact)

    def _call_state(
        self, person: Person, contact: Contact
    ) -> Literal["answered", "left_message", "no_answer", "wrong_number"]:
        owner = self.number_owner(person, contact.address)
        chance = self._draw(contact.address, f"call {contact.at.date()} {contact.number}")
        if owner == "dead":
            return "wrong_number"
        if chance < self.rates.call_answered.value:
            return "answered" if owner == "theirs" else "wrong_number"
        voicemail = chance < self.rates.call_answered.value + self.rates.call_voicemail.value
        return "left_message" if voicemail and owner == "theirs" else "no_answer"

    def _arrives(self, person: Person, contact: Contact) -> bool:
        return self._failure(person, contact) is None

    def _failure(self, person: Person, contact: Contact) -> tuple[Reaction, ...] | None:
        """Return what comes back when the message does not reach the patient; none when it does."""
        soon = contact.at + timedelta(seconds=20 + 100 * self._draw(contact.address, f"failure {contact.number}"))
        if contact.channel == "sms":
            return self._lost_text(person, contact, soon)
        if contact.channel == "email":
            years = person.months_since(self.start) / 12
            dead = self.rates.email_hard_bounce.value + self.rates.email_lost_per_year.value * years
            if self._draw(contact.address, "mailbox") < dead:
                return (Bounces(soon, "hard"),)
            if self._draw(contact.address, f"soft {contact.number}") < self.rates.email_soft_bounce.value:
                return (Bounces(soon, "soft"),)
        if contact.channel == "letter":
            gone = self.rates.letter_returned.value * person.months_since(self.start) / 12
            if self._draw(contact.address, "letter") < gone:
                return (Bounces(contact.at + timedelta(days=9), "returned"),)
        return None

    def _lost_text(self, person: Person, contact: Contact, soon: datetime) -> tuple[Reaction, ...] | None:
        owner = self.number_owner(person, contact.address)
        if owner == "dead" or self._draw(contact.address, "landline") < self.rates.not_textable.value:
            return (Bounces(soon, "undeliverable"),)
        if owner == "theirs":
            return None
        chance, at = self._draw(contact.address, f"stranger {contact.number}"), self._answer_at(person, contact)
        stop = self.rates.stranger_says_stop.value
        if chance < stop:
            return (Replies(self._text(person, "stop", contact, "en"), at, "stop"),)
        if chance < stop + self.rates.stranger_says_wrong_number.value:
            return (Replies(self._text(person, "wrong_number", contact), at, "wrong_number"),)
        return (Ignores(),)

    def _comes(self, person: Person, contact: Contact) -> Reaction:
        at, chance = self._answer_at(person, contact), self._draw(person.key, f"door {contact.number}")
        doors = self.rates.door.value[contact.channel]
        if chance < doors["link"]:
            return Clicks(at, books=True)
        if chance < doors["link"] + doors["reply"]:
            return Replies(self._text(person, "yes", contact), at, "yes")
        return Phones(_office_hours(at, self.tz))

    def _other_answer(self, person: Person, contact: Contact) -> Iterable[Reaction]:
        """Yield what does not book: opt-out, complaint, an answer of another kind, an idle click. At most one answer a message."""
        channel, number, at = contact.channel, contact.number, self._answer_at(person, contact)
        if channel == "letter":
            return
        tired = self.rates.opt_out_growth.value ** max(0, number - self.rates.free_touches.value)
        chance = self._draw(person.key, f"answer {number}")
        out = self.rates.opt_out.value.get(channel, 0.0) * tired
        spam = self.rates.spam_complaint.value if channel == "email" else 0.0
        if chance < out:
            yield (
                Complains(at, "one_click")
                if channel == "email"
                else Replies(self._text(person, "stop", contact), at, "stop")
            )
            return
        if chance < out + spam:
            yield Complains(at, "spam")
            return
        chance -= out + spam
        for intent, share in self.rates.chatter.value.items():
            real = share if channel == "sms" else share / 4
            if chance < real:
                yield Replies(self._text(person, intent, contact), at, intent)
                return
            chance -= real
        if self._draw(person.key, f"click {number}") < self.rates.idle_click.value.get(channel, 0.0):
            yield Clicks(at, books=False)

    def _answer_at(self, person: Person, contact: Contact) -> datetime:
        """Return when the answer comes: mostly within minutes to hours, else days later, never between 22:00 and 7:00."""
        share = self.rates.answered_within_a_day.value
        chance = self._draw(person.key, f"delay {contact.number}")
        if chance < share:
            delay = timedelta(hours=0.02 + 23.9 * (chance / share) ** 3)
        else:
            late = -math.log(1 - (chance - share) / (1 - share) * 0.998) * self.rates.later_answer_days.value
            delay = timedelta(days=min(self.rates.effect_days.value - 1.5, 1 + late))
        if contact.channel == "letter":
            delay += timedelta(days=3)
        return _awake(contact.at + delay, self.tz)

    def _text(self, person: Person, intent: str, contact: Contact, language: str = "") -> str:
        spoken = language or person.language
        texts = reply_texts().texts[intent]["es" if spoken.startswith("es") else "en"]
        return texts[int(self._draw(person.key, f"text {intent} {contact.number}") * len(texts))]


def band(last_visit: date | None, day: date) -> Band:
    """Return the band of the founding article on ``day``: under 6 months, 6-12, 12-24, longer, or never seen."""
    if last_visit is None:
        return "never"
    months = (day.year - last_visit.year) * 12 + day.month - last_visit.month - (day.day < last_visit.day)
    return "active" if months < 6 else "overdue" if months < 12 else "lapsed" if months < 24 else "long_lapsed"


@cache
def _seasons(start: date, months: tuple[float, ...]) -> list[float]:
    """Return cumulated seasonal days: entry n is the sum of the factors of the first n days from ``start``."""
    total, found = 0.0, [0.0]
    for n in range(DAYS_AHEAD):
        total += months[(start + timedelta(days=n)).month - 1]
        found.append(total)
    return found


def _gamma_quantile(shape: float, chance: float) -> float:
    """Return the quantile of a gamma with mean 1, by Wilson and Hilferty's cube root (1931)."""
    third = 1 / (9 * shape)
    return max(0.0, 1 - third + NormalDist().inv_cdf(chance) * math.sqrt(third)) ** 3


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _awake(at: datetime, zone: str) -> datetime:
    local = at.astimezone(_zone(zone))
    if 7 <= local.hour < 22:
        return at
    day = local.date() + timedelta(days=local.hour >= 22)
    return datetime.combine(day, time(7, local.minute, local.second), _zone(zone)).astimezone(at.tzinfo)


def _office_hours(at: datetime, zone: str) -> datetime:
    """Return the same time when the office answers its telephone, or the next working morning."""
    local = at.astimezone(_zone(zone))
    if local.weekday() < 5 and 8 <= local.hour < 17:
        return at
    day = local.date() + timedelta(days=local.hour >= 17)
    while day.weekday() > 4:
        day += timedelta(days=1)
    return datetime.combine(day, time(8, local.minute, local.second), _zone(zone)).astimezone(at.tzinfo)
