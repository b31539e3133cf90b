"""The ledger keeps every event as it was written, and shows when it was not."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from recare.base import db
from recare.consent import fold, ledger, points
from recare.consent.event import NewEvent
from recare.practices.practice import Practice

_AT = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)


def test_a_hundred_thousand_events_go_in_at_once(practice: Practice, now: datetime) -> None:
    pairs = [("phone", f"+1630{n:07d}") for n in range(20_000)]
    start = time.perf_counter()
    ids = points.ensure(practice.id, pairs, now)
    print("ensure", time.perf_counter() - start)
    start = time.perf_counter()
    events = [
        NewEvent(ids[pair], "sms", "granted", "import", 1, _AT, evidence_ref="x") for pair in pairs for _ in range(5)
    ]
    assert len(ledger.append(practice.id, events, now)) == 100_000
    print("append", time.perf_counter() - start)
    start = time.perf_counter()
    assert ledger.verify(practice.id) is None
    print("verify", time.perf_counter() - start)
    start = time.perf_counter()
    assert fold.compare(practice.id) == []
    print("compare", time.perf_counter() - start)
    assert (
        db.value("SELECT count(*) FROM contact_point WHERE practice_id = %(p)s AND sms_level = 1", p=practice.id)
        == 20_000
    )
