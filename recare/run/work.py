"""The worker: takes jobs from the queue in the database until it is asked to end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from recare.compliance.warm import warm_beside

# A job is a batch that may be cut off anywhere; this many run side by side, each on a database connection of its own.
CONCURRENCY: Final = 2
_GRACE_SECONDS: Final = 4.0


def work() -> None:
    """Run jobs until SIGTERM or SIGINT; a job under way gets four seconds, then it is given back. Needs Django loaded."""
    from procrastinate.contrib.django import app

    warm_beside(datetime.now(UTC))
    connector = app.connector.get_worker_connector()  # type: ignore[attr-defined]
    with app.replace_connector(connector) as worker:
        worker.run_worker(
            name="recare", concurrency=CONCURRENCY, shutdown_graceful_timeout=_GRACE_SECONDS, delete_jobs="successful"
        )
