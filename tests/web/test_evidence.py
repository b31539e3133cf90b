"""Why was this number texted at 14:02? The pack says it, and a stranger can check it without the database."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from recare.base import audit, db
from recare.calls import outcomes
from recare.calls.outcomes import Ended
from recare.consent import ledger
from recare.consent.event import NewEvent
from recare.practices import practice as practices
from recare.practices import staff
from recare.practices.practice import Practice
from recare.reports import evidence, evidence_check, evidence_pdf
from recare.run import verify
from tests.inbox import people
from tests.inbox.people import Person

SignIn = Callable[..., Client]
_LINK = "https://go.example.com/p/book/AbCdEfGhIjKlMnOpQrStUvWxYz012345"


@pytest.fixture
def practice(practice: Practice, now: datetime) -> Practice:
    practices.set_clock(practice.id, now)
    return practice


@pytest.fixture
def person(practice: Practice, now: datetime) -> Person:
    """Somebody with a consent, a text, an answer, a call and a stop."""
    found = people.texted(people.make_case(practice.id), body_text=f"Maple Dental: Hi. Book: {_LINK}")
    given = NewEvent(found.point, "sms", "granted", "paper", level=2, effective_at=now.replace(year=2025), person_id=found.patient, exact_text="I agree to texts.")  # fmt: skip
    [event] = ledger.append(practice.id, [given], now)
    reasons = [{"code": "CLS_R", "rule": "CLS-01", "pack": "us-federal 2026.1", "words": "A recall."}]
    db.run(
        "UPDATE touch SET consent_event_id = %(e)s, reasons = %(r)s WHERE practice_id = %(p)s AND patient_id = %(i)s AND step = 0",
        e=event, r=db.json(reasons), p=practice.id, i=found.patient,
    )  # fmt: skip
    db.run("UPDATE message SET consent_event_id = %(e)s WHERE practice_id = %(p)s AND patient_id = %(i)s AND state = 'sent'", e=event, p=practice.id, i=found.patient)  # fmt: skip
    outcomes.log(practice.id, found.patient, found.point, Ended("left_message"), "dana@example.com", now)
    people.writes(found, "STOP", now)
    people.read(found, now)
    return found


@pytest.fixture
def sign_in(practice: Practice, now: datetime, settings: Settings) -> SignIn:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # slow hashes are tested at the door

    def signed(role: str = "owner") -> Client:
        email, client = f"{role}-{practice.slug}@example.com", Client()
        staff.create_user(email, "correct horse battery", role, practice.slug, now)
        client.post("/sign-in/", {"email": email, "password": "correct horse battery"})
        return client

    return signed


def pack_of(person: Person, now: datetime) -> dict[str, Any]:
    subject = evidence.of_patient(person.practice_id, person.patient)
    assert subject is not None
    return evidence.build(person.practice_id, subject, "olga@example.com", now)


def of_kind(pack: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [record["content"] for record in pack["records"] if record["kind"] == kind]


def saved(folder: Path, pack: dict[str, Any]) -> Path:
    path = folder / "evidence.json"
    path.write_text(evidence_pdf.as_json(pack), "utf-8")
    return path


def test_HIP_08_a_pack_holds_each_message_with_its_consent_rules_and_what_followed(  # noqa: N802
    person: Person, now: datetime
) -> None:
    pack = pack_of(person, now)
    assert pack["counts"] == {
        "message": 2 + 1,
        "decision": 2,
        "enrolment": 1,
        "inbound": 1,
        "call": 1,
        "consent_event": 4,
    }
    sent = next(message for message in of_kind(pack, "message") if message["state"] == "sent")
    decision = next(one for one in of_kind(pack, "decision") if one["id"] == sent["decision"])
    assert decision["reasons"][0]["pack"] == "us-federal 2026.1"
    consent = next(one for one in of_kind(pack, "consent_event") if one["seq"] == sent["consent_seq"])
    assert consent["exact_text"] == "I agree to texts."
    assert sent["text_sha256"] == hashlib.sha256(f"Maple Dental: Hi. Book: {_LINK}".encode()).hexdigest()
    assert _LINK not in json.dumps(pack)  # whoever reads the pack must not act as the patient
    assert {one["type"] for one in of_kind(pack, "consent_event")} == {"granted", "revoked"}
    assert of_kind(pack, "inbound")[0]["understood_as"] == "stop"


def test_i8_a_pack_about_a_number_holds_everybody_it_stood_for_and_one_about_a_patient_only_theirs(
    person: Person, now: datetime
) -> None:
    other = people.texted(people.make_case(person.practice_id))
    subject = evidence.of_point(person.practice_id, person.point)
    assert subject is not None
    by_number = evidence.build(person.practice_id, subject, "olga@example.com", now)
    assert {one["contact_point"] for one in of_kind(by_number, "message")} == {person.point}
    assert {one["patient"] for one in of_kind(pack_of(person, now), "message")} == {person.patient}
    assert len(of_kind(pack_of(other, now), "message")) == 2
    assert evidence.of_point(person.practice_id, 0) is None
    assert evidence.of_patient(person.practice_id, 0) is None


def test_i8_a_pack_is_checked_in_another_process_without_any_database(
    person: Person, now: datetime, tmp_path: Path
) -> None:
    path = saved(tmp_path, pack_of(person, now))
    run = subprocess.run(
        [sys.executable, "-m", "recare", "audit", "verify", str(path)], capture_output=True, text=True, check=False,
        env={"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "PATH": "/usr/bin:/bin", "RECARE_HOME": str(tmp_path / "none")},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "nothing was changed" in run.stdout
    path.write_text(path.read_text("utf-8").replace("I agree to texts.", "I agree to calls."), "utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "recare", "audit", "verify", str(path)], capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert run.returncode == 1
    assert "was changed" in run.stderr


def _first(pack: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(record for record in pack["records"] if record["kind"] == kind)


def _reseal(pack: dict[str, Any]) -> None:
    """What a forger would do who knows the format."""
    for record in pack["records"]:
        record["sha256"] = evidence_check.digest(record["content"])
    pack["sha256"] = evidence_check.digest({key: value for key, value in pack.items() if key != "sha256"})


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (lambda pack: _first(pack, "message")["content"].update(text="Hello"), "Record"),
        (lambda pack: pack["records"].pop(), "as a whole"),
        (lambda pack: pack["records"].reverse(), "as a whole"),
        (lambda pack: pack["about"].update(name="Somebody Else"), "as a whole"),
        (lambda pack: pack.update(asked_by="nobody"), "as a whole"),
        (lambda pack: _first(pack, "call").pop("content"), "has no content"),
        (lambda pack: pack.update(records="none"), "no list of records"),
        (lambda pack: pack.pop("sha256"), "as a whole"),
    ],
)
def test_whatever_is_changed_in_a_pack_is_named(
    forge: Callable[[dict[str, Any]], Any], said: str, person: Person, now: datetime
) -> None:
    pack = json.loads(evidence_pdf.as_json(pack_of(person, now)))
    assert evidence_check.check(pack).problems == ()
    forge(pack)
    assert any(said in problem for problem in evidence_check.check(pack).problems)


def test_a_forger_who_hashes_anew_still_breaks_the_ledger(person: Person, now: datetime) -> None:
    pack = json.loads(evidence_pdf.as_json(pack_of(person, now)))
    _first(pack, "consent_event")["content"]["level"] = 3
    _reseal(pack)
    problems = evidence_check.check(pack).problems
    assert len(problems) == 1
    assert "does not fit its place in the consent ledger" in problems[0]


def test_the_canonical_form_in_the_pack_is_enough_to_check_it_with_other_tools(person: Person, now: datetime) -> None:
    """The words of the pack, followed without our code."""
    pack = json.loads(evidence_pdf.as_json(pack_of(person, now)))

    def canonical(value: Any) -> bytes:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    stated = pack.pop("sha256")
    assert hashlib.sha256(canonical(pack)).hexdigest() == stated
    for record in pack["records"]:
        assert hashlib.sha256(canonical(record["content"])).hexdigest() == record["sha256"]
        if record["kind"] == "consent_event":
            assert (
                hashlib.sha256(bytes.fromhex(record["prev_hash"]) + canonical(record["content"])).hexdigest()
                == record["hash"]
            )


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", '{"format": "other"}', '{"format": "a", "format": "recare-evidence-1"}', "\udcff"]
)
def test_what_is_no_pack_is_refused_in_a_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"x\.json"):
        evidence_check.check_file(path)


def test_the_pdf_carries_the_very_json_and_reads_no_markup_from_it(person: Person, now: datetime) -> None:
    db.run("UPDATE patient SET first_name = '#panic(\"x\") *Ada* \\ $1$' WHERE practice_id = %(p)s AND id = %(i)s", p=person.practice_id, i=person.patient)  # fmt: skip
    made = evidence_pdf.pdf(pack_of(person, now))
    assert made.startswith(b"%PDF-")
    assert b"evidence.json" in made


def test_an_export_is_on_the_trail_with_the_hash_of_what_left(person: Person, sign_in: SignIn) -> None:
    client = sign_in()
    answer = client.get(f"/patients/{person.patient}/evidence.json")
    pack = json.loads(answer.content)
    assert evidence_check.check(pack).problems == ()
    [(who, detail)] = db.tuples("SELECT actor, detail FROM audit_entry WHERE practice_id = %(p)s AND verb = 'exported evidence'", p=person.practice_id)  # fmt: skip
    assert who.startswith("owner-")
    assert detail["sha256"] == pack["sha256"]
    assert client.get(f"/patients/{person.patient}/evidence.pdf")["Content-Type"] == "application/pdf"
    assert client.get(f"/evidence/?point={person.point}&format=pdf").content.startswith(b"%PDF-")
    for missing in ("/patients/999999/evidence.json", f"/patients/{person.patient}/evidence.exe", "/evidence/?point=x"):
        assert client.get(missing).status_code == 404, missing


@pytest.mark.parametrize("role", ["front_desk", "clinician"])
def test_who_may_not_export_is_told_so(role: str, person: Person, sign_in: SignIn) -> None:
    client = sign_in(role)
    assert client.get(f"/patients/{person.patient}/evidence.json").status_code == 403
    assert client.get(f"/evidence/?point={person.point}").status_code == 403
    assert client.get("/settings/audit/").status_code == 403


def test_SEC_05_every_chain_is_walked_and_the_first_broken_entry_named(  # noqa: N802
    person: Person, practice: Practice, now: datetime
) -> None:
    audit.record(practice.id, "olga@example.com", "approved", "template:1", now)
    assert [problem for problem in verify.verify_all() if f"Practice {practice.id}:" in problem] == []
    forged = audit.Entry(practice.id, 999, now, "x", "y", "", {}, bytes(32), bytes(32))
    db.run(
        "INSERT INTO audit_entry (practice_id, seq, at, actor, verb, prev_hash, hash) VALUES (%(p)s, 999, %(n)s, 'x', 'y', %(h)s, %(h)s)",
        p=practice.id, n=now, h=forged.prev_hash,
    )  # fmt: skip
    found = [problem for problem in verify.verify_all() if f"Practice {practice.id}:" in problem]
    assert len(found) == 1
    assert "entry 2 of the audit trail is missing; the next one there is 999" in found[0]


def test_the_trail_is_searched_by_person_verb_record_and_day(
    practice: Practice, sign_in: SignIn, now: datetime
) -> None:
    audit.record(practice.id, "dana@example.com", "viewed a patient", "patient:7", now)
    audit.record(practice.id, "evan@example.com", "viewed a patient", "patient:77", now)
    audit.record(practice.id, "dana@example.com", "sent", "message:7", now.replace(day=14, hour=5, minute=59))
    client = sign_in("auditor")

    def lines(**search: str) -> list[str]:
        page = client.get("/settings/audit/", search).content.decode()
        return re.findall(r">(patient:\d+|message:\d+)<", page)

    assert lines() == ["message:7", "patient:77", "patient:7"]
    assert lines(actor="DANA") == ["message:7", "patient:7"]
    assert lines(verb="viewed") == ["patient:77", "patient:7"]
    assert lines(object="patient:7") == ["patient:7"]
    assert lines(**{"from": "2027-01-13", "to": "2027-01-13"}) == ["message:7"]  # 11:59 pm in Chicago
    assert lines(**{"from": "2027-01-14"}) == []
    assert lines(actor="%") == []
    assert client.get("/settings/audit/", {"from": "soon", "before": "x", "actor": "\x00"}).status_code == 200


def test_the_trail_is_paged_without_losing_or_repeating_an_entry(
    practice: Practice, sign_in: SignIn, now: datetime
) -> None:
    for number in range(120):
        audit.record(practice.id, "dana@example.com", "viewed a patient", f"patient:{number}", now)
    client, seen, url = sign_in("owner"), [], "/settings/audit/?verb=viewed+a"
    while url:
        page = client.get(url).content.decode()
        seen += re.findall(r">patient:(\d+)<", page)
        more = re.search(r'href="([^"]+)">More<', page)
        url = f"/settings/audit/{more[1].replace('&amp;', '&')}" if more else ""
    assert seen == [str(number) for number in reversed(range(120))]
