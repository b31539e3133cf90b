"""An evidence pack as a PDF that carries its own JSON (I8)."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import typst


def pdf(pack: dict[str, Any]) -> bytes:
    """Return the pack for reading; the pack itself is attached as ``evidence.json``. Its values are data to Typst, never markup."""
    source = (resources.files("recare.reports") / "evidence.typ").read_bytes()
    return bytes(typst.compile(source, sys_inputs={"pack": as_json(pack)}, ignore_system_fonts=True))


def as_json(pack: dict[str, Any]) -> str:
    """Write a pack for people and programs alike."""
    return json.dumps(pack, ensure_ascii=False, indent=1)
