"""After a restore nobody is contacted who said no since the backup, and nothing goes out that may have gone out (I5, SEC-06)."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.run.installation import Installation, Told, mode

# A day after the backup, told with the product's own verbs. ``known`` is a number that the backup has, ``fresh`` one it has never seen.
AFTERWARDS = """
from datetime import UTC, date, datetime, timedelta
import json
from recare.base import db
from recare.consent import points, revoke, stops_file
from recare.inbox.receive import Inbound, receive
from recare.patients import changes
from recare.practices import staff
from recare.practices import practice as practices
from tests.factories import insert

place = practices.every()[0]
now = practices.clock(place) + timedelta(hours=1)
with db.scope(place.id):
    known, patient = db.tuples("SELECT c.id, p.patient_id FROM contact_point c JOIN patient_contact p ON p.practice_id = c.practice_id AND "
        "p.contact_point_id = c.id WHERE c.practice_id = %(p)s AND c.kind = 'phone' AND c.sms_out_at IS NULL AND c.held_at IS NULL ORDER BY c.id LIMIT 1", p=place.id)[0]
    others = db.values("SELECT id FROM patient WHERE practice_id = %(p)s AND id <> %(x)s ORDER BY id LIMIT 3", p=place.id, x=patient)
    fresh = points.ensure(place.id, [("phone", "+16305550177"), ("email", "gone@example.com")], now)
    address = db.value("SELECT address FROM contact_point WHERE practice_id = %(p)s AND id = %(c)s", p=place.id, c=known)
    revoke.revoke(place.id, known, revoke.NUMBER, "sms_keyword", "patient", "STOP", "inbound:900", now)
    revoke.revoke(place.id, fresh["phone", "+16305550177"], revoke.NUMBER, "front_desk", "ada@example.com", "asked at the desk", "note", now)
    revoke.complaint(place.id, fresh["email", "gone@example.com"], "provider:1", now)
    db.run("UPDATE patient SET deceased_on = '2027-02-20', status = 'deceased' WHERE practice_id = %(p)s AND id = %(x)s", p=place.id, x=others[0])
    db.run("UPDATE patient SET do_not_contact = true, hold = 'legal' WHERE practice_id = %(p)s AND id = %(x)s", p=place.id, x=others[1])
    insert("dismissal", practice_id=place.id, patient_id=others[2], notice_on=date(2027, 2, 1), ends_on=date(2027, 3, 15), letter_ref="folder 7",
        recorded_by="ada@example.com", recorded_at=now)
    member = db.value("SELECT id FROM membership WHERE practice_id = %(p)s AND role = 'manager'", p=place.id)
    staff.end_membership(place.id, member, "owner", now)
    db.run("DELETE FROM patient_contact WHERE practice_id = %(p)s AND contact_point_id = %(c)s", p=place.id, c=known)
receive(Inbound(place.id, "sandbox", "after-1", "sms", "+16305550178", "", "who are you?"), now)
if CLOCK:
    db.run("UPDATE practice SET clock_at = NULL WHERE id = %(p)s", p=place.id)
    print(stops_file.write_batch(place.id, now), stops_file.write_batch(place.id, now))
print(json.dumps({"practice": place.id, "address": address, "others": others}))
"""

BEFOREHAND = """
from datetime import UTC, datetime
from recare.base import db
from recare.practices import practice as practices, staff
place = practices.every()[0]
with db.scope(place.id):
    staff.create_user("manager@example.com", "correct horse battery", "manager", place.slug, datetime.now(UTC))
    db.run("UPDATE message SET state = 'queued', settled_at = NULL WHERE practice_id = %(p)s AND id = (SELECT min(id) FROM message WHERE practice_id = %(p)s)", p=place.id)
    db.run("UPDATE message SET state = 'sending', settled_at = NULL, claimed_at = now() WHERE practice_id = %(p)s AND id = "
        "(SELECT max(id) FROM message WHERE practice_id = %(p)s)", p=place.id)
    db.run("INSERT INTO django_session (session_key, session_data, expire_date) VALUES ('a', 'b', now() + interval '1 day')")
"""


@dataclass(frozen=True)
class Day:
    """An installation whose backup is a day older than what it holds, and what came in on that day."""

    place: Installation
    file: Path
    told: Told
    facts: dict[str, Any]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask about the practice."""
        return self.place.rows(query.format(p=self.facts["practice"]))


@pytest.fixture(scope="module")
def day(twin: Callable[[], Installation]) -> Day:
    place = twin()
    place.python(BEFOREHAND)
    file = place.home / "yesterday.backup"
    assert place.tell("backup", str(file)).code == 0
    facts = json.loads(place.python(f"CLOCK = False\n{AFTERWARDS}").splitlines()[-1])
    told = place.tell("restore", str(file), "--replace")
    assert told.code == 0, told.said
    return Day(place, file, told, facts)


def test_I5_a_stop_that_is_newer_than_the_backup_stands_after_the_restore(day: Day) -> None:
    address = day.facts["address"]
    ((sms, call),) = day.rows(
        f"SELECT sms_out_at IS NOT NULL, call_out_at IS NOT NULL FROM contact_point WHERE practice_id = {{p}} AND address = '{address}'"
    )
    assert (sms, call) == (True, True)
    carried = day.rows(
        "SELECT type, channel, method, actor, reason, source_system FROM consent_event WHERE practice_id = {p} AND evidence_ref LIKE 'restored:%' "
        "AND channel = 'sms' ORDER BY seq LIMIT 1"
    )
    assert carried == [("revoked", "sms", "sms_keyword", "patient", "STOP", "restore")]


def test_I5_a_stop_from_a_number_that_the_backup_has_never_seen_stands_too(day: Day) -> None:
    assert day.rows(
        "SELECT sms_out_at IS NOT NULL FROM contact_point WHERE practice_id = {p} AND address = '+16305550177'"
    ) == [(True,)]
    assert day.rows(
        "SELECT complained_at IS NOT NULL AND email_out_at IS NOT NULL FROM contact_point WHERE practice_id = {p} AND address = 'gone@example.com'"
    ) == [(True,)]


def test_I5_what_came_in_and_nobody_has_read_holds_its_address_after_the_restore(day: Day) -> None:
    assert day.rows(
        "SELECT i.body, i.applied_at, c.held_at IS NOT NULL, i.raw FROM inbound_event i JOIN contact_point c ON c.practice_id = i.practice_id "
        "AND c.id = i.contact_point_id WHERE i.practice_id = {p} AND i.provider_event_id = 'after-1'"
    ) == [("who are you?", None, True, {"auto_replied": True})]


def test_I5_a_death_a_dismissal_and_a_wish_for_no_contact_outlive_the_restore(day: Day) -> None:
    dead, quiet, dismissed = day.facts["others"]
    people = (
        "SELECT deceased_on IS NOT NULL, status, do_not_contact, hold FROM patient WHERE practice_id = {p} AND id = "
    )
    assert day.rows(f"{people} {dead}")[0][:2] == (True, "deceased")
    assert day.rows(f"{people} {quiet}")[0][2:] == (True, "legal")
    register = (
        f"SELECT letter_ref FROM dismissal WHERE practice_id = {{p}} AND patient_id = {dismissed} AND lifted_at IS NULL"
    )
    assert day.rows(register)[-1] == ("folder 7",)


def test_a_role_that_was_taken_away_is_not_given_back(day: Day) -> None:
    assert day.rows("SELECT ended_at IS NOT NULL FROM membership WHERE practice_id = {p} AND role = 'manager'") == [
        (True,)
    ]


def test_nothing_that_waited_when_the_backup_was_made_goes_out(day: Day) -> None:
    states = dict(day.rows("SELECT state, count(*) FROM message WHERE practice_id = {p} GROUP BY 1"))
    assert "queued" not in states
    assert states["sending"] == 1  # settling asks the provider about it, and never sends
    taken = day.rows("SELECT reasons -> -1 ->> 'code' FROM message WHERE practice_id = {p} AND state = 'cancelled'")
    assert ("RESTORED",) in taken
    unwritten = (
        "SELECT count(*) FROM touch t WHERE t.practice_id = {p} AND t.verdict = 'send' AND t.channel IN ('sms', 'email') AND t.contact_point_id IS NOT NULL "
        "AND NOT EXISTS (SELECT FROM message m WHERE m.practice_id = t.practice_id AND m.touch_id = t.id)"
    )
    assert day.rows(unwritten) == [(0,)]
    paused = "SELECT state, paused_reason LIKE 'the data were restored from the backup of 2%' FROM campaign WHERE practice_id = {p} AND state <> 'draft'"
    assert set(day.rows(paused)) == {("paused", True)}


def test_sessions_of_another_day_are_not_opened_again(day: Day) -> None:
    assert day.rows("SELECT count(*) FROM django_session") == [(0,)]


def test_sec_06_the_chains_are_whole_and_say_that_a_restore_was(day: Day) -> None:
    told = day.place.tell("audit", "verify", "--against", str(day.file))
    assert told.code == 0, told.said
    assert day.rows(
        "SELECT count(*) FROM audit_entry WHERE practice_id IN (0, {p}) AND verb = 'restored a backup'"
    ) == [(2,)]


def test_what_was_there_before_is_kept_and_can_be_restored_itself(day: Day) -> None:
    (kept,) = (day.place.home / "backups").glob("before-restore-*.backup")
    assert mode(kept) == "0o600"
    assert str(kept) in day.told.said
    told = day.place.tell("restore", "--check", str(kept))
    assert told.code == 0, told.said


def test_I5_restoring_a_second_time_adds_no_event_twice(day: Day) -> None:
    carried = "SELECT count(DISTINCT evidence_ref), count(*) FROM consent_event WHERE practice_id = {p} AND evidence_ref LIKE 'restored:%'"
    before = day.rows(carried)
    assert before[0][0] >= 5
    told = day.place.tell("restore", str(day.file), "--replace")
    assert told.code == 0, told.said
    after = day.rows(carried)
    assert after[0][0] == after[0][1] == before[0][0]
    assert day.rows(
        "SELECT sms_out_at IS NOT NULL FROM contact_point WHERE practice_id = {p} AND address = '+16305550177'"
    ) == [(True,)]


def test_a_person_lets_sending_go_on(day: Day) -> None:
    assert day.rows("SELECT sending_held({p})") == [(True,)]
    assert day.place.tell("go-on").code == 0
    assert day.rows("SELECT sending_held({p})") == [(False,)]


@pytest.fixture(scope="module")
def burnt(twin: Callable[[], Installation], installation: Callable[[], Installation]) -> Day:
    """The machine is gone with its database; a backup of yesterday and the folder of opt-outs lie elsewhere."""
    place, new = twin(), installation()
    place.python(BEFOREHAND)
    file = place.home / "yesterday.backup"
    assert place.tell("backup", str(file)).code == 0
    said = place.python(f"CLOCK = True\n{AFTERWARDS}").splitlines()
    wrote, again = map(int, said[0].split())
    assert wrote >= 5
    assert again == 0
    shutil.copytree(place.home / "stops", new.home / "elsewhere")
    told = new.tell(
        "restore", str(file), "--key", str(place.home / "secret.key"), RECARE_STOPS_DIR=str(new.home / "elsewhere")
    )
    assert told.code == 0, told.said
    return Day(new, file, told, json.loads(said[-1]))


def test_I5_opt_outs_on_file_outlive_the_machine(burnt: Day) -> None:
    address = burnt.facts["address"]
    assert burnt.rows(
        f"SELECT sms_out_at IS NOT NULL AND call_out_at IS NOT NULL FROM contact_point WHERE practice_id = {{p}} AND address = '{address}'"
    ) == [(True,)]
    assert burnt.place.tell("audit", "verify").code == 0


def test_I5_an_address_that_only_the_file_knows_is_found_out_when_an_import_brings_it(burnt: Day) -> None:
    code = """
from datetime import UTC, datetime
from recare.base import db
from recare.consent import points
from recare.practices import practice as practices
place = practices.every()[0]
with db.scope(place.id):
    point = points.ensure(place.id, [("phone", "+16305550177")], datetime.now(UTC))["phone", "+16305550177"]
    print(db.value("SELECT sms_out_at IS NOT NULL FROM contact_point WHERE practice_id = %(p)s AND id = %(c)s", p=place.id, c=point))
"""
    assert burnt.place.python(code) == "True"


def test_the_file_of_opt_outs_names_nobody(burnt: Day) -> None:
    (file,) = (burnt.place.home / "elsewhere").glob("*.jsonl")
    text = file.read_text()
    assert mode(file) == "0o600"
    assert "+1" not in text
    assert "@" not in text
    assert len(text.splitlines()) >= 5


ANEW = """
from datetime import UTC, datetime
from recare.base import db
from recare.consent import points, revoke, stops_file
from recare.practices import practice as practices
from recare.practices.practice import create
now = datetime(2028, 1, 1, tzinfo=UTC)
place = create(SLUG, "Maple Dental", "America/Chicago")
with db.scope(place.id):
    made = points.ensure(place.id, [("phone", ADDRESS), ("phone", "+16305550179")], now)
    for point in made.values():
        revoke.revoke(place.id, point, revoke.EVERYTHING, "front_desk", "ada@example.com", "", "note", now)
    db.run("UPDATE contact_point SET held_at = '2028-01-01' WHERE practice_id = %(p)s AND id = %(c)s", p=place.id, c=made["phone", ADDRESS])
    db.run("UPDATE contact_point SET address = '' WHERE practice_id = %(p)s AND id = %(c)s", p=place.id, c=made["phone", "+16305550179"])
stops_file.write_batch(place.id, now)
"""


@pytest.fixture(scope="module")
def anew(twin: Callable[[], Installation], installation: Callable[[], Installation]) -> Day:
    """The machine was gone and its backup not at hand, so the practice was made anew, with a salt of its own; then the backup turned up."""
    place, new = twin(), installation()
    file = place.home / "found.backup"
    assert place.tell("backup", str(file)).code == 0
    ((practice, slug, address),) = place.rows(
        "SELECT p.id, p.slug, (SELECT min(address) FROM contact_point c WHERE c.practice_id = p.id AND kind = 'phone' AND call_out_at IS NULL "
        "AND held_at IS NULL) FROM practice p ORDER BY p.id LIMIT 1"
    )
    assert new.tell("migrate").code == 0
    new.python(f"SLUG, ADDRESS = {slug!r}, {address!r}\n{ANEW}")
    told = new.tell("restore", str(file), "--replace", "--key", str(place.home / "secret.key"))
    assert told.code == 0, told.said
    return Day(new, file, told, {"practice": practice, "address": address, "key": place.home / "secret.key"})


def test_I5_an_opt_out_of_a_practice_made_anew_is_matched_by_its_address(anew: Day) -> None:
    address = anew.facts["address"]
    assert anew.rows(
        "SELECT sms_out_at IS NOT NULL AND email_out_at IS NOT NULL AND call_out_at IS NOT NULL, held_at IS NOT NULL, count(*) OVER () "
        f"FROM contact_point WHERE practice_id = {{p}} AND address = '{address}'"
    ) == [(True, True, 1)]
    assert "Newer than the backup and kept: 1 opt-outs" in anew.told.said


def test_I5_what_cannot_be_matched_is_said_once_for_each(anew: Day) -> None:
    assert "1 opt-outs could not be matched" in anew.told.said
    assert anew.place.tell("audit", "verify").code == 0


def test_I5_a_file_of_opt_outs_with_another_salt_is_not_passed_over_in_silence(
    anew: Day, installation: Callable[[], Installation]
) -> None:
    place = installation()
    shutil.copytree(anew.place.home / "stops", place.home / "stops")
    told = place.tell("restore", str(anew.file), "--key", str(anew.facts["key"]))
    assert told.code == 0, told.said
    assert "2 opt-outs could not be matched" in told.said
