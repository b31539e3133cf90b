"""What was queued ends the moment the person, the chart or the campaign says no: not when it would have grown too old."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recare.base import db
from recare.campaigns import stop, why
from recare.consent import hold, revoke
from recare.inbox import apply, receive
from recare.inbox.receive import Inbound
from recare.jobs import engine
from recare.jobs.queue import due_practices
from recare.messages import send
from recare.sources.csv import importer
from tests import factories
from tests.conftest import SignIn
from tests.messages.outbox import NOW, make_case, make_message, make_sender, make_touch, message, states

if TYPE_CHECKING:
    from pathlib import Path

    from recare.practices.practice import Practice

LATER: dict[str, Any] = {"not_before": NOW.replace(day=20), "not_after": NOW.replace(day=24)}


def patient_of(practice_id: int, message_id: int) -> int:
    return int(db.value("SELECT patient_id FROM message WHERE practice_id = %(p)s AND id = %(m)s", p=practice_id, m=message_id))  # fmt: skip


def says(practice: Practice, message_id: int, body: str) -> None:
    with db.scope(practice.id):
        address = db.value(
            "SELECT c.address FROM contact_point c JOIN message m ON m.practice_id = c.practice_id AND m.contact_point_id = c.id "
            "WHERE m.practice_id = %(p)s AND m.id = %(m)s",
            p=practice.id, m=message_id,
        )  # fmt: skip
    receive.receive(Inbound(practice.id, "sandbox", f"in-{message_id}-{body}", "sms", address, body=body), NOW)
    apply.apply_batch(practice.id, NOW)


def test_OPT_02_a_stop_ends_what_is_queued_at_once_and_says_so_in_words(practice: Practice) -> None:  # noqa: N802
    """The hold that any inbound makes used to keep it "held" until it expired."""
    queued = make_message(make_case(practice.id), **LATER)
    patient = patient_of(practice.id, queued)
    says(practice, queued, "STOP")
    assert message(practice.id, queued).state == "cancelled"
    assert "OPTED_OUT" in message(practice.id, queued).codes
    lines = [entry.title for entry in why.for_patient(practice.id, patient, NOW)]
    assert "Text taken back before it went. Asked us to stop." in lines


def test_a_message_somebody_has_stopped_is_settled_though_its_address_is_held(practice: Practice) -> None:
    """A claim may have had it in its hands when the stop came; back in the queue it is settled by the next claim, held or not."""
    make_sender(practice.id)
    queued = make_message(make_case(practice.id, stop=["opted_out"]))
    point = message(practice.id, queued).contact_point_id
    batch = send.claim(practice.id, NOW, 10, "w")
    hold.hold(practice.id, [point], 1, NOW)
    stop.stop(practice.id, [patient_of(practice.id, queued)], "opted_out", NOW)
    assert message(practice.id, queued).state == "sending"
    sender = batch.items[0][1]
    send.dispatch(batch, sender, [batch.items[0][0]], NOW)
    assert message(practice.id, queued).state == "queued"
    send.send_batch(practice.id, NOW)
    assert (message(practice.id, queued).state, message(practice.id, queued).codes) == (
        "cancelled",
        ["ENROLMENT_ENDED"],
    )


@pytest.mark.parametrize("reason", ["booked", "opted_out", "deceased", "staff", "complaint"])
def test_leaving_a_campaign_takes_back_what_was_queued_for_it(practice: Practice, reason: str) -> None:
    case = make_case(practice.id, stop=["booked", "opted_out", "left", "deceased", "complaint"])
    queued, other = make_message(case, **LATER), make_message(case, **LATER)
    stop.stop(practice.id, [patient_of(practice.id, queued)], reason, NOW)
    assert [message(practice.id, one).state for one in (queued, other)] == ["cancelled", "queued"]
    [kept] = message(practice.id, queued).reasons
    assert (kept["code"], kept["detail"]) == ("ENROLMENT_ENDED", reason)


Fact = dict[str, Any]


@pytest.mark.parametrize(
    ("what", "channel", "code"),
    [
        ("wrong_number", "sms", "WRONG_NUMBER"),
        ("sms_incapable", "sms", "SMS_INCAPABLE"),
        ("hard_bounce", "email", "HARD_BOUNCE"),
        ("complaint", "email", "COMPLAINT"),
    ],
)  # fmt: skip
def test_a_dead_address_ends_what_is_queued_for_it(practice: Practice, what: str, channel: str, code: str) -> None:
    queued = make_message(make_case(practice.id), channel, **LATER)
    point = message(practice.id, queued).contact_point_id
    verb = getattr(revoke, what)
    verb(practice.id, point, *(("front_desk", "desk", "note") if what == "wrong_number" else ("note",)), NOW)
    assert message(practice.id, queued).state == "cancelled"
    assert code in message(practice.id, queued).codes


def test_a_stop_ends_texts_of_everybody_who_holds_the_number_and_leaves_e_mail(practice: Practice) -> None:
    case = make_case(practice.id)
    mothers = make_message(case, **LATER)
    point = message(practice.id, mothers).contact_point_id
    child = factories.make_patient(practice.id)
    factories.insert("patient_contact", practice_id=practice.id, patient_id=child, contact_point_id=point, label="mobile", source="test")  # fmt: skip
    fields = {"body_text": "x", "message_class": "R", "created_at": NOW, "channel": "sms"} | LATER
    childs = factories.insert(
        "message", practice_id=practice.id, touch_id=make_touch(case, child, point), patient_id=child, contact_point_id=point, **fields
    )  # fmt: skip
    mail = make_message(case, "email", **LATER)
    revoke.revoke(practice.id, point, revoke.NUMBER, "front_desk", "desk", "asked", "note", NOW)
    assert [message(practice.id, one).state for one in (mothers, childs, mail)] == ["cancelled", "cancelled", "queued"]


def test_the_answer_to_a_stop_is_no_queued_invitation(practice: Practice) -> None:
    make_sender(practice.id)
    queued = make_message(make_case(practice.id), **LATER)
    says(practice, queued, "STOP")
    send.send_batch(practice.id, NOW)
    assert states(practice.id) == {"cancelled": 1, "sent": 1}


def test_the_outbox_says_why_it_was_taken_back(practice: Practice, as_role: SignIn) -> None:
    queued = make_message(make_case(practice.id), **LATER)
    says(practice, queued, "STOP")
    client = as_role("owner")
    page = client.get("/outbox/?state=cancelled").content.decode()
    assert "Asked us to stop." in page


LEAVES: list[tuple[Fact, str]] = [
    ({"deceased_on": NOW.date(), "standing": "deceased"}, "deceased"),
    ({"status": "deceased"}, "deceased"),
    ({"dismissed_on": NOW.date(), "standing": "dismissed"}, "dismissed"),
    ({"standing": "transferred"}, "transferred"),
    ({"standing": "moved"}, "moved"),
    ({"standing": "merged"}, "left"),
    ({"status": "deleted", "standing": "gone"}, "left"),
    ({"do_not_contact": True}, "restricted"),
]


@pytest.mark.parametrize(("chart", "reason"), LEAVES)
def test_PAT_01_who_has_left_by_the_chart_leaves_every_campaign_with_what_was_queued(  # noqa: N802
    practice: Practice, chart: Fact, reason: str
) -> None:
    case = make_case(practice.id, stop=["booked", "opted_out", "left", "complaint"])
    queued, other = make_message(case, **LATER), make_message(case, **LATER)
    names = ", ".join(f"{name} = %({name})s" for name in chart)
    db.run(f"UPDATE patient SET {names} WHERE practice_id = %(p)s AND id = %(i)s", p=practice.id, i=patient_of(practice.id, queued), **chart)  # fmt: skip
    assert stop.leavers_batch(practice.id, NOW) == 1
    assert db.value("SELECT stop_reason FROM enrolment WHERE practice_id = %(p)s AND state = 'stopped'", p=practice.id) == reason  # fmt: skip
    assert [message(practice.id, one).state for one in (queued, other)] == ["cancelled", "queued"]
    assert stop.leavers_batch(practice.id, NOW) == 0


EXPORT = "PatNum,First Name,Last Name,Birthdate,Status,Zip\n1,Ada,Example,1980-05-17,{ada},60540\n2,Ben,Example,1981-05-17,Active,60540\n"


def test_PAT_03_an_import_that_reports_a_death_ends_what_is_queued_with_the_next_piece_of_work(  # noqa: N802
    practice: Practice, tmp_path: Path
) -> None:
    """Not at the enrolment's own next turn, which may be weeks away."""
    file = tmp_path / "patients.csv"
    file.write_text(EXPORT.format(ada="Active"))
    importer.write([file], practice, NOW, "test")
    case = make_case(practice.id, stop=["booked", "opted_out", "left", "complaint"])
    ids = db.values("SELECT id FROM patient WHERE practice_id = %(p)s ORDER BY source_key", p=practice.id)
    queued = [make_message(case, patient_id=patient, **LATER) for patient in ids]
    file.write_text(EXPORT.format(ada="Deceased"))
    importer.write([file], practice, NOW, "test")
    assert practice.id in due_practices(NOW)
    engine.step(practice.id, NOW)
    assert [message(practice.id, one).state for one in queued] == ["cancelled", "queued"]
    assert db.values("SELECT stop_reason FROM enrolment WHERE practice_id = %(p)s ORDER BY id", p=practice.id) == [
        "deceased",
        "",
    ]
