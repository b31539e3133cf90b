"""Who comes in is drawn once, by household, and stays as drawn."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections, transaction
from django.db.utils import DatabaseError, IntegrityError
from hypothesis import given
from hypothesis import strategies as st

from recare.base import db
from recare.campaigns import advance, campaign, enrol, playbook
from recare.segments import segment
from tests.campaigns import build
from tests.campaigns.build import NOW
from tests.factories import make_visit

if TYPE_CHECKING:
    from recare.practices.practice import Practice


def running(practice: Practice, **changes: Any) -> int:
    """A published campaign over the ready-made segments; return its id."""
    segment.install(practice.id, NOW)
    plan = build.text(**changes)
    build.templates(practice.id, playbook.read(plan))
    campaign_id = campaign.create(practice.id, "Win-back", plan, "owner", NOW)
    campaign.publish(practice.id, campaign_id, "owner", NOW)
    return campaign_id


def drawn(practice_id: int) -> dict[int, tuple[str, int, float]]:
    rows = db.tuples("SELECT patient_id, arm, wave, draw FROM enrolment WHERE practice_id = %(p)s", p=practice_id)
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def test_the_freeze_takes_in_the_segment_and_counts_why_the_others_stay_out(practice: Practice) -> None:
    campaign_id = running(practice)
    people = [build.person(practice.id) for _ in range(6)]
    build.person(practice.id, phone="-", email_level=0)
    resting, elsewhere = build.person(practice.id), build.person(practice.id)
    version = build.version(practice, name="Another campaign")
    build.enrolment(practice.id, version, resting, state="finished", ended_at=NOW - timedelta(days=30), due_at=None)
    build.enrolment(practice.id, version, elsewhere)
    build.refresh(practice.id)
    booked = people.pop()
    db.run(
        "INSERT INTO appointment (practice_id, source, source_key, patient_id, status, starts_at) "
        "VALUES (%(p)s, 'test', 'B', %(i)s, 'scheduled', %(n)s)",
        p=practice.id, i=booked, n=NOW + timedelta(hours=3),
    )  # fmt: skip
    build.refresh(practice.id)
    done = enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
    assert done.left_out == {"NO_CONSENT": 1, "RESTING": 1, "ACTIVE_ELSEWHERE": 1}
    assert done.treated + done.held_out == len(people)
    assert db.value("SELECT left_out FROM campaign_freeze WHERE practice_id = %(p)s", p=practice.id) == done.left_out
    stored = db.tuples(
        "SELECT unit, salt, draw, arm, probability, snapshot FROM enrolment WHERE practice_id = %(p)s AND snapshot <> '{}'",
        p=practice.id,
    )
    for unit, salt, draw, arm, probability, snapshot in stored:
        assert draw == enrol.draw(salt, unit)
        assert (arm, 1) == enrol.assign(draw, 0.1, 1)
        assert probability == (0.1 if arm == "held_out" else 0.9)
        assert snapshot["last_visit_on"] == "2024-01-08"


def test_running_it_again_takes_in_only_who_is_new(practice: Practice) -> None:
    campaign_id = running(practice)
    build.person(practice.id)
    build.refresh(practice.id)
    enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
    before = drawn(practice.id)
    new = build.person(practice.id)
    build.refresh(practice.id)
    done = enrol.freeze_and_enrol(practice.id, campaign_id, NOW + timedelta(days=1))
    assert done.left_out == {"ENROLLED": 1}
    assert {k: v for k, v in drawn(practice.id).items() if k != new} == before
    again = enrol.freeze_and_enrol(practice.id, campaign_id, NOW + timedelta(days=1))
    assert (again.treated, again.held_out) == (0, 0)


def test_a_household_stays_together_also_when_a_member_comes_later_under_another_share(practice: Practice) -> None:
    campaign_id = running(practice, waves={"count": 3, "days_between": 7}, hold_out=0.3)
    homes = [build.household(practice.id, f"h{n}") for n in range(40)]
    for home in homes:
        build.person(practice.id, household_id=home)
        build.person(practice.id, household_id=home)
    build.refresh(practice.id)
    enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
    for home in homes:
        build.person(practice.id, household_id=home)
    build.refresh(practice.id)
    campaign.save(
        practice.id, campaign_id, build.text(waves={"count": 3, "days_between": 7}, hold_out=0.1), "owner", NOW
    )
    campaign.publish(practice.id, campaign_id, "owner", NOW)
    enrol.freeze_and_enrol(practice.id, campaign_id, NOW + timedelta(days=2))
    alike = db.tuples(
        "SELECT household_id, count(*), count(DISTINCT (arm, wave, wave_at, draw, probability)) FROM enrolment "
        "WHERE practice_id = %(p)s GROUP BY household_id",
        p=practice.id,
    )
    assert {(people, kinds) for _, people, kinds in alike} == {(3, 1)}
    assert len({arm for arm, _, _ in drawn(practice.id).values()}) == 2


def test_a_later_wave_is_a_control_until_its_turn(practice: Practice) -> None:
    campaign_id = running(practice, waves={"count": 2, "days_between": 28}, hold_out=0)
    for _ in range(12):
        build.person(practice.id)
    build.refresh(practice.id)
    enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
    waves = [wave for _, wave, _ in drawn(practice.id).values()]
    assert set(waves) == {1, 2}
    assert advance.advance_batch(practice.id, NOW) == waves.count(1)
    assert advance.advance_batch(practice.id, NOW + timedelta(days=13)) == 0
    assert advance.advance_batch(practice.id, NOW + timedelta(days=28)) >= waves.count(2)


@given(
    st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=50, unique=True), st.text(min_size=1, max_size=32)
)
def test_a_draw_depends_on_nothing_but_salt_and_unit(units: list[str], salt: str) -> None:
    assert [enrol.draw(salt, unit) for unit in units] == [enrol.draw(salt, unit) for unit in units]
    assert all(0 <= enrol.draw(salt, unit) < 1 for unit in units)


def test_the_draw_is_balanced() -> None:
    total, share, waves = 20_000, 0.1, 4
    got = [enrol.assign(enrol.draw("a salt", f"h:{n}"), share, waves) for n in range(total)]
    held_out = sum(arm == "held_out" for arm, _ in got)
    assert abs(held_out - total * share) < 4 * (total * share * (1 - share)) ** 0.5
    for wave in range(1, waves + 1):
        size = sum(one == ("treated", wave) for one in got)
        assert abs(size - total * 0.225) < 4 * (total * 0.225 * 0.775) ** 0.5


@pytest.mark.parametrize(
    "change", ["arm = 'held_out'", "draw = 0.01", "salt = 'x'", "wave = 2", "snapshot = '{}'", "probability = 0.5"]
)
def test_an_assignment_is_never_redrawn(practice: Practice, change: str) -> None:
    build.enrolment(practice.id, build.version(practice), build.person(practice.id), snapshot=db.json({"visits": 1}))
    with pytest.raises(DatabaseError, match="never redrawn"), transaction.atomic():
        db.run(f"UPDATE enrolment SET {change} WHERE practice_id = %(p)s", p=practice.id)


def test_a_patient_has_one_active_enrolment(practice: Practice) -> None:
    patient = build.person(practice.id)
    build.enrolment(practice.id, build.version(practice), patient)
    with pytest.raises(IntegrityError, match="enrolment_one_active"), transaction.atomic():
        build.enrolment(practice.id, build.version(practice, name="Another campaign"), patient)


def test_two_campaigns_that_freeze_at_once_share_no_patient(committed_practice: Practice) -> None:
    practice = committed_practice
    with db.scope(practice.id):
        first, second = running(practice), running(practice)
        for _ in range(60):
            build.person(practice.id)
        build.refresh(practice.id)
    gate, failed = threading.Barrier(2), []

    def freeze(campaign_id: int) -> None:
        try:
            gate.wait(5)
            with db.scope(practice.id):
                enrol.freeze_and_enrol(practice.id, campaign_id, NOW)
        except Exception as error:  # noqa: BLE001
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=freeze, args=(one,)) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failed == []
    with db.scope(practice.id):
        assert db.tuples(
            "SELECT count(*), count(DISTINCT patient_id) FROM enrolment WHERE practice_id = %(p)s", p=practice.id
        ) == [(60, 60)]


def test_workers_that_advance_at_once_decide_each_enrolment_once(committed_practice: Practice) -> None:
    practice = committed_practice
    with db.scope(practice.id):
        version = build.version(practice)
        for _ in range(40):
            build.enrolment(practice.id, version, build.person(practice.id))
        build.refresh(practice.id)
    gate, moved = threading.Barrier(4), []

    def work() -> None:
        try:
            gate.wait(5)
            while count := advance.advance_batch(practice.id, NOW, limit=5):
                moved.append(count)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    with db.scope(practice.id):
        sent = db.tuples(
            "SELECT count(*), count(DISTINCT enrolment_id) FROM touch WHERE practice_id = %(p)s", p=practice.id
        )
    assert sum(moved) == 40
    assert sent == [(40, 40)]


def test_a_worker_killed_before_its_commit_has_done_nothing(committed_practice: Practice) -> None:
    practice = committed_practice
    with db.scope(practice.id):
        enrolment = build.enrolment(practice.id, build.version(practice), build.person(practice.id))
        build.refresh(practice.id)

    def killed_before_the_commit() -> None:
        with db.scope(practice.id):
            assert advance.advance_batch(practice.id, NOW) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed_before_the_commit()
    with db.scope(practice.id):
        assert build.touches(practice.id) == []
        assert build.state(practice.id, enrolment)[:2] == ("waiting", 0)
    assert advance.advance_batch(practice.id, NOW) == 1


def test_a_visit_of_another_day_makes_the_freeze_leave_a_patient_out(practice: Practice) -> None:
    campaign_id = running(practice, segment={"all": [{"visits": {"at_least": 1}}]})
    patient = build.person(practice.id)
    make_visit(practice.id, patient, 9, "scheduled")
    build.refresh(practice.id)
    assert enrol.freeze_and_enrol(practice.id, campaign_id, NOW).left_out == {"HAS_APPT": 1}
