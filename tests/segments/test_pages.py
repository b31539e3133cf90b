from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import yaml

from recare.base import db
from recare.practices.practice import Practice
from recare.segments import bands, facts, listing, predicate, reach, segment
from recare.segments.forms import UnreadableError, read, written
from tests.conftest import SignIn
from tests.factories import make_patient, make_point, make_visit

TEXT = "all:\n  - contactable: {is: true}\n  - last_visit: {before: 12 months ago}\n"
BANDS = bands.get()


def _lapsed(practice: Practice, count: int = 1) -> list[int]:
    people = []
    for _ in range(count):
        patient = make_patient(practice.id)
        make_point(practice.id, patient, sms_level=2)
        make_visit(practice.id, patient, -800)
        people.append(patient)
    facts.rebuild([practice.id])
    return people


def test_the_list_counts_the_ready_made_segments_and_whom_each_way_reaches(practice: Practice, as_role: SignIn) -> None:
    _lapsed(practice, 3)
    page = as_role("front_desk").get("/segments/").content.decode()
    row = page[page.index("/segments/long_lapsed/") :].split("</tr>")[0]
    assert [part.split("</td>")[0] for part in row.split('<td class="number">')[1:4]] == ["3", "3", "0"]
    assert db.value("SELECT count(*) FROM audit_entry WHERE verb = 'viewed a list' AND object = 'segments'") == 1


def test_counting_all_at_once_says_the_same_as_counting_each(practice: Practice, now: datetime) -> None:
    _lapsed(practice, 2)
    segment.install(practice.id, now)
    found, today = segment.every(practice.id), now.date()
    asked = [(segment.predicate_of(each), BANDS) for each in found]
    assert reach.counts(practice, asked, today) == [segment.count(practice.id, p, today, b) for p, b in asked]


@pytest.mark.parametrize("role", ["front_desk", "clinician", "auditor"])
def test_only_owner_and_manager_change_segments(as_role: SignIn, role: str) -> None:
    client = as_role(role)
    assert client.get("/segments/long_lapsed/").status_code == 404  # nobody has opened the list yet
    client.get("/segments/")
    page = client.get("/segments/long_lapsed/")
    assert page.status_code == 200
    assert b"<textarea" not in page.content
    for address in ("/segments/long_lapsed/save/", "/segments/new/", "/segments/count/"):
        assert client.post(address, {"name": "Mine", "text": TEXT}).status_code == 403


def test_a_group_admin_sees_no_segments(as_role: SignIn) -> None:
    assert as_role("group_admin").get("/segments/").status_code == 403


def test_saving_makes_the_next_version_and_the_same_again_makes_none(practice: Practice, as_role: SignIn) -> None:
    owner = as_role("owner")
    assert (
        owner.post("/segments/new/", {"name": "Back soon!", "text": TEXT}).headers["Location"] == "/segments/back_soon/"
    )
    owner.post("/segments/back_soon/save/", {"name": "Back soon!", "text": TEXT.replace("12", "14")})
    owner.post("/segments/back_soon/save/", {"name": "Back soon!", "text": TEXT.replace("12", "14")})
    row = segment.get(practice.id, "back_soon")
    assert row is not None
    assert (row.version, row.predicate["all"][1]) == (2, {"last_visit": {"before": "14 months ago"}})
    assert owner.post("/segments/new/", {"name": "back soon", "text": TEXT}).status_code == 422


def test_a_segment_may_be_called_new(practice: Practice, as_role: SignIn) -> None:
    owner = as_role("owner")
    where = owner.post("/segments/new/", {"name": "New", "text": TEXT}).headers["Location"]
    assert owner.get(where).status_code == 200
    assert where != "/segments/new/"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("all:\n  - last_visit: {befor: today}", "all[0].last_visit.befor"),
        ("all:\n  - colour: {is: red}", "all[0].colour"),
        ("band: {is: gone}", "band.is"),
        ("all: [\n", "Line 2"),
        ("a: &x {is: true}\nb: *x", "Line 2"),
        ("band: {is: lapsed}\nband: {is: active}", "stands here twice"),
        ("? [a]\n: b", "a name is wanted"),
        ("", "Write what must hold"),
        ("visits: {at_least: " + "[" * 3000, "This is no YAML"),
        ("!!python/object/apply:os.system ['true']", "Line 1"),
        ("last_visit: {before: 2026-02-30}", "no YAML"),
    ],
)
def test_text_that_is_no_predicate_names_the_place_and_saves_nothing(
    practice: Practice, as_role: SignIn, text: str, place: str
) -> None:
    with pytest.raises(UnreadableError) as told:
        read(text, BANDS)
    assert place in str(told.value)
    answer = as_role("owner").post("/segments/new/", {"name": "Mine", "text": text})
    assert answer.status_code == 422
    assert segment.get(practice.id, "mine") is None


@pytest.mark.parametrize("each", segment.ready_made(), ids=lambda each: each.slug)
def test_what_the_editor_shows_reads_back_as_the_same_segment(each: segment.ReadyMade) -> None:
    assert read(written(each.predicate), BANDS).data == predicate.parse(each.predicate).data


def test_the_editor_counts_while_one_writes(practice: Practice, as_role: SignIn) -> None:
    _lapsed(practice, 2)
    owner = as_role("owner")
    assert b"<strong>2 patients</strong>" in owner.post("/segments/count/", {"text": TEXT}).content
    assert b"all[0].age.at_least" in owner.post("/segments/count/", {"text": "all: [{age: {at_least: old}}]"}).content


def test_a_segment_becomes_a_draft_that_asks_for_it(practice: Practice, as_role: SignIn) -> None:
    owner = as_role("owner")
    owner.post("/segments/new/", {"name": "Mine", "text": TEXT})
    assert owner.get("/segments/mine/campaign/").status_code == 200
    assert owner.post("/segments/mine/campaign/", {"playbook": "missed_recall"}).status_code == 302
    text = db.value("SELECT playbook FROM campaign WHERE practice_id = %(practice)s", practice=practice.id)
    assert yaml.safe_load(text)["segment"] == "mine"
    assert owner.post("/segments/mine/campaign/", {"playbook": "../etc"}).status_code == 404
    assert as_role("front_desk").get("/segments/mine/campaign/").status_code == 403


def test_the_copy_for_large_practices_holds_what_is_computed_live(
    practice: Practice, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LIVE_UP_TO", 2)
    people, today = _lapsed(practice, 4), now.date()
    live = listing.relation(practice, today)
    assert not live.kept
    assert listing.refresh_batch(practice.id, now) == 4
    assert listing.refresh_batch(practice.id, now) == 0
    kept = listing.relation(practice, today)
    assert kept.kept
    assert _everything(practice, kept) == _everything(practice, live)

    db.run("UPDATE patient SET hold = 'complaint', last_name = 'Zebra' WHERE id = %(id)s", id=people[0])
    db.run("INSERT INTO patient_change VALUES (%(practice)s, %(id)s)", practice=practice.id, id=people[0])
    make_patient(practice.id)
    facts.refresh(practice.id)
    assert _everything(practice, kept) == _everything(practice, live)
    assert not listing.relation(practice, today + timedelta(days=1)).kept
    facts.rebuild([practice.id])
    assert not listing.relation(practice, today).kept


def _everything(practice: Practice, source: listing.Relation) -> list[tuple[object, ...]]:
    names = ", ".join(f"f.{name}" for name in listing.columns())
    return db.tuples(f"SELECT {names} FROM {source.sql} f ORDER BY patient_id", practice=practice.id, **source.params)


def test_the_copy_has_every_column_that_a_predicate_may_ask(practice: Practice) -> None:
    have = set(listing.columns())
    facts_on = set(db.values("SELECT unnest(proargnames[2:]) FROM pg_proc WHERE proname = 'facts_on'"))
    assert facts_on <= have
