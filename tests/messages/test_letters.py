"""Letters: one for each household, printed by a person, settled by a click, and never posted against a no."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from recare.base import db
from recare.campaigns import advance, campaign, playbook
from recare.campaigns.stop import stop
from recare.messages import letters, render, send, templates
from recare.practices import practice as practices
from recare.practices.practice import Practice
from tests import factories
from tests.campaigns import build
from tests.campaigns.build import NOW

if TYPE_CHECKING:
    from django.test import Client

STEP = {"channel": "letter", "template": "closing_letter"}
TODAY = NOW.date()


@pytest.fixture
def place(practice: Practice) -> Practice:
    return furnished(practice)


def furnished(practice: Practice) -> Practice:
    db.run(
        "UPDATE practice SET street = '1 Elm Street', city = 'Naperville', state = 'IL', zip = '60540' WHERE id = %(p)s",
        p=practice.id,
    )
    templates.install_shipped(practice.id, NOW)
    factories.insert(
        "sync_run", practice_id=practice.id, source="test", state="done", started_at=NOW, finished_at=NOW,
        appointments_as_of=NOW,
    )  # fmt: skip
    return practices.get(practice.id)


def lives_at(practice: Practice, address: str = "12 oak st naperville il 60540", **more: Any) -> int:
    """Somebody lapsed with nothing but a postal address."""
    fields = {"street": "12 Oak St", "city": "Naperville"} | more
    patient = build.person(practice.id, phone="-", email="-", **fields)
    found = db.value(
        "SELECT id FROM contact_point WHERE practice_id = %(p)s AND kind = 'post' AND address = %(a)s",
        p=practice.id, a=address,
    )  # fmt: skip
    if found is None:
        factories.make_point(practice.id, patient, address, label="post")
    else:
        factories.insert(
            "patient_contact",
            practice_id=practice.id,
            patient_id=patient,
            contact_point_id=found,
            label="post",
            source="test",
        )
    return patient


def decided(practice: Practice, *patients: int, steps: tuple[dict[str, Any], ...] = (STEP,)) -> int:
    """Enrol them, decide, write; return the campaign's version."""
    version = build.version(practice, steps=list(steps))
    build.refresh(practice.id)
    for patient in patients:
        build.enrolment(practice.id, version, patient)
    advance.advance_batch(practice.id, NOW)
    render.render_batch(practice.id, NOW)
    return version


def states(practice: Practice) -> list[str]:
    return db.values(
        "SELECT state FROM message WHERE practice_id = %(p)s AND channel = 'letter' ORDER BY id", p=practice.id
    )


def test_a_letter_step_becomes_a_letter_to_print_and_nothing_sends_it_by_itself(place: Practice) -> None:
    patient = lives_at(place, first_name="Dana", last_name="Quill")
    decided(place, patient)
    send.send_batch(place.id, NOW)
    [letter] = letters.ready(place.id, NOW).to_print
    assert letter.lines == ("Dana Quill", "12 Oak St", "Naperville, IL 60540")
    assert "Dear Dana" in letter.text
    assert states(place) == ["queued"]
    assert db.value("SELECT count(*) FROM task WHERE practice_id = %(p)s AND kind = 'print_letters'", p=place.id) == 1


def test_a_household_at_one_address_gets_one_letter(place: Practice) -> None:
    one, two = lives_at(place, last_name="Quill"), lives_at(place, last_name="Quill")
    decided(place, one, two)
    [letter] = letters.ready(place.id, NOW).to_print
    assert letter.to == "The Quill family"


def test_a_minors_letter_names_who_looks_after_them(place: Practice) -> None:
    parent = factories.make_patient(place.id, first_name="Grace", last_name="Quill")
    child = lives_at(place, birthdate=TODAY.replace(year=TODAY.year - 9), guarantor_id=parent)
    decided(place, child)
    assert [letter.to for letter in letters.ready(place.id, NOW).to_print] == ["Grace Quill"]


def test_printed_and_posted_settles_them_once_and_is_recorded(place: Practice) -> None:
    decided(place, lives_at(place))
    ids = [letter.id for letter in letters.ready(place.id, NOW).to_print]
    done = letters.post(place, ids, TODAY, "olga", NOW)
    assert (done.sent, done.take_out, done.unknown) == (1, (), 0)
    assert states(place) == ["sent"]
    assert db.value("SELECT basis FROM message WHERE practice_id = %(p)s", p=place.id) == "chart"
    assert (
        db.value(
            "SELECT count(*) FROM task WHERE practice_id = %(p)s AND kind = 'print_letters' AND done_at IS NULL",
            p=place.id,
        )
        == 0
    )
    again = letters.post(place, ids, TODAY, "olga", NOW)
    assert (again.sent, again.unknown) == (0, 1)
    verbs = db.values("SELECT verb FROM audit_entry WHERE practice_id = %(p)s", p=place.id)
    assert "posted letters" in verbs


def test_who_says_no_between_printing_and_posting_is_taken_out(place: Practice) -> None:
    kept, refuses, booked = (lives_at(place, f"{n} oak st") for n in range(3))
    decided(place, kept, refuses, booked)
    ids = [letter.id for letter in letters.ready(place.id, NOW).to_print]
    db.run(
        "UPDATE patient SET banned_channels = '{letter}' WHERE practice_id = %(p)s AND id = %(i)s",
        p=place.id,
        i=refuses,
    )
    stop(place.id, [booked], "booked", NOW)
    done = letters.post(place, ids, TODAY, "olga", NOW + timedelta(hours=2))
    assert done.sent == 1
    assert [one.letter.patient_id for one in done.take_out] == [refuses]
    assert done.unknown == 1  # taken back the moment the visit was booked
    assert sorted(states(place)) == ["cancelled", "sent", "withheld"]


def test_who_has_moved_since_is_not_written_to_at_the_old_address(place: Practice) -> None:
    patient = lives_at(place)
    decided(place, patient)
    [letter] = letters.ready(place.id, NOW).to_print
    db.run(
        "UPDATE patient_contact SET ended_at = %(n)s WHERE practice_id = %(p)s AND patient_id = %(i)s",
        n=NOW,
        p=place.id,
        i=patient,
    )
    assert letters.ready(place.id, NOW).to_print == ()
    assert letters.post(place, [letter.id], TODAY, "olga", NOW).sent == 0
    assert states(place) == ["cancelled"]


def test_no_mail_goes_to_who_wants_none_and_the_enrolment_says_so(place: Practice) -> None:
    patient = lives_at(place, banned_channels=["letter"])
    decided(place, patient, steps=(STEP, STEP | {"wait_days": 30}))
    words = db.values("SELECT reasons -> 0 ->> 'code' FROM touch WHERE practice_id = %(p)s", p=place.id)
    assert words == ["PATIENT_RESTRICTION", "PATIENT_RESTRICTION"]
    assert db.value("SELECT stop_reason FROM enrolment WHERE practice_id = %(p)s", p=place.id) == "unreachable"


def test_who_has_no_address_is_said_to_have_none_and_the_next_step_follows(place: Practice) -> None:
    patient = build.person(place.id, phone="-")
    decided(place, patient, steps=(STEP, {"channel": "email", "template": "winback", "wait_days": 1}))
    found = db.tuples(
        "SELECT channel, verdict, reasons -> 0 ->> 'code' FROM touch WHERE practice_id = %(p)s ORDER BY step",
        p=place.id,
    )
    assert found[0] == ("letter", "skip", "NO_ADDRESS")
    assert found[1][0] == "email"


def test_a_letter_that_came_back_rests_the_address_and_asks_for_the_right_one(place: Practice) -> None:
    patient = lives_at(place)
    decided(place, patient)
    [letter] = letters.ready(place.id, NOW).to_print
    letters.post(place, [letter.id], TODAY, "olga", NOW)
    assert letters.came_back(place.id, letter.id, "olga", NOW)
    assert not letters.came_back(place.id, letter.id, "olga", NOW)
    assert db.value("SELECT count(*) FROM task WHERE practice_id = %(p)s AND kind = 'returned_letter'", p=place.id) == 1
    other = lives_at(place)  # the same house
    decided(place, other)
    codes = db.values(
        "SELECT reasons -> 0 ->> 'code' FROM touch WHERE practice_id = %(p)s AND patient_id = %(i)s",
        p=place.id,
        i=other,
    )
    assert codes == ["NO_ADDRESS"]


@pytest.mark.parametrize("days", [-15, 1])
def test_a_day_on_which_nobody_can_have_posted_them_is_refused(place: Practice, days: int) -> None:
    with pytest.raises(letters.WrongDayError):
        letters.post(place, [], TODAY + timedelta(days=days), "olga", NOW)


def test_a_letter_nobody_prints_dies_with_its_reason(place: Practice) -> None:
    decided(place, lives_at(place))
    send.send_batch(place.id, NOW + timedelta(days=20))
    assert states(place) == ["queued"]
    send.send_batch(place.id, NOW + timedelta(days=22))
    assert states(place) == ["expired"]


def test_the_pdf_takes_what_a_name_says_as_words(place: Practice) -> None:
    patient = lives_at(place, first_name='#panic("x")', last_name="$ *Quill* _")
    decided(place, patient)
    file = letters.pdf(place, letters.ready(place.id, NOW).to_print)
    assert file.startswith(b"%PDF")


def test_the_page_prints_posts_and_notes_a_return(place: Practice, as_role: Callable[[str], Client], now: Any) -> None:
    decided(place, lives_at(place, last_name="Quill"))
    db.run("UPDATE practice SET is_rehearsal = true, clock_at = %(now)s WHERE id = %(id)s", now=NOW, id=place.id)
    desk = as_role("front_desk")
    assert "1 to print" in desk.get("/letters/").content.decode()
    [letter] = letters.ready(place.id, NOW).to_print
    printed = desk.post("/letters/print/", {"letter": [letter.id, "\N{SUPERSCRIPT TWO}"]})
    assert printed.headers["Content-Type"] == "application/pdf"
    said = desk.post(
        "/letters/posted/", {"letter": [letter.id], "day": TODAY.isoformat()}, follow=True
    ).content.decode()
    assert "1 letter noted as posted." in said
    assert "came back" in desk.post(f"/letters/{letter.id}/came-back/", follow=True).content.decode()
    assert as_role("auditor").get("/letters/").status_code == 403


def test_a_step_by_portal_is_refused_at_publishing_with_a_way_out(place: Practice) -> None:
    plan = build.text(steps=[{"channel": "portal", "template": "plan_portal"}])
    build.templates(place.id, playbook.read(plan))
    from recare.segments import segment

    segment.install(place.id, NOW)
    campaign_id = campaign.create(place.id, "Portal", plan, "owner", NOW)
    with pytest.raises(campaign.CannotPublishError, match="no connection to a portal yet"):
        campaign.publish(place.id, campaign_id, "owner", NOW)


def test_a_colleague_who_looks_at_the_list_hides_no_letter_from_whoever_has_posted_it(
    committed_practice: Practice,
) -> None:
    with db.scope(committed_practice.id):
        here = furnished(committed_practice)
        decided(here, lives_at(here, last_name="Quill"))
        [letter] = letters.ready(here.id, NOW).to_print
    looking = threading.Event()

    def look() -> None:
        with db.scope(here.id):
            letters.ready(here.id, NOW)
            looking.set()
            time.sleep(0.3)
        connection.close()

    colleague = threading.Thread(target=look)
    colleague.start()
    looking.wait()
    with db.scope(here.id):
        done = letters.post(here, [letter.id], TODAY, "amy", NOW)
    colleague.join()
    assert (done.sent, done.unknown) == (1, 0)
