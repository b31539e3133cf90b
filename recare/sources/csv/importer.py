"""The import: plan (read everything, write nothing), then write, one transaction a kind of file. Killed anywhere, run again, same chart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from recare.base import audit, db
from recare.practices import practice as practices
from recare.practices import setup
from recare.sources.csv import (
    checks,
    columns,
    dated,
    fields,
    finish,
    merge,
    people,
    printed,
    reading,
    remembered,
    runs,
    staging,
)  # fmt: skip
from recare.sources.csv.merge import Run
from recare.sources.csv.plans import FilePlan, Plan, describe
from recare.sources.csv.printed import Watch
from recare.sources.csv.reading import UnreadableError
from recare.sources.csv.rules import Issue
from recare.sources.csv.staging import Stager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from recare.practices.practice import Practice
    from recare.sources.csv.columns import Survey
    from recare.sources.csv.fields import Kind
    from recare.sources.csv.reading import Layout

_FILLED: Final = (
    "household", "patient", "appointment", "procedure", "recall", "treatment_plan_item", "coverage", "contact_point",
    "patient_contact", "consent_event",
)  # fmt: skip
_READABLE: Final = frozenset({".csv", ".txt", ".tsv", ".tab", ".psv", ""})
_PASSES: Final = (1, 3, 3)  # how long looking, reading and writing a file take beside each other


@dataclass(slots=True)
class _Opened:
    """A file between its two passes."""

    path: Path
    plan: FilePlan
    layout: Layout
    survey: Survey
    number: int


def files_in(paths: Iterable[Path]) -> tuple[list[Path], list[Path], list[str]]:
    """Return (exports, practice.yaml files, sentences about what is left out) among files and folders, by name, each file once."""
    found: dict[Path, Path] = {}
    left_out: list[str] = []
    for path in paths:
        for one in sorted(path.iterdir()) if path.is_dir() else [path]:
            if one.resolve() in found:
                left_out.append(f"{one.name} was named twice and is read once.")
            found.setdefault(one.resolve(), one)
    exports, settings = [], []
    for path in found.values():
        kind = path.suffix.lower()
        if path.name.startswith("."):
            continue
        if path.is_dir():
            left_out.append(
                f"{path.name} is a folder inside the folder and is not read: name it to import what it holds."
            )
        elif kind in {".yaml", ".yml"}:
            settings.append(path)
        elif kind in _READABLE | reading.SPREADSHEETS:
            exports.append(path)
        else:
            left_out.append(
                f"{path.name} is not read: only CSV and text files are ({', '.join(sorted(_READABLE - {''}))})."
            )
    return exports, settings, left_out


@runs.needs_room()
def plan(
    paths: Iterable[Path], practice: Practice, now: datetime, watch: Watch | None = None, as_of: datetime | None = None
) -> Plan:
    """Read everything and say what would be written and what would be rejected, and why. Nothing is written.

    ``as_of`` is when the appointments were exported, if a person has said so. Raises ValueError when a practice.yaml is wrong, NoRoomError
    when a disk runs full.
    """
    work = _open(practice, paths, now, watch or Watch())
    work.plan.setup = [f"{path.name}: {setup.read_practice_yaml(path).name}" for path in work.settings]
    with db.scope(practice.id):
        try:
            found = _dated(work, as_of)
        except dated.OlderExportError as error:
            found, work.plan.too_old = None, str(error)
            work.plan.as_of, work.plan.as_of_why = error.found.at, error.found.why
        staging.open_tables()
        for file in work.opened:
            _stage(work, file)
        if found is not None:
            _judge_dates(work, found)
        staging.close_tables()
    return work.plan


@dataclass(slots=True)
class _Work:
    """One plan or import under way."""

    practice: Practice
    now: datetime
    watch: Watch
    settings: list[Path]
    plan: Plan
    opened: list[_Opened] = field(default_factory=list)

    def of(self, kind: Kind) -> list[_Opened]:
        """The files of one kind."""
        return [file for file in self.opened if file.layout.kind is kind]


def _open(practice: Practice, paths: Iterable[Path], now: datetime, watch: Watch) -> _Work:
    """First pass over every file, in the order in which they must be written."""
    exports, settings, left_out = files_in(paths)
    work = _Work(practice, now, watch, settings, Plan(left_out=left_out))
    with db.scope(practice.id):
        past = remembered.load(practice.id)
    watch.begin(
        sum(path.stat().st_size for path in exports) * (sum(_PASSES) + 1)
    )  # the last for what comes after all files
    marks: dict[str, str] = {}
    for number, path in enumerate(exports):
        watch.stage(f"Looking at {path.name}")
        mark = dated.fingerprint(path)
        if mark in marks and path.stat().st_size:
            left_out.append(f"{path.name} holds the same as {marks[mark]} and is read once.")
            continue
        marks.setdefault(mark, path.name)
        shown = FilePlan(path.name, fingerprint=mark)
        work.plan.files.append(shown)
        try:
            layout = reading.layout(path, past)
            survey = columns.survey(path, layout)
        except UnreadableError as error:
            shown.refused = str(error)
            continue
        describe(shown, layout, survey, now.date())
        if not shown.refused:
            work.opened.append(_Opened(path, shown, layout, survey, number))
        watch.advance(path.stat().st_size * _PASSES[0])
    order = {kind.name: place for place, kind in enumerate(fields.KINDS)}
    work.opened.sort(key=lambda file: (order[file.layout.kind.name], file.number))
    return work


def _dated(work: _Work, given: datetime | None) -> dated.AsOf | None:
    """Return when the appointments were exported, as far as can be told before they are read; None without any."""
    files = [
        dated.Export(file.path, file.plan.fingerprint, file.layout.printed_on)
        for file in work.of(fields.APPOINTMENTS)
        if file.survey.rows
    ]
    return dated.of_files(work.practice, files, work.now, given) if files else None


def _judge_dates(work: _Work, found: dated.AsOf) -> None:
    """Put into the plan as of when the staged appointments are known, or the finding that they tell nothing about visits ahead."""
    found = dated.by_rows(work.practice, found, work.now)
    if dated.proves_nothing(work.practice, found):
        for file in work.of(fields.APPOINTMENTS):
            if file.survey.rows:
                file.plan.issues.append(Issue(None, "", "date", "no_visits_ahead", "warning"))
        return
    work.plan.as_of, work.plan.as_of_why = found.at, found.why


def _stage(work: _Work, file: _Opened) -> Stager:
    work.watch.stage(f"Reading {file.plan.name}")
    stager = Stager(file.path, file.layout, file.survey, work.now)
    unit = file.path.stat().st_size * _PASSES[1] / max(file.survey.rows, 1)
    stager.copy(file.number, lambda rows: work.watch.advance(rows * unit, rows))
    with staging.bulk():
        rejected = checks.check(work.practice.id, stager, file.number, work.now)
    if not file.survey.rows:
        stager.findings.add(None, "", "row", "no_rows", "warning")
    shown = file.plan
    shown.good = stager.accepted - rejected
    shown.rejected = file.survey.rows - stager.accepted + rejected + stager.oddities.broken
    shown.dropped, shown.issues = stager.oddities.dropped, stager.findings.issues()
    return stager


def write(
    paths: Iterable[Path],
    practice: Practice,
    now: datetime,
    actor: str,
    watch: Watch | None = None,
    as_of: datetime | None = None,
) -> Plan:
    """Import everything and return what was done. Good rows land, rejected ones go to the fix list; unchanged rows are not touched.

    Each kind of file is one transaction; a second run after a kill anywhere ends in the same chart. Raises ValueError when a
    practice.yaml is wrong or the appointments are older than those in the chart, BusyError when another import of this practice is running,
    NoRoomError when a disk runs full.
    """
    with runs.alone(practice.id):
        work = _open(practice, paths, now, watch or Watch())
        with db.scope(practice.id):
            found = _dated(work, as_of)
        run = runs.start(practice, now, actor, [file.plan.name for file in work.opened])
        try:
            _write_all(work, run, found)
        except BaseException as error:
            runs.fail(run, error)
            raise
        with db.scope(practice.id):
            for file in work.opened:
                remembered.imported(practice.id, file.layout.headers, file.layout.kind.name, now)
            runs.succeed(run, work.plan)
            audit.record(practice.id, actor, "imported", f"sync_run:{run.id}", now, {"files": len(work.opened)})
        db.analyze(*_FILLED)
    return work.plan


@runs.needs_room()
def _write_all(work: _Work, run: Run, found: dated.AsOf | None) -> None:
    work.plan.run = run.id
    with db.scope(run.practice.id):
        for path in work.settings:
            setup.apply(run.practice.id, setup.read_practice_yaml(path))
            work.plan.setup.append(path.name)
        staging.open_tables()
    for kind in fields.KINDS:
        if files := work.of(kind):
            with db.scope(run.practice.id):
                _write_kind(work, run, kind, files, found if kind is fields.APPOINTMENTS else None)
    with db.scope(run.practice.id):
        work.watch.stage("Putting households together and looking for what people must decide")
        finish.finish(run, {file.layout.kind for file in work.opened})
        staging.close_tables()


def _write_kind(work: _Work, run: Run, kind: Kind, files: list[_Opened], found: dated.AsOf | None) -> None:
    """Write all files of one kind in the caller's transaction, findings included."""
    stagers = {file.number: _stage(work, file) for file in files}
    work.watch.stage(f"Writing {kind.name}")
    stated: set[str] = set()
    known, touched = merge.has_rows(run, kind), 0
    for file in files:
        stager = stagers[file.number]
        with staging.bulk():
            written = merge.merge(run, kind, file.number, stager.known)
        runs.count(run, kind, written, file.plan)
        touched += written.added + written.changed
        stated |= stager.known
        work.watch.advance(file.path.stat().st_size * _PASSES[2])
    with staging.bulk():
        gone = merge.settle_gone(run, kind) if known else 0
    if gone is not None:
        runs.count_gone(run, kind, gone)
    elif any(file.survey.rows for file in files):
        stagers[files[0].number].findings.add(None, "", "row", "looks_partial", "warning")
    if kind is fields.PATIENTS:
        touched += _write_people(run, stated, stagers)
    if touched or gone:
        merge.mark(run, kind)
    for file in files:
        file.plan.issues = stagers[file.number].findings.issues()
    if found is not None and gone is not None:
        _judge_dates(work, found)
    runs.record_issues(run, kind, [file.plan for file in files])


def _write_people(run: Run, stated: set[str], stagers: dict[int, Stager]) -> int:
    """Write what the patients' rows mean beyond their charts; return how many charts that has changed."""
    with staging.bulk():
        linked = people.link(run, stated)
    labels = people.find_points(run, stated)
    if stated & people.CONSENT_FIELDS and stated & set(people.LABELS):
        refused = people.refuse(run)
        agreed, conflicts = people.agree(run)
        runs.count_consent(run, agreed, refused)
        for number, row in conflicts:
            stagers[number].findings.add(row, "", "consent", "consent_conflict", "warning")
    if labels:
        with staging.bulk():
            people.hold_points(run, labels)
    for number, row in finish.standing_conflicts(run):
        stagers[number].findings.add(row, "", "status", "standing_conflict", "warning")
    return linked


def run_import(
    paths: Iterable[Path],
    practice: str,
    dry_run: bool,  # noqa: FBT001
    now: datetime,
    say: Callable[[str], object],
    as_of: datetime | None = None,
) -> int:
    """Import for the command line: say the plan, write unless ``dry_run``; return the exit code (0 done, 1 nothing was imported).

    A practice that does not exist yet is made from the ``practice.yaml`` beside the files. ``as_of`` without a zone is the practice's time.
    """
    paths = list(paths)
    watch = printed.Progress(say)
    try:
        place = _place(practice, paths)
        at = as_of.replace(tzinfo=place.zone) if as_of and as_of.tzinfo is None else as_of
        say(f"Reading for {place.name} ...")
        if dry_run:
            result = plan(paths, place, now, watch, at)
        else:
            result = write(
                paths, place, practices.clock(place) if place.is_rehearsal else now, "command line", watch, at
            )
    except runs.NoRoomError as error:
        say(str(error))
        return 1
    except (LookupError, ValueError, RuntimeError) as error:
        say(f"Nothing was imported: {error}")
        return 1
    for line in printed.in_words(result):
        say(line)
    if result.too_old or ((not result.usable or result.empty) and not result.setup):
        say(
            "Nothing was imported: "
            + ("the files hold no rows." if result.empty else "there was no file that could be.")
        )
        return 1
    say(
        "Nothing was written: this was a dry run."
        if dry_run
        else "Done. What has to be mended is on the fix list under Data."
    )
    return 0


def _place(slug: str, paths: list[Path]) -> Practice:
    found = practices.by_slug(slug)
    _, settings, _ = files_in(paths)
    if found is None and settings:
        spec = setup.read_practice_yaml(settings[0])
        return practices.create(slug, spec.name, spec.tz, **spec.columns)
    return found or practices.named(slug)
