"""The PostgreSQL of one test process: started once, migrated as the owner, gone at the end."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from recare.base import postgres

ROOT = Path(__file__).resolve().parent.parent
_OURS = "RECARE_TEST_CLUSTER_OF"
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "128MB"}


def start() -> None:
    """Start the server and put its addresses into the environment, where settings read them."""
    if _OURS in os.environ:  # a program that a test has started: it shares the test's database
        return
    os.environ["RECARE_SECRET_KEY"] = "only for tests, never for patients"
    if _controls_workers():
        os.environ["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
        return
    home = Path(tempfile.mkdtemp(prefix="recare-test-"))
    home.chmod(0o755)  # the server's account must reach it when the tests run as root
    cluster = postgres.start(home / "db", settings=_FAST)
    os.environ |= {
        _OURS: str(os.getpid()), "RECARE_HOME": str(home / "home"), "DATABASE_URL": cluster.app_url(), "DATABASE_OWNER_URL": cluster.owner_url(),
    }  # fmt: skip

    def stop() -> None:
        cluster.stop()
        shutil.rmtree(home, ignore_errors=True)

    atexit.register(stop)
    command = [sys.executable, "-m", "recare", "migrate"]
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    migrated = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    if migrated.returncode:
        raise SystemExit(f"The tables could not be made:\n{migrated.stdout[-2000:]}{migrated.stderr[-4000:]}")


def _controls_workers() -> bool:
    """Whether this process only hands tests to others (pytest -n 2) and needs no database."""
    return "PYTEST_XDIST_WORKER" not in os.environ and any(argument.startswith("-n") for argument in sys.argv[1:])
