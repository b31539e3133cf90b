"""Links people can trust (L07): https, the practice's own host, nothing about the person in the address, one in a text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from recare.compliance.lint_parts import finding
from recare.compliance.wording import Hit, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recare.compliance.finding import Finding
    from recare.compliance.lint_context import LintContext
    from recare.compliance.lint_parts import Part

SHORTENERS = frozenset(
    [
        "bit.ly",
        "bitly.com",
        "tinyurl.com",
        "t.co",
        "goo.gl",
        "ow.ly",
        "is.gd",
        "buff.ly",
        "rebrand.ly",
        "cutt.ly",
        "shorturl.at",
        "rb.gy",
        "tiny.cc",
        "bl.ink",
        "lnkd.in",
        "t.ly",
        "s.id",
        "v.gd",
        "shorte.st",
        "soo.gd",
        "qr.ae",
        "adf.ly",
        "short.io",
        "trib.al",
        "dlvr.it",
        "fb.me",
        "youtu.be",
        "amzn.to",
        "tiny.one",
        "u.to",
        "clck.ru",
    ]
)
_PERSONAL_KEYS = re.compile(
    r"^(?:.*_)?(?:name|first|last|fname|lname|phone|tel|mobile|cell|email|mail|dob|birth\w*|age|proc\w*|code|patient\w*|pat|pid|chart\w*|mrn|member|ssn|address|zip|reason|visit|diag\w*|plan|tooth|bal\w*|amount|amt|due)$"
)
_REDIRECT_KEYS = re.compile(r"^(?:url|u|link|goto|go|next|redirect\w*|redir|dest\w*|target|return\w*|continue|r)$")
_HREF = re.compile(
    r"<a\b[^>]*?\bhref\s*=\s*[\"']?([^\"'\s>]+)|<mj-button\b[^>]*?\bhref\s*=\s*[\"']([^\"']+)", re.IGNORECASE
)


def findings(parts: tuple[Part, ...], context: LintContext) -> Iterator[Finding]:
    """L07 on every link of body, subject and HTML."""
    if context.channel not in {"sms", "email"}:
        return
    for part in parts:
        for hit in part.urls:
            problem = _problem(hit.words, context)
            if problem:
                yield finding("L07", "E", (problem[0], part.where(hit), problem[1]), context)
    for match in _HREF.finditer(context.html if context.channel == "email" else ""):
        target = (match.group(1) or match.group(2) or "").strip()
        problem = None if target.startswith(("{{", "tel:", "#")) else _problem(target, context)
        if problem:
            yield finding("L07", "E", (problem[0], f"html, link “{target}”", problem[1]), context)
    body = parts[0]
    number = len(body.urls) + sum(name.endswith("_link") for name in body.fields)
    if context.channel == "sms" and number > 1:
        yield finding(
            "L07",
            "E",
            (
                f"{number} links in one text.",
                "; ".join(map(body.where, body.urls)) or "link fields",
                "One text, one thing to do.",
            ),
            context,
        )


def _problem(url: str, context: LintContext) -> tuple[str, str] | None:
    trust = "People and carriers trust only the practice's own address."
    if not url.lower().startswith("https://"):
        return (
            "The link is not https." if "://" in url or ":" in url else "The link has no https://.",
            "Without https others can read and change what is opened.",
        )
    try:
        split = urlsplit(url)
        host = (split.hostname or "").rstrip(".")
    except ValueError:
        return "The link cannot be read.", trust
    if host in SHORTENERS or any(host.endswith("." + known) for known in SHORTENERS):
        return (
            f"“{host}” is a public link shortener.",
            "Carriers block shared shorteners, and nobody can see where they lead.",
        )
    allowed = any(host == own or host.endswith("." + own) for own in context.allowed_link_hosts)
    if not allowed or split.username is not None:
        return f"“{host}” is not an address of the practice.", trust
    return _personal(unquote(split.path), unquote(split.query), unquote(split.fragment), context)


def _personal(path: str, query: str, fragment: str, context: LintContext) -> tuple[str, str] | None:
    words = Reading(re.sub(r"[/\-_=&+.,;]", " ", f"{path} {query} {fragment}"))
    why = "Links are logged and forwarded; nothing in them may tell who the person is or why they come."
    keys = [key.lower() for key, _ in parse_qsl(f"{query}&{fragment}", keep_blank_values=True)]
    if any(_REDIRECT_KEYS.match(key) for key in keys) or re.search(r"https?:", f"{path}{query}{fragment}"):
        return "The link leads on to another address.", "Nobody can see where a redirect leads."
    if (
        any(_PERSONAL_KEYS.match(key) for key in keys)
        or "@" in f"{path}{query}{fragment}"
        or re.search(r"\d[\d\-. ]{8,}\d", f"{path} {query} {fragment}")
    ):
        return "The link carries data of the person.", why
    hits: tuple[Hit, ...] = words.find("phi") + words.find("money")
    if hits or any(word and word.casefold() in words.text.split() for word in context.private_words):
        return "The link carries health, money or personal words.", why
    return None
