"""10,000 random orders of STOP, booking, dismissal, merge and import against plan, claim, send and crash: no call may come after.

    python bench/interleavings.py [--schedules 10000]

Runs the test of CI, tests/messages/test_interleavings.py, on more orders. Exit code 1 when a single call came too late.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    """Run the orders and print how many held, and how fast."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--schedules", type=int, default=10_000)
    schedules = parser.parse_args().schedules
    started = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "tests/messages/test_interleavings.py",
    ]
    ended = subprocess.run(
        command, cwd=Path(__file__).parents[1], env=os.environ | {"RECARE_SCHEDULES": str(schedules)}, check=False
    )  # fmt: skip
    seconds = time.monotonic() - started
    held = "held" if ended.returncode == 0 else "DID NOT HOLD"
    sys.stdout.write(f"{schedules} orders {held}: no call after what stops it ({seconds:.0f} s)\n")
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
