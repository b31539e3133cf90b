"""Reasons as they are kept on touches and messages, back in words for whoever reads a page."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from recare.compliance.decision import Reason
from recare.compliance.gates import in_words

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

STOPS: Final = {
    "booked": "a visit was booked", "replied": "the patient answered", "opted_out": "the patient asked to stop", "left": "the patient has left",
    "complaint": "there was a complaint", "not_interested": "the patient is not interested", "deceased": "the patient has died",
    "dismissed": "the patient was dismissed", "in_treatment": "the patient is in treatment", "restricted": "the patient may not be contacted",
    "rested": "the patient has heard enough for half a year", "unreachable": "no channel could be used", "no_answer": "no answer came",
    "measured": "the time of comparison is over", "campaign_finished": "the campaign was finished", "error": "something went wrong; see the task",
    "moved": "the patient has moved", "new_dentist": "the patient has another dentist", "staff": "a member of staff stopped it",
    "transferred": "the patient has another dentist",
}  # fmt: skip
_OWN_WORDS: Final = {
    "LATE": "Too late: it would have surprised its reader.", "HELD": "The person wrote to us.", "ADDRESS_CHANGED": "The chart has another address now.", "NO_TEMPLATE": "The step has no approved text.",
}  # fmt: skip


def said(reasons: Iterable[dict[str, Any]], zone: tzinfo) -> tuple[str, ...]:
    """Return reasons in words, each once; what a reason was told in when it was kept stays as it was."""
    return tuple(dict.fromkeys(_said(reason, zone) for reason in reasons))


def _said(reason: dict[str, Any], zone: tzinfo) -> str:
    code, detail = str(reason.get("code", "")), str(reason.get("detail") or "")
    if reason.get("words"):
        return str(reason["words"])
    if code == "LINT_FAIL" and detail:
        return detail
    if code == "ENROLMENT_ENDED":
        return f"Left the campaign before it could go: {STOPS.get(detail, detail.replace('_', ' '))}."
    if code in _OWN_WORDS:
        return _OWN_WORDS[code]
    until = reason.get("until")
    try:
        return in_words(
            Reason(code, "", "deny", detail=detail, until=datetime.fromisoformat(until) if until else None), zone
        )
    except (KeyError, ValueError, TypeError):
        return detail or code.replace("_", " ").capitalize()


def against(reasons: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the reasons that stopped or delayed something, without what let it go and what a person cleared."""
    return [reason for reason in reasons if reason.get("verdict") != "allow" and not reason.get("cleared")]
