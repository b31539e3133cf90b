"""The closing letter: a draft, a person who edits and approves it, and paper. It always offers a visit, the records, and an end (D22)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import messages as toasts
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

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
from recare.practices.access import StaffRequest, staff

WRITERS: Final = ("owner", "manager", "clinician")
PLACES: Final[dict[str, Purpose]] = {"[booking link]": "book", "[preferences link]": "preferences"}
"""What stands in the draft for the patient's own links, which are made when the letter is approved."""
_LONGEST: Final = 4000


@dataclass(frozen=True, slots=True)
class Case:
    """A closing task and the patient it is about."""

    task_id: int
    patient_id: int
    name: str
    language: str
    reason: str
    done_at: datetime | None
    outcome: str
    letter: str | None


_CASE: Final = """
SELECT t.id AS task_id, p.id AS patient_id, p.first_name || ' ' || p.last_name AS name, p.language,
       coalesce(t.detail ->> 'reason', '') AS reason, t.done_at, t.outcome, l.body AS letter
FROM task t JOIN patient p ON p.practice_id = t.practice_id AND p.id = t.patient_id
LEFT JOIN closing_letter l ON l.practice_id = t.practice_id AND l.task_id = t.id
WHERE t.practice_id = %(practice)s AND t.id = %(task)s AND t.kind = 'closing'
"""


@staff(*WRITERS)
def letter(request: StaffRequest, task_id: int) -> HttpResponse:
    """Show the draft; on POST approve it, or end without a letter and say why."""
    case = db.one(Case, _CASE, practice=request.practice.id, task=task_id)
    if case is None:
        known = db.value(
            "SELECT patient_id FROM task WHERE practice_id = %(p)s AND id = %(t)s", p=request.practice.id, t=task_id
        )
        if known is None:
            raise Http404("There is no such task.")
        return redirect("web:tasks")
    if request.method != "POST":
        body = case.letter or draft(request, case)
        audit.record(request.practice.id, request.staff, "viewed a closing letter", f"task:{task_id}", request.now)
        return _page(request, case, body)
    if case.done_at is not None:
        toasts.warning(request, "Somebody has decided that already.")
        return redirect("web:closing", task_id)
    if request.POST.get("do") == "none":
        return _without(request, case)
    return _approve(request, case)


def draft(request: StaffRequest, case: Case) -> str:
    """Return the practice's approved words, else the shipped ones, filled in for this patient."""
    version = templates.approved(request.practice.id, "closing_letter", "letter", case.language)
    drafts = templates.shipped(templates.SHIPPED / "closing_letter.yaml")
    shipped = next((one for one in drafts if one.language == case.language), drafts[0])
    person = values.people(request.practice.id, [case.patient_id])[case.patient_id]
    today = request.now.astimezone(request.practice.zone).date()
    filled: dict[str, Any] = values.of_practice(request.practice, case.language, request.now)
    filled |= values.of_person(person, today, is_family=False)
    filled |= {f"{purpose}_link": place for place, purpose in PLACES.items()}
    return clearance.parse(version.body if version else shipped.body).render(**filled).strip()


def against(request: StaffRequest, case: Case) -> list[str]:
    """Return in words what forbids a letter to this patient now; a dismissal has a letter of its own (PAT-02)."""
    [context] = contexts.load(request.practice.id, [Ask(case.patient_id, "letter", "R")], request.now)
    decision = decide(context, load_packs(), request.now)
    aside = WAITS_FOR_PRACTICE | {"FREQ_CAMPAIGN"}  # paper that a person mails is no step of a campaign
    forbids = [reason for reason in decision.reasons if reason.verdict == "deny" and reason.code not in aside]
    return list(dict.fromkeys(in_words(reason, request.practice.zone) for reason in forbids))


def problems(request: StaffRequest, case: Case, body: str) -> list[str]:
    """Return what is wrong with an edited letter: a way that is missing, or words that no letter may carry."""
    if not 40 <= len(body) <= _LONGEST:
        return [f"Write between 40 and {_LONGEST} characters."]
    missing = [place for place in PLACES if place not in body]
    if missing:
        ways = "Say how to book, how to get the records to a new dentist, and how to stop."
        return [f"{ways} The letter lacks {' and '.join(missing)}."]
    context = templates.lint_context(request.practice, "letter", "R", case.language)
    return [f"{finding.what} {finding.why}" for finding in lint(body, context) if finding.severity == "E"]


def _approve(request: StaffRequest, case: Case) -> HttpResponse:
    body = request.POST.get("body", "").replace("\r\n", "\n").strip()
    wrong = [*against(request, case), *problems(request, case, body)]
    if wrong:
        return _page(request, case, body, wrong)
    made = links.make_many(
        request.practice.id, [NewLink(purpose, case.patient_id) for purpose in PLACES.values()], request.now
    )
    for (place, purpose), token in zip(PLACES.items(), made, strict=True):
        body = body.replace(place, links.url(token, purpose))
    if not tasks.close_task(request.practice.id, case.task_id, request.staff, "letter", request.now):
        toasts.warning(request, "Somebody has decided that already.")
        return redirect("web:closing", case.task_id)
    db.run(
        "INSERT INTO closing_letter (practice_id, task_id, patient_id, body, approved_by, approved_at) VALUES "
        "(%(practice)s, %(task)s, %(patient)s, %(body)s, %(actor)s, %(now)s)",
        practice=request.practice.id, task=case.task_id, patient=case.patient_id, body=body, actor=request.staff, now=request.now,
    )  # fmt: skip
    audit.record(request.practice.id, request.staff, "approved a closing letter", f"task:{case.task_id}", request.now)
    toasts.success(request, "Approved. Print it and put it in the mail.")
    return redirect("web:closing", case.task_id)


def _without(request: StaffRequest, case: Case) -> HttpResponse:
    why = request.POST.get("why", "").strip()[:200]
    if not why:
        return _page(request, case, request.POST.get("body", ""), ["Say why there is no letter: care is unfinished."])
    tasks.close_task(request.practice.id, case.task_id, request.staff, "no letter", request.now)
    audit.record(
        request.practice.id, request.staff, "ended without a letter", f"task:{case.task_id}", request.now, {"why": why}
    )
    toasts.success(request, "Noted.")
    return redirect("web:tasks")


def _page(request: StaffRequest, case: Case, body: str, wrong: list[str] | None = None) -> HttpResponse:
    context = {
        "case": case,
        "body": body,
        "wrong": wrong or [],
        "forbidden": [] if case.done_at else against(request, case),
    }
    return render(request, "web/closing.html", context, status=422 if wrong else 200)
