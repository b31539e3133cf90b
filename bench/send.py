"""Sending: render and queue, the whole way out through the sandbox, and e-mail into a local sink beside Django's own backend.

    python bench/send.py [--messages 8000] [--mails 3000] [--touches 100000] [--dispatchers 4] [--only sandbox,smtp,render,kill]

A temporary server with durable settings, real rows, real commits. ``--only kill`` runs the kill-the-worker test with 500 rounds; the orders of
a STOP against a sending are in bench/interleavings.py.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)
TEXT = "Maple Dental: Hi there, it's been a while. Book: https://go.example.com/p/book/x or 630-555-0100. Reply STOP to opt out."
HTML = (
    "<!doctype html><html><body>"
    + "<p style='margin:0;font-size:17px'>We would like to see you again.</p>" * 345
    + "</body></html>"
)

PEOPLE = """
INSERT INTO patient (practice_id, source, source_key, first_name, last_name, status, birthdate, state, zip, language)
    SELECT P, 'bench', n, (ARRAY['Ada','Ben','Cleo','Dan','Eva','Finn','Gus','Hal'])[1 + n % 8] || chr(97 + (n / 8) % 26), 'Quill' || n,
        'active', '1980-05-17', 'IL', '60540', 'en' FROM generate_series(1, N) n;
INSERT INTO contact_point (practice_id, kind, address, address_hash, sms_level, email_level, last_confirmed_on)
    SELECT P, KIND, CASE WHEN KIND = 'email' THEN 'p' || n || '@example.com' ELSE '+1630' || lpad(n::text, 7, '5') END,
        decode(md5(P || KIND || n), 'hex'), 2, 2, '2027-01-01' FROM generate_series(1, N) n;
INSERT INTO patient_contact (practice_id, patient_id, contact_point_id, label, source)
    SELECT P, a.id, c.id, LABEL, 'bench' FROM patient a JOIN contact_point c
    ON c.practice_id = a.practice_id AND c.address_hash = decode(md5(P || KIND || a.source_key), 'hex') WHERE a.practice_id = P;
INSERT INTO consent_event (practice_id, seq, prev_hash, hash, recorded_at, effective_at, contact_point_id, channel, address_hash, type, level, method)
    SELECT P, row_number() OVER (ORDER BY id), '', '', NOW, NOW - interval '1 year', id, CHANNEL, address_hash, 'granted', 2, 'paper'
    FROM contact_point WHERE practice_id = P;
INSERT INTO campaign (practice_id, name, playbook, state, created_at) VALUES (P, 'b', '', 'running', NOW);
INSERT INTO campaign_version (practice_id, campaign_id, number, spec, spec_sha256, salt, published_at, published_by)
    SELECT P, id, 1, '{"playbook": {"remuneration": "none"}}', '', 's', NOW, 'b' FROM campaign WHERE practice_id = P;
INSERT INTO enrolment (practice_id, campaign_id, version_id, patient_id, unit, arm, probability, salt, draw, snapshot, assigned_at, state)
    SELECT P, v.campaign_id, v.id, a.id, a.id, 'treated', 0.9, 's', 0.5, '{}', NOW, 'waiting'
    FROM patient a, campaign_version v WHERE a.practice_id = P AND v.practice_id = P;
INSERT INTO touch (practice_id, enrolment_id, patient_id, step, attempt, channel, verdict, decided_at, contact_point_id, template_version_id)
    SELECT P, e.id, e.patient_id, 0, 0, CHANNEL, 'send', NOW, c.contact_point_id, VERSION FROM enrolment e
    JOIN patient_contact c ON c.practice_id = P AND c.patient_id = e.patient_id WHERE e.practice_id = P;
"""
MESSAGES = """
INSERT INTO message (practice_id, touch_id, patient_id, contact_point_id, channel, message_class, subject, body_text, body_html,
    list_unsubscribe, not_before, not_after, created_at)
    SELECT P, id, patient_id, contact_point_id, channel, 'R', 'Maple Dental', TEXT, HTML, 'https://go.example.com/p/unsubscribe/x',
        NOW, NOW + interval '3 days', NOW FROM touch WHERE practice_id = P;
"""


@contextmanager
def server() -> Iterator[None]:
    """A database of its own, with the durable settings of the product, every table made."""
    from recare.base import postgres

    home = Path(tempfile.mkdtemp(prefix="recare-bench-"))
    home.chmod(0o755)
    cluster = postgres.start(home / "db")
    os.environ |= {
        "RECARE_HOME": str(home / "home"), "DATABASE_URL": cluster.app_url(), "DATABASE_OWNER_URL": cluster.owner_url(),
        "RECARE_SECRET_KEY": "bench", "DJANGO_SETTINGS_MODULE": "recare.settings",
    }  # fmt: skip
    try:
        subprocess.run([sys.executable, "-m", "recare", "migrate"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        import django

        django.setup()
        yield
    finally:
        cluster.stop()
        shutil.rmtree(home, ignore_errors=True)


def fill(slug: str, count: int, channel: str, draft: Any = None) -> int:
    """Make a practice with ``count`` patients and a touch for each; return its id."""
    from django.db import connection

    from recare.base import db
    from recare.messages import templates
    from recare.practices import practice as practices

    practice = practices.create(
        slug, "Maple Dental", "America/Chicago", is_rehearsal=True, phone="+16305550100", email="desk@maple.example.com",
        street="210 Larkspur Ave", city="Lindenfield", state="IL", zip="60540",
    )  # fmt: skip
    with db.scope(practice.id):
        version = 0
        if draft is not None:
            version = templates.save_version(practice.id, draft, "bench", NOW).id
            templates.approve(practice.id, version, "bench", NOW)
    fast(practice.id, PEOPLE, count, channel, version)
    with db.scope(practice.id):
        db.run(
            "INSERT INTO sender (practice_id, channel, provider, address, registered, use_cases) VALUES (%(p)s, %(c)s, 'sandbox', %(a)s, "
            "true, '{R}')",
            p=practice.id, c=channel, a="desk@maple.example.com" if channel == "email" else "+16305550100",
        )  # fmt: skip
    connection.close()
    analyze()
    return practice.id


def fast(practice_id: int, script: str, count: int, channel: str, version: int = 0) -> None:
    from recare.base import db

    kind, label = ("email", "email") if channel == "email" else ("phone", "mobile")
    words = {
        "VERSION": str(version), "CHANNEL": f"'{channel}'", "KIND": f"'{kind}'", "LABEL": f"'{label}'", "NOW": f"timestamptz '{NOW}'",
        "TEXT": "'" + TEXT.replace("'", "''") + "'", "HTML": "'" + HTML.replace("'", "''") + "'" if channel == "email" else "''",
    }  # fmt: skip
    import re

    for statement in filter(str.strip, script.split(";\n")):
        with db.scope(practice_id):
            sql = re.sub(r"\b(VERSION|CHANNEL|KIND|LABEL|NOW|TEXT|HTML)\b", lambda m: words[m.group()], statement)
            sql = re.sub(r"\bP\b", str(practice_id), re.sub(r"\bN\b", str(count), sql))
            db.run(sql)
        analyze()


def analyze() -> None:
    """What autovacuum does by itself within a minute; a bench has no minute."""
    import psycopg

    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")


def cpu() -> float:
    """CPU seconds so far of ended child processes: dispatchers, and the database server's ended connections."""
    import psutil

    pid = int(next(Path(os.environ["RECARE_HOME"]).parent.rglob("postmaster.pid")).read_text().split()[0])
    server = psutil.Process(pid).cpu_times()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime + server.children_user + server.children_system


def drain(practice_id: int, name: str) -> Callable[[], None]:
    """A dispatcher that sends until nothing more is due."""

    def run() -> None:
        from recare.messages import send

        while send.send_batch(practice_id, NOW, 200, name):
            pass

    return run


def forked(jobs: list[Callable[[], None]]) -> float:
    """Run jobs in processes of their own; return the wall seconds until all are done."""
    pids = []
    began = time.perf_counter()
    for job in jobs:
        pid = os.fork()
        if pid == 0:
            try:
                job()
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    return time.perf_counter() - began


def sandbox(count: int, dispatchers: int) -> None:
    from django.db import connection

    from recare.base import db
    from recare.messages import send

    practice_id = fill("sandbox", count + 1, "sms")
    fast(practice_id, MESSAGES, count, "sms")
    send.send_batch(practice_id, NOW, 1, "warm")  # rule packs and zone tables are read once a process
    connection.close()
    analyze()

    before = cpu()
    seconds = forked([drain(practice_id, f"dispatcher-{number}") for number in range(dispatchers)])
    time.sleep(0.3)  # the server notices that its clients have left
    spent = cpu() - before
    drain(practice_id, "rest")()
    with db.scope(practice_id):
        sent = db.value("SELECT count(*) FROM message WHERE practice_id = %(p)s AND state = 'sent'", p=practice_id)
        doubles = db.value(
            "SELECT count(*) - count(DISTINCT our_id) FROM sandbox_delivery WHERE practice_id = %(p)s", p=practice_id
        )
    print(
        f"sandbox, {dispatchers} dispatchers: {sent} messages sent, {count / seconds:,.0f}/s wall in {seconds:.2f} s; "
        f"{count / spent:,.0f}/s a core of dispatchers and database together; doubles {doubles}"
    )
    connection.close()


class Sink(asyncio.Protocol):
    """As little SMTP as a client needs to be content."""

    def __init__(self) -> None:
        self.rest, self.data = b"", False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while True:
            end = b"\r\n.\r\n" if self.data else b"\r\n"
            at = self.rest.find(end)
            if at < 0:
                return
            line, self.rest = self.rest[:at], self.rest[at + len(end) :]
            if self.data:
                self.data = False
                self.transport.write(b"250 2.0.0 taken\r\n")
            elif line[:4].upper() == b"DATA":
                self.data = True
                self.transport.write(b"354 go on\r\n")
            else:
                self.transport.write(b"250 sink\r\n")


@contextmanager
def sink() -> Iterator[int]:
    """A sink in a process of its own; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    pid = os.fork()
    if pid == 0:

        async def serve() -> None:
            made = await asyncio.get_running_loop().create_server(Sink, sock=listener)
            await made.serve_forever()

        asyncio.run(serve())
    port = listener.getsockname()[1]
    listener.close()
    try:
        yield port
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def smtp(count: int) -> None:
    with sink() as port:
        ours = measured("Recare's e-mail channel", count, lambda: ours_out(port, count))
        theirs = measured("Django's SMTP backend (connection kept)", count // 4, lambda: theirs_out(port, count // 4))
        print(f"  ratio: {ours / theirs:.1f}x a CPU second")
        whole_way(port, count)


def measured(name: str, count: int, job: Callable[[], None]) -> float:
    """Run and print mails a second of wall time and of this process's CPU time; return the latter."""
    cpu, wall = time.process_time(), time.perf_counter()
    job()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{name}: {count} mails of {len(HTML) // 1000} KB: {count / wall:,.0f}/s wall, {count / cpu:,.0f}/s a core")
    return count / cpu


def ours_out(port: int, count: int) -> None:
    from recare.channels.email.transport import open_transport
    from recare.channels.outgoing import Outgoing

    line = open_transport({"host": "127.0.0.1", "port": port, "security": "none"})
    for number in range(count):
        letter = Outgoing(
            our_id=f"1-{number}", practice_id=1, channel="email", sender="desk@maple.example.com", sender_name="Maple Dental",
            reply_to="desk@maple.example.com", recipient=f"p{number}@example.com", subject="Maple Dental: see you soon?", text=TEXT,
            html=HTML, list_unsubscribe="https://go.example.com/p/unsubscribe/x",
        )  # fmt: skip
        assert line.send(letter, NOW).outcome == "accepted"
    line.close()


def theirs_out(port: int, count: int) -> None:
    from django.core.mail import EmailMultiAlternatives, get_connection

    backend = get_connection("django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=port)
    backend.open()
    for number in range(count):
        headers = {
            "List-Unsubscribe": "<https://go.example.com/p/unsubscribe/x>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        mail = EmailMultiAlternatives(
            "Maple Dental: see you soon?", TEXT, "Maple Dental <desk@maple.example.com>", [f"p{number}@example.com"], headers=headers
        )  # fmt: skip
        mail.attach_alternative(HTML, "text/html")
        backend.send_messages([mail])
    backend.close()


def whole_way(port: int, count: int) -> None:
    """The same mails through claim, commit, call and settlement."""
    from django.db import connection

    from recare.base import db
    from recare.messages import send, senders

    practice_id = fill("smtp", count + 1, "email")
    fast(practice_id, MESSAGES, count, "email")
    with db.scope(practice_id):
        kept = senders.keep_settings({"host": "127.0.0.1", "port": port, "security": "none"})
        db.run("UPDATE sender SET provider = 'smtp', settings = %(s)s, auth_ok = true, baa_from = '2026-01-01' WHERE practice_id = %(p)s", s=kept, p=practice_id)  # fmt: skip
        db.run("UPDATE practice SET is_rehearsal = false WHERE id = %(p)s", p=practice_id)
        run = "INSERT INTO sync_run (practice_id, source, state, started_at, finished_at, appointments_as_of) VALUES (%(p)s, 'b', 'done', %(n)s, %(n)s, %(n)s)"
        db.run(run, p=practice_id, n=NOW)
    send.send_batch(practice_id, NOW, 1, "warm")
    connection.close()
    analyze()

    for dispatchers in (1, 4):
        with db.scope(practice_id):
            db.run("UPDATE message SET state = 'queued', attempt = 0 WHERE practice_id = %(p)s", p=practice_id)
        connection.close()
        analyze()
        cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = forked([drain(practice_id, f"d{dispatchers}-{number}") for number in range(dispatchers)])
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime
        with db.scope(practice_id):
            sent = db.value("SELECT count(*) FROM message WHERE practice_id = %(p)s AND state = 'sent'", p=practice_id)
        print(
            f"whole way over SMTP, {dispatchers} dispatcher(s): {sent} sent of {count + 1} in {seconds:.2f} s = {sent / seconds:,.0f}/s wall, "
            f"{sent / spent:,.0f}/s a core of the dispatchers"
        )
        connection.close()


def render_queue(count: int) -> None:
    from django.db import connection

    from recare.base import db
    from recare.messages import render
    from recare.messages.templates import Draft

    text = "{{ practice_name }}: Hi {{ greeting_name | name | default: 'there' }}, it's been a while. Book: {{ book_link }} or {{ practice_phone }}. Reply STOP to opt out."
    practice_id = fill("render", count, "sms", Draft("winback", "sms", text))
    began = time.perf_counter()
    done = 0
    while made := render.render_batch(practice_id, NOW, 2000):
        done += made
    seconds = time.perf_counter() - began
    with db.scope(practice_id):
        states = dict(
            db.tuples("SELECT state, count(*) FROM message WHERE practice_id = %(p)s GROUP BY 1", p=practice_id)
        )
    print(
        f"render and queue: {done} texts with a link each in {seconds:.1f} s = {done / seconds:,.0f} rows/s ({states})"
    )
    connection.close()


def kill() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "tests/walls/test_killed_workers.py"]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"RECARE_KILL_ROUNDS": "500"}, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=8000)
    parser.add_argument("--mails", type=int, default=3000)
    parser.add_argument("--touches", type=int, default=100_000)
    parser.add_argument("--dispatchers", type=int, default=4)
    parser.add_argument("--only", default="sandbox,smtp,render")
    given = parser.parse_args()
    wanted = set(given.only.split(","))
    if "kill" in wanted:
        kill()
        return
    with server():
        if "sandbox" in wanted:
            sandbox(given.messages, given.dispatchers)
        if "smtp" in wanted:
            smtp(given.mails)
        if "render" in wanted:
            render_queue(given.touches)


if __name__ == "__main__":
    main()
