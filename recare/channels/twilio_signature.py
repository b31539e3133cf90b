"""Whether a webhook really comes from Twilio: its signature over the full public address and what was posted (SMS-05).

Pure: the receiver answers 403 and changes nothing when this says no. Unknown parameters are signed like the others, so they may come.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def signature(auth_token: str, url: str, posted: Iterable[tuple[str, str]] = ()) -> str:
    """Return the base64 HMAC-SHA1 of ``url`` followed by every posted name and value, sorted by name; several values of one name once each."""
    text = url + "".join(f"{name}{value}" for name, value in sorted(set(posted)))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def genuine(auth_token: str, url: str, posted: Iterable[tuple[str, str]], header: str | None) -> bool:
    """Whether ``header`` (X-Twilio-Signature) signs a form posted to ``url``. False without a token or a header."""
    return bool(auth_token and header) and hmac.compare_digest(
        signature(auth_token, url, posted).encode(), (header or "").encode()
    )


def genuine_json(auth_token: str, url: str, body: bytes, header: str | None) -> bool:
    """The same for a JSON body, whose hash stands in the address as ``bodySHA256``."""
    told = f"bodySHA256={hashlib.sha256(body).hexdigest()}"
    return told in url.partition("?")[2].split("&") and genuine(auth_token, url, (), header)
