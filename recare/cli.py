"""The ``recare`` command. Each command calls one verb of a room, imported when it is needed."""

from __future__ import annotations

import contextlib
import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recare.base import postgres
from recare.base.postgres_binaries import PostgresError
from recare.run import database, supervise
from recare.run.database import CannotStartError, Urls
from recare.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION)
def cli() -> None:
    """Recare brings lapsed dental patients back."""


def main() -> None:
    """Run the command line; what cannot work is told in one sentence, exit code 1."""
    try:
        cli()
    except (CannotStartError, PostgresError) as error:
        click.echo(f"recare: {error}", err=True)
        sys.exit(1)


@contextlib.contextmanager
def _database() -> Iterator[Urls]:
    """Open the database for one command, load Django and check that the schema fits."""
    with database.opened(postgres.default_home()) as urls:
        database.load_django()
        database.check_schema(database.schema())
        from recare.practices.practice import NoPracticeError

        try:
            yield urls
        except NoPracticeError as error:
            raise CannotStartError(str(error)) from error


host_option = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
port_option = click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
practice_option = click.option("--practice", required=True, help="Name (slug) of the practice.")


@cli.command()
@host_option
@port_option
def run(host: str, port: int) -> None:
    """Start database, web server and worker; Ctrl-C stops all three."""
    supervise.run(supervise.Options(home=postgres.default_home(), host=host, port=port, say=click.echo))


@cli.command()
@host_option
@port_option
@click.option("--live", is_flag=True, help="Leave the clock real: messages go to the sandbox as time passes.")
@click.option("--rehearse", is_flag=True, help="Run the six months of the case study at once, before the page opens.")
def demo(host: str, port: int, live: bool, rehearse: bool) -> None:  # noqa: FBT001 (click passes flags by name)
    """Start with a made-up practice of some 2,600 patients, and a sign-in to look around."""

    def prepare() -> list[str]:
        from recare.rehearsal import demo as room

        return room.prepare(live=live, rehearse=rehearse, now=datetime.now(UTC), say=click.echo)

    home = postgres.default_home()
    supervise.run(supervise.Options(home=home, host=host, port=port, prepare=prepare, say=click.echo))


@cli.command()
def worker() -> None:
    """Work through the queue of jobs, on this or on another machine, until stopped."""
    from recare.run.work import work

    with _database():
        work()


@cli.command()
def migrate() -> None:
    """Bring the database to this release. Make a backup first."""
    with database.opened(postgres.default_home()) as urls:
        database.migrate(urls)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--ask-phrase", is_flag=True, help="Ask for a pass phrase that opens the file too (else RECARE_BACKUP_PHRASE)."
)
@click.option("--keep", type=click.IntRange(1), help="Then delete all backups in the folder FILE but the newest KEEP.")
def backup(file: Path, ask_phrase: bool, keep: int | None) -> None:  # noqa: FBT001
    """Write the whole database into FILE, encrypted; in a folder, under the name of the hour. Nothing has to stop for it."""
    from recare.run import backup_command

    phrase = click.prompt("Pass phrase", hide_input=True, confirmation_prompt=True) if ask_phrase else ""
    with _database() as urls:
        for line in backup_command.backed_up(urls, file, phrase, datetime.now(UTC), keep):
            click.echo(line)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Replace what this installation holds; its newer opt-outs stay.")
@click.option("--check", is_flag=True, help="Read the file to its end and say what it holds; change nothing.")
@click.option(
    "--key", type=click.Path(path_type=Path), help="A copy of secret.key of the installation that made the file."
)
@click.option("--ask-phrase", is_flag=True, help="Ask for the pass phrase (else RECARE_BACKUP_PHRASE).")
def restore(file: Path, replace: bool, check: bool, key: Path | None, ask_phrase: bool) -> None:  # noqa: FBT001
    """Bring the database of FILE back: all of it or nothing. Sending stays stopped until 'recare go-on'."""
    from recare.run import backup_command

    phrase = click.prompt("Pass phrase", hide_input=True) if ask_phrase else ""
    keys = backup_command.keys(key, phrase)
    lines = (
        backup_command.looked_at(file, keys)
        if check
        else backup_command.restored(file, keys, datetime.now(UTC), replace=replace)
    )
    for line in lines:
        click.echo(line)


@cli.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@practice_option
@click.option("--dry-run", is_flag=True, help="Show the mapping and the rejected rows; write nothing.")
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]),
    help="When the appointments were exported, in the practice's time; without it the date of their file counts.",
)
def import_(paths: tuple[Path, ...], practice: str, dry_run: bool, as_of: datetime | None) -> None:  # noqa: FBT001
    """Import an export of the practice system: a folder or files."""
    from recare.sources.csv.importer import run_import

    if database.given_urls() is None:
        database.ensure_home(postgres.default_home())  # a disk that runs full midway helps nobody
    with _database():
        sys.exit(run_import(paths, practice, dry_run, datetime.now(UTC), click.echo, as_of))


@cli.command()
@click.argument("patient")
@practice_option
def why(patient: str, practice: str) -> None:
    """Say in words why PATIENT was contacted, or not."""
    with _database():
        from recare.campaigns.why import NoPatientError, explain
        from recare.practices import practice as practices

        try:
            lines = explain(practice=practice, patient=patient, now=practices.clock(practices.named(practice)))
        except NoPatientError as error:
            raise CannotStartError(str(error)) from error
        for line in lines:
            click.echo(line)


@cli.command()
@practice_option
@click.option("--format", "kind", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True)
def report(practice: str, kind: str) -> None:
    """Print what the campaigns of a practice have changed, with intervals."""
    with _database():
        from recare.reports.printed import printed

        click.echo(printed(practice=practice, kind=kind, now=None))  # a rehearsal is asked about its own day


group_option = click.option("--group", help="Only this group of practices.")
one_practice_option = click.option("--practice", help="Only this practice (slug).")


@cli.command("stop-all")
@group_option
@one_practice_option
def stop_all(group: str | None, practice: str | None) -> None:
    """Stop all sending now: of the whole installation, of a group, or of one practice."""
    _switch(group, practice, stop=True)
    click.echo("Nothing is being sent any more. 'recare go-on' with the same options allows it again.")


@cli.command("go-on")
@group_option
@one_practice_option
def go_on(group: str | None, practice: str | None) -> None:
    """Take a switch of 'recare stop-all' back; everything queued passes every check anew."""
    _switch(group, practice, stop=False)
    click.echo("Sending is allowed again, as far as no other switch is thrown.")


def _switch(group: str | None, practice: str | None, *, stop: bool) -> None:
    if group and practice:
        raise click.UsageError("Name a group or a practice, not both.")
    with _database():
        from recare.base import db
        from recare.practices import change
        from recare.practices import practice as practices

        now, actor = datetime.now(UTC), f"operator {getpass.getuser()}"
        try:
            if group:
                (change.stop_group if stop else change.group_goes_on)(group, actor, now)
            elif practice:
                place = practices.named(practice)
                with db.scope(place.id):
                    (change.stop_everything if stop else change.go_on)(place, actor, now)
            else:
                (change.stop_installation if stop else change.installation_goes_on)(actor, now)
        except LookupError as error:
            raise CannotStartError(str(error)) from error


@cli.command()
@click.argument("address")
@click.argument("when", type=click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]))
@practice_option
def proof(address: str, when: datetime, practice: str) -> None:
    """Show what a message to ADDRESS rests on, handed over at WHEN (local time of the practice)."""
    with _database():
        from recare.base import db
        from recare.messages import evidence
        from recare.practices import practice as practices

        place = practices.named(practice)
        try:
            with db.scope(place.id):
                found = evidence.contacted(place.id, address, when.replace(tzinfo=place.zone))
                lines = [line for one in found for line in evidence.in_lines(one)]
        except ValueError as error:
            raise CannotStartError(str(error)) from error
    for line in lines or ["Nothing was handed over to this address within two minutes of then."]:
        click.echo(line)


@cli.command()
def rules() -> None:
    """List the rules in force in plain words, with their sources."""
    from recare.compliance.listing import in_words

    for line in in_words():
        click.echo(line)


@cli.group()
def audit() -> None:
    """Look after the audit trail."""


@audit.command("verify")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A backup or an evidence pack that notes where the chains stood.",
)
def audit_verify(file: Path | None, against: Path | None) -> None:
    """Check every chain of the audit trail and the consent ledger; with FILE, an evidence pack, without any database.

    With --against, every chain must still pass through what that file has noted. Exit code 1 names the first broken entry.
    """
    if file is not None:
        _verify_pack(file)
        return
    from recare.run import verify

    noted = verify.noted_in(against) if against else ()
    with _database():
        problems = verify.verify_all(noted)
    if problems:
        raise CannotStartError(" ".join(problems))
    click.echo("The audit trail and the consent ledger are whole.")


def _verify_pack(file: Path) -> None:
    from recare.reports.evidence_check import check_file

    try:
        found = check_file(file)
    except ValueError as error:
        raise CannotStartError(str(error)) from None
    if found.problems:
        raise CannotStartError(" ".join(found.problems))
    click.echo(f"{file.name}: {found.records} records, nothing was changed. SHA-256 {found.sha256}")


@cli.command()
def doctor() -> None:
    """Print versions, disk, database role, row-level security and jobs; exit code 1 when somebody has to act."""
    with database.opened(postgres.default_home()) as urls:
        database.load_django()
        from recare.run.doctor import examine

        findings = examine(postgres.default_home(), urls)
    for finding in findings:
        click.echo(f"{'ok ' if finding.good else 'BAD'}  {finding.label:32} {finding.value}")
    if not all(finding.good for finding in findings):
        sys.exit(1)


@cli.command("reset-second-factor")
@click.argument("email")
def reset_second_factor(email: str) -> None:
    """Take the second factor of EMAIL away, when telephone and recovery codes are lost. They sign in by password and set up another."""
    with _database():
        from recare.practices.staff import reset_second_factor

        try:
            had = reset_second_factor(email, f"operator {getpass.getuser()}", datetime.now(UTC))
        except LookupError as error:
            raise CannotStartError(str(error)) from error
    click.echo(f"{email} can set up another." if had else f"{email} has no second factor.")


@cli.command("reset-password")
@click.argument("email")
@click.password_option(help="Asked for when not given.")
def reset_password(email: str, password: str) -> None:
    """Give EMAIL a new password, when it is forgotten. Their sessions end; their second factor stays."""
    with _database():
        from recare.practices.staff import reset_password

        try:
            reset_password(email, password, f"operator {getpass.getuser()}", datetime.now(UTC))
        except (LookupError, ValueError) as error:
            raise CannotStartError(str(error)) from error
    click.echo(f"{email} signs in with the new password.")


@cli.command()
@click.argument("email")
@practice_option
@click.option("--role", default="owner", show_default=True, help="owner, manager, front_desk, clinician, auditor.")
@click.password_option(help="Asked for when not given.")
def createuser(email: str, practice: str, role: str, password: str) -> None:
    """Make a sign-in for a member of staff."""
    with _database():
        from recare.practices.staff import create_user

        try:
            create_user(email=email, password=password, role=role, practice=practice, now=datetime.now(UTC))
        except ValueError as error:
            raise CannotStartError(str(error)) from error
    click.echo(f"{email} can sign in.")
