"""What the first question to the gates would wait for in each process: packs, ZIP codes, area codes, holidays. Read before anybody asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from recare.base import collector
from recare.compliance.context import Content, Context, Patient, Point, PracticeFacts
from recare.compliance.gates import decide
from recare.compliance.packs import load_packs


def warm(now: datetime) -> None:
    """Ask every gate about a made-up text to nobody."""
    patient = Patient(id=0, zip="60601", country="US")
    point = Point(id=0, kind="phone", address="+13125550100", level=2)
    decide(Context(PracticeFacts(id=0), patient, point, Content(channel="sms", message_class="R")), load_packs(), now)


def warm_beside(now: datetime, *more: Callable[[], object]) -> threading.Thread:
    """Do so, and ``more``, beside whatever the process is asked meanwhile; what was read stays for as long as the process."""

    def work() -> None:
        warm(now)
        for each in more:
            each()
        collector.keep()

    thread = threading.Thread(target=work, name="warm", daemon=True)
    thread.start()
    return thread
