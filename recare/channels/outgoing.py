"""What a channel is given and what it gives back. A transport knows no database of ours, no patient and no rule.

A channel is a folder with a ``transport.py`` that offers ``open_transport(settings)``; ``PROVIDERS`` names it in one line.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Outcome = Literal["accepted", "refused", "unknown"]

PROVIDERS = {
    "sandbox": "recare.channels.sandbox.transport",
    "smtp": "recare.channels.email.transport",
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, complete: what goes out is what stands here. ``our_id`` names no person and stays the same for ever."""

    our_id: str
    practice_id: int
    channel: str
    sender: str
    recipient: str
    text: str
    sender_name: str = ""
    reply_to: str = ""
    subject: str = ""
    html: str = ""
    list_unsubscribe: str = ""
    """Address of the one-click page (RFC 8058); empty where the channel has none."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one call.

    ``refused`` means surely not accepted; ``retryable`` then says that the same words may pass later. ``unknown`` means it may have
    gone out: it is never sent again by a machine. ``code`` is the provider's own (SMS-03, RFC 3463).
    """

    outcome: Outcome
    ref: str = ""
    code: str = ""
    retryable: bool = False


class Transport(Protocol):
    """An open line to one provider."""

    reaches_people: bool
    """False only for the sandbox and recorders: a rehearsal may use no other."""

    def send(self, outgoing: Outgoing, now: datetime) -> Result:
        """Hand one message over, within the transport's time limit. Raises nothing: every trouble is a Result."""
        ...

    def lookup(self, our_id: str) -> Result:
        """Ask what became of a message: accepted, refused (the provider never got it) or unknown (it cannot tell)."""
        ...

    def suppressed(self) -> frozenset[str] | None:
        """Return the addresses this provider refuses to write to, or None when it keeps no list. Raises OSError when it cannot be asked."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


def open_transport(provider: str, settings: Mapping[str, Any]) -> Transport:
    """Open the line to ``provider``. Raises LookupError for a provider that no folder serves, ValueError for unusable settings."""
    module = PROVIDERS.get(provider)
    if module is None:
        raise LookupError(f"There is no channel for the provider '{provider}'. Known: {', '.join(sorted(PROVIDERS))}.")
    made: Transport = import_module(module).open_transport(settings)
    return made
