"""``recare demo``: a made-up practice, imported as any other, with a campaign that only has to be launched."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from recare.base import db
from recare.base.postgres import default_home
from recare.campaigns import campaign, enrol, playbook
from recare.messages import templates
from recare.practices import practice as practices
from recare.practices import setup, staff
from recare.practices.practice import Practice
from recare.rehearsal import consents, offer, office, progress
from recare.rehearsal.practice import write_csv
from recare.segments import facts, segment
from recare.sources.csv import importer, printed

SLUG: Final = "maple"
EMAIL: Final = "demo@mapledental.example.com"
SEED: Final = 20261124
_PATIENTS: Final = 2600
_TZ: Final = "America/Chicago"
_CAMPAIGNS: Final = ("three_step_winback", "missed_recall")
Say = Callable[[str], object]


def prepare(*, live: bool, rehearse: bool, now: datetime, say: Say) -> list[str]:
    """Make the demo practice unless it is there, and return what to tell whoever started it. Can be cut off and called again."""
    place = make(SLUG, now, say, live=live, patients=_PATIENTS)
    if place.clock_at is not None and live:
        say(
            "This data folder holds a rehearsal whose clock is virtual; for a live demo set RECARE_HOME to an empty folder."
        )
    if rehearse and place.clock_at is not None:
        play_all(place, say)
    lines = [f"Sign in as {EMAIL} with the password {_password()}"]
    if place.clock_at is not None:
        lines.append("Start at 'Case study': launch the campaign, then let six months pass.")
    return lines


def make(slug: str, now: datetime, say: Say, *, live: bool, patients: int) -> Practice:
    """Write the export, import it through the importer that every user has, and set up what a practice sets up once."""
    place = practices.by_slug(slug)
    if place is not None and _furnished(place):
        return place
    with tempfile.TemporaryDirectory(prefix="recare-demo-") as folder:
        export = Path(folder)
        say("Making up a suburban practice and the export of its system.")
        write_csv(export, now.astimezone(ZoneInfo(_TZ)).date(), SEED, patients)
        if place is None:
            spec = setup.read_practice_yaml(export / "practice.yaml")
            place = practices.create(
                slug, spec.name, spec.tz, is_rehearsal=True, clock_at=None if live else now, **spec.columns
            )
        say("Importing it, the way you would import yours.")
        importer.write(sorted(export.iterdir()), place, now, "demo", printed.Progress(say))
    with db.scope(place.id):
        _furnish(place, now)
    return practices.get(place.id)


def _furnished(place: Practice) -> bool:
    with db.scope(place.id):
        return bool(campaign.every(place.id))


def _furnish(place: Practice, now: datetime) -> None:
    """In one transaction: senders that reach nobody, signed forms, templates, segments, an offer, campaigns, a sign-in."""
    for channel, address in (("sms", place.phone), ("email", place.email), ("letter", place.postal_address)):
        setup.add_sandbox(place.id, channel, address)
    office.sync(place.id, now)
    facts.rebuild([place.id])
    db.analyze("patient_facts")
    consents.file_forms(place.id, SEED, now)
    facts.rebuild([place.id])
    db.analyze("contact_point", "consent_event", "patient_facts")
    templates.install_shipped(place.id, now)
    segment.install(place.id, now)
    offer.make(place.id, now)
    shipped = playbook.shipped()
    for name in _CAMPAIGNS:
        campaign.create(place.id, playbook.read(shipped[name]).name, shipped[name], "demo", now)
    staff.create_user(EMAIL, _password(), "owner", place.slug, now)
    if place.clock_at is not None:
        progress.begin(place.id, SEED, now)


def _password() -> str:
    """Return the demo's own password: made once, kept beside the data (mode 0600)."""
    file = default_home() / "demo-password"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write("-".join(secrets.token_hex(2) for _ in range(4)))
    return file.read_text().strip()


def play_all(place: Practice, say: Say) -> None:
    """Launch the first campaign unless it runs, and play every day that is left, with a progress bar."""
    with db.scope(place.id):
        state = progress.current(place.id)
        if state is None or state.state == "done":
            return
        first = campaign.every(place.id)[-1]  # the case study; the newest comes first
        if first.state == "draft":
            now = practices.clock(place)
            campaign.publish(place.id, first.id, "demo", now)
            enrol.freeze_and_enrol(place.id, first.id, now)
            db.analyze("enrolment")
        progress.ask(place.id, progress.DAYS)
    from recare.rehearsal import run

    run.play(place.id, lambda at: _bar(at, say))


def _bar(at: progress.Run, say: Say) -> None:
    """Say how far it is, once a virtual week and at the end."""
    if at.days_done % 7 == 0 or at.state == "done":
        width = round(30 * at.days_done / at.days_total)
        seen = at.figures
        day = (at.clock_from + timedelta(days=at.days_done)).date()
        say(
            f"[{'#' * width}{'.' * (30 - width)}] day {at.days_done:3} of {at.days_total} ({day}): "
            f"{seen['emails']} e-mails, {seen['texts']} texts, {seen['calls']} calls, {seen['booked']} booked, {seen['kept']} came"
        )
