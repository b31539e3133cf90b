"""Every reason in one plain sentence for the front desk. No law, no codes; what it means and, where there is one, what to do."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    from recare.compliance.decision import Reason

STATES: Final = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado", "CT": "Connecticut",
    "DE": "Delaware", "DC": "Washington, D.C.", "FL": "Florida", "GA": "Georgia", "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois",
    "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana", "ME": "Maine", "MD": "Maryland",
    "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota", "MS": "Mississippi", "MO": "Missouri", "MT": "Montana",
    "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York",
    "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania",
    "PR": "Puerto Rico", "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas",
    "UT": "Utah", "VT": "Vermont", "VA": "Virginia", "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
}  # fmt: skip

SENTENCES: Final = {
    "AD_RULES_UNKNOWN": "Nobody has written down the advertising rules of {states} yet; a person must decide.",
    "ADULT_RECONSENT": "Turned 18; a parent's consent no longer counts. Ask the patient in person or by letter.",
    "AGE_UNKNOWN": "No birth date on file, so this may be a child. Add the birth date.",
    "CLASS_BILLING": "Billing and collection messages never go through here.",
    "COMPLAINT": "They reported a message from us as unwanted.",
    "CONFIRM_DUP": "Their opt-out was confirmed already.",
    "CONFIRM_LATE": "Too late to confirm their opt-out; the opt-out itself holds.",
    "CONSENT_UNKNOWN": "Nothing on file says they agreed to be contacted this way.",
    "COPAY_WAIVER": "The offer waives a copay or deductible, which is not allowed.",
    "DECEASED": "Recorded as deceased.",
    "DISMISSED": "Was dismissed from the practice.",
    "DNC_INTERNAL": "Asked not to be called.",
    "DNC_NATIONAL": "On the national do-not-call list, and nothing signed says we may call or text.",
    "DNC_SCRUB_STALE": "The do-not-call list has not been checked for this number in the last month.",
    "DNC_STATE": "On the do-not-call list of {states}.",
    "EMERGENCY_AREA": "An emergency is declared where they are in {states}; nobody there is called or texted until it is over.",
    "EML_AUTH": "The practice's e-mail domain has not proven itself yet; ask your administrator.",
    "EML_FOOTER": "The practice's postal address or the unsubscribe link is missing.",
    "FREQ_CAMPAIGN": "Has heard from this campaign often enough; resting for half a year.",
    "FREQ_DAY": "Was contacted already today; next {until}.",
    "FREQ_STATE": "Contacted as often as their state allows for now; next {until}.",
    "FREQ_WEEK": "Was contacted recently; next {until}.",
    "GATE_ERROR": "Something went wrong while checking the rules, so nothing is sent. Tell your administrator.",
    "HARD_BOUNCE": "Their e-mail address does not work. Ask for a new one.",
    "HAS_APPT": "Has a visit on {day}.",
    "HIPAA_AUTH": "Someone else pays for this message, and the patient has signed no permission for that.",
    "IDENTITY_CONFLICT": "Two records may be the same person; sort that out first.",
    "IN_TREATMENT": "Is in active treatment.",
    "KILL_SWITCH": "All sending is stopped for this practice.",
    "LINT_FAIL": "The text breaks a content rule ({detail}).",
    "MAYBE_OPTOUT": "May have asked us to stop; a person must read the reply.",
    "MINOR_PROMO": "A child; offers go only to a parent's own number or address.",
    "NEUTRAL_REQUIRED": "The number has not been confirmed for a year, so the text must not name the patient or a visit.",
    "NO_BAA": "No agreement on patient data is in force with the company that sends.",
    "NO_CONSENT_CALL": "Has not agreed to be called.",
    "NO_CONSENT_EMAIL": "Has not agreed to e-mail like this.",
    "NO_CONSENT_SMS": "Has not agreed to text messages like this.",
    "NO_GUARDIAN": "A child with no parent or guardian on file to write to.",
    "NO_PEWC": "Has not signed a consent to texts like this.",
    "NO_UNENC_PREF": "Has not chosen to get health details by ordinary e-mail or text.",
    "NO_WINDOW": "There is no hour at which every place they may be in allows this.",
    "NOT_A_PATIENT": "Is not a patient of the practice ({detail}).",
    "NOT_INTERESTED": "Said they are not interested; their state forbids a call for a year.",
    "OFFER_DISCRIM": "The offer picks people by something it must not look at ({detail}).",
    "OFFER_EARLY": "The offer starts later; next {until}.",
    "OFFER_ENDED": "The offer has ended.",
    "OFFER_FED": "No offers for patients on Medicare, Medicaid, CHIP or TRICARE, or with unknown coverage.",
    "OFFER_TERMS": "The offer's terms are not complete ({detail}).",
    "OPTED_OUT": "Asked us to stop.",
    "PACK_MISSING": "We do not have the rules of {detail}.",
    "PART2": "Holds substance-use records that must stay out of messages.",
    "PATIENT_RESTRICTION": "Asked not to be contacted this way.",
    "PAUSED": "Asked for a pause; next {until}.",
    "PHI_IN_MESSAGE": "The text says something about health, money or dates that must not travel this way ({detail}).",
    "QUIET_HOURS": "Not at this hour; next {until}.",
    "REFERRAL_REWARD": "Rewards for referrals are not allowed here.",
    "REPRESENTATIVE_UNKNOWN": "Has a representative, but we do not know how to reach them.",
    "RND_NEEDED": "Nobody has confirmed this number lately; it may belong to someone else now.",
    "RND_REASSIGNED": "The number belongs to someone else now.",
    "SELLER_CHANGED": "They agreed with the practice's former owner; a person must decide.",
    "SENDER_PAUSED": "Sending is paused for this sender; ask your administrator.",
    "SENDER_UNREGISTERED": "The practice's texting number is not registered for this kind of message.",
    "SMS_INCAPABLE": "This number cannot receive texts.",
    "SOFT_BOUNCE": "Their mailbox keeps refusing; next try {until}.",
    "STATE_DNC_UNCHECKED": "The do-not-call list of {states} has not been checked for this number.",
    "STATE_HOLIDAY": "A holiday in {states}; next {until}.",
    "STATE_PACK_MISSING": "We do not know the rules of {states}; a person must decide.",
    "STATE_SUNDAY": "No Sundays in {states}; next {until}.",
    "STATUS_UNKNOWN": "The chart does not say whether this is an active patient.",
    "TRANSFERRED": "Has moved to another dentist.",
    "TX_181_152": "Texas asks for written permission before offers by e-mail.",
    "TZ_UNKNOWN": "We cannot tell which time zone they are in. Add a ZIP code.",
    "UNREAD_REPLY": "Has written to us and nobody has read it yet.",
    "VISITS_STALE": "The appointment book was not read lately, so they may have a visit already. Import it again.",
    "VOICE_AUTOMATED": "Only a person may call.",
    "WRONG_NUMBER": "This is not their number.",
}
"""One sentence for each code. A test fails when a gate knows a code that is not here."""

HOLDS: Final = {
    "bad_debt": "The account is with collections; a person must decide.",
    "disputed": "Has an open dispute; a person must decide.",
    "scheduling_restricted": "The practice does not book this patient; a person must decide.",
    "angry": "Is upset with us; only the owner calls.",
    "complaint": "Has an open complaint; a person must decide.",
    "custody": "There is a custody or court note; a person must decide.",
    "dispute": "Has an open dispute; a person must decide.",
    "legal": "There is a legal hold; a person must decide.",
    "read_note": "There is a note to read first.",
}


def in_words(reason: Reason, tz: tzinfo | None = None, theirs: Sequence[tzinfo] = ()) -> str:
    """One plain sentence. Instants are shown in ``tz``, or in UTC and marked so. A code without a sentence raises KeyError.

    With ``theirs``, the zones the person may be in, the zone is named, and their own time stands beside it where it is another.
    """
    if reason.code == "LEGAL_HOLD":
        return HOLDS.get(reason.detail, "Something is open with this patient; a person must decide.")
    if reason.code == "NO_PEWC" and reason.detail:
        return f"Their number or address is in {_states(reason.detail)}; texts and calls there need signed consent."
    if reason.code == "RND_NEEDED" and reason.verdict == "deny":
        return f"{_states(reason.detail) or 'The law'} asks us to check who has this number now before we contact it."
    if reason.code == "TRANSFERRED" and reason.detail == "moved":
        return "Has moved away."
    if reason.code == "PATIENT_RESTRICTION" and reason.detail == "all":
        return "Asked not to be contacted."
    sentence = SENTENCES[reason.code]
    return sentence.format(
        detail=reason.detail or "see the template",
        states=_states(reason.detail) or "their state",
        until=_instant(reason.until, tz, theirs),
        day=_day(reason.detail),
    )


def _states(codes: str) -> str:
    names = [STATES.get(code, code) for code in codes.split()]
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def _instant(until: datetime | None, tz: tzinfo | None, theirs: Sequence[tzinfo]) -> str:
    if until is None:
        return "later"
    local = until.astimezone(tz) if tz is not None else until
    shown = f"on {local.day} {local:%b} at {local:%H:%M}"
    if tz is not None and not theirs:
        return shown
    there = dict.fromkeys(_there(until.astimezone(zone), local) for zone in theirs)
    others = [words for words in there if words]
    return f"{shown} {local:%Z}" + (f" ({' or '.join(others)} where they are)" if others else "")


def _there(there: datetime, here: datetime) -> str:
    """Their time with its zone; '' where both clocks show the same. The day only where it is another."""
    if there.utcoffset() == here.utcoffset():
        return ""
    return (f"{there.day} {there:%b} " if there.date() != here.date() else "") + f"{there:%H:%M %Z}"


def _day(detail: str) -> str:
    try:
        day = date.fromisoformat(detail)
    except ValueError:
        return "the books"
    return f"{day.day} {day:%b}"
