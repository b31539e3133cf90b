"""A small office and its people, for whole ways through the product: exports are imported, time passes, patients answer."""

from __future__ import annotations

import csv
import itertools
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from recare.base import db
from recare.campaigns import campaign, enrol, why
from recare.consent import grant
from recare.consent.event import Channel
from recare.inbox.receive import Inbound, receive
from recare.jobs import engine
from recare.messages import templates
from recare.practices import practice as practices
from recare.practices import setup
from recare.practices.practice import Practice
from recare.segments import segment
from recare.sources.csv import importer
from tests.bookings.clinic import make_clinic

PLAN: Final[dict[str, Any]] = {
    "name": "Come back",
    "purpose": "check_up",
    "why": "Half an hour now keeps small things small.",
    "remuneration": "none",
    "segment": "long_lapsed",
    "hold_out": 0,
    "steps": [
        {"channel": "sms", "template": "winback_text"},
        {"channel": "email", "template": "winback", "wait_days": 14},
        {"channel": "call", "template": "winback_call", "wait_days": 14},
    ],
}
_WORDS: Final = ("winback", "winback_text", "winback_call", "opt_out_confirmation", "help_reply")
_PATIENT: Final = (
    "Patient ID",
    "Last Name",
    "First Name",
    "Birthdate",
    "Status",
    "Guarantor",
    "Cell Phone",
    "Email",
    "State",
    "Zip",
    "Merged Into",
)
_VISIT: Final = ("Appointment ID", "Patient ID", "Start", "Length", "Status")
_numbers: Final = itertools.count(1)


def phone(number: int) -> str:
    """A number out of the range kept for fiction, as a front desk types it."""
    return f"(630) 555-01{number:02d}"


@dataclass
class Office:
    """What the practice system would export now (``patients``, ``visits``: rows by key), and the product beside it."""

    practice: Practice
    folder: Path
    patients: dict[str, dict[str, str]] = field(default_factory=dict)
    visits: dict[str, dict[str, str]] = field(default_factory=dict)

    def person(self, key: str, number: int | None = None, **more: str) -> None:
        """Add an adult who was last seen three years ago, with a mobile number and an e-mail address."""
        row = {
            "Patient ID": key, "Last Name": f"Example{key}", "First Name": "Ada", "Birthdate": "05/17/1980", "Status": "Active",
            "Guarantor": key, "Cell Phone": phone(number or int(key)), "Email": f"p{key}@example.com", "State": "IL", "Zip": "60540",
        }  # fmt: skip
        self.patients[key] = row | more
        self.visit(key, "01/08/2024 9:00 AM", "Completed")

    def visit(self, key: str, start: str, status: str) -> str:
        """Add a visit as the practice system has it and return its number there."""
        number = f"V{len(self.visits) + 1}"
        self.visits[number] = {
            "Appointment ID": number,
            "Patient ID": key,
            "Start": start,
            "Length": "60",
            "Status": status,
        }
        return number

    def sync(self, at: datetime) -> None:
        """Export everything and import it, as the office does every day."""
        self._write("patients.csv", _PATIENT, self.patients)
        self._write("appointments.csv", _VISIT, self.visits)
        practices.set_clock(self.practice.id, at)
        done = importer.write([self.folder], self.practice, at, "test")
        assert not done.refused
        assert [(file.kind, file.rejected) for file in done.files] == [("appointments", 0), ("patients", 0)]

    def _write(self, name: str, header: tuple[str, ...], rows: dict[str, dict[str, str]]) -> None:
        with (self.folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, header, restval="")
            writer.writeheader()
            writer.writerows(rows.values())

    def agree(self, at: datetime, channels: tuple[Channel, ...] = ("sms", "email", "call")) -> None:
        """Everybody has signed the form at the front desk, once for each number or address they hold."""
        held = self.tuples(
            "SELECT c.patient_id, c.contact_point_id, p.kind FROM patient_contact c JOIN contact_point p ON p.practice_id = c.practice_id "
            "AND p.id = c.contact_point_id WHERE c.practice_id = %(p)s AND c.ended_at IS NULL ORDER BY 1, 2"
        )
        with db.scope(self.practice.id):
            for patient, point, kind in held:
                paper = grant.Evidence(
                    "paper", f"scan:{patient}", "I agree to be written to about my visits.", person_id=patient
                )
                for channel in channels:
                    if (channel == "email") == (kind == "email"):
                        grant.grant(self.practice.id, point, channel, 2, paper, at)
            db.run(
                "UPDATE contact_point SET last_confirmed_on = %(day)s WHERE practice_id = %(p)s",
                p=self.practice.id,
                day=at.date(),
            )

    def launch(self, at: datetime, **changes: Any) -> enrol.Enrolled:
        """Publish the plan and enrol whoever the segment has."""
        engine.step(self.practice.id, at)
        with db.scope(self.practice.id):
            made = campaign.create(
                self.practice.id, "Come back", yaml.safe_dump(PLAN | changes, sort_keys=False), "owner", at
            )
            campaign.publish(self.practice.id, made, "owner", at)
            return enrol.freeze_and_enrol(self.practice.id, made, at)

    def step(self, at: datetime) -> dict[str, int]:
        """Let the engine work once at an instant."""
        practices.set_clock(self.practice.id, at)
        return engine.step(self.practice.id, at)

    def until(self, stage: str, at: datetime) -> None:
        """Let the engine work up to a stage, but not do it: what happens next comes between."""
        practices.set_clock(self.practice.id, at)
        for each in engine.STAGES:
            if each.name == stage:
                return
            while each.batch(self.practice.id, at) and each.again:
                pass

    def says(self, key: str, words: str, at: datetime) -> None:
        """The patient answers a text."""
        with db.scope(self.practice.id):
            receive(
                Inbound(
                    self.practice.id,
                    "sandbox",
                    f"in-{next(_numbers)}",
                    "sms",
                    self.number(key),
                    self.practice.phone,
                    words,
                ),
                at,
            )

    def number(self, key: str) -> str:
        return "+1" + re.sub(r"\D", "", self.patients[key]["Cell Phone"])

    def got(self, key: str) -> list[tuple[str, str]]:
        """(channel, words) of everything that has reached the patient's phone and mailbox."""
        return self.tuples(
            "SELECT channel, body_text FROM sandbox_delivery WHERE practice_id = %(p)s AND recipient = ANY(%(to)s) ORDER BY id",
            to=[self.number(key), self.patients[key]["Email"]],
        )

    def channels(self, key: str) -> list[str]:
        return [channel for channel, _ in self.got(key)]

    def link(self, key: str, purpose: str) -> str:
        """The path of the newest link of this purpose that has reached the patient."""
        found = re.findall(rf"https?://[^/\s]+(/p/{purpose}/[\w-]+)", "\n".join(words for _, words in self.got(key)))
        return str(found[-1])

    def enrolment(self, key: str) -> tuple[str, str]:
        """(state, why it stopped)."""
        [found] = self.tuples(
            "SELECT e.state, e.stop_reason FROM enrolment e JOIN patient p ON p.practice_id = e.practice_id AND p.id = e.patient_id "
            "WHERE e.practice_id = %(p)s AND p.source_key = %(key)s",
            key=key,
        )
        return found[0], found[1]

    def messages(self, key: str) -> list[tuple[str, str, list[str]]]:
        """(channel, state, reason codes) of what a campaign wrote to the patient."""
        rows = self.tuples(
            "SELECT m.channel, m.state, m.reasons FROM message m JOIN patient p ON p.practice_id = m.practice_id AND p.id = m.patient_id "
            "WHERE m.practice_id = %(p)s AND p.source_key = %(key)s AND m.touch_id IS NOT NULL ORDER BY m.id",
            key=key,
        )
        return [(channel, state, sorted({reason["code"] for reason in reasons})) for channel, state, reasons in rows]

    def why(self, key: str, at: datetime) -> str:
        return "\n".join(why.explain(self.practice.slug, key, at))

    def id(self, key: str) -> int:
        return int(self.values("SELECT id FROM patient WHERE practice_id = %(p)s AND source_key = %(key)s", key=key)[0])

    def tuples(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        with db.scope(self.practice.id):
            return db.tuples(sql, p=self.practice.id, **params)

    def values(self, sql: str, **params: Any) -> list[Any]:
        return [row[0] for row in self.tuples(sql, **params)]


def open_office(practice: Practice, folder: Path, at: datetime) -> Office:
    """Set up what a practice sets up once: chairs, senders, words, segments."""
    practices.set_clock(practice.id, at - timedelta(days=1))
    make_clinic(practice)
    with db.scope(practice.id):
        for channel, address in (("sms", practice.phone), ("email", practice.email)):
            setup.add_sandbox(practice.id, channel, address)
        segment.install(practice.id, at)
        for slug in _WORDS:
            for draft in templates.shipped(templates.SHIPPED / f"{slug}.yaml"):
                if draft.language == "en":
                    templates.approve(
                        practice.id, templates.save_version(practice.id, draft, "owner", at).id, "owner", at
                    )
    return Office(practices.get(practice.id), folder)
