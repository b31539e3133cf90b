"""Rows to the frozen contexts that gates read. Asked when planning and again when a message is claimed (ENG-02).

What the database does not know stays unknown here; a gate that needs it says no.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

from recare.campaigns import material as materials
from recare.campaigns.material import Material, PatientRow, PointRow, PracticeRow, SenderRow
from recare.compliance.context import (
    Content,
    Context,
    Emergency,
    History,
    Patient,
    Point,
    PracticeFacts,
    Sender,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from recare.compliance.context import Channel, MessageClass

_WRITTEN: Final = frozenset({"paper", "web", "portal", "sms_keyword", "email_reply"})
_TOLL_FREE: Final = ("+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888")


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: may this go to this patient (0: to nobody we know) by this channel? ``touch_id`` is the decision being asked again, so
    that it does not count as a contact before itself.
    """

    patient_id: int
    channel: Channel
    message_class: MessageClass
    contact_point_id: int | None = None
    touch_id: int | None = None
    offer: str = ""
    text: str = ""
    findings: tuple[str, ...] = ()
    names_person: bool = False
    health_detail: bool = False
    is_billing: bool = False
    remuneration: Literal["none", "own", "third", ""] = "none"
    answers_person_at: datetime | None = None
    confirms_opt_out_at: datetime | None = None
    already_confirmed: bool = False
    asks_consent: bool = False


def load(practice_id: int, asks: Sequence[Ask], now: datetime) -> list[Context]:
    """Return one context for each ask, in their order, by a fixed number of queries however many there are.

    Raises LookupError for a patient or practice that is not there.
    """
    points = {ask.contact_point_id for ask in asks if ask.contact_point_id is not None}
    reader = Reader(materials.gather(practice_id, {ask.patient_id for ask in asks} - {0}, now, points))
    return [reader.context(ask) for ask in asks]


class Reader:
    """Builds contexts from gathered material, and remembers what several of them share."""

    __slots__ = ("_patients", "_points", "_senders", "material", "practice", "tz")

    def __init__(self, material: Material) -> None:
        self.material = material
        self.practice = practice_facts(material.practice)
        self.tz = ZoneInfo(material.practice.tz)
        self._patients: dict[int, Patient] = {}
        self._points: dict[tuple[int, str, int], Point] = {}
        self._senders = {channel: _sender(row) for channel, row in material.senders.items()}

    def context(self, ask: Ask, shared: materials.Contact | None = None) -> Context:
        """Return the context of one ask; ``shared`` is a contact of the household that would stand for this one, so it does not count.

        Raises LookupError for a patient that was not gathered.
        """
        return Context(
            practice=self.practice,
            patient=self.patient(ask.patient_id),
            point=self.point(ask),
            content=self._content(ask),
            history=self._history(ask, shared),
            sender=self._senders.get(ask.channel),
        )

    def patient(self, patient_id: int) -> Patient:
        """Return what gates know about one patient."""
        found = self._patients.get(patient_id)
        if found is None and not patient_id:
            found = self._patients[0] = Patient(id=0, country=self.practice.country)
        if found is None:
            row = self.material.patients.get(patient_id)
            if row is None:
                raise LookupError(f"There is no patient {patient_id} in practice {self.practice.id}.")
            found = self._patients[patient_id] = _patient(row, self.material.practice.visits_known_at, self.tz)
        return found

    def point(self, ask: Ask) -> Point | None:
        """Return the contact point an ask names, as its patient may be reached there; None when nobody of the family holds it any more."""
        if ask.contact_point_id is None:
            return None
        key = (ask.contact_point_id, ask.channel, ask.patient_id)
        found = self._points.get(key)
        if found is None:
            row = self.material.points.get(ask.contact_point_id)
            patient = self.material.patients[ask.patient_id] if ask.patient_id else None
            if row is None or (patient is not None and not _holds(row, patient)):
                return None
            found = self._points[key] = self._point(row, patient, ask.channel)
        return found

    def _point(self, row: PointRow, patient: PatientRow | None, channel: str) -> Point:
        grant = self.material.grants.get((row.id, channel))
        legal_name = self.material.practice.legal_name
        return Point(
            id=row.id,
            kind=row.kind,  # type: ignore[arg-type]
            address=row.address,
            level=_level(row, channel, given=bool(row.holders)),
            consent_event_id=grant.id if grant else None,
            consent_written=grant is not None and grant.method in _WRITTEN,
            names_seller=grant is None or grant.level < 3 or grant.seller_named,
            seller_changed=grant is not None
            and bool(grant.practice_legal_name)
            and grant.practice_legal_name != legal_name,
            opted_out_at=_out(row, channel),
            all_calls_out_at=_earliest(row.sms_out_at, row.call_out_at),
            wrong_number=row.wrong_number,
            complained=row.complained,
            hard_bounced=row.hard_bounced,
            sms_incapable=row.sms_incapable,
            suppressed_until=row.suppressed_until,
            held=row.held,
            maybe_opt_out=row.maybe_opt_out,
            extension=row.extension,
            banned_channels=tuple(row.banned),
            last_confirmed_on=row.last_confirmed_on,
            dnc_listed=row.dnc_listed,
            dnc_checked_on=row.dnc_checked_on,
            internal_dnc=row.call_out_at is not None,
            reassigned=row.reassigned,  # type: ignore[arg-type]
            reassigned_checked_on=row.reassigned_checked_on,
            unencrypted_ok=row.unencrypted_ok,
            authorization_until=self.material.authorizations.get(patient.id) if patient else None,
            not_interested_on=row.not_interested_on,
            consented_on=grant.effective_at.astimezone(self.tz).date() if grant else None,
            is_guardians=_is_guardians(row, patient) if patient else None,
        )

    def _content(self, ask: Ask) -> Content:
        found = self.material.offers.get(ask.offer) if ask.offer else None
        return Content(
            channel=ask.channel,
            message_class=ask.message_class,
            automated=ask.channel != "call",
            text=ask.text,
            findings=ask.findings,
            names_person=ask.names_person,
            remuneration=ask.remuneration,
            offer=found.for_gates() if found else None,
            is_billing=ask.is_billing,
            health_detail=ask.health_detail,
            answers_person_at=ask.answers_person_at,
            confirms_opt_out_at=ask.confirms_opt_out_at,
            already_confirmed=ask.already_confirmed,
            asks_consent=ask.asks_consent,
        )

    def _history(self, ask: Ask, shared: materials.Contact | None) -> History:
        own = ask.touch_id

        def times(contacts: Iterable[materials.Contact]) -> tuple[datetime, ...]:
            return tuple(c.at for c in contacts if c is not shared and (own is None or c.touch_id != own))

        point = ask.contact_point_id
        number = times(self.material.by_point.get(point, ())) if point is not None else ()
        is_email = ask.channel == "email"
        return History(
            number_touches=() if is_email else number,
            email_touches=number if is_email else (),
            campaign_touches=times(self.material.by_patient.get(ask.patient_id, ())),
        )


def scrub(point: Point) -> dict[str, Any]:
    """Return what the lists said of a number when it was asked, as it is kept with a contact: the keys of ``scrub_of`` in schema.sql."""
    return {
        "dnc_listed": point.dnc_listed, "dnc_checked_on": _iso(point.dnc_checked_on), "reassigned": point.reassigned,
        "reassigned_checked_on": _iso(point.reassigned_checked_on), "last_confirmed_on": _iso(point.last_confirmed_on),
    }  # fmt: skip


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def practice_facts(row: PracticeRow) -> PracticeFacts:
    """Return what of a practice counts in a decision; its policy may only narrow (ENG-03), which the gates see to."""
    policy = row.policy
    document = policy.get("recall_document") or {}
    counsel_says_no = policy.get("recall_is_solicitation") is False and all(
        document.get(key) for key in ("document", "name", "date")
    )
    numbers: Any = {
        key: int(policy[key])
        for key in (
            "max_per_day",
            "max_per_week",
            "campaign_touches",
            "campaign_days",
            "campaign_rest_days",
            "visits_max_age_hours",
        )
        if key in policy
    }
    return PracticeFacts(
        id=row.id,
        country=row.country,
        state=row.state,
        postal_address=all((row.street, row.city, row.state, row.zip)),
        held=row.held,
        window=_window(policy.get("window")),
        recall_is_solicitation=not counsel_says_no,
        is_sandbox=row.is_rehearsal,
        referral_rewards=policy.get("referral_rewards") is True,
        tz=row.tz,
        emergencies=tuple(_emergency(each) for each in policy.get("emergencies", ())),
        **numbers,
    )


def _emergency(kept: Any) -> Emergency:
    until = kept.get("until")
    return Emergency(
        kept["state"], date.fromisoformat(kept["first"]), date.fromisoformat(until) if until else None, tuple(kept.get("zips", ()))
    )  # fmt: skip


def _window(policy: Any) -> Window:
    if not isinstance(policy, dict):
        return Window()
    return Window(
        weekday=_hours(policy.get("weekday", ["10:00", "18:00"])),
        saturday=_hours(policy.get("saturday")),
        sunday=_hours(policy.get("sunday")),
        holidays=policy.get("holidays") is True,
    )


def _hours(pair: Any) -> tuple[time, time] | None:
    return (time.fromisoformat(pair[0]), time.fromisoformat(pair[1])) if pair else None


def _sender(row: SenderRow) -> Sender:
    return Sender(
        provider=row.provider,
        registered=row.registered,
        use_cases=tuple(row.use_cases),
        auth_ok=row.auth_ok,
        baa_from=row.baa_from,
        baa_until=row.baa_until,
        needs_baa=row.provider != "sandbox",  # it reaches nobody
        paused=row.paused,
        toll_free=row.address.startswith(_TOLL_FREE),
    )


def _patient(row: PatientRow, visits_known_at: datetime | None, tz: ZoneInfo) -> Patient:
    return Patient(
        id=row.id,
        status=row.status,
        standing=row.standing,
        deceased=row.deceased_on is not None or row.status == "deceased",
        dismissed=row.dismissed_on is not None or row.standing == "dismissed",
        do_not_contact=row.do_not_contact,
        hold=row.hold,
        birthdate=row.birthdate,
        has_guardian=row.guardian_adult is True,
        custody_flag="custody" in row.note_flags,
        has_representative=row.has_representative,
        next_visit_at=row.next_visit_at,
        visits_known_at=visits_known_at,
        in_active_treatment=row.standing == "in_treatment",
        last_visit_on=row.last_visit_on,
        last_transaction_on=row.last_visit_on,
        last_inquiry_on=row.inquired_at.astimezone(tz).date() if row.inquired_at else None,
        part2=row.part2,
        banned_channels=tuple(row.banned_channels),
        paused_until=row.paused_until,
        payer_class=row.payer_class,  # type: ignore[arg-type]
        state=row.state,
        zip=row.zip,
        country=row.country,
        confirmed_tz=row.confirmed_tz,
        unfinished_plan=row.unscheduled_items > 0,
        identity_conflict=row.identity_conflict,
    )


def _holds(row: PointRow, patient: PatientRow) -> bool:
    return patient.id in row.holders or (patient.guarantor_id is not None and patient.guarantor_id in row.holders)


def _is_guardians(row: PointRow, patient: PatientRow) -> bool | None:
    """A number that the guarantor holds is the guardian's, also when the child's record carries it; one that only the child holds is not."""
    if patient.guarantor_id is None or patient.guarantor_id == patient.id:
        return None
    return patient.guarantor_id in row.holders or (False if patient.id in row.holders else None)


def _level(row: PointRow, channel: str, *, given: bool) -> int | None:
    """A number that stands in somebody's chart was given to the practice: C1, whatever the ledger holds (compliance section 1)."""
    level = {"sms": row.sms_level, "email": row.email_level, "call": row.call_level}.get(channel)
    return level if level is None else max(level, int(given))


def _out(row: PointRow, channel: str) -> datetime | None:
    return {"sms": row.sms_out_at, "email": row.email_out_at, "call": row.call_out_at}.get(channel)


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)
