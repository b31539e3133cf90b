"""A practice with at least one row in every table, written by the product's own verbs; its words carry a mark nobody else uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.core.files.uploadedfile import SimpleUploadedFile

from recare.base import db
from recare.bookings import book, openings
from recare.calls import outcomes, worklist
from recare.campaigns import campaign, enrol, offers, playbook
from recare.consent import grant
from recare.consent.event import Channel
from recare.inbox.receive import Inbound, receive
from recare.jobs import engine
from recare.messages import links, mailboxes, opt_in, templates
from recare.messages.deliveries import DeliveryEvent, record_delivery
from recare.messages.links import NewLink
from recare.patients import changes, households, tasks
from recare.practices import exports, setup, staff
from recare.practices import practice as practices
from recare.rehearsal import progress
from recare.segments import facts, listing, segment
from recare.sources import imports
from recare.sources.csv import remembered
from tests.bookings.clinic import make_clinic
from tests.conftest import new_practice
from tests.factories import insert, make_patient, make_point, make_visit

if TYPE_CHECKING:
    from recare.practices.practice import Practice

START = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)  # a Tuesday, 11:00 in Chicago
NOW = START + timedelta(days=28, hours=1)  # the ladder has come to its call
PASSWORD = "correct horse battery"
_TEMPLATES: Final = (
    "winback", "winback_text", "winback_call", "winback_call_offer", "neutral_text", "recall_again", "opt_out_confirmation", "help_reply",
)  # fmt: skip
PURPOSES = ("book", "preferences", "unsubscribe", "manage", "offer", "portal", "why")


@dataclass(frozen=True)
class Furnished:
    """A practice, its owner's sign-in, and what addresses name: ids, slugs and tokens of its own rows by parameter."""

    practice: Practice
    mark: str
    email: str
    names: dict[str, list[Any]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    """A patient's own links by purpose."""

    @property
    def slug(self) -> str:
        """What this practice calls a segment, an offer and a template that no other practice has."""
        return own_slug(self.mark)


def own_slug(mark: str) -> str:
    return f"{mark.lower()}_own"


def furnish(mark: str, people: int = 6) -> Furnished:
    """Make a practice where everything has happened once: an import, a campaign, answers, a call, a booking. Commits."""
    practice = new_practice(legal_name=f"{mark} Dental, P.C.", email=f"desk@{mark.lower()}.example.com")
    practices.set_clock(practice.id, START)
    make_clinic(practice)
    with db.scope(practice.id):
        patients = [_person(practice.id, mark, number) for number in range(people)]
        _equip(practice, mark)
        _launch(practice.id, mark)
    for days in (0, 14, 28):
        engine.step(practice.id, START + timedelta(days=days))
        if days == 14:
            _answers(practice.id, mark)
    practices.set_clock(practice.id, NOW)
    with db.scope(practice.id):
        _rest(practice, patients, mark)
        email = f"owner@{mark.lower()}.example.com"
        staff.create_user(email, PASSWORD, "owner", practice.slug, NOW)
        made = links.make_many(practice.id, [NewLink(purpose, patients[0]) for purpose in PURPOSES], NOW)  # type: ignore[arg-type]
        tokens = dict(zip(PURPOSES, made, strict=True))
        return Furnished(practices.get(practice.id), mark, email, _names(practice, mark), tokens)


def _person(practice_id: int, mark: str, number: int) -> int:
    """Somebody who last came three years ago and has signed for texts, e-mail and calls."""
    here = {"practice_id": practice_id, "source": "test"}
    name = {"first_name": f"{mark}first", "last_name": f"{mark}last{number}", "street": f"{number} {mark} Road"}
    patient = make_patient(practice_id, **name)
    make_visit(practice_id, patient, -1100)
    chart = here | {"patient_id": patient}
    insert(
        "procedure",
        source_key=f"c{number}",
        code="D1110",
        status="completed",
        done_on=date(2024, 1, 8),
        fee_cents=11200,
        **chart,
    )
    insert(
        "treatment_plan_item",
        source_key=f"t{number}",
        code="D2740",
        status="proposed",
        planned_on=date(2023, 9, 1),
        **chart,
    )
    insert("recall", source_key=f"r{number}", kind="prophy", interval_months=6, due_on=date(2024, 7, 8), **chart)
    insert("coverage", source_key=f"v{number}", payer_class="commercial", carrier=f"{mark} Mutual", **chart)
    phone = make_point(practice_id, patient, last_confirmed_on=date(2026, 12, 1))
    email = make_point(practice_id, patient, f"{mark.lower()}{number}@example.com")
    paper = grant.Evidence(
        "paper", f"scan:{mark}", exact_text="I agree to be written to about my visits.", person_id=patient
    )
    channels: tuple[tuple[int, Channel], ...] = ((phone, "sms"), (phone, "call"), (email, "email"))
    for point, channel in channels:
        opt_in.make_link(practice_id, grant.grant(practice_id, point, channel, 2, paper, START), point, START)
    return patient


def _equip(practice: Practice, mark: str) -> None:
    for channel, address in (("sms", practice.phone), ("email", practice.email), ("letter", practice.postal_address)):
        setup.add_sandbox(practice.id, channel, address)
    sender = db.value("SELECT id FROM sender WHERE practice_id = %(p)s AND channel = 'email'", p=practice.id)
    mailboxes.save(practice.id, sender, {"host": "127.0.0.1", "user": mark, "folder": mark}, START)
    insert("closure", practice_id=practice.id, day=date(2027, 12, 25), label=f"{mark} holiday")
    insert(
        "sync_run", practice_id=practice.id, source="csv", state="done", actor=mark, appointments_as_of=START + timedelta(days=60),
        started_at=START, finished_at=START, files=db.json([{"name": f"{mark}.csv", "kind": "patients"}]),
    )  # fmt: skip
    households.regroup(practice.id)
    facts.rebuild([practice.id])
    _words(practice.id, mark)
    segment.install(practice.id, START)
    segment.save(practice.id, own_slug(mark), f"{mark} people", {"visits": {"at_least": 1}}, now=START)
    terms: dict[str, Any] = {
        "what": f"{mark} examination", "regular_fee_cents": 165_00, "price_cents": 89_00, "starts_on": START.date(),
        "ends_at": START + timedelta(days=120), "exclusions": "Other treatment is charged at our usual fees.",
        "extra_fees": "None for what is named here.", "license_name": f"Iris {mark}, DDS", "license_number": "IL 019-000000",
        "who": "Patients who have not been seen for two years or longer.", "predicate": None,
        "payer_classes": ["commercial", "self_pay", "membership"], "states": [],
    }  # fmt: skip
    offers.save(practice.id, "welcome_back", terms, "test", START)
    offers.approve(practice.id, "welcome_back", "test", START)
    offers.save(practice.id, own_slug(mark), terms, "test", START)


def _words(practice_id: int, mark: str) -> None:
    """Approve the English templates that the ladder and the inbox need; all of the shipped ones take seconds."""
    for slug in _TEMPLATES:
        for draft in templates.shipped(templates.SHIPPED / f"{slug}.yaml"):
            if draft.language == "en":
                templates.approve(
                    practice_id, templates.save_version(practice_id, draft, "test", START).id, "test", START
                )


def _launch(practice_id: int, mark: str) -> None:
    text = playbook.shipped()["three_step_winback"].replace("hold_out: 0.10", "hold_out: 0")
    made = campaign.create(practice_id, f"{mark} campaign", text, "test", START)
    campaign.publish(practice_id, made, "test", START)
    assert enrol.freeze_and_enrol(practice_id, made, START).treated >= 3
    campaign.create(practice_id, f"{mark} draft", text, "test", START)


def _answers(practice_id: int, mark: str) -> None:
    """One patient asks something, another opts out; a provider reports."""
    with db.scope(practice_id):
        numbers = db.values(
            "SELECT p.address FROM message m JOIN contact_point p ON p.practice_id = m.practice_id AND p.id = m.contact_point_id "
            "WHERE m.practice_id = %(p)s AND m.channel = 'sms' AND m.state = 'sent' ORDER BY m.id",
            p=practice_id,
        )
        sent = db.value("SELECT min(id) FROM message WHERE practice_id = %(p)s AND state = 'sent'", p=practice_id)
        at = START + timedelta(days=14, hours=1)
        for number, words in zip(numbers[:2], (f"Is {mark} still there on Fridays?", "STOP"), strict=True):
            receive(Inbound(practice_id, "sandbox", f"in-{number}", "sms", number, "+16305550100", words), at)
        record_delivery(practice_id, DeliveryEvent("sandbox", f"d-{sent}", "delivered", at, message_id=sent), at)


def _rest(practice: Practice, patients: list[int], mark: str) -> None:
    """What the engine does not do by itself: a call is made, a visit booked, tasks, a dismissal, the books of imports and rehearsals."""
    here = {"practice_id": practice.id}
    called = worklist.due(practice.id, NOW, 1, mark)[0].item
    outcomes.record(practice.id, called.id, "no_answer", mark, NOW, note=f"{mark} rings again")
    first_day = NOW.astimezone(practice.zone).date() + timedelta(days=1)
    opening = openings.find(practice, first_day, 5, 60, NOW)[0]
    book.take(practice.id, patients[2], opening, "staff", NOW)
    tasks.open_task(practice.id, "reply", 3, NOW, patient_id=patients[0], detail={"text": f"{mark} asks"})
    closing = tasks.open_task(practice.id, "closing", 6, NOW, patient_id=patients[0])
    insert(
        "closing_letter",
        task_id=closing,
        patient_id=patients[0],
        body=f"Dear {mark}",
        approved_by=mark,
        approved_at=NOW,
        **here,
    )
    drawn = {"year": 2027, "held_out": True, "share": 0.1, "draw": 0.01, "salt": mark, "drawn_at": NOW}
    db.run(
        "INSERT INTO standing_draw (practice_id, patient_id, unit, year, held_out, share, draw, salt, drawn_at) VALUES (%(p)s, %(patient)s, "
        "%(salt)s, %(year)s, %(held_out)s, %(share)s, %(draw)s, %(salt)s, %(drawn_at)s)",
        p=practice.id, patient=patients[0], **drawn,
    )  # fmt: skip
    run = db.value("SELECT min(id) FROM sync_run WHERE practice_id = %(p)s", p=practice.id)
    broken = {
        "file": f"{mark}.csv",
        "rule": "date",
        "severity": "rejected",
        "advice": f"Mend {mark}",
        "entity": "patients",
    }
    insert("import_issue", sync_run_id=run, **broken, **here)
    notice = {"notice_on": date(2027, 2, 1), "ends_on": date(2027, 3, 3), "recorded_by": mark, "recorded_at": NOW}
    insert("dismissal", patient_id=patients[-1], letter_ref=mark, **notice, **here)
    changes.mark(practice.id, [patients[0]])
    asked = exports.Asked(
        "evidence", {"patient": patients[0], "format": "json"}, f"Evidence for {mark}", 501, "legal", f"{mark} asks"
    )
    exports.ask(practice, asked, exports.Who(f"auditor@{mark.lower()}.example.com", "auditor"), NOW)
    progress.begin(practice.id, 7, NOW)
    listing._rebuild(practice, NOW.astimezone(practice.zone).date())
    outcome_of = db.value("SELECT min(id) FROM enrolment WHERE practice_id = %(p)s", p=practice.id)
    known = {"at": NOW, "recorded_at": NOW, "evidence": f"{mark}:1"}
    insert("outcome", enrolment_id=outcome_of, kind="booked", **known, **here)


_NAMES: Final = {
    "patient_id": "SELECT id FROM patient", "booking_id": "SELECT id FROM booking", "campaign_id": "SELECT id FROM campaign",
    "message_id": "SELECT id FROM message WHERE channel = 'email'", "sender_id": "SELECT id FROM sender WHERE channel = 'email'", "point_id": "SELECT id FROM contact_point",
    "delivery_id": "SELECT id FROM sandbox_delivery WHERE channel = 'email'", "task_id": "SELECT id FROM task", "call_id": "SELECT id FROM call",
    "version_id": "SELECT id FROM template_version", "membership_id": "SELECT id FROM membership", "export_id": "SELECT id FROM export_request",
}  # fmt: skip


def _names(practice: Practice, mark: str) -> dict[str, list[Any]]:
    """What the product's addresses may name, by parameter: the first and last row of each kind."""
    found: dict[str, list[Any]] = {}
    for name, sql in _NAMES.items():
        where = "AND" if "WHERE" in sql else "WHERE"
        ids = db.values(f"{sql} {where} practice_id = %(p)s ORDER BY id", p=practice.id)
        found[name] = list(dict.fromkeys([ids[0], ids[-1]]))
    export = SimpleUploadedFile(f"{mark}.csv", f"Patient ID,First Name,Last Name\n1,{mark},{mark}\n".encode())
    remembered.keep(practice.id, ["Patient ID", mark], "patients", {}, mark, NOW)
    return found | {"upload": [imports.begin(practice.id, [export], mark, NOW)]}
