"""Whom to call now, who has them on the screen, and what follows from each end of a call."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it
from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest
from django.db import connections

from recare.base import db
from recare.calls import outcomes, worklist
from recare.calls.outcomes import Ended, Outcome
from recare.calls.worklist import CallNotFree
from recare.compliance.lint_script import OUTCOMES as SCRIPT_OUTCOMES
from recare.consent import hold, revoke
from recare.segments import facts
from tests.calls import rows
from tests.factories import insert, make_visit

if TYPE_CHECKING:
    from recare.practices.practice import Practice

_EVENING = datetime(2027, 1, 13, 3, 0, tzinfo=UTC)  # Tuesday 21:00 in Chicago


@pytest.fixture
def case(practice: Practice) -> rows.Case:
    return rows.make_case(practice.id)


def _due(case: rows.Case, now: datetime, staff: str = "dana@example.com") -> dict[int, worklist.WorklistEntry]:
    return {entry.item.id: entry for entry in worklist.due(case.practice_id, now, 50, staff)}


def _point(callee: rows.Callee, column: str) -> Any:
    return db.value(
        f"SELECT {column} FROM contact_point WHERE practice_id = %(p)s AND id = %(i)s",
        p=callee.practice_id,
        i=callee.point,
    )


def _patient(callee: rows.Callee, column: str) -> Any:
    return db.value(
        f"SELECT {column} FROM patient WHERE practice_id = %(p)s AND id = %(i)s", p=callee.practice_id, i=callee.patient
    )


def _tasks(case: rows.Case) -> list[tuple[str, int]]:
    return db.tuples("SELECT kind, urgency FROM task WHERE practice_id = %(p)s ORDER BY id", p=case.practice_id)


def test_a_decided_call_comes_on_the_list_once_with_its_priority(case: rows.Case, now: datetime) -> None:
    small, _ = rows.decided(case)
    large, _ = rows.decided(case)
    for patient, fees in ((small, [5000]), (large, [90000, 90000])):
        make_visit(case.practice_id, patient, -400)
        for number, fee in enumerate(fees):
            insert(
                "procedure", practice_id=case.practice_id, source="test", source_key=f"{patient}-{number}", patient_id=patient, code="D1110",
                status="completed", done_on=date(2025, 12, 8), fee_cents=fee,
            )  # fmt: skip
    facts.rebuild([case.practice_id])
    assert worklist.open_batch(case.practice_id, now) == 2
    assert worklist.open_batch(case.practice_id, now) == 0
    entries = worklist.due(case.practice_id, now, 50, "dana@example.com")
    assert [entry.item.patient_id for entry in entries] == [large, small]
    assert entries[0].item.priority > entries[1].item.priority
    assert entries[0].local_times == ("11:00",)


def test_VOX_01_a_number_outside_its_hours_is_locked_with_its_opening_time(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now)
    assert not _due(case, now)[callee.call].locked
    entry = _due(case, _EVENING)[callee.call]
    assert entry.locked
    assert entry.opens_at == datetime(2027, 1, 13, 16, 0, tzinfo=UTC)  # 10:00 in Chicago
    assert entry.locked_because == ("Not at this hour; next on 13 Jan at 10:00 CST.",)
    with pytest.raises(CallNotFree, match=r"Do not call now.*13 Jan at 10:00 CST"):
        worklist.take(case.practice_id, callee.call, "dana@example.com", _EVENING)


def test_VOX_01_the_hours_are_those_of_the_person_called(case: rows.Case) -> None:
    early = datetime(2027, 1, 12, 16, 30, tzinfo=UTC)  # 10:30 in Chicago, 8:30 in Los Angeles
    here, there = (
        rows.listed(case, early, decided_at=early),
        rows.listed(case, early, decided_at=early, state="CA", zip="90001"),
    )
    listed = _due(case, early)
    assert not listed[here.call].locked
    assert listed[there.call].locked
    assert listed[there.call].local_times == ("08:30", "10:30")
    assert listed[there.call].locked_because == (
        "Not at this hour; next on 12 Jan at 12:00 CST (10:00 PST where they are).",
    )


def test_VOX_01_who_said_stop_yesterday_is_not_on_the_list(case: rows.Case, now: datetime) -> None:
    callee, other = rows.listed(case, now), rows.listed(case, now)
    revoke.revoke(
        case.practice_id,
        callee.point,
        revoke.NUMBER,
        "sms_keyword",
        "patient",
        "",
        "inbound:1",
        now - timedelta(days=1),
    )
    assert set(_due(case, now)) == {other.call}
    assert rows.row(callee)["close_reason"] == "OPTED_OUT"


def test_a_paused_campaign_keeps_its_calls_off_the_list(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now)
    db.run("UPDATE campaign SET state = 'paused' WHERE practice_id = %(p)s", p=case.practice_id)
    assert _due(case, now) == {}
    with pytest.raises(LookupError):
        worklist.take(case.practice_id, callee.call, "dana@example.com", now)


def test_a_held_number_is_shown_locked_until_somebody_has_read_what_came_in(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now)
    hold.hold(case.practice_id, [callee.point], 1, now)
    assert _due(case, now)[callee.call].locked
    with pytest.raises(CallNotFree):
        worklist.take(case.practice_id, callee.call, "dana@example.com", now)


def test_free_numbers_fill_the_list_before_locked_ones(case: rows.Case, now: datetime) -> None:
    callees = [rows.listed(case, now) for _ in range(6)]
    hold.hold(case.practice_id, [callee.point for callee in callees[:4]], 1, now)
    db.run("UPDATE call SET priority = id WHERE practice_id = %(p)s", p=case.practice_id)
    entries = worklist.due(case.practice_id, now, 3, "dana@example.com")
    assert [entry.item.id for entry in entries[:2]] == [callees[5].call, callees[4].call]
    assert [entry.locked for entry in entries] == [False, False, True]


def test_every_page_of_the_list_is_read(case: rows.Case, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worklist, "_PAGE", 2)
    callees = [rows.listed(case, now) for _ in range(5)]
    assert set(_due(case, now)) == {callee.call for callee in callees}


def test_the_script_speaks_to_the_person_and_leaves_a_silent_voicemail(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now, rows.script(case.practice_id), first_name="Noor")
    taken = worklist.take(
        case.practice_id, callee.call, "dana@example.com", now, caller_name="Dana", openings=["Tue 9:00 am", "Wed 4:30 pm"]
    )  # fmt: skip
    assert taken.script is not None
    assert "Noor" in taken.script.opening
    assert "Dana from Maple Dental" in taken.script.opening
    assert "Tue 9:00 am, or Wed 4:30 pm" in taken.script.branches[0].answer
    assert "630-555-0100" in taken.script.voicemail
    assert "Noor" not in taken.script.voicemail
    assert "{" not in "".join(
        [taken.script.opening, taken.script.closing, *(branch.answer for branch in taken.script.branches)]
    )


def test_nobody_dials_what_a_colleague_has_on_the_screen(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now)
    sibling = rows.listed(case, now, point=callee.point, decided_at=now - timedelta(days=8))
    worklist.take(case.practice_id, callee.call, "dana@example.com", now)
    worklist.take(case.practice_id, callee.call, "dana@example.com", now)
    for call in (callee.call, sibling.call):
        with pytest.raises(CallNotFree, match=r"dana@example\.com has had this number"):
            worklist.take(case.practice_id, call, "li@example.com", now + timedelta(minutes=5))
    assert callee.call not in _due(case, now, "li@example.com")
    with pytest.raises(CallNotFree, match="on the screen"):
        outcomes.record(case.practice_id, callee.call, "no_answer", "li@example.com", now)
    assert worklist.put_back(case.practice_id, callee.call, "dana@example.com")
    assert not worklist.put_back(case.practice_id, callee.call, "dana@example.com")
    worklist.take(case.practice_id, callee.call, "li@example.com", now)
    worklist.take(
        case.practice_id, callee.call, "dana@example.com", now + timedelta(minutes=31)
    )  # forgotten on a screen


def test_of_two_who_take_the_same_call_at_once_one_gets_it(committed_practice: Practice, now: datetime) -> None:
    with db.scope(committed_practice.id):
        case = rows.make_case(committed_practice.id)
        callee = rows.listed(case, now)
    got: list[str] = []

    def grab(staff: str) -> None:
        try:
            with db.scope(case.practice_id):
                worklist.take(case.practice_id, callee.call, staff, now)
                got.append(staff)
        except CallNotFree:
            pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=grab, args=(f"staff{number}@example.com",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


@pytest.mark.parametrize("outcome", ["no_answer", "left_message"])
def test_an_unanswered_call_comes_back_another_day_three_times_in_all(
    case: rows.Case, now: datetime, outcome: Outcome
) -> None:
    callee = rows.listed(case, now)
    outcomes.record(case.practice_id, callee.call, outcome, "dana@example.com", now)
    row = rows.row(callee)
    assert (row["state"], row["attempts"], row["due_at"]) == ("open", 1, now + timedelta(days=1))
    assert callee.call not in _due(case, now + timedelta(hours=2))
    assert callee.call not in _due(case, now + timedelta(days=1, hours=1))
    assert rows.row(callee)["due_at"] == now + timedelta(days=7)  # FRQ-01: one contact a week, calls included
    for attempt in (2, 3):
        outcomes.record(case.practice_id, callee.call, outcome, "dana@example.com", now + timedelta(days=7 * attempt))
    assert rows.row(callee)["state"] == "done"
    assert rows.row(callee)["close_reason"] == outcome
    assert rows.enrolment(callee)[0] == "waiting"  # the ladder goes on


def test_call_later_comes_back_when_the_person_said(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now)
    with pytest.raises(ValueError, match="Say when"):
        outcomes.record(case.practice_id, callee.call, "call_later", "dana@example.com", now)
    later = now + timedelta(days=30)
    outcomes.record(
        case.practice_id,
        callee.call,
        "call_later",
        "dana@example.com",
        now,
        call_again_at=later,
        barrier="time",
        note="after school",
    )
    worklist.open_batch(case.practice_id, now + timedelta(days=25))
    assert callee.call not in _due(case, now + timedelta(days=29))
    entry = _due(case, later)[callee.call]
    assert (entry.item.last_outcome, entry.item.last_note, entry.locked) == ("call_later", "after school", False)
    assert _point(callee, "last_confirmed_on") == now.date()


def test_DNC_04_do_not_call_drops_the_number_from_every_list_and_queue(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now)
    sibling = rows.listed(case, now, point=callee.point)
    outcomes.record(case.practice_id, callee.call, "do_not_call", "dana@example.com", now)
    assert _due(case, now) == {}
    assert (_point(callee, "call_out_at"), _point(callee, "sms_out_at"), _point(callee, "email_out_at")) == (
        now,
        now,
        None,
    )
    assert rows.row(sibling)["close_reason"] == "do_not_call"
    assert rows.enrolment(callee) == ("stopped", "opted_out")
    [(reason, actor)] = db.tuples(
        "SELECT DISTINCT reason, actor FROM consent_event WHERE practice_id = %(p)s", p=case.practice_id
    )
    assert (reason, actor) == ("DNC_INTERNAL", "dana@example.com")


def test_NUM_01_a_wrong_number_rests_for_all_who_hold_it(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now)
    sibling = rows.listed(case, now, point=callee.point)
    outcomes.record(case.practice_id, callee.call, "wrong_number", "dana@example.com", now)
    assert _point(callee, "wrong_number_at") == now
    assert _point(callee, "last_confirmed_on") == date(2026, 12, 1)
    assert rows.row(sibling)["state"] == "withdrawn"
    assert _tasks(case) == [("wrong_number", 5)]
    assert _due(case, now) == {}


def test_an_angry_person_is_the_owners_now_and_the_household_rests(case: rows.Case, now: datetime) -> None:
    home = insert("household", practice_id=case.practice_id, key="h1")
    callee, spouse = rows.listed(case, now, household_id=home), rows.listed(case, now, household_id=home)
    db.run("UPDATE enrolment SET household_id = %(h)s WHERE practice_id = %(p)s", h=home, p=case.practice_id)
    outcomes.record(case.practice_id, callee.call, "angry", "dana@example.com", now, barrier="experience")
    assert _patient(callee, "hold") == "angry"
    assert _tasks(case) == [("angry", 1)]
    assert rows.enrolment(callee) == rows.enrolment(spouse) == ("stopped", "complaint")
    assert worklist.open_batch(case.practice_id, now) == 1
    assert rows.row(spouse)["close_reason"] == "complaint"


@pytest.mark.parametrize(
    ("outcome", "standing", "reason", "task"),
    [
        ("booked", "", "booked", None),
        ("not_interested", "", "not_interested", None),
        ("moved", "moved", "moved", ("contact_update", 6)),
        ("new_dentist", "transferred", "new_dentist", ("records", 6)),
        ("deceased", "deceased", "deceased", ("deceased", 4)),
    ],
)
def test_each_end_of_a_call_has_its_consequence(
    case: rows.Case, now: datetime, outcome: Outcome, standing: str, reason: str, task: tuple[str, int] | None
) -> None:  # fmt: skip
    callee = rows.listed(case, now)
    outcomes.record(case.practice_id, callee.call, outcome, "dana@example.com", now, seconds=95)
    assert rows.row(callee)["state"] == "done"
    assert _patient(callee, "standing") == standing
    assert rows.enrolment(callee) == ("stopped", reason)
    assert _tasks(case) == ([task] if task else [])
    assert _point(callee, "call_out_at") is None
    assert _due(case, now) == {}
    with pytest.raises(LookupError, match="no longer open"):
        outcomes.record(case.practice_id, callee.call, outcome, "dana@example.com", now)


def test_VOX_02_not_interested_means_no_call_for_a_year_where_the_law_says_so(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now, state="WA", zip="98101")
    outcomes.record(case.practice_id, callee.call, "not_interested", "dana@example.com", now)
    again = rows.listed(
        case,
        now + timedelta(days=200),
        point=callee.point,
        state="WA",
        zip="98101",
        decided_at=now + timedelta(days=200),
    )
    assert again.call not in _due(case, now + timedelta(days=200))


def test_FRQ_01_a_call_logged_by_hand_counts_for_the_number(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now)
    outcomes.log(
        case.practice_id,
        callee.patient,
        callee.point,
        Ended("left_message"),
        "dana@example.com",
        now - timedelta(days=6),
    )
    assert _due(case, now)[callee.call].opens_at == now + timedelta(days=1)


def test_DNC_04_a_do_not_call_logged_by_hand_clears_the_worklist_too(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now)
    outcomes.log(case.practice_id, callee.patient, callee.point, Ended("do_not_call"), "dana@example.com", now)
    assert rows.row(callee)["close_reason"] == "do_not_call"


def test_a_call_nobody_made_in_three_weeks_is_taken_off(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now)
    assert worklist.open_batch(case.practice_id, now + worklist.CALL_LIVES - timedelta(minutes=1)) == 0
    assert worklist.open_batch(case.practice_id, now + worklist.CALL_LIVES) == 1
    assert rows.row(callee)["close_reason"] == "late"


def test_an_unknown_outcome_or_barrier_is_refused_in_words(case: rows.Case, now: datetime) -> None:
    callee = rows.listed(case, now)
    with pytest.raises(ValueError, match="it ends with one of booked"):
        outcomes.record(case.practice_id, callee.call, "busy", "dana@example.com", now)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is no barrier"):
        outcomes.record(case.practice_id, callee.call, "no_answer", "dana@example.com", now, barrier="weather")


def test_scripts_and_worklist_know_the_same_ends_of_a_call() -> None:
    assert set(get_args(Outcome)) - {"withdrawn"} == SCRIPT_OUTCOMES - {""}
    assert set(get_args(Outcome)) == set(outcomes.OUTCOMES)
