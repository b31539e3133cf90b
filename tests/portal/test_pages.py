"""The patient's own pages, as a browser without cookies sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from django.test import Client

from recare.base import db
from recare.bookings import booking
from recare.portal.page import OPENS
from recare.practices.practice import Practice
from tests.factories import insert, make_patient, make_visit
from tests.portal.way import Written, written

ENROLMENT = (
    "SELECT state || ' ' || stop_reason FROM enrolment WHERE practice_id = %(practice)s AND patient_id = %(patient)s"
)
TASKS = "SELECT kind FROM task WHERE practice_id = %(practice)s AND done_at IS NULL ORDER BY id"
EVENTS = (
    "SELECT type || ' ' || channel || ' ' || method FROM consent_event WHERE practice_id = %(practice)s ORDER BY seq"
)
PATIENT = "FROM patient WHERE practice_id = %(practice)s AND id = %(patient)s"


def buttons(html: str) -> list[str]:
    return re.findall(r'name="time" value="(\d+)"', html)


def page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, (path, answer.status_code, answer.headers.get("Location"))
    return answer.content.decode()


def book(client: Client, path: str, which: int = 0) -> None:
    time = buttons(page(client, path))[which]
    answer = client.post(path, {"time": time})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{path}/confirm")
    ref = re.findall(r'name="ref" value="([^"]+)"', page(client, f"{path}/confirm"))[0]
    answer = client.post(f"{path}/confirm", {"ref": ref})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{path}/done")


def test_a_patient_books_in_three_pages_and_the_campaign_stops(stranger: Client, way: Written) -> None:
    path = way.path("book")
    book(stranger, path)
    assert "You are booked" in page(stranger, f"{path}/done")
    assert way.value(ENROLMENT) == "stopped booked"
    assert way.values(TASKS) == ["enter_booking"]
    made = booking.upcoming(way.practice.id, way.patient, way.now)
    assert made is not None
    assert (made.via, made.touch_id, made.enrolment_id) == ("link", way.touch, way.enrolment)
    assert stranger.get(path).headers["Location"].startswith("/p/manage/")


def test_who_changes_their_mind_moves_and_cancels(stranger: Client, way: Written) -> None:
    path = way.path("book")
    manage = path.replace("book", "manage")
    book(stranger, path)
    time = buttons(page(stranger, f"{manage}/move"))[3]
    assert stranger.post(f"{manage}/move", {"time": time}).headers["Location"] == f"{manage}?said=moved"
    moved = booking.upcoming(way.practice.id, way.patient, way.now)
    assert moved is not None
    assert int(moved.starts_at.timestamp()) == int(time)
    calendar = stranger.get(f"{manage}/visit.ics")
    assert (calendar.headers["Content-Type"].split(";")[0], b"SEQUENCE:1" in calendar.content) == (
        "text/calendar",
        True,
    )
    page(stranger, f"{manage}/cancel")
    assert booking.upcoming(way.practice.id, way.patient, way.now) is not None
    assert stranger.post(f"{manage}/cancel").headers["Location"] == f"{manage}?said=cancelled"
    assert booking.upcoming(way.practice.id, way.patient, way.now) is None
    assert "is cancelled" in page(stranger, f"{manage}?said=cancelled")


def test_a_time_that_went_meanwhile_is_answered_with_three_others(stranger: Client, way: Written) -> None:
    from recare.bookings import book as booking_book
    from recare.bookings import openings

    path = way.path("book")
    time = buttons(page(stranger, path))[0]
    other = make_patient(way.practice.id)
    at = datetime.fromtimestamp(int(time), way.now.tzinfo)
    booking_book.hold(way.practice.id, other, openings.same_time(way.practice, at, 90, way.now)[0], "link", way.now)
    answer = stranger.post(path, {"time": time})
    assert answer.status_code == 409
    assert "just taken" in answer.content.decode()
    assert len(buttons(answer.content.decode().split("<fieldset")[0])) == 3


def test_times_of_three_years_absence_are_long_enough_for_a_full_examination(stranger: Client, way: Written) -> None:
    assert "about 90 minutes" in page(stranger, way.path("book"))


def test_who_was_written_to_about_an_unfinished_plan_books_a_talk_in_the_doctors_chair(
    stranger: Client, practice: Practice, now: datetime
) -> None:
    way = written(practice, now, purpose="continued_treatment")
    path = way.path("book")
    assert "about 30 minutes" in page(stranger, path)
    book(stranger, path)
    made = booking.upcoming(practice.id, way.patient, now)
    assert made is not None
    assert (made.reason, made.operatory_id) == ("consultation", way.clinic.doctors_chair)


@pytest.mark.parametrize("column", ["cannot_schedule", "premed"])
def test_who_needs_a_word_first_is_asked_to_call(stranger: Client, way: Written, column: str) -> None:
    db.run(f"UPDATE patient SET {column} = true WHERE id = %(id)s", id=way.patient)
    path = way.path("book")
    assert "(630) 555-0100" in page(stranger, path)
    assert not buttons(page(stranger, path))


def test_a_visit_booked_by_telephone_is_shown_and_no_second_one_offered(stranger: Client, way: Written) -> None:
    make_visit(way.practice.id, way.patient, 5, "scheduled")
    path = way.path("book")
    assert stranger.get(path).headers["Location"].startswith("/p/manage/")
    assert "call us" in page(stranger, path.replace("book", "manage"))


def test_a_chart_that_was_merged_since_books_for_the_one_that_remains(stranger: Client, way: Written) -> None:
    path, remains = way.path("book"), make_patient(way.practice.id, first_name="Grace")
    db.run("UPDATE patient SET merged_into_id = %(to)s WHERE id = %(id)s", to=remains, id=way.patient)
    assert "Grace" in page(stranger, path)


# --- the way out ---


def test_eml_02_looking_at_the_way_out_changes_nothing_and_one_button_goes_through_it(
    stranger: Client, way: Written
) -> None:
    path = way.path("unsubscribe")
    assert "Stop e-mails" in page(stranger, path)
    assert way.values(EVENTS) == []
    assert "E-mails are stopped" in stranger.post(path).content.decode()
    assert way.values(EVENTS) == ["revoked email web"]


def test_eml_02_a_mail_program_unsubscribes_with_one_click_as_often_as_it_likes(stranger: Client, way: Written) -> None:
    path = way.path("unsubscribe")
    for _ in range(3):
        answer = stranger.post(path, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
        assert (answer.status_code, answer.cookies) == (200, {})
    assert way.values(EVENTS) == ["revoked email one_click"]
    assert way.value("SELECT email_out_at IS NOT NULL AND sms_out_at IS NULL FROM contact_point WHERE id = %(email)s")
    assert way.value("SELECT email_out_at IS NULL FROM contact_point WHERE id = %(phone)s")


def test_one_click_through_a_form_of_many_parts_works_too(stranger: Client, way: Written) -> None:
    assert stranger.post(way.path("unsubscribe"), {"List-Unsubscribe": "One-Click"}).content == b"Unsubscribed.\n"


def test_eml_02_a_wrong_token_unsubscribes_nobody(stranger: Client, way: Written) -> None:
    answer = stranger.post("/p/unsubscribe/AAAAAAAAAAAAAAAAAAAAAA", {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 404
    assert way.values(EVENTS) == []


def test_eml_01_the_way_out_works_after_years(stranger: Client, practice: Practice, now: datetime) -> None:
    from recare.practices import practice as practices

    way = written(practice, now)
    path = way.path("unsubscribe")
    practices.set_clock(practice.id, now + timedelta(days=3650))
    assert stranger.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200


# --- wishes ---


def wish(client: Client, way: Written, /, **said: object) -> str:
    path = way.path("preferences")
    answer = client.post(path, said)
    assert answer.status_code == 303, answer.content
    return page(client, answer.headers["Location"])


def test_a_way_that_is_stopped_is_stopped_at_once_and_the_page_proves_it(stranger: Client, way: Written) -> None:
    shown = wish(stranger, way, do="stop", stop=["sms", "letter"])
    assert way.values(EVENTS) == ["revoked sms web"]
    assert way.value("SELECT sms_out_at IS NOT NULL AND call_out_at IS NULL FROM contact_point WHERE id = %(phone)s")
    assert way.value(f"SELECT banned_channels {PATIENT}") == ["letter"]
    assert "No texts, since Tuesday, January 12 at 11:00" in shown
    assert "No letters" in shown


def test_a_pause_counts_until_its_day_and_is_told_back(stranger: Client, way: Written) -> None:
    shown = wish(stranger, way, do="pause", months="3")
    assert way.value(f"SELECT paused_until {PATIENT}") == date(2027, 4, 13)
    assert shown.count("April 13, 2027") == 2


def test_the_best_way_and_the_language_are_kept(stranger: Client, way: Written) -> None:
    wish(stranger, way, do="way", way="call")
    shown = wish(stranger, way, do="language", language="es")
    assert way.value(f"SELECT preferred_channel || ' ' || language {PATIENT}") == "call es"
    assert '<html lang="es">' in shown
    assert "La mejor forma de contactarle: Llamada" in shown


@pytest.mark.parametrize(("wished", "standing"), [("moved", "moved"), ("new_dentist", "transferred")])
def test_who_has_left_is_let_go(stranger: Client, way: Written, wished: str, standing: str) -> None:
    wish(stranger, way, do=wished)
    assert way.value(f"SELECT standing || ' ' || standing_set_by {PATIENT}") == f"{standing} patient"
    assert way.value(ENROLMENT) == f"stopped {wished}"
    assert way.values(TASKS) == [wished]


def test_a_stranger_is_apologised_to_and_sees_nothing_more_of_the_patient(stranger: Client, way: Written) -> None:
    path, other = way.path("preferences"), way.path("book")
    answer = stranger.post(path, {"do": "wrong"})
    assert (answer.status_code, "Ada" in answer.content.decode()) == (200, False)
    assert way.value("SELECT wrong_number_at IS NOT NULL FROM contact_point WHERE id = %(email)s")
    assert "(630) 555-0100" in page(stranger, path, 410)
    page(stranger, other, 410)
    assert way.values(TASKS) == ["wrong_number"]


def test_talking_to_a_person_stops_the_automation_and_rings_at_the_desk(stranger: Client, way: Written) -> None:
    wish(stranger, way, do="talk", about="cost")
    wish(stranger, way, do="talk", about="cost")
    assert way.value(ENROLMENT) == "stopped replied"
    assert way.values(TASKS)[0] == "call_me"


def test_a_bad_experience_goes_to_the_owner_and_rests_the_household(stranger: Client, way: Written) -> None:
    wish(stranger, way, do="talk", about="experience")
    assert way.values(TASKS) == ["angry"]
    assert way.value(f"SELECT hold {PATIENT}") == "complaint"


def test_stopping_everything_stops_everything(stranger: Client, way: Written) -> None:
    shown = wish(stranger, way, do="everything")
    assert way.values(EVENTS) == ["revoked all web", "revoked all web"]
    assert way.value(f"SELECT standing {PATIENT}") == "do_not_contact"
    assert way.value(ENROLMENT) == "stopped opted_out"
    assert "Nothing at all" in shown


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"do": "stop"},
        {"do": "pause", "months": "99"},
        {"do": "way", "way": "fax"},
        {"do": "language", "language": "xx"},
        {"do": "nonsense"},
    ],
)
def test_a_form_that_says_nothing_changes_nothing(stranger: Client, way: Written, said: dict[str, str]) -> None:
    before = way.value(f"SELECT row_to_json(patient)::text {PATIENT}")
    wish(stranger, way, **said)
    assert way.value(f"SELECT row_to_json(patient)::text {PATIENT}") == before
    assert way.values(EVENTS) == []


# --- why, offer, message ---


@pytest.mark.parametrize(
    ("purpose", "reason"), [("check_up", "none booked"), ("continued_treatment", "planned to see you"), ("odd", "")]
)
def test_why_we_wrote_is_told_truthfully_and_without_health_detail(
    stranger: Client, practice: Practice, now: datetime, purpose: str, reason: str
) -> None:
    way = written(practice, now, purpose=purpose)
    shown = page(stranger, way.path("why"))
    assert "On January 12, 2027 we sent you an e-mail." in shown
    assert reason in shown


def test_the_terms_of_an_offer_are_all_there_and_its_end_too(
    stranger: Client, practice: Practice, now: datetime
) -> None:
    way = written(practice, now, offer="white")
    insert(
        "offer", practice_id=practice.id, slug="white", what="Whitening at home", regular_fee_cents=29900, price_cents=19900,
        exclusions="Not with other offers", extra_fees="None", license_name="Dr. Rivera", license_number="019.012345",
        who="Everybody", ends_at=now + timedelta(days=5), created_by="owner", created_at=now,
    )  # fmt: skip
    path = way.path("offer")
    shown = page(stranger, path)
    for term in (
        "Whitening at home",
        "$199.00",
        "$299.00",
        "Not with other offers",
        "None",
        "Dr. Rivera",
        "019.012345",
        "Everybody",
        "January 17, 2027",
    ):
        assert term in shown
    from recare.practices import practice as practices

    practices.set_clock(practice.id, now + timedelta(days=6))
    assert "This offer has ended" in page(stranger, path)


def test_a_kept_message_opens_only_with_the_date_of_birth(stranger: Client, way: Written) -> None:
    insert(
        "message", practice_id=way.practice.id, touch_id=way.touch, patient_id=way.patient, contact_point_id=way.email, channel="portal",
        message_class="R", body_text="Your words", not_before=way.now, not_after=way.now, created_at=way.now,
    )  # fmt: skip
    path = way.path("portal")
    assert "Your words" not in page(stranger, path)
    assert "Your words" in stranger.post(path, {"birthdate": "1980-05-17"}).content.decode()
    for _ in range(8):
        assert stranger.post(path, {"birthdate": "1980-05-18"}).status_code == 422
    assert stranger.post(path, {"birthdate": "1980-05-17"}).status_code == 429


# --- every page ---


def every_page(way: Written) -> Iterator[tuple[str, str]]:
    for purpose, pages in OPENS.items():
        token = way.token(purpose)
        for name in sorted(pages):
            yield name, f"/p/{name}/{token}"


def test_every_page_is_private_small_without_script_cookie_or_more_than_a_first_name(
    stranger: Client, way: Written
) -> None:
    last_name = way.value(f"SELECT last_name {PATIENT}")
    for name, path in every_page(way):
        answer = stranger.get(path)
        assert answer.status_code in ({200, 404} if name == "offer" else {200}), path
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "noindex" in answer.headers["X-Robots-Tag"]
        assert not answer.cookies
        html = answer.content.decode()
        assert len(answer.content) < 20_000
        assert "<script" not in html
        assert "style=" not in html
        assert not re.search(last_name + r"|1980|@example\.com|555-01(?!00)", html), path


def test_a_link_opens_no_more_than_its_purpose(stranger: Client, way: Written) -> None:
    for purpose, pages in OPENS.items():
        token = way.token(purpose)
        for name in set(OPENS) - pages:
            assert stranger.get(f"/p/{name}/{token}").status_code == 404, (purpose, name)


def test_a_link_that_ran_out_says_whom_to_call(stranger: Client, practice: Practice, now: datetime) -> None:
    from recare.practices import practice as practices

    way = written(practice, now)
    path = f"/p/book/{way.token('book', now + timedelta(days=60))}"
    page(stranger, path)
    practices.set_clock(practice.id, now + timedelta(days=60))
    assert "(630) 555-0100" in page(stranger, path, 410)


def test_guessing_is_slowed_down_and_never_in_the_way_of_a_real_link(stranger: Client, way: Written) -> None:
    stranger.defaults["REMOTE_ADDR"] = "192.0.2.77"
    answers = [stranger.get(f"/p/book/{number:022}").status_code for number in range(42)]
    assert answers == [404] * 40 + [429] * 2
    page(stranger, way.path("book"))


def test_spanish_is_spoken_to_who_speaks_it_and_a_switch_stays_switched(stranger: Client, way: Written) -> None:
    path = way.path("book")
    assert "Elija la hora" in page(stranger, f"{path}?lang=es")
    assert f'action="{path}?lang=es"' in page(stranger, f"{path}?lang=es")
    db.run("UPDATE patient SET language = 'es-US' WHERE id = %(id)s", id=way.patient)
    assert "Elija la hora" in page(stranger, path)
    assert "Pick a time" in page(stranger, f"{path}?lang=en") or "pick a time" in page(stranger, f"{path}?lang=en")


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "2999-01-01", "soon"])
def test_a_day_out_of_reach_shows_the_days_from_today(stranger: Client, way: Written, day: str) -> None:
    path = way.path("book")
    assert buttons(page(stranger, f"{path}?from={day}")) == buttons(page(stranger, path))


@pytest.mark.parametrize("time", ["253402300799", "-62135596800", "9" * 40, "\N{SUPERSCRIPT TWO}", ""])
def test_a_time_that_is_none_books_nothing(stranger: Client, way: Written, time: str) -> None:
    path = way.path("book")
    assert stranger.post(path, {"time": time}).status_code in {303, 409}
    assert way.values("SELECT id FROM booking WHERE practice_id = %(practice)s") == []


@pytest.mark.parametrize("standing", ["dismissed", "deceased"])
@pytest.mark.parametrize("wish", ["everything", "moved", "new_dentist"])
def test_no_wish_of_a_page_takes_back_a_dismissal_or_a_death(
    stranger: Client, way: Written, standing: str, wish: str
) -> None:
    with db.scope(way.practice.id):
        db.run("UPDATE patient SET standing = %(word)s WHERE id = %(id)s", word=standing, id=way.patient)
    stranger.post(way.path("preferences"), {"do": wish})
    assert way.value("SELECT standing FROM patient WHERE practice_id = %(practice)s AND id = %(patient)s") == standing
