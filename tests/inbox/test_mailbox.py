"""The practice's own mailbox, read by IMAP from a real server: what people answer, what bounces and what is complained of."""

# the rule id stands in the name of its test; the rules table is made from it
from __future__ import annotations

from datetime import datetime, timedelta
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import pytest
from django.db import OperationalError

from recare.base import db
from recare.inbox import apply, mail, mailbox
from recare.jobs import engine, queue
from recare.messages import mailboxes, send
from tests import factories
from tests.channels import mails
from tests.channels.test_email import Mailbox as Sink
from tests.channels.test_email import mail_server as smtp_server
from tests.conftest import new_practice
from tests.inbox.desk import SOON, Desk, mailed, make_desk, open_tasks, state, where
from tests.inbox.people import enrolment
from tests.messages import outbox
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from tests.channels.imap_server import MailServer
    from tests.inbox.people import Person


def queue_next(desk: Desk, person: Person, step: int) -> int:
    """The next message of the ladder, as planned before anything was heard."""
    with db.scope(desk.practice_id):
        touch = factories.insert(
            "touch", practice_id=desk.practice_id, enrolment_id=person.enrolment, patient_id=person.patient, contact_point_id=person.point,
            step=step, attempt=0, channel="email", verdict="send", decided_at=NOW,
        )  # fmt: skip
        return factories.insert(
            "message", practice_id=desk.practice_id, touch_id=touch, patient_id=person.patient, contact_point_id=person.point, channel="email",
            subject="Maple Dental", body_text=f"{outbox.TEXT}\n210 Larkspur Ave", message_class="R", not_before=NOW,
            not_after=NOW + timedelta(days=9), created_at=NOW,
        )  # fmt: skip


def send_all(desk: Desk, now: datetime) -> None:
    while send.send_batch(desk.practice_id, now):
        pass


def test_OPT_01_a_stop_answered_by_e_mail_works_without_a_person(committed: None, mail_server: MailServer) -> None:  # noqa: N802
    sink = Sink()
    with smtp_server(sink) as server:
        desk = make_desk(
            new_practice(is_rehearsal=False, email="hello@mapledental.example.com").id, mail_server, **server
        )
        with db.scope(desk.practice_id):
            factories.insert(
                "sync_run", practice_id=desk.practice_id, source="csv", state="done", started_at=NOW, finished_at=NOW, appointments_as_of=NOW
            )  # fmt: skip
        person = mailed(desk)
        with db.scope(desk.practice_id):
            db.run(
                "UPDATE message SET subject = 'Maple Dental: see you soon?', body_text = body_text || ' 210 Larkspur Ave', list_unsubscribe = 'https://go.example.com/p/unsubscribe/x' "
                "WHERE practice_id = %(p)s AND id = %(m)s", p=desk.practice_id, m=person.waiting,
            )  # fmt: skip
        send_all(desk, NOW)
        [(envelope, [to], content)] = sink.mails
        sent = message_from_bytes(content)
        assert (to, envelope) == (person.address, "frontdesk@mapledental.example.com")
        assert (
            sent["Reply-To"] == "frontdesk@mapledental.example.com"
        )  # where it is read, and not the practice's other address

        quoted = "Please stop\n\nOn Tue, Jan 12, 2027 at 9:00 AM Maple <frontdesk@mapledental.example.com> wrote:\n> Hi"
        desk.arrives(mails.answer(quoted), person, our_id=sent["X-Recare-Message"])
        before = queue_next(desk, person, 2)
        assert mailbox.read_batch(desk.practice_id, NOW + SOON) == 1
        assert where(desk, person)["held_at"] == NOW + SOON  # before anything is understood
        send_all(desk, NOW + SOON)
        assert state(desk, before) == "queued"

        apply.apply_batch(desk.practice_id, NOW + SOON)
        assert where(desk, person)["email_out_at"] == NOW + SOON
        assert state(desk, before) == "cancelled"
        after = queue_next(desk, person, 3)
        send_all(desk, NOW + 2 * SOON)
        assert state(desk, after) not in {"queued", "sent"}
        assert len(sink.mails) == 1
    with db.scope(desk.practice_id):
        assert enrolment(person) == ("stopped", "opted_out")
        assert db.values("SELECT body FROM inbound_event WHERE practice_id = %(p)s", p=desk.practice_id) == [
            "Please stop"
        ]
    assert mail_server.flags(desk.folder) == [()]


def test_OPT_01_a_no_counts_from_any_address_and_a_person_finds_out_whose_it_is(desk: Desk) -> None:  # noqa: N802
    desk.arrives(mails.answer("Please take my mother off your list", subject="Mails", of=""), to="daughter@example.org")
    desk.look()
    assert (
        desk.one(
            "SELECT email_out_at FROM contact_point WHERE practice_id = %(p)s AND address = 'daughter@example.org'"
        )
        == NOW
    )
    assert open_tasks(desk) == [("reply", 6)]


def test_OPT_01_an_answer_from_another_address_ends_mail_to_the_one_we_wrote_to_as_well(desk: Desk) -> None:  # noqa: N802
    person = mailed(desk)
    desk.arrives(mails.answer("STOP", sender="ada.at.work@example.org"), person)
    desk.look()
    assert where(desk, person)["email_out_at"] == NOW
    assert state(desk, person.waiting) == "cancelled"
    assert desk.one("SELECT count(*) FROM contact_point WHERE practice_id = %(p)s AND email_out_at IS NOT NULL") == 2


def test_an_answer_from_another_address_that_asks_for_no_stop_is_one_task(desk: Desk) -> None:
    person = mailed(desk)
    desk.arrives(mails.answer("Yes please", sender="ada.at.work@example.org"), person)
    desk.look()
    assert (desk.events, open_tasks(desk)) == (1, [("booking_request", 3)])
    assert where(desk, person)["held_at"] == NOW


def test_OPT_01_a_stop_that_names_a_message_we_have_no_more_counts_by_its_sender(desk: Desk) -> None:  # noqa: N802
    person = mailed(desk)
    desk.arrives(mails.answer("STOP"), person, our_id=f"99999999-{person.sent}")  # as another installation called it
    desk.look()
    assert where(desk, person)["email_out_at"] == NOW


@pytest.mark.parametrize("subject", ["unsubscribe", "Re: Maple Dental: see you soon? STOP"])
def test_OPT_01_a_stop_in_the_subject_alone_counts(desk: Desk, subject: str) -> None:  # noqa: N802
    person = mailed(desk)
    desk.arrives(mails.answer("", subject=subject, of=""), person)
    desk.look()
    assert where(desk, person)["email_out_at"] == NOW


def test_our_own_words_quoted_without_marks_stop_nobody_and_the_person_is_heard(desk: Desk) -> None:
    person = mailed(desk)
    desk.arrives(mails.answer(f"Yes please!\n\nMaple Dental:\nHi,\n\n{outbox.TEXT}\n\nUnsubscribe"), person)
    desk.look()
    assert where(desk, person)["email_out_at"] is None
    assert where(desk, person)["held_at"] == NOW
    assert open_tasks(desk) == [("booking_request", 3)]
    assert desk.one("SELECT replied_at FROM message WHERE practice_id = %(p)s AND replied_at IS NOT NULL") == NOW


def test_what_is_none_of_our_business_leaves_no_trace_but_a_number(desk: Desk) -> None:
    for words, sender in (
        ("Your order of gloves has shipped. Please cancel by Friday", "lab@example.org"),
        ("Offers!", "news@example.org"),
    ):
        desk.arrives(mails.answer(words, sender=sender, subject="News", of=""))
    desk.arrives(mails.answer("Test", sender="frontdesk@mapledental.example.com", of=""))
    desk.arrives(mails.answer("It works", of="test-12ab"), to="manager@example.org")
    assert desk.look() == 4
    assert (desk.events, desk.box.left_alone, desk.box.answers) == (0, 4, 0)
    assert desk.one("SELECT count(*) FROM contact_point WHERE practice_id = %(p)s") == 0


def test_a_patient_who_writes_by_themselves_is_held_but_not_because_of_mail_that_people_have_read(desk: Desk) -> None:
    person, other = mailed(desk), mailed(desk)
    desk.arrives(mails.answer("Do you take my plan?", subject="Question", of=""), person)
    desk.arrives(mails.answer("Thanks for last time", subject="Hello", of=""), other, at=NOW - timedelta(days=3))
    desk.look()
    assert where(desk, person)["held_at"] == NOW
    assert where(desk, other)["held_at"] is None


def test_an_automatic_answer_holds_and_asks_for_no_more_than_a_glance(desk: Desk) -> None:
    person = mailed(desk)
    desk.arrives(
        mails.answer("I am out until Monday. For the office call 630-555-0111.", head="Auto-Submitted: auto-replied\n"),
        person,
    )
    desk.look()
    assert where(desk, person)["held_at"] == NOW
    assert open_tasks(desk) == [("auto_reply", 8)]
    assert desk.one("SELECT count(*) FROM message WHERE practice_id = %(p)s AND replied_at IS NOT NULL") == 0
    with db.scope(desk.practice_id):
        assert enrolment(person)[0] == "waiting"


def test_OPT_01_words_of_stop_in_an_automatic_answer_are_a_doubt(desk: Desk) -> None:  # noqa: N802
    person = mailed(desk)
    desk.arrives(
        mails.answer("This mailbox is closed, please remove it from your list.", head="Auto-Submitted: auto-replied\n"),
        person,
    )
    desk.look()
    assert where(desk, person)["email_out_at"] is None
    assert [kind for kind, _ in open_tasks(desk)] == ["maybe_optout"]


def test_EML_04_a_dead_address_is_written_to_no_more(desk: Desk) -> None:  # noqa: N802
    person = mailed(desk)
    desk.arrives(mails.BOUNCES["postfix, user unknown"][0], person)
    desk.look()
    assert (
        desk.one("SELECT type FROM consent_event WHERE practice_id = %(p)s AND type = 'hard_bounce'") == "hard_bounce"
    )
    assert desk.one("SELECT error FROM message WHERE practice_id = %(p)s AND bounced_at IS NOT NULL") == "5.1.1"
    assert (open_tasks(desk), desk.box.bounces) == ([("contact_update", 6)], 1)


@pytest.mark.parametrize("shape", [shape for shape, (_, action, _) in mails.BOUNCES.items() if action == "failed"])
def test_EML_04_each_programs_report_finds_its_message_once(desk: Desk, shape: str) -> None:  # noqa: N802
    person = mailed(desk)
    desk.arrives(mails.BOUNCES[shape][0], person)
    desk.arrives(mails.BOUNCES[shape][0], person)
    desk.look()
    assert desk.one("SELECT count(*) FROM delivery_event WHERE practice_id = %(p)s AND kind = 'bounced'") == 1
    assert (
        desk.one("SELECT error FROM message WHERE practice_id = %(p)s AND bounced_at IS NOT NULL")
        == mails.BOUNCES[shape][2]
    )


def test_EML_04_a_server_that_still_tries_has_not_failed(desk: Desk) -> None:  # noqa: N802
    person = mailed(desk)
    desk.arrives(mails.BOUNCES["postfix, still trying"][0], person)
    desk.look()
    assert desk.one("SELECT count(*) FROM delivery_event WHERE practice_id = %(p)s") == 0


def test_EML_04_an_objection_to_the_sender_pauses_the_sender_and_spares_the_patient(desk: Desk) -> None:  # noqa: N802
    person = mailed(desk)
    desk.arrives(mails.BOUNCES["outlook.com, refuses an unproven domain"][0], person)
    desk.look()
    assert desk.one("SELECT paused_at FROM sender WHERE practice_id = %(p)s") is not None
    assert open_tasks(desk) == [("sender_paused", 1)]
    assert desk.one("SELECT count(*) FROM consent_event WHERE practice_id = %(p)s AND type = 'hard_bounce'") == 0


def test_EML_04_a_report_of_an_unknown_message_is_counted_and_no_more(desk: Desk) -> None:  # noqa: N802
    mailed(desk)
    for our_id, to in (
        (f"{desk.practice_id}-999999999", "x@example.org"),
        ("12345678-1", "y@example.org"),
        ("nonsense", "z@example.org"),
    ):
        desk.arrives(mails.BOUNCES["postfix, user unknown"][0], our_id=our_id, to=to)
    desk.look()
    assert (desk.box.left_alone, desk.box.bounces, open_tasks(desk)) == (3, 0, [])


@pytest.mark.parametrize(("code", "bounced"), [("5.1.1", 1), ("5.7.1", 0)])
def test_EML_04_a_report_that_names_no_message_accuses_no_sender(desk: Desk, code: str, bounced: int) -> None:  # noqa: N802
    person = mailed(desk)
    with db.scope(desk.practice_id):
        db.run(
            "UPDATE message SET sent_at = %(at)s WHERE practice_id = %(p)s AND id = %(m)s",
            at=NOW - timedelta(days=1),
            p=desk.practice_id,
            m=person.sent,
        )
    status = f"Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; {{to}}\nAction: failed\nStatus: {code}\n"
    desk.arrives(
        mails.report("MAILER-DAEMON@mx.example.net", "Gone.", status, returned="").replace("report.{id}", "r1"), person
    )
    desk.look()
    assert desk.one("SELECT count(*) FROM message WHERE practice_id = %(p)s AND bounced_at IS NOT NULL") == bounced
    assert desk.one("SELECT paused_at FROM sender WHERE practice_id = %(p)s") is None


def test_PAT_03_a_report_that_tells_of_a_death_stops_everything_and_asks_a_person(desk: Desk) -> None:  # noqa: N802
    person = mailed(desk)
    desk.arrives(mails.BOUNCES["postfix, user unknown"][0].replace("User unknown", "user is deceased"), person)
    desk.look()
    assert "deceased" in [kind for kind, _ in open_tasks(desk)]
    with db.scope(desk.practice_id):
        assert enrolment(person) == ("stopped", "deceased")


def test_EML_05_a_complaint_is_an_opt_out_of_all_e_mail_to_the_address(desk: Desk) -> None:  # noqa: N802
    person = mailed(desk)
    desk.arrives(mails.complaint(), person)
    desk.look()
    assert where(desk, person)["email_out_at"] == NOW
    assert desk.one("SELECT count(*) FROM message WHERE practice_id = %(p)s AND complained_at IS NOT NULL") == 1
    assert (state(desk, person.waiting), desk.box.complaints) == ("cancelled", 1)


def test_EML_05_a_complaint_that_names_no_message_counts_for_its_address(desk: Desk) -> None:  # noqa: N802
    desk.arrives(mails.complaint(returned="Subject: hidden\n"), to="reader@example.org")
    desk.look()
    assert (
        desk.one("SELECT email_out_at FROM contact_point WHERE practice_id = %(p)s AND address = 'reader@example.org'")
        == NOW
    )


def test_what_another_practice_with_the_same_mailbox_was_answered_is_left_to_it(desk: Desk) -> None:
    other = make_desk(new_practice(is_rehearsal=False).id, desk.server, desk.folder)
    other.look(NOW - timedelta(minutes=30))
    person = mailed(desk)
    desk.arrives(mails.answer("STOP"), person)
    other.look()
    assert (other.events, other.box.left_alone) == (0, 1)
    desk.look()
    assert where(desk, person)["email_out_at"] == NOW


def test_a_mailbox_is_looked_into_every_two_minutes_and_a_rehearsals_never(desk: Desk) -> None:
    desk.arrives(mails.answer("STOP", of=""), to="a@example.org")
    assert desk.look() == 1
    desk.arrives(mails.answer("Stop!", of=""), to="b@example.org")
    assert desk.look(NOW + timedelta(seconds=90)) == 0
    assert desk.look(NOW + timedelta(seconds=120)) == 1
    with db.scope(desk.practice_id):
        db.run("UPDATE practice SET is_rehearsal = true WHERE id = %(p)s", p=desk.practice_id)
    assert desk.look(NOW + SOON * 2) == 0


def test_a_new_mailbox_is_read_from_the_first_e_mail_on_and_not_from_the_beginning_of_time(fresh: Desk) -> None:
    fresh.arrives(mails.answer("STOP", of=""), to="long.ago@example.org", at=NOW - timedelta(days=400))
    person = mailed(fresh)
    fresh.arrives(mails.answer("Please stop"), person, at=NOW - timedelta(days=5))
    assert fresh.look() == 1
    assert where(fresh, person)["email_out_at"] == NOW


def test_where_nothing_was_sent_yet_old_mail_is_nobodys_business(fresh: Desk) -> None:
    fresh.arrives(mails.answer("STOP", of=""), to="old@example.org", at=NOW - timedelta(days=1))
    assert fresh.look() == 0
    fresh.arrives(mails.answer("STOP", of=""), to="new@example.org")
    assert fresh.look(NOW + SOON) == 1


def test_a_folder_that_is_numbered_anew_is_read_again_and_nothing_counts_twice(desk: Desk) -> None:
    people = [mailed(desk) for _ in range(3)]
    for person in people:
        desk.arrives(mails.answer("Please stop"), person)
    desk.arrives(mails.BOUNCES["gmail, mailbox full"][0], people[0])
    assert desk.look() == 4
    before = desk.events, desk.box.answers, desk.box.bounces
    desk.arrives(mails.answer("Stop, please"), people[1], at=NOW + SOON)  # came in before the move, unread
    desk.server.renumber(desk.folder)
    assert desk.look(NOW + SOON) == 5
    assert (desk.events, desk.box.answers, desk.box.bounces) == (before[0] + 1, before[1] + 1, before[2])
    assert desk.look(NOW + 2 * SOON) == 0


def test_a_long_mailbox_is_read_in_steps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "LIMIT", 2)
    mailed(desk)
    for number in range(5):
        desk.arrives(mails.answer(f"Stop {number}", of=""), to=f"p{number}@example.org")
    assert [desk.look(), desk.look(), desk.look(), desk.look()] == [2, 2, 1, 0]
    assert desk.events == 5


def test_a_mail_that_makes_us_stumble_is_left_to_a_person_and_the_next_is_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = mailed(desk)
    desk.arrives(mails.answer("ODD"), person)
    desk.arrives(mails.answer("Stop", of=""), to="next@example.org")
    real = mail.bring_in

    def stumble(practice_id: int, box: mailboxes.Mailbox, found: Any, now: datetime) -> Any:
        if b"ODD" in found.raw:
            raise ValueError
        return real(practice_id, box, found, now)

    monkeypatch.setattr(mail, "bring_in", stumble)
    assert desk.look() == 2
    assert sorted(kind for kind, _ in open_tasks(desk)) == ["mail_not_understood", "reply", "reply"]
    assert where(desk, person)["held_at"] == NOW
    assert desk.look(NOW + SOON) == 0


def test_a_mail_that_waited_in_a_deadlock_is_brought_in_by_the_next_look(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = mailed(desk)
    desk.arrives(mails.answer("Please stop"), person)
    with monkeypatch.context() as patched:
        patched.setattr(mail, "bring_in", _deadlock)
        assert desk.look() == 0
    assert (desk.events, desk.box.error, open_tasks(desk)) == (0, "", [])
    assert desk.look(NOW + SOON) == 1
    assert where(desk, person)["email_out_at"] == NOW + SOON


def _deadlock(*_: Any) -> Any:
    raise OperationalError


def test_the_worker_calls_on_a_practice_whose_mailbox_is_due(desk: Desk) -> None:
    person = mailed(desk)
    desk.arrives(mails.answer("Please stop"), person)
    assert desk.practice_id in queue.due_practices(NOW)
    assert engine.step(desk.practice_id, NOW)["mailboxes"] == 1
    assert where(desk, person)["email_out_at"] == NOW
    assert desk.practice_id not in queue.due_practices(NOW + timedelta(minutes=1))
    assert desk.practice_id in queue.due_practices(NOW + timedelta(minutes=2))


def test_a_mailbox_that_cannot_be_read_says_so_and_after_an_hour_calls_a_person_until_it_can(desk: Desk) -> None:
    def point_to(port: int, now: datetime) -> None:
        with db.scope(desk.practice_id):
            mailboxes.save(desk.practice_id, desk.sender_id, desk.server.settings(desk.folder, port=port), now)

    point_to(1, NOW)
    assert desk.look() == 0
    assert "takes no connections on port 1" in desk.box.error
    assert open_tasks(desk) == []
    minutes = 0
    while not open_tasks(desk):
        minutes += 2
        assert minutes < 70
        desk.look(NOW + timedelta(minutes=minutes))
    assert minutes == 60
    assert open_tasks(desk) == [("mailbox_unread", 2)]
    desk.look(NOW + timedelta(minutes=62))
    desk.look(NOW + timedelta(minutes=64))
    assert len(open_tasks(desk)) == 1
    point_to(desk.server.port, NOW + timedelta(minutes=65))
    desk.look(NOW + timedelta(minutes=66))
    assert (open_tasks(desk), desk.box.error, desk.box.read_at) == ([], "", NOW + timedelta(minutes=66))
