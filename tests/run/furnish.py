"""A program of its own: fill the database it is given with practices where everything has happened once, and say who they are."""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Print one line of JSON: slug and id of each practice."""
    os.environ["RECARE_TEST_CLUSTER_OF"] = "given"  # the database is there already
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from tests.walls.furnished import furnish

    made = [furnish(mark).practice for mark in sys.argv[1:]]
    print(json.dumps([{"slug": practice.slug, "id": practice.id} for practice in made]))


if __name__ == "__main__":
    main()
