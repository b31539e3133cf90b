"""Senders, bodies and vendors (SMS-01, EML-01 to EML-03, VOX-01, HIP-02 to HIP-04, HIP-07, HIP-09, CLASS_BILLING, lint)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from recare.compliance.question import Question

HEALTH_WORDS: Final = frozenset({"L01", "L02", "L03"})
TEXT_RULES: Final = frozenset({"L04", "L05", "L06"})


def billing(q: Question) -> None:
    """Billing and debt collection never travel in this system."""
    if q.content.is_billing:
        q.deny("CLASS_BILLING", "CLS-01")


def part2(q: Question) -> None:
    """HIP-09: records of a substance-use programme stay out of everything."""
    if q.content.part2 or (q.patient.part2 and q.cls in {"R", "P", "T"}):
        q.deny("PART2", "HIP-09")


def authorization(q: Question) -> None:
    """HIP-02: content somebody else pays for needs a signed authorization that says so; a campaign that does not say who pays has none."""
    if q.content.remuneration not in {"none", "own"} or q.cls == "T":
        until = q.point.authorization_until if q.point is not None else None
        if until is None or until < q.last_day:
            q.deny("HIPAA_AUTH", "HIP-02")


def content(q: Question) -> None:
    """HIP-03, HIP-04 and the blocking findings of the lint."""
    body = q.content
    sealed = q.channel in {"portal", "letter"}
    if body.health_detail and q.channel in {"sms", "email"} and not (q.point is not None and q.point.unencrypted_ok):
        q.deny("NO_UNENC_PREF", "HIP-04")
    if not body.findings:
        return
    found = set(body.findings)
    health = found & HEALTH_WORDS
    warned = q.channel == "email" and body.health_detail and q.point is not None and q.point.unencrypted_ok
    if health and not sealed and not warned:
        q.deny("PHI_IN_MESSAGE", "HIP-03", " ".join(sorted(health)))
    other = found - HEALTH_WORDS
    if other:
        q.deny("LINT_FAIL", "SMS-02", " ".join(sorted(other)))


def vendor(q: Question) -> None:
    """HIP-07: a provider sends only under an agreement that is in force today."""
    sender = q.sender
    if sender is None or not sender.needs_baa or q.practice.is_sandbox:
        return
    if (
        sender.baa_from is None
        or sender.baa_from > q.first_day
        or (sender.baa_until is not None and sender.baa_until < q.last_day)
    ):
        q.deny("NO_BAA", "HIP-07")


def texting(q: Question) -> None:
    """SMS-01: a registered sender whose use case covers the class. A use case of reminders covers visits and recall alike."""
    sender = q.sender
    if q.practice.is_sandbox:
        return
    if sender is None or not sender.registered:
        q.deny("SENDER_UNREGISTERED", "SMS-01")
        return
    cases = sender.use_cases
    if q.cls != "S" and q.cls not in cases and not (q.cls == "A" and "R" in cases):
        q.deny("SENDER_UNREGISTERED", "SMS-01", q.cls)


def mailing(q: Question) -> None:
    """EML-01 postal address and opt-out, EML-02 one click, EML-03 a domain that proves itself."""
    sender = q.sender
    if (sender is None and not q.practice.is_sandbox) or (sender is not None and not sender.auth_ok):
        q.deny("EML_AUTH", "EML-03")
    if q.cls in {"R", "P", "T"} and not (q.practice.postal_address and (sender is None or sender.has_one_click)):
        q.deny("EML_FOOTER", "EML-01")


def dialing(q: Question) -> None:
    """VOX-01: a person dials each call."""
    if q.content.automated:
        q.deny("VOICE_AUTOMATED", "VOX-01")
