"""Facts: full rebuild, refresh of what changed, and the same statement in DuckDB from the same rows, all in one run.

    python bench/facts.py --patients 20000
    python bench/facts.py --patients 20000 --per-practice 20000 --no-duckdb
    python bench/facts.py --patients 200000

Uses the (empty) database of DATABASE_URL and DATABASE_OWNER_URL when they are set, else a temporary server of its own. Every figure is given as
wall time and as processor time, since other work on the machine stretches the first.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psutil
import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from recare.base import postgres  # noqa: E402

# Visits spread over two weeks twice a year; a practice has one zone; one household in two patients.
LOAD = """
SELECT setseed(0.42);
INSERT INTO practice (id, slug, name, tz, salt)
    SELECT n, 'p' || n, 'P' || n, (ARRAY['America/Chicago','America/New_York','America/Denver','America/Los_Angeles'])[1 + n % 4], 'x'
    FROM generate_series(FIRST, LAST) n;
INSERT INTO household (practice_id, id, key) SELECT FIRST + (g / 2) % (LAST - FIRST + 1), g, 'h' || g FROM generate_series(P0, P1) g WHERE g % 2 = 0;
INSERT INTO patient (practice_id, id, source, source_key, household_id, birthdate, status, state, zip, street, language, banned_channels)
    SELECT FIRST + (g / 2) % (LAST - FIRST + 1), g, 'b', 'P' || g, NULL, date '1940-01-01' + (random() * 30000)::int, 'active', 'IL', '60540',
        '1 Elm', 'en', CASE WHEN random() < 0.02 THEN '{call}'::text[] ELSE '{}' END
    FROM generate_series(P0, P1) g;
INSERT INTO appointment (practice_id, source, source_key, patient_id, status, starts_at, minutes, is_hygiene, codes)
    SELECT practice_id, 'b', id || '-' || k, id,
        CASE WHEN r < 0.8 THEN 'completed' WHEN r < 0.88 THEN 'broken' WHEN r < 0.94 THEN 'cancelled' WHEN r < 0.97 THEN 'missed' ELSE 'scheduled' END,
        timestamptz '2020-01-06 14:00Z' + (k * 300 + (id * 7919 + k * 104729) % 290) * interval '1 day' + (k % 8) * interval '1 hour', 60, k % 2 = 0,
        CASE WHEN r < 0.9 THEN '{}'::text[] ELSE '{D1110,D0120}' END
    FROM (SELECT practice_id, id, k, random() AS r FROM patient, generate_series(0, 7) k WHERE id BETWEEN P0 AND P1) x;
INSERT INTO procedure (practice_id, source, source_key, patient_id, code, status, done_on, fee_cents)
    SELECT practice_id, 'b', id || '-' || k, id, (ARRAY['D0120','D1110','D0274','D2392','D4910','D2740','D3330','D7140'])[1 + (id + k) % 8],
        CASE WHEN r < 0.9 THEN 'completed' WHEN r < 0.96 THEN 'planned' WHEN r < 0.98 THEN 'existing' ELSE 'deleted' END,
        date '2020-01-06' + ((k % 8) * 300 + (id * 7919 + (k % 8) * 104729) % 290)::int, (4000 + (id * k) % 90000)
    FROM (SELECT practice_id, id, k, random() AS r FROM patient, generate_series(0, 11) k WHERE id BETWEEN P0 AND P1) x;
INSERT INTO recall (practice_id, source, source_key, patient_id, kind, interval_months, interval_days, due_on)
    SELECT practice_id, 'b', id, id, (ARRAY['prophy','perio','child','prophy'])[1 + id % 4], 6, 1, date '2025-01-01' + (random() * 700)::int
    FROM patient WHERE id BETWEEN P0 AND P1;
INSERT INTO treatment_plan_item (practice_id, source, source_key, patient_id, code, status, planned_on, fee_cents)
    SELECT practice_id, 'b', id, id, 'D2740', 'proposed', date '2025-01-01' + (random() * 700)::int, 110000
    FROM patient WHERE id % 5 = 0 AND id BETWEEN P0 AND P1;
INSERT INTO coverage (practice_id, source, source_key, patient_id, payer_class, renews_month, annual_max_cents, used_cents)
    SELECT practice_id, 'b', id, id, (ARRAY['commercial','commercial','medicaid','self_pay'])[1 + id % 4], 1, 150000, (random() * 160000)::int
    FROM patient WHERE id % 3 <> 0 AND id BETWEEN P0 AND P1;
INSERT INTO contact_point (practice_id, id, kind, address, address_hash, sms_level, email_level, sms_out_at)
    SELECT practice_id, id * 2 + k, CASE k WHEN 0 THEN 'phone' ELSE 'email' END, 'a' || id || '-' || k, decode(md5(id || '-' || k), 'hex'),
        id % 3, id % 2, CASE WHEN id % 50 = 0 THEN timestamptz '2025-01-01' END
    FROM patient, generate_series(0, 1) k WHERE id BETWEEN P0 AND P1;
INSERT INTO patient_contact (practice_id, patient_id, contact_point_id, label, source)
    SELECT practice_id, id, id * 2 + k, CASE k WHEN 0 THEN 'mobile' ELSE 'email' END, 'b'
    FROM patient, generate_series(0, 1) k WHERE id BETWEEN P0 AND P1;
UPDATE patient p SET household_id = h.id, guarantor_id = CASE WHEN p.id % 2 = 0 THEN p.id END
    FROM household h WHERE h.practice_id = p.practice_id AND h.id = p.id - p.id % 2 AND p.id BETWEEN P0 AND P1;
"""


@contextlib.contextmanager
def database() -> Iterator[None]:
    """The database of the environment, or one that is gone afterwards; migrated."""
    if os.environ.get("DATABASE_URL"):
        subprocess.run([sys.executable, "-m", "recare", "migrate"], cwd=ROOT, check=True, capture_output=True)
        yield
        return
    home = Path(tempfile.mkdtemp(prefix="recare-bench-"))
    home.chmod(0o755)
    cluster = postgres.start(home / "db", settings={"shared_buffers": "1GB", "max_wal_size": "8GB"})
    os.environ |= {
        "RECARE_HOME": str(home / "home"), "DATABASE_URL": cluster.app_url(), "DATABASE_OWNER_URL": cluster.owner_url(),
        "RECARE_SECRET_KEY": "only for a bench",
    }  # fmt: skip
    try:
        subprocess.run([sys.executable, "-m", "recare", "migrate"], cwd=ROOT, check=True, capture_output=True)
        yield
    finally:
        cluster.stop()
        shutil.rmtree(home, ignore_errors=True)


def load(first: int, last: int, patient: int, people: int) -> None:
    """Write practices ``first`` to ``last`` with ``people`` patients in all, ids from ``patient`` on."""
    names = {"FIRST": first, "LAST": last, "P0": patient, "P1": patient + people - 1}
    statements = re.sub(r"\b(FIRST|LAST|P0|P1)\b", lambda found: str(names[found[1]]), LOAD)
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute(
            "SELECT set_config('recare.practices', %s, false)", ["{" + ",".join(map(str, range(first, last + 1))) + "}"]
        )
        for statement in statements.split(";\n"):
            if statement.strip():
                owner.execute(statement)
        owner.execute("VACUUM (ANALYZE)")


@dataclass(frozen=True)
class Took:
    """Seconds on the clock and of the processor."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall * 1000:8.0f} ms wall {self.cpu * 1000:8.0f} ms cpu"


def backends() -> float:
    """Processor seconds of the server's sessions so far, those that have ended included."""
    from recare.base import db

    server = psutil.Process(db.value("SELECT pg_backend_pid()")).parent()
    assert server is not None
    ended = server.cpu_times()
    return ended.children_user + ended.children_system + sum(map(processor_time, server.children()))


def processor_time(process: psutil.Process) -> float:
    """Seconds a process has run; exact where Linux says so, since a refresh takes less than the hundredths that others count in."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0]) / 1e9
    with contextlib.suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def timed(work: Callable[[], Any], cpu: Callable[[], float] = backends) -> Took:
    """Time one piece of work."""
    before, began = cpu(), time.perf_counter()
    work()
    return Took(time.perf_counter() - began, cpu() - before)


def best(
    times: int, work: Callable[[], Any], prepare: Callable[[], Any] = lambda: None, cpu: Callable[[], float] = backends
) -> Took:
    """Several times: the shortest on the clock and of the processor, which a crowded machine stretches too."""
    tries = []
    for _ in range(times):
        prepare()
        tries.append(timed(work, cpu))
    return Took(min(each.wall for each in tries), min(each.cpu for each in tries))


def rebuild(practices: list[int], at_once: int = 10) -> None:
    """Rebuild in transactions of a few practices, as a job does."""
    from recare.base import db
    from recare.segments import facts

    for start in range(0, len(practices), at_once):
        some = practices[start : start + at_once]
        with db.scope(some):
            facts.rebuild(some)


def rebuild_on_two(practices: list[int]) -> None:
    """The same on two connections, as two workers do: DuckDB has two threads as well."""
    workers = [threading.Thread(target=rebuild, args=(practices[part::2],)) for part in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def forget() -> None:
    """Drop the facts, so that a rebuild has to write every row. What the server has planned for them is lost with them."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute("TRUNCATE patient_facts")


def change_one_percent(practices: list[int]) -> int:
    """Give every hundredth patient a further visit, and mark them, as a sync does."""
    from recare.base import db
    from recare.patients import changes

    marked = 0
    for practice in practices:
        with db.scope(practice):
            some = db.values(
                "SELECT id FROM patient WHERE practice_id = %(p)s AND id %% 97 = 5 ORDER BY id", p=practice
            )
            some = some[: max(db.value("SELECT count(*) FROM patient WHERE practice_id = %(p)s", p=practice) // 100, 1)]
            db.run(
                "INSERT INTO procedure (practice_id, source, source_key, patient_id, code, status, done_on, fee_cents)"
                " SELECT %(p)s, 'c', gen_random_uuid()::text, id, 'D1110', 'completed', '2027-01-05', 9000 FROM unnest(%(some)s::bigint[]) id",
                p=practice, some=some,
            )  # fmt: skip
            marked += changes.mark(practice, some)
    return marked


def refresh(practices: list[int]) -> None:
    """Refresh practice by practice, as the worker does."""
    from recare.segments import facts

    for practice in practices:
        facts.refresh_batch(practice, datetime.now(UTC))


# --- DuckDB -----------------------------------------------------------------------------------------------------

COLUMNS = {
    "practice": "id, tz", "booking": "practice_id, patient_id, state, lower(during) AS during", "reply": "practice_id, patient_id, at",
    "call_outcome": "practice_id, patient_id, outcome, at", "touch": "practice_id, patient_id, verdict, decided_at",
    "appointment": "practice_id, id, patient_id, status, starts_at, starts_on, deleted_at, care, array_to_string(codes, ',') AS codes",
    "patient": "id, practice_id, household_id, guarantor_id, merged_into_id, birthdate, sex, language, status, standing, hold, deceased_on,"
               " dismissed_on, do_not_contact, cannot_schedule, preferred_channel, array_to_string(banned_channels, ',') AS banned_channels, street,"
               " state, zip, first_visit_on, last_visit_stated_on, paused_until",
    "procedure": "practice_id, patient_id, code, status, done_on, fee_cents, care",
    "recall": "practice_id, patient_id, kind, interval_months, interval_days, due_on, disabled, disabled_until",
    "treatment_plan_item": "practice_id, patient_id, code, status, planned_on, expires_on, fee_cents",
    "coverage": "practice_id, id, patient_id, ordinal, payer_class, renews_month, annual_max_cents, used_cents, ends_on",
    "contact_point": "practice_id, id, kind, address, sms_level, email_level, call_level, sms_out_at, email_out_at, call_out_at, wrong_number_at,"
                     " complained_at, hard_bounced_at, sms_incapable_at, reassigned",
    "patient_contact": "practice_id, patient_id, contact_point_id, label, rank, extension, ended_at",
}  # fmt: skip
LISTS = {"codes", "banned_channels"}


def copied(file: Path, practices: list[int]) -> duckdb.DuckDBPyConnection:
    """A DuckDB database with the same rows and types."""
    duck = duckdb.connect(str(file), config={"threads": 2})
    duck.execute("SET timezone = 'UTC'")
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as owner:
        owner.execute("SELECT set_config('recare.practices', %s, false)", ["{" + ",".join(map(str, practices)) + "}"])
        for table, columns in COLUMNS.items():
            csv = file.with_suffix(f".{table}.csv")
            query = f"SELECT {columns} FROM {table}"
            types = {
                each.name: duck_type(each.type_code) for each in owner.execute(query + " LIMIT 0").description or ()
            }
            with (
                csv.open("wb") as out,
                owner.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)") as rows,
            ):
                for chunk in rows:
                    out.write(chunk)
            chosen = ", ".join(
                f"CASE WHEN {name} = '' THEN []::varchar[] ELSE string_split({name}, ',') END AS {name}"
                if name in LISTS
                else f'"{name}"'
                for name in types
            )
            spec = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
            duck.execute(
                f"CREATE TABLE {table} AS SELECT {chosen} FROM read_csv('{csv}', header = true, columns = {{{spec}}}, allow_quoted_nulls = false)"
            )
            csv.unlink()
    schema = (ROOT / "recare/segments/schema.sql").read_text(encoding="utf-8")
    sizes = re.search(r"FUNCTION household_sizes.*?\$\$(.*?)\$\$", schema, re.DOTALL)
    assert sizes
    duck.execute(f"CREATE MACRO household_sizes(practices) AS TABLE {sizes[1]}")
    return duck


def duck_type(oid: int) -> str:
    kinds = {16: "BOOLEAN", 20: "BIGINT", 21: "SMALLINT", 23: "INTEGER", 1082: "DATE", 1184: "TIMESTAMPTZ"}
    return kinds.get(oid, "VARCHAR")


def for_duckdb(statement: str, practices: list[int]) -> str:
    """Say the statement in DuckDB's words: lists, and integers that are not widened."""
    for pattern, words in (
        (r"\(practices\)", f"({practices})"),
        (r"'(\w+)' <> ALL \(p\.banned_channels\)", r"NOT list_contains(p.banned_channels, '\1')"), (r"codes <> '\{\}'", "len(codes) > 0"),
        (r"lower\(during\)", "during::timestamptz"), (r"\bat\b(?! TIME)", '"at"'), (r"coalesce\(ahead\.scheduled_at, '\{\}'\)", "coalesce(ahead.scheduled_at, [])"),
        (r"date '2000-01-01' \+ (\w+\.?\w*)\[2\]", r"date '2000-01-01' + \1[2]::integer"),
        (r"nullif\(spec\[3\], 0\)", "nullif(spec[3]::integer, 0)"),
    ):  # fmt: skip
        statement = re.sub(pattern, words, statement)
    return statement


def checksum(rows: Iterator[tuple[Any, ...]]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update("|".join(map(str, row)).encode())
    return digest.hexdigest()[:16]


def checksums(duck: duckdb.DuckDBPyConnection, practices: list[int]) -> tuple[str, str]:
    """Digest of every column of every row, ordered, out of both engines."""
    from recare.segments.facts import COLUMNS as columns  # noqa: N811

    names = [name for name in columns if name != "scheduled_at"]
    query = (
        f"SELECT {', '.join(f'{name}::text' for name in names)}, {{}} FROM {{}} f ORDER BY f.practice_id, f.patient_id"
    )
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as owner:
        owner.execute("SELECT set_config('recare.practices', %s, false)", ["{" + ",".join(map(str, practices)) + "}"])
        ours = owner.execute(
            query.format("cardinality(scheduled_at), extract(epoch FROM scheduled_at[1])::bigint", "patient_facts")
        )
        first = checksum(iter(ours))
    theirs = duck.execute(query.format("len(scheduled_at), epoch(scheduled_at[1])::bigint", "facts"))
    return first, checksum(iter(theirs.fetchall()))


def compare(practices: list[int], ours: Took, folder: Path) -> None:
    from recare.segments import facts

    duck = copied(folder / "facts.duckdb", practices)
    statement = for_duckdb(facts.statement(some=False), practices)
    took = best(
        3,
        lambda: duck.execute(f"CREATE OR REPLACE TABLE facts AS {statement} SELECT * FROM fresh"),
        cpu=time.process_time,
    )
    first, second = checksums(duck, practices)
    print(f"DuckDB, two threads, its own file:  {took}")
    print(
        f"PostgreSQL / DuckDB:                {ours.wall / took.wall:8.1f} x wall  {ours.cpu / took.cpu:8.1f} x cpu     (wanted: <= 8)"
    )
    print(f"checksums: {first} {second} {'equal' if first == second else 'DIFFERENT'}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--patients", type=int, default=20_000)
    parser.add_argument("--per-practice", type=int, default=2_000)
    parser.add_argument("--no-duckdb", action="store_true")
    options = parser.parse_args()
    count = max(options.patients // options.per_practice, 1)
    practices = list(range(1, count + 1))
    with database(), tempfile.TemporaryDirectory() as folder:
        load(1, count, 1, options.patients)
        import django

        os.environ["DJANGO_SETTINGS_MODULE"] = "recare.settings"
        django.setup()
        measure(practices, options.patients, None if options.no_duckdb else Path(folder))


def measure(practices: list[int], people: int, folder: Path | None) -> None:
    rows = people * 20
    print(f"{people} patients in {len(practices)} practices, {rows} appointments and procedures")
    if len(practices) > 1:
        one_after_another(practices)
    refreshed(practices)
    ours = best(2, lambda: rebuild_on_two(practices), forget)
    print(f"all, every row written, 2 workers:  {ours}     {ours.cpu / rows * 1e6:.2f} s cpu per million rows")
    alone = best(2, lambda: rebuild(practices), forget)
    print(f"all, every row written, 1 worker:   {alone}     {alone.wall / rows * 1e6:.2f} s per million rows")
    if folder:
        compare(practices, ours, folder)


def one_after_another(practices: list[int]) -> None:
    """Measure single practices, the first time and again, on a connection that has its plan, as a worker's has."""
    forget()
    rebuild(practices[:1])
    new = iter(practices[1:])
    one = best(min(len(practices) - 1, 15), lambda: rebuild([next(new)]))
    again = best(15, lambda: rebuild(practices[:1]))
    print(f"one practice, every row written:    {one}     (wanted: <= 40 ms)")
    print(f"one practice, nothing changed:      {again}     (wanted: <= 40 ms)")


def refreshed(practices: list[int]) -> None:
    """Compare a refresh of one percent with a rebuild of all, both on a connection that has its plans."""
    rebuild(practices)
    change_one_percent(practices)
    refresh(practices)
    marked = 0

    def change() -> None:
        nonlocal marked
        marked = change_one_percent(practices)

    part = best(15, lambda: refresh(practices), change)
    full = best(7, lambda: rebuild(practices))
    print(f"all, nothing changed, 1 worker:     {full}")
    print(
        f"refresh of {marked} marked patients:    {part}     rebuild / refresh: {full.wall / part.wall:.1f} wall, {full.cpu / part.cpu:.1f} cpu (wanted: >= 15)"
    )


if __name__ == "__main__":
    main()
