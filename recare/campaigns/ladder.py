"""One patient on the ladder: which rung, which channel, may it go now, and what follows. Pure: reads gathered material, writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from recare.campaigns.contexts import Ask
from recare.campaigns.material import Contact
from recare.compliance.decision import WAITS_FOR_PRACTICE
from recare.compliance.gates import decide, in_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from recare.campaigns.contexts import Reader
    from recare.campaigns.material import PatientRow
    from recare.campaigns.playbook import Channel, Step
    from recare.campaigns.versions import Template, Version
    from recare.compliance.decision import Decision
    from recare.compliance.packs import PackSet

TouchVerdict = Literal["send", "wait", "review", "skip", "stop"]

# Denials that hold for the person on every channel: the enrolment ends, with this stop reason.
ENDS: Final = {
    "DECEASED": "deceased", "DISMISSED": "dismissed", "TRANSFERRED": "left", "NOT_A_PATIENT": "left", "HAS_APPT": "booked",
    "IN_TREATMENT": "in_treatment", "PART2": "restricted", "FREQ_CAMPAIGN": "rested",
}  # fmt: skip
# Denials that only the practice can lift; they use up nobody's step.
PRACTICE: Final = WAITS_FOR_PRACTICE | {"SENDER_UNREGISTERED", "NO_BAA", "EML_AUTH", "EML_FOOTER", "PACK_MISSING"}
PRACTICE_WAIT: Final = timedelta(hours=4)
REVIEW_WAIT: Final = timedelta(days=7)
SHARE_DAYS: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Due:
    """An enrolment whose turn has come."""

    id: int
    campaign_id: int
    version_id: int
    patient_id: int
    assigned_at: datetime
    step: int
    attempt: int
    failures: int
    waiting_for: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """What has been heard about the enrolments of one batch: links opened; and, by ``review_key``, the codes a person has cleared and the
    steps a person has decided against.
    """

    clicked: frozenset[int] = frozenset()
    cleared: Mapping[str, frozenset[str]] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()


def review_key(enrolment_id: int, step: int) -> str:
    """Return the key of the one task that asks a person about this step."""
    return f"contact_review:{enrolment_id}:{step}"


@dataclass(slots=True)
class Touch:
    """A decision to be written down. ``shares`` is the touch of a household member that stands for this one."""

    enrolment_id: int
    patient_id: int
    step: int
    attempt: int
    verdict: TouchVerdict
    reasons: list[dict[str, Any]]
    channel: str
    message_class: str = "R"
    until: datetime | None = None
    contact_point_id: int | None = None
    template_version_id: int | None = None
    consent_event_id: int | None = None
    offer: str = ""
    shared_with: list[int] = field(default_factory=list)
    shares: Touch | int | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """Where an enrolment stands afterwards, with the touches that led there."""

    enrolment_id: int
    patient_id: int
    touches: tuple[Touch, ...]
    state: Literal["waiting", "finished", "stopped"]
    step: int
    attempt: int
    due_at: datetime | None
    stop_reason: str = ""
    waiting_for: str = ""
    failures: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Try:
    """One channel of a rung with the answer of the gates."""

    channel: Channel
    message_class: str
    point_id: int | None
    template: Template | None
    offer: str
    decision: Decision | None
    reasons: list[dict[str, Any]]
    consent_event_id: int | None = None
    shared: Contact | None = None

    @property
    def codes(self) -> set[str]:
        return {reason["code"] for reason in self.reasons}


class GateBrokenError(RuntimeError):
    """A gate stumbled: nothing may go out, and nothing may be concluded about the patient."""


class Walker:
    """Walks enrolments of one batch up their ladders, one after another: a later one sees what the earlier ones decided to send."""

    def __init__(self, reader: Reader, packs: PackSet, now: datetime, heard: Heard | None = None) -> None:
        self.reader, self.packs, self.now, self.heard = reader, packs, now, heard or Heard()

    def walk(self, due: Due, version: Version) -> Move:
        """Decide until something is sent, waits or ends. Raises GateBrokenError or LookupError; the caller sets such an enrolment aside."""
        steps = version.playbook.steps
        touches: list[Touch] = []
        if due.step >= len(steps):
            return Move(due.id, due.patient_id, (), "finished", due.step, due.attempt, None, "no_answer")
        for number in range(due.step, len(steps)):
            attempt = due.attempt if number == due.step else 0
            touch = self.rung(due, version, number, attempt)
            last = touch.verdict != "skip" or touch.shares is not None
            repeats = touch.verdict == "wait" and number == due.step and _codes(touch) == due.waiting_for
            if not repeats:
                touches.append(touch)
            if last:
                return self._move(due, version, touch, touches)
        if due.sent:
            return self._listen(due, version, touches)
        return Move(due.id, due.patient_id, tuple(touches), "stopped", len(steps), 0, None, "unreachable")

    def _move(self, due: Due, version: Version, touch: Touch, touches: list[Touch]) -> Move:
        if touch.verdict == "stop":
            why = next(ENDS.get(r["code"], "restricted") for r in touch.reasons if _ends(r))
            return Move(due.id, due.patient_id, tuple(touches), "stopped", touch.step, touch.attempt + 1, None, why)
        if touch.verdict in {"wait", "review"}:
            written = touch.attempt + (touch in touches)
            waiting = _codes(touch) if touch.verdict == "wait" else ""
            return Move(
                due.id, due.patient_id, tuple(touches), "waiting", touch.step, written, touch.until, "", waiting
            )
        following = touch.step + 1
        if following >= len(version.playbook.steps):
            return self._listen(due, version, touches)
        after = self.now + timedelta(days=version.playbook.steps[following].wait_days)
        return Move(due.id, due.patient_id, tuple(touches), "waiting", following, 0, after)

    def _listen(self, due: Due, version: Version, touches: list[Touch]) -> Move:
        """The ladder is done; a late answer may still come."""
        until = self.now + timedelta(days=version.playbook.listen_days)
        return Move(due.id, due.patient_id, tuple(touches), "waiting", len(version.playbook.steps), 0, until)

    def rung(self, due: Due, version: Version, number: int, attempt: int) -> Touch:
        """Decide one step: the first channel that may be used, else the strictest common answer, with the reasons of every channel tried."""
        step = version.playbook.steps[number]
        patient = self.reader.material.patients[due.patient_id]
        unmet = self._unmet(step, due, patient)
        channels = step.channels(patient.preferred_channel)
        asked = review_key(due.id, number)
        if asked in self.heard.refused:
            unmet = [_own("REFUSED", "ENG-01", "A person has decided against this step.", channels[0])]
        if unmet:
            return Touch(due.id, due.patient_id, number, attempt, "skip", unmet, channels[0])
        tries: list[_Try] = []
        for channel in channels:
            for slug, offer in step.variants(channel):
                if slug == step.neutral and not (tries and "NEUTRAL_REQUIRED" in tries[-1].codes):
                    continue
                tried = self._try(due, version, (number, channel, slug, offer))
                tries.append(tried)
                answer = self._answer(tried, self.heard.cleared.get(asked, frozenset()))
                if answer in {"send", "wait", "stop"}:
                    return self._touch(due, number, attempt, answer, tried, tries)
        return self._nothing_fits(due, number, attempt, tries)

    def _answer(self, tried: _Try, cleared: frozenset[str]) -> TouchVerdict:
        decision = tried.decision
        if decision is None:
            return "skip"
        if "GATE_ERROR" in decision.codes:
            raise GateBrokenError(next(r.detail for r in decision.reasons if r.code == "GATE_ERROR"))
        if any(_ends(reason) for reason in tried.reasons):
            return "stop"
        left = decision.without(cleared)
        if left.allowed:
            return "send"
        if left.verdict == "delay":
            return "wait"
        return "review" if left.verdict == "review" else "skip"

    def _nothing_fits(self, due: Due, number: int, attempt: int, tries: list[_Try]) -> Touch:
        """No channel may be used now. What only the practice or a person can settle waits for them; the rest skips the step."""
        for tried in tries:
            if (
                tried.decision is not None
                and tried.decision.verdict != "allow"
                and tried.codes
                and tried.codes <= PRACTICE
            ):
                return self._touch(due, number, attempt, "wait", tried, tries, self.now + PRACTICE_WAIT)
        for tried in tries:
            if tried.decision is not None and tried.decision.verdict == "review":
                return self._touch(due, number, attempt, "review", tried, tries, self.now + REVIEW_WAIT)
        return self._touch(due, number, attempt, "skip", tries[0], tries)

    def _touch(  # noqa: PLR0913, PLR0917 (one place writes touches)
        self,
        due: Due,
        number: int,
        attempt: int,
        verdict: TouchVerdict,
        tried: _Try,
        tries: list[_Try],
        until: datetime | None = None,
    ) -> Touch:
        reasons = [reason for one in tries for reason in one.reasons]
        touch = Touch(due.id, due.patient_id, number, attempt, verdict, reasons, tried.channel, tried.message_class)
        touch.contact_point_id, touch.offer = tried.point_id, tried.offer
        touch.consent_event_id = tried.consent_event_id
        touch.template_version_id = tried.template.version_id if tried.template else None
        if verdict == "wait":
            touch.until = until or (tried.decision.until if tried.decision else None) or self.now + PRACTICE_WAIT
        elif verdict == "review":
            touch.until = until
        if verdict == "send":
            touch.reasons.append(_allowed(tried))
            self._count(due, touch, tried)
        return touch

    def _count(self, due: Due, touch: Touch, tried: _Try) -> None:
        """Make the contact known to the rest of the batch, or join the one that already goes to this number."""
        shared = tried.shared
        if shared is not None:
            touch.verdict, touch.shares = (
                "skip",
                shared.written if isinstance(shared.written, Touch) else shared.touch_id,
            )
            touch.reasons = [
                *touch.reasons,
                _own("SHARED", "FRQ-01", "One message to this number stands for the whole household.", touch.channel),
            ]
            if isinstance(shared.written, Touch):
                shared.written.shared_with.append(due.id)
            self.reader.material.add_contact(Contact(self.now, None), None, due.patient_id)
            return
        contact = Contact(self.now, None, due.version_id, touch.step, touch.channel, touch)
        self.reader.material.add_contact(contact, touch.contact_point_id, due.patient_id)

    def _try(self, due: Due, version: Version, way: tuple[int, Channel, str, str]) -> _Try:
        """Ask every gate about one way to do a step: (step, channel, template, offer)."""
        number, channel, slug, offer = way
        patient = self.reader.material.patients[due.patient_id]
        template = version.template(slug, channel, patient.language)
        declared = template.message_class if template else "R"
        kind = "P" if offer and declared == "R" else declared
        point_id = point_of(patient, channel)
        if template is None:
            reasons = [
                _own("NO_TEMPLATE", "CAM-02", "There is no approved template for this step on this channel.", channel)
            ]
            return _Try(channel, kind, point_id, None, offer, None, reasons)
        missed = self._misses(offer, patient)
        if missed:
            return _Try(
                channel,
                kind,
                point_id,
                template,
                offer,
                None,
                [_own("OFFER_NOT_FOR", "OFR-04", f"Not offered: {missed}.", channel)],
            )
        if point_id is None and channel != "portal":
            words = f"There is no {_ADDRESS[channel]} on file."
            return _Try(channel, kind, None, template, offer, None, [_own("NO_ADDRESS", "CAM-03", words, channel)])
        shared = self._shared(due, number, channel, point_id)
        ask = Ask(
            due.patient_id, channel, kind, point_id, offer=offer, names_person=template.names_person,  # type: ignore[arg-type]
            remuneration=version.playbook.remuneration,
        )  # fmt: skip
        context = self.reader.context(ask, shared)
        decision = decide(context, self.packs, self.now)
        consent = context.point.consent_event_id if context.point else None
        return _Try(
            channel,
            kind,
            point_id,
            template,
            offer,
            decision,
            worded(decision, channel, self.reader.tz),
            consent,
            shared,
        )

    def _shared(self, due: Due, number: int, channel: str, point_id: int | None) -> Contact | None:
        """A contact of the same step of the same campaign that already goes to this number: a household gets one message."""
        if point_id is None:
            return None
        since = self.now - SHARE_DAYS
        for contact in self.reader.material.by_point.get(point_id, ()):
            if (contact.version_id, contact.step, contact.channel) == (
                due.version_id,
                number,
                channel,
            ) and contact.at > since:
                return contact
        return None

    def _unmet(self, step: Step, due: Due, patient: PatientRow) -> list[dict[str, Any]]:
        replied = patient.replied_at is not None and patient.replied_at > due.assigned_at
        holds = {
            "no_reply": (not replied, "The patient has answered."),
            "not_clicked": (due.id not in self.heard.clicked, "The patient has opened the link."),
            "unfinished_plan": (patient.unscheduled_items > 0, "There is no unfinished treatment plan."),
            "offer_eligible": (
                not step.offer or not self._misses(step.offer, patient),
                "The offer is not for this patient.",
            ),
            "reachable": (any(point_of(patient, c) for c in step.channels()), "There is no number or address to use."),
        }
        return [
            _own(f"CONDITION_{name.upper()}", "CAM-05", holds[name][1], step.channel)
            for name in step.condition
            if not holds[name][0]
        ]

    def _misses(self, slug: str, patient: PatientRow) -> str:
        if not slug:
            return ""
        material = self.reader.material
        offer = material.offers.get(slug)
        if offer is None:
            return "the offer no longer exists"
        members = material.offer_members.get(slug)
        if members is not None and patient.id not in members:
            return "the patient does not meet what the offer asks for"
        return str(offer.misses(patient.payer_class, patient.state))


def point_of(patient: PatientRow, channel: str) -> int | None:
    """Return the contact point a patient would be reached at."""
    return {
        "sms": patient.sms_point_id, "email": patient.email_point_id, "call": patient.call_point_id,
        "letter": patient.letter_point_id, "portal": patient.email_point_id,
    }[channel]  # fmt: skip


_ADDRESS: Final = {
    "sms": "mobile number",
    "email": "e-mail address",
    "call": "phone number",
    "letter": "postal address",
    "portal": "portal",
}


def _own(code: str, rule: str, words: str, channel: str) -> dict[str, Any]:
    return {"code": code, "rule": rule, "verdict": "skip", "pack": "", "detail": "", "channel": channel, "words": words}


def _allowed(tried: _Try) -> dict[str, Any]:
    """What lets a contact go is kept like what would not: the rules that were read, by version (I1)."""
    pack = tried.decision.pack if tried.decision else ""
    words = "A person has cleared what was in doubt." if tried.reasons else "Every rule was asked and none objected."
    return _own("ALLOWED", "ENG-01", words, tried.channel) | {"verdict": "allow", "pack": pack}


def worded(decision: Decision, channel: str, tz: tzinfo) -> list[dict[str, Any]]:
    """Return the reasons of a decision as they are kept with a touch: code, rule, pack, words."""
    return [
        {
            "code": reason.code, "rule": reason.rule, "verdict": reason.verdict, "pack": reason.pack, "detail": reason.detail,
            "channel": channel, "until": reason.until.isoformat() if reason.until else None, "words": in_words(reason, tz),
        }
        for reason in decision.reasons
    ]  # fmt: skip


def _ends(reason: dict[str, Any]) -> bool:
    return reason["code"] in ENDS or (reason["code"] == "PATIENT_RESTRICTION" and reason["detail"] == "all")


def _codes(touch: Touch) -> str:
    return " ".join(sorted({reason["code"] for reason in touch.reasons}))
