"""Every kind of task that the code opens is told in words, and leads to the page on which it is done."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

import recare
from recare.patients.tasks import Task
from recare.web.task_words import WORDS, shown

_OPENERS = {"open_task", "_task", "_ask", "_leaves", "_person", "Chore"}
_KIND_NAMED = {"withdraw", "_left"}
_IN_SQL = re.compile(r"INSERT INTO task \(.*?SELECT .*?'(\w+)', \d,", re.DOTALL)


def kinds_in(source: str) -> set[str]:
    """A kind is a string followed by its urgency in a call that opens a task, or such a pair in a module that does."""
    tree, found = ast.parse(source), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in _OPENERS:
                found |= _pairs(node.args)
            if name in _KIND_NAMED:
                found |= {
                    one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)
                }
        if isinstance(node, ast.Tuple) and "open_task" in source:
            found |= _pairs(node.elts) if len(node.elts) == 2 else set()
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(_IN_SQL.findall(node.value))
    return found


def _pairs(args: list[ast.expr]) -> set[str]:
    return {
        kind.value
        for kind, urgency in pairwise(args)
        if isinstance(kind, ast.Constant) and isinstance(kind.value, str)
        and isinstance(urgency, ast.Constant) and type(urgency.value) is int
    }  # fmt: skip


def kinds_in_the_code() -> set[str]:
    from recare.bookings import chart
    from recare.messages import render

    root = Path(recare.__file__).parent
    return {chart.ENTER_TASK, render.PRINT_TASK}.union(*(kinds_in(path.read_text()) for path in root.rglob("*.py")))


def test_every_kind_has_words_and_no_words_are_left_over() -> None:
    found = kinds_in_the_code()
    assert {"angry", "standing", "closing", "engine_error", "call_me", "booking_moved", "new_dentist"} <= found
    assert found == set(WORDS)


@pytest.mark.parametrize(
    ("table", "subject", "patient", "point", "url"),
    [
        ("inbound_event", 5, 7, 3, "/inbox/?task=1"),
        ("message", 5, 7, 3, "/messages/5/"),
        ("sender", 5, None, None, "/settings/senders/5/"),
        ("booking", 5, 7, None, "/schedule/"),
        ("enrolment", 5, 7, None, "/patients/7/"),
        ("contact_point", 5, None, 3, "/inbox/?task=1"),
        ("touch", 5, None, None, ""),
    ],
)
def test_a_task_leads_to_the_page_on_which_it_is_done(
    table: str, subject: int, patient: int | None, point: int | None, url: str
) -> None:
    task = Task(
        1, "reply", 2, patient, point, table, subject, {}, datetime(2027, 1, 12, tzinfo=UTC), None, "Ada Example"
    )
    assert shown(task).url == url
