"""Contexts and sound texts that the lint's tests start from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from recare.compliance.lint import LintContext, lint

SMS = LintContext(
    "sms", practice_name="Maple Dental", practice_phone="+15125550100", allowed_link_hosts=("go.mapledental.com",)
)
ADDRESS, OUT = "12 Maple St, Austin, TX 78701", "https://go.mapledental.com/u/7Kq2"
EMAIL = replace(
    SMS,
    channel="email",
    subject="Maple Dental: see you soon?",
    postal_address=ADDRESS,
    unsubscribe_link=OUT,
    has_unsubscribe=True,
)
CALL, LETTER, VOICEMAIL, PORTAL = (replace(SMS, channel=c) for c in ("call", "letter", "voicemail", "portal"))
OFFER = replace(LETTER, message_class="P", offer_ends_on=date(2027, 1, 31), today=date(2027, 1, 12))
GOOD = "Maple Dental: Hi Sam, it's been a while and we'd like to see you again. Book: https://go.mapledental.com/b/7Kq2 or 512-555-0100. Reply STOP to opt out."
MAIL = f"Hi Sam, it's been a while.\n\nMaple Dental, {ADDRESS}\nUnsubscribe: {OUT}"


def rules(text: str, context: LintContext) -> set[str]:
    return {finding.rule for finding in lint(text, context)}


def framed(text: str, context: LintContext) -> str:
    """The words inside a message that is otherwise sound, so that only they can be the reason."""
    if context.channel == "sms":
        return f"Maple Dental: {text} 512-555-0100. Reply STOP to opt out."
    return text


def verdict(rule: str, text: str, context: LintContext) -> bool:
    return rule in rules(framed(text, context), context)
