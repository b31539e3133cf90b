"""An installation as its operator has it: a data folder, a database of its own, and the command line in processes of their own."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from recare.base.postgres import Cluster
from recare.run import backup
from tests.run.test_supervise import ROOT, environment


@dataclass(frozen=True)
class Told:
    """How a command ended and everything it said."""

    code: int
    said: str


@dataclass(frozen=True)
class Installation:
    """``db`` is a database of ``cluster``; the program sees it by DATABASE_URL, as with a server of one's own."""

    home: Path
    cluster: Cluster
    db: str

    def environment(self, **more: str) -> dict[str, str]:
        urls = {"DATABASE_URL": self.cluster.app_url(self.db), "DATABASE_OWNER_URL": self.cluster.owner_url(self.db)}
        return environment(self.home, **(urls | more))

    def tell(self, *words: str, **more: str) -> Told:
        """Run a command to its end."""
        argv = [sys.executable, "-m", "recare", *map(str, words)]
        done = subprocess.run(
            argv, cwd=ROOT, env=self.environment(**more), capture_output=True, text=True, check=False, timeout=120
        )
        return Told(done.returncode, done.stdout + done.stderr)

    def furnish(self, *marks: str) -> list[dict[str, Any]]:
        argv = [sys.executable, "-m", "tests.run.furnish", *marks]
        done = subprocess.run(
            argv, cwd=ROOT, env=self.environment(), capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return found

    def python(self, code: str) -> str:
        """Run lines of Python with the product's verbs, as its owner of this database would."""
        whole = f"import os\nos.environ['RECARE_TEST_CLUSTER_OF'] = 'given'\nimport django\ndjango.setup()\n{code}"
        env = self.environment(DJANGO_SETTINGS_MODULE="tests.settings")
        done = subprocess.run(
            [sys.executable, "-c", whole], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.strip()

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.cluster.owner_url(self.db), autocommit=True)

    def rows(self, query: str, **params: Any) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(query, params or None).fetchall()

    def sums(self) -> dict[str, str]:
        """A checksum of each table's rows, whatever their order."""
        with psycopg.connect(self.cluster.owner_url(self.db)) as connection:
            backup.settle(connection)
            found = {}
            for table, columns in backup.schema_of(connection).items():
                statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
                    backup.columns_of(columns), sql.Identifier(table)
                )
                with connection.cursor() as cursor, cursor.copy(statement) as copy:
                    lines = sorted(bytes(line) for line in copy)
                found[table] = f"{len(lines)} {hashlib.sha256(b''.join(lines)).hexdigest()}"
            return found


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)
