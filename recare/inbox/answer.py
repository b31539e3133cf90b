"""The two automatic answers there are: yes, we heard the STOP; and who we are (OPT-04, OPT-05). Nothing else is answered by a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from recare.compliance import clearance
from recare.messages import answers, templates, values
from recare.messages.answers import Answer
from recare.practices import practice as practices

if TYPE_CHECKING:
    from datetime import datetime

    from recare.inbox.situation import Situation

Slug = Literal["opt_out_confirmation", "help_reply", "opt_in_prompt"]


def confirm_opt_out(practice_id: int, situation: Situation, language: str, now: datetime) -> int | None:
    """Queue the one confirmation of a STOP by text; None when there shall be none.

    None later than five minutes, none when the provider has confirmed already, none for a second STOP, none to somebody we do not know.
    """
    late = now - situation.received_at > answers.CONFIRM_WITHIN
    if situation.channel != "sms" or late or situation.auto_replied or situation.was_out or not situation.patients:
        return None
    return _queue(practice_id, situation, "opt_out_confirmation", language, now)


def help_reply(practice_id: int, situation: Situation, language: str, now: datetime) -> int | None:
    """Queue who we are and how to stop, without a name (NUM-01); None when the sender is nobody we know or it came by another way."""
    if situation.channel != "sms" or situation.auto_replied or not situation.patients:
        return None
    return _queue(practice_id, situation, "help_reply", language, now)


def _queue(practice_id: int, situation: Situation, slug: Slug, language: str, now: datetime) -> int | None:
    answer = Answer(
        situation.id,
        situation.received_at,
        "sms",
        situation.contact_point_id,
        situation.patients[0],
        text(practice_id, slug, language, now),
        confirms_opt_out=slug == "opt_out_confirmation",
    )
    return answers.queue(practice_id, answer, now)


def text(practice_id: int, slug: Slug, language: str, now: datetime) -> str:
    """Return the practice's own approved words, else the shipped ones, in this language."""
    practice = practices.get(practice_id)
    version = templates.approved(practice_id, slug, "sms", language)
    if version is not None:
        body = version.body
    else:
        drafts = templates.shipped(templates.SHIPPED / f"{slug}.yaml")
        body = next((draft.body for draft in drafts if draft.language == language), drafts[0].body)
    return clearance.parse(body).render(**values.of_practice(practice, language, now)).strip()
