"""The ledger keeps every event as it was written, and shows when it was not."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it
from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.db import DatabaseError, connections, transaction

from recare.base import db
from recare.consent import fold, grant, hold, ledger, points, revoke
from recare.consent.event import UNDATED, NewEvent
from recare.consent.grant import Evidence
from recare.practices.practice import Practice
from tests.factories import fictional_phone, make_patient, make_point

if TYPE_CHECKING:
    from collections.abc import Iterator

_EARLIER = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
_SIGNED = Evidence(
    "paper", evidence_ref="scan:17", exact_text="I agree to texts from Maple Dental", signature="typed: A. Example",
    seller_named=True, not_condition_of_purchase=True,
)  # fmt: skip


def _row(practice_id: int, point: int) -> dict[str, Any]:
    names = (
        "sms_level",
        "email_level",
        "call_level",
        "sms_out_at",
        "email_out_at",
        "call_out_at",
        "wrong_number_at",
        "complained_at",
    )
    [found] = db.tuples(
        f"SELECT {', '.join(names)} FROM contact_point WHERE practice_id = %(p)s AND id = %(i)s", p=practice_id, i=point
    )
    return dict(zip(names, found, strict=True))


def _point(practice_id: int, now: datetime) -> int:
    address = ("phone", fictional_phone())
    return points.ensure(practice_id, [address], now)[address]


def test_many_points_and_events_of_an_import_are_added_in_one_step(practice: Practice, now: datetime) -> None:
    pairs = [("phone", f"+1630{n:07d}") for n in range(3000)]
    ids = points.ensure(practice.id, pairs, now)
    assert len(set(ids.values())) == 3000
    assert points.ensure(practice.id, pairs, now) == ids
    events = [NewEvent(ids[pair], "sms", "granted", "import", 2, _EARLIER, evidence_ref="x") for pair in pairs * 2]
    added = ledger.append(practice.id, events, now)
    assert added == sorted(set(added))
    assert len(added) == 6000
    assert (
        db.value("SELECT count(*) FROM contact_point WHERE practice_id = %(p)s AND sms_level = 2", p=practice.id)
        == 3000
    )
    assert ledger.verify(practice.id) is None
    assert fold.compare(practice.id) == []


def test_an_event_for_an_unknown_point_is_refused_whole(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    with pytest.raises(LookupError, match="no contact point 987654321"), db.scope(practice.id):
        ledger.append(practice.id, [NewEvent(p, "sms", "granted", "verbal") for p in (point, 987654321)], now)
    assert db.value("SELECT count(*) FROM consent_event WHERE practice_id = %(p)s", p=practice.id) == 0


@pytest.mark.parametrize(
    "broken",
    [{"channel": "fax"}, {"type": "maybe"}, {"level": 4}, {"level": -1}, {"method": "telepathy"}, {"exact_text": "a\x00b"}],
    ids=lambda broken: next(iter(broken)),
)  # fmt: skip
def test_a_malformed_event_stops_loudly_and_nothing_is_added(
    practice: Practice, now: datetime, broken: dict[str, Any]
) -> None:
    point = _point(practice.id, now)
    good: dict[str, Any] = {
        "channel": "sms",
        "type": "granted",
        "method": "paper",
        "level": 2,
        "evidence_ref": "scan:1",
    }
    with pytest.raises((DatabaseError, ValueError)), db.scope(practice.id):
        ledger.append(practice.id, [NewEvent(point, **good), NewEvent(point, **(good | broken))], now)
    assert db.value("SELECT count(*) FROM consent_event WHERE practice_id = %(p)s", p=practice.id) == 0
    assert ledger.verify(practice.id) is None
    assert fold.compare(practice.id) == []


def test_I2_signed_consent_without_its_parts_is_stored_as_c2(practice: Practice, now: datetime) -> None:
    from dataclasses import replace

    complete = _point(practice.id, now)
    grant.grant(practice.id, complete, "sms", 3, _SIGNED, now)
    assert _row(practice.id, complete)["sms_level"] == 3
    for lacking in ({"signature": ""}, {"seller_named": False}, {"not_condition_of_purchase": False}):
        point = _point(practice.id, now)
        event = grant.grant(practice.id, point, "sms", 3, replace(_SIGNED, **lacking), now)
        assert _row(practice.id, point)["sms_level"] == 2
        reason = db.value(
            "SELECT reason FROM consent_event WHERE practice_id = %(p)s AND id = %(e)s", p=practice.id, e=event
        )
        assert reason == ledger.PEWC_INCOMPLETE


def test_I2_an_import_that_only_says_yes_is_c1(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    ledger.append(practice.id, [NewEvent(point, "sms", "granted", "import", 3, _EARLIER)], now)
    assert _row(practice.id, point)["sms_level"] == 1


def test_CON_05_a_consent_from_the_web_waits_for_the_persons_yes(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    with pytest.raises(ValueError, match="ticked beforehand"):
        grant.grant(practice.id, point, "sms", 2, Evidence("web", preticked=True), now)
    asked = grant.grant(
        practice.id, point, "sms", 2, Evidence("web", exact_text="Text me", url="https://maple.example.com"), now
    )
    assert _row(practice.id, point)["sms_level"] == 0
    assert grant.pending(practice.id, point, "sms", now) == asked
    assert grant.pending(practice.id, point, "sms", now + timedelta(days=31)) is None
    grant.confirm(practice.id, asked, "inbound:5", now)
    assert _row(practice.id, point)["sms_level"] == 2
    assert grant.pending(practice.id, point, "sms", now) is None


def test_CON_05_a_complaint_ends_an_optin_that_was_still_waiting(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    grant.grant(practice.id, point, "email", 2, Evidence("web", exact_text="I agree"), now)
    assert grant.pending(practice.id, point, "email", now) is not None
    ledger.append(practice.id, [NewEvent(point, "email", "complaint", "provider", effective_at=now)], now)
    assert grant.pending(practice.id, point, "email", now) is None


def test_CON_05_a_stop_ends_an_optin_that_was_still_waiting(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    grant.grant(practice.id, point, "sms", 2, Evidence("web", exact_text="Text me"), now)
    revoke.revoke(practice.id, point, revoke.NUMBER, "sms_keyword", "patient", "", "inbound:1", now)
    assert grant.pending(practice.id, point, "sms", now) is None


def test_paper_without_a_scan_is_no_evidence(practice: Practice, now: datetime) -> None:
    with pytest.raises(ValueError, match="Name the scan"):
        grant.grant(practice.id, _point(practice.id, now), "sms", 2, Evidence("paper"), now)


def test_OPT_02_an_oral_request_is_honoured_at_once_and_carries_the_legal_deadline(practice: Practice) -> None:
    monday = datetime(2026, 12, 21, 16, 0, tzinfo=UTC)
    point = _point(practice.id, monday)
    [event] = revoke.revoke(
        practice.id, point, ("all",), "front_desk", "staff:7", "said so at the desk", "note:3", monday
    )
    [(deadline, honoured)] = db.tuples(
        "SELECT legal_deadline, honored_at FROM consent_event WHERE practice_id = %(p)s AND id = %(e)s",
        p=practice.id,
        e=event,
    )
    assert deadline == date(2027, 1, 6)
    assert honoured == monday
    row = _row(practice.id, point)
    assert row["sms_out_at"] == row["email_out_at"] == row["call_out_at"] == monday


def test_OPT_02_a_stop_by_text_ends_texts_and_calls_but_not_email(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    revoke.revoke(practice.id, point, revoke.NUMBER, "sms_keyword", "patient", "", "inbound:1", now)
    row = _row(practice.id, point)
    assert (row["sms_out_at"], row["call_out_at"], row["email_out_at"]) == (now, now, None)


def test_OPT_03_an_import_of_a_later_yes_changes_nothing_and_is_listed(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    revoke.revoke(practice.id, point, revoke.NUMBER, "sms_keyword", "patient", "", "inbound:1", _EARLIER)
    later = NewEvent(point, "sms", "granted", "import", 2, now, evidence_ref="row:9", import_batch="B7")
    ledger.append(practice.id, [later], now)
    assert _row(practice.id, point)["sms_out_at"] == _EARLIER
    [conflict] = ledger.conflicts(practice.id)
    assert (conflict.contact_point_id, conflict.channel, conflict.import_batch) == (point, "sms", "B7")


def test_a_consent_that_came_before_the_stop_is_no_conflict(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    ledger.append(
        practice.id, [NewEvent(point, "sms", "granted", "import", 2, _EARLIER, evidence_ref="row:9")], _EARLIER
    )
    revoke.revoke(practice.id, point, revoke.NUMBER, "sms_keyword", "patient", "", "inbound:1", now)
    assert ledger.conflicts(practice.id) == []


@pytest.mark.parametrize("dated", [_EARLIER, None], ids=["earlier", "undated"])
def test_I3_a_grant_imported_later_but_dated_earlier_or_not_at_all_loses(
    practice: Practice, now: datetime, dated: datetime | None
) -> None:
    point = _point(practice.id, now)
    revoke.revoke(practice.id, point, ("sms",), "sms_keyword", "patient", "", "inbound:1", now)
    ledger.append(
        practice.id,
        [NewEvent(point, "sms", "granted", "paper", 2, dated, evidence_ref="scan:1")],
        now + timedelta(days=9),
    )
    assert _row(practice.id, point)["sms_out_at"] == now
    assert _row(practice.id, point)["sms_level"] == 0


@pytest.mark.parametrize("kind", ["granted", "confirmed"])
def test_I3_a_consent_dated_in_the_future_does_not_outlive_a_stop(practice: Practice, now: datetime, kind: Any) -> None:
    point = _point(practice.id, now)
    late = NewEvent(point, "sms", kind, "paper", 3, now + timedelta(days=900), evidence_ref="scan:1", signature="A", seller_named=True, not_condition_of_purchase=True)  # fmt: skip
    ledger.append(practice.id, [late], now)
    assert _row(practice.id, point)["sms_level"] == 3
    revoke.revoke(practice.id, point, revoke.NUMBER, "sms_keyword", "patient", "", "inbound:1", now + timedelta(days=1))
    assert (_row(practice.id, point)["sms_level"], _row(practice.id, point)["sms_out_at"]) == (
        0,
        now + timedelta(days=1),
    )


def test_I3_an_undated_consent_counts_from_the_beginning_of_time(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    ledger.append(practice.id, [NewEvent(point, "sms", "granted", "import", 2, None, evidence_ref="row:1")], now)
    assert db.value("SELECT effective_at FROM consent_event WHERE practice_id = %(p)s", p=practice.id) == UNDATED
    assert _row(practice.id, point)["sms_level"] == 2


def test_OPT_05_start_restores_c2_at_most_and_leaves_a_spoken_do_not_call(practice: Practice, now: datetime) -> None:
    texted, spoken = _point(practice.id, now), _point(practice.id, now)
    for point in (texted, spoken):
        grant.grant(practice.id, point, "sms", 3, _SIGNED, _EARLIER)
        revoke.revoke(practice.id, point, revoke.NUMBER, "sms_keyword", "patient", "", "inbound:1", now)
    revoke.revoke(practice.id, spoken, ("call",), "verbal", "staff:7", "", "call:1", now + timedelta(minutes=1))
    for point in (texted, spoken):
        grant.start(practice.id, point, "inbound:2", now + timedelta(days=1))
    row = _row(practice.id, texted)
    assert (row["sms_level"], row["sms_out_at"], row["call_out_at"]) == (2, None, None)
    assert _row(practice.id, spoken)["call_out_at"] == now + timedelta(minutes=1)


def test_I5_suppression_survives_a_deleted_patient_and_the_next_import(practice: Practice, now: datetime) -> None:
    patient, phone = make_patient(practice.id), fictional_phone()
    point = make_point(practice.id, patient, phone)
    revoke.revoke(practice.id, point, revoke.NUMBER, "sms_keyword", "patient", "", "inbound:1", now)
    db.run("DELETE FROM patient_contact WHERE practice_id = %(p)s AND patient_id = %(i)s", p=practice.id, i=patient)
    db.run("DELETE FROM patient_change WHERE practice_id = %(p)s AND patient_id = %(i)s", p=practice.id, i=patient)
    db.run("DELETE FROM patient WHERE practice_id = %(p)s AND id = %(i)s", p=practice.id, i=patient)
    again = points.ensure(practice.id, [("phone", phone)], now)[("phone", phone)]
    assert again == point
    assert _row(practice.id, again)["sms_out_at"] == now


def test_I5_an_erased_address_is_known_again_by_its_hash(practice: Practice, now: datetime) -> None:
    phone = fictional_phone()
    point = make_point(practice.id, None, phone)
    revoke.revoke(practice.id, point, revoke.EVERYTHING, "front_desk", "staff:7", "", "note:1", now)
    db.run("UPDATE contact_point SET address = '' WHERE practice_id = %(p)s AND id = %(i)s", p=practice.id, i=point)
    assert points.ensure(practice.id, [("phone", phone)], now) == {("phone", phone): point}


def test_two_practices_keep_the_same_number_under_different_hashes() -> None:
    assert points.address_hash("a", "+16305550100") != points.address_hash("b", "+16305550100")


def test_NUM_01_a_wrong_number_voids_consent_and_start_does_not_undo_it(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    grant.grant(practice.id, point, "sms", 3, _SIGNED, _EARLIER)
    [event] = revoke.wrong_number(practice.id, point, "sms_keyword", "patient", "inbound:4", now)
    assert _row(practice.id, point)["sms_level"] == 0
    grant.start(practice.id, point, "inbound:5", now + timedelta(days=1))
    assert _row(practice.id, point)["wrong_number_at"] == now
    revoke.correct(practice.id, event, "staff:7", "clicked the wrong line", now + timedelta(days=2))
    assert _row(practice.id, point)["wrong_number_at"] is None


def test_a_persons_no_cannot_be_corrected_away(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    [event] = revoke.revoke(practice.id, point, ("sms",), "sms_keyword", "patient", "", "inbound:1", now)
    with pytest.raises(ValueError, match="fresh opt-in"):
        revoke.correct(practice.id, event, "staff:7", "by mistake", now)
    ledger.append(practice.id, [NewEvent(point, "sms", "corrected", "front_desk", supersedes_id=event)], now)
    assert _row(practice.id, point)["sms_out_at"] == now


def test_EML_05_a_complaint_outlives_an_imported_optin(practice: Practice, now: datetime) -> None:
    point = points.ensure(practice.id, [("email", "ada@example.com")], now)[("email", "ada@example.com")]
    revoke.complaint(practice.id, point, "sandbox:1", _EARLIER)
    ledger.append(practice.id, [NewEvent(point, "email", "granted", "import", 2, now, evidence_ref="row:1")], now)
    row = _row(practice.id, point)
    assert row["complained_at"] == row["email_out_at"] == _EARLIER


def test_CON_04_a_number_that_changed_hands_loses_its_consent(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    grant.grant(practice.id, point, "sms", 2, _SIGNED, _EARLIER)
    ledger.append(practice.id, [NewEvent(point, "all", "number_changed", "front_desk", effective_at=now)], now)
    assert _row(practice.id, point)["sms_level"] == 0


def test_a_spoilt_state_is_found_and_rebuilt(practice: Practice, now: datetime) -> None:
    point, other = _point(practice.id, now), _point(practice.id, now)
    revoke.revoke(practice.id, point, ("sms",), "sms_keyword", "patient", "", "inbound:1", now)
    db.run(
        "UPDATE contact_point SET sms_out_at = NULL, sms_level = 3 WHERE practice_id = %(p)s AND id = ANY(%(i)s)",
        p=practice.id, i=[point, other],
    )  # fmt: skip
    assert {(d.contact_point_id, d.column) for d in fold.compare(practice.id)} == {
        (point, "sms_level"), (point, "sms_out_at"), (other, "sms_level"),
    }  # fmt: skip
    assert fold.rebuild(practice.id) == 2
    assert fold.compare(practice.id) == []
    assert fold.rebuild(practice.id) == 0


def test_only_the_event_that_holds_a_point_or_a_person_releases_it(practice: Practice, now: datetime) -> None:
    point = _point(practice.id, now)
    hold.hold(practice.id, [point], 11, now)
    hold.hold(practice.id, [point], 12, now + timedelta(minutes=1))
    assert not hold.release(practice.id, point, "allow-list", "answered", now, only_event=11)
    assert hold.release(practice.id, point, "staff:7", "read it", now)
    assert not hold.release(practice.id, point, "staff:7", "again", now)
    verbs = db.tuples("SELECT actor, verb FROM audit_entry WHERE practice_id = %(p)s", p=practice.id)
    assert verbs == [("staff:7", "release_hold")]


@pytest.mark.parametrize(
    "statement", ["UPDATE consent_event SET level = 3", "DELETE FROM consent_event", "TRUNCATE consent_event"]
)
def test_I6_the_database_refuses_to_change_or_remove_an_event(
    practice: Practice, now: datetime, statement: str
) -> None:
    revoke.revoke(practice.id, _point(practice.id, now), ("sms",), "sms_keyword", "patient", "", "inbound:1", now)
    with pytest.raises(DatabaseError, match=r"append-only|permission denied"), transaction.atomic():
        db.run(statement)
    assert db.value("SELECT count(*) FROM consent_event WHERE practice_id = %(p)s", p=practice.id) == 1


@contextmanager
def _tampering(practice_id: int) -> Iterator[psycopg.Connection[Any]]:
    """Somebody with the owner's password and the will to switch the guard off."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as owner:
        owner.execute("SELECT set_config('recare.practices', %s, true)", [f"{{{practice_id}}}"])
        owner.execute("ALTER TABLE consent_event DISABLE TRIGGER USER")
        yield owner
        owner.execute("ALTER TABLE consent_event ENABLE TRIGGER USER")


_TAMPERED = {
    "a changed byte": ("UPDATE consent_event SET evidence_ref = 'inbound:X' WHERE practice_id = {p} AND seq = 3", "event 3 was changed"),
    "a changed date": (
        "UPDATE consent_event SET effective_at = effective_at + interval '1 microsecond' WHERE practice_id = {p} AND seq = 2",
        "event 2 was changed",
    ),
    "a missing event": ("DELETE FROM consent_event WHERE practice_id = {p} AND seq = 4", "event 4 is missing"),
    "a missing last event": ("DELETE FROM consent_event WHERE practice_id = {p} AND seq = 6", "event 6 is missing"),
    "a removed event with new numbers": (
        (
            "DELETE FROM consent_event WHERE practice_id = {p} AND seq = 3;"
            "UPDATE consent_event SET seq = 3 WHERE practice_id = {p} AND seq = 4"
        ),
        "event 3 is not in its place",
    ),
    "two events in the other order": (
        (
            "UPDATE consent_event SET seq = 99 WHERE practice_id = {p} AND seq = 4;"
            "UPDATE consent_event SET seq = 4 WHERE practice_id = {p} AND seq = 5;"
            "UPDATE consent_event SET seq = 5 WHERE practice_id = {p} AND seq = 99"
        ),
        "event 4 is not in its place",
    ),
    "a flipped hash": (
        "UPDATE consent_event SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1) WHERE practice_id = {p} AND seq = 5",
        "event 5 was changed",
    ),
    "a truncated chain end": (
        (
            "DELETE FROM consent_event WHERE practice_id = {p} AND seq > 2;ALTER TABLE consent_chain DISABLE TRIGGER USER;"
            "UPDATE consent_chain SET seq = 2 WHERE practice_id = {p};ALTER TABLE consent_chain ENABLE TRIGGER USER"
        ),
        "does not fit consent event 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "says"), _TAMPERED.values(), ids=_TAMPERED.keys())
def test_I6_verify_names_the_first_event_that_was_tampered_with(
    committed_practice: Practice, now: datetime, statements: str, says: str
) -> None:
    practice = committed_practice
    with db.scope(practice.id):
        point = _point(practice.id, now)
        for number in range(6):
            revoke.revoke(practice.id, point, ("sms",), "sms_keyword", "patient", "", f"inbound:{number}", now)
        assert ledger.verify(practice.id) is None
    with _tampering(practice.id) as owner:
        for statement in statements.format(p=practice.id).split(";"):
            assert owner.execute(statement).rowcount  # -1 where a trigger is switched
    with db.scope(practice.id):
        assert says in (ledger.verify(practice.id) or "")


def test_writers_at_the_same_time_make_one_whole_chain(committed_practice: Practice, now: datetime) -> None:
    practice = committed_practice
    with db.scope(practice.id):
        spots = [_point(practice.id, now) for _ in range(4)]
    failures: list[BaseException] = []

    def write(turn: int) -> None:
        try:
            for number in range(10):
                with db.scope(practice.id):
                    order = spots if (turn + number) % 2 else spots[::-1]
                    for point in order[:2]:
                        revoke.revoke(practice.id, point, revoke.NUMBER, "front_desk", f"staff:{turn}", "", "note", now)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with db.scope(practice.id):
        assert ledger.verify(practice.id) is None
        assert db.value("SELECT seq FROM consent_chain WHERE practice_id = %(p)s", p=practice.id) == 4 * 10 * 2 * 2
