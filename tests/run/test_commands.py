"""The commands, with what people get wrong: one clear sentence, an exit code that says so, and nothing half done."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recare import cli
from recare.base import db
from recare.practices import practice as practices
from tests.factories import make_patient
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from recare.practices.practice import Practice


@pytest.fixture
def told(
    committed_practice: Practice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Any:
    """Run a command for the practice; return its exit code and everything it said."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(
            sys, "argv", ["recare", *(word.format(p=committed_practice.slug, d=tmp_path) for word in words)]
        )
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return run


def counted(practice_id: int) -> list[int]:
    with db.scope(practice_id):
        return [
            db.value(f"SELECT count(*) FROM {table} WHERE practice_id = {practice_id}")
            for table in ("patient", "membership", "campaign")
        ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("import", "{d}/nowhere", "--practice", "{p}"), "does not exist"),
        (("import", "{d}/folder", "--practice", "{p}"), "Nothing was imported: there was no file that could be."),
        (("import", "{d}/empty.csv", "--practice", "{p}"), "empty.csv is empty"),
        (("import", "{d}/noise.csv", "--practice", "{p}"), "is no text file"),
        (("import", "{d}/open.csv", "--practice", "{p}"), "a quotation mark is opened and never closed"),
        (("import", "{d}/book.xlsx", "--practice", "{p}"), "save the sheet as CSV"),
        (("import", "{d}/practice.yaml", "--practice", "{p}"), "there is no time zone 'Mars/Olympus'"),
        (("import", "{d}/good.csv", "--practice", "nobody"), "There is no practice 'nobody'"),
        (("why", "4711", "--practice", "{p}"), "There is no patient '4711'"),
        (("why", "1", "--practice", "nobody"), "There is no practice 'nobody'"),
        (("report", "--practice", "nobody"), "There is no practice 'nobody'"),
        (("report", "--practice", "{p}", "--format", "xml"), "'xml' is not one of"),
        (
            ("createuser", "somebody", "--practice", "{p}", "--password", "correct horse battery"),
            "sign in with their e-mail address",
        ),
        (
            (
                "createuser",
                "a@example.com",
                "--practice",
                "{p}",
                "--role",
                "king",
                "--password",
                "correct horse battery",
            ),
            "is no role",
        ),
        (("createuser", "a@example.com", "--practice", "{p}", "--password", "short"), "at least 12 characters"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_what_cannot_work_is_told_in_a_sentence_and_changes_nothing(
    told: Any, committed_practice: Practice, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "noise.csv").write_bytes(os.urandom(20_000))
    (tmp_path / "open.csv").write_text('Patient ID,Last Name,First Name\n1,Example,Ada\n2,"Example,Bea\n')
    (tmp_path / "good.csv").write_text("Patient ID,Last Name,First Name\n1,Example,Ada\n")
    (tmp_path / "book.xlsx").write_bytes(b"PK")
    (tmp_path / "practice.yaml").write_text("name: Somewhere\ntz: Mars/Olympus\n")
    before = counted(committed_practice.id)
    code, said = told(*words)
    assert code > 0
    assert sentence in said
    assert "Traceback" not in said
    assert counted(committed_practice.id) == before


def test_a_rehearsal_is_asked_about_its_own_day(told: Any, committed_practice: Practice) -> None:
    practices.set_clock(committed_practice.id, NOW)
    with db.scope(committed_practice.id):
        make_patient(committed_practice.id, source_key="K1")
    code, said = told("why", "K1", "--practice", "{p}")
    assert code == 0
    assert "Was never in a campaign." in said
    assert told("report", "--practice", "{p}", "--format", "json")[0] == 0
    assert f"{NOW:%Y-%m-%d}" in told("report", "--practice", "{p}", "--format", "json")[1]
