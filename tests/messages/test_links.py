"""A patient's own links: nothing of the person in them, nothing but a hash at rest, and a look changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from recare.base import db, tokens
from recare.messages import links
from recare.messages.links import NewLink
from tests import factories
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from recare.practices.practice import Practice


def test_a_link_is_found_again_without_knowing_the_practice(committed_practice: Practice) -> None:
    with db.scope(committed_practice.id):
        patient = factories.make_patient(committed_practice.id)
        token = links.make(committed_practice.id, "book", patient, NOW, expires=NOW + timedelta(days=60))
    found = links.resolve(token, NOW)
    assert found is not None
    assert (found.practice_id, found.patient_id, found.purpose, found.first_used_at) == (
        committed_practice.id,
        patient,
        "book",
        None,
    )
    assert links.resolve(token, NOW + timedelta(days=60)) is None
    assert links.resolve(token[:-1] + "x", NOW) is None
    assert links.resolve("", NOW) is None


def test_only_the_hash_is_kept(practice: Practice) -> None:
    token = links.make(practice.id, "preferences", factories.make_patient(practice.id), NOW)
    rows = db.tuples(
        "SELECT l::text, r::text FROM link l, link_route r WHERE l.practice_id = %(p)s AND r.practice_id = %(p)s",
        p=practice.id,
    )
    assert token not in str(rows)
    assert tokens.hash_token(token).hex() in str(rows)
    assert len(token) == 22


def test_eml_01_an_unsubscribe_link_works_for_ever_and_cannot_be_made_to_expire(practice: Practice) -> None:
    patient = factories.make_patient(practice.id)
    assert links.resolve(links.make(practice.id, "unsubscribe", patient, NOW), NOW + timedelta(days=9999)) is not None
    with pytest.raises(ValueError, match="never expires"):
        links.make(practice.id, "unsubscribe", patient, NOW, expires=NOW + timedelta(days=30))


def test_use_marks_the_first_time_and_looking_marks_nothing(practice: Practice) -> None:
    token = links.make(practice.id, "book", factories.make_patient(practice.id), NOW)
    link = links.resolve(token, NOW)
    assert link is not None
    assert link.first_used_at is None
    links.use(practice.id, link.id, NOW)
    links.use(practice.id, link.id, NOW + timedelta(hours=1))
    again = links.resolve(token, NOW)
    assert again is not None
    assert again.first_used_at == NOW
    links.revoke(practice.id, link.id, NOW)
    assert links.resolve(token, NOW) is None


def test_many_links_come_back_in_order(practice: Practice) -> None:
    patients = [factories.make_patient(practice.id) for _ in range(3)]
    made = links.make_many(practice.id, [NewLink("book", patient) for patient in patients], NOW)
    found = [links.resolve(token, NOW) for token in made]
    assert [link.patient_id for link in found if link] == patients
