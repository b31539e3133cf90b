"""The budgets the whole project keeps: sizes, one way of imports, no blind writes, no traces of a machine."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 500
LONGEST_FUNCTION = 60
LONG_FUNCTION_P90 = 30

# Put together from pieces, so that this file does not find itself.
_MACHINE_PATHS = re.compile(
    r"(?<![\w.<>{}/-])/(?:" + "|".join(["work", "ro" + "ot", "o" + "pt", "ho" + "me"]) + r")/\w+"
)
_INDEX_HOSTS = re.compile(
    r"https?://[^\s\"']*(?:"
    + "|".join(["py" + r"pi\.", "pythonhosted", "np" + r"mjs\.", "artifactory", "/simple/"])
    + r")",
    re.IGNORECASE,
)


def tracked(*endings: str) -> list[Path]:
    """Return the files git knows or would add, so that a new file cannot slip by before its first commit."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if shown.returncode == 0:
        names = [ROOT / line for line in shown.stdout.splitlines()]
    else:  # an unpacked archive
        names = [path for path in ROOT.rglob("*") if ".venv" not in path.parts]
    return [path for path in names if path.is_file() and (not endings or path.suffix in endings)]


def code() -> list[Path]:
    return [path for path in tracked(".py") if "migrations" not in path.parts]


def functions(path: Path) -> list[tuple[str, int]]:
    """Return (place, lines from def to the last line) of each function, its own docstring left out."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node) is not None and first.end_lineno is not None:
                lines -= first.end_lineno - first.lineno + 1
            found.append((f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines))
    return found


def test_no_file_is_longer_than_500_lines() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in tracked(".py", ".html", ".css", ".sql", ".js")}
    too_long = {str(path.relative_to(ROOT)): size for path, size in sizes.items() if size > LONGEST_FILE}
    assert not too_long


def test_functions_are_short() -> None:
    sizes = [entry for path in code() for entry in functions(path)]
    assert not {place: lines for place, lines in sizes if lines > LONGEST_FUNCTION}
    p90 = statistics.quantiles([lines for _, lines in sizes], n=10)[-1]
    assert p90 <= LONG_FUNCTION_P90


def test_rooms_have_no_drawer_for_odds_and_ends() -> None:
    forbidden = {"utils", "helpers", "services", "common", "manager", "misc"}
    assert not [path for path in code() if forbidden & {path.stem, path.parent.name}]


def blind_saves(source: str) -> list[int]:
    """Return the lines that call ``.save()`` without saying which fields, unless it inserts (``force_insert=True``)."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "save"
        and not node.args  # a verb of ours takes the row's keys first; a model's save takes none
        and not {keyword.arg for keyword in node.keywords} & {"update_fields", "force_insert", "commit"}
    ]


def test_the_lint_for_blind_saves_sees_them() -> None:
    assert blind_saves("row.save()\nrow.save(using='x')") == [1, 2]
    assert blind_saves("row.save(update_fields=['a'])\nrow.save(force_insert=True)\nform.save(commit=False)") == []


def test_no_row_is_saved_without_naming_its_fields() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in code()
        if path.is_relative_to(ROOT / "recare")
        for line in blind_saves(path.read_text())
    ]
    assert not found, "a bare save() writes back columns that somebody else has changed meanwhile: use update()"


def test_imports_run_one_way() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    shown = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout[-3000:]


def test_no_tracked_file_names_a_package_index_or_a_folder_of_some_machine() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in _INDEX_HOSTS.finditer(text)]
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in _MACHINE_PATHS.finditer(text)]
    assert not found


def test_the_lock_names_versions_and_hashes_and_no_host() -> None:
    locks = [path for path in tracked() if path.suffix == ".lock" or path.name.startswith("pylock")]
    assert [path.name for path in locks] == ["requirements.lock"]
    text = locks[0].read_text()
    assert not re.search(r"https?://|--(?:extra-)?index-url|--find-links", text)
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert pins
    assert not [line for line in pins if "==" not in line or not line.endswith("\\")]
