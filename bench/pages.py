"""Pages: Today, Patients with its filters, a patient and Results of a practice with 200,000 patients, beside a trivial page of the same run.

    python bench/pages.py [--patients 200000] [--requests 40]

Starts a temporary server of its own, loads one practice into it, and asks through the whole stack (middleware, session, templates).
Before each request the list of patients is marked as changed, so that nothing is remembered of it; the last column is the same page
when nothing has changed. The first look at each page is printed apart. Processor time is that of this
process and of the database together, a request: unlike the wall clock it says nearly the same on a crowded machine.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from recare.base import postgres  # noqa: E402

if TYPE_CHECKING:
    from django.test import Client

    from recare.practices.practice import Practice

TARGET_MS = 150
PASSWORD = "correct horse battery"

# Each statement is one set; hashtext spreads values over people so that every run loads the same practice.
NAMES = (
    "WITH n AS (SELECT ARRAY['Ada','Ben','Chloe','Daniel','Elena','Frank','Grace','Hugo','Ines','Jonah','Kira','Luis','Maria','Noah','Olivia',"
    "'Peter','Quinn','Rosa','Samuel','Tara','Uma','Victor','Wanda','Xavier','Yara','Zoe'] AS first, ARRAY['Abel','Baker','Castillo','Diaz','Ellis',"
    "'Fischer','Garcia','Hansen','Ibarra','Jensen','Keller','Lopez','Moreno','Nguyen','Olsen','Patel','Quist','Rivera','Schmidt','Torres','Ueda',"
    "'Vargas','Weber','Xu','Young','Zimmer'] AS last)"
)
SPREAD = "abs(hashtext(g::text || '{}'))"
LOAD = (
    """INSERT INTO provider (practice_id, id, source, source_key, name, kind)
    SELECT PRACTICE, g, 'b', g, 'Hygienist ' || g, 'hygienist' FROM generate_series(1, COUNT / 5000) g""",
    """INSERT INTO operatory (practice_id, id, source, source_key, name, is_hygiene, bookable, provider_id)
    SELECT PRACTICE, g, 'b', g, 'Hygiene ' || g, true, true, g FROM generate_series(1, COUNT / 5000) g""",
    """INSERT INTO opening_hours (practice_id, weekday, starts, ends)
    SELECT PRACTICE, day, time '08:00', time '18:00' FROM generate_series(0, 5) day""",
    "INSERT INTO household (practice_id, id, key) SELECT PRACTICE, g, 'h' || g FROM generate_series(1, COUNT, 3) g",
    f"""{NAMES} INSERT INTO patient (practice_id, id, source, source_key, household_id, guarantor_id, first_name, last_name, birthdate, sex, status,
        standing, standing_set_by, hold, dismissed_on, state, zip, street, language, preferred_channel, paused_until)
    SELECT PRACTICE, g, 'b', 'P' || g, g - (g - 1) % 3, CASE WHEN g % 3 = 1 THEN g END, first[1 + {SPREAD.format("f")} % 26],
        last[1 + {SPREAD.format("l")} % 26] || CASE WHEN {SPREAD.format("m")} % 3 = 0 THEN '-' || last[1 + {SPREAD.format("k")} % 26] ELSE '' END,
        date '1940-01-01' + {SPREAD.format("b")} % CASE WHEN g % 3 = 1 THEN 23000 ELSE 31000 END, (ARRAY['f','m'])[1 + g % 2],
        CASE WHEN {SPREAD.format("s")} % 12 = 0 THEN 'inactive' ELSE 'active' END,
        CASE {SPREAD.format("t")} % 60 WHEN 0 THEN 'moved' WHEN 1 THEN 'transferred' WHEN 2 THEN 'dismissed' WHEN 3 THEN 'deceased' ELSE '' END, '',
        CASE WHEN {SPREAD.format("h")} % 400 = 0 THEN 'complaint' ELSE '' END, NULL, 'IL', '60540', '1 Elm', (ARRAY['en','en','es'])[1 + g % 3],
        (ARRAY['','','','sms','email'])[1 + g % 5], CASE WHEN g % 500 = 0 THEN date '2028-01-01' END
    FROM n, generate_series(1, COUNT) g""",
    "UPDATE patient SET guarantor_id = household_id WHERE practice_id = PRACTICE AND guarantor_id IS NULL",
    f"""INSERT INTO appointment (practice_id, source, source_key, patient_id, status, starts_at, minutes, is_hygiene, first_seen_at)
    SELECT PRACTICE, 'b', g || '-' || k, g, CASE WHEN r % 100 < 82 THEN 'completed' WHEN r % 100 < 92 THEN 'missed' ELSE 'cancelled' END,
        timestamptz '2026-12-20 15:00Z' - ({SPREAD.format("a")} % 1100 + k * 190) * interval '1 day' + (r % 8) * interval '1 hour', 60, k % 2 = 0,
        timestamptz '2025-01-01 00:00Z'
    FROM generate_series(1, COUNT) g, generate_series(0, 4) k, LATERAL (SELECT abs(hashtext(g || 'r' || k)) AS r) x""",
    f"""INSERT INTO appointment (practice_id, source, source_key, patient_id, status, starts_at, minutes, is_hygiene, operatory_id, provider_id,
        first_seen_at)
    SELECT PRACTICE, 'b', g || '-n', g, 'scheduled', timestamptz '2027-01-13 15:00Z' + ({SPREAD.format("n")} % 150) * interval '1 day'
        + ({SPREAD.format("o")} % 9) * interval '1 hour', 60, true, 1 + g % (COUNT / 5000), 1 + g % (COUNT / 5000), timestamptz '2026-12-01 00:00Z'
    FROM generate_series(1, COUNT) g WHERE {SPREAD.format("a")} % 1100 < 250""",
    """INSERT INTO procedure (practice_id, source, source_key, patient_id, code, status, done_on, fee_cents)
    SELECT PRACTICE, 'b', 'v' || a.id, a.patient_id, (ARRAY['D1110','D0120','D2392','D4910','D2740'])[1 + a.id % 5], 'completed',
        (a.starts_at AT TIME ZONE 'America/Chicago')::date, 6000 + a.id % 70000
    FROM appointment a WHERE a.practice_id = PRACTICE AND a.status = 'completed'""",
    f"""INSERT INTO recall (practice_id, source, source_key, patient_id, kind, interval_months, due_on)
    SELECT PRACTICE, 'b', 'r' || g, g, (ARRAY['prophy','perio','prophy'])[1 + g % 3], 6, date '2025-01-01' + {SPREAD.format("d")} % 900
    FROM generate_series(1, COUNT) g""",
    f"""INSERT INTO treatment_plan_item (practice_id, source, source_key, patient_id, code, status, planned_on, fee_cents)
    SELECT PRACTICE, 'b', 't' || g, g, 'D2740', 'proposed', date '2025-01-01' + {SPREAD.format("p")} % 700, 110000
    FROM generate_series(1, COUNT, 5) g""",
    """INSERT INTO coverage (practice_id, source, source_key, patient_id, payer_class, renews_month, annual_max_cents, used_cents)
    SELECT PRACTICE, 'b', 'c' || g, g, (ARRAY['commercial','commercial','medicaid','self_pay'])[1 + g % 4], 1, 150000, g % 160000
    FROM generate_series(1, COUNT) g WHERE g % 3 <> 0""",
    f"""INSERT INTO contact_point (practice_id, id, kind, address, address_hash, sms_level, email_level, call_level, sms_out_at)
    SELECT PRACTICE, g * 2 + k, CASE k WHEN 0 THEN 'phone' ELSE 'email' END,
        CASE k WHEN 0 THEN '+1630' || lpad((g * 7)::text, 7, '0') ELSE 'p' || g || '@example.com' END, decode(md5(g || '-' || k), 'hex'),
        CASE WHEN k = 0 THEN {SPREAD.format("c")} % 3 ELSE 0 END, CASE WHEN k = 1 THEN {SPREAD.format("e")} % 3 ELSE 0 END,
        CASE WHEN k = 0 THEN 1 ELSE 0 END, CASE WHEN k = 0 AND g % 50 = 0 THEN timestamptz '2025-01-01 00:00Z' END
    FROM generate_series(1, COUNT) g, generate_series(0, 1) k""",
    """INSERT INTO patient_contact (practice_id, patient_id, contact_point_id, label, source)
    SELECT PRACTICE, g, g * 2 + k, CASE k WHEN 0 THEN 'mobile' ELSE 'email' END, 'b' FROM generate_series(1, COUNT) g, generate_series(0, 1) k""",
)  # fmt: skip


# A campaign that has run for half a year: a fifth of the patients on it, two touches each, messages, calls, answers, outcomes, open tasks.
CAMPAIGN = (
    "INSERT INTO campaign (practice_id, id, name, playbook, state, created_at) VALUES (PRACTICE, 1, 'Long lapsed', '', 'running', NOW)",
    """INSERT INTO campaign_version (practice_id, id, campaign_id, number, spec, spec_sha256, salt, published_at, published_by) VALUES
    (PRACTICE, 1, 1, 1, '{"playbook": {"steps": [{}, {}, {}], "stop": [], "purpose": "check_up"}, "bands": "founding-article 1",
    "segment": {"name": "Never", "bands": "founding-article 1", "predicate": {"visits": {"at_least": 9999}}}}', '', 's', NOW, 'bench')""",
    """INSERT INTO template (practice_id, id, slug, channel, name, created_at) VALUES (PRACTICE, 1, 't', 'sms', 'Text', NOW)""",
    """INSERT INTO template_version (practice_id, id, template_id, number, body, sha256, created_by, created_at)
    VALUES (PRACTICE, 1, 1, 1, 'Hi', '', 'bench', NOW)""",
    """INSERT INTO enrolment (practice_id, id, campaign_id, version_id, patient_id, household_id, unit, arm, probability, salt, draw, snapshot,
        assigned_at, state, step, due_at)
    SELECT PRACTICE, g, 1, 1, g, g - (g - 1) % 3, 'h' || g - (g - 1) % 3, CASE WHEN g % 30 < 3 THEN 'held_out' ELSE 'treated' END, 0.9, 's', 0.5, '{}',
        NOW - interval '160 days' + (g % 100) * interval '1 day', CASE WHEN g % 30 < 3 THEN 'held_out' WHEN g % 4 = 0 THEN 'stopped' ELSE 'waiting' END,
        2, NOW + (g % 30) * interval '1 day' FROM generate_series(1, COUNT / 5) g""",
    """INSERT INTO touch (practice_id, id, enrolment_id, patient_id, step, attempt, channel, verdict, decided_at, contact_point_id, template_version_id)
    SELECT PRACTICE, e.id * 2 + k, e.id, e.patient_id, k, 0, CASE WHEN k = 1 AND e.id % 5 = 0 THEN 'call' ELSE 'sms' END, 'send',
        e.assigned_at + k * interval '9 days', e.patient_id * 2, 1
    FROM enrolment e, generate_series(0, 1) k WHERE e.practice_id = PRACTICE AND e.arm = 'treated'""",
    """INSERT INTO consent_event (practice_id, id, seq, prev_hash, hash, recorded_at, effective_at, contact_point_id, channel, address_hash, type,
        level, method) SELECT PRACTICE, t.point, t.point, '', '', NOW, NOW - interval '2 years', t.point, 'sms', '', 'granted', 2, 'paper'
    FROM (SELECT DISTINCT contact_point_id AS point FROM touch WHERE practice_id = PRACTICE AND channel = 'sms') t""",
    """INSERT INTO message (practice_id, touch_id, enrolment_id, campaign_id, patient_id, contact_point_id, consent_event_id, channel, message_class,
        body_text, state, not_before, not_after, created_at, sent_at, settled_at, delivered_at, replied_at, cost_micros)
    SELECT PRACTICE, t.id, t.enrolment_id, 1, t.patient_id, t.contact_point_id, t.contact_point_id, 'sms', 'R', 'Hi', 'sent', t.decided_at, t.decided_at, t.decided_at,
        t.decided_at, t.decided_at, t.decided_at, CASE WHEN t.id % 9 = 0 THEN t.decided_at END, 8000
    FROM touch t WHERE t.practice_id = PRACTICE AND t.channel = 'sms'""",
    """INSERT INTO call (practice_id, touch_id, enrolment_id, campaign_id, patient_id, contact_point_id, priority, due_at, not_after, state, created_at)
    SELECT PRACTICE, t.id, t.enrolment_id, 1, t.patient_id, t.contact_point_id, t.id % 9000, t.decided_at, NOW + interval '9 days',
        CASE WHEN t.id % 40 = 1 THEN 'open' ELSE 'done' END, t.decided_at FROM touch t WHERE t.practice_id = PRACTICE AND t.channel = 'call'""",
    """INSERT INTO call_outcome (practice_id, call_id, patient_id, contact_point_id, outcome, staff, seconds, at)
    SELECT PRACTICE, c.id, c.patient_id, c.contact_point_id, (ARRAY['no_answer', 'left_message', 'booked', 'not_interested'])[1 + c.id % 4], 'b', 90,
        c.created_at FROM call c WHERE c.practice_id = PRACTICE AND c.state = 'done'""",
    """INSERT INTO outcome (practice_id, enrolment_id, kind, at, recorded_at, evidence)
    SELECT PRACTICE, e.id, k.kind, e.assigned_at + interval '20 days', e.assigned_at + interval '20 days', 'b'
    FROM enrolment e, (VALUES ('booked', 9), ('kept', 13)) k (kind, every) WHERE e.practice_id = PRACTICE AND e.id % k.every = 0""",
    """INSERT INTO task (practice_id, kind, urgency, patient_id, once_key, created_at) SELECT PRACTICE, 'reply', 1 + g % 7, g, 'b' || g, NOW
    FROM generate_series(1, 300) g""",
)  # fmt: skip
FILTERS = (
    "", "q=garcia", "q=zoe+xu", "q=gracia", "q=0007", "q=P777", "band=long_lapsed", "band=active", "reach=sms", "visit=no", "age=senior",
    "standing=moved", "segment=inactive", "segment=benefits_expiring", "segment=young_adults", "order=name", "order=last_visit",
    "age=senior&reach=sms&visit=no&band=lapsed",
)  # fmt: skip


def load(count: int, now: datetime) -> Practice:
    """Fill one practice with ``count`` patients, what a chart knows about them, and a campaign."""
    from recare.base import db
    from recare.jobs import counting
    from recare.practices import practice as practices
    from recare.segments import facts, listing, segment

    made = practices.create(
        "bench", "Bench Dental", "America/Chicago", phone="+16305550100", state="IL", zip="60540", is_rehearsal=True
    )
    practices.set_clock(made.id, now)
    for statement in (*LOAD, *CAMPAIGN):
        with db.scope(made.id):
            db.run(
                statement.replace("PRACTICE", str(made.id))
                .replace("COUNT", str(count))
                .replace("NOW", f"timestamptz '{now:%F %T%z}'")
            )
            if filled := re.search(r"INSERT INTO (\w+)", statement):
                db.analyze(filled[1])  # triggers look each row up in tables that were filled a moment ago
    with db.scope(made.id):
        segment.install(made.id, now)
        facts.rebuild([made.id])
    listing.refresh_batch(made.id, now)
    start = time.perf_counter()
    figures = counting.ahead_batch(made.id, now)
    print(
        f"{figures} sets of figures counted ahead, as the worker does, in {time.perf_counter() - start:.1f} s.",
        flush=True,
    )
    return made


def signed_in(practice: Practice, now: datetime) -> Client:
    """Return a client whose session is the owner's."""
    from django.test import Client

    from recare.practices import staff

    staff.create_user("owner@example.com", PASSWORD, "owner", practice.slug, now)
    client = Client()
    client.post("/sign-in/", {"email": "owner@example.com", "password": PASSWORD})
    return client


@dataclass(frozen=True, slots=True)
class Taken:
    """Milliseconds: the first look at a page, each later one after a change (shortest first), processor time of one, and a look without change."""

    first: float
    each: list[float]
    cpu: float
    unchanged: float

    @property
    def middle(self) -> float:
        return self.each[len(self.each) // 2]

    @property
    def late(self) -> float:
        """The 95th of a hundred."""
        return self.each[min(len(self.each) - 1, round(len(self.each) * 0.95))]


def measured(client: Client, address: str, requests: int, server: int) -> Taken:
    """Ask for one page again and again; ``server`` is the process number of the database."""
    first, taken = once(client, address), []
    cpu = time.process_time() + of_server(server)
    for _ in range(requests):
        change()
        taken.append(once(client, address))
    cpu = time.process_time() + of_server(server) - cpu
    again = sorted(once(client, address) for _ in range(requests // 4))
    return Taken(first, sorted(taken), cpu * 1000 / requests, again[len(again) // 2])


def change() -> None:
    """Do to the list what a change of one patient does to it: all that is remembered of it is forgotten."""
    from recare.base import db

    with db.scope(1):
        db.run("UPDATE patient_today_state SET version = gen_random_uuid() WHERE practice_id = 1")


def once(client: Client, address: str) -> float:
    start = time.perf_counter()
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return (time.perf_counter() - start) * 1000


def of_server(pid: int) -> float:
    """Return the processor seconds of the database and everything it has started so far; 0 where there is no /proc."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            parts = file.read_text().rpartition(")")[2].split()
        except OSError:  # gone meanwhile
            continue
        if int(parts[1]) == pid:
            ticks += int(parts[11]) + int(parts[12])
        elif file.parent.name == str(pid):  # its children that are gone are added to it
            ticks += sum(int(part) for part in parts[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def list_address(query: str) -> str:
    """Return the address that the list's form leads to: names in it are sealed."""
    from recare.web.patient_list.filters import Filters

    asked: dict[str, Any] = dict(parse_qsl(query))
    return f"/patients/?{Filters(**asked).address()}"


def report(client: Client, patients: int, requests: int, server: int) -> None:
    """Print every page beside the trivial one."""
    from recare.compliance.warm import warm_beside
    from recare.reports import charts

    pages = [
        ("Today", "/"), ("Results", "/results/"), ("Results of a campaign", "/results/?campaign=1"), ("Campaign", "/campaigns/1/"),
        ("Segments", "/segments/"), ("A segment", "/segments/inactive/"),
    ]  # fmt: skip
    pages += [(f"Patient {at}", f"/patients/{at}/") for at in (7, patients // 2, patients)]
    pages += [(f"Patients {query or 'without filter'}", list_address(query)) for query in FILTERS]
    warm_beside(datetime.now(UTC), charts.warm).join()  # as the web server does at its start
    trivial = measured(client, "/health/", requests, server)
    print(
        f"{'page':44} {'first ms':>9} {'p50 ms':>8} {'p95 ms':>8} {'CPU ms':>8} {'p50 / trivial':>14} {'unchanged':>10}"
    )
    print(
        f"{'Health (trivial)':44} {trivial.first:9.1f} {trivial.middle:8.1f} {trivial.late:8.1f} {trivial.cpu:8.1f} {1.0:14.1f} {trivial.unchanged:10.1f}"
    )
    slow = 0
    for name, address in pages:
        taken = measured(client, address, requests, server)
        over = taken.late >= TARGET_MS
        slow += over
        print(
            f"{name:44} {taken.first:9.1f} {taken.middle:8.1f} {taken.late:8.1f} {taken.cpu:8.1f} {taken.middle / trivial.middle:14.1f} {taken.unchanged:10.1f}"
            f"{f'  over {TARGET_MS}' if over else ''}",
            flush=True,
        )
    print(
        f"{len(pages) - slow} of {len(pages)} pages under {TARGET_MS} ms at p95, at a load of {os.getloadavg()[0]:.1f}."
    )


def main() -> None:
    """Load, ask, print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--patients", type=int, default=200_000)
    asked.add_argument("--requests", type=int, default=40)
    options = asked.parse_args()
    home = Path(tempfile.mkdtemp(prefix="recare-bench-"))
    home.chmod(0o755)  # the server's account must reach it when this runs as root
    cluster = postgres.start(home / "db")
    try:
        os.environ |= {
            "RECARE_SECRET_KEY": "only for benches", "RECARE_HOME": str(home / "home"), "DATABASE_URL": cluster.app_url(),
            "DATABASE_OWNER_URL": cluster.owner_url(), "DJANGO_SETTINGS_MODULE": "recare.settings",
        }  # fmt: skip
        subprocess.run([sys.executable, "-m", "recare", "migrate"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        run(cluster, options.patients, options.requests)
    finally:
        cluster.stop()
        shutil.rmtree(home, ignore_errors=True)


def run(cluster: postgres.Cluster, patients: int, requests: int) -> None:
    """Load a practice into the migrated database and print what its pages take."""
    import django
    import psycopg

    django.setup()
    now, start = datetime(2027, 1, 12, 17, 0, tzinfo=UTC), time.perf_counter()
    practice = load(patients, now)
    with psycopg.connect(cluster.owner_url(), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    print(f"{patients:,} patients loaded in {time.perf_counter() - start:.0f} s.", flush=True)
    report(signed_in(practice, now), patients, requests, cluster.pid)


if __name__ == "__main__":
    main()
