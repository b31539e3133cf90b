"""Tables whose rows are links of a chain, one chain a practice; the end of each is kept apart, so that a cut shows (I6, SEC-05)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol

from recare.base import chain, db
from recare.base.chain import End

_PAGE: Final = 5000


class Link(Protocol):
    """A row of a chained table, as a frozen dataclass."""

    @property
    def seq(self) -> int: ...
    @property
    def prev_hash(self) -> bytes: ...
    @property
    def hash(self) -> bytes: ...
    def content(self) -> Mapping[str, Any]:
        """Return what the hash covers."""


@dataclass(frozen=True, slots=True)
class Chained:
    """The rows of ``table`` are ``shape``, their ends stand in ``ends``; ``called`` is what people call the link of a number."""

    table: str
    ends: str
    called: str
    shape: type[Link]

    def lock(self, practice_id: int) -> End:
        """Lock the end of a chain, made at its first link, and return it: two writers never take the same number."""
        query = f"SELECT seq, hash FROM {self.ends} WHERE practice_id = %(practice)s FOR UPDATE"
        found = db.tuples(query, practice=practice_id)
        if not found:
            db.run(
                f"INSERT INTO {self.ends} (practice_id, seq, hash) VALUES (%(practice)s, 0, %(genesis)s) ON CONFLICT DO NOTHING",
                practice=practice_id, genesis=chain.GENESIS,
            )  # fmt: skip
            found = db.tuples(query, practice=practice_id)
        return _end(found)

    def move_on(self, practice_id: int, last: End) -> None:
        """Note the last link that was added, under the lock."""
        db.run(
            f"UPDATE {self.ends} SET seq = %(seq)s, hash = %(hash)s WHERE practice_id = %(practice)s",
            practice=practice_id, seq=last.seq, hash=last.hash,
        )  # fmt: skip

    def end(self, practice_id: int) -> End:
        """Return the last link of a chain, to be noted where the database's own administrator cannot reach."""
        return _end(
            db.tuples(f"SELECT seq, hash FROM {self.ends} WHERE practice_id = %(practice)s", practice=practice_id)
        )

    def verify(self, practice_id: int, noted: Sequence[End] = ()) -> str | None:
        """Walk a chain inside the caller's scope, in constant memory; return a sentence about the first broken link, or None.

        ``noted`` are ends that were written down elsewhere (in a backup, in an evidence pack): the chain must still pass through each.
        """
        last, wanted = chain.NOTHING, {at.seq: at.hash for at in noted}
        for link in self._walk(practice_id):
            if problem := self._broken(last, link):
                return f"Practice {practice_id}: {problem}"
            last = End(link.seq, bytes(link.hash))
            if wanted.get(last.seq, last.hash) != last.hash:
                return f"Practice {practice_id}: {self.called.format(last.seq)} is another one than was noted."
        kept = self.end(practice_id)
        written = max(kept.seq, *wanted, 0)
        if written > last.seq:
            return f"Practice {practice_id}: {self.called.format(last.seq + 1)} is missing; {written} were written."
        if kept != last:
            return f"Practice {practice_id}: the end that is kept apart does not fit {self.called.format(last.seq)}, the last one there."
        return None

    def _broken(self, last: End, link: Link) -> str | None:
        if link.seq != last.seq + 1:
            return f"{self.called.format(last.seq + 1)} is missing; the next one there is {link.seq}."
        if bytes(link.prev_hash) != last.hash:
            return f"{self.called.format(link.seq)} is not in its place; it or the one before it was reordered, replaced or removed."
        if chain.link(last.hash, link.content()) != bytes(link.hash):
            return f"{self.called.format(link.seq)} was changed after it was written."
        return None

    def _walk(self, practice_id: int) -> Iterator[Link]:
        columns, last = ", ".join(field.name for field in fields(self.shape)), 0  # type: ignore[arg-type]
        while page := db.rows(
            self.shape,
            f"SELECT {columns} FROM {self.table} WHERE practice_id = %(practice)s AND seq > %(last)s ORDER BY seq LIMIT %(page)s",
            practice=practice_id, last=last, page=_PAGE,
        ):  # fmt: skip
            yield from page
            last = page[-1].seq


def _end(found: list[tuple[Any, ...]]) -> End:
    return End(int(found[0][0]), bytes(found[0][1])) if found else chain.NOTHING
