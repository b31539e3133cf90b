"""One-time codes of a telephone's app (TOTP, RFC 6238 with the parameters that every app knows: SHA-1, 30 seconds, six digits)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

import segno

SECONDS: Final = 30
DIGITS: Final = 6
DRIFT: Final = 1
"""Steps that a telephone's clock may be off, either way (RFC 6238, section 5.2)."""
_KEY_BYTES: Final = 20  # as long as the hash (RFC 4226, section 4)


def new_key() -> str:
    """Return a fresh secret in base32, as people type it into an app: 32 letters and digits."""
    return base64.b32encode(secrets.token_bytes(_KEY_BYTES)).decode()


def step_of(at: datetime) -> int:
    """Return the number of the 30 seconds that an instant lies in."""
    return int(at.timestamp()) // SECONDS


def code(key: str, step: int, digits: int = DIGITS) -> str:
    """Return the code of a step (RFC 4226, section 5.3). ``key`` is base32."""
    mac = hmac.new(base64.b32decode(key), step.to_bytes(8, "big"), hashlib.sha1).digest()
    start = mac[-1] & 15
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}}"


def fitting_step(key: str, said: str, now: datetime, after: int = -1) -> int | None:
    """Return the step whose code was said, of those around ``now`` that are later than ``after``; None when it is none of them."""
    here = step_of(now)
    for step in range(here - DRIFT, here + DRIFT + 1):
        if step > after and hmac.compare_digest(code(key, step), said):
            return step
    return None


def address(key: str, email: str) -> str:
    """Return what the QR code says: an address of the kind ``otpauth`` that apps read."""
    told = {"secret": key, "issuer": "Recare", "digits": DIGITS, "period": SECONDS}
    return f"otpauth://totp/{quote(f'Recare:{email}')}?{urlencode(told)}"


def picture(key: str, email: str) -> str:
    """Return the QR code as SVG to stand in a page: black on white in both colour schemes, no style of its own."""
    made = segno.make(address(key, email), error="m", micro=False)
    look = {
        "dark": "#000",
        "light": "#fff",
        "svgclass": "qr",
        "lineclass": None,
        "title": "QR code for your authenticator app",
    }
    return str(
        made.svg_inline(border=4, omitsize=True, **look)
    )  # a view box instead of a size, so that it scales whole
