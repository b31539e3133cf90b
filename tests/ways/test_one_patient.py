"""Whole ways of one patient: an export comes in, a campaign runs, and something happens. Real parts from end to end."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client

from recare.base import db
from recare.bookings import book, openings
from recare.calls import outcomes, worklist
from recare.practices import change
from recare.practices import practice as practices
from recare.practices.practice import Practice
from recare.reports import report
from tests.ways.office import Office, open_office, phone

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)  # a Tuesday, 11:00 in Chicago
DAY = timedelta(days=1)


@pytest.fixture
def office(committed_practice: Practice, tmp_path: Path) -> Office:
    return open_office(committed_practice, tmp_path, NOW)


@pytest.fixture
def one(office: Office) -> Office:
    """One lapsed patient, imported, signed and enrolled; nothing has been sent."""
    office.person("1")
    office.sync(NOW)
    office.agree(NOW)
    assert office.launch(NOW).treated == 1
    return office


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


def book_by_link(path: str) -> str:
    """What a patient does with a link: pick the last time shown, confirm it; return the last page."""
    client = Client(enforce_csrf_checks=True)
    time = re.findall(r'name="time" value="(\d+)"', page(client, path))[-1]
    assert client.post(path, {"time": time}).headers["Location"] == f"{path}/confirm"
    [ref] = re.findall(r'name="ref" value="([^"]+)"', page(client, f"{path}/confirm"))
    assert client.post(f"{path}/confirm", {"ref": ref}).headers["Location"] == f"{path}/done"
    return page(client, f"{path}/done")


def test_from_an_export_to_a_kept_visit_that_the_report_counts(one: Office) -> None:
    one.step(NOW)
    [(channel, words)] = one.got("1")
    assert (channel, "Reply STOP" in words) == ("sms", True)
    one.step(NOW + timedelta(hours=3))
    assert "You are booked" in book_by_link(one.link("1", "book"))
    assert one.enrolment("1") == ("stopped", "booked")

    [start] = one.values("SELECT lower(during) FROM booking WHERE practice_id = %(p)s AND state = 'booked'")
    local = start.astimezone(one.practice.zone)
    number = one.visit("1", f"{local:%m/%d/%Y %I:%M %p}", "Scheduled")  # the front desk has entered it
    one.sync(NOW + DAY)
    one.step(NOW + DAY)
    assert one.values(
        "SELECT appointment_id IS NOT NULL FROM booking WHERE practice_id = %(p)s AND state = 'booked'"
    ) == [True]
    assert one.values(
        "SELECT first_seen_at FROM appointment WHERE practice_id = %(p)s AND source_key = %(v)s", v=number
    ) == [NOW + DAY]
    one.visits[number]["Status"] = "Completed"
    for days in (15, 29, 95):
        one.sync(NOW + days * DAY)
        one.step(NOW + days * DAY)
    assert one.channels("1") == ["sms"], "whoever has booked hears no more of it"
    with db.scope(one.practice.id):
        built = report.build(one.practice, None, NOW + 95 * DAY)
    assert (built.funnel.assigned, built.funnel.contacted, built.funnel.booked, built.funnel.kept) == (1, 1, 1, 1)
    assert (built.treated.kept.count, built.treated.patients) == (1, 1)
    assert "Booked a visit by link." in one.why("1", NOW + 95 * DAY)


def test_a_stop_between_writing_and_sending_wins_and_stays(one: Office) -> None:
    one.until("send", NOW)
    assert one.messages("1") == [("sms", "queued", [])]
    one.says("1", "STOP", NOW)
    for at in (NOW, NOW + timedelta(minutes=5), NOW + 15 * DAY, NOW + 30 * DAY):
        one.sync(at)
        one.step(at)
    [(channel, state, codes)] = one.messages("1")
    assert (channel, state, codes) == ("sms", "cancelled", ["OPTED_OUT"]), "what was not sent says why"
    assert [words for channel, words in one.got("1") if "book" in words.lower()] == []
    assert len(one.got("1")) <= 1, "one confirmation at most (OPT-04)"
    assert one.enrolment("1") == ("stopped", "opted_out")
    assert "asked us to stop" in one.why("1", NOW + 30 * DAY)


def test_a_stop_outlives_a_second_import_and_a_second_campaign(one: Office) -> None:
    one.step(NOW)
    one.says("1", "please stop texting me", NOW + DAY)
    one.step(NOW + DAY)
    before = one.got("1")
    one.patients["1"]["Cell Phone"] = phone(1).replace("-", ".")  # typed anew by the front desk
    one.sync(NOW + 2 * DAY)
    one.launch(NOW + 2 * DAY, name="Come back again", rest_days=0)
    for days in (2, 16, 30):
        one.sync(NOW + days * DAY)
        one.step(NOW + days * DAY)
    assert [channel for channel, _ in one.got("1")[len(before) :]] in ([], ["email"])


def test_a_wrong_number_rests_for_everybody_and_a_person_looks_for_the_right_one(office: Office) -> None:
    office.person("1")
    office.person("2", number=1, Guarantor="2", **{"First Name": "Bea", "Last Name": "Other"})
    office.sync(NOW)
    office.agree(NOW)
    office.launch(NOW)
    office.step(NOW)
    assert office.channels("1").count("sms") == 1
    office.says("1", "wrong number, I don't know her", NOW + timedelta(hours=1))
    for days in (0.1, 14, 15, 29, 30):
        office.sync(NOW + days * DAY)
        office.step(NOW + days * DAY)
    assert office.channels("1").count("sms") == 1
    assert office.values("SELECT DISTINCT kind FROM task WHERE practice_id = %(p)s AND kind = 'wrong_number'") == [
        "wrong_number"
    ]
    assert office.values("SELECT count(*) FROM call WHERE practice_id = %(p)s AND state = 'open'") == [0]


def test_whoever_books_on_the_telephone_is_let_go(one: Office) -> None:
    for days in (0, 14, 28):
        one.sync(NOW + days * DAY)
        one.step(NOW + days * DAY)
    at = NOW + 28 * DAY
    assert one.channels("1") == ["sms", "email"]
    with db.scope(one.practice.id):
        [entry] = worklist.due(one.practice.id, at, 10, "sam")
        worklist.take(one.practice.id, entry.item.id, "sam", at)
        first_day = at.astimezone(one.practice.zone).date()
        opening = openings.find(one.practice, first_day, 7, 60, at)[0]
        book.take(one.practice.id, one.id("1"), opening, "call", at, entry.item.touch_id)
        outcomes.record(one.practice.id, entry.item.id, "booked", "sam", at)
    assert one.enrolment("1") == ("stopped", "booked")
    one.step(at + DAY)
    with db.scope(one.practice.id):
        assert worklist.due(one.practice.id, at + DAY, 10, "sam") == []
    assert one.channels("1") == ["sms", "email"]


def test_a_household_with_one_telephone_gets_one_text(office: Office) -> None:
    for key, name in (("1", "Ada"), ("2", "Ben"), ("3", "Cleo")):
        office.person(key, number=1, Guarantor="1", **{"First Name": name, "Last Name": "Example", "Email": ""})
    office.sync(NOW)
    office.agree(NOW)
    assert office.launch(NOW).treated == 3
    for at in (NOW, NOW + timedelta(hours=2), NOW + DAY):
        office.step(at)
    assert len(office.got("1")) == 1
    stood_for = office.values(
        "SELECT shares_touch_id FROM touch WHERE practice_id = %(p)s AND shares_touch_id IS NOT NULL"
    )
    assert len(stood_for) == 2
    assert "stood for the whole household" in office.why("2", NOW + DAY) + office.why("1", NOW + DAY)


def test_who_is_held_out_is_never_contacted_and_counted_alike(office: Office) -> None:
    for number in range(1, 13):
        office.person(str(number))
    office.sync(NOW)
    office.agree(NOW)
    counts = office.launch(NOW, hold_out=0.5)
    assert counts.held_out > 0
    held = office.values(
        "SELECT p.source_key FROM enrolment e JOIN patient p ON p.practice_id = e.practice_id AND p.id = e.patient_id "
        "WHERE e.practice_id = %(p)s AND e.arm = 'held_out' ORDER BY p.id"
    )
    office.step(NOW)
    office.visit(held[0], "01/25/2027 9:00 AM", "Completed")  # came by herself
    for days in (14, 28, 95):
        office.sync(NOW + days * DAY)
        office.step(NOW + days * DAY)
    assert [office.got(key) for key in held] == [[]] * len(held)
    assert "Left alone on purpose" in office.why(held[0], NOW + 95 * DAY)
    with db.scope(office.practice.id):
        built = report.build(office.practice, None, NOW + 95 * DAY)
    assert (built.held_out.patients, built.held_out.kept.count) == (counts.held_out, 1)
    assert built.treated.patients == counts.treated


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        ("books with the front desk", "HAS_APPT"),
        ("dies", "ENROLMENT_ENDED"),
        ("is dismissed", "ENROLMENT_ENDED"),
        ("is a second chart", "ENROLMENT_ENDED"),
    ],
)
def test_what_an_import_brings_between_writing_and_sending_is_heard(one: Office, happens: str, code: str) -> None:
    one.until("send", NOW)
    assert one.messages("1") == [("sms", "queued", [])]
    match happens:
        case "books with the front desk":
            one.visit("1", "02/20/2027 9:00 AM", "Scheduled")
        case "dies":
            one.patients["1"]["Status"] = "Deceased"
        case "is dismissed":
            one.patients["1"]["Status"] = "Dismissed"
        case _:
            one.person("9", number=1)
            one.patients["1"]["Merged Into"] = "9"
    one.sync(NOW + timedelta(minutes=1))
    for minutes in (1, 10):
        one.step(NOW + timedelta(minutes=minutes))
    assert one.got("1") == []
    [(_, state, codes)] = one.messages("1")
    assert state in {"withheld", "cancelled"}
    assert code in codes
    at = NOW + 14 * DAY  # the next step hears it too, and lets the patient go
    one.sync(at)
    one.step(at)
    assert one.enrolment("1")[0] == "stopped"
    assert one.got("1") == []


def test_nothing_leaves_while_the_stop_switch_is_thrown(one: Office) -> None:
    one.until("send", NOW)
    with db.scope(one.practice.id):
        change.stop_everything(one.practice, "owner", NOW)
    one.step(NOW + timedelta(minutes=1))
    assert one.got("1") == []
    with db.scope(one.practice.id):
        change.go_on(practices.get(one.practice.id), "owner", NOW + timedelta(minutes=5))
    one.step(NOW + timedelta(minutes=6))
    assert one.channels("1") == ["sms"]
