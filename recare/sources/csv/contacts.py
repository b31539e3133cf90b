"""Telephones and e-mail addresses as front desks type them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from recare.base import phones
from recare.base.phones import Phone

_EXTENSION: Final = re.compile(r"(?:\bext(?:ension)?\.?|\bx|#)\s*(\d{1,6})\s*$", re.IGNORECASE)
_SEVERAL: Final = re.compile(r"\s*(?:[/;,|&\n]|\bor\b|\band\b)\s*", re.IGNORECASE)
_WORDS: Final = re.compile(r"[^\d+().\-\s]+.*$")
_FIRST_WORDS: Final = re.compile(r"^[^\d+(]+")
_NANP: Final = re.compile(r"(?<!\d)\(?[2-9]\d{2}\)?[ .\-]?[2-9]\d{2}[ .\-]?\d{4}(?!\d)")
_PLACEHOLDER: Final = re.compile(r"^1?(\d)\1{9}$|^1?(?:0000000000|1234567890|5555555555|9999999999)$")
_EMAIL: Final = re.compile(
    r"[a-z0-9](?:[a-z0-9._%+'\-]{0,62}[a-z0-9_+\-])?@(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}$"
)
_NOBODY: Final = re.compile(
    r"^(?:none|na|n-a|no|noemail|no-email|no\.email|declined|decline|refused|unknown|test|nomail|donothave|x+)@|@(?:na|none|noemail|no|nomail|email)\.\w+$"
)
EMAIL_CUT: Final = 100  # characters after which Open Dental's field ends


@lru_cache(maxsize=20_000)
def telephones(raw: str, region: str = "US") -> tuple[Phone, ...]:
    """Return the valid numbers of one cell in order. Words are stripped ("mom", "cell"), placeholders and numbers without area code are none.

    Two numbers in one cell are two; the area code is never guessed from the practice's own.
    """
    found = [_one(part, region) for part in _SEVERAL.split(raw)]
    if not any(found):
        found = [_one(raw, region)]
    if not any(found) and (embedded := _NANP.search(raw)):  # "after 5: 630-555-0142"
        found = [_one(embedded[0], region)]
    return tuple(dict.fromkeys(phone for phone in found if phone is not None))


def _one(raw: str, region: str) -> Phone | None:
    extension = ""
    if found := _EXTENSION.search(raw):
        raw, extension = raw[: found.start()], found[1]
    raw = _WORDS.sub("", _FIRST_WORDS.sub("", raw))
    digits = re.sub(r"\D", "", raw)
    if len(digits) < 10 or len(digits) > 18 or _PLACEHOLDER.match(digits):
        return None
    phone = phones.parse(raw.strip(), region)
    return Phone(phone.e164, extension or phone.extension) if phone else None


def emails(raw: str) -> tuple[str, ...]:
    """Return the usable addresses of one cell, lower-case, in order; placeholders such as ``none@`` or ``na@na.com`` are none.

    Cells are lists now and then, and end at 100 characters: the last address of a list that long may be cut and is left out.
    """
    text = raw.strip().lower()
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if len(text) >= EMAIL_CUT and len(parts) > 1:
        parts.pop()
    return tuple(dict.fromkeys(part for part in parts if _EMAIL.match(part) and not _NOBODY.search(part)))


def is_placeholder(raw: str) -> bool:
    """Whether a cell that holds no usable address only says so (``none@``, ``declined@``), and nothing needs mending."""
    return all(_NOBODY.search(part) for part in re.split(r"[,;\s]+", raw.strip().lower()) if part)
