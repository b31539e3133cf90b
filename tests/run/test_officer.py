"""What a compliance officer or an operator types on a bad day, in a process of its own: one clear sentence, and an exit code that says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.run.conftest import Made
from tests.run.installation import Installation, Told


@dataclass(frozen=True)
class Office:
    """A practice with a group, a text that was handed over, and an evidence pack."""

    place: Installation
    slug: str
    id: int
    address: str
    at: str
    pack: Path

    def tell(self, *words: str) -> Told:
        return self.place.tell(
            *(
                word.format(p=self.slug, pack=self.pack, a=self.address, at=self.at, d=self.pack.parent)
                for word in words
            )
        )

    def held(self) -> bool:
        return bool(self.place.rows(f"SELECT sending_held({self.id})")[0][0])


EVIDENCE = """
from recare.base import audit, db
from recare.practices import practice as practices
from recare.reports import evidence
import json
place = practices.every()[0]
now = practices.clock(place)
group = db.value("INSERT INTO practice_group (name) VALUES ('Lakeside') RETURNING id")
db.run("UPDATE practice SET group_id = %(g)s WHERE id = %(p)s", g=group, p=place.id)
with db.scope(place.id):
    message, patient, address, at = db.tuples("SELECT m.id, m.patient_id, c.address, m.sent_at FROM message m JOIN contact_point c ON c.practice_id = m.practice_id "
        "AND c.id = m.contact_point_id WHERE m.practice_id = %(p)s AND m.sent_at IS NOT NULL AND m.touch_id IS NOT NULL ORDER BY m.id LIMIT 1", p=place.id)[0]
    audit.record(place.id, "ada@example.com", "viewed a list", "segment:1", now, {"rows": 3})
    pack = evidence.build(place.id, evidence.of_patient(place.id, patient), "ada@example.com", now)
print(json.dumps({"address": address, "at": at.astimezone(place.zone).strftime("%Y-%m-%d %H:%M"), "pack": pack}))
"""


@pytest.fixture(scope="module")
def office(twin: Callable[[], Installation], made: Made, tmp_path_factory: pytest.TempPathFactory) -> Office:
    place, folder = twin(), tmp_path_factory.mktemp("officer")
    found: dict[str, Any] = json.loads(place.python(EVIDENCE).splitlines()[-1])
    (folder / "pack.json").write_text(json.dumps(found["pack"]))
    (folder / "changed.json").write_text(json.dumps(found["pack"] | {"asked_by": "somebody else"}))
    (folder / "noise.json").write_bytes(b"\x00\xff not json")
    (folder / "other.json").write_text('{"format": "something"}')
    return Office(
        place, made.practice["slug"], made.practice["id"], found["address"], found["at"], folder / "pack.json"
    )


@pytest.mark.parametrize(
    "words", [(), ("--practice", "{p}"), ("--group", "Lakeside")], ids=["all", "practice", "group"]
)
def test_stop_all_holds_at_once_and_go_on_takes_it_back(office: Office, words: tuple[str, ...]) -> None:
    told = office.tell("stop-all", *words)
    assert told == Told(0, "Nothing is being sent any more. 'recare go-on' with the same options allows it again.\n")
    assert office.held()
    assert office.tell("stop-all", *words).code == 0  # twice is no mistake
    told = office.tell("go-on", *words)
    assert told == Told(0, "Sending is allowed again, as far as no other switch is thrown.\n")
    assert not office.held()
    assert office.tell("audit", "verify").code == 0


def test_go_on_takes_back_only_the_switch_that_it_names(office: Office) -> None:
    office.tell("stop-all")
    office.tell("stop-all", "--practice", "{p}")
    office.tell("go-on")
    assert office.held()
    office.tell("go-on", "--practice", "{p}")
    assert not office.held()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("stop-all", "--practice", "nobody"), 1, "There is no practice 'nobody'. Known practices: "),
        (("stop-all", "--group", "Nowhere"), 1, "There is no group of practices named 'Nowhere'."),
        (("go-on", "--group", "lakeside"), 1, "There is no group of practices named 'lakeside'."),
        (("stop-all", "--group", "Lakeside", "--practice", "{p}"), 2, "Name a group or a practice, not both."),
        (("stop-all", "now"), 2, "unexpected extra argument"),
        (("proof", "{a}", "{at}", "--practice", "nobody"), 1, "There is no practice 'nobody'"),
        (("proof", "not an address", "{at}", "--practice", "{p}"), 1, "This is no telephone number and no e-mail address."),
        (("proof", "{a}", "yesterday", "--practice", "{p}"), 2, "does not match the format"),
        (("proof", "{a}", "{at}"), 2, "Missing option '--practice'"),
        (("audit", "verify", "{d}/nowhere.json"), 2, "does not exist"),
        (("audit", "verify", "{d}"), 2, "is a directory"),
        (("audit", "verify", "{d}/noise.json"), 1, "noise.json cannot be read as JSON"),
        (("audit", "verify", "{d}/other.json"), 1, "other.json is no evidence pack"),
        (("audit", "verify", "{d}/changed.json"), 1, "The pack as a whole was changed"),
        (("audit", "verify", "--against", "{d}/noise.json"), 1, "noise.json cannot be read as JSON"),
        (("audit", "verify", "--against", "{d}/changed.json"), 1, "The pack as a whole was changed"),
        (("restore", "{d}/pack.json"), 1, "this is no backup of Recare"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_mistake_is_told_in_a_sentence_and_stops_nothing(
    office: Office, words: tuple[str, ...], code: int, sentence: str
) -> None:
    told = office.tell(*words)
    assert told.code == code
    assert sentence in told.said
    assert "Traceback" not in told.said
    assert not office.held()


def test_I8_proof_of_a_text_names_its_consent_its_campaign_and_its_rules(office: Office) -> None:  # noqa: N802
    told = office.tell("proof", "{a}", "{at}", "--practice", "{p}")
    assert told.code == 0, told.said
    assert "handed over" in told.said
    for word in (
        "Campaign 'Alpha campaign', version 1",
        "Rule packs read: ",
        "evidence: scan:Alpha",
    ):
        assert word in told.said
    assert "Text shown" in told.said


def test_I8_proof_of_what_was_never_sent_says_so(office: Office) -> None:  # noqa: N802
    told = office.tell("proof", "{a}", "2020-01-01 10:00", "--practice", "{p}")
    assert told == Told(0, "Nothing was handed over to this address within two minutes of then.\n")


def test_sec_06_verify_needs_no_database_for_an_evidence_pack(office: Office) -> None:
    dead = "postgresql://nobody@127.0.0.1:1/none"
    told = office.place.tell("audit", "verify", str(office.pack), DATABASE_URL=dead, DATABASE_OWNER_URL=dead)
    assert told.code == 0, told.said
    assert "nothing was changed. SHA-256 " in told.said


def test_sec_06_verify_against_a_pack_or_a_backup_finds_a_cut_that_hides_itself(office: Office, tmp_path: Path) -> None:
    backup = tmp_path / "noted.backup"
    assert office.tell("backup", str(backup)).code == 0
    for noted in (backup, office.pack):
        assert office.tell("audit", "verify", "--against", str(noted)).code == 0
    with office.place.connect() as owner:
        for table in ("audit_entry", "audit_head", "consent_event", "consent_chain"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute("DELETE FROM opt_in_link")  # one of them names the event that confirmed it
        for entry, end in (("audit_entry", "audit_head"), ("consent_event", "consent_chain")):
            owner.execute(f"DELETE FROM {entry} WHERE practice_id = {office.id} AND seq > 3")
            owner.execute(
                f"UPDATE {end} SET (seq, hash) = (SELECT seq, hash FROM {entry} WHERE practice_id = {office.id} AND seq = 3) "
                f"WHERE practice_id = {office.id}"
            )
    assert office.tell("audit", "verify").code == 0  # it is whole in itself
    told = office.tell("audit", "verify", "--against", str(backup))
    assert told.code == 1
    assert "of the audit trail is missing" in told.said
    assert "consent event" in told.said
    told = office.tell("audit", "verify", "--against", str(office.pack))
    assert told.code == 1
    assert "of the audit trail is missing" in told.said
    assert "consent event" in told.said


def test_doctor_says_when_opt_outs_cannot_be_written_down_outside_the_database(office: Office, tmp_path: Path) -> None:
    assert "Opt-outs on file" in office.tell("doctor").said
    (tmp_path / "file").touch()
    told = office.place.tell("doctor", RECARE_STOPS_DIR=str(tmp_path / "file" / "stops"))
    assert told.code == 1
    assert "BAD  Opt-outs on file" in told.said
    assert "Last backup" in told.said
