"""I4: a provider's list of opt-outs and our ledger are compared each day, and the union holds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from recare.base import db
from recare.consent import points, revoke
from recare.messages import reconcile, send
from tests import factories
from tests.messages import outbox, recording
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from pathlib import Path

    from recare.practices.practice import Practice

STRANGER = "+16305550142"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "provider"


@pytest.fixture
def case(practice: Practice, file: Path) -> outbox.Case:
    outbox.make_sender(practice.id, "sms", file)
    return outbox.make_case(practice.id)


def provider_lists(file: Path, *addresses: str) -> None:
    file.with_name(f"{file.name}.suppressed").write_text("\n".join(addresses))


def address_of(case: outbox.Case, message_id: int) -> str:
    return str(
        db.value(
            "SELECT p.address FROM message m JOIN contact_point p ON p.practice_id = m.practice_id AND p.id = m.contact_point_id "
            "WHERE m.practice_id = %(p)s AND m.id = %(m)s",
            p=case.practice_id, m=message_id,
        )
    )  # fmt: skip


def differences(case: outbox.Case) -> list[dict[str, Any]]:
    return db.values(
        "SELECT detail FROM task WHERE practice_id = %(p)s AND kind = 'suppression_differs' ORDER BY id",
        p=case.practice_id,
    )


def test_i4_whom_only_the_provider_refuses_is_written_to_no_more(case: outbox.Case, file: Path) -> None:
    message = outbox.make_message(case)
    provider_lists(file, address_of(case, message))
    assert reconcile.reconcile_batch(case.practice_id, NOW) == 1
    send.send_batch(case.practice_id, NOW)
    row = outbox.message(case.practice_id, message)
    assert (row.state, "OPTED_OUT" in row.codes) == ("cancelled", True)
    assert not recording.recorded(file)
    assert [d["learned"] for d in differences(case)] == [1]
    evidence = db.values(
        "SELECT DISTINCT method FROM consent_event WHERE practice_id = %(p)s AND type = 'revoked'", p=case.practice_id
    )
    assert evidence == ["provider"]


def test_i4_a_number_nobody_here_holds_is_refused_too_when_an_import_brings_it(case: outbox.Case, file: Path) -> None:
    provider_lists(file, "630-555-0142")
    reconcile.reconcile_batch(case.practice_id, NOW)
    [point] = points.ensure(case.practice_id, [("phone", STRANGER)], NOW).values()
    assert db.value(
        "SELECT sms_out_at IS NOT NULL FROM contact_point WHERE practice_id = %(p)s AND id = %(c)s",
        p=case.practice_id, c=point,
    )  # fmt: skip


def test_i4_an_opt_out_the_provider_carried_and_does_not_list_alerts_once(case: outbox.Case, file: Path) -> None:
    message = outbox.make_message(case)
    send.send_batch(case.practice_id, NOW)
    point = outbox.message(case.practice_id, message).contact_point_id
    revoke.revoke(case.practice_id, point, revoke.NUMBER, "sms_keyword", "patient", "STOP", "inbound:1", NOW)
    provider_lists(file)
    for day in range(3):
        reconcile.reconcile_batch(case.practice_id, NOW + timedelta(days=day, minutes=day))
    assert [(d["learned"], d["unknown_to_provider"]) for d in differences(case)] == [(0, 1)]


def test_i4_lists_are_compared_once_a_day_and_equal_ones_alert_nobody(case: outbox.Case, file: Path) -> None:
    provider_lists(file)
    hours = [reconcile.reconcile_batch(case.practice_id, NOW + timedelta(hours=hour)) for hour in (0, 1, 23, 24, 25)]
    assert hours == [1, 0, 0, 1, 0]
    assert differences(case) == []


def test_i4_what_cannot_be_read_is_told_and_the_rest_still_counts(case: outbox.Case, file: Path) -> None:
    message = outbox.make_message(case)
    provider_lists(file, "garbage", address_of(case, message))
    reconcile.reconcile_batch(case.practice_id, NOW)
    assert [d["learned"] for d in differences(case)] == [1]
    kinds = db.values("SELECT kind FROM task WHERE practice_id = %(p)s ORDER BY id", p=case.practice_id)
    assert "suppression_unread" in kinds


def test_i5_a_restored_backup_learns_from_the_provider_what_it_has_forgotten(case: outbox.Case, file: Path) -> None:
    message = outbox.make_message(case)
    point = outbox.message(case.practice_id, message).contact_point_id

    with transaction.atomic():  # the backup was made before the STOP
        revoke.revoke(case.practice_id, point, revoke.NUMBER, "sms_keyword", "patient", "STOP", "inbound:1", NOW)
        transaction.set_rollback(True)
    provider_lists(file, address_of(case, message))
    reconcile.reconcile_batch(case.practice_id, NOW)
    send.send_batch(case.practice_id, NOW)
    assert outbox.message(case.practice_id, message).state == "cancelled"


def test_i5_who_stopped_stays_stopped_when_the_chart_is_emptied_and_imported_again(case: outbox.Case) -> None:
    message = outbox.make_message(case)
    point = outbox.message(case.practice_id, message).contact_point_id
    address = address_of(case, message)
    revoke.revoke(case.practice_id, point, revoke.NUMBER, "sms_keyword", "patient", "STOP", "inbound:1", NOW)
    patient = db.value("DELETE FROM patient_contact WHERE practice_id = %(p)s RETURNING patient_id", p=case.practice_id)
    [again] = points.ensure(case.practice_id, [("phone", address)], NOW).values()
    factories.insert(
        "patient_contact", practice_id=case.practice_id, patient_id=patient, contact_point_id=again,
        label="mobile", source="test",
    )  # fmt: skip
    assert again == point
    send.send_batch(case.practice_id, NOW)
    assert "OPTED_OUT" in outbox.message(case.practice_id, message).codes


def test_i5_who_stopped_stays_stopped_when_charts_are_merged_and_parted_again(case: outbox.Case) -> None:
    message = outbox.make_message(case)
    point = outbox.message(case.practice_id, message).contact_point_id
    revoke.revoke(case.practice_id, point, revoke.NUMBER, "sms_keyword", "patient", "STOP", "inbound:1", NOW)
    into = factories.make_patient(case.practice_id)
    stands = "SELECT sms_out_at IS NOT NULL AND call_out_at IS NOT NULL FROM contact_point WHERE practice_id = %(p)s AND id = %(c)s"
    for kept in (into, None):
        db.run(
            "UPDATE patient SET merged_into_id = %(into)s WHERE practice_id = %(p)s AND id <> %(other)s",
            into=kept, other=into, p=case.practice_id,
        )  # fmt: skip
        db.run(
            "UPDATE patient_contact SET patient_id = coalesce(%(into)s, (SELECT min(id) FROM patient WHERE practice_id = %(p)s)) "
            "WHERE practice_id = %(p)s",
            into=kept, p=case.practice_id,
        )  # fmt: skip
        assert db.value(stands, p=case.practice_id, c=point)
    send.send_batch(case.practice_id, NOW)
    assert "OPTED_OUT" in outbox.message(case.practice_id, message).codes
