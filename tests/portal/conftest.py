from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from recare.practices.practice import Practice
from tests.portal.way import Written, written


@pytest.fixture
def way(practice: Practice, now: datetime) -> Written:
    return written(practice, now)


@pytest.fixture
def stranger() -> Client:
    """A browser without cookies that checks CSRF as production does."""
    return Client(enforce_csrf_checks=True)
