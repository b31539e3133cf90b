"""The campaign pages: show before doing, launch exactly what was shown, and only once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from recare.base import counted, db
from recare.campaigns import campaign, offers, playbook
from recare.jobs import counting
from recare.practices.practice import Practice
from recare.segments import segment
from tests.campaigns import build
from tests.campaigns.build import NOW
from tests.conftest import SignIn


@pytest.fixture
def practice(practice: Practice) -> Practice:
    """A rehearsal whose clock stands at the tests' instant, so that pages read it."""
    db.run("UPDATE practice SET clock_at = %(now)s WHERE id = %(p)s", now=NOW, p=practice.id)
    return practice


def draft(practice: Practice, people: int = 12, **changes: Any) -> int:
    segment.install(practice.id, NOW)
    text = build.text(**changes)
    build.templates(practice.id, playbook.read(text))
    for _ in range(people):
        build.person(practice.id)
    build.refresh(practice.id)
    return campaign.create(practice.id, "Win-back", text, "owner", NOW)


def token_of(page: str) -> str:
    found = re.search(r'launch/" method="post"[^>]*>.*?name="token" value="([^"]+)"', page, re.DOTALL)
    assert found, page
    return found[1]


def rehearsed(client: Client, practice: Practice, campaign_id: int) -> str:
    """The page of a rehearsal once a worker has made it."""
    client.get(f"/campaigns/{campaign_id}/preview/")
    assert counting.count_batch(practice.id, NOW) == 1
    return client.get(f"/campaigns/{campaign_id}/preview/").content.decode()


def enrolled(practice: Practice) -> tuple[int, int]:
    return db.tuples(
        "SELECT count(*) FILTER (WHERE arm = 'treated'), count(*) FILTER (WHERE arm = 'held_out') FROM enrolment WHERE practice_id = %(p)s",
        p=practice.id,
    )[0]


def test_every_shipped_playbook_can_be_used_from_the_gallery(practice: Practice, as_role: SignIn) -> None:
    owner = as_role("owner")
    page = owner.get("/campaigns/").content.decode()
    for slug, text in playbook.shipped().items():
        assert escape(playbook.read(text).name) in page
        answer = owner.post("/campaigns/new/", {"playbook": slug})
        assert owner.get(answer["Location"]).status_code == 200
    assert len(campaign.every(practice.id)) == len(playbook.shipped())
    assert owner.post("/campaigns/new/", {"playbook": "../secret"}).status_code == 404


def test_a_campaign_is_rehearsed_launched_paused_resumed_and_finished(practice: Practice, as_role: SignIn) -> None:
    manager, campaign_id = as_role("manager"), draft(practice)
    page = rehearsed(manager, practice, campaign_id)
    shown = re.search(r"Launch: (\d+) patients? will be contacted, (\d+) left alone by chance", page)
    assert shown
    assert enrolled(practice) == (0, 0)
    answer = manager.post(f"/campaigns/{campaign_id}/launch/", {"token": token_of(page)}, follow=True)
    assert f"Launched: {shown[1]} patients" in answer.content.decode()
    assert enrolled(practice) == (int(shown[1]), int(shown[2]))
    detail = db.value(
        "SELECT detail FROM audit_entry WHERE practice_id = %(p)s AND verb = 'campaign.launched'", p=practice.id
    )
    assert (detail["treated"], detail["held_out"]) == enrolled(practice)
    manager.post(f"/campaigns/{campaign_id}/pause/", {"reason": "Holiday."})
    assert campaign.get(practice.id, campaign_id).state == "paused"
    assert "Holiday." in manager.get(f"/campaigns/{campaign_id}/").content.decode()
    manager.post(f"/campaigns/{campaign_id}/resume/")
    assert campaign.get(practice.id, campaign_id).state == "running"
    manager.post(f"/campaigns/{campaign_id}/finish/")
    assert campaign.get(practice.id, campaign_id).state == "finished"
    assert manager.get(f"/campaigns/{campaign_id}/").status_code == 200


def test_a_second_click_changes_nothing(practice: Practice, as_role: SignIn) -> None:
    owner, campaign_id = as_role("owner"), draft(practice)
    token = token_of(rehearsed(owner, practice, campaign_id))
    owner.post(f"/campaigns/{campaign_id}/launch/", {"token": token})
    before = db.tuples("SELECT id, version_id FROM enrolment WHERE practice_id = %(p)s ORDER BY id", p=practice.id)
    build.person(practice.id)
    build.refresh(practice.id)
    again = owner.post(f"/campaigns/{campaign_id}/launch/", {"token": token}, follow=True)
    assert "launched already" in again.content.decode()
    assert (
        db.tuples("SELECT id, version_id FROM enrolment WHERE practice_id = %(p)s ORDER BY id", p=practice.id) == before
    )
    for table in ("campaign_version", "campaign_freeze"):
        assert db.value(f"SELECT count(*) FROM {table} WHERE practice_id = %(p)s", p=practice.id) == 1


def test_another_number_than_was_shown_asks_again(practice: Practice, as_role: SignIn) -> None:
    owner, campaign_id = as_role("owner"), draft(practice, people=5, hold_out=0)
    token = token_of(rehearsed(owner, practice, campaign_id))
    for _ in range(5):
        build.person(practice.id)
    build.refresh(practice.id)
    answer = owner.post(f"/campaigns/{campaign_id}/launch/", {"token": token})
    assert answer.status_code == 409
    assert "went from 5 to 10" in answer.content.decode()
    assert (enrolled(practice), campaign.get(practice.id, campaign_id).state) == ((0, 0), "draft")
    owner.post(f"/campaigns/{campaign_id}/launch/", {"token": token_of(rehearsed(owner, practice, campaign_id))})
    assert enrolled(practice) == (10, 0)


def test_a_rehearsal_is_made_by_a_worker_while_the_page_says_how_far_it_is(practice: Practice, as_role: SignIn) -> None:
    owner, campaign_id = as_role("owner"), draft(practice)
    address = f"/campaigns/{campaign_id}/preview/"
    assert "Waiting for the worker" in owner.get(address).content.decode()
    counted.came_to(practice.id, f"preview:{campaign_id}", 5, 12)
    part = owner.get(address, headers={"HX-Request": "true"})
    assert "5 of 12 patients" in part.content.decode()
    assert "<h1>" not in part.content.decode()
    counting.count_batch(practice.id, NOW)
    assert owner.get(address, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    page = owner.get(address).content.decode()
    assert re.search(r"\d+ of the \d+ patients in the segment would be contacted", page)
    assert "Rehearsed" in page
    assert not counting.count_batch(practice.id, NOW), "one look is one rehearsal"


def test_a_rehearsal_is_made_anew_for_another_plan_for_an_old_one_and_when_somebody_asks(
    practice: Practice, as_role: SignIn
) -> None:
    owner, campaign_id = as_role("owner"), draft(practice)
    address = f"/campaigns/{campaign_id}/preview/"
    assert "Launch:" in rehearsed(owner, practice, campaign_id)
    campaign.save(practice.id, campaign_id, build.text(hold_out=0.2), "colleague", NOW)
    assert "Launch:" not in owner.get(address).content.decode()
    assert "Launch:" in rehearsed(owner, practice, campaign_id)
    owner.post(address)
    assert "Launch:" not in owner.get(address).content.decode()
    counting.count_batch(practice.id, NOW)
    db.run("UPDATE practice SET clock_at = %(at)s WHERE id = %(p)s", at=NOW + timedelta(hours=2), p=practice.id)
    assert "Launch:" not in owner.get(address).content.decode()


def test_a_rehearsal_that_fails_says_so_and_can_be_tried_again(practice: Practice, as_role: SignIn) -> None:
    owner, campaign_id = as_role("owner"), draft(practice)
    owner.get(f"/campaigns/{campaign_id}/preview/")
    counted.failed(practice.id, f"preview:{campaign_id}", "This could not be counted.")
    page = owner.get(f"/campaigns/{campaign_id}/preview/").content.decode()
    assert "This could not be counted." in page
    assert "Try again" in page
    owner.post(f"/campaigns/{campaign_id}/preview/")
    counting.count_batch(practice.id, NOW)
    assert "Launch:" in owner.get(f"/campaigns/{campaign_id}/preview/").content.decode()


def test_what_was_rehearsed_stands_beside_what_was_sent(practice: Practice, as_role: SignIn) -> None:
    owner, campaign_id = as_role("owner"), draft(practice)
    page = rehearsed(owner, practice, campaign_id)
    said = re.search(r"If you launched now, (\d+) of the (\d+) patients", page)
    assert said
    owner.post(f"/campaigns/{campaign_id}/launch/", {"token": token_of(page)})
    rehearsed(owner, practice, campaign_id)  # for who is new: it does not write over the one that was launched by
    after = owner.get(f"/campaigns/{campaign_id}/").content.decode()
    assert "Before the launch" in after
    assert f"<p>{said[1]} contacted, {int(said[2]) - int(said[1])} not" in after


def test_a_plan_changed_since_it_was_shown_asks_again(practice: Practice, as_role: SignIn) -> None:
    owner, campaign_id = as_role("owner"), draft(practice)
    token = token_of(rehearsed(owner, practice, campaign_id))
    campaign.save(practice.id, campaign_id, build.text(hold_out=0.2), "colleague", NOW)
    answer = owner.post(f"/campaigns/{campaign_id}/launch/", {"token": token})
    assert (answer.status_code, enrolled(practice)) == (409, (0, 0))


@pytest.mark.parametrize("token", ["", "made-up", "e30:1:forged"])
def test_nothing_is_launched_without_having_been_shown(practice: Practice, as_role: SignIn, token: str) -> None:
    campaign_id = draft(practice, people=1)
    answer = as_role("owner").post(f"/campaigns/{campaign_id}/launch/", {"token": token})
    assert (answer.status_code, enrolled(practice)) == (409, (0, 0))


def test_what_keeps_it_from_a_launch_is_said_in_sentences(practice: Practice, as_role: SignIn) -> None:
    segment.install(practice.id, NOW)
    campaign_id = campaign.create(practice.id, "Win-back", build.text(), "owner", NOW)
    page = as_role("owner").get(f"/campaigns/{campaign_id}/preview/").content.decode()
    assert escape("There is no e-mail template 'winback'.") in page
    assert "The practice has nothing to send from by e-mail." in page
    assert "will be contacted" not in page


def test_a_bad_plan_is_told_at_its_place_and_not_saved(practice: Practice, as_role: SignIn) -> None:
    owner, campaign_id = as_role("owner"), draft(practice, people=0)
    steps = [
        {"channel": "email", "template": "winback"},
        {"channel": "pigeon", "template": "winback_text", "wait_days": 3},
    ]
    for text, place in (
        (build.text(steps=steps), "step 2, channel"),
        ("name: [", "Line 1"),
        (build.text(colour="red"), "colour:"),
    ):
        answer = owner.post(f"/campaigns/{campaign_id}/edit/", {"text": text})
        assert answer.status_code == 422
        assert place in answer.content.decode()
        assert escape(text.splitlines()[0]) in answer.content.decode()
    assert campaign.get(practice.id, campaign_id).playbook == build.text()
    assert owner.post(f"/campaigns/{campaign_id}/edit/", {"text": build.text(hold_out=0.2)}).status_code == 302
    assert "hold_out: 0.2" in campaign.get(practice.id, campaign_id).playbook


@pytest.mark.parametrize("role", ["front_desk", "clinician", "auditor", "group_admin"])
def test_only_owner_and_manager_change_or_launch(practice: Practice, as_role: SignIn, role: str) -> None:
    client, campaign_id = as_role(role), draft(practice, people=1)
    assert client.get("/campaigns/").status_code == 200
    page = client.get(f"/campaigns/{campaign_id}/").content.decode()
    assert "Edit the plan" not in page
    for path in ("edit/", "launch/", "resume/", "finish/"):
        assert client.post(f"/campaigns/{campaign_id}/{path}").status_code == 403
    assert client.post("/campaigns/new/", {"playbook": "missed_recall"}).status_code == 403
    assert client.get(f"/campaigns/{campaign_id}/preview/").status_code == (
        200 if role in {"auditor", "group_admin"} else 403
    )


def test_the_front_desk_may_pause_but_not_go_on(practice: Practice, as_role: SignIn) -> None:
    desk = as_role("front_desk")
    campaign_id = draft(practice, people=1)
    campaign.publish(practice.id, campaign_id, "owner", NOW)
    assert "Pause now" in desk.get(f"/campaigns/{campaign_id}/").content.decode()
    desk.post(f"/campaigns/{campaign_id}/pause/", {"reason": "A patient is upset."})
    assert campaign.get(practice.id, campaign_id).state == "paused"
    assert desk.post(f"/campaigns/{campaign_id}/resume/").status_code == 403


def test_a_strangers_campaign_is_not_there(practice: Practice, as_role: SignIn) -> None:
    from tests.conftest import new_practice

    stranger = new_practice()
    with db.scope(stranger.id):
        theirs = campaign.create(stranger.id, "Theirs", build.text(), "owner", NOW)
        offers.save(stranger.id, "theirs", {"what": "Exam"}, "owner", NOW)
    owner = as_role("owner")
    for path in ("", "edit/", "preview/"):
        assert owner.get(f"/campaigns/{theirs}/{path}").status_code == 404
    for path in ("launch/", "pause/", "resume/", "finish/", "preview/messages/"):
        assert owner.post(f"/campaigns/{theirs}/{path}").status_code in {404, 200 if "messages" in path else 404}
    assert owner.get("/offers/theirs/").status_code == 404
    with db.scope(stranger.id):
        assert campaign.get(stranger.id, theirs).state == "draft"


def test_the_number_of_statements_does_not_grow_with_the_lists(practice: Practice, as_role: SignIn) -> None:
    owner = as_role("owner")
    owner.get("/campaigns/")  # what is read once a process
    counts = []
    for number in (1, 3):
        while len(campaign.every(practice.id)) < number:
            campaign.create(practice.id, "Win-back", build.text(), "owner", NOW)
        while len(offers.by_slug(practice.id)) < number:
            offers.save(
                practice.id,
                f"offer_{len(offers.by_slug(practice.id))}",
                {"what": f"Exam {len(offers.by_slug(practice.id))}"},
                "o",
                NOW,
            )
        with CaptureQueriesContext(connection) as asked:
            owner.get("/campaigns/")
            owner.get("/offers/")
        counts.append(len(asked))
    assert counts[0] == counts[1]


TERMS = {
    "slug": "welcome_back", "what": "Exam and X-rays", "regular_fee": "180", "price": "99", "starts_on": "2027-01-01", "ends_on": "2027-03-31",
    "who": "Patients we have not seen for two years", "license_name": "Dana Rivera, DDS", "license_number": "019-000000", "states": "il wi",
}  # fmt: skip


def test_an_offer_is_written_down_approved_and_withdrawn(practice: Practice, as_role: SignIn) -> None:
    owner = as_role("owner")
    assert owner.post("/offers/new/", TERMS).status_code == 302
    saved = offers.by_slug(practice.id)["welcome_back"]
    assert (saved.price_cents, saved.regular_fee_cents, saved.states, saved.payer_classes) == (
        9900,
        18000,
        ["IL", "WI"],
        [],
    )
    assert saved.ends_at is not None
    assert saved.ends_at.astimezone(practice.zone).isoformat() == "2027-03-31T23:59:59-05:00"
    owner.post("/offers/welcome_back/approve/")
    assert offers.by_slug(practice.id)["welcome_back"].approved_at == NOW
    assert "approved" in owner.get("/offers/welcome_back/").content.decode()
    owner.post("/offers/welcome_back/edit/", TERMS | {"slug": "ignored", "price": "89"})
    changed = offers.by_slug(practice.id)
    assert (list(changed), changed["welcome_back"].price_cents, changed["welcome_back"].approved_at) == (
        ["welcome_back"],
        8900,
        None,
    )
    owner.post("/offers/welcome_back/withdraw/")
    assert offers.by_slug(practice.id)["welcome_back"].withdrawn_at == NOW


def test_an_offer_that_lacks_terms_or_is_unfair_is_not_approved(practice: Practice, as_role: SignIn) -> None:
    owner = as_role("owner")
    owner.post("/offers/new/", {"slug": "bare", "what": "Exam"})
    answer = owner.post("/offers/bare/approve/")
    assert answer.status_code == 409
    assert "does not say its end" in answer.content.decode()
    unfair = owner.post("/offers/new/", TERMS | {"slug": "unfair", "predicate": '{"age": {"min": 65}}'})
    assert unfair.status_code == 422
    assert list(offers.by_slug(practice.id)) == ["bare"]
    assert owner.post("/offers/new/", TERMS | {"slug": "bare"}).status_code == 422


def test_only_owner_and_manager_touch_offers(practice: Practice, as_role: SignIn) -> None:
    offers.save(practice.id, "welcome_back", {"what": "Exam"}, "owner", NOW)
    desk = as_role("front_desk")
    assert desk.get("/offers/").status_code == desk.get("/offers/welcome_back/").status_code == 200
    for path in ("new/", "welcome_back/edit/", "welcome_back/approve/", "welcome_back/withdraw/"):
        assert desk.post(f"/offers/{path}").status_code == 403
