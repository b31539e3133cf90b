"""Python's collector of reference cycles, kept out of loops that make millions of small rows without any, and off what stays for ever."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def resting() -> Iterator[None]:
    """Let the collector rest inside: walking the same rows again and again costs up to half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def keep() -> None:
    """Leave everything that is there now out of later walks: each would take a quarter of a second in the middle of somebody's page."""
    gc.collect()
    gc.freeze()
