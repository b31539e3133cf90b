"""How often the reported interval holds an effect that was planted, and how often nothing is called something.

    python bench/coverage.py [--rounds 1000]

Runs the test of CI, tests/reports/test_planted_effect.py, for more rounds: in each, the product freezes, draws, records outcomes and reports on
900 made-up people whose truth is known. 95 % should be held. Exit code 1 when a share is lower than chance allows.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run the rounds; the test prints a line for each truth."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=0",
               "tests/reports/test_planted_effect.py"]  # fmt: skip
    return subprocess.run(
        command, cwd=Path(__file__).parents[1], env=os.environ | {"RECARE_ROUNDS": str(rounds)}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
