"""Logs for whoever runs the installation: structured lines, with everything that could name a patient taken out (SEC-08)."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

# A number of seven or more digits (with the usual separators) and anything with an @ may belong to a person. Ids stay: they are short.
_PHONE = re.compile(r"(?<![\w.])(?!\d{4}-\d\d-\d\d)\+?\(?\d(?:[\s().-]{0,2}\d){6,}(?!\w)")
_EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")
_TOKEN = re.compile(r"(/p/)[\w-]+")
# A database tells in its errors what stood in the row: the cell it could not read, the statement with its values, the row that broke a rule.
_CELL = re.compile(r'^((?:psycopg|django\.db)\.[\w.]+: [^"\n]*(?:: |value ))".*$', re.MULTILINE)
_ROW = re.compile(
    r"^(?:DETAIL|CONTEXT|LINE \d+):.*?(?=\n\n(?:The above exception|During handling)|\Z)", re.MULTILINE | re.DOTALL
)


def redact(text: str) -> str:
    """Return ``text`` without telephone numbers, e-mail addresses, link tokens, and what a database's error says of a row."""
    text = _ROW.sub("[row]", _CELL.sub(r"\1[cell]", text))
    return _PHONE.sub("[number]", _EMAIL.sub("[address]", _TOKEN.sub(r"\1[token]", text)))


def _redacted(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    return {
        key: redact(value) if isinstance(value, str) and key != "timestamp" else value for key, value in event.items()
    }


class _Redacting(logging.Formatter):
    """For the lines of libraries: message and traceback pass the same redaction."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def set_up(level: str = "INFO") -> None:
    """Send every log line, ours and the libraries', to standard error, redacted."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Redacting("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("django.request").setLevel(logging.ERROR)
    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redacted,
        structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
