"""A patient's own links: nothing of the person in them, nothing but a hash at rest, and a look changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from recare.base import db, tokens
from recare.messages import links
from recare.messages.links import NewLink
from tests import factories
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from recare.practices.practice import Practice


def made(practice_id: int, wanted: NewLink) -> str:
    return links.make_many(practice_id, [wanted], NOW)[0]


def first_used(practice_id: int) -> Any:
    return db.value("SELECT first_used_at FROM link WHERE practice_id = %(p)s", p=practice_id)


def test_a_link_is_found_again_without_knowing_the_practice(committed_practice: Practice) -> None:
    with db.scope(committed_practice.id):
        patient = factories.make_patient(committed_practice.id)
        token = made(committed_practice.id, NewLink("book", patient, expires_at=NOW + timedelta(days=60)))
    found = links.resolve(token)
    assert found is not None
    assert (found.practice_id, found.patient_id, found.purpose, found.expires_at) == (
        committed_practice.id,
        patient,
        "book",
        NOW + timedelta(days=60),
    )
    assert links.resolve(token[:-1] + "x") is None
    assert links.resolve("") is None


def test_only_the_hash_is_kept(practice: Practice) -> None:
    token = made(practice.id, NewLink("preferences", factories.make_patient(practice.id)))
    rows = db.tuples(
        "SELECT l::text, r::text FROM link l, link_route r WHERE l.practice_id = %(p)s AND r.practice_id = %(p)s",
        p=practice.id,
    )
    assert token not in str(rows)
    assert tokens.hash_token(token).hex() in str(rows)
    assert len(token) == 22


def test_eml_01_an_unsubscribe_link_works_for_ever_and_cannot_be_made_to_expire(practice: Practice) -> None:
    patient = factories.make_patient(practice.id)
    found = links.resolve(made(practice.id, NewLink("unsubscribe", patient)))
    assert found is not None
    assert found.expires_at is None
    with pytest.raises(ValueError, match="never expires"):
        made(practice.id, NewLink("unsubscribe", patient, expires_at=NOW + timedelta(days=30)))


def test_use_marks_the_first_time_and_looking_marks_nothing(practice: Practice) -> None:
    token = made(practice.id, NewLink("book", factories.make_patient(practice.id)))
    link = links.resolve(token)
    assert link is not None
    assert first_used(practice.id) is None
    links.use(practice.id, link.id, NOW)
    links.use(practice.id, link.id, NOW + timedelta(hours=1))
    assert first_used(practice.id) == NOW


def test_a_revoked_link_is_none(practice: Practice) -> None:
    token = made(practice.id, NewLink("book", factories.make_patient(practice.id)))
    db.run("UPDATE link SET revoked_at = %(now)s WHERE practice_id = %(p)s", now=NOW, p=practice.id)
    assert links.resolve(token) is None


def test_many_links_come_back_in_order(practice: Practice) -> None:
    patients = [factories.make_patient(practice.id) for _ in range(3)]
    tokens_made = links.make_many(practice.id, [NewLink("book", patient) for patient in patients], NOW)
    found = [links.resolve(token) for token in tokens_made]
    assert [link.patient_id for link in found if link] == patients
