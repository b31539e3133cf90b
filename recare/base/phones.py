"""Telephone numbers: parsed and written, never used to guess where a person is (TIM-05)."""

from __future__ import annotations

from dataclasses import dataclass

import phonenumbers


@dataclass(frozen=True, slots=True)
class Phone:
    """A valid number: E.164, with the extension it was given (a number with one can be called, never texted)."""

    e164: str
    extension: str = ""


def parse(raw: str, region: str = "US") -> Phone | None:
    """Return the number written in ``raw``, or None when it is no valid one. Words must have been stripped before."""
    try:
        found = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(found):
        return None
    return Phone(phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164), found.extension or "")


def shown(e164: str) -> str:
    """Write a number the way people of its country do: ``(630) 555-0100``; unchanged when it cannot be read."""
    try:
        found = phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException:
        return e164
    style = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(found, style.NATIONAL if found.country_code == 1 else style.INTERNATIONAL)
