"""The next best step with one patient: one sentence, and one button where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.urls import reverse

from recare.base import db
from recare.patients.tasks import Task
from recare.web.task_words import Shown, shown
from recare.web.templatetags.ui import day, local

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from recare.practices.practice import Practice
    from recare.segments.facts import Facts
    from recare.web.patient.chart import Person

_GONE: Final = {
    "deceased": "Has died. Nothing is sent, and nobody calls.",
    "dismissed": "Dismissed. Only letters that a person writes go out until the notice ends, and none after it.",
    "moved": "Has moved away. Nothing is sent. Offer to send the records if they ask.",
    "transferred": "Sees another dentist. Nothing is sent. Send the records if they ask.",
    "do_not_contact": "Wants no contact. Wait until they come by themselves.",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now. ``kind`` is the card's: '' or needs-you."""

    title: str
    text: str
    kind: str = ""
    url: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class _Open:
    """What runs with the patient now."""

    call_id: int | None
    campaign: str | None
    campaign_id: int | None
    due_at: datetime | None
    arm: str | None


def next_step(
    practice: Practice, who: Person, facts: Facts | None, waiting: list[Shown], now: datetime, *, held: bool
) -> Step:
    """Return the one thing to do; ``waiting``: open tasks; ``held``: a number is held. What a person must read comes first, then what stops every contact, then what brings them back."""
    if waiting:
        task = waiting[0]
        more = f" ({len(waiting) - 1} more below)" if len(waiting) > 1 else ""
        url = task.url if task.url.startswith("/inbox/") else ""
        return Step(f"{task.title}{more}", task.advice, "needs-you", url, "Open")
    if held:
        text = (
            "Something came in that nobody has read. Look at 'What happened', then release the number with a word why."
        )
        return Step("Read what came in", text, "needs-you")
    if facts is None:
        return next(_stopped(who), Step("Facts are being computed", "Come back in a minute."))
    for steps in (_stopped(who), _running_steps(practice, who, facts), _inviting(practice, who, facts, now)):
        if (step := next(steps, None)) is not None:
            return step
    return Step("Nothing now", "No recall is due and no plan is open.")


def _stopped(who: Person) -> Iterator[Step]:
    if who.merged_into_id is not None:
        url = reverse("web:patient", args=[who.merged_into_id])
        yield Step("This chart was merged", "Another chart stands for this person now.", "", url, "Open it")
    if who.hold:
        text = "The owner or the dentist rings, listens, and ends the hold below."
        yield Step("Rests until a person has settled it", text, "needs-you")
    if who.standing in _GONE:
        yield Step("Leave in peace", _GONE[who.standing])
    if who.standing == "unknown":
        text = "The chart does not tell why they are inactive. Choose below; until then nothing is sent."
        yield Step("Say where they stand", text, "needs-you")


def _running_steps(practice: Practice, who: Person, facts: Facts) -> Iterator[Step]:
    if facts.next_visit_at is not None:
        text = "Nothing to do: nobody invites a patient who is booked."
        yield Step(f"Has a visit on {local(facts.next_visit_at, practice)}", text)
    running = _running(practice.id, who.id)
    if running is not None and running.call_id is not None:
        yield Step(
            "Ring them", "A call is on the worklist.", "needs-you", f"/calls/{running.call_id}/", "Open the call"
        )
    if running is not None and running.campaign:
        yield _waits(practice, running)


def _inviting(practice: Practice, who: Person, facts: Facts, now: datetime) -> Iterator[Step]:
    if who.paused_until is not None and who.paused_until > now.astimezone(practice.zone).date():
        yield Step(f"Paused until {day(who.paused_until)}", "They asked for time, or somebody here did.")
    if not facts.contactable:
        yield Step("Leave alone", "The chart restricts contact. See 'Why, and why not' for the reason.")
    if not (facts.sms_ok or facts.email_ok or facts.call_ok):
        text = "No number or address may be used. Ask at the next contact, and record it below with what shows it."
        yield Step("Ask for consent", text, "needs-you")
    if facts.overdue_days or facts.unscheduled_items:
        late, plan = f"The recall is {facts.overdue_days} days overdue", "Planned treatment is not booked"
        text = f"{late if facts.overdue_days else plan}, and nothing is booked. A campaign takes them in, or ring them."
        yield Step("Invite them back", text, "needs-you", reverse("campaigns:list"), "Campaigns")


def _waits(practice: Practice, running: _Open) -> Step:
    url = reverse("campaigns:detail", args=[running.campaign_id])
    if running.arm == "held_out":
        return Step(
            f"Left alone on purpose in '{running.campaign}'",
            "Drawn by chance, to learn what the campaign changes. Answer when they call.",
            "",
            url,
            "Campaign",
        )
    when = f"The next step is due {local(running.due_at, practice)}." if running.due_at else ""
    return Step(f"On the ladder of '{running.campaign}'", f"Nothing to do. {when}", "", url, "Campaign")


def tasks(practice_id: int, patient_id: int) -> list[Shown]:
    """Return what waits for a person about this patient, in words, the most urgent first."""
    found = db.rows(
        Task,
        "SELECT t.id, t.kind, t.urgency, t.patient_id, t.contact_point_id, t.subject_table, t.subject_id, t.detail, t.created_at, t.due_at, "
        "'' AS patient_name FROM task t WHERE t.practice_id = %(practice)s AND t.patient_id = %(patient)s AND t.done_at IS NULL "
        "ORDER BY t.urgency, t.created_at, t.id LIMIT 10",
        practice=practice_id, patient=patient_id,
    )  # fmt: skip
    return [shown(task) for task in found]


def _running(practice_id: int, patient_id: int) -> _Open | None:
    return db.one(
        _Open,
        "SELECT (SELECT min(k.id) FROM call k WHERE k.practice_id = %(practice)s AND k.patient_id = %(patient)s AND k.state = 'open') AS call_id, "
        "c.name AS campaign, c.id AS campaign_id, e.due_at, e.arm FROM (SELECT 1) one "
        "LEFT JOIN enrolment e ON e.practice_id = %(practice)s AND e.patient_id = %(patient)s AND e.state IN ('waiting', 'held_out') "
        "LEFT JOIN campaign c ON c.practice_id = e.practice_id AND c.id = e.campaign_id",
        practice=practice_id, patient=patient_id,
    )  # fmt: skip
