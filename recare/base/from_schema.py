"""Migrations from a room's ``schema.sql``: tables are written as SQL, where constraints and row-level security live."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations


def tables_of(migration_file: str) -> migrations.RunSQL:
    """Return the operation that runs ``schema.sql`` of the room whose migration calls this with its ``__file__``."""
    text = (Path(migration_file).resolve().parent.parent / "schema.sql").read_text(encoding="utf-8")
    return migrations.RunSQL(text, migrations.RunSQL.noop)
