"""Every rule an import can break, with what to do about it. Issues name file, row, column, kind of value and rule; never the value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

Severity = Literal["rejected", "warning"]

ADVICE: Final[dict[str, str]] = {
    "missing": "Every row needs this value. Fill it in the practice system and export again.",
    "date_unreadable": "Not a date in this column's order of day and month. Correct it in the practice system.",
    "birthdate_implausible": "In the future or over 110 years ago, so the age counts as unknown and no message goes out that needs it. Correct it.",
    "date_in_future": "A visit in the past cannot lie in the future. Correct the date in the practice system.",
    "money_unreadable": "Not an amount of money; the row was taken without it.",
    "time_unreadable": "Not a time of day; the visit counts as the whole day.",
    "length_unreadable": "Not a number of minutes; the usual length is taken.",
    "interval_unreadable": "Not a recall interval such as 6m or 1 year; the usual one is taken.",
    "code_unreadable": "Not a procedure code. Check the column and the code in the practice system.",
    "answer_unreadable": "Neither yes nor no, so it counts as not stated.",
    "zip_unreadable": "Not a ZIP code; letters need it. Correct the address.",
    "number_unreadable": "Not a whole number; left out.",
    "phone_unreadable": "No number that can be dialled. Correct it in the practice system.",
    "phone_without_area_code": "The area code is missing and is never guessed. Add it in the practice system.",
    "email_unreadable": "No usable e-mail address. Correct it in the practice system.",
    "status_unknown": "This status is not known here: the patient is held out of campaigns until somebody sets it.",
    "appointment_status_unknown": "This status is not known here; the visit counts as still scheduled, so the patient is not invited.",
    "procedure_status_unknown": "Without a known status nobody can tell whether this was done. Export the status column as words.",
    "language_unknown": "This language is not known here; the practice's own is used.",
    "contact_method_unknown": "This way of contact is not known here; none is preferred.",
    "cells_do_not_fit": "The row has more cells than there are headers, or a quotation mark is missing. Mend it and import again.",
    "unknown_patient": "The patient of this row is in no file. Export all patients, inactive and archived ones too, and import again.",
    "duplicate_key": "The same number stands in an earlier row, which was taken.",
    "consent_conflict": "The export says yes, but this number or address has opted out. The opt-out stands until the patient opts in again.",
    "standing_conflict": "The export says active, but this patient was dismissed. Only a clinician of the practice can take that back, with a reason.",
    "looks_partial": "The file holds far fewer rows than before, so nobody and nothing was marked as gone. Export everything if it is meant to be "
    "complete; if it is meant to be a part, there is nothing to do.",
    "no_rows": "The file has its headers and not one row, so nothing was changed and nobody was marked as gone. Look at the filters and dates of the "
    "report in the practice system, and export again.",
    "no_visits_ahead": "No visit in the file lies after the day it was exported, so it does not show who has one ahead. Until an export holds the "
    "coming visits too, invitations wait. Export appointments without an end date.",
    "warning_in_cell": "The cell holds a warning beside its value, such as “do not text” or “deceased”. It is heeded; better keep it in the status or "
    "the notes of the practice system.",
    "column_mixes_orders": "This column mixes day/month and month/day, so the dates cannot be told apart. Export dates as year-month-day. "
    "Or choose an order for it in the browser, under Data: dates that do not fit are then listed one by one.",
    "ids_lost_digits": "A spreadsheet has rounded these numbers (2.98725E+13). Export again without opening the file in a spreadsheet.",
}


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. ``occurrences`` above 1: the rows beyond those listed one by one."""

    row_number: int | None
    column_name: str
    value_kind: str
    rule: str
    severity: Severity
    occurrences: int = 1

    @property
    def advice(self) -> str:
        return ADVICE[self.rule]


LISTED: Final = 100  # issues of one rule and column that are listed row by row; the rest is counted


@dataclass(slots=True)
class Findings:
    """Issues of one file in constant memory: the first of each rule and column, and the count of all."""

    counts: dict[tuple[str, str, str, Severity], int] = field(default_factory=dict)
    listed: list[Issue] = field(default_factory=list)

    def add(self, row: int | None, column: str, kind: str, rule: str, severity: Severity) -> None:
        which = (rule, column, kind, severity)
        count = self.counts.get(which, 0)
        self.counts[which] = count + 1
        if count < LISTED:
            self.listed.append(Issue(row, column, kind, rule, severity))

    def issues(self) -> list[Issue]:
        """Return the listed issues, and one more for each rule and column that had more than were listed."""
        more = [
            Issue(None, column, kind, rule, severity, count - LISTED)
            for (rule, column, kind, severity), count in self.counts.items()
            if count > LISTED
        ]
        return self.listed + more


_TITLES: Final = {
    "missing": "A needed value is missing",
    "birthdate_implausible": "Birthdate cannot be right",
    "date_in_future": "Date lies in the future",
    "phone_without_area_code": "Phone without area code",
    "phone_unreadable": "Phone cannot be dialled",
    "status_unknown": "Status not known",
    "appointment_status_unknown": "Status of the visit not known",
    "procedure_status_unknown": "Status of the procedure not known",
    "language_unknown": "Language not known",
    "contact_method_unknown": "Way of contact not known",
    "cells_do_not_fit": "More cells than headers",
    "unknown_patient": "Patient is in no file",
    "duplicate_key": "Number used twice",
    "consent_conflict": "A yes against an opt-out",
    "standing_conflict": "Active, but dismissed",
    "looks_partial": "Far fewer rows than before",
    "no_rows": "Headers and no rows",
    "no_visits_ahead": "No coming visits in the file",
    "warning_in_cell": "Warning in a name or number",
    "column_mixes_orders": "Day and month mixed up",
    "ids_lost_digits": "Numbers rounded by a spreadsheet",
}


def title(rule: str) -> str:
    """Return a rule in a few words."""
    return _TITLES.get(rule) or rule.replace("_", " ").capitalize()
