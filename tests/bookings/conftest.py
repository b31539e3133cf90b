from __future__ import annotations

import pytest

from recare.practices.practice import Practice
from tests.bookings.clinic import Clinic, make_clinic


@pytest.fixture
def clinic(practice: Practice) -> Clinic:
    return make_clinic(practice)
