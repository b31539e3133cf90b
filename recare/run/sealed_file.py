"""A file that only its keys open, in which every byte counts: what a backup is kept in (SEC-04, SEC-06).

Layout: one line that names the format, four bytes of length, a head in JSON, then pieces of one MiB. The head holds the file's own random key
several times over, each time locked with another key: that of the installation, and a pass phrase where one was given. Each piece is compressed
and sealed by AES-256-GCM; its number and whether it is the last are part of the nonce, and the hash of the head is part of what is sealed. So a
byte that was changed anywhere, a piece that is missing, doubled, moved or of another file, and a cut-off end are all noticed. Constant memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FORMAT: Final = b"RECARE-BACKUP 1\n"
PIECE: Final = 1024**2
SHORTEST_PHRASE: Final = 12
_TAG: Final = 16
_LONGEST_HEAD: Final = 64 * 1024
_LOCK: Final = b"recare backup: key of one file"


class DamagedError(Exception):
    """One sentence about a backup that cannot be used."""


class WrongKeyError(DamagedError):
    """None of the keys at hand opens the file."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What may open or lock a file: keys of installations, the first one the current one, and a pass phrase."""

    installation: tuple[str, ...] = ()
    phrase: str = ""


def name_of(key: str) -> str:
    """Return a short name of an installation's key, which gives nothing of it away."""
    return hashlib.sha256(b"recare key name|" + key.encode()).hexdigest()[:8]


def _from_installation(key: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"recare backup").derive(key.encode())


def _from_phrase(phrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**17, r=8, p=1).derive(phrase.encode())


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _locked(own: bytes, key: bytes) -> str:
    nonce = os.urandom(12)
    return _b64(nonce + AESGCM(key).encrypt(nonce, own, _LOCK))


def _unlocked(locked: str, key: bytes) -> bytes | None:
    data = base64.b64decode(locked, validate=True)
    try:
        return AESGCM(key).decrypt(data[:12], data[12:], _LOCK)
    except InvalidTag:
        return None


class Sealer:
    """Writes a sealed file: ``write`` as often as wanted, then ``finish``."""

    def __init__(self, file: BinaryIO, about: Mapping[str, Any], keys: Keys) -> None:
        """Write the head. ``about`` is readable without any key: it holds nothing of patients."""
        own, salt = os.urandom(32), os.urandom(16)
        locks = [
            {"with": "installation", "name": name_of(key), "key": _locked(own, _from_installation(key))}
            for key in keys.installation[:1]
        ]
        if keys.phrase:
            lock = _locked(own, _from_phrase(keys.phrase, salt))
            locks.append({"with": "pass phrase", "salt": _b64(salt), "key": lock})
        head = json.dumps(dict(about) | {"locks": locks}, sort_keys=True).encode()
        self._file, self._cipher, self._number = file, AESGCM(own), 0
        self._bound = hashlib.sha256(head).digest()
        self._waiting, self._squeeze = bytearray(), zlib.compressobj(3)
        file.write(FORMAT + struct.pack(">I", len(head)) + head)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take some bytes; whole pieces go to the file."""
        self._waiting += self._squeeze.compress(data)
        while len(self._waiting) > PIECE:  # the last piece is never empty-handed: one byte at least stays back
            self._seal(bytes(self._waiting[:PIECE]), last=False)
            del self._waiting[:PIECE]

    def finish(self) -> None:
        """Seal what is left as the last piece."""
        self._waiting += self._squeeze.flush()
        while len(self._waiting) > PIECE:
            self._seal(bytes(self._waiting[:PIECE]), last=False)
            del self._waiting[:PIECE]
        self._seal(bytes(self._waiting), last=True)

    def _seal(self, piece: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last=last), piece, self._bound))
        self._number += 1


def _nonce(number: int, *, last: bool) -> bytes:
    return struct.pack(">Q3x?", number, last)


def head_of(file: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read the head and return it with its hash; leaves the file at its first piece. Raises DamagedError."""
    if file.read(len(FORMAT)) != FORMAT:
        raise DamagedError("this is no backup of Recare, or its first bytes were changed.")
    try:
        (length,) = struct.unpack(">I", file.read(4))
        data = file.read(length) if length <= _LONGEST_HEAD else b""
        head = json.loads(data)
    except (struct.error, ValueError):
        raise DamagedError(
            "its head cannot be read: the file was damaged or cut off. Take another copy of it."
        ) from None
    if not isinstance(head, dict) or not isinstance(head.get("locks"), list):
        raise DamagedError("its head is not that of a backup: the file was damaged. Take another copy of it.")
    return head, hashlib.sha256(data).digest()


def opened(file: BinaryIO, keys: Keys) -> Iterator[bytes]:
    """Yield what was sealed, in blocks of at most one MiB, each checked before it is given out.

    Raises WrongKeyError when no key opens the file, DamagedError when anything in it is not as it was written.
    """
    head, bound = head_of(file)
    cipher, spread = AESGCM(_own_key(head, keys)), zlib.decompressobj()
    for piece in _pieces(file, cipher, bound):
        data = piece
        while data:
            block = spread.decompress(data, PIECE)
            data = spread.unconsumed_tail
            if block:
                yield block
    if not spread.eof:
        raise DamagedError("its content ends too early.")


def _own_key(head: Mapping[str, Any], keys: Keys) -> bytes:
    try:
        for lock in head["locks"]:
            for key in _candidates(lock, keys):
                own = _unlocked(lock["key"], key)
                if own is not None:
                    return own
    except (KeyError, TypeError, ValueError):
        raise DamagedError("its head was damaged. Take another copy of it.") from None
    raise WrongKeyError(_which(head, keys))


def _candidates(lock: Mapping[str, Any], keys: Keys) -> Iterator[bytes]:
    if lock["with"] == "installation":
        yield from map(_from_installation, keys.installation)
    elif keys.phrase:
        yield _from_phrase(keys.phrase, base64.b64decode(lock["salt"], validate=True))


def _which(head: Mapping[str, Any], keys: Keys) -> str:
    """Say what would open the file: the reader may have the wrong key, or the wrong file."""
    names = [lock.get("name") for lock in head["locks"] if lock.get("with") == "installation"]
    ways = [f"secret.key of the installation that made it ({name})" for name in names]
    ways += ["its pass phrase" for lock in head["locks"] if lock.get("with") == "pass phrase"]
    here = ", ".join(map(name_of, keys.installation)) or "none"
    tried = f"The key here is {here}" + (", and the pass phrase that was given is another one." if keys.phrase else ".")
    return f"it is opened by {' or by '.join(ways) or 'no key'}, and by nothing else. {tried}"


def _pieces(file: BinaryIO, cipher: AESGCM, bound: bytes) -> Iterator[bytes]:
    number, piece = 0, file.read(PIECE + _TAG)
    while True:
        following = file.read(PIECE + _TAG)
        last = not following
        try:
            yield cipher.decrypt(_nonce(number, last=last), piece, bound)
        except (InvalidTag, ValueError):
            raise DamagedError(_what(cipher, number, piece, bound, last=last)) from None
        if last:
            return
        number, piece = number + 1, following


def _what(cipher: AESGCM, number: int, piece: bytes, bound: bytes, *, last: bool) -> str:
    """A piece that opens as the other kind tells a file that was cut off, or got longer, from one that was changed."""
    try:
        cipher.decrypt(_nonce(number, last=not last), piece, bound)
    except (InvalidTag, ValueError):
        where = "at its end" if last else f"within its part {number + 1} (of one MiB each)"
        return f"it was damaged, changed or cut off {where}. Take another copy of it."
    if last:
        return "its end is missing. Take another copy of it."
    return "something was added at its end. Take another copy of it."
