"""A provider that writes every accepted message to a file before it answers, so that its word survives any worker.

It may be told to time out, to refuse, or to lose its own answer. Like a real provider it accepts the same id twice; the tests count.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recare.channels import outgoing as channels
from recare.channels.outgoing import Outgoing, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

channels.PROVIDERS["recording"] = "tests.messages.recording"

faults: dict[str, Result | Callable[[Outgoing], Result | None]] = {}
"""What happens instead, by recipient. A function may act on the world first; None goes on as usual."""


class Recorder:
    """One line to the recording provider."""

    reaches_people = False

    def __init__(self, file: Path, delay: float = 0.0, chaos: float = 0.0) -> None:
        self._file, self._delay, self._chaos = file, delay, chaos

    def send(self, outgoing: Outgoing, now: datetime) -> Result:  # noqa: ARG002
        fault = faults.get(outgoing.recipient)
        result = fault(outgoing) if callable(fault) else fault
        roll = random.random() if self._chaos else 1.0
        if roll < self._chaos / 3:
            return Result("refused", code="20429", retryable=True)
        if result is not None and result.outcome == "refused":
            return result
        time.sleep(self._delay / 2)
        if roll < 2 * self._chaos / 3:
            return Result("unknown")  # a time-out of a message that never arrived
        self.record(outgoing.our_id)
        time.sleep(self._delay / 2)
        if roll < self._chaos:
            return Result("unknown")  # a time-out of a message that did
        return result or Result("accepted", ref=f"rec-{outgoing.our_id}")

    def record(self, our_id: str) -> None:
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{our_id}\n".encode())
        os.close(handle)

    def lookup(self, our_id: str) -> Result:
        known = recorded(self._file)[our_id]
        return Result("accepted", ref=f"rec-{our_id}") if known else Result("refused", code="not_found")

    def suppressed(self) -> frozenset[str] | None:
        kept = self._file.with_name(f"{self._file.name}.suppressed")
        return frozenset(kept.read_text().split()) if kept.exists() else None

    def close(self) -> None:
        """Nothing is open."""


def recorded(file: Path) -> Counter[str]:
    """How often each id has been accepted."""
    return Counter(file.read_text().split()) if file.exists() else Counter()


def open_transport(settings: Mapping[str, Any]) -> Recorder:
    return Recorder(Path(settings["file"]), float(settings.get("delay", 0)), float(settings.get("chaos", 0)))
