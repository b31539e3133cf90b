"""The import: plan (read everything, write nothing), then write, one transaction a kind of file. Killed anywhere, run again, same chart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from recare.base import audit, db
from recare.practices import practice as practices
from recare.practices import setup
from recare.sources.csv import checks, columns, fields, finish, merge, people, printed, reading, runs, staging
from recare.sources.csv.merge import Run
from recare.sources.csv.reading import UnreadableError
from recare.sources.csv.staging import Stager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from recare.practices.practice import Practice
    from recare.sources.csv.columns import Survey
    from recare.sources.csv.fields import Kind
    from recare.sources.csv.reading import Layout
    from recare.sources.csv.rules import Issue

_FILLED: Final = (
    "household", "patient", "appointment", "procedure", "recall", "treatment_plan_item", "coverage", "contact_point",
    "patient_contact", "consent_event",
)  # fmt: skip
_READABLE: Final = frozenset({".csv", ".txt", ".tsv", ".tab", ".psv", ""})
_ANALYZED_FROM: Final = 1000  # rows; fewer do not change how the planner should think
_REFUSED: Final = frozenset({".xlsx", ".xls", ".xlsm", ".ods", ".pdf"})


@dataclass(slots=True)
class FilePlan:
    """What one file holds and what would become of it. ``mapping``: header -> (field, how it was decided)."""

    name: str
    kind: str = ""
    encoding: str = ""
    delimiter: str = ""
    header_row: int = 0
    mapping: dict[str, tuple[str, str]] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    good: int = 0
    rejected: int = 0
    dropped: int = 0
    issues: list[Issue] = field(default_factory=list)
    refused: str = ""


@dataclass(slots=True)
class Plan:
    """What an import would do. ``refused``: sentences about files that cannot be imported at all."""

    files: list[FilePlan] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)

    @property
    def refused(self) -> list[str]:
        return [file.refused for file in self.files if file.refused]

    @property
    def usable(self) -> bool:
        return any(not file.refused for file in self.files)


@dataclass(slots=True)
class _Opened:
    """A file between its two passes."""

    path: Path
    plan: FilePlan
    layout: Layout
    survey: Survey
    number: int


def files_in(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return (exports, practice.yaml files) among files and folders, by name."""
    found: list[Path] = []
    for path in paths:
        found += sorted(path.iterdir()) if path.is_dir() else [path]
    exports = [
        path
        for path in found
        if path.is_file() and path.suffix.lower() in _READABLE | _REFUSED and not path.name.startswith(".")
    ]
    return exports, [path for path in found if path.suffix.lower() in {".yaml", ".yml"}]


def plan(
    paths: Iterable[Path], practice: Practice, now: datetime, progress: Callable[[int], None] = lambda _rows: None
) -> Plan:
    """Read everything and say what would be written and what would be rejected, and why. Nothing is written.

    Raises ValueError when a practice.yaml is wrong.
    """
    exports, settings = files_in(paths)
    opened, result = _open(exports)
    result.setup = [f"{path.name}: {setup.read_practice_yaml(path).name}" for path in settings]
    with db.scope(practice.id):
        staging.open_tables()
        for file in opened:
            _stage(practice, file, now, progress)
        staging.close_tables()
    return result


def _open(exports: list[Path]) -> tuple[list[_Opened], Plan]:
    """First pass over every file, in the order in which they must be written."""
    opened, result = [], Plan()
    for number, path in enumerate(exports):
        shown = FilePlan(path.name)
        result.files.append(shown)
        try:
            layout = reading.layout(path)
            survey = columns.survey(path, layout)
        except UnreadableError as error:
            shown.refused = str(error)
            continue
        _describe(shown, layout, survey)
        opened.append(_Opened(path, shown, layout, survey, number))
    order = {kind.name: place for place, kind in enumerate(fields.KINDS)}
    opened.sort(key=lambda file: (order[file.layout.kind.name], file.number))
    return opened, result


def _describe(shown: FilePlan, layout: Layout, survey: Survey) -> None:
    shown.kind, shown.encoding, shown.header_row, shown.rows = (
        layout.kind.name,
        layout.encoding,
        layout.header_row,
        survey.rows,
    )
    shown.delimiter = {"\t": "tab"}.get(layout.delimiter, layout.delimiter)
    shown.mapping = {
        layout.headers[place]: (found.name, survey.columns[place].how) for place, found in layout.mapping.items()
    }
    shown.ignored = {
        header: f"looks like {survey.suggestions[place]}" if place in survey.suggestions else ""
        for place, header in enumerate(layout.headers)
        if place not in layout.mapping
    }


def _stage(practice: Practice, file: _Opened, now: datetime, progress: Callable[[int], None]) -> Stager:
    stager = Stager(file.path, file.layout, file.survey, now)
    stager.copy(file.number, progress)
    with staging.bulk():
        rejected = checks.check(practice.id, stager, file.number, now)
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
    progress: Callable[[int], None] = lambda _rows: None,
) -> Plan:
    """Import everything and return what was done. Good rows land, rejected ones go to the fix list; unchanged rows are not touched.

    Each kind of file is one transaction; a second run after a kill anywhere ends in the same chart. Raises ValueError when a
    practice.yaml is wrong, RuntimeError when another import of this practice is running.
    """
    exports, settings = files_in(paths)
    opened, result = _open(exports)
    with runs.alone(practice.id):
        run = runs.start(practice, now, actor, [file.plan.name for file in opened])
        try:
            with db.scope(practice.id):
                for path in settings:
                    setup.apply(practice.id, setup.read_practice_yaml(path))
                    result.setup.append(path.name)
                staging.open_tables()
            for kind in fields.KINDS:
                if files := [file for file in opened if file.layout.kind is kind]:
                    with db.scope(practice.id):
                        _write_kind(run, kind, files, progress)
            with db.scope(practice.id):
                finish.finish(run)
                staging.close_tables()
        except BaseException as error:
            runs.fail(run, error)
            raise
        runs.succeed(run, result)
        db.analyze(*_FILLED)
        with db.scope(practice.id):
            audit.record(practice.id, actor, "imported", f"sync_run:{run.id}", now, {"files": len(opened)})
    return result


def _write_kind(run: Run, kind: Kind, files: list[_Opened], progress: Callable[[int], None]) -> None:
    """Write all files of one kind in the caller's transaction, findings included."""
    stagers = {file.number: _stage(run.practice, file, run.now, progress) for file in files}
    stated: set[str] = set()
    known = merge.has_rows(run, kind)
    for file in files:
        stager = stagers[file.number]
        with staging.bulk():
            written = merge.merge(run, kind, file.number, stager.known)
        runs.count(run, kind, written, file.plan)
        stated |= stager.known
    with staging.bulk():
        gone = merge.settle_gone(run, kind) if known else 0
    if gone is None:
        stagers[files[0].number].findings.add(None, "", "row", "looks_partial", "warning")
    else:
        runs.count_gone(run, kind, gone)
    if kind is fields.PATIENTS:
        _write_people(run, stated, stagers)
    for file in files:
        file.plan.issues = stagers[file.number].findings.issues()
    runs.record_issues(run, kind, [file.plan for file in files])


def _write_people(run: Run, stated: set[str], stagers: dict[int, Stager]) -> None:
    with staging.bulk():
        if people.link(run, stated) and not run.fresh:
            merge.mark(run, fields.PATIENTS)
    people.reach(run, stated)
    if stated & people.CONSENT_FIELDS and stated & set(people.LABELS):
        refused = people.refuse(run)
        agreed, conflicts = people.agree(run)
        runs.count_consent(run, agreed, refused)
        for number, row in conflicts:
            stagers[number].findings.add(row, "", "consent", "consent_conflict", "warning")
    for number, row in finish.standing_conflicts(run):
        stagers[number].findings.add(row, "", "status", "standing_conflict", "warning")


def run_import(paths: Iterable[Path], practice: str, dry_run: bool, now: datetime, say: Callable[[str], object]) -> int:  # noqa: FBT001
    """Import for the command line: say the plan, write unless ``dry_run``; return the exit code (0 done, 1 nothing could be read).

    A practice that does not exist yet is made from the ``practice.yaml`` beside the files.
    """
    paths = list(paths)
    progress = printed.Progress(say)
    try:
        place = _place(practice, paths)
        say(f"Reading for {place.name} ...")
        if dry_run:
            result = plan(paths, place, now, progress)
        else:
            result = write(
                paths, place, practices.clock(place) if place.is_rehearsal else now, "command line", progress
            )
    except (LookupError, ValueError, RuntimeError) as error:
        say(f"Nothing was imported: {error}")
        return 1
    for line in printed.in_words(result):
        say(line)
    if not result.usable and not result.setup:
        say("Nothing was imported: no file could be read.")
        return 1
    say(
        "Nothing was written: this was a dry run."
        if dry_run
        else "Done. What has to be mended is on the fix list under Data."
    )
    return 0


def _place(slug: str, paths: list[Path]) -> Practice:
    found = practices.by_slug(slug)
    _, settings = files_in(paths)
    if found is None and settings:
        spec = setup.read_practice_yaml(settings[0])
        return practices.create(slug, spec.name, spec.tz, **spec.columns)
    return found or practices.named(slug)
