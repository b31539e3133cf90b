"""What a provider's word does: to the message, to the address through the ledger, to the sender; and never backwards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from recare.base import db
from recare.channels.outgoing import Result
from recare.messages import answers, codes, deliveries, send, settle
from recare.messages.answers import Answer
from recare.messages.deliveries import DeliveryEvent
from tests import factories
from tests.messages import outbox, recording
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from recare.practices.practice import Practice


@pytest.fixture
def case(practice: Practice, tmp_path: Path) -> Iterator[outbox.Case]:
    recording.faults.clear()
    for channel in ("sms", "email"):
        outbox.make_sender(practice.id, channel, tmp_path / channel)
    yield outbox.make_case(practice.id)
    recording.faults.clear()


def sent(case: outbox.Case, channel: str = "sms", **more: Any) -> int:
    return outbox.make_message(
        case, channel, state="sent", sent_at=NOW, claimed_at=NOW, attempt=1, provider="recording", provider_ref=f"ref-{outbox_number()}",
        sender_id=db.value("SELECT id FROM sender WHERE practice_id = %(p)s AND channel = %(c)s", p=case.practice_id, c=channel), **more,
    )  # fmt: skip


def outbox_number() -> int:
    return int(db.value("SELECT count(*) FROM message"))


def event(message: int, kind: deliveries.Kind, code: str = "", event_id: str = "", at: datetime = NOW) -> DeliveryEvent:
    return DeliveryEvent(
        "recording", event_id or f"{message}:{kind}:{code}:{at}", kind, at, message_id=message, code=code
    )


def point(case: outbox.Case, message: int, column: str) -> Any:
    where = outbox.message(case.practice_id, message).contact_point_id
    return db.value(
        f"SELECT {column} FROM contact_point WHERE practice_id = %(p)s AND id = %(c)s", p=case.practice_id, c=where
    )


def paused(case: outbox.Case, channel: str) -> str:
    return str(
        db.value(
            "SELECT paused_reason FROM sender WHERE practice_id = %(p)s AND channel = %(c)s",
            p=case.practice_id,
            c=channel,
        )
    )


def tasks(case: outbox.Case) -> list[str]:
    return db.values("SELECT kind FROM task WHERE practice_id = %(p)s ORDER BY id", p=case.practice_id)


def refuse(case: outbox.Case, message: int, code: str, *, retryable: bool = False) -> outbox.Row:
    recording.faults[point(case, message, "address")] = Result("refused", code=code, retryable=retryable)
    send.send_batch(case.practice_id, NOW, worker="w1")
    return outbox.message(case.practice_id, message)


def test_sms_03_21610_is_an_opt_out_by_the_provider(case: outbox.Case) -> None:
    message = outbox.make_message(case)
    assert refuse(case, message, "21610").state == "failed"
    assert (point(case, message, "sms_out_at"), point(case, message, "call_out_at")) == (NOW, NOW)


@pytest.mark.parametrize("code", ["21211", "21614", "21635", "30005", "30006"])
def test_sms_03_a_number_that_takes_no_texts_is_marked_and_a_person_mends_it(case: outbox.Case, code: str) -> None:
    message = outbox.make_message(case)
    assert refuse(case, message, code).state == "failed"
    assert point(case, message, "sms_incapable_at") == NOW
    assert point(case, message, "call_out_at") is None
    assert tasks(case) == ["contact_update"]


def test_sms_03_30004_ends_texts_and_is_not_tried_again(case: outbox.Case) -> None:
    message = outbox.make_message(case)
    assert refuse(case, message, "30004").state == "failed"
    assert (point(case, message, "sms_out_at"), point(case, message, "call_out_at")) == (NOW, None)


def test_sms_03_30003_is_tried_once_more_after_a_day_through_all_gates(case: outbox.Case) -> None:
    message = outbox.make_message(case)
    row = refuse(case, message, "30003")
    assert (row.state, row.not_before) == ("queued", NOW + timedelta(hours=24))
    send.send_batch(case.practice_id, NOW + timedelta(hours=24), worker="w1")
    assert outbox.message(case.practice_id, message).state == "failed"
    assert point(case, message, "sms_incapable_at") is None


def test_sms_03_an_unknown_code_stops_and_a_person_reads_it(case: outbox.Case) -> None:
    message = outbox.make_message(case)
    assert refuse(case, message, "39999").state == "failed"
    assert tasks(case) == ["send_review"]


def test_sms_03_more_than_two_percent_filtered_pauses_the_sender(case: outbox.Case) -> None:
    messages = [sent(case) for _ in range(60)]
    deliveries.record_delivery(case.practice_id, event(messages[0], "undelivered", "30007"), NOW)
    assert not paused(case, "sms")
    deliveries.record_delivery(case.practice_id, event(messages[1], "undelivered", "30007"), NOW)
    assert "30007" in paused(case, "sms")


@pytest.mark.parametrize(("batch", "filtered", "stops"), [(50, 1, False), (49, 1, True), (100, 2, False), (100, 3, True), (3, 1, True)])  # fmt: skip
def test_SMS_03_two_percent_of_a_batch_may_be_filtered_and_no_more(  # noqa: N802
    case: outbox.Case, batch: int, filtered: int, *, stops: bool
) -> None:
    messages = [sent(case) for _ in range(batch)]
    for message in messages[:filtered]:
        deliveries.record_delivery(case.practice_id, event(message, "undelivered", "30007"), NOW)
    assert bool(paused(case, "sms")) is stops


def test_sms_04_delivered_stays_delivered_and_a_repeated_event_is_one(case: outbox.Case) -> None:
    message = sent(case)
    assert deliveries.record_delivery(case.practice_id, event(message, "delivered", event_id="e1"), NOW)
    assert not deliveries.record_delivery(case.practice_id, event(message, "delivered", event_id="e1"), NOW)
    deliveries.record_delivery(case.practice_id, event(message, "accepted", at=NOW + timedelta(hours=1)), NOW)
    deliveries.record_delivery(case.practice_id, event(message, "delivered", at=NOW + timedelta(hours=2)), NOW)
    row = db.tuples(
        "SELECT state, delivered_at FROM message WHERE practice_id = %(p)s AND id = %(m)s",
        p=case.practice_id,
        m=message,
    )
    assert row == [("sent", NOW)]


def test_a_callback_settles_a_message_whose_fate_was_unknown(case: outbox.Case) -> None:
    message = outbox.make_message(case, state="unknown", claimed_at=NOW - timedelta(hours=1), attempt=1)
    settle.settle_batch(case.practice_id, NOW)
    assert tasks(case) == ["send_unknown"]
    accepted = DeliveryEvent("recording", "e1", "accepted", NOW, ref="<1@mail.example.com>", message_id=message)
    deliveries.record_delivery(case.practice_id, accepted, NOW)
    assert outbox.message(case.practice_id, message).state == "sent"
    assert db.values("SELECT id FROM task WHERE practice_id = %(p)s AND done_at IS NULL", p=case.practice_id) == []
    later = DeliveryEvent("recording", "e2", "delivered", NOW, ref="<1@mail.example.com>")
    assert deliveries.record_delivery(case.practice_id, later, NOW)


def test_eml_04_a_report_for_a_strangers_message_is_ignored(case: outbox.Case) -> None:
    stranger = DeliveryEvent("recording", "e9", "bounced", NOW, ref="<nobody@example.com>", code="5.1.1")
    assert not deliveries.record_delivery(case.practice_id, stranger, NOW)
    assert not deliveries.record_delivery(
        case.practice_id, DeliveryEvent("recording", "e8", "bounced", NOW, code="5.1.1"), NOW
    )


@pytest.mark.parametrize("code", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.0.0", "Permanent"])
def test_eml_04_a_hard_bounce_suppresses_at_once_and_asks_for_a_new_address(case: outbox.Case, code: str) -> None:
    message = sent(case, "email")
    deliveries.record_delivery(case.practice_id, event(message, "bounced", code), NOW)
    assert point(case, message, "hard_bounced_at") == NOW
    assert tasks(case) == ["contact_update"]


def test_eml_04_5_7_26_is_our_fault_and_pauses_the_sender(case: outbox.Case) -> None:
    message = sent(case, "email")
    deliveries.record_delivery(case.practice_id, event(message, "bounced", "5.7.26"), NOW)
    assert point(case, message, "hard_bounced_at") is None
    assert "5.7.26" in paused(case, "email")
    assert tasks(case) == ["sender_paused"]


def test_eml_04_the_third_soft_bounce_in_a_month_rests_the_address(case: outbox.Case) -> None:
    message = sent(case, "email")
    for number in range(3):
        assert point(case, message, "suppressed_until") is None
        deliveries.record_delivery(case.practice_id, event(message, "bounced", "4.2.2", event_id=f"b{number}"), NOW)
    assert point(case, message, "suppressed_until") == NOW + timedelta(days=90)


def test_eml_04_soft_bounces_of_another_month_do_not_count(case: outbox.Case) -> None:
    message = sent(case, "email")
    for number in range(4):
        at = NOW + timedelta(days=20 * number)
        deliveries.record_delivery(case.practice_id, event(message, "bounced", "4.2.2", event_id=f"b{number}"), at)
        assert point(case, message, "suppressed_until") is None


def test_eml_04_a_disabled_mailbox_is_suppressed_the_second_time(case: outbox.Case) -> None:
    first, second = sent(case, "email"), sent(case, "email")
    where = outbox.message(case.practice_id, first).contact_point_id
    db.run(
        "UPDATE message SET contact_point_id = %(c)s, consent_event_id = (SELECT id FROM consent_event WHERE practice_id = %(p)s "
        "AND contact_point_id = %(c)s) WHERE practice_id = %(p)s AND id = %(m)s",
        c=where,
        p=case.practice_id,
        m=second,
    )
    deliveries.record_delivery(case.practice_id, event(first, "bounced", "5.2.1"), NOW)
    assert point(case, first, "hard_bounced_at") is None
    deliveries.record_delivery(case.practice_id, event(second, "bounced", "5.2.1"), NOW)
    assert point(case, first, "hard_bounced_at") == NOW


def test_eml_05_a_complaint_is_an_opt_out_of_all_email(case: outbox.Case) -> None:
    message = sent(case, "email")
    deliveries.record_delivery(case.practice_id, event(message, "complained"), NOW)
    assert point(case, message, "complained_at") == NOW


@pytest.mark.parametrize(
    ("delivered", "complaints", "of_older", "does"),
    [
        (1000, 1, 0, "warns"), (1001, 1, 0, ""), (1000, 2, 0, "warns"), (1000, 2, 1, "pauses"), (1000, 0, 3, "pauses"), (199, 1, 0, "warns"), (200, 1, 0, "pauses"),
        (199, 20, 0, "warns"), (334, 1, 0, "warns"), (333, 1, 0, "pauses"), (1667, 5, 0, "warns"), (1666, 5, 0, "pauses"), (5, 0, 1, "warns"),
    ],
)  # fmt: skip
def test_EML_03_complaints_of_seven_days_at_the_edges_also_about_older_messages(  # noqa: N802
    case: outbox.Case, delivered: int, complaints: int, of_older: int, does: str
) -> None:
    older = [sent(case, "email") for _ in range(of_older)]
    db.run("UPDATE message SET sent_at = %(at)s, claimed_at = %(at)s WHERE practice_id = %(p)s AND id = ANY(%(ids)s::bigint[])", p=case.practice_id, ids=older, at=NOW - timedelta(days=9))  # fmt: skip
    messages = [sent(case, "email") for _ in range(max(complaints, 1))]
    copy_messages(case, messages[0], delivered - len(messages))
    for message in [*older, *messages[:complaints]]:
        deliveries.record_delivery(case.practice_id, event(message, "complained"), NOW)
    kinds = set(tasks(case))
    assert bool(paused(case, "email")) is (does == "pauses")
    assert ("sender_warning" in kinds or "sender_paused" in kinds) is bool(does)


@pytest.mark.parametrize(("complaints", "pauses"), [(2, False), (3, True)])
def test_eml_03_three_complaints_in_a_thousand_pause_the_sender(
    case: outbox.Case, complaints: int, *, pauses: bool
) -> None:
    messages = [sent(case, "email") for _ in range(complaints)]
    copy_messages(case, messages[0], 1000 - complaints)
    for message in messages:
        deliveries.record_delivery(case.practice_id, event(message, "complained"), NOW)
    assert bool(paused(case, "email")) is pauses
    assert "sender_warning" in tasks(case)


def copy_messages(case: outbox.Case, message: int, count: int) -> None:
    """Many more that went out well, as answers, because each touch has one message."""
    db.run(
        "INSERT INTO message (practice_id, answers_event_id, patient_id, contact_point_id, channel, message_class, body_text, state, "
        "not_before, not_after, sender_id, created_at, sent_at) SELECT practice_id, n, patient_id, contact_point_id, channel, 'R', 'x', "
        "'sent', not_before, not_after, sender_id, created_at, sent_at FROM message, generate_series(1, %(count)s) n "
        "WHERE practice_id = %(p)s AND id = %(m)s",
        p=case.practice_id, m=message, count=count,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("channel", "code", "step"),
    [
        ("sms", "30035", "halt_sender"), ("sms", "21408", "halt_sender"), ("sms", "30022", "none"), ("email", "5.7.1", "halt_sender"),
        ("email", "4.4.1", "none"), ("email", "4.2.2", "soft_bounce"), ("email", "Undetermined", "soft_bounce"), ("email", "5.6.0", "review"),
    ],
)  # fmt: skip
def test_each_code_has_its_step(channel: str, code: str, step: str) -> None:
    assert codes.meaning(channel, code).step == step


@pytest.mark.parametrize(("minutes", "state"), [(1, "sent"), (6, "expired")])
def test_opt_04_an_opt_out_is_confirmed_within_five_minutes_or_not_at_all(
    case: outbox.Case, minutes: int, state: str
) -> None:
    night = NOW + timedelta(hours=11, minutes=30)  # 22:30 in Chicago: an answer may go at any hour
    patient = factories.make_patient(case.practice_id)
    where = factories.make_point(case.practice_id, patient, sms_level=2, sms_out_at=night, held_at=night)
    inbound = factories.insert(
        "inbound_event", practice_id=case.practice_id, provider="t", provider_event_id="1", channel="sms", sender="+16305550199",
        contact_point_id=where, body="STOP", received_at=night,
    )  # fmt: skip
    text = "Maple Dental: You're unsubscribed and will get no more texts from us. Call 630-555-0100 with questions."
    answer = Answer(inbound, night, "sms", where, patient, text, confirms_opt_out=True)
    message = answers.queue(case.practice_id, answer, night)
    assert message is not None
    assert answers.queue(case.practice_id, answer, night) is None
    send.send_batch(case.practice_id, night + timedelta(minutes=minutes), worker="w1")
    assert outbox.message(case.practice_id, message).state == state
