"""The synthetic practice, whose truth is known, through the importer that users have."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from recare.base import db
from recare.practices import setup
from recare.rehearsal.practice import Manifest, write_csv
from recare.sources.csv import importer
from tests.conftest import new_practice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from recare.practices.practice import Practice
    from recare.sources.csv.plans import Plan

TODAY = date(2027, 1, 12)
NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)


class Imported:
    """One import of the synthetic practice, shared by the tests that only look."""

    def __init__(self, folder: Path) -> None:
        self.manifest: Manifest = write_csv(folder, TODAY, 7, patients=1200)
        self.folder = folder
        self.practice: Practice = new_practice()
        self.plan: Plan = importer.plan([folder], self.practice, NOW)
        with db.scope(self.practice.id):
            self.after_plan = db.value("SELECT count(*) FROM patient") + db.value("SELECT count(*) FROM sync_run")
        self.done: Plan = importer.write([folder], self.practice, NOW, "test")

    def trap(self, number: int) -> list[str]:
        return [key for trap, key in self.manifest.traps if trap == number]

    def column(self, name: str, key: str) -> Any:
        return self.column_of("patient", name, key)

    def column_of(self, table: str, name: str, key: str) -> Any:
        join = "" if table == "patient" else f"JOIN {table} x ON x.practice_id = p.practice_id AND x.patient_id = p.id"
        where = "p" if table == "patient" else "x"
        with db.scope(self.practice.id):
            return db.value(f"SELECT {where}.{name} FROM patient p {join} WHERE p.source_key = %(key)s", key=key)

    def numbers(self, key: str, label: str) -> list[str]:
        with db.scope(self.practice.id):
            return db.values(
                "SELECT t.address FROM patient p JOIN patient_contact c ON c.practice_id = p.practice_id AND c.patient_id = p.id "
                "JOIN contact_point t ON t.practice_id = c.practice_id AND t.id = c.contact_point_id "
                "WHERE p.source_key = %(key)s AND c.label = %(label)s AND c.ended_at IS NULL ORDER BY c.rank",
                key=key, label=label,
            )  # fmt: skip


@pytest.fixture(scope="module")
def imported(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: Any
) -> Iterator[Imported]:
    from django.db import connections

    with django_db_blocker.unblock():
        yield Imported(tmp_path_factory.mktemp("export"))
        connections.close_all()


def test_the_dry_run_reads_every_row_and_writes_nothing(imported: Imported) -> None:
    assert imported.after_plan == 0
    assert {file.name: file.rows for file in imported.plan.files} == imported.manifest.rows
    assert not imported.plan.refused
    assert [(f.name, f.good, f.rejected, len(f.issues)) for f in imported.plan.files if f.name != "patients.csv"] == [
        (f.name, f.good, f.rejected, len(f.issues)) for f in imported.done.files if f.name != "patients.csv"
    ]


def test_every_row_lands(imported: Imported) -> None:
    tables = {"patients.csv": "patient", "appointments.csv": "appointment", "procedures.csv": "procedure", "recalls.csv": "recall",
              "treatment_plans.csv": "treatment_plan_item", "coverage.csv": "coverage"}  # fmt: skip
    with db.scope(imported.practice.id):
        found = {file: db.value(f"SELECT count(*) FROM {table}") for file, table in tables.items()}
    assert found == imported.manifest.rows


def test_the_day_that_an_import_brings_is_the_day_of_the_visit_in_the_zone_of_the_practice(imported: Imported) -> None:
    with db.scope(imported.practice.id):
        assert db.value("SELECT count(starts_on) FROM appointment") > 1000
        assert not db.values(
            "SELECT id FROM appointment WHERE starts_on <> (starts_at AT TIME ZONE 'America/Chicago')::date"
        )


def test_the_last_completed_visit_of_every_patient_is_the_planted_one(imported: Imported) -> None:
    with db.scope(imported.practice.id):
        found = dict(
            db.tuples(
                "SELECT p.source_key, greatest(p.last_visit_stated_on, (SELECT max((a.starts_at AT TIME ZONE 'America/Chicago')::date) FROM "
                "appointment a WHERE a.practice_id = p.practice_id AND a.patient_id = p.id AND a.status = 'completed'), (SELECT max(c.done_on) "
                "FROM procedure c WHERE c.practice_id = p.practice_id AND c.patient_id = p.id AND c.status = 'completed' "
                "AND left(c.code, 5) NOT IN ('D9986', 'D9987'))) FROM patient p"
            )
        )
    assert found == imported.manifest.last_visits
    assert band_counts(found) == imported.manifest.bands


def band_counts(last: dict[str, date | None]) -> dict[str, int]:
    def band(day: date | None) -> str:
        if day is None:
            return "never"
        days = (TODAY - day).days
        return "active" if days < 182 else "overdue" if days < 365 else "lapsed" if days < 730 else "long_lapsed"

    return dict(Counter(map(band, last.values())))


def test_placeholder_birthdates_are_unknown(imported: Imported) -> None:
    assert {imported.column("birthdate", key) for key in imported.trap(1) + imported.trap(2)} == {None}


def test_a_reference_to_nobody_is_none(imported: Imported) -> None:
    (key,) = imported.trap(3)
    assert imported.column("guarantor_id", key) is None
    assert imported.column("provider_id", key) is None


def test_two_in_the_text_column_is_a_recorded_no(imported: Imported) -> None:
    (key,) = imported.trap(5)
    with db.scope(imported.practice.id):
        events = db.tuples(
            "SELECT e.type, e.channel, e.method FROM consent_event e JOIN patient p ON p.practice_id = e.practice_id AND p.id = e.person_id "
            "WHERE p.source_key = %(key)s AND e.channel = 'sms'",
            key=key,
        )
    assert set(events) == {("revoked", "sms", "import")}


def test_an_imported_yes_is_never_more_than_a_number_given(imported: Imported) -> None:
    with db.scope(imported.practice.id):
        assert db.value("SELECT max(level) FROM consent_event WHERE type = 'granted'") == 1
        assert db.value("SELECT max(greatest(sms_level, email_level, call_level)) FROM contact_point") == 1
        said_no = "sms_out_at IS NOT NULL AND sms_level > 0"
        assert (
            db.value(f"SELECT count(*) FROM contact_point WHERE {said_no} AND consent_event_id > revoked_event_id") == 0
        )


def test_booleans_in_every_dress_are_premed(imported: Imported) -> None:
    assert {imported.column("premed", key) for key in imported.trap(11)} == {True}


def test_null_words_are_empty(imported: Imported) -> None:
    (key,) = imported.trap(12)
    assert (imported.column("preferred_name", key), imported.column("middle_name", key)) == ("", "")


def test_archived_is_merged_moved_or_dismissed_by_its_note(imported: Imported) -> None:
    merged, moved, dismissed = imported.trap(14)
    assert [imported.column("standing", key) for key in (merged, moved, dismissed)] == ["merged", "moved", "dismissed"]
    assert imported.column("merged_into_id", merged) == imported.column("id", "10001")
    assert imported.column("dismissed_on", dismissed) == TODAY


def test_deleted_and_deceased_are_never_ordinary(imported: Imported) -> None:
    assert [imported.column("standing", key) for key in imported.trap(15)] == ["gone"]
    assert [imported.column("standing", key) for key in imported.trap(16)] == ["deceased", "deceased"]
    assert [imported.column("status", key) for key in imported.trap(16)] == ["deceased", "deceased"]


def test_inactive_by_hand_is_only_lapsed(imported: Imported) -> None:
    assert [imported.column("standing", key) for key in imported.trap(17)] == ["lapsed"]


def test_a_work_number_in_the_mobile_field_is_one_point_under_two_labels(imported: Imported) -> None:
    work, home = imported.trap(30)
    assert imported.numbers(work, "work") == imported.numbers(work, "mobile") != []
    assert imported.numbers(home, "home") == imported.numbers(home, "mobile") != []


def test_words_and_two_numbers_in_the_phone_field(imported: Imported) -> None:
    mom, cell, two = imported.trap(31)
    assert imported.numbers(mom, "mobile") == ["+12125550142"]
    assert imported.numbers(cell, "mobile") == []
    assert imported.numbers(two, "mobile") == ["+16305550177", "+16305550178"]


def test_placeholder_numbers_and_addresses_reach_nobody(imported: Imported) -> None:
    assert [imported.numbers(key, "mobile") for key in imported.trap(32)] == [[], [], []]
    several, none, cut = imported.trap(33)
    assert imported.numbers(several, "email") == ["first.choice@example.org", "second.choice@example.com"]
    assert imported.numbers(none, "email") == []
    assert imported.numbers(cut, "email") == [
        "pat.overmarsh.long.address@example.org",
        "mom.overmarsh.long.address@example.org",
    ]


def test_do_not_call_bans_calls_and_see_notes_holds(imported: Imported) -> None:
    no_calls, see_notes = imported.trap(34)
    assert imported.column("banned_channels", no_calls) == ["call"]
    assert (imported.column("hold", see_notes), imported.column("hold_since", see_notes)) == ("read_note", NOW)


def test_refusals_hidden_in_notes_hold_and_ask_a_person_once(imported: Imported) -> None:
    (key,) = imported.trap(35)
    assert imported.column("hold", key) == "read_note"
    assert imported.column("note_flags", key) == ["no_email", "no_text", "upset"]
    with db.scope(imported.practice.id):
        tasks = db.values(
            "SELECT t.kind FROM task t JOIN patient p ON p.id = t.patient_id WHERE p.source_key = %(key)s", key=key
        )
    assert tasks == ["read_note"]


def test_languages_collections_and_zip_codes(imported: Imported) -> None:
    assert [imported.column("language", key) for key in imported.trap(36)] == ["es", "es", "es"]
    assert [imported.column("standing", key) for key in imported.trap(38)] == ["bad_debt"]
    zip_code, name, *_ = imported.trap(49)
    assert (imported.column("zip", zip_code), imported.column("first_name", name)) == ("02139", "Renée")


def test_what_was_not_done_here_is_no_completed_procedure(imported: Imported) -> None:
    recent = TODAY - timedelta(days=30)
    with db.scope(imported.practice.id):
        found = db.tuples(
            "SELECT c.status, c.code FROM procedure c JOIN patient p ON p.practice_id = c.practice_id AND p.id = c.patient_id "
            "WHERE p.source_key = ANY(%(keys)s) AND c.done_on > %(recent)s - 5",
            keys=imported.trap(7) + imported.trap(8), recent=recent,
        )  # fmt: skip
    assert {status for status, _ in found} == {"deleted", "existing"}


def test_rows_that_hold_no_chair_are_no_future_visits(imported: Imported) -> None:
    with db.scope(imported.practice.id):
        found = db.tuples(
            "SELECT a.status, a.starts_at IS NULL FROM appointment a JOIN patient p ON p.practice_id = a.practice_id AND p.id = a.patient_id "
            "WHERE p.source_key = ANY(%(keys)s) AND (a.starts_at > %(now)s OR a.starts_at IS NULL)",
            keys=imported.trap(19), now=NOW,
        )  # fmt: skip
        asap = db.value(
            "SELECT count(*) FROM appointment a JOIN patient p ON p.practice_id = a.practice_id AND p.id = a.patient_id "
            "WHERE p.source_key = ANY(%(keys)s) AND a.status = 'scheduled' AND a.starts_at > %(now)s",
            keys=imported.trap(20), now=NOW,
        )  # fmt: skip
    assert "scheduled" not in {status for status, _ in found}
    assert all(undated for status, undated in found if status in {"planned", "unscheduled"})
    assert asap >= 1


def test_packed_and_odd_intervals(imported: Imported) -> None:
    packed, odd = imported.trap(6)
    with db.scope(imported.practice.id):
        found = db.tuples(
            "SELECT p.source_key, r.interval_months, r.interval_days FROM recall r JOIN patient p ON p.practice_id = r.practice_id "
            "AND p.id = r.patient_id WHERE p.source_key = ANY(%(keys)s) AND r.kind = 'prophy'",
            keys=[packed, odd],
        )
    assert set(found) == {(packed, 6, 0), (odd, 6, 1)}


def test_minors_keep_guardian_and_guarantor_apart(imported: Imported) -> None:
    with_guardian, without, nobody, _ = imported.trap(26)
    assert imported.column("guardian_id", with_guardian) is not None
    assert imported.column("guardian_id", without) is None
    assert imported.column("guarantor_id", without) is not None
    assert (imported.column("guardian_id", nobody), imported.column("guarantor_id", nobody)) == (None, None)
    divorced, _ = imported.trap(28)
    assert imported.column("note_flags", divorced) == ["custody"]


def test_families_and_shared_numbers_are_one_household(imported: Imported) -> None:
    with db.scope(imported.practice.id):
        split = db.value(
            "SELECT count(*) FROM patient p JOIN patient g ON g.practice_id = p.practice_id AND g.id = p.guarantor_id "
            "WHERE p.household_id IS DISTINCT FROM g.household_id"
        )
        shared = db.value(
            "SELECT count(*) FROM (SELECT c.contact_point_id FROM patient_contact c JOIN contact_point t ON t.practice_id = c.practice_id AND "
            "t.id = c.contact_point_id AND t.kind = 'phone' JOIN patient p ON p.practice_id = c.practice_id AND p.id = c.patient_id "
            "WHERE c.label <> 'work' GROUP BY 1 HAVING count(DISTINCT p.household_id) > 1 AND count(DISTINCT p.id) <= 8) AS apart"
        )
    assert (split, shared) == (0, 0)


def test_two_charts_of_one_person_become_a_question(imported: Imported) -> None:
    with db.scope(imported.practice.id):
        found = db.tuples(
            "SELECT a.source_key, b.source_key, (t.detail->>'same_last_name')::boolean FROM task t JOIN patient a ON a.practice_id = "
            "t.practice_id AND a.id = t.patient_id JOIN patient b ON b.practice_id = t.practice_id AND b.id = (t.detail->>'other')::bigint "
            "WHERE t.kind = 'duplicate'"
        )
    assert {(*imported.trap(27), True), (*imported.trap(29), False)} <= set(found)


def test_minus_one_dollar_is_no_amount_and_benefits_renew_in_july(imported: Imported) -> None:
    (minus,), (july,) = imported.trap(4), imported.trap(40)
    assert imported.column_of("coverage", "annual_max_cents", minus) is None
    assert [
        imported.column_of("coverage", name, july) for name in ("renews_month", "annual_max_cents", "used_cents")
    ] == [7, 150_000, 60_000]


def test_visits_in_the_hour_that_does_not_exist_and_in_the_one_that_comes_twice_are_kept(imported: Imported) -> None:
    with db.scope(imported.practice.id):
        found = db.values(
            "SELECT a.starts_at FROM appointment a JOIN patient p ON p.practice_id = a.practice_id AND p.id = a.patient_id "
            "WHERE p.source_key = ANY(%(keys)s) AND extract(hour FROM a.starts_at AT TIME ZONE 'America/Chicago') < 5",
            keys=imported.trap(41),
        )
    assert len(found) == 2


def test_chairs_providers_and_hours_come_from_the_practices_own_file(imported: Imported) -> None:
    spec = setup.read_practice_yaml(imported.folder / "practice.yaml")
    with db.scope(imported.practice.id):
        chairs = db.tuples(
            "SELECT o.source_key, o.is_hygiene, o.bookable, v.source_key FROM operatory o LEFT JOIN provider v ON v.practice_id = o.practice_id "
            "AND v.id = o.provider_id ORDER BY o.position"
        )
        hygiene = db.values(
            "SELECT DISTINCT is_hygiene FROM appointment WHERE codes && ARRAY['D1110', 'D1120', 'D4910']"
        )
        unknown = db.value("SELECT count(*) FROM provider WHERE name = source_key")
        assert setup.apply(imported.practice.id, spec) == 0
    assert chairs == [(chair.id, chair.hygiene, chair.bookable, chair.provider) for chair in spec.operatories]
    assert (unknown, hygiene) == (0, [True])


def test_the_fix_list_names_places_and_never_values(imported: Imported) -> None:
    with db.scope(imported.practice.id):
        found = db.tuples(
            "SELECT file, row_number, column_name, value_kind, rule, advice FROM import_issue WHERE resolved_at IS NULL"
        )
        counts = db.value("SELECT counts FROM sync_run")
    assert {rule for *_, rule, _ in found} == {
        "phone_without_area_code",
        "phone_unreadable",
        "birthdate_implausible",
        "consent_conflict",
    }
    assert all(file == "patients.csv" and row and advice for file, row, _, _, _, advice in found)
    assert counts["patients added"] == imported.manifest.rows["patients.csv"]


def test_every_patient_is_marked_for_its_facts(imported: Imported) -> None:
    with db.scope(imported.practice.id):
        assert db.value("SELECT count(*) FROM patient_change") == imported.manifest.rows["patients.csv"]
