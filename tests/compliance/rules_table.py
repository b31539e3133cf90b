"""Writes docs/operate/rules.md: each rule with its test cases and how many pass, made from the rule ids in the tests' names.

    .venv/bin/python tests/compliance/rules_table.py [--tests tests/compliance tests/consent ...] [--write docs/operate/rules.md]

Without --write the table is printed. The exit code is 1 when a case fails or a built rule has no case.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from recare.compliance.listing import CONFIDENCE, GRADES, rules
from recare.compliance.packs import load_packs

NAMED = re.compile(r"test_(?:([a-z]{3})_(\d\d)|(i\d))_", re.IGNORECASE)
ROOMS = [
    f"tests/{room}"
    for room in ("compliance", "consent", "messages", "inbox", "calls", "campaigns", "channels", "portal", "patients", "practices", "accounts", "base", "web")
]  # fmt: skip
INVARIANTS = {
    "I1": "No contact of a campaign without a decision that cites the consent it rests on; one question shows the whole proof.",
    "I2": "Signed consent that lacks a part is an opt-in; an import that only says yes is a number on file.",
    "I3": "A no beats every yes of the same moment or before, whenever the yes is written down.",
    "I4": "Each day the provider's list of opt-outs and the ledger are compared; the union holds, differences alert.",
    "I5": "A no survives deletion, erasure, merge and the next import; after a restore what the replaced database, the file of opt-outs and the provider's list know is brought back.",
    "I6": "The database refuses to change or remove an event; verification names the first one touched.",
    "I7": "Words go six years after the last contact; facts, consents and every no stay.",
    "I8": "Everything about one person or number can be exported with hashes and checked without the database.",
}


class Tally:
    """Counts the cases of each rule as pytest reports them."""

    def __init__(self) -> None:
        self.cases: Counter[str] = Counter()
        self.passing: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = NAMED.search(report.nodeid)
        if found is None or report.when != "call":
            return
        rule = found[3].upper() if found[3] else f"{found[1].upper()}-{found[2]}"
        self.cases[rule] += 1
        self.passing[rule] += report.passed


def table(tally: Tally) -> str:
    """Markdown: rules with cases, then rules that are no gate, then the rows of the states."""
    lines = [
        "# Rules and their tests",
        "",
        "Made by `tests/compliance/rules_table.py` from the names of the tests; run it again after a change. An engineering reading of",
        "the sources named, not legal advice: counsel confirms a row before a practice sends live.",
        "",
        "| rule | what holds | cases | passing | grade |",
        "|---|---|--:|--:|---|",
    ]
    lines += [
        f"| {rule.id} | {rule.says} | {tally.cases[rule.id]} | {tally.passing[rule.id]} | {GRADES[rule.confidence]} |"
        for rule in rules()
        if tally.cases[rule.id]
    ]
    lines += [
        "",
        "## Invariants of the consent ledger",
        "",
        "| invariant | what holds | cases | passing |",
        "|---|---|--:|--:|",
    ]
    lines += [f"| {name} | {says} | {tally.cases[name]} | {tally.passing[name]} |" for name, says in INVARIANTS.items()]
    lines += [
        "",
        "## Rules without a case of their own",
        "",
        "| rule | what holds | why |",
        "|---|---|---|",
    ]
    lines += [f"| {rule.id} | {rule.says} | {rule.not_built} |" for rule in rules() if not tally.cases[rule.id]]
    lines += ["", "## Rows of states", "", "| state | from | source | confidence |", "|---|---|---|---|"]
    for row in load_packs().packs["US"].states:
        starts = str(row.starts) if row.starts.year > 1 else ""
        lines.append(f"| {row.state} | {starts} | {row.cite} | {CONFIDENCE[row.confidence]} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tests", nargs="*", default=ROOMS)
    options.add_argument("--write", type=Path)
    given = options.parse_args()
    tally = Tally()
    pytest.main(["-q", "-p", "no:cacheprovider", "--no-header", "-W", "ignore", *given.tests], plugins=[tally])
    if given.write is not None:
        given.write.write_text(table(tally), encoding="utf-8")
    else:
        print(table(tally))
    untested = [rule.id for rule in rules() if not rule.not_built and not tally.cases[rule.id]]
    untested += [name for name in INVARIANTS if not tally.cases[name]]
    if untested:
        print("No test case names:", ", ".join(untested))
    return int(bool(untested) or tally.cases != tally.passing)


if __name__ == "__main__":
    sys.exit(main())
