"""Tasks in words: what happened, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from recare.patients.tasks import Task

# kind: (title, what to do). A kind that is not here shows its own name, so that nothing is hidden.
WORDS: Final[dict[str, tuple[str, str]]] = {
    "angry": (
        "Is angry",
        "Nothing automatic goes to this household. The owner or the dentist rings them, listens, and closes this.",
    ),
    "reply": ("Has written", "Read it and answer. Nothing automatic goes there until you have decided."),
    "booking_request": ("Would like to come", "Ring and book a time."),
    "call_me": ("Would like to be called", "Ring them at the time they named."),
    "maybe_optout": (
        "May want no more messages",
        "Read it. If nobody decides within one business day, it counts as a stop.",
    ),
    "wrong_number": ("The number belongs to somebody else", "Find the right number at the next visit or by letter."),
    "contact_update": (
        "A number or address has to be put right",
        "Ask at the next contact, and mend it in your practice system.",
    ),
    "records": ("Sees another dentist", "Offer to send the records."),
    "new_dentist": ("Sees another dentist", "Offer to send the records."),
    "moved": ("Has moved away", "Correct the chart."),
    "deceased": ("Has died, we were told", "Nothing goes to this person any more. Correct the chart."),
    "send_unknown": (
        "Nobody knows whether a message went out",
        "Look into the provider's log and decide; it is never sent again by itself.",
    ),
    "send_review": (
        "A message waits for a person's judgement",
        "Open it, read the reasons, and decide. It has not gone out.",
    ),
    "text_withheld": (
        "Messages were held back",
        "Their words broke a rule once they were filled in. Mend the template.",
    ),
    "sender_paused": (
        "A sender has paused itself",
        "Too many messages came back or were unwanted. Find out why before you go on.",
    ),
    "sender_warning": (
        "A sender is in trouble",
        "More messages come back than should. Look at it before it pauses itself.",
    ),
    "enter_booking": ("Has booked", "Enter the visit into your practice system; the next import recognises it."),
    "booking_cancelled": ("Has cancelled", "Take the visit out of your practice system."),
    "booking_moved": ("Has moved the visit", "Move it in your practice system too."),
    "contact_review": ("A rule asks for a person", "Look at the reasons and decide whether to contact them."),
    "closing": (
        "Care is unfinished and the campaign is over",
        "Decide on the closing letter: book, records to a new dentist, or stop.",
    ),
    "standing": (
        "Nobody knows whether they are still ours",
        "Say what they are: lapsed, moved, with another dentist, ...",
    ),
    "read_note": ("A note may ask for silence", "Read the note in your practice system and decide."),
    "duplicate": ("May be in the files twice", "Compare the two charts in your practice system."),
    "opt_in": ("Signed up for texts on your page", "Find whose number it is and add it to the chart, or close this."),
    "suppression_differs": (
        "A provider's list of opt-outs and ours differ",
        "Both hold: nobody on either is written to. Ask the provider to add what it lacks.",
    ),
    "suppression_unread": (
        "A provider's list of opt-outs could not be read",
        "Check the sender; it is asked again tomorrow.",
    ),
    "mailbox_unread": (
        "The practice's mailbox cannot be read",
        "Opt-outs, answers and bounces by e-mail go unseen. See on the senders page what is wrong, or look into the mailbox yourself.",
    ),
    "mail_not_understood": (
        "A mail in the practice's mailbox could not be read",
        "Look for it in the mailbox by its time. If it asks for anything, enter it on the patient's page.",
    ),
    "auto_reply": (
        "An automatic answer came",
        "Such as a note of absence. Nothing automatic goes there until somebody has looked; on the inbox page one press settles all.",
    ),
    "print_letters": ("Letters wait to be printed", "Print them, put them in the mail, and say on which day."),
    "returned_letter": (
        "A letter came back",
        "Ask for the right address at the next contact, and mend it in your practice system.",
    ),
    "engine_error": ("A step failed", "Show this to whoever looks after Recare; the patient is left alone meanwhile."),
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
    title, advice = WORDS.get(task.kind, (task.kind.replace("_", " ").capitalize(), "Look at it and mark it done."))
    url = _where(task)
    return Shown(
        task.id, task.kind, task.urgency <= 2, title, advice, task.patient_id, task.patient_name.strip(), task.created_at,
        task.due_at, url,
    )  # fmt: skip


def title(kind: str) -> str:
    """Return the title of a kind of task."""
    return WORDS.get(kind, (kind.replace("_", " ").capitalize(), ""))[0]


def _where(task: Task) -> str:
    """The page on which the task is done."""
    if task.kind in DECIDED:
        return DECIDED[task.kind].format(task.id)
    if task.subject_table == "letters":
        return "/letters/"
    if task.subject_table in {"inbound_event", "reply"}:
        return f"/inbox/?task={task.id}"
    if task.subject_table in _PAGES and task.subject_id is not None:
        return _PAGES[task.subject_table].format(task.subject_id)
    if task.patient_id is not None:
        return f"/patients/{task.patient_id}/"
    return f"/inbox/?task={task.id}" if task.contact_point_id is not None else ""


DECIDED: Final = {"closing": "/closing/{}/", "contact_review": "/reviews/{}/"}
"""Kinds of tasks with a page of their own on which they are decided."""
_PAGES: Final = {"message": "/messages/{}/", "sender": "/settings/senders/{}/", "booking": "/schedule/"}
