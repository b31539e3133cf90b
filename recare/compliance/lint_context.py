"""What the lint must know about a text besides its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date

LintChannel = Literal["sms", "email", "call", "voicemail", "letter", "portal"]
Purpose = Literal["", "opt_out", "help", "opt_in", "portal_notice", "staff_reply"]


@dataclass(frozen=True, slots=True)
class LintContext:
    """The channel and class a text is for, and the facts it is held against.

    ``rendered`` is False for a template's source. ``brand`` is the sender name registered with the carrier. ``html`` is the message's HTML, or
    the MJML of a template. ``has_unsubscribe`` says that both List-Unsubscribe headers will be set. ``private_words`` are this person's own
    words no open text may show: family name, birth date, relatives' names. ``covered_hosts`` have a signed BAA.
    """

    channel: LintChannel
    message_class: str = "R"
    language: str = "en"
    rendered: bool = True
    purpose: Purpose = ""
    practice_name: str = ""
    practice_phone: str = ""
    postal_address: str = ""
    brand: str = ""
    state: str = ""
    allowed_link_hosts: tuple[str, ...] = ()
    covered_hosts: tuple[str, ...] = ()
    subject: str = ""
    html: str = ""
    unsubscribe_link: str = ""
    has_unsubscribe: bool = False
    offer_ends_on: date | None = None
    state_notice: str = ""
    today: date | None = None
    private_words: tuple[str, ...] = ()
    preferred_language: str = ""
    toll_free: bool = False
    two_parts_approved: bool = False
