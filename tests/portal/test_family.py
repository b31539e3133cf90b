"""A family books one trip from one link: given names only, and only of those the link's own patient may book for."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from django.test import Client

from recare.base import db
from recare.segments import facts
from tests.factories import insert, make_patient, make_visit
from tests.portal.test_pages import buttons, page
from tests.portal.way import Written


@pytest.fixture
def children(way: Written) -> dict[str, int]:
    """Two children of the link's patient who are due, each in the same campaign; and somebody else's child."""
    here: dict[str, Any] = {"practice_id": way.practice.id}
    with db.scope(way.practice.id):
        found = {}
        for name, payer in (("Mia", way.patient), ("Leo", way.patient), ("Stranger", make_patient(way.practice.id))):
            found[name] = make_patient(
                way.practice.id, first_name=name, last_name="Secretname", birthdate=date(2017, 3, 1), guarantor_id=payer
            )
            make_visit(way.practice.id, found[name], -400)
            campaign, version = db.tuples(
                "SELECT campaign_id, version_id FROM enrolment WHERE practice_id = %(p)s", p=way.practice.id
            )[0]
            insert(
                "enrolment", campaign_id=campaign, version_id=version, patient_id=found[name], unit=name, arm="treated", probability=0.9,
                salt="s", draw=0.5, snapshot=db.json({}), assigned_at=way.now, state="waiting", due_at=way.now, **here,
            )  # fmt: skip
        facts.rebuild([way.practice.id])
    return found


def test_one_link_books_the_family_and_every_ones_campaign_stops(
    stranger: Client, way: Written, children: dict[str, int]
) -> None:
    path = way.path("book")
    assert "Book for Leo and Mia too" in page(stranger, path) or "Book for Mia and Leo too" in page(stranger, path)
    everybody = [way.patient, children["Mia"], children["Leo"]]
    asked = "&".join(f"who={each}" for each in everybody)
    shown = page(stranger, f"{path}/family?{asked}")
    assert "Secretname" not in shown
    assert "Stranger" not in shown
    answer = stranger.post(f"{path}/family", {"who": everybody, "time": buttons(shown)[0]})
    assert answer.headers["Location"] == f"{path}/family/confirm"
    held = page(stranger, f"{path}/family/confirm")
    ref = re.findall(r'name="set" value="([^"]+)"', held)[0]
    assert stranger.post(f"{path}/family/confirm", {"set": ref}).headers["Location"] == f"{path}/family/done"
    assert "You are all booked" in page(stranger, f"{path}/family/done")
    assert way.values("SELECT count(*) FROM booking WHERE practice_id = %(practice)s AND state = 'booked'") == [3]
    stopped = way.values(
        "SELECT patient_id FROM enrolment WHERE practice_id = %(practice)s AND stop_reason = 'booked' ORDER BY 1"
    )
    assert stopped == sorted(everybody)
    touches = way.values("SELECT touch_id FROM booking WHERE practice_id = %(practice)s AND touch_id IS NOT NULL")
    assert touches == [
        way.touch
    ]  # the message brought the one who read it; the children's visits are not credited to it


def book_for(stranger: Client, path: str, who: list[int]) -> None:
    shown = page(stranger, f"{path}/family?" + "&".join(f"who={each}" for each in who))
    stranger.post(f"{path}/family", {"who": who, "time": buttons(shown)[0]})
    ref = re.findall(r'name="set" value="([^"]+)"', page(stranger, f"{path}/family/confirm"))[0]
    assert stranger.post(f"{path}/family/confirm", {"set": ref}).headers["Location"] == f"{path}/family/done"


def places(html: str, part: str) -> list[str]:
    """The addresses behind the buttons that move or cancel a relative's visit."""
    return re.findall(rf'href="([^"]+/{part}\?visit=[^"]+)"', html)


def states(way: Written, patient: int) -> list[str]:
    found = db.tuples(
        "SELECT state FROM booking WHERE practice_id = %(p)s AND patient_id = %(i)s ORDER BY id",
        p=way.practice.id, i=patient,
    )  # fmt: skip
    return [state for (state,) in found]


def test_who_booked_for_a_child_moves_and_cancels_that_visit(
    stranger: Client, way: Written, children: dict[str, int]
) -> None:
    path, mia = way.path("book"), children["Mia"]
    manage = path.replace("book", "manage")
    book_for(stranger, path, [way.patient, mia])
    [move] = places(page(stranger, manage), "move")
    times = page(stranger, move)
    assert "Mia" in times
    action = re.findall(r'action="([^"]+)"', times)[0]
    assert stranger.post(action, {"time": buttons(times)[-1]}).headers["Location"] == f"{manage}?said=moved"
    with db.scope(way.practice.id):
        assert (states(way, way.patient), states(way, mia)) == (["booked"], ["moved", "booked"])
    [cancel] = places(page(stranger, manage), "cancel")  # a visit that was moved is still theirs to change
    assert stranger.post(move, {"time": buttons(times)[0]}).headers["Location"] == manage  # an older tab
    assert stranger.post(cancel).headers["Location"] == f"{manage}?said=cancelled"
    with db.scope(way.practice.id):
        assert (states(way, way.patient), states(way, mia)) == (["booked"], ["moved", "cancelled"])


def test_nobody_changes_the_visit_of_somebody_they_may_not_book_for(
    stranger: Client, way: Written, children: dict[str, int]
) -> None:
    path = way.path("book")
    manage = path.replace("book", "manage")
    book_for(stranger, path, [children["Mia"], children["Leo"]])
    [_, leo], [_, cancel] = (places(page(stranger, manage), part) for part in ("move", "cancel"))
    with db.scope(way.practice.id):
        db.run("UPDATE patient SET premed = true WHERE id = %(leo)s", leo=children["Leo"])
        db.run("UPDATE patient SET guarantor_id = id WHERE id = %(mia)s", mia=children["Mia"])
    shown = page(stranger, manage)
    assert (len(places(shown, "move")), len(places(shown, "cancel"))) == (
        0,
        1,
    )  # who needs a word first may still cancel
    assert stranger.get(leo).headers["Location"] == manage
    for visit in way.values("SELECT ref FROM booking WHERE practice_id = %(practice)s AND patient_id <> %(patient)s"):
        stranger.post(f"{manage}/cancel?visit={visit}")
    with db.scope(way.practice.id):
        assert (states(way, children["Mia"]), states(way, children["Leo"])) == (["booked"], ["cancelled"])
    assert stranger.post(cancel).headers["Location"] == manage


def test_an_older_tab_does_not_cancel_the_visit_that_took_the_place(stranger: Client, way: Written) -> None:
    path = way.path("book")
    manage = path.replace("book", "manage")
    stranger.post(path, {"time": buttons(page(stranger, path))[0]})
    ref = re.findall(r'name="ref" value="([^"]+)"', page(stranger, f"{path}/confirm"))[0]
    stranger.post(f"{path}/confirm", {"ref": ref})
    old = re.findall(r'action="([^"]+)"', page(stranger, f"{manage}/cancel"))[0]
    stranger.post(f"{manage}/move", {"time": buttons(page(stranger, f"{manage}/move"))[3]})
    assert stranger.post(old).headers["Location"] == manage
    with db.scope(way.practice.id):
        assert states(way, way.patient) == ["moved", "booked"]


def test_a_stranger_among_the_chosen_is_not_booked(stranger: Client, way: Written, children: dict[str, int]) -> None:
    path = way.path("book")
    shown = page(stranger, f"{path}/family?who={children['Stranger']}")
    assert buttons(shown) == []
    both = page(stranger, f"{path}/family?who={children['Mia']}&who={children['Stranger']}")
    stranger.post(f"{path}/family", {"who": [children["Mia"], children["Stranger"]], "time": buttons(both)[0]})
    assert way.values("SELECT patient_id FROM booking WHERE practice_id = %(practice)s") == [children["Mia"]]


def test_who_has_a_visit_may_still_book_for_the_children(
    stranger: Client, way: Written, children: dict[str, int]
) -> None:
    with db.scope(way.practice.id):
        make_visit(way.practice.id, way.patient, 3, "scheduled")
    path = way.path("book")
    manage = page(stranger, stranger.get(path).headers["Location"])
    assert "/family" in manage
    shown = page(stranger, f"{path}/family")
    assert f'value="{way.patient}"' not in shown


def test_without_family_there_is_no_such_page(stranger: Client, way: Written) -> None:
    path = way.path("book")
    assert "/family" not in page(stranger, path)
    assert stranger.get(f"{path}/family").headers["Location"] == path
    assert stranger.get(f"{path}/family/confirm").headers["Location"] == f"{path}/family"


def test_a_time_that_is_gone_holds_nobody_and_says_so(stranger: Client, way: Written, children: dict[str, int]) -> None:
    path = way.path("book")
    assert stranger.post(f"{path}/family", {"who": [children["Mia"]], "time": "1"}).status_code == 409
    assert stranger.post(f"{path}/family", {"who": [children["Mia"]], "time": "soon"}).status_code == 303
    assert stranger.post(f"{path}/family/confirm", {"set": "nonsense"}).status_code == 303
    assert way.values("SELECT id FROM booking WHERE practice_id = %(practice)s") == []
