"""What the campaign pages show: a playbook in words, and how a campaign stands, counted in a fixed number of statements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.campaigns import audience, campaign, playbook, why
from recare.compliance.decision import Reason
from recare.compliance.gates import in_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recare.campaigns.campaign import Campaign
    from recare.campaigns.playbook import Playbook, Step
    from recare.campaigns.preview import Preview
    from recare.campaigns.preview import Reason as PreviewReason
    from recare.campaigns.why import Run

CHANNELS: Final = why.CHANNELS | {"preferred": "the way the patient prefers"}
CONDITIONS: Final = {
    "no_reply": "has not answered", "not_clicked": "has not opened the link", "reachable": "can be reached",
    "offer_eligible": "may have the offer", "unfinished_plan": "has an unfinished treatment plan",
}  # fmt: skip
STOPS: Final = {
    "booked": "books a visit", "replied": "answers", "opted_out": "asks us to stop", "left": "has left or died", "complaint": "complains",
    "not_interested": "is not interested",
}  # fmt: skip
PURPOSES: Final = {
    "check_up": "check-up", "hygiene": "hygiene visit", "continued_treatment": "treatment already begun",
    "elective": "elective treatment", "closing": "a kind goodbye",
}  # fmt: skip
ENDED: Final = {
    "booked": "Booked a visit", "replied": "Answered", "opted_out": "Asked us to stop", "complaint": "Complained", "moved": "Moved away",
    "new_dentist": "Has another dentist", "transferred": "Has another dentist", "left": "No longer a patient", "deceased": "Has died",
    "dismissed": "Dismissed from the practice", "not_interested": "Not interested", "in_treatment": "Is in treatment",
    "restricted": "May not be contacted", "rested": "Contacted often enough for now", "no_answer": "No answer by the end of the ladder",
    "unreachable": "Could not be reached by any step", "campaign_finished": "The campaign was finished", "staff": "Stopped by the team",
    "measured": "Measured to the end", "error": "Set aside after an error",
}  # fmt: skip
FIRST: Final = ("missed_recall", "three_step_winback")  # what most practices begin with
STATES: Final = {"draft": "", "running": "accent", "paused": "needs-you", "finished": "good"}


@dataclass(frozen=True, slots=True)
class StepWords:
    """One rung as a reader sees it. ``templates`` are (slug, channel, channel in words)."""

    number: int
    when: str
    what: str
    unless: str
    templates: tuple[tuple[str, str, str], ...]
    offer: str


@dataclass(frozen=True, slots=True)
class Card:
    """A shipped playbook in the gallery."""

    slug: str
    name: str
    purpose: str
    why: str
    steps: tuple[StepWords, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """An existing campaign in the list, with its counts."""

    campaign: Campaign
    badge: str
    treated: int
    held_out: int
    booked: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How one step stands: patients written to or called by channel, passed over, and standing there now."""

    step: StepWords
    sent: tuple[tuple[str, int], ...]
    passed: int
    here: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Something with a number of patients: a reason, or how enrolments ended."""

    code: str
    words: str
    patients: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A campaign's enrolments, both arms."""

    treated: int
    held_out: int
    active: int
    ended: tuple[Counted, ...]


@cache
def gallery() -> tuple[Card, ...]:
    """Return every shipped playbook as a card."""
    found = []
    for slug, text in sorted(playbook.shipped().items(), key=lambda item: (item[0] not in FIRST, item[0])):
        plan = playbook.read(text)
        found.append(Card(slug, plan.name, PURPOSES[plan.purpose], plan.why, ladder(plan), rules(plan)))
    return tuple(found)


def ladder(plan: Playbook) -> tuple[StepWords, ...]:
    """Return the steps of a playbook in words."""
    return tuple(_step(number, step) for number, step in enumerate(plan.steps, 1))


def _step(number: int, step: Step) -> StepWords:
    when = _days(step.wait_days) + (" later" if number > 1 else " after the launch") if step.wait_days else "At once"
    what = CHANNELS[step.channel].capitalize()
    if step.channel == "preferred":
        what = f"By {CHANNELS[step.channel]}: {_either([CHANNELS[channel] for channel in step.channels()])}"
    if step.fallback:
        what += f", else {_either([CHANNELS[channel] for channel in step.fallback])}"
    unless = (
        f"if the patient {' and '.join(CONDITIONS[condition] for condition in step.condition)}"
        if step.condition
        else ""
    )
    texts = {
        (slug, channel, CHANNELS[channel]): None for channel in step.channels() for slug, _ in step.variants(channel)
    }
    return StepWords(number, when, what, unless, tuple(texts), step.offer)


def rules(plan: Playbook) -> tuple[str, ...]:
    """Return what holds for the whole playbook: who is left alone, the waves, the caps, the exits."""
    whom = "households" if plan.unit == "household" else "patients"
    said = []
    if plan.hold_out:
        said.append(f"{plan.hold_out:.0%} of {whom}, drawn by chance, are left alone to compare with.")
    if plan.waves.count > 1:
        said.append(
            f"In {plan.waves.count} waves by chance, {plan.waves.days_between} days apart, "
            "each compared with those whose turn has not come."
        )
    if not said:
        said.append("Nobody is left alone to compare with, so what it changed cannot be measured.")
    return (
        *said,
        f"At most {plan.caps.touches} contacts in {plan.caps.days} days.",
        f"A patient leaves the ladder who {_either([STOPS[rule] for rule in plan.stop])}.",
    )


def _days(count: int) -> str:
    if count % 7 == 0:
        return f"{count // 7} week{'s' * (count > 7)}"
    return f"{count} day{'s' * (count > 1)}"


def _either(words: list[str]) -> str:
    return ", ".join(words[:-1]) + (" or " if len(words) > 1 else "") + words[-1]


def lines(practice_id: int) -> list[Line]:
    """Return all campaigns with their counts, in two statements."""
    counts = {
        row[0]: row[1:]
        for row in db.tuples(
            "SELECT e.campaign_id, count(*) FILTER (WHERE e.arm = 'treated'), count(*) FILTER (WHERE e.arm = 'held_out'), "
            "count(o.id) FILTER (WHERE e.arm = 'treated') FROM enrolment e LEFT JOIN outcome o "
            "ON o.practice_id = e.practice_id AND o.enrolment_id = e.id AND o.kind = 'booked' "
            "WHERE e.practice_id = %(practice)s GROUP BY e.campaign_id",
            practice=practice_id,
        )
    }
    return [Line(row, STATES[row.state], *counts.get(row.id, (0, 0, 0))) for row in campaign.every(practice_id)]


def standing(practice_id: int, campaign_id: int) -> Standing:
    """Return how many are enrolled, by arm, how many are still on the ladder and how the others ended."""
    found = db.tuples(
        "SELECT arm, state, stop_reason, count(*)::int FROM enrolment "
        "WHERE practice_id = %(practice)s AND campaign_id = %(campaign)s GROUP BY 1, 2, 3 ORDER BY 4 DESC",
        practice=practice_id, campaign=campaign_id,
    )  # fmt: skip
    ended = tuple(
        Counted(reason, ENDED.get(reason, reason.replace("_", " ").capitalize()), count)
        for arm, state, reason, count in found
        if arm == "treated" and state in {"stopped", "finished"}
    )
    return Standing(
        treated=sum(row[3] for row in found if row[0] == "treated"),
        held_out=sum(row[3] for row in found if row[0] == "held_out"),
        active=sum(row[3] for row in found if row[:2] == ("treated", "waiting")),
        ended=ended,
    )


def tallies(practice_id: int, campaign_id: int, plan: Playbook) -> list[Tally]:
    """Return how every step stands: contacts by channel, patients passed over, patients who stand there now."""
    params = {"practice": practice_id, "campaign": campaign_id}
    touched = db.tuples(
        "SELECT t.step, t.verdict, t.channel, count(DISTINCT t.enrolment_id)::int FROM touch t "
        "JOIN enrolment e ON e.practice_id = t.practice_id AND e.id = t.enrolment_id "
        "WHERE t.practice_id = %(practice)s AND e.campaign_id = %(campaign)s AND t.verdict IN ('send', 'skip') GROUP BY 1, 2, 3 ORDER BY 3",
        **params,
    )
    here = dict(
        db.tuples(
            "SELECT step, count(*)::int FROM enrolment WHERE practice_id = %(practice)s AND campaign_id = %(campaign)s "
            "AND state = 'waiting' GROUP BY 1",
            **params,
        )
    )
    found = []
    for place, step in enumerate(ladder(plan)):
        sent = tuple((CHANNELS[row[2]], row[3]) for row in touched if row[:2] == (place, "send"))
        passed = sum(row[3] for row in touched if row[:2] == (place, "skip"))
        found.append(Tally(step, sent, passed, here.get(place, 0)))
    return found


def causes(run: Run) -> list[Counted]:
    """Return why a run has not contacted people, fit for many of them at once."""
    return [Counted(cause.code, sentence(cause.code, cause.words), cause.patients) for cause in run.causes]


def sentence(code: str, otherwise: str = "") -> str:
    """Say a reason that stands for many patients, so without the day or state that held for one of them."""
    if code in audience.LEFT_OUT:
        said = audience.LEFT_OUT[code]
        return said[0].upper() + said[1:] + "."
    try:
        return in_words(Reason(code, "", "deny")).replace("; next later.", "; waits.")
    except KeyError:
        said = otherwise or code.replace("_", " ")
        return said[:1].upper() + said[1:].rstrip(".") + "."


def rehearsal(seen: Preview) -> dict[str, Any]:
    """Return what the page of a rehearsal shows of a preview."""
    return {
        "seen": seen, "treated": seen.eligible - seen.held_out,
        "channels": [(CHANNELS[channel], count) for channel, count in seen.channels.items()],
        "steps": [(step, [(CHANNELS[c], n) for c, n in step.channels.items()]) for step in seen.steps],
        "left_out": _reasons(seen.left_out), "not_contacted": _reasons(seen.not_contacted), "waiting": _reasons(seen.waiting),
        "cost": seen.cost_micros / 10_000, "invitations": f"{seen.chairs.invited} first invitations fall into them",
        "days": list(seen.days.items())[:14],
    }  # fmt: skip


def _reasons(found: Iterable[PreviewReason]) -> list[Counted]:
    return [Counted(one.code, sentence(one.code, one.words), one.patients) for one in found]


def in_short(seen: Preview) -> str:
    """Say a preview in one sentence: how many would be contacted, how many not, and why, the commonest reason first."""
    held = [Counted("HELD_OUT", "Left alone by chance.", seen.held_out)] if seen.held_out else []
    causes = sorted(held + _reasons(seen.left_out) + _reasons(seen.not_contacted), key=lambda one: -one.patients)
    said = ", ".join(f"{one.patients:,} {one.words[:1].lower()}{one.words[1:].rstrip('.')}" for one in causes)
    return f"{seen.contacted:,} contacted, {seen.segment - seen.contacted:,} not" + (f": {said}." if said else ".")
