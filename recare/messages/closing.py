"""The closing letter's words: drafted, held against every rule, approved by a person; always with a visit, the records, and an end (D22)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from recare.base import audit, db
from recare.campaigns import contexts
from recare.campaigns.contexts import Ask
from recare.compliance import clearance
from recare.compliance.decision import WAITS_FOR_PRACTICE
from recare.compliance.gates import decide, in_words
from recare.compliance.lint import lint
from recare.compliance.packs import load_packs
from recare.messages import links, templates, values
from recare.messages.links import NewLink, Purpose
from recare.patients import tasks

if TYPE_CHECKING:
    from recare.practices.practice import Practice

PLACES: Final[dict[str, Purpose]] = {"[booking link]": "book", "[preferences link]": "preferences"}
"""What stands in the draft for the patient's own links, which are made when the letter is approved."""
LONGEST: Final = 4000


@dataclass(frozen=True, slots=True)
class Case:
    """A closing task and the patient it is about; ``letter`` once one is approved."""

    task_id: int
    patient_id: int
    name: str
    language: str
    done_at: datetime | None
    outcome: str
    letter: str | None


def find(practice_id: int, task_id: int) -> Case | None:
    """Return the case of a task, or None when it is no closing task."""
    return db.one(
        Case,
        "SELECT t.id AS task_id, p.id AS patient_id, p.first_name || ' ' || p.last_name AS name, p.language, "
        "t.done_at, t.outcome, l.body AS letter "
        "FROM task t JOIN patient p ON p.practice_id = t.practice_id AND p.id = t.patient_id "
        "LEFT JOIN closing_letter l ON l.practice_id = t.practice_id AND l.task_id = t.id "
        "WHERE t.practice_id = %(practice)s AND t.id = %(task)s AND t.kind = 'closing'",
        practice=practice_id, task=task_id,
    )  # fmt: skip


def draft(practice: Practice, case: Case, now: datetime) -> str:
    """Return the practice's approved words, else the shipped ones, filled in for this patient."""
    version = templates.approved(practice.id, "closing_letter", "letter", case.language)
    drafts = templates.shipped(templates.SHIPPED / "closing_letter.yaml")
    shipped = next((one for one in drafts if one.language == case.language), drafts[0])
    person = values.people(practice.id, [case.patient_id])[case.patient_id]
    filled = values.of_practice(practice, case.language, now)
    filled |= values.of_person(person, now.astimezone(practice.zone).date(), is_family=False)
    filled |= {f"{purpose}_link": place for place, purpose in PLACES.items()}
    return clearance.parse(version.body if version else shipped.body).render(**filled).strip()


def against(practice: Practice, case: Case, now: datetime) -> list[str]:
    """Return in words what forbids a letter to this patient now; a dismissal has a letter of its own (PAT-02)."""
    [context] = contexts.load(practice.id, [Ask(case.patient_id, "letter", "R")], now)
    decision = decide(context, load_packs(), now)
    aside = WAITS_FOR_PRACTICE | {"FREQ_CAMPAIGN"}  # paper that a person mails is no step of a campaign
    forbids = [reason for reason in decision.reasons if reason.verdict == "deny" and reason.code not in aside]
    return list(dict.fromkeys(in_words(reason, practice.zone) for reason in forbids))


def problems(practice: Practice, case: Case, body: str) -> list[str]:
    """Return what is wrong with an edited letter: a way that is missing, or words that no letter may carry."""
    if not 40 <= len(body) <= LONGEST:
        return [f"Write between 40 and {LONGEST} characters."]
    missing = [place for place in PLACES if place not in body]
    if missing:
        ways = "Say how to book, how to get the records to a new dentist, and how to stop."
        return [f"{ways} The letter lacks {' and '.join(missing)}."]
    context = templates.lint_context(practice, "letter", "R", case.language)
    return [f"{finding.what} {finding.why}" for finding in lint(body, context) if finding.severity == "E"]


def approve(practice: Practice, case: Case, body: str, actor: str, now: datetime) -> bool:
    """Keep an edited letter under a person's name, with the patient's own links in it; False when the case was decided before."""
    if not tasks.close_task(practice.id, case.task_id, actor, "letter", now):
        return False
    wanted = [NewLink(purpose, case.patient_id) for purpose in PLACES.values()]
    for place, link, token in zip(PLACES, wanted, links.make_many(practice.id, wanted, now), strict=True):
        body = body.replace(place, links.url(token, link.purpose))
    db.run(
        "INSERT INTO closing_letter (practice_id, task_id, patient_id, body, approved_by, approved_at) VALUES "
        "(%(practice)s, %(task)s, %(patient)s, %(body)s, %(actor)s, %(now)s)",
        practice=practice.id, task=case.task_id, patient=case.patient_id, body=body, actor=actor, now=now,
    )  # fmt: skip
    audit.record(practice.id, actor, "approved a closing letter", f"task:{case.task_id}", now)
    return True
