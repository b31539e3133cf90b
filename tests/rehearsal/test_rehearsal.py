"""A rehearsal is the product itself under a virtual clock: repeatable, resumable, and honest about what it planted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from recare.base import db
from recare.campaigns import campaign, enrol
from recare.practices import practice as practices
from recare.practices.practice import Practice
from recare.rehearsal import demo, progress, run

START = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
PATIENTS = 800


@pytest.fixture(scope="module")
def unblocked(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield


def made() -> Practice:
    place = demo.make(f"maple-{uuid.uuid4().hex[:8]}", START, lambda _line: None, live=False, patients=PATIENTS)
    with db.scope(place.id):
        first = campaign.every(place.id)[-1]
        campaign.publish(place.id, first.id, "test", START)
        # the draw hangs on the campaign's own salt; two rehearsals are alike only with the same one
        enrol.freeze_and_enrol(place.id, first.id, START)
    return place


def played(place: Practice, days: int) -> progress.Run:
    with db.scope(place.id):
        progress.ask(place.id, days)
    run.play(place.id)
    with db.scope(place.id):
        found = progress.current(place.id)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def fortnight(unblocked: None) -> tuple[Practice, progress.Run]:
    place = made()
    return place, played(place, 14)


def test_two_weeks_bring_messages_answers_and_bookings(fortnight: tuple[Practice, progress.Run]) -> None:
    _, state = fortnight
    assert state.days_done == 14
    assert state.state == "paused"
    assert {name: state.figures[name] > 0 for name in ("emails", "texts", "replies", "booked")} == dict.fromkeys(
        ("emails", "texts", "replies", "booked"), True
    )


def test_nobody_left_alone_by_chance_was_contacted(fortnight: tuple[Practice, progress.Run]) -> None:
    place, _ = fortnight
    with db.scope(place.id):
        assert not db.values(
            "SELECT m.id FROM message m JOIN enrolment e ON e.practice_id = m.practice_id AND e.patient_id = m.patient_id "
            "WHERE e.arm = 'held_out' AND m.touch_id IS NOT NULL"
        )


def test_nothing_was_sent_twice_nor_at_night_nor_after_a_stop(fortnight: tuple[Practice, progress.Run]) -> None:
    place, _ = fortnight
    with db.scope(place.id):
        assert not db.values("SELECT our_id FROM sandbox_delivery GROUP BY our_id HAVING count(*) > 1")
        hours = db.values(
            "SELECT DISTINCT extract(hour FROM received_at AT TIME ZONE 'America/Chicago')::int FROM sandbox_delivery "
            "WHERE channel = 'sms' AND our_id IN (SELECT practice_id || '-' || id FROM message WHERE touch_id IS NOT NULL)"
        )
        late = db.values(
            "SELECT m.id FROM message m JOIN contact_point c ON c.practice_id = m.practice_id AND c.id = m.contact_point_id "
            "WHERE m.touch_id IS NOT NULL AND m.channel = 'sms' AND m.sent_at > c.sms_out_at"
        )
    assert set(hours) <= set(range(10, 18))
    assert not late


def test_every_message_has_a_decision_with_its_consent_and_reasons_for_every_silence(
    fortnight: tuple[Practice, progress.Run],
) -> None:
    place, _ = fortnight
    with db.scope(place.id):
        assert not db.values(
            "SELECT m.id FROM message m JOIN touch t ON t.practice_id = m.practice_id AND t.id = m.touch_id "
            "WHERE t.verdict <> 'send' OR t.consent_event_id IS NULL"
        )
        assert not db.values(
            "SELECT id FROM touch WHERE verdict IN ('skip', 'stop', 'wait', 'review') AND reasons = '[]'"
        )


def test_a_rehearsal_that_is_cut_goes_on_as_if_it_had_not_been(fortnight: tuple[Practice, progress.Run]) -> None:
    place, state = fortnight
    again = played(place, 1)
    assert again.days_done == state.days_done + 1
    assert all(again.figures[name] >= count for name, count in state.figures.items() if name != "enrolled")
    with db.scope(place.id):
        assert not db.values(
            "SELECT patient_id FROM appointment WHERE status = 'scheduled' AND source IN ('recare', 'rehearsal') "
            "GROUP BY patient_id HAVING count(*) > 1"
        )


def test_only_a_rehearsal_has_a_clock_of_its_own(unblocked: None) -> None:
    real = practices.create(f"real-{uuid.uuid4().hex[:8]}", "Oak Dental", "America/Chicago")
    with pytest.raises(ValueError, match="rehearsal"):
        practices.set_clock(real.id, START)
