"""Import: peak memory and throughput beside a bare COPY of the rows it wrote, all in one run.

    python bench/import.py --patients 20000
    python bench/import.py --patients 200000

Each patient has 8 appointments and 12 procedures. A temporary server of its own, durable defaults. The bare COPY streams the very rows that the
import wrote into tables with the same columns, indexes and references, and once more into tables without indexes and references. Other work on
the machine stretches wall time, so processor time (this process, its children and the server) stands beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from recare.base import postgres  # noqa: E402
from recare.rehearsal.fictional import AREA_CODES  # noqa: E402

TODAY = date(2027, 1, 12)
CODES = ("D0120", "D1110", "D0274", "D2392", "D4910", "D2740", "D3330", "D7140")
TABLES = ("patient", "appointment", "procedure")


def write_files(folder: Path, patients: int) -> int:
    """Write patients, appointments and procedures; return how many rows."""
    rng = random.Random(3)
    days = [TODAY - timedelta(days=n) for n in range(2000)]
    shown = [f"{day.month}/{day.day}/{day.year}" for day in days]
    rows = 0
    for name, header, lines in (
        ("patients.csv", "PatNum,LName,FName,Birthdate,Status,Guarantor,Cell Phone,Email,Street Address,City,State,Zip,ContactMethod,TxtMsgOk,Last Visit,Notes",
         _patients(rng, patients, shown)),
        ("appointments.csv", "ApptId,PatNum,ApptDate,ApptTime,Duration,Status,ApptOperatory,Provider,ApptADACode", _appointments(rng, patients, shown)),
        ("procedures.csv", "ProcNum,PatNum,TransDate,ADACode,Status,Amount,Provider", _procedures(rng, patients, shown)),
    ):  # fmt: skip
        with (folder / name).open("w", newline="") as file:
            file.write(header + "\r\n")
            writer = csv.writer(file)
            for line in lines:
                writer.writerow(line)
                rows += 1
    return rows


def _patients(rng: random.Random, patients: int, shown: list[str]) -> Iterator[tuple[object, ...]]:
    for n in range(1, patients + 1):
        phone = f"({AREA_CODES[n // 3 % len(AREA_CODES)]}) 555-01{n // 3 // len(AREA_CODES) % 100:02d}"
        yield (n, f"Example{n % 9973}", f"Ada{n % 577}", f"{n % 12 + 1}/{n % 28 + 1}/{1940 + n % 80}", "Patient", n - n % 2 or n, phone, f"ada{n}@example.org",
               f"{n % 900} Elm St", "Lindenfield", "IL", "60540", rng.choice(("Email", "None", "TextMessage")), rng.choice("0112"), rng.choice(shown),
               "Moved away" if n % 97 == 0 else "")  # fmt: skip


def _appointments(rng: random.Random, patients: int, shown: list[str]) -> Iterator[tuple[object, ...]]:
    number = 0
    for n in range(1, patients + 1):
        for _ in range(8):
            number += 1
            yield (number, n, rng.choice(shown), f"{rng.randint(8, 11):02d}:{rng.choice(('00', '10', '30'))} AM", 60,
                   rng.choice(("Complete", "Complete", "Complete", "Broken")), f"OP{n % 4}", f"DOC{n % 3}", rng.choice(CODES))  # fmt: skip


def _procedures(rng: random.Random, patients: int, shown: list[str]) -> Iterator[tuple[object, ...]]:
    number = 0
    for n in range(1, patients + 1):
        for _ in range(12):
            number += 1
            yield (
                number,
                n,
                rng.choice(shown),
                rng.choice(CODES),
                rng.choice(("C", "C", "C", "TP", "EC")),
                f"{rng.randint(20, 1500)}.00",
                f"DOC{n % 3}",
            )


class Memory(threading.Thread):
    """Samples the largest private memory of any server process."""

    def __init__(self, server: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.server, self.peak, self.done = server, 0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.5):
            for process in self.server.children():
                with contextlib.suppress(psutil.Error):
                    memory = process.memory_info()
                    self.peak = max(self.peak, memory.rss - memory.shared)


def processor(server: psutil.Process) -> float:
    """Seconds of processor time used by this process, its finished children, and the server with its processes."""
    own = os.times()
    used = own.user + own.system + own.children_user + own.children_system
    for process in (server, *server.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        used += times.user + times.system + (times.children_user + times.children_system if process == server else 0)
    return used


def bare_copy(owner: str, folder: Path, server: psutil.Process, *, bare: bool) -> tuple[float, float, int]:
    """COPY the imported rows into fresh tables made LIKE the real ones; return seconds, processor seconds and rows."""
    seconds, cpu, rows = 0.0, 0.0, 0
    options = "INCLUDING DEFAULTS INCLUDING GENERATED" if bare else "INCLUDING ALL"
    with psycopg.connect(owner, autocommit=True) as db:
        db.execute("SELECT set_config('recare.practices', (SELECT array_agg(id)::text FROM practice), false)")
        for table in TABLES:
            path = folder / f"{table}.copy"
            names = "SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
            (columns,) = db.execute(names, [table]).fetchone() or ("",)
            with (
                db.cursor() as cursor,
                path.open("wb") as out,
                cursor.copy(f"COPY (SELECT {columns} FROM {table}) TO STDOUT") as stream,
            ):
                for block in stream:
                    out.write(block)
            db.execute(f"DROP TABLE IF EXISTS bare; CREATE TABLE bare (LIKE {table} {options})")
            if table != "patient" and not bare:
                db.execute(
                    "ALTER TABLE bare ADD FOREIGN KEY (practice_id, patient_id) REFERENCES patient (practice_id, id)"
                )
            began, used = time.perf_counter(), processor(server)
            with db.cursor() as cursor, path.open("rb") as file:
                with cursor.copy(f"COPY bare ({columns}) FROM STDIN") as stream:
                    while block := file.read(1 << 16):
                        stream.write(block)
                rows += cursor.rowcount
            seconds, cpu = seconds + time.perf_counter() - began, cpu + processor(server) - used
            path.unlink()
        db.execute("DROP TABLE bare")
    return seconds, cpu, rows


def timed_import(folder: Path, server: psutil.Process) -> tuple[float, float, int]:
    """Import in a process of its own; return wall seconds, processor seconds and its peak memory in bytes."""
    began, used = time.perf_counter(), processor(server)
    command = [sys.executable, "-m", "recare", "import", str(folder), "--practice", "bench"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("The import failed.")
    return time.perf_counter() - began, processor(server) - used, usage.ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=200_000)
    patients = parser.parse_args().patients
    home = Path(tempfile.mkdtemp(prefix="recare-bench-"))
    home.chmod(0o755)
    files = home / "export"
    files.mkdir()
    rows = write_files(files, patients)
    (files / "practice.yaml").write_text("name: Bench\ntz: America/Chicago\n")
    cluster = postgres.start(home / "db", settings={})
    os.environ |= {
        "RECARE_HOME": str(home / "home"),
        "DATABASE_URL": cluster.app_url(),
        "DATABASE_OWNER_URL": cluster.owner_url(),
    }
    os.environ["RECARE_SECRET_KEY"] = "only for a bench"
    try:
        subprocess.run([sys.executable, "-m", "recare", "migrate"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        server = psutil.Process(int((next(home.rglob("postmaster.pid"))).read_text().split()[0]))
        memory = Memory(server)
        memory.start()
        first, first_cpu, peak = timed_import(files, server)
        again, again_cpu, _ = timed_import(files, server)
        memory.done.set()
        same, same_cpu, written = bare_copy(cluster.owner_url(), home, server, bare=False)
        plain, plain_cpu, _ = bare_copy(cluster.owner_url(), home, server, bare=True)
    finally:
        cluster.stop()
        shutil.rmtree(home, ignore_errors=True)
    print(f"{rows:,} rows of {patients:,} patients; {written:,} rows written to {', '.join(TABLES)}")
    for label, wall, cpu, count in (
        ("import", first, first_cpu, rows),
        ("import again, nothing changed", again, again_cpu, rows),
        ("bare COPY, same indexes and references", same, same_cpu, written),
        ("bare COPY, neither", plain, plain_cpu, written),
    ):
        print(f"{label:40} {wall:8.1f} s {count / wall:9,.0f} rows/s   processor {cpu:7.1f} s   throughput of the import / this = "
              f"{wall * rows / (first * count):.2f}, by processor time {cpu * rows / (first_cpu * count):.2f}")  # fmt: skip
    print(f"wanted: import / bare COPY >= 0.25; peak memory of the importing process {peak / 2**20:.0f} MB (wanted < 400), "
          f"private memory of its server process {memory.peak / 2**20:.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
