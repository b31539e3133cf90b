from __future__ import annotations

import pytest

from recare.compliance.lint import LintContext, lint
from recare.compliance.lint_script import ScriptError, read_script

GOOD = """
opening: Hi, this is {{ caller_name }} from {{ practice_name }}.
branches:
  - they_say: "Yes"
    answer: Wonderful.
    outcome: booked
  - they_say: It costs too much
    answer: We go over it with you first.
    barrier: cost
closing: Thank you.
voicemail: Hi, this is {{ caller_name }} from {{ practice_name }}. Please call us back at {{ practice_phone }}.
"""
CALL = LintContext("call", rendered=False, practice_name="Maple Dental", practice_phone="+15125550100")


def test_a_script_is_read_part_by_part() -> None:
    script = read_script(GOOD)
    assert script is not None
    assert [branch.outcome for branch in script.branches] == ["booked", ""]
    assert script.branches[1].barrier == "cost"
    assert lint(GOOD, CALL) == ()


def test_a_plain_text_is_no_script() -> None:
    assert read_script("Hi, this is Amy.") is None
    assert lint("Hi, this is Amy.", CALL) == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("outcome: booked", "outcome: sold", "outcome is one of"),
        ("barrier: cost", "barrier: money", "barrier one of"),
        ("closing: Thank you.", "", "closing"),
        ("closing: Thank you.", "closing: Thank you.\nsong: la la", "song"),
        ("    answer: Wonderful.\n", "", "nothing else"),
        ("    answer: Wonderful.\n", "    answer: ''\n", "needs they_say and answer"),
    ],
)
def test_a_script_of_wrong_form_says_where(old: str, new: str, words: str) -> None:
    with pytest.raises(ScriptError, match=words):
        read_script(GOOD.replace(old, new))
    assert "F09" in {finding.rule for finding in lint(GOOD.replace(old, new), CALL)}


@pytest.mark.parametrize(
    ("voicemail", "rule"),
    [
        ("Hi from {{ practice_name }} about your cleaning, {{ practice_phone }}.", "VOX-04"),
        ("Hi from {{ practice_name }}, {{ practice_phone }}. You owe {{ balance }}.", "F02"),
        ("Hi from {{ practice_name }}, please call.", "VOX-04"),
    ],
)
def test_vox_04_the_voicemail_of_a_script_is_read_as_one(voicemail: str, rule: str) -> None:
    body = GOOD[: GOOD.index("voicemail:")] + f'voicemail: "{voicemail}"\n'
    assert rule in {finding.rule for finding in lint(body, CALL)}
