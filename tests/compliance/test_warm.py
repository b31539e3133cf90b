"""The first patient of the day is asked about as quickly as the second."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime

from recare.compliance.warm import warm_beside
from recare.reports import charts

# In a process of its own: this one has answered a thousand questions.
ASKED = """
import gc
import time
from datetime import UTC, datetime
from recare.compliance.context import Content, Context, Patient, Point, PracticeFacts
from recare.compliance.gates import decide
from recare.compliance.packs import load_packs
from recare.compliance.warm import warm_beside
now = datetime(2027, 1, 12, 17, tzinfo=UTC)
warm_beside(now).join()
point = Point(id=1, kind="phone", address="+13055550142", level=2)
asked = Context(PracticeFacts(id=1), Patient(id=1, zip="33101", country="US"), point, Content(channel="call", message_class="R"))
begin = time.process_time()
decide(asked, load_packs(), now)
asked_in = time.process_time() - begin
begin = time.process_time()
gc.collect()
print(asked_in, time.process_time() - begin)
"""


def test_what_else_a_process_needs_is_read_beside_its_work_too(now: datetime) -> None:
    read: list[str] = []
    warm_beside(now, lambda: read.append("charts")).join()
    assert read == ["charts"]
    assert charts.warm().startswith("<svg")


def test_after_warming_up_neither_the_first_question_nor_the_collector_keeps_a_page_waiting() -> None:
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)
    asked, collected = map(float, done.stdout.split())
    assert asked < 0.1
    assert collected < 0.1
