"""The facts a segment may ask about: name, label, type, operators and help in plain words, and where each is found in SQL.

``FIELDS`` is what the page of segments shows and what ``predicate`` accepts; a field that is not here cannot be asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recare.segments.facts import CARE

Kind = Literal["date", "number", "money", "flag", "choice", "word", "kinds", "codes", "month"]

OPERATORS: dict[str, dict[str, str]] = {
    "date": {"before": "before", "after": "after", "equals": "on", "known": "known"},
    "number": {"at_least": "at least", "at_most": "at most", "equals": "exactly", "known": "known"},
    "money": {"at_least": "at least", "at_most": "at most", "known": "known"},
    "flag": {"is": "is"},
    "choice": {"is": "is", "in": "is one of", "not_in": "is none of", "known": "known"},
    "word": {"is": "is", "in": "is one of", "not_in": "is none of", "known": "known"},
    "kinds": {"any_of": "has any of", "all_of": "has all of", "none_of": "has none of"},
    "codes": {"any_of": "has any of", "none_of": "has none of"},
    "month": {"is": "is", "in": "is one of", "known": "known"},
}
"""Operators of each type of field, in words."""

TIME_HELP = "A day such as 2026-03-31, 'today', '18 months ago' or 'in 90 days'."


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a segment may ask. ``sql`` is an expression over facts ``f`` (a constant of ours, never input)."""

    name: str
    label: str
    kind: Kind
    sql: str
    help: str
    choices: tuple[str, ...] = ()

    @property
    def operators(self) -> dict[str, str]:
        """Operators this field takes, in words."""
        return OPERATORS[self.kind]


_PAYERS = ("commercial", "medicaid", "chip", "medicare", "tricare", "self_pay", "membership", "unknown")
_CHANNELS = ("sms", "email", "call", "letter")
_STATUSES = ("active", "inactive", "archived", "non_patient", "prospective", "deceased", "unknown")


def _listed() -> tuple[Field, ...]:
    return (*_visits(), *_recalls(), *_treatment(), *_people(), *_reach())


def _visits() -> tuple[Field, ...]:
    return (
        Field("band", "Band", "choice", "", "Active, overdue, lapsed ... by the practice's definition, from the last visit."),
        Field("last_visit", "Last visit", "date", "f.last_visit_on", f"Last day with completed care here. {TIME_HELP}"),
        Field("first_visit", "First visit", "date", "f.first_visit_on", f"First visit known. {TIME_HELP}"),
        Field("last_hygiene", "Last hygiene visit", "date", "f.last_hygiene_on", f"Last cleaning or gum care. {TIME_HELP}"),
        Field("next_visit", "Next visit", "date", "f.next_visit_on", f"First visit still to come; 'known: no' is nothing booked. {TIME_HELP}"),
        Field("visits", "Visits so far", "number", "f.visits", "Days with completed care, all years."),
        Field("visits_24m", "Visits in two years", "number", "f.visits_24m", "In the two years up to the last visit."),
        Field("production_24m", "Production in two years", "money", "f.production_24m_cents", "In dollars, in the two years up to the last visit."),
        Field("missed_visits", "Missed visits", "number", "f.missed_visits", "Days missed or broken; cancelled in time is none."),
        Field("last_broken", "Last broken visit", "date", "f.last_broken_on", f"Last missed, broken or cancelled visit. {TIME_HELP}"),
        Field("broken_since_visit", "Broken since the last visit", "flag", "coalesce(f.last_broken_on > coalesce(f.last_visit_on, '-infinity'), false)",
              "A visit was missed, broken or cancelled and no visit was kept after it."),
        Field("last_touch", "Last contact by us", "date", "f.last_touch_on", f"Last message or call of a campaign. {TIME_HELP}"),
        Field("last_reply", "Last reply", "date", "f.last_reply_on", f"Last time the patient wrote back or spoke to us. {TIME_HELP}"),
        Field("unanswered", "Contacts without reply", "number", "f.touches_since_reply", "Messages and calls since the last reply."),
    )  # fmt: skip


def _recalls() -> tuple[Field, ...]:
    return (
        Field("recall", "Recall", "choice", "nullif(f.recall_kind, '')", "Which recall is open: perio rules over prophy, either over the child's.",
              ("perio", "prophy", "child", "exam")),
        Field("recall_due", "Recall due", "date", "f.recall_due_on", f"Due date of the open recall. {TIME_HELP}"),
        Field("overdue_days", "Days overdue", "number", "f.overdue_days", "Days since the recall was due; unknown when it is not."),
        Field("missed_recalls", "Recalls missed", "number", "f.missed_recalls", "How many recall visits have gone by: one at the due date, one more each interval."),
    )  # fmt: skip


def _treatment() -> tuple[Field, ...]:
    return (
        Field("care", "Kinds of care received", "kinds", "f.care", "Kinds of completed care, from the practice's own codes.", tuple(CARE)),
        Field("procedure_code", "Procedure codes received", "codes", "", "Completed procedures by code, as your system writes it."),
        Field("unscheduled", "Unscheduled treatment", "money", "f.unscheduled_cents", "In dollars: planned and not booked."),
        Field("unscheduled_items", "Unscheduled procedures", "number", "f.unscheduled_items", "How many planned procedures are not booked."),
        Field("oldest_plan", "Oldest open plan", "date", "f.oldest_plan_on", f"When the oldest open treatment was planned. {TIME_HELP}"),
        Field("plan_expires", "Plan expires", "date", "f.plan_expires_on", f"When the first open plan expires. {TIME_HELP}"),
        Field("payer", "Payer", "choice", "f.payer_class", "The strictest of all coverages.", _PAYERS),
        Field("benefit_renewal", "Benefits renew", "date", "f.benefit_renewal_on", f"Next first day of the benefit year. {TIME_HELP}"),
        Field("benefit_left", "Benefits left", "money", "f.benefit_left_cents", "In dollars, an estimate: what the plan may still pay this year."),
    )  # fmt: skip


def _people() -> tuple[Field, ...]:
    return (
        Field("age", "Age", "number", "f.age", "Years; unknown without a birthdate."),
        Field("adult", "Adult", "flag", "f.is_adult", "18 or older; an unknown age is not adult."),
        Field("birthday_month", "Birthday month", "month", "f.birthday_month", "1 to 12, 'this' or 'next'."),
        Field("sex", "Sex", "choice", "nullif(f.sex, '')", "As in the chart.", ("f", "m", "other")),
        Field("language", "Language", "word", "nullif(f.language, '')", "Such as en or es."),
        Field("state", "State", "word", "nullif(f.state, '')", "Such as IL."),
        Field("zip", "ZIP code", "word", "nullif(f.zip, '')", "Such as 60540."),
        Field("household_size", "People in the household", "number", "f.household_size", "Patients of the practice who live together."),
        Field("status", "Status in the chart", "choice", "f.status", "As the practice's system has it.", _STATUSES),
        Field("contactable", "May be contacted", "flag", "f.contactable", "Nobody dismissed, deceased, moved, on hold or asked to be left alone."),
    )  # fmt: skip


def _reach() -> tuple[Field, ...]:
    return (
        Field("reach", "Reachable by", "kinds", "", "A number or address that works, with the consent a recall message needs.", _CHANNELS),
        Field("sms_consent", "Consent to texts", "flag", "f.sms_ok", "Recorded for the number a text would go to."),
        Field("email_consent", "Consent to e-mail", "flag", "f.email_ok", "Recorded for the address an e-mail would go to."),
        Field("call_consent", "May be called", "flag", "f.call_ok", "A number in the chart that nobody has asked us not to call."),
        Field("preferred_channel", "Preferred channel", "choice", "nullif(f.preferred_channel, '')", "What the patient asked for.", (*_CHANNELS, "portal")),
    )  # fmt: skip


FIELDS: dict[str, Field] = {field.name: field for field in _listed()}
"""Every field of a predicate, by name."""

REACH_SQL = {"sms": "f.sms_ok", "email": "f.email_ok", "call": "f.call_ok", "letter": "f.letter_ok"}
"""Whether a channel reaches the patient on the day asked."""
