"""What a backup holds, in order: what it is about, each table with its rows and their hash, and an end that counts everything.

Everything is written and read in one pass and constant memory. A frame is one byte of kind, four bytes of length, and its content: J is JSON,
D is rows in the text form of COPY, one a line. The sealed file around it makes sure that nothing in between was changed; the counts and hashes
here make sure that what was written is all of it, and that what is loaded is what was written.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from recare.run.sealed_file import DamagedError, Keys, Sealer, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FORMAT: Final = "recare-archive-1"
Block = bytes | bytearray | memoryview
_BLOCK: Final = 256 * 1024
_LONGEST: Final = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the schema has it; all of it must be the same where the rows are loaded."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class Head:
    """What is written first. ``schema`` names the columns of every table whose rows follow, in the order they are written in."""

    release: str
    postgres: str
    made_at: str
    migrations: tuple[str, ...]
    schema: dict[str, tuple[Column, ...]]
    practices: tuple[tuple[int, str], ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """Where the two chains of one practice ended; practice 0 is the installation. Hashes in hex."""

    practice_id: int
    slug: str
    audit_seq: int
    audit_hash: str
    consent_seq: int
    consent_hash: str


@dataclass(frozen=True, slots=True)
class Tail:
    """What is written last, once everything has been seen. ``rows`` counts each table's rows; ``keys`` are the installation's keys."""

    rows: dict[str, int]
    sha256: dict[str, str]
    sequences: dict[str, int | None]
    ends: tuple[Noted, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """A backup that has been read to its end and found whole."""

    head: Head
    tail: Tail


class Writer:
    """Writes an archive into a sealed file, in the order of its methods."""

    def __init__(self, sealer: Sealer, head: Head) -> None:
        """Write the head."""
        self._sealer, self._head = sealer, head
        self._rows: dict[str, int] = {}
        self._sha256: dict[str, str] = {}
        self._json({"format": FORMAT} | _plain(head))

    def table(self, name: str, blocks: Iterable[Block]) -> int:
        """Write the rows of a table, which come as text of COPY, and return how many there were."""
        self._json({"table": name})
        digest, rows, waiting = hashlib.sha256(), 0, bytearray()
        for block in blocks:
            waiting += block
            if len(waiting) >= _BLOCK:
                self._data(waiting)
                digest.update(waiting)
                rows += waiting.count(b"\n")  # COPY writes a line break within a value as backslash and n
                waiting = bytearray()
        self._data(waiting)
        digest.update(waiting)
        self._rows[name] = rows + waiting.count(b"\n")
        self._sha256[name] = digest.hexdigest()
        self._json({"rows": self._rows[name], "sha256": self._sha256[name]})
        return self._rows[name]

    def finish(self, sequences: dict[str, int | None], ends: tuple[Noted, ...], keys: tuple[str, ...]) -> Tail:
        """Write the end."""
        tail = Tail(self._rows, self._sha256, sequences, ends, keys)
        self._json({"end": _plain(tail)})
        self._sealer.finish()
        return tail

    def _json(self, value: Mapping[str, Any]) -> None:
        data = json.dumps(value, sort_keys=True).encode()
        self._sealer.write(b"J" + struct.pack(">I", len(data)) + data)

    def _data(self, data: bytearray) -> None:
        if data:
            self._sealer.write(b"D" + struct.pack(">I", len(data)))
            self._sealer.write(data)


def _plain(value: Any) -> Any:
    """A dataclass as JSON has it."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def check(path: Path, keys: Keys) -> Contents:
    """Read a backup to its end and return what it holds. Raises DamagedError, in one sentence, when it is not whole."""

    def look(_table: str, blocks: Iterator[bytes]) -> None:
        for _ in blocks:
            pass

    return walk(path, keys, look)


def walk(path: Path, keys: Keys, take: Callable[[str, Iterator[bytes]], None]) -> Contents:
    """Give the rows of each table to ``take`` in turn, which reads them to the end, and return what the backup holds.

    Every block was authenticated before it is given out, but whether the whole is whole is known only when this returns.
    Raises DamagedError.
    """
    try:
        with path.open("rb") as file:
            return _walk(_Frames(opened(file, keys)), take)
    except OSError as error:
        raise DamagedError(f"it cannot be read ({error.strerror}).") from None
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"its content is not that of a backup of this release ({error}).") from None


def _walk(frames: _Frames, take: Callable[[str, Iterator[bytes]], None]) -> Contents:
    first = frames.json()
    if first.pop("format", None) != FORMAT:
        raise DamagedError("its content has a form that this release does not know.")
    head = _head(first)
    rows: dict[str, int] = {}
    sha256: dict[str, str] = {}
    while "table" in (found := frames.json()):
        name = str(found["table"])
        if name in rows or name not in head.schema:
            raise DamagedError(f"the table {name} is in it twice, or was not announced.")
        counted = _Counted(frames)
        take(name, counted.blocks())
        stated = frames.json()
        rows[name], sha256[name] = counted.rows, counted.digest.hexdigest()
        if (stated["rows"], stated["sha256"]) != (rows[name], sha256[name]):
            raise DamagedError(f"the rows of {name} are not those that were written.")
    tail = _tail(found["end"])
    if lacking := sorted(head.schema.keys() - rows.keys()):
        raise DamagedError(f"the table {lacking[0]} is missing from it.")
    if tail.rows != rows or tail.sha256 != sha256:
        raise DamagedError("its end does not fit its tables.")
    frames.expect_end()
    return Contents(head, tail)


class _Counted:
    """Counts and hashes rows on their way."""

    def __init__(self, frames: _Frames) -> None:
        self._frames = frames
        self.digest, self.rows = hashlib.sha256(), 0

    def blocks(self) -> Iterator[bytes]:
        for block in self._frames.data():
            self.digest.update(block)
            self.rows += block.count(b"\n")
            yield block


class _Frames:
    """Cuts a stream of blocks into frames."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, bytearray()
        self._ahead: bytes | None = None

    def _take(self, count: int) -> bytes:
        while len(self._rest) < count:
            block = next(self._blocks, None)
            if block is None:
                raise DamagedError("its content ends too early.")
            self._rest += block
        taken = bytes(self._rest[:count])
        del self._rest[:count]
        return taken

    def _kind(self) -> bytes:
        if self._ahead is None:
            self._ahead = self._take(1)
        return self._ahead

    def _content(self) -> bytes:
        self._ahead = None
        (length,) = struct.unpack(">I", self._take(4))
        if length > _LONGEST:
            raise DamagedError("a part of it is longer than any that Recare writes.")
        return self._take(length)

    def json(self) -> dict[str, Any]:
        if self._kind() != b"J":
            raise DamagedError("rows stand where none belong.")
        found = json.loads(self._content())
        if not isinstance(found, dict):
            raise DamagedError("its content is not that of a backup.")
        return found

    def data(self) -> Iterator[bytes]:
        while self._kind() == b"D":
            yield self._content()

    def expect_end(self) -> None:
        if self._rest or next(self._blocks, None) is not None:
            raise DamagedError("something stands behind its end.")


def _head(found: dict[str, Any]) -> Head:
    schema = {
        str(table): tuple(Column(**column) for column in columns) for table, columns in dict(found["schema"]).items()
    }
    return Head(
        release=str(found["release"]), postgres=str(found["postgres"]), made_at=str(found["made_at"]), schema=schema,
        migrations=tuple(found["migrations"]), practices=tuple((int(key), str(slug)) for key, slug in found["practices"]),
        left_out=tuple(found["left_out"]),
    )  # fmt: skip


def _tail(found: dict[str, Any]) -> Tail:
    ends = tuple(Noted(**end) for end in found["ends"])
    return Tail(dict(found["rows"]), dict(found["sha256"]), dict(found["sequences"]), ends, tuple(found["keys"]))
