"""From the outbox to the provider: every gate once more, then one call, then the truth on the row."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recare.base import db
from recare.channels.outgoing import Result
from recare.messages import outbox as states_of
from recare.messages import send, senders, settle
from tests import factories
from tests.messages import outbox, recording
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from recare.practices.practice import Practice


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "provider"


@pytest.fixture
def case(practice: Practice, file: Path) -> Iterator[outbox.Case]:
    recording.faults.clear()
    outbox.make_sender(practice.id, "sms", file)
    yield outbox.make_case(practice.id)
    recording.faults.clear()


def address(case: outbox.Case, message_id: int) -> str:
    return str(db.value("SELECT address FROM contact_point WHERE practice_id = %(p)s AND id = %(c)s", p=case.practice_id, c=outbox.message(case.practice_id, message_id).contact_point_id))  # fmt: skip


def go(case: outbox.Case, **more: Any) -> int:
    return send.send_batch(case.practice_id, more.get("now", NOW), worker="w1")


def test_a_message_goes_out_once_and_the_row_says_so(case: outbox.Case, file: Path) -> None:
    message = outbox.make_message(case)
    assert go(case) == 1
    assert go(case) == 0
    row = outbox.message(case.practice_id, message)
    assert (row.state, row.attempt, row.codes) == ("sent", 1, ["ALLOWED"])
    assert recording.recorded(file) == {send.our_id(case.practice_id, message): 1}
    assert row.provider_ref == f"rec-{send.our_id(case.practice_id, message)}"


def test_eng_02_a_stop_after_planning_withholds_the_message_with_its_reason(case: outbox.Case, file: Path) -> None:
    message = outbox.make_message(case, point={"sms_out_at": NOW - timedelta(minutes=1)})
    go(case)
    row = outbox.message(case.practice_id, message)
    assert row.state == "withheld"
    assert "OPTED_OUT" in row.codes
    assert not recording.recorded(file)


def test_a_held_address_stays_queued_until_somebody_has_read_the_reply(case: outbox.Case, file: Path) -> None:
    message = outbox.make_message(case, point={"held_at": NOW})
    assert go(case) == 0
    assert outbox.message(case.practice_id, message).state == "queued"
    db.run("UPDATE contact_point SET held_at = NULL WHERE practice_id = %(p)s", p=case.practice_id)
    go(case)
    assert outbox.message(case.practice_id, message).state == "sent"


def test_a_message_outside_its_hours_waits_for_them(case: outbox.Case, file: Path) -> None:
    message = outbox.make_message(case)
    night = NOW + timedelta(hours=12)  # 23:00 in Chicago
    go(case, now=night)
    row = outbox.message(case.practice_id, message)
    assert (row.state, row.not_before) == ("queued", NOW + timedelta(hours=23))  # 10:00 next morning
    assert not recording.recorded(file)


def test_a_late_message_dies_with_a_reason(case: outbox.Case, file: Path) -> None:
    message = outbox.make_message(case)
    go(case, now=NOW + timedelta(days=3))
    row = outbox.message(case.practice_id, message)
    assert (row.state, row.codes) == ("expired", ["LATE"])
    assert not recording.recorded(file)


def test_a_message_that_could_go_only_after_its_time_dies_too(case: outbox.Case) -> None:
    message = outbox.make_message(case, not_after=NOW + timedelta(hours=14))
    go(case, now=NOW + timedelta(hours=12))
    assert outbox.message(case.practice_id, message).state == "expired"


@pytest.mark.parametrize("switch", ["practice", "group", "sender", "campaign"])
def test_each_switch_stops_the_next_claim_and_leaves_messages_queued(
    case: outbox.Case, file: Path, switch: str
) -> None:
    message = outbox.make_message(case)
    group = db.value("INSERT INTO practice_group (name, all_held_at) VALUES ('g', now()) RETURNING id")
    db.run(
        {
            "practice": "UPDATE practice SET held_at = now() WHERE id = %(p)s",
            "group": "UPDATE practice SET group_id = %(g)s WHERE id = %(p)s",
            "sender": "UPDATE sender SET paused_at = now() WHERE practice_id = %(p)s",
            "campaign": "UPDATE campaign SET state = 'paused' WHERE practice_id = %(p)s",
        }[switch],
        **({"p": case.practice_id} | ({"g": group} if switch == "group" else {})),
    )
    assert go(case) == 0
    assert outbox.message(case.practice_id, message).state == "queued"
    assert not recording.recorded(file)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE practice SET held_at = now() WHERE id = %(p)s",
        "UPDATE contact_point SET held_at = now() WHERE practice_id = %(p)s",
        "UPDATE contact_point SET sms_out_at = now() WHERE practice_id = %(p)s",
        "UPDATE patient SET standing = 'dismissed', dismissed_on = '2027-01-12' WHERE practice_id = %(p)s",
        "UPDATE enrolment SET state = 'stopped', stop_reason = 'booked' WHERE practice_id = %(p)s",
        "UPDATE campaign SET state = 'paused' WHERE practice_id = %(p)s",
    ],
)
def test_what_changes_between_claim_and_call_is_seen_by_the_last_look(
    case: outbox.Case, file: Path, change: str
) -> None:
    message = outbox.make_message(case)
    batch = send.claim(case.practice_id, NOW, 10, "w1")
    assert [claimed.id for claimed, _ in batch.items] == [message]
    db.run(change, p=case.practice_id)
    send.dispatch(batch, batch.items[0][1], [claimed for claimed, _ in batch.items], NOW)
    row = outbox.message(case.practice_id, message)
    assert (row.state, row.attempt) == ("queued", 0)
    assert not recording.recorded(file)


def test_a_stopped_enrolment_cancels_its_message(case: outbox.Case, file: Path) -> None:
    message = outbox.make_message(case)
    db.run(
        "UPDATE enrolment SET state = 'stopped', stop_reason = 'booked' WHERE practice_id = %(p)s", p=case.practice_id
    )
    go(case)
    row = outbox.message(case.practice_id, message)
    assert (row.state, row.reasons[0]["detail"]) == ("cancelled", "booked")
    assert not recording.recorded(file)


def test_two_messages_to_one_address_never_leave_in_one_batch(case: outbox.Case, file: Path) -> None:
    first = outbox.make_message(case)
    second = outbox.make_message(case)
    point = outbox.message(case.practice_id, first).contact_point_id
    db.run(
        "UPDATE message SET contact_point_id = %(c)s WHERE practice_id = %(p)s AND id = %(m)s",
        c=point,
        p=case.practice_id,
        m=second,
    )
    go(case)
    assert sorted([outbox.message(case.practice_id, first).state, outbox.message(case.practice_id, second).state]) != [
        "sent",
        "sent",
    ]
    assert sum(recording.recorded(file).values()) <= 1


def test_a_time_out_is_unknown_and_never_sent_again(case: outbox.Case, file: Path) -> None:
    message = outbox.make_message(case)
    recording.faults[address(case, message)] = Result("unknown")
    go(case)
    assert outbox.message(case.practice_id, message).state == "unknown"
    assert go(case, now=NOW + timedelta(hours=1)) == 0
    assert settle.settle_batch(case.practice_id, NOW + timedelta(minutes=1)) == 0
    assert settle.settle_batch(case.practice_id, NOW + timedelta(minutes=16)) == 1
    assert outbox.message(case.practice_id, message).state == "sent"  # the provider had it
    assert sum(recording.recorded(file).values()) == 1


@pytest.mark.parametrize(("arrived", "state"), [(True, "sent"), (False, "failed")])
def test_what_a_dead_worker_left_is_settled_by_asking_the_provider(
    case: outbox.Case, file: Path, *, arrived: bool, state: str
) -> None:
    message = outbox.make_message(case)
    send.claim(case.practice_id, NOW, 10, "w1")
    if arrived:
        recording.Recorder(file).record(send.our_id(case.practice_id, message))
    settle.settle_batch(case.practice_id, NOW + timedelta(minutes=16))
    assert outbox.message(case.practice_id, message).state == state


def test_where_the_provider_cannot_tell_a_person_gets_one_task(case: outbox.Case) -> None:
    message = outbox.make_message(case)
    send.claim(case.practice_id, NOW, 10, "w1")
    kept = senders.keep_settings({"host": "127.0.0.1", "port": 9, "security": "none"})
    db.run(
        "UPDATE sender SET provider = 'smtp', settings = %(s)s WHERE practice_id = %(p)s", s=kept, p=case.practice_id
    )
    for minutes in (16, 17, 40):
        settle.settle_batch(case.practice_id, NOW + timedelta(minutes=minutes))
    assert outbox.message(case.practice_id, message).state == "unknown"
    assert db.values("SELECT kind FROM task WHERE practice_id = %(p)s", p=case.practice_id) == ["send_unknown"]
    assert settle.decide_unknown(case.practice_id, message, "amy", was_sent=True, now=NOW)
    assert outbox.message(case.practice_id, message).state == "sent"


def test_what_was_surely_not_accepted_is_tried_again_later(case: outbox.Case, file: Path) -> None:
    message = outbox.make_message(case)
    where = address(case, message)
    recording.faults[where] = Result("refused", code="20429", retryable=True)
    go(case)
    row = outbox.message(case.practice_id, message)
    assert (row.state, row.error, row.not_before) == ("queued", "20429", NOW + timedelta(minutes=1))
    recording.faults.clear()
    assert go(case) == 0
    go(case, now=NOW + timedelta(minutes=1))
    assert outbox.message(case.practice_id, message).state == "sent"
    assert sum(recording.recorded(file).values()) == 1


def test_sms_03_a_suspended_sender_stops_itself_and_no_patient_is_touched(case: outbox.Case, file: Path) -> None:
    messages = [outbox.make_message(case) for _ in range(5)]
    for message in messages:
        recording.faults[address(case, message)] = Result("refused", code="30034")
    go(case)
    assert outbox.states(case.practice_id) == {"queued": 5}
    assert db.value("SELECT paused_at FROM sender WHERE practice_id = %(p)s", p=case.practice_id) == NOW
    assert db.values("SELECT kind FROM task WHERE practice_id = %(p)s", p=case.practice_id) == ["sender_paused"]
    recording.faults.clear()
    senders.resume(case.practice_id, db.value("SELECT id FROM sender WHERE practice_id = %(p)s", p=case.practice_id))
    go(case)
    assert outbox.states(case.practice_id) == {"sent": 5}


def test_a_rehearsal_never_opens_a_line_to_real_people(case: outbox.Case) -> None:
    message = outbox.make_message(case)
    kept = senders.keep_settings({"host": "127.0.0.1", "port": 9, "security": "none"})
    db.run(
        "UPDATE sender SET provider = 'smtp', settings = %(s)s WHERE practice_id = %(p)s", s=kept, p=case.practice_id
    )
    go(case)
    assert outbox.message(case.practice_id, message).state == "queued"
    assert "rehearsal" in db.value("SELECT paused_reason FROM sender WHERE practice_id = %(p)s", p=case.practice_id)


def test_a_worker_that_lost_its_claim_writes_nothing(case: outbox.Case) -> None:
    message = outbox.make_message(case)
    send.claim(case.practice_id, NOW, 10, "w1")
    late = states_of.Settlement(message, 1, "sent")
    assert states_of.settle(case.practice_id, [late], "w2", NOW) == 0
    settle.settle_batch(case.practice_id, NOW + timedelta(minutes=16))
    assert states_of.settle(case.practice_id, [late], "w1", NOW) == 0
    assert outbox.message(case.practice_id, message).state == "failed"


def test_a_claim_asks_the_database_as_often_for_three_as_for_one(case: outbox.Case) -> None:
    def queries(count: int) -> int:
        for _ in range(count):
            outbox.make_message(case)
        with CaptureQueriesContext(connection) as seen:
            assert len(send.claim(case.practice_id, NOW, 10, f"w{count}").items) == count
        return len(seen)

    assert queries(1) == queries(3)


def approve(case: outbox.Case, message_id: int, codes: list[str], step: int = 0) -> None:
    """A person has looked at this step and said yes, as campaigns/review.py writes it."""
    enrolment = db.value("SELECT enrolment_id FROM message WHERE practice_id = %(p)s AND id = %(m)s", p=case.practice_id, m=message_id)  # fmt: skip
    factories.insert(
        "task", practice_id=case.practice_id, kind="contact_review", urgency=5, subject_table="enrolment", subject_id=enrolment,
        once_key=f"contact_review:{enrolment}:{step}", detail=db.json({"codes": codes, "step": step}), created_at=NOW, done_at=NOW,
        done_by="dana@example.com", outcome="approved",
    )  # fmt: skip


def ageless(case: outbox.Case, message_id: int) -> None:
    db.run(
        "UPDATE patient SET birthdate = NULL WHERE practice_id = %(p)s AND id = (SELECT patient_id FROM message WHERE practice_id = %(p)s AND id = %(m)s)",
        p=case.practice_id, m=message_id,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("codes", "step", "state"),
    [(["AGE_UNKNOWN"], 0, "sent"), (["RND_NEEDED"], 0, "withheld"), (["AGE_UNKNOWN"], 1, "withheld"), ([], 0, "withheld")],
)  # fmt: skip
def test_eng_02_the_claim_honours_what_a_person_cleared_for_this_step_and_nothing_else(
    case: outbox.Case, codes: list[str], step: int, state: str
) -> None:
    message = outbox.make_message(case)
    ageless(case, message)
    approve(case, message, codes, step)
    go(case)
    assert outbox.message(case.practice_id, message).state == state


def test_eng_02_a_persons_yes_never_clears_a_no(case: outbox.Case) -> None:
    message = outbox.make_message(case, point={"sms_out_at": NOW - timedelta(days=1)})
    ageless(case, message)
    approve(case, message, ["AGE_UNKNOWN", "OPTED_OUT"])
    go(case)
    assert outbox.message(case.practice_id, message).state == "withheld"


def test_eng_02_what_a_person_cleared_still_waits_for_its_hours(case: outbox.Case) -> None:
    message = outbox.make_message(case)
    ageless(case, message)
    approve(case, message, ["AGE_UNKNOWN"])
    go(case, now=NOW + timedelta(hours=12))
    row = outbox.message(case.practice_id, message)
    assert (row.state, row.not_before) == ("queued", NOW + timedelta(hours=23))


def test_the_allowed_row_names_the_rules_that_were_read_and_what_a_person_cleared(case: outbox.Case) -> None:
    message = outbox.make_message(case)
    ageless(case, message)
    approve(case, message, ["AGE_UNKNOWN"])
    go(case)
    allowed, cleared = outbox.message(case.practice_id, message).reasons
    assert (allowed["code"], bool(allowed["pack"])) == ("ALLOWED", True)
    assert (cleared["code"], cleared["cleared"]) == ("AGE_UNKNOWN", True)
