"""What each fact says, case by case."""
# ruff: noqa: FBT001 (a case is yes or no)

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from recare.base import db
from recare.segments import facts
from tests.factories import insert, make_patient, make_point

if TYPE_CHECKING:
    from recare.practices.practice import Practice

TODAY = date(2027, 1, 12)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Chart:
    """One patient's chart under construction."""

    practice: int
    patient: int

    def row(self, table: str, **columns: Any) -> int:
        key = {"source": "test", "source_key": f"K{next(_numbers)}"}
        return insert(table, practice_id=self.practice, patient_id=self.patient, **key, **columns)

    def procedure(self, code: str, day: str | None, status: str = "completed", cents: int = 10_000) -> int:
        return self.row("procedure", code=code, done_on=day, status=status, fee_cents=cents)

    def visit(self, at: str, status: str = "completed", **more: Any) -> int:
        return self.row("appointment", starts_at=at, status=status, **more)

    def recall(self, kind: str, due: str, **more: Any) -> int:
        return self.row("recall", kind=kind, due_on=due, interval_months=6, **more)

    def facts(self, today: date = TODAY) -> facts.Facts:
        facts.rebuild([self.practice])
        return facts.read(self.practice, [self.patient], today)[self.patient]


@pytest.fixture
def chart(practice: Practice) -> Chart:
    return Chart(practice.id, make_patient(practice.id))


def adult(practice_id: int, **more: Any) -> int:
    return make_patient(practice_id, **more)


# --- visits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["planned", "existing", "referred", "condition", "deleted"])
def test_care_that_was_not_done_here_is_no_visit(chart: Chart, status: str) -> None:
    chart.procedure("D2392", "2026-05-04", status)
    assert chart.facts().last_visit_on is None


@pytest.mark.parametrize("code", ["D9986", "D9987", "D9986.1"])
def test_a_tracking_code_is_no_visit_though_it_is_completed(chart: Chart, code: str) -> None:
    chart.procedure("D0120", "2025-02-03")
    chart.procedure(code, "2026-05-04", cents=5_000)
    found = chart.facts()
    assert (found.last_visit_on, found.last_broken_on) == (date(2025, 2, 3), date(2026, 5, 4))
    assert found.production_24m_cents == 10_000


def test_a_past_appointment_that_is_still_scheduled_is_neither_visit_nor_next_visit(chart: Chart) -> None:
    chart.visit("2026-05-04 15:00Z", "scheduled")
    found = chart.facts()
    assert (found.last_visit_on, found.next_visit_at, found.missed_visits) == (None, None, 0)


@pytest.mark.parametrize("status", ["planned", "unscheduled", "broken", "note", "cancelled"])
def test_rows_with_a_date_that_nobody_keeps_are_no_next_visit(chart: Chart, status: str) -> None:
    chart.visit("2027-02-04 15:00Z", status)
    assert chart.facts().next_visit_at is None


def test_the_next_visit_is_the_first_from_today_on(chart: Chart) -> None:
    for day in ("2027-03-01", "2027-01-12", "2027-01-11"):
        chart.visit(f"{day} 15:00Z", "scheduled")
    assert chart.facts().next_visit_on == date(2027, 1, 12)
    assert chart.facts(date(2027, 1, 13)).next_visit_on == date(2027, 3, 1)


def test_a_deleted_appointment_counts_for_nothing(chart: Chart) -> None:
    chart.visit("2026-05-04 15:00Z", "completed", deleted_at=datetime(2026, 6, 1, tzinfo=UTC))
    assert chart.facts().visits == 0


def test_the_day_of_a_visit_is_the_day_at_the_practice(chart: Chart) -> None:
    chart.visit("2026-07-05 03:30Z")  # 22:30 on the fourth in Chicago
    assert chart.facts().last_visit_on == date(2026, 7, 4)


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2026-03-08 05:59Z", date(2026, 3, 7)),  # 23:59 the evening before the clocks go forward
        ("2026-03-09 04:59Z", date(2026, 3, 8)),  # 23:59 in summer time
        ("2026-11-02 05:30Z", date(2026, 11, 1)),  # 23:30 in winter time again
        ("2026-11-01 04:30Z", date(2026, 10, 31)),
        ("1985-07-05 04:30Z", date(1985, 7, 4)),
    ],
)  # fmt: skip
def test_small_hours_around_a_change_of_clocks_fall_on_their_own_day(chart: Chart, at: str, day: date) -> None:
    chart.visit(at)
    assert chart.facts().last_visit_on == day


def test_an_appointment_and_its_procedures_are_one_visit(chart: Chart) -> None:
    chart.visit("2026-05-04 15:00Z", is_hygiene=True)
    chart.procedure("D1110", "2026-05-04")
    chart.procedure("D0120", "2026-05-04")
    found = chart.facts()
    assert (found.visits, found.visits_24m, found.production_24m_cents) == (1, 1, 20_000)


def test_the_two_years_end_with_the_last_visit_and_not_today(chart: Chart) -> None:
    for day in ("2019-05-01", "2018-01-10", "2017-05-01"):
        chart.procedure("D1110", day)
    found = chart.facts()
    assert (found.visits, found.visits_24m, found.production_24m_cents) == (3, 2, 20_000)


def test_a_stated_last_visit_counts_until_the_chart_knows_one(practice: Practice) -> None:
    chart = Chart(practice.id, make_patient(practice.id, last_visit_stated_on=date(2024, 1, 2)))
    assert chart.facts().last_visit_on == date(2024, 1, 2)
    chart.procedure("D0120", "2023-05-05")
    assert chart.facts().last_visit_on == date(2023, 5, 5)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("D0120", "exam"), ("D0274", "images"), ("D0999", "other"), ("D1110", "cleaning"), ("D1206", "prevention"), ("D2740", "restorative"),
     ("D3330", "root_canal"), ("D4341", "perio"), ("D4211", "perio"), ("D5110", "dentures"), ("D6240", "implants_bridges"), ("D7140", "surgery"),
     ("D8080", "orthodontics"), ("D9110", "other"), ("N4321", "other"), ("", "other")],
)  # fmt: skip
def test_codes_fall_into_kinds_of_care_of_our_own(chart: Chart, code: str, kind: str) -> None:
    chart.procedure(code, "2026-05-04")
    assert chart.facts().care_kinds == [kind]


@pytest.mark.parametrize(("code", "hygiene"), [("D1110", True), ("D1120", True), ("D4910", True), ("D4342", True), ("D4355", True),
                                                ("D1206", False), ("D4211", False), ("D2392", False)])  # fmt: skip
def test_cleanings_and_gum_care_are_hygiene_visits(chart: Chart, code: str, hygiene: bool) -> None:
    chart.procedure(code, "2026-05-04")
    assert (chart.facts().last_hygiene_on is not None) is hygiene


def test_a_visit_cancelled_in_time_is_broken_but_not_missed(chart: Chart) -> None:
    chart.visit("2026-05-04 15:00Z", "cancelled")
    chart.visit("2026-04-04 15:00Z", "missed")
    chart.procedure("D9986", "2026-04-04")
    found = chart.facts()
    assert (found.missed_visits, found.last_broken_on) == (1, date(2026, 5, 4))


# --- recall -----------------------------------------------------------------------------------------------------


def test_the_perio_recall_rules_over_the_prophy_even_when_later(chart: Chart) -> None:
    chart.recall("prophy", "2025-01-01")
    chart.recall("perio", "2026-12-12")
    found = chart.facts()
    assert (found.recall_kind, found.recall_due_on, found.overdue_days) == ("perio", date(2026, 12, 12), 31)


def test_a_childs_recall_on_an_adult_is_stale(practice: Practice) -> None:
    chart = Chart(practice.id, make_patient(practice.id, birthdate=date(2008, 6, 1)))
    chart.recall("child", "2026-01-01")
    assert chart.facts(date(2026, 5, 31)).overdue_days == 150
    grown = chart.facts(date(2026, 6, 1))
    assert (grown.recall_kind, grown.recall_due_on, grown.overdue_days, grown.missed_recalls) == ("", None, None, 0)


def test_a_recall_that_is_far_in_the_past_is_found_and_counted(chart: Chart) -> None:
    chart.recall("prophy", "2015-01-01")
    found = chart.facts()
    assert found.overdue_days == (TODAY - date(2015, 1, 1)).days
    assert found.missed_recalls == 25


@pytest.mark.parametrize(
    ("disabled", "until", "due"),
    [(True, None, None), (True, "2027-03-01", date(2027, 3, 1)), (False, "2027-03-01", date(2026, 6, 1))],
)
def test_a_disabled_recall_waits_until_its_day_or_for_ever(
    chart: Chart, disabled: bool, until: str | None, due: date | None
) -> None:
    chart.recall("prophy", "2026-06-01", disabled=disabled, disabled_until=until)
    assert chart.facts().recall_due_on == due


def test_a_hygiene_visit_answers_the_recall_though_the_source_has_not_moved_it_on(chart: Chart) -> None:
    chart.recall("prophy", "2026-06-01")
    chart.procedure("D1110", "2026-11-02")
    assert chart.facts().recall_due_on == date(2027, 5, 4)


@pytest.mark.parametrize("kind", ["bitewing", "pano", "other"])
def test_images_due_are_no_recall_visit(chart: Chart, kind: str) -> None:
    chart.recall(kind, "2026-06-01")
    assert chart.facts().recall_kind == ""


# --- treatment and benefits -------------------------------------------------------------------------------------


def test_treatment_written_twice_counts_once(chart: Chart) -> None:
    chart.row("treatment_plan_item", code="D2740", status="accepted", fee_cents=120_000, planned_on="2026-05-01")
    chart.procedure("D2740", "2026-05-02", "planned", cents=110_000)
    found = chart.facts()
    assert (found.unscheduled_cents, found.unscheduled_items, found.oldest_plan_on) == (120_000, 1, date(2026, 5, 1))


def test_treatment_of_a_booked_visit_is_scheduled(chart: Chart) -> None:
    chart.procedure("D2740", None, "planned", cents=110_000)
    chart.procedure("D3330", None, "planned", cents=90_000)
    chart.visit("2027-02-04 15:00Z", "scheduled", codes=["D2740"])
    assert chart.facts().unscheduled_cents == 90_000


def test_benefits_are_those_of_insurance_and_what_is_left_may_be_unknown(chart: Chart) -> None:
    chart.row(
        "coverage", ordinal=1, payer_class="commercial", renews_month=7, annual_max_cents=150_000, used_cents=160_000
    )
    assert (chart.facts().benefit_left_cents, chart.facts().benefit_renewal_on) == (0, date(2027, 7, 1))
    assert chart.facts(date(2027, 7, 1)).benefit_renewal_on == date(2028, 7, 1)


def test_benefits_of_coverage_that_has_ended_are_none(chart: Chart) -> None:
    chart.row("coverage", payer_class="commercial", renews_month=1, annual_max_cents=150_000, ends_on="2026-12-31")
    assert chart.facts(date(2026, 12, 31)).benefit_left_cents == 150_000
    assert chart.facts().benefit_left_cents is None
    assert chart.facts().benefit_renewal_on is None


def test_the_strictest_payer_counts_for_offers(chart: Chart) -> None:
    chart.row("coverage", ordinal=1, payer_class="commercial")
    chart.row("coverage", ordinal=2, payer_class="medicaid")
    assert chart.facts().payer_class == "medicaid"


# --- reach ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "more", "texted", "called"),
    [
        ("mobile", {}, True, True), ("other", {}, True, True), ("home", {}, False, True), ("work", {}, False, True),
        ("home", {"sms_level": 2}, True, True), ("mobile", {"sms_out_at": "2026-01-01"}, False, True),
        ("mobile", {"call_out_at": "2026-01-01"}, True, False), ("mobile", {"wrong_number_at": "2026-01-01"}, False, False),
        ("mobile", {"complained_at": "2026-01-01"}, False, False), ("mobile", {"sms_incapable_at": "2026-01-01"}, False, True),
        ("mobile", {"reassigned": "yes"}, False, False), ("mobile", {"held_at": "2026-01-01"}, True, True),
    ],
)  # fmt: skip
def test_a_number_is_texted_or_called_as_its_label_and_history_allow(
    chart: Chart, label: str, more: dict[str, Any], texted: bool, called: bool
) -> None:  # fmt: skip
    make_point(chart.practice, chart.patient, label=label, **more)
    found = chart.facts()
    assert (found.sms_point_id is not None, found.call_point_id is not None) == (texted, called)


def test_a_number_with_an_extension_is_called_and_never_texted(chart: Chart) -> None:
    point = make_point(chart.practice, None, sms_level=3)
    insert(
        "patient_contact",
        practice_id=chart.practice,
        patient_id=chart.patient,
        contact_point_id=point,
        label="mobile",
        extension="12",
        source="test",
    )
    found = chart.facts()
    assert (found.sms_point_id, found.call_point_id) == (None, point)


def test_consent_goes_before_the_label_and_the_patients_order(chart: Chart) -> None:
    make_point(chart.practice, chart.patient)
    agreed = make_point(chart.practice, chart.patient, label="other", sms_level=2)
    found = chart.facts()
    assert (found.sms_point_id, found.sms_ok) == (agreed, True)


@pytest.mark.parametrize(
    ("level", "sms", "email", "call"), [(0, False, False, True), (1, False, False, True), (2, True, True, True)]
)
def test_reached_means_with_the_consent_a_recall_message_needs_and_a_number_in_the_chart_may_be_dialled(
    chart: Chart,
    level: int,
    sms: bool,
    email: bool,
    call: bool,
) -> None:
    make_point(chart.practice, chart.patient, sms_level=level, call_level=level)
    make_point(chart.practice, chart.patient, "ada@example.com", email_level=level)
    found = chart.facts()
    assert (found.sms_ok, found.email_ok, found.call_ok) == (sms, email, call)


def test_a_family_may_share_a_number(practice: Practice) -> None:
    first, second = adult(practice.id), adult(practice.id)
    point = make_point(practice.id, first, sms_level=2)
    insert(
        "patient_contact",
        practice_id=practice.id,
        patient_id=second,
        contact_point_id=point,
        label="mobile",
        source="test",
    )
    facts.rebuild([practice.id])
    found = facts.read(practice.id, [first, second], TODAY)
    assert {row.sms_point_id for row in found.values()} == {point}


def test_a_minor_is_reached_through_the_guardian_until_the_birthday(practice: Practice) -> None:
    parent = adult(practice.id)
    child = Chart(practice.id, make_patient(practice.id, birthdate=date(2009, 1, 13), guarantor_id=parent))
    parents = make_point(practice.id, parent, sms_level=2)
    own = make_point(practice.id, child.patient, sms_level=2)
    assert child.facts(date(2027, 1, 12)).sms_point_id == parents
    assert child.facts(date(2027, 1, 13)).sms_point_id == own


@pytest.mark.parametrize("guardian", ["nobody", "minor", "deceased", "self"])
def test_a_minor_without_an_adult_guardian_is_reached_by_nothing(practice: Practice, guardian: str) -> None:
    parent = None
    if guardian in {"minor", "deceased"}:
        more: dict[str, Any] = {"birthdate": date(2012, 1, 1)} if guardian == "minor" else {"status": "deceased"}
        parent = make_patient(practice.id, **more)
    child = Chart(practice.id, make_patient(practice.id, birthdate=date(2015, 1, 1), guarantor_id=parent))
    if guardian == "self":
        db.run(
            "UPDATE patient SET guarantor_id = id WHERE practice_id = %(p)s AND id = %(id)s",
            p=practice.id,
            id=child.patient,
        )
    for person in filter(None, (parent, child.patient)):
        make_point(practice.id, person, sms_level=2)
    found = child.facts()
    assert (found.sms_point_id, found.sms_ok, found.call_point_id) == (None, False, None)


def test_an_unknown_age_is_not_adult_and_goes_to_the_guardian_where_there_is_one(practice: Practice) -> None:
    parent = adult(practice.id)
    chart = Chart(practice.id, make_patient(practice.id, birthdate=None))
    parents = make_point(practice.id, parent, sms_level=2)
    own = make_point(practice.id, chart.patient, sms_level=2)
    found = chart.facts()
    assert (found.age, found.is_adult, found.sms_point_id) == (None, False, own)
    db.run(
        "UPDATE patient SET guarantor_id = %(parent)s WHERE practice_id = %(p)s AND id = %(id)s",
        parent=parent,
        p=practice.id,
        id=chart.patient,
    )
    assert chart.facts().sms_point_id == parents


@pytest.mark.parametrize(
    "more",
    [{"status": "deceased"}, {"status": "archived"}, {"status": "prospective"}, {"status": "deleted"}, {"standing": "moved"}, {"standing": "dismissed"},
     {"standing": "unknown"}, {"hold": "complaint"}, {"deceased_on": date(2026, 1, 1)}, {"dismissed_on": date(2026, 1, 1)}, {"do_not_contact": True},
     {"cannot_schedule": True}, {"paused_until": date(2027, 1, 13)}],
)  # fmt: skip
def test_whom_nobody_may_contact_is_not_contactable(practice: Practice, more: dict[str, Any]) -> None:
    assert not Chart(practice.id, make_patient(practice.id, **more)).facts().contactable


@pytest.mark.parametrize(
    "more", [{}, {"status": "inactive"}, {"standing": "lapsed"}, {"paused_until": date(2027, 1, 12)}]
)
def test_an_inactive_or_lapsed_patient_is_contactable(practice: Practice, more: dict[str, Any]) -> None:
    assert Chart(practice.id, make_patient(practice.id, **more)).facts().contactable


def test_a_merged_chart_stays_out_and_out_of_the_household(practice: Practice) -> None:
    home = insert("household", practice_id=practice.id, key="h")
    kept = adult(practice.id, household_id=home)
    clone = adult(practice.id, household_id=home, merged_into_id=kept)
    facts.rebuild([practice.id])
    found = facts.read(practice.id, [kept, clone], TODAY)
    assert (found[kept].household_size, found[clone].status, found[clone].contactable) == (1, "merged", False)


@pytest.mark.parametrize(("birthdate", "today", "age"), [(date(2008, 2, 29), date(2026, 2, 28), 17), (date(2008, 2, 29), date(2026, 3, 1), 18),
                                                         (date(1980, 5, 17), date(2027, 5, 17), 47)])  # fmt: skip
def test_age_is_that_of_the_day_asked(practice: Practice, birthdate: date, today: date, age: int) -> None:
    assert Chart(practice.id, make_patient(practice.id, birthdate=birthdate)).facts(today).age == age
