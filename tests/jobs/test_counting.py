"""Figures of large practices are kept with their date, and counted again by a worker when somebody looks at old ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from recare.base import counted, db
from recare.campaigns import runs, why
from recare.jobs import counting
from recare.practices.practice import Practice
from recare.reports import kept, report
from recare.reports import today as figures
from recare.segments import listing, reach, segment
from tests.campaigns import build
from tests.campaigns.build import NOW
from tests.conftest import SignIn

OLD = NOW + 2 * counted.FRESH_FOR


@pytest.fixture
def large(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> Practice:
    """A practice that counts as large, with one campaign of three patients."""
    for room in (kept, runs):
        monkeypatch.setattr(room, "LIVE_UP_TO", 0)
    monkeypatch.setattr(listing, "LIVE_UP_TO", 0)
    segment.install(practice.id, NOW)
    version = build.version(practice)
    for _ in range(3):
        build.enrolment(practice.id, version, build.person(practice.id))
    build.refresh(practice.id)
    listing.refresh_batch(practice.id, NOW)
    db.run("UPDATE practice SET clock_at = %(now)s WHERE id = %(p)s", now=NOW, p=practice.id)
    return practice


def campaign_of(practice: Practice) -> int:
    return int(db.value("SELECT campaign_id FROM enrolment WHERE practice_id = %(p)s LIMIT 1", p=practice.id))


def later(practice: Practice, at: Any = OLD) -> None:
    db.run("UPDATE practice SET clock_at = %(at)s WHERE id = %(p)s", at=at, p=practice.id)


def test_everything_that_is_asked_for_is_counted(large: Practice) -> None:
    campaign_id = campaign_of(large)
    for what in ("today", "segments", "report:0", f"report:{campaign_id}", f"run:{campaign_id}"):
        counted.want(large.id, what, NOW)
    assert counting.count_batch(large.id, NOW) == 5
    assert not counting.count_batch(large.id, NOW)
    found = {what: counted.latest(large.id, what) for what in ("today", "segments", f"run:{campaign_id}")}
    assert all(one.figures and one.counted_at == NOW and not one.error for one in found.values())
    assert found["today"].figures == {
        "inactive": 3, "contacted": 0, "booked": 0, "waiting": {str(campaign_id): 3}, "chairs": [],
    }  # fmt: skip


def test_a_kept_report_reads_as_it_was_built(large: Practice) -> None:
    for campaign_id in (None, campaign_of(large)):
        shown, when = kept.look(large, campaign_id, NOW)
        assert shown == report.build(large, campaign_id, NOW)
        assert shown.finding == report.build(large, campaign_id, NOW).finding
        assert when is not None
        assert when.counted_at == NOW


def test_a_kept_run_and_kept_segments_are_what_counting_now_would_say(large: Practice) -> None:
    assert runs.look(large.id, campaign_of(large), 3, NOW)[0] == why.for_run(large.id, campaign_of(large))
    found = segment.every(large.id)
    asked = [reach._asked(one) for one in found]
    assert reach.look(large, found, NOW)[0] == reach.counts(large, asked, NOW.date())


def test_figures_of_a_small_practice_are_counted_at_every_look(practice: Practice) -> None:
    segment.install(practice.id, NOW)
    assert figures.look(practice, NOW)[1] is None
    assert not counting.ahead_batch(practice.id, NOW)
    assert kept.look(practice, None, NOW)[1] is None
    assert reach.look(practice, segment.every(practice.id), NOW)[1] is None
    assert db.value("SELECT count(*) FROM counted WHERE practice_id = %(p)s", p=practice.id) == 0


def test_a_segment_saved_since_the_count_is_never_shown_with_the_old_number(large: Practice) -> None:
    reach.look(large, segment.every(large.id), NOW)
    segment.save(large.id, "inactive", "Nobody", {"visits": {"at_least": 999}}, now=NOW)
    changed = segment.get(large.id, "inactive")
    assert changed is not None
    counts, when = reach.look(large, [changed], NOW + timedelta(minutes=1))
    assert counts[0].total == 0
    assert when is not None
    assert when.counted_at == NOW + timedelta(minutes=1)


def test_a_look_at_old_figures_shows_their_date_and_asks_a_worker_for_new_ones(
    large: Practice, as_role: SignIn
) -> None:
    owner = as_role("owner")
    for path in ("/", "/segments/", "/segments/inactive/", "/results/", f"/campaigns/{campaign_of(large)}/"):
        page = owner.get(path).content.decode()
        assert "Counted" in page, path
        assert "Being counted anew" not in page, path
    later(large)
    assert "Being counted anew" in (owner.get("/segments/"), owner.get("/segments/"))[1].content.decode()
    build.person(large.id)
    assert owner.get("/counted/segments/").status_code == 200
    assert counting.count_batch(large.id, OLD) == 1
    assert owner.get("/counted/segments/")["HX-Refresh"] == "true"
    assert "Being counted anew" not in owner.get("/segments/").content.decode()


def test_count_again_asks_a_worker_and_leads_back_to_the_page(large: Practice, as_role: SignIn) -> None:
    owner = as_role("owner")
    owner.get("/segments/")
    answer = owner.post("/counted/segments/", {"next": "/segments/"})
    assert answer["Location"] == "/segments/"
    assert "Being counted anew" in owner.get("/segments/").content.decode()
    assert owner.post("/counted/segments/", {"next": "https://elsewhere.example.com/"})["Location"] == "/"
    assert owner.get("/counted/patients/").status_code == 404
    assert owner.get("/counted/report:x/").status_code == 404


def test_whoever_asks_while_a_count_is_under_way_gets_a_count_of_their_own(large: Practice) -> None:
    counted.want(large.id, "today", NOW)
    [asked] = counted.wanted(large.id)
    counted.keep(large.id, "today", {}, NOW, wanted_at=asked.wanted_at)
    assert not counted.latest(large.id, "today").waiting
    counted.want(large.id, "today", NOW)
    counted.keep(large.id, "today", {}, NOW, wanted_at=NOW - timedelta(seconds=1))  # began before it was asked for
    assert counted.latest(large.id, "today").waiting


def test_a_count_that_fails_keeps_the_old_figures_and_does_not_hold_up_the_next(large: Practice) -> None:
    counted.keep(large.id, "report:999", {"kept": 1}, NOW)
    counted.want(large.id, "run:not-a-number", NOW)
    counted.want(large.id, "today", NOW)
    assert counting.count_batch(large.id, NOW) == 2
    assert counted.latest(large.id, "run:not-a-number").error
    assert not counted.latest(large.id, "run:not-a-number").waiting
    assert counted.latest(large.id, "today").figures


def test_the_hourly_work_counts_ahead_what_nobody_has_looked_at(large: Practice) -> None:
    campaign_id = campaign_of(large)
    assert counting.ahead_batch(large.id, NOW) == 5
    assert not counting.ahead_batch(large.id, OLD), "a look decides when to count again"
    for what in ("today", "segments", "report:0", f"report:{campaign_id}", f"run:{campaign_id}"):
        assert counted.latest(large.id, what).counted_at == NOW


def test_chairs_counted_yesterday_do_not_offer_yesterday(large: Practice) -> None:
    made = figures.count(large, NOW)
    day = NOW.astimezone(large.zone).date()
    chairs = [[str(day - timedelta(days=1)), 5], [str(day), 2]]
    counted.keep(large.id, figures.WHAT, made | {"chairs": chairs}, NOW)
    assert figures.look(large, NOW)[0].chairs == [(day, 2)]


def test_figures_kept_by_another_release_are_counted_anew(large: Practice) -> None:
    counted.keep(large.id, "report:0", {"of": "another shape"}, NOW)
    shown, _ = kept.look(large, None, NOW)
    assert shown == report.build(large, None, NOW)
