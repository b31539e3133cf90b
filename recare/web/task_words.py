"""Tasks in words: what happened, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from recare.patients.tasks import Task

# kind: (title, what to do). A kind that is not here shows its own name, so that nothing is hidden.
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "angry": (
        "Is angry",
        "Nothing automatic goes to this household. The owner or the dentist rings them, listens, and closes this.",
    ),
    "reply": ("Has written", "Read it and answer. Nothing automatic goes to this number until you release it."),
    "reply_yes": ("Would like to come", "Ring and book a time."),
    "question": ("Has a question", "Read it and answer."),
    "call_me": ("Would like to be called", "Ring them at the time they named."),
    "maybe_optout": (
        "May want no more messages",
        "Read it. If nobody decides within one business day, it counts as a stop.",
    ),
    "wrong_number": ("The number belongs to somebody else", "Find the right number at the next visit or by letter."),
    "fix_contact": ("A number or address does not work", "Find a new one at the next visit or by letter."),
    "send_unknown": (
        "Nobody knows whether a message went out",
        "Look into the provider's log and decide; it is never sent again by itself.",
    ),
    "enter_booking": ("Has booked online", "Enter the visit into your practice system; the next import recognises it."),
    "booking_cancelled": ("Has cancelled online", "Take the visit out of your practice system."),
    "booking_moved": ("Has moved the visit online", "Move it in your practice system too."),
    "contact_review": ("A rule asks for a person", "Look at the reasons and decide whether to contact them."),
    "closing": ("The last step of a campaign", "Look at the closing letter and decide."),
    "unfinished_plan": (
        "Care is unfinished and the campaign is over",
        "Decide on a letter: book, records to a new dentist, or stop.",
    ),
    "duplicate": ("May be in the files twice", "Compare the two charts in your practice system."),
    "consent_conflict": ("The import says yes, the patient said no", "The no stands. Correct your practice system."),
    "status_unknown": (
        "Nobody knows whether they are still ours",
        "Say what they are: lapsed, moved, with another dentist, ...",
    ),
    "note_read": ("A note may ask for silence", "Read the note in your practice system and decide."),
    "deceased": ("Has died, a reply says", "Nothing goes to this person any more. Correct the chart."),
    "new_dentist": ("Sees another dentist", "Offer to send the records."),
    "moved": ("Has moved away", "Correct the chart."),
    "engine_error": ("A step failed", "Show this to whoever looks after Recare; the patient is left alone meanwhile."),
    "withheld": ("A message was held back", "Its words broke a rule. Mend the template."),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A task as a person reads it."""

    id: int
    kind: str
    urgent: bool
    title: str
    advice: str
    patient_id: int | None
    patient: str
    created_at: datetime
    due_at: datetime | None
    url: str


def shown(task: Task) -> Shown:
    """Put a task into words."""
    title, advice = _WORDS.get(task.kind, (task.kind.replace("_", " ").capitalize(), "Look at it and mark it done."))
    url = f"/patients/{task.patient_id}/" if task.patient_id else ""
    if task.subject_table in {"inbound_event", "reply"}:
        url = f"/inbox/?task={task.id}"
    return Shown(
        task.id, task.kind, task.urgency <= 2, title, advice, task.patient_id, task.patient_name.strip(), task.created_at,
        task.due_at, url,
    )  # fmt: skip


def title(kind: str) -> str:
    """Return the title of a kind of task."""
    return _WORDS.get(kind, (kind.replace("_", " ").capitalize(), ""))[0]
