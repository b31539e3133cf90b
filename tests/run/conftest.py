"""One server for the tests of backup and restore, and one practice whose database is backed up once."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from recare.base import postgres
from recare.base.postgres import Cluster
from recare.run.sealed_file import Keys
from tests.run.installation import Installation

FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "128MB"}
PHRASE = "four quiet molars at noon"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Made:
    """A backup, the installation it is of, and what every table of it held."""

    file: Path
    source: Installation
    practice: dict[str, Any]
    sums: dict[str, str]

    @property
    def keys(self) -> Keys:
        return Keys(tuple((self.source.home / "secret.key").read_text().split()))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    base = Path(tempfile.mkdtemp(prefix="rb-"))
    base.chmod(0o755)
    running = postgres.start(base / "db", settings=FAST)
    yield running
    running.stop()
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def installation(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Installation]:
    """Make an installation with an empty database of its own."""

    def make() -> Installation:
        name = f"place{next(_numbers)}"
        cluster.create_database(name)
        return Installation(tmp_path_factory.mktemp(name), cluster, name)

    return make


@pytest.fixture(scope="session")
def made(installation: Callable[[], Installation]) -> Made:
    source = installation()
    assert source.tell("migrate").code == 0
    practice = source.furnish("Alpha")[0]
    file = source.home / "made.backup"
    sums = source.sums()
    told = source.tell("backup", str(file))
    assert told.code == 0, told.said
    return Made(file, source, practice, sums)


@pytest.fixture(scope="session")
def restored(made: Made, installation: Callable[[], Installation]) -> Installation:
    """Another machine, on which the backup was restored; nothing may be changed here."""
    place = installation()
    told = place.tell("restore", str(made.file), "--key", str(made.source.home / "secret.key"))
    assert told.code == 0, told.said
    return place


@pytest.fixture(scope="session")
def twin(made: Made, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Installation]:
    """Make another installation that is as the one that was backed up, key and all; it may be changed."""

    def make() -> Installation:
        name = f"twin{next(_numbers)}"
        cluster.create_database(name, template=made.source.db)
        home = tmp_path_factory.mktemp(name)
        shutil.copy2(made.source.home / "secret.key", home)
        return Installation(home, cluster, name)

    return make
