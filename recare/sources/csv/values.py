"""Single cells of an export: what each kind of value can look like, and which looks mean nothing. Pure functions of text."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

NULL_WORDS: Final = frozenset({"", "null", "(null)", "#n/a", "n/a", "nan", "none", "-", "--", ".", "#ref!", "#value!"})
_WORDS: Final[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("words.yaml").read_text(encoding="utf-8"))


def table(name: str) -> dict[str, str]:
    """Return a vocabulary of ``words.yaml`` turned round: the source's word, lower-case, to ours."""
    return {str(word).lower(): ours for ours, words in _WORDS[name].items() for word in words}


_SPACES: Final = re.compile(r"[\s\x00\u00a0]+")
_MONEY: Final = re.compile(r"\(?-?\s*\$?\s*\(?-?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)?(?:\.(?P<cents>\d+))?\)?-?$")
_CREDIT: Final = re.compile(
    r"(?<=[\d\s)])\s*([cd])r\.?$", re.IGNORECASE
)  # 45.00 CR is what the practice owes the patient
_SCIENTIFIC: Final = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d+$")
_CODE: Final = re.compile(r"[A-Z]{0,2}\d{3,5}[A-Z]?(?:\.\w{1,4})?$")
_ZIP_US: Final = re.compile(r"(\d{3,5})(?:\.0+)?(?:[- ]?(\d{4}))?$")
_ZIP_CA: Final = re.compile(r"([A-Z]\d[A-Z])\s?(\d[A-Z]\d)$")
_TIME: Final = re.compile(r"(\d{1,2})(?::?(\d{2}))?(?::\d{2}(?:\.\d+)?)?\s*([ap])?\.?m?\.?$", re.IGNORECASE)
_INTERVAL: Final = re.compile(
    r"(?:(\d+)\s*y[a-z]*)?\s*(?:(\d+)\s*m[a-z]*)?\s*(?:(\d+)\s*w[a-z]*)?\s*(?:(\d+)\s*d[a-z]*)?$"
)
_PATTERN: Final = re.compile(r"[/X]+$", re.IGNORECASE)
_PREFERRED: Final = re.compile(r"""(?<![^\W\d_])['"(\u201c\u2018]([^'")\u201d\u2019]{2,30})['")\u201d\u2019]""")
_SUFFIX: Final = re.compile(r"^(?:jr|sr|ii|iii|iv|md|dds|phd)\.?$", re.IGNORECASE)


def clean(raw: str) -> str:
    """Return the cell with single spaces and no ends, a spreadsheet's text mark removed."""
    text = " ".join(raw.split())
    return text[2:-1] if text.startswith('="') and text.endswith('"') else text


def is_null(text: str) -> bool:
    """Whether a cleaned cell means "nothing"."""
    return text.lower() in NULL_WORDS


def money(text: str) -> int | None:
    """Return cents; None for no amount. ``-1`` is how practice systems write "none"; raises ValueError for no money at all."""
    if re.fullmatch(r"\d+,\d{2}", text):  # comma as the decimal point
        text = text.replace(",", ".")
    if re.fullmatch(r"-?\d{1,3}(?:\.\d{3})+,\d{2}", text):  # points between the thousands, as in 1.234,50
        text = text.replace(".", "").replace(",", ".")
    credit = _CREDIT.search(text)
    text = text[: credit.start()] if credit else text
    found = _MONEY.match(text)
    if not found or (found["whole"] is None and found["cents"] is None):
        raise ValueError("money")
    if len(found["whole"] or "") > 12:
        raise ValueError("money")
    cents = int((found["whole"] or "0").replace(",", "")) * 100 + int(((found["cents"] or "") + "00")[:2])
    negative = "-" in text or "(" in text or bool(credit and credit[1].lower() == "c")
    return None if negative and cents == 100 else -cents if negative else cents


def is_scientific(text: str) -> bool:
    """Whether a number was shown as ``2.98725E+13``: its last digits are lost, so it identifies nobody."""
    return bool(_SCIENTIFIC.search(text))


def key(text: str) -> str | None:
    """Return an id as text, without the ``.0`` a spreadsheet adds; None for empty, 0 and -1, which mean "no reference"."""
    text = text.removesuffix(".0")
    return None if text in {"", "0", "-1"} or is_null(text) else text


def code(text: str) -> str:
    """Return a procedure code with its D; office codes stay as they are. Raises ValueError when it is none."""
    upper = text.upper().replace(" ", "")
    if re.fullmatch(r"\d{4}\.0+", upper):
        upper = upper[:4]
    if re.fullmatch(r"\d{3}", upper):
        upper = f"0{upper}"  # a spreadsheet has eaten the zero of 0120
    if re.fullmatch(r"\d{4}(?:\.\w+)?", upper):
        upper = f"D{upper}"
    if not _CODE.match(upper):
        raise ValueError("procedure code")
    return upper


def zip_code(text: str) -> str:
    """Return five digits (left-padded, for spreadsheets eat the zero) or a Canadian code. Raises ValueError for neither."""
    upper = text.upper()
    if found := _ZIP_CA.match(upper):
        return f"{found[1]} {found[2]}"
    digits = upper.replace("-", "")
    if digits.isdigit() and len(digits) in {8, 9}:
        return digits.zfill(9)[:5]
    if found := _ZIP_US.match(upper):
        return found[1].zfill(5)
    raise ValueError("ZIP code")


def clock(text: str) -> str:
    """Return ``HH:MM`` of a time of day; a spreadsheet's fraction of a day counts. Raises ValueError when it is none."""
    if re.fullmatch(r"0?\.\d+", text):
        minutes = round(float(text) * 1440)
        return f"{minutes // 60:02d}:{minutes % 60:02d}"
    found = _TIME.match(text)
    if not found or (found[2] is None and found[3] is None):
        raise ValueError("time")
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[3]:
        if not 1 <= hour <= 12:
            raise ValueError("time")
        hour = hour % 12 + (12 if found[3].lower() == "p" else 0)
    if hour > 23 or minute > 59:
        raise ValueError("time")
    return f"{hour:02d}:{minute:02d}"


def minutes(text: str) -> int | None:
    """Return minutes of a length or of a pattern of five-minute cells; None for an empty pattern. Raises ValueError otherwise."""
    if _PATTERN.match(text):
        return len(text) * 5
    if re.fullmatch(r"\d+:\d\d", text):
        hours, rest = text.split(":")
        return int(hours) * 60 + int(rest)
    found = re.fullmatch(r"(\d{1,4})(?:\.0+)?\s*(?:min\w*)?", text, re.IGNORECASE)
    if not found or int(found[1]) > 1440:
        raise ValueError("length")
    return int(found[1]) or None


def interval(text: str) -> tuple[int, int]:
    """Return (months, days) of a recall interval: ``6m1d``, ``1 year``, ``180 days``, plain months, or the packed integer that Open
    Dental's database holds (years, months, weeks and days in one byte each). Raises ValueError when it is none.
    """
    if text.isdigit():
        number = int(text)
        if number <= 60:
            return number, 0
        years, months, weeks, days = number >> 24 & 255, number >> 16 & 255, number >> 8 & 255, number & 255
        if number < 256 or months > 60 or years > 20:
            raise ValueError("interval")
        return years * 12 + months, weeks * 7 + days
    found = _INTERVAL.match(text.lower().replace(",", " ").replace("and", " ").strip())
    if not found or not any(found.groups()):
        raise ValueError("interval")
    years, months, weeks, days = (int(part or 0) for part in found.groups())
    return years * 12 + months, weeks * 7 + days


_YES: Final = frozenset({"1", "y", "yes", "true", "t", "x", "on", "-1", "checked"})
_NO: Final = frozenset({"0", "n", "no", "false", "f", "off", "unchecked"})


def boolean(text: str) -> bool:
    """Return a yes or no. Raises ValueError for anything else."""
    lower = text.lower()
    if lower in _YES:
        return True
    if lower in _NO:
        return False
    raise ValueError("yes or no")


def answer(text: str, *, coded: bool = False) -> str:
    """Return ``yes``, ``no`` or '' (unknown). ``coded``: the column holds 0 unknown, 1 yes, 2 **no**, so 2 is not a true value."""
    lower = text.lower()
    if lower in {"unknown", "u", "?", "not asked"} or (coded and lower == "0"):
        return ""
    if lower in {"2", "declined", "refused", "opted out", "opt out", "optout", "stop"}:
        return "no"
    if lower in {"opted in", "opt in", "optin", "ok", "consented"}:
        return "yes"
    return "yes" if boolean(text) else "no"


def mended(text: str) -> str:
    """Return text whose UTF-8 was once read as Windows-1252 (``RenÃ©e``) as it was meant."""
    if "Ã" in text or "Â" in text or "â€" in text:
        try:
            return text.encode("cp1252").decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            return text
    return text


def name(text: str) -> str:
    """Return a name; one in capitals gets small letters (``O'TESTER`` is O'Tester), short initials stay."""
    text = mended(text)
    if text in {"NULL", "null", "(null)"}:
        return ""
    if not text.isupper() or len(text) < 3:
        return text
    titled = "".join(part.capitalize() for part in re.split(r"([\s'\u2019\-.])", text))
    return re.sub(r"\bMc([a-z])", lambda found: f"Mc{found[1].upper()}", titled)


@lru_cache(maxsize=4096)
def full_name(text: str) -> tuple[str, str, str, str]:
    """Return (first, middle, last, preferred) of a name in one cell: ``Last, 'Pref' First M.`` or ``First Last``."""
    preferred = ""
    if found := _PREFERRED.search(text):
        preferred = name(found[1])
        text = _SPACES.sub(" ", text[: found.start()] + " " + text[found.end() :]).strip()
    if "," in text:
        last, _, rest = text.partition(",")
        if _SUFFIX.match(rest.split(",")[0].strip()) and "," in rest:  # "Sample, Jr., Tom"
            suffix, _, rest = rest.partition(",")
            last = f"{last} {suffix.strip()}"
        given = rest.split()
    else:
        words = text.split()
        last, given = (words[-1], words[:-1]) if len(words) > 1 else (text, [])
    first, middle = (given[0], " ".join(given[1:])) if given else ("", "")
    return name(first), name(middle), name(last.strip()), preferred
