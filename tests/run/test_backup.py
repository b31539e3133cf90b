"""``recare backup`` and ``recare restore`` as an operator runs them: everything comes back, or nothing is touched."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from recare.run import archive, children, load
from recare.run.archive import Column, Contents, Head, Writer
from recare.run.sealed_file import Keys, Sealer
from tests.run.conftest import PHRASE, Made
from tests.run.installation import Installation, mode
from tests.run.test_supervise import ROOT, environment

# What a restore itself writes: that it happened, and that nobody sends.
WRITES = {"audit_entry", "audit_head", "installation_stop", "campaign", "inbound_event"}


def catalogue(place: Installation) -> list[tuple[Any, ...]]:
    return place.rows(load._CATALOGUE)


def changed(place: Installation, before: dict[str, str]) -> set[str]:
    after = place.sums()
    return {table for table in before if before[table] != after[table]}


# --- everything comes back ---------------------------------------------------------------------------------------------


def test_sec_06_every_row_of_every_table_comes_back(made: Made, restored: Installation) -> None:
    assert changed(restored, made.sums) <= WRITES
    assert sum(line.split()[0] != "0" for line in made.sums.values()) > 45  # nearly all tables hold something
    trail = "SELECT seq, hash FROM audit_entry WHERE practice_id > 0 ORDER BY practice_id, seq"
    was = made.source.rows(trail)
    assert was
    assert restored.rows(trail)[: len(was)] == was
    consents = "SELECT practice_id, seq, hash FROM consent_event ORDER BY 1, 2"
    assert restored.rows(consents) == made.source.rows(consents)


def test_sec_06_every_guard_of_the_tables_stands_again(made: Made, restored: Installation) -> None:
    assert catalogue(restored) == catalogue(made.source)
    practice = made.practice["id"]
    with psycopg.connect(restored.cluster.app_url(restored.db), autocommit=True) as app:
        with pytest.raises(psycopg.errors.UndefinedObject):
            app.execute("SELECT count(*) FROM patient")  # no practice was named
        app.execute(f"SET recare.practices = '{{{practice}}}'")
        for statement in ("UPDATE audit_entry SET verb = 'x'", "DELETE FROM consent_event"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(statement)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            app.execute("INSERT INTO recall (practice_id, source, source_key, patient_id, kind) VALUES (%s, 't', 'k', 0, 'exam')", [practice])  # fmt: skip
        app.execute(f"SET recare.practices = '{{{practice + 1}}}'")
        assert app.execute("SELECT count(*) FROM patient").fetchone() == (0,)


def test_numbers_given_out_after_the_backup_are_never_given_out_again(restored: Installation) -> None:
    for table in ("message", "patient", "booking"):
        ((last, highest),) = restored.rows(
            f"SELECT (SELECT last_value FROM pg_sequences WHERE sequencename = '{table}_id_seq'), (SELECT max(id) FROM {table})"
        )
        assert last >= highest + load.JUMP


def test_sending_is_stopped_after_a_restore_until_a_person_says_go_on(made: Made, restored: Installation) -> None:
    assert restored.rows("SELECT count(*) FROM installation_stop") == [(1,)]
    assert restored.rows(f"SELECT sending_held({made.practice['id']})") == [(True,)]
    assert restored.rows("SELECT count(*) FROM campaign WHERE state = 'running'") == [(0,)]
    assert made.source.rows("SELECT count(*) FROM campaign WHERE state = 'running'") != [(0,)]
    said = "SELECT count(*) FROM audit_entry WHERE verb IN ('restored a backup', 'stopped all sending') AND practice_id = 0"
    assert restored.rows(said) == [(2,)]
    told = restored.tell("audit", "verify")
    assert (told.code, told.said) == (0, "The audit trail and the consent ledger are whole.\n")


def test_sec_04_the_key_that_locked_the_senders_passwords_comes_along(made: Made, restored: Installation) -> None:
    keys = (restored.home / "secret.key").read_text().split()
    assert (made.source.home / "secret.key").read_text().strip() in keys[1:]
    assert mode(restored.home / "secret.key") == "0o600"


def test_a_role_that_owns_the_tables_and_no_more_backs_up_and_restores_too(
    made: Made, installation: Callable[[], Installation], tmp_path: Path
) -> None:
    """A server of one's own: the owner is no superuser, and row-level security binds it."""
    place = installation()
    role = f"owner_{place.db}"
    with place.connect() as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD 'made-up-for-a-test'")
        connection.execute(f"ALTER DATABASE {place.db} OWNER TO {role}")
        connection.execute(f"ALTER SCHEMA public OWNER TO {role}")
    app = place.cluster.app_url(place.db)
    owner = re.sub(r"//[^@]*@", f"//{role}:made-up-for-a-test@", app)
    key = str(made.source.home / "secret.key")
    told = place.tell("restore", str(made.file), "--key", key, DATABASE_OWNER_URL=owner)
    assert told.code == 0, told.said
    assert changed(place, made.sums) <= WRITES
    told = place.tell("backup", str(tmp_path), DATABASE_OWNER_URL=owner)
    assert told.code == 0, told.said
    (file,) = tmp_path.glob("recare-*.backup")
    keys = Keys(tuple((place.home / "secret.key").read_text().split()))
    held = archive.check(file, keys).tail.rows
    assert held["patient"] == int(made.sums["patient"].split()[0])
    assert held["consent_event"] == int(made.sums["consent_event"].split()[0])


def test_on_a_new_machine_one_command_makes_the_database_and_fills_it(made: Made) -> None:
    """Recare's own server: nothing is there but the program, the file and a copy of the key."""
    home = Path(tempfile.mkdtemp(prefix="rc-"))

    def tell(*words: str) -> str:
        argv = [sys.executable, "-m", "recare", *words]
        done = subprocess.run(
            argv, cwd=ROOT, env=environment(home), capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        said = tell("restore", str(made.file), "--key", str(made.source.home / "secret.key"))
        assert f"Practices: {made.practice['slug']}." in said
        assert "Sending is stopped." in said
        assert "The audit trail and the consent ledger are whole." in tell(
            "audit", "verify", "--against", str(made.file)
        )
        assert f"{made.sums['patient'].split()[0]} patients" in said
        assert "read back and whole" in tell("backup", str(home / "again.backup"))
    finally:
        children.sweep(home)
        shutil.rmtree(home, ignore_errors=True)


# --- the file ------------------------------------------------------------------------------------------------------------


def test_sec_04_the_file_is_for_its_owner_alone_and_nothing_in_it_can_be_read(made: Made) -> None:
    assert mode(made.file) == "0o600"
    data = made.file.read_bytes()
    assert not any(word in data for word in (b"Alpha", b"patient", b"+1630", b"example.com"))
    assert not list(made.file.parent.glob(".*.part"))


def test_sec_06_a_backup_is_noted_in_the_trail_with_its_hash(made: Made) -> None:
    ((noted,),) = made.source.rows(
        "SELECT detail ->> 'sha256' FROM audit_entry WHERE verb = 'made a backup' ORDER BY seq LIMIT 1"
    )
    assert noted == hashlib.sha256(made.file.read_bytes()).hexdigest()


def test_a_backup_never_writes_over_another_file(made: Made, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    told = made.source.tell("backup", str(tmp_path / "there"))
    assert told.code == 1
    assert "never writes over another" in told.said
    assert (tmp_path / "there").read_text() == "mine"


def test_keep_deletes_the_oldest_backups_of_this_installation_and_nothing_else(
    made: Made, restored: Installation, tmp_path: Path
) -> None:
    older = [f"recare-2026-01-0{day}T020000Z.backup" for day in (1, 2, 3)]
    for name in (*older, "before-restore-2026-01-01T020000Z.backup"):
        shutil.copy2(made.file, tmp_path / name)
    (tmp_path / "recare-2026-01-01T030000Z.backup").write_text("no backup")
    assert restored.tell("backup", str(tmp_path)).code == 0
    (another,) = set(tmp_path.glob("recare-*")) - {tmp_path / name for name in older} - set(tmp_path.glob("*T030000Z*"))
    another.rename(tmp_path / "recare-2026-01-01T040000Z.backup")
    told = made.source.tell("backup", str(tmp_path), "--keep", "2")
    assert told.code == 0, told.said
    assert "2 older backups were deleted" in told.said
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[:4] == ["before-restore-2026-01-01T020000Z.backup", "recare-2026-01-01T030000Z.backup", "recare-2026-01-01T040000Z.backup", older[2]]  # fmt: skip
    assert len(names) == 5
    assert "needs a folder" in made.source.tell("backup", str(tmp_path / "one.backup"), "--keep", "2").said


@pytest.mark.parametrize(
    ("file", "phrase", "sentence"),
    [("no/such/folder/x", "", "could not be written"), ("x", "short", "at least 12 characters|12 characters at least")],
)
def test_a_backup_that_cannot_be_made_is_told_in_a_sentence(
    made: Made, tmp_path: Path, file: str, phrase: str, sentence: str
) -> None:
    told = made.source.tell("backup", str(tmp_path / file), RECARE_BACKUP_PHRASE=phrase)
    assert told.code == 1
    assert re.search(sentence, told.said)
    assert "Traceback" not in told.said
    assert list(tmp_path.iterdir()) == []


def test_sec_04_a_pass_phrase_opens_it_where_the_key_is_lost(
    made: Made, installation: Callable[[], Installation], tmp_path: Path
) -> None:
    file = tmp_path / "with.backup"
    assert made.source.tell("backup", str(file), RECARE_BACKUP_PHRASE=PHRASE).code == 0
    place = installation()
    without = place.tell("restore", str(file), "--check")
    assert without.code == 1
    assert "or by its pass phrase" in without.said
    assert not list(place.home.iterdir())  # looking has made nothing
    told = place.tell("restore", str(file), "--check", RECARE_BACKUP_PHRASE=PHRASE)
    assert told.code == 0, told.said
    assert "The file is whole." in told.said
    told = place.tell("restore", str(file), RECARE_BACKUP_PHRASE=PHRASE)
    assert told.code == 0, told.said
    assert place.rows("SELECT count(*) FROM patient") == made.source.rows("SELECT count(*) FROM patient")


# --- what is not whole touches nothing -------------------------------------------------------------------------------------


def rewritten(
    made: Made, path: Path, head: Callable[[Head], Head] = lambda head: head, skip: str = "", twist: str = ""
) -> Path:
    """A backup that opens, and whose maker was not the one of this release: another head, a table less, a row changed."""
    rows: dict[str, list[bytes]] = {}

    def take(table: str, blocks: Iterator[bytes]) -> None:
        rows[table] = [bytes(block) for block in blocks]

    contents: Contents = archive.walk(made.file, made.keys, take)
    with path.open("wb") as file:
        writer = Writer(Sealer(file, {"made_at": contents.head.made_at}, made.keys), head(contents.head))
        for table, blocks in rows.items():
            if table != skip:
                data = b"".join(blocks)
                writer.table(table, [data.replace(b"Alpha", b"Omega") if table == twist else data])
        writer.finish(contents.tail.sequences, contents.tail.ends, contents.tail.keys)
    return path


def other_column(head: Head) -> Head:
    return replace(head, schema=head.schema | {"recall": (*head.schema["recall"], Column("new", "text", False))})


def without_recall(head: Head) -> Head:
    return replace(head, schema={table: columns for table, columns in head.schema.items() if table != "recall"})


DAMAGE: dict[str, tuple[Callable[[Made, Path], Path | bytes], str]] = {
    "a changed byte": (lambda m, _p: m.file.read_bytes()[:-40] + b"!" + m.file.read_bytes()[-39:], "damaged, changed or cut off"),
    "a cut-off end": (lambda m, _p: m.file.read_bytes()[:-1], "damaged, changed or cut off at its end"),
    "an empty file": (lambda _m, _p: b"", "no backup of Recare"),
    "another file": (lambda _m, _p: b"Patient ID,Last Name\n1,Example\n", "no backup of Recare"),
    "a folder": (lambda _m, p: p.parent, "cannot be read"),
    "no file": (lambda _m, p: p.with_name("nowhere"), "cannot be read"),
    "a table less": (lambda m, p: rewritten(m, p, skip="consent_event"), "the table consent_event is missing from it"),
    "an unknown table less": (lambda m, p: rewritten(m, p, head=without_recall, skip="recall"), "its table recall has other columns"),
    "other columns": (lambda m, p: rewritten(m, p, head=other_column), "its table recall has other columns"),
    "another release": (
        lambda m, p: rewritten(m, p, head=lambda head: replace(head, release="9.1", migrations=(*head.migrations, "x.0099_new"))),
        "made by another release, Recare 9.1 .*x.0099_new.*install that release",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_sec_06_a_backup_that_is_not_whole_stops_loudly_and_changes_nothing(
    made: Made, tmp_path: Path, damage: str
) -> None:
    make, sentence = DAMAGE[damage]
    given = make(made, tmp_path / "given")
    if isinstance(given, bytes):
        (tmp_path / "given").write_bytes(given)
        given = tmp_path / "given"
    before = made.source.sums()
    told = made.source.tell("restore", str(given), "--replace")
    assert told.code == 1
    assert re.search(sentence, told.said), told.said
    assert told.said.count("\n") == 1  # one sentence, no trace
    assert "Nothing was changed." in told.said
    assert made.source.sums() == before


def test_sec_04_with_another_key_it_says_which_one_is_wanted(
    made: Made, installation: Callable[[], Installation], tmp_path: Path
) -> None:
    (tmp_path / "other.key").write_text("some other key")
    place = installation()
    told = place.tell("restore", str(made.file), "--key", str(tmp_path / "other.key"))
    assert told.code == 1
    assert "opened by secret.key of the installation that made it (" in told.said
    assert place.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_sec_06_rows_that_break_a_rule_of_the_tables_change_nothing(made: Made, tmp_path: Path) -> None:
    """It opens, it is whole, and its households are gone: the foreign key says no at the end."""
    file = tmp_path / "given"
    rows: dict[str, bytes] = {}
    contents = archive.walk(made.file, made.keys, lambda table, blocks: rows.update({table: b"".join(blocks)}))
    with file.open("wb") as raw:
        writer = Writer(Sealer(raw, {}, made.keys), contents.head)
        for table, data in rows.items():
            writer.table(table, [b"" if table == "contact_point" else data])
        writer.finish(contents.tail.sequences, contents.tail.ends, contents.tail.keys)
    before, guards = made.source.sums(), catalogue(made.source)
    told = made.source.tell("restore", str(file), "--replace")
    assert told.code == 1
    assert "violates foreign key" in told.said
    assert "Nothing was changed." in told.said
    assert (made.source.sums(), catalogue(made.source)) == (before, guards)
    assert not list((made.source.home / "backups").iterdir())  # the copy of what was replaced: nothing was


def test_an_installation_in_use_is_not_replaced_by_the_way(made: Made) -> None:
    before = made.source.sums()
    told = made.source.tell("restore", str(made.file))
    assert told.code == 1
    assert made.practice["slug"] in told.said
    assert "say --replace" in told.said
    assert made.source.sums() == before


def test_nothing_is_restored_under_programs_that_are_at_work(made: Made) -> None:
    with psycopg.connect(made.source.cluster.app_url(made.source.db)):
        told = made.source.tell("restore", str(made.file), "--replace")
    assert told.code == 1
    assert "Stop Recare on every machine" in told.said
    (made.source.home / "run").mkdir(exist_ok=True)
    with (made.source.home / "run" / "supervisor.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = made.source.tell("restore", str(made.file), "--replace")
    assert told.code == 1
    assert "Recare is already running" in told.said


@pytest.mark.parametrize(
    "moment", ["TRUNCATE", "COPY .* FROM STDIN", "ADD CONSTRAINT", "(ANALYZE|UPDATE touch|UPDATE message)"]
)
def test_sec_06_a_restore_that_is_killed_in_the_middle_changes_nothing(made: Made, moment: str) -> None:
    place = made.source
    before, guards = place.sums(), catalogue(place)
    argv = [sys.executable, "-m", "recare", "restore", str(made.file), "--replace"]
    process = subprocess.Popen(
        argv, cwd=ROOT, env=place.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    seen = f"SELECT pid FROM pg_stat_activity WHERE datname = '{place.db}' AND state <> 'idle' AND query ~ '{moment}'"
    with psycopg.connect(place.cluster.owner_url("postgres"), autocommit=True) as watcher:
        while not (found := watcher.execute(seen).fetchall()):
            assert process.poll() is None, "it ended before it could be killed"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        still = f"SELECT pid FROM pg_stat_activity WHERE pid = {found[0][0]}"
        while watcher.execute(still).fetchall():
            time.sleep(0.02)
    assert (place.sums(), catalogue(place)) == (before, guards)
