"""Enrol and decide: how many patients a second, and where the time goes.

    .venv/bin/python bench/decide.py [--patients 100000]

Loads made-up patients of one practice into a database of its own, then measures the freeze, the preview (a dry run with every reason), and the
decisions of the first step; decisions alone are timed over contexts that are loaded already, beside a loop that only builds a row for each.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)  # a Tuesday, 11:00 in Chicago

LOAD = """
SELECT setseed(0.42);
INSERT INTO household (practice_id, id, key) SELECT {p}, g, 'h' || g FROM generate_series(2, {n}, 2) g;
INSERT INTO patient (practice_id, id, source, source_key, household_id, first_name, last_name, birthdate, status, state, zip, street, language)
    SELECT {p}, g, 'b', 'P' || g, CASE WHEN g % 3 = 0 THEN g - g % 2 END, 'Ada', 'Example' || g, date '1945-01-01' + (random() * 20000)::int, 'active',
        CASE WHEN g % 40 = 0 THEN 'FL' ELSE 'IL' END, CASE WHEN g % 40 = 0 THEN '33101' ELSE '60540' END, '1 Elm', 'en'
    FROM generate_series(2, {n}) g;
INSERT INTO appointment (practice_id, source, source_key, patient_id, status, starts_at, minutes)
    SELECT {p}, 'b', g || '-' || k, g, 'completed', timestamptz '2022-01-06 14:00Z' + (k * 180 + g % 170) * interval '1 day', 60
    FROM generate_series(2, {n}) g, generate_series(0, 3) k;
INSERT INTO contact_point (practice_id, id, kind, address, address_hash, sms_level, email_level, call_level, sms_out_at, last_confirmed_on)
    SELECT {p}, g * 2 + k, CASE k WHEN 0 THEN 'phone' ELSE 'email' END,
        CASE k WHEN 0 THEN '+1630' || lpad((g % 10000000)::text, 7, '0') ELSE 'ada' || g || '@example.com' END, decode(md5(g || '-' || k), 'hex'),
        g % 3, 1 + g % 3, 2, CASE WHEN g % 50 = 0 THEN timestamptz '2025-01-01' END, date '2026-12-01'
    FROM generate_series(2, {n}) g, generate_series(0, 1) k;
INSERT INTO patient_contact (practice_id, patient_id, contact_point_id, label, source)
    SELECT {p}, g, g * 2 + k, CASE k WHEN 0 THEN 'mobile' ELSE 'email' END, 'b' FROM generate_series(2, {n}) g, generate_series(0, 1) k;
"""


class Clock:
    """Adds up where the time goes, and says it as rows a second."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str, rows: int = 0) -> Iterator[None]:
        begin, cpu = time.perf_counter(), time.process_time()
        yield
        took, worked = time.perf_counter() - begin, time.process_time() - cpu
        self.seconds[name] = self.seconds.get(name, 0) + took
        if rows:
            print(
                f"{name:46} {took:8.2f} s {rows / took:12,.0f} rows/s   ({worked:.2f} s of it in Python; load {os.getloadavg()[0]:.1f})"
            )

    def share(self, total: float) -> None:
        for name, took in sorted(self.seconds.items(), key=lambda item: -item[1]):
            print(f"    {name:42} {took:8.2f} s {took / total:8.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--patients", type=int, default=100_000)
    wanted = parser.parse_args()
    with database():
        run(wanted.patients)


@contextmanager
def database() -> Iterator[None]:
    """A server of our own, gone at the end, with the durable defaults of the product."""
    from recare.base import postgres

    with tempfile.TemporaryDirectory(prefix="recare-bench-") as home:
        Path(home).chmod(0o755)
        cluster = postgres.start(Path(home) / "db")
        try:
            os.environ |= {
                "RECARE_SECRET_KEY": "bench", "RECARE_HOME": str(Path(home) / "home"), "DATABASE_URL": cluster.app_url(),
                "DATABASE_OWNER_URL": cluster.owner_url(), "DJANGO_SETTINGS_MODULE": "recare.settings",
            }  # fmt: skip
            import subprocess

            environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
            subprocess.run(
                [sys.executable, "-m", "recare", "migrate"], cwd=ROOT, check=True, env=environment, capture_output=True
            )
            import django

            django.setup()
            yield
        finally:
            from django.db import connections

            connections.close_all()
            cluster.stop()


def run(patients: int) -> None:
    from recare.base import db
    from recare.practices import practice as practices
    from recare.segments import facts

    place = practices.create(
        "bench", "Maple Dental", "America/Chicago", is_rehearsal=True, street="1 Elm", city="X", state="IL", zip="60540"
    )
    with db.scope(place.id):
        for statement in LOAD.format(p=place.id, n=patients + 1).split(";\n"):
            if statement.strip():
                db.run(statement)
        facts.rebuild([place.id])
    analyse()
    campaign_id = prepare(place.id)
    freeze(place.id, campaign_id, patients)
    decisions(place.id)
    advance(place.id)


def analyse() -> None:
    import psycopg

    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute("ANALYZE")


def prepare(practice_id: int) -> int:
    from recare.base import db
    from recare.campaigns import campaign, playbook
    from recare.segments import segment
    from tests.campaigns import build

    with db.scope(practice_id):
        segment.install(practice_id, NOW)
        plan = build.text(segment={"all": [{"contactable": {"is": True}}, {"visits": {"at_least": 1}}]})
        build.templates(practice_id, playbook.read(plan))
        campaign_id = campaign.create(practice_id, "Bench", plan, "bench", NOW)
        campaign.publish(practice_id, campaign_id, "bench", NOW)
        return campaign_id


def freeze(practice_id: int, campaign_id: int, patients: int) -> None:
    from recare.base import db
    from recare.campaigns import enrol, preview

    clock = Clock()
    with clock.measure("preview: dry run with every reason", patients):
        seen = preview.preview(practice_id, campaign_id, NOW)
    print(
        f"    contacted {seen.contacted:,}, held out {seen.held_out:,}, left out {sum(r.patients for r in seen.left_out):,}"
    )
    with clock.measure("enrol: freeze, draw, snapshot", patients), db.scope(practice_id):
        done = enrol.freeze_and_enrol(practice_id, campaign_id, NOW)
    print(f"    treated {done.treated:,}, held out {done.held_out:,}, left out {done.left_out}")


def decisions(practice_id: int, sample: int = 20_000) -> None:
    """Contexts first, then gates alone."""
    from recare.base import db
    from recare.campaigns import contexts
    from recare.compliance.context import Context
    from recare.compliance.gates import decide
    from recare.compliance.packs import load_packs

    clock = Clock()
    with db.scope(practice_id):
        ids = db.tuples(
            "SELECT patient_id, sms_point_id FROM patient_facts WHERE practice_id = %(p)s AND sms_point_id IS NOT NULL ORDER BY 1 LIMIT %(n)s",
            p=practice_id, n=sample,
        )  # fmt: skip
        asks = [contexts.Ask(patient, "sms", "R", point) for patient, point in ids]
        with clock.measure("contexts.load", len(asks)):
            loaded: list[Context] = contexts.load(practice_id, asks, NOW)
    packs = load_packs()
    decide(loaded[0], packs, NOW)
    with clock.measure("decide: all gates, contexts loaded", len(loaded)):
        for context in loaded:
            decide(context, packs, NOW)
    with clock.measure("baseline: one small row for each", len(loaded)):
        kept: list[Any] = [(context.patient.id, "allow", None, ()) for context in loaded]
    print(
        f"    {len(kept):,} decisions; gates cost {clock.seconds['decide: all gates, contexts loaded'] / len(kept) * 1e6:.0f} us each"
    )


def advance(practice_id: int) -> None:
    """The first step of everybody, in batches as the worker does it, and where the time goes."""
    from recare.base import db
    from recare.campaigns import advance as room
    from recare.campaigns import closing, ladder, material
    from recare.patients import changes

    clock, moved = Clock(), 0
    spy(clock, material, "gather", "load what gates ask")
    spy(clock, ladder, "decide", "gates")
    spy(clock, room, "_write_touches", "write touches (COPY)")
    spy(clock, room, "_write_moves", "write enrolments")
    spy(clock, changes, "mark", "mark facts to refresh")
    spy(clock, closing, "guard", "closing guard")
    begin, cpu = time.perf_counter(), time.process_time()
    while done := room.advance_batch(practice_id, NOW):
        moved += done
    took, worked = time.perf_counter() - begin, time.process_time() - cpu
    with db.scope(practice_id):
        touches = db.value("SELECT count(*) FROM touch WHERE practice_id = %(p)s", p=practice_id)
    print(
        f"{'advance_batch: decide and write, batches of 500':46} {took:8.2f} s {moved / took:12,.0f} rows/s   "
        f"({touches:,} touches; {worked:.2f} s of it in Python; load {os.getloadavg()[0]:.1f})"
    )
    clock.share(took)


def spy(clock: Clock, room: Any, name: str, label: str) -> None:
    """Time every call of one function."""
    real = getattr(room, name)

    def timed(*args: Any, **more: Any) -> Any:
        with clock.measure(label):
            return real(*args, **more)

    setattr(room, name, timed)


if __name__ == "__main__":
    main()
