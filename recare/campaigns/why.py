"""Why somebody was contacted, or not, in words: from the rows that every stage left, and for those never enrolled from asking again now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from recare.base import db
from recare.campaigns import audience, campaign, kept, versions
from recare.campaigns import material as materials
from recare.campaigns.contexts import Ask, Reader
from recare.campaigns.ladder import point_of, worded
from recare.compliance.gates import decide
from recare.compliance.packs import load_packs
from recare.practices import practice as practices
from recare.segments import bands, predicate, segment

if TYPE_CHECKING:
    from recare.campaigns.material import PatientRow

CHANNELS: Final = {
    "sms": "text message", "email": "e-mail", "call": "call", "letter": "letter", "portal": "portal message",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, for the timeline of a patient's page. ``reasons`` are sentences; ``consent`` is the event it rested on."""

    at: datetime
    kind: str
    title: str
    reasons: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    enrolment_id: int | None = None
    touch_id: int | None = None
    message_id: int | None = None
    consent_event_id: int | None = None
    consent: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why some patients of a run were not contacted."""

    code: str
    words: str
    patients: int


@dataclass(frozen=True, slots=True)
class Run:
    """What a campaign did with its segment so far."""

    contacted: int
    not_contacted: int
    causes: tuple[Cause, ...]

    @property
    def considered(self) -> int:
        """Everybody in the segment."""
        return self.contacted + self.not_contacted


class NoPatientError(LookupError):
    """Nobody in the practice has this number; the message is a sentence for whoever asked."""


def explain(practice: str, patient: str, now: datetime) -> list[str]:
    """Say everything about one patient (source key, or id): standing, every enrolment and touch with its reasons, and what would hold now.

    ``practice`` is its slug. Opens its own scope. Raises NoPatientError or NoPracticeError with a sentence.
    """
    here = practices.named(practice)
    with db.scope(here.id):
        patient_id = _find(here.id, patient)
        zone = ZoneInfo(here.tz)
        lines = standing(here.id, patient_id, now)
        entries = for_patient(here.id, patient_id, now)
        for entry in entries:
            lines.append(f"{_when(entry.at, zone)}  {entry.title}")
            lines += [f"    {reason}" for reason in entry.reasons]
            if entry.consent:
                lines.append(f"    Rests on {entry.consent}.")
        if not any(entry.kind == "enrolment" for entry in entries):
            lines.append("Was never in a campaign.")
        return (
            lines
            + [sentence for part in not_chosen(here.id, patient_id, now) for sentence in part]
            + would_now(here.id, patient_id, now)
        )


def _find(practice_id: int, patient: str) -> int:
    found = db.values(
        "SELECT id FROM patient WHERE practice_id = %(practice)s AND (source_key = %(key)s OR id::text = %(key)s) "
        "ORDER BY source_key = %(key)s DESC, id LIMIT 1",
        practice=practice_id,
        key=patient,
    )
    if not found:
        raise NoPatientError(
            f"There is no patient '{patient}' in this practice. Give the number the practice system uses."
        )
    return int(found[0])


def standing(practice_id: int, patient_id: int, now: datetime) -> list[str]:
    """Say where a patient stands: status, last and next visit, unfinished care, channels with their consent. Raises LookupError."""
    material = materials.gather(practice_id, [patient_id], now)
    row = material.patients.get(patient_id)
    if row is None:
        raise LookupError(f"There is no patient {patient_id} in this practice.")
    zone = ZoneInfo(material.practice.tz)
    status = row.status + (f", {row.standing.replace('_', ' ')}" if row.standing else "")
    last = f"last visit {_day(row.last_visit_on)}" if row.last_visit_on else "no visit on record"
    coming = f"next visit {_when(row.next_visit_at, zone)}" if row.next_visit_at else "nothing booked"
    lines = [f"Patient {patient_id}: {status}; {last}; {coming}."]
    if row.unscheduled_items:
        lines.append(f"{row.unscheduled_items} planned procedures are not booked.")
    for channel, kind in (("sms", "phone"), ("email", "email"), ("call", "phone")):
        point = material.points.get(point_of(row, channel) or 0)
        if point is None:
            lines.append(f"{CHANNELS[channel].capitalize()}: no {'number' if kind == 'phone' else 'address'} on file.")
            continue
        level = getattr(point, f"{channel}_level")
        out = getattr(point, f"{channel}_out_at")
        said = f"asked us to stop on {_when(out, zone)}" if out else f"consent level C{level}"
        grant = material.grants.get((point.id, channel))
        proof = f" (event {grant.id}, {grant.method.replace('_', ' ')})" if grant and not out else ""
        lines.append(
            f"{CHANNELS[channel].capitalize()} to …{point.address[-4:] if kind == 'phone' else _masked(point.address)}: {said}{proof}."
        )
    return lines


def for_patient(practice_id: int, patient_id: int, now: datetime) -> list[Entry]:
    """Return everything that happened with a patient in campaigns until ``now``, the oldest first, with every reason in words."""
    known = {"practice": practice_id, "patient": patient_id, "now": now}
    enrolments = db.tuples(_ENROLMENTS, **known)
    entries = [_enrolment(*row) for row in enrolments]
    entries += [end for row in enrolments if (end := _end(*row)) is not None]
    entries += [_touch(*row) for row in db.tuples(_TOUCHES, **known)]
    zone = ZoneInfo(practices.get(practice_id).tz)
    entries += [_message(zone, *row) for row in db.tuples(_MESSAGES, **known)]
    entries += [Entry(at, kind, title) for at, kind, title in db.tuples(_ANSWERS, **known)]
    return sorted((entry for entry in entries if entry.at <= now), key=lambda entry: entry.at)


def _enrolment(*row: Any) -> Entry:
    enrolment_id, name, number, arm, wave, probability, at, wave_at, _, state, step, due_at, steps = row[:13]
    if arm == "held_out":
        title = (
            f"Left alone on purpose: drawn into the {probability:.0%} of '{name}' that everybody else is compared with."
        )
        return Entry(at, "enrolment", title, (), ("HELD_OUT",), enrolment_id)
    turn = f", wave {wave} from {_day(wave_at)}" if wave_at and wave > 1 else ""
    title = f"Came into '{name}' (version {number}){turn}."
    reasons = []
    if state == "waiting" and due_at:
        following = (
            f"Step {step + 1} of {steps} is" if step < steps else "All steps are done; a late answer may come until"
        )
        reasons.append(f"{following} {'due ' if step < steps else ''}{_day(due_at)}.")
    return Entry(at, "enrolment", title, tuple(reasons), (), enrolment_id)


def _end(*row: Any) -> Entry | None:
    enrolment_id, name, ended_at, stop_reason = row[0], row[1], row[8], row[13]
    if ended_at is None:
        return None
    return Entry(
        ended_at,
        "end",
        f"Left '{name}': {kept.STOPS.get(stop_reason, stop_reason.replace('_', ' '))}.",
        (),
        (),
        enrolment_id,
    )


_WAY: Final = {"sms": "Text", "email": "E-mail", "letter": "Letter", "portal": "Portal message"}
_NOT_SENT: Final = {
    "cancelled": "taken back before it went", "withheld": "not sent: a check stopped it", "expired": "not sent: it grew too old",
    "failed": "not sent: the provider refused it", "unknown": "may have been sent: nobody wrote down the end",
}  # fmt: skip


def _message(zone: ZoneInfo, *row: Any) -> Entry:
    at, channel, what, state, reasons, touch_id, message_id = row
    because = kept.said(kept.against(reasons), zone) if what is None else ()
    title = " ".join([f"{_WAY.get(channel, channel)} {what or _NOT_SENT[state]}.", *because])
    return Entry(at, "message", title, (), (), None, touch_id, message_id)


_TITLES: Final = {
    "send": "{channel} decided: it may go.", "wait": "{channel} waits.", "review": "{channel} waits for a person.", "skip": "No {lower} at this step.",
    "stop": "Stopped before the {lower}.",
}  # fmt: skip


def _touch(*row: Any) -> Entry:
    touch_id, enrolment_id, at, step, channel, verdict, reasons, shares, event_id, method, recorded_at = row
    word = CHANNELS.get(channel, channel)
    title = f"Step {step + 1}: " + _TITLES[verdict].format(channel=word.capitalize(), lower=word)
    if shares:
        title = f"Step {step + 1}: one {word} stood for the whole household."
    consent = f"consent event {event_id}, {method.replace('_', ' ')}, recorded {_day(recorded_at)}" if method else ""
    said = tuple(
        dict.fromkeys(
            f"{reason['words']} ({CHANNELS.get(reason.get('channel', ''), '')}, {reason['rule']})" for reason in reasons
        )
    )
    codes = tuple(dict.fromkeys(reason["code"] for reason in reasons))
    return Entry(at, "touch", title, said, codes, enrolment_id, touch_id, None, event_id, consent)


def not_chosen(practice_id: int, patient_id: int, now: datetime) -> list[list[str]]:
    """Say for each campaign that runs and does not have the patient why: which part of the segment fails, or what leaves them out."""
    today = now.astimezone(ZoneInfo(practices.get(practice_id).tz)).date()
    return [
        _not_in(practice_id, patient_id, row, today, now)
        for row in campaign.every(practice_id)
        if row.state == "running"
        and not db.value(
            "SELECT EXISTS (SELECT FROM enrolment WHERE practice_id = %(practice)s AND campaign_id = %(campaign)s AND patient_id = %(patient)s)",
            practice=practice_id, campaign=row.id, patient=patient_id,
        )
    ]  # fmt: skip


def _not_in(practice_id: int, patient_id: int, row: campaign.Campaign, today: Any, now: datetime) -> list[str]:
    spec = db.value(
        "SELECT spec FROM campaign_version WHERE practice_id = %(practice)s AND id = %(version)s",
        practice=practice_id,
        version=row.version_id,
    )
    definition = bands.get(spec["segment"]["bands"])
    wanted = predicate.parse(spec["segment"]["predicate"], definition)
    try:
        unmet = segment.why_not(practice_id, patient_id, wanted, today, definition)
    except LookupError as error:
        return [f"'{row.name}': {error}"]
    if unmet:
        name = spec["segment"]["name"]
        return [
            f"Not in '{row.name}': the segment '{name}' does not take this patient.",
            *(f"    {part}." for part in unmet),
        ]
    plan = versions.read(row.version_id or 0, row.id, spec).playbook
    chosen = audience.select(practice_id, row.id, plan, spec["segment"], now)
    code = db.value(
        f"SELECT left_out FROM ({chosen.sql}) a WHERE patient_id = %(patient)s", **chosen.params, patient=patient_id
    )
    if code is None:
        return [f"Would come into '{row.name}' the next time it takes in its segment."]
    return [f"Not in '{row.name}': {audience.LEFT_OUT[code]}."]


def would_now(practice_id: int, patient_id: int, now: datetime) -> list[str]:
    """Say what the gates would answer to an ordinary recall message on each channel, right now."""
    reader = Reader(materials.gather(practice_id, [patient_id], now))
    row: PatientRow = reader.material.patients[patient_id]
    lines = []
    for channel in ("email", "sms", "call"):
        point = point_of(row, channel)
        if point is None:
            lines.append(f"Now, by {CHANNELS[channel]}: no number or address on file.")
            continue
        decision = decide(reader.context(Ask(patient_id, channel, "R", point)), load_packs(), now)
        said = " ".join(reason["words"] for reason in worded(decision, channel, reader.tz)) or "it may go."
        lines.append(f"Now, by {CHANNELS[channel]}: {said}")
    return lines


def for_run(practice_id: int, campaign_id: int) -> Run:
    """Count who of a campaign's people was contacted, and why the others were not: held out, left out at the freeze, or the last decision."""
    contacted, causes = 0, []
    for code, words, patients in db.tuples(_RUN, practice=practice_id, campaign=campaign_id):
        if code == "CONTACTED":
            contacted = patients
        else:
            causes.append(Cause(code, _CAUSES.get(code) or words or code, patients))
    left_out = db.value(
        "SELECT left_out FROM campaign_freeze WHERE practice_id = %(practice)s AND campaign_id = %(campaign)s ORDER BY at DESC, id DESC LIMIT 1",
        practice=practice_id, campaign=campaign_id,
    )  # fmt: skip
    causes += [
        Cause(code, audience.LEFT_OUT.get(code, code), n) for code, n in (left_out or {}).items() if code != "ENROLLED"
    ]
    causes.sort(key=lambda cause: -cause.patients)
    return Run(contacted, sum(cause.patients for cause in causes), tuple(causes))


_CAUSES: Final = {
    "HELD_OUT": "left alone on purpose, to compare", "WAITING": "wait for their turn", "STOPPED": "stopped before the first contact",
}  # fmt: skip

_RUN: Final = """
WITH people AS (
    SELECT e.id, e.arm, e.state,
           EXISTS (SELECT FROM touch t WHERE t.practice_id = e.practice_id AND t.enrolment_id = e.id
                   AND (t.verdict = 'send' OR t.shares_touch_id IS NOT NULL)) AS contacted,
           (SELECT t.reasons FROM touch t WHERE t.practice_id = e.practice_id AND t.enrolment_id = e.id ORDER BY t.id DESC LIMIT 1) AS reasons
    FROM enrolment e WHERE e.practice_id = %(practice)s AND e.campaign_id = %(campaign)s
),
told AS (
    SELECT CASE WHEN arm = 'held_out' THEN 'HELD_OUT' WHEN contacted THEN 'CONTACTED'
                WHEN reason IS NOT NULL THEN reason ->> 'code' WHEN state = 'waiting' THEN 'WAITING' ELSE 'STOPPED' END AS code,
           reason ->> 'words' AS words
    FROM people LEFT JOIN LATERAL (
        SELECT r AS reason FROM jsonb_array_elements(people.reasons) WITH ORDINALITY AS x (r, n)
        ORDER BY array_position(ARRAY['deny', 'skip', 'review', 'delay'], r ->> 'verdict'), n LIMIT 1) y ON true
)
SELECT code, min(words), count(*)::int FROM told GROUP BY code ORDER BY 3 DESC, 1
"""

_ENROLMENTS: Final = """
SELECT e.id, c.name, v.number, e.arm, e.wave, e.probability, e.assigned_at, e.wave_at, e.ended_at, e.state, e.step, e.due_at,
       jsonb_array_length(v.spec -> 'playbook' -> 'steps'), e.stop_reason
FROM enrolment e
JOIN campaign c ON c.practice_id = e.practice_id AND c.id = e.campaign_id
JOIN campaign_version v ON v.practice_id = e.practice_id AND v.id = e.version_id
WHERE e.practice_id = %(practice)s AND e.patient_id = %(patient)s
"""

_TOUCHES: Final = """
SELECT t.id, t.enrolment_id, t.decided_at, t.step, t.channel, t.verdict, t.reasons, t.shares_touch_id, v.id, v.method, v.recorded_at
FROM touch t LEFT JOIN consent_event v ON v.practice_id = t.practice_id AND v.id = t.consent_event_id
WHERE t.practice_id = %(practice)s AND t.patient_id = %(patient)s
"""

_MESSAGES: Final = """
SELECT at, m.channel, what, m.state, m.reasons, m.touch_id, m.id
FROM message m CROSS JOIN LATERAL (VALUES
    (m.sent_at, 'sent'), (m.delivered_at, 'delivered'), (m.bounced_at, 'came back'), (m.complained_at, 'reported as unwanted'),
    (m.clicked_at, 'opened by its link'),
    (CASE WHEN m.state IN ('withheld', 'expired', 'failed', 'cancelled', 'unknown') THEN coalesce(m.settled_at, m.claimed_at, m.created_at) END,
     NULL)
) AS happened (at, what)
WHERE m.practice_id = %(practice)s AND m.patient_id = %(patient)s AND at IS NOT NULL
"""

_ANSWERS: Final = """
SELECT at, 'reply', 'Answered: ' || replace(intent, '_', ' ') || '.' FROM reply
WHERE practice_id = %(practice)s AND patient_id = %(patient)s
UNION ALL
SELECT at, 'call', 'Call: ' || replace(outcome, '_', ' ') || '.' FROM call_outcome
WHERE practice_id = %(practice)s AND patient_id = %(patient)s
UNION ALL
SELECT coalesce(booked_at, created_at), 'booking', 'Booked a visit by ' || via || '.' FROM booking
WHERE practice_id = %(practice)s AND patient_id = %(patient)s AND booked_at IS NOT NULL
"""


def _when(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %Y %H:%M}"


def _day(day: Any) -> str:
    return f"{day.day} {day:%b %Y}"


def _masked(address: str) -> str:
    name, _, host = address.partition("@")
    return f"{name[:1]}…@{host}"
