"""An offer has whole terms, asks for nothing it must not, and ends when it said (OFR-01 to OFR-05, EML-06)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections, transaction
from django.db.utils import DatabaseError

from recare.base import db
from recare.campaigns import advance, campaign, offers, playbook
from tests.campaigns import build
from tests.campaigns.build import NOW
from tests.factories import insert

if TYPE_CHECKING:
    from recare.practices.practice import Practice

TERMS: dict[str, Any] = {
    "what": "Examination", "regular_fee_cents": 16500, "price_cents": 8900, "starts_on": date(2027, 1, 1), "ends_at": NOW + timedelta(days=60),
    "license_name": "Iris Hollinbeck, DDS", "license_number": "IL 019-000000", "who": "Patients not seen for two years.",
}  # fmt: skip
STEPS = [{"channel": "call", "template": "with_offer", "offer": "spring", "without_offer": "plain"}]


def made(practice: Practice, **changes: Any) -> None:
    offers.save(practice.id, "spring", TERMS | changes, "owner", NOW)
    offers.approve(practice.id, "spring", "owner", NOW)


def covered(practice: Practice, payer: str, **more: Any) -> int:
    patient = build.person(practice.id, call_level=3, **more)
    if payer:
        insert(
            "coverage",
            practice_id=practice.id,
            source="test",
            source_key=f"C{patient}",
            patient_id=patient,
            payer_class=payer,
        )
    return patient


def test_ofr_04_terms_that_change_while_somebody_approves_are_not_approved(
    committed_practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, problems_of = committed_practice, offers.problems_of

    def save(**changes: Any) -> None:
        with db.scope(place.id):
            offers.save(place.id, "spring", TERMS | changes, "owner", NOW)
        connections.close_all()

    save()
    with ThreadPoolExecutor(1) as pool, db.scope(place.id):

        def meanwhile(offer: offers.Offer, now: datetime) -> list[str]:
            wait([pool.submit(save, license_number="")], timeout=1)
            return problems_of(offer, now)

        monkeypatch.setattr(offers, "problems_of", meanwhile)
        offers.approve(place.id, "spring", "manager", NOW)
    with db.scope(place.id):
        spring = offers.by_slug(place.id)["spring"]
    assert (spring.license_number, spring.approved_by) == ("", "")


def test_an_offer_is_approved_once(practice: Practice) -> None:
    made(practice)
    offers.approve(practice.id, "spring", "manager", NOW)
    assert offers.by_slug(practice.id)["spring"].approved_by == "owner"
    assert db.value("SELECT count(*) FROM audit_entry WHERE verb = 'offer.approved'") == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ends_at": None}, "The offer does not say its end."),
        ({"regular_fee_cents": None}, "The offer does not say the regular fee."),
        ({"license_number": ""}, "The offer does not say the number of the dental licence."),
        ({"ends_at": NOW - timedelta(days=1)}, "The offer has ended already; set a later end before anyone is told."),
        ({"waives_copay": True}, "The offer waives a copay or deductible, which no dental practice may do (OFR-02)."),
    ],
)
def test_ofr_04_an_offer_with_a_hole_is_not_approved(practice: Practice, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(offers.OfferError) as caught:
        made(practice, **changes)
    assert caught.value.problems == [said]


@pytest.mark.parametrize(
    "predicate",
    [
        {"all": [{"sex": {"is": "m"}}, {"age": {"at_least": 30}}]},
        {"not": {"language": {"is": "es"}}},
        {"any": [{"visits": {"at_least": 1}}, {"all": [{"care": {"any_of": ["perio"]}}]}]},
    ],
)
def test_ofr_04_an_offer_may_not_ask_for_a_protected_trait(practice: Practice, predicate: dict[str, Any]) -> None:
    with pytest.raises(offers.OfferError, match="protected trait"):
        made(practice, predicate=predicate)


@pytest.mark.parametrize(
    ("segment", "fact"),
    [
        ({"all": [{"sex": {"is": "m"}}, {"age": {"at_least": 30, "at_most": 45}}]}, "sex"),
        ({"recall": {"is": "perio"}}, "recall"),
        ({"unscheduled_items": {"at_least": 1}}, "unscheduled_items"),
        ({"band": {"is": "long_lapsed"}}, ""),
    ],
)
def test_OFR_04_a_campaign_with_an_offer_chooses_nobody_by_a_protected_trait(  # noqa: N802
    practice: Practice, segment: dict[str, Any], fact: str
) -> None:
    made(practice)
    for steps in (STEPS, [{"channel": "call", "template": "plain"}]):
        plan = build.text(segment=segment, steps=steps)
        build.templates(practice.id, playbook.read(plan))
        made_plan = campaign.create(practice.id, f"Plan {len(steps[0])}", plan, "owner", NOW)
        if fact and "offer" in steps[0]:
            with pytest.raises(campaign.CannotPublishError, match=f"depend on '{fact}'"):
                campaign.publish(practice.id, made_plan, "owner", NOW)
        else:
            campaign.publish(practice.id, made_plan, "owner", NOW)


@pytest.mark.parametrize(
    ("payer", "offered", "code"),
    [("commercial", "spring", ""), ("medicaid", "", "OFFER_FED"), ("", "", "OFFER_FED")],
)
def test_ofr_01_who_may_not_have_the_offer_hears_from_us_without_it(
    practice: Practice, payer: str, offered: str, code: str
) -> None:
    made(practice)
    patient = covered(practice, payer)
    build.enrolment(practice.id, build.version(practice, steps=STEPS), patient)
    build.refresh(practice.id)
    advance.advance_batch(practice.id, NOW)
    (touch,) = db.tuples("SELECT verdict, offer, reasons FROM touch WHERE practice_id = %(p)s", p=practice.id)
    codes = {reason["code"] for reason in touch[2]}
    assert touch[0] == "send"
    assert touch[1] == ("" if "AD_RULES_UNKNOWN" in codes else offered)
    assert code in codes or not code


def test_who_does_not_meet_the_offers_terms_is_not_offered_it(practice: Practice) -> None:
    made(practice, predicate={"visits": {"at_least": 5}}, payer_classes=["commercial"])
    build.enrolment(practice.id, build.version(practice, steps=STEPS), covered(practice, "commercial"))
    build.refresh(practice.id)
    advance.advance_batch(practice.id, NOW)
    (touch,) = db.tuples("SELECT verdict, offer, reasons FROM touch WHERE practice_id = %(p)s", p=practice.id)
    assert touch[:2] == ("send", "")
    assert touch[2][0]["code"] == "OFFER_NOT_FOR"


def told(practice: Practice) -> int:
    made(practice)
    enrolment = build.enrolment(practice.id, build.version(practice), patient := build.person(practice.id))
    insert(
        "touch", practice_id=practice.id, enrolment_id=enrolment, patient_id=patient, step=0, attempt=0, channel="call", verdict="send",
        decided_at=NOW, offer="spring",
    )  # fmt: skip
    return patient


def test_eml_06_a_last_day_that_was_told_is_not_moved_by_the_verb_nor_by_sql(practice: Practice) -> None:
    told(practice)
    with pytest.raises(offers.OfferError, match="so they stay"):
        offers.save(practice.id, "spring", TERMS | {"ends_at": NOW + timedelta(days=90)}, "owner", NOW)
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        db.run("UPDATE offer SET ends_at = ends_at + interval '1 day' WHERE practice_id = %(p)s", p=practice.id)
    assert offers.withdraw(practice.id, "spring", "owner", NOW)
    assert not offers.withdraw(practice.id, "spring", "owner", NOW)


@pytest.mark.parametrize(("days_after", "refused"), [(1, True), (29, True), (31, False)])
def test_eml_06_the_same_offer_is_not_repeated_for_thirty_days(
    practice: Practice, days_after: int, *, refused: bool
) -> None:
    told(practice)
    ended = TERMS["ends_at"]
    again = TERMS | {
        "starts_on": (ended + timedelta(days=days_after)).date(),
        "ends_at": ended + timedelta(days=days_after + 60),
    }
    if refused:
        with pytest.raises(offers.OfferError, match="ended less than 30 days before"):
            offers.save(practice.id, "summer", again, "owner", ended)
    else:
        assert offers.save(practice.id, "summer", again, "owner", ended)


@pytest.mark.parametrize("what", ["examination", " Examination ", "EXAMINATION!", "Exam-ination"])
def test_EML_06_another_spelling_is_the_same_offer(practice: Practice, what: str) -> None:  # noqa: N802
    told(practice)
    again = TERMS | {
        "what": what,
        "starts_on": TERMS["ends_at"].date(),
        "ends_at": TERMS["ends_at"] + timedelta(days=60),
    }
    with pytest.raises(offers.OfferError, match="ended less than 30 days before"):
        offers.save(practice.id, "summer", again, "owner", NOW)


def test_EML_06_an_offer_written_down_before_the_other_was_told_is_checked_when_it_is_approved(  # noqa: N802
    practice: Practice,
) -> None:
    start = TERMS["ends_at"] + timedelta(days=1)
    again = TERMS | {"starts_on": start.date(), "ends_at": start + timedelta(days=30)}
    offers.save(practice.id, "summer", again, "owner", NOW)
    told(practice)
    with pytest.raises(offers.OfferError, match="ended less than 30 days before"):
        offers.approve(practice.id, "summer", "owner", NOW)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"price_cents": 16500}, "The price is no lower than the regular fee, so there is nothing to offer."),
        ({"price_cents": 20000}, "The price is no lower than the regular fee, so there is nothing to offer."),
        ({"starts_on": (NOW + timedelta(days=61)).date()}, "The offer ends before it begins."),
    ],
)
def test_OFR_04_an_offer_that_says_what_is_not_so_is_not_approved(  # noqa: N802
    practice: Practice, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(offers.OfferError) as caught:
        made(practice, **changes)
    assert caught.value.problems == [said]


def test_parity_counts_who_qualified_and_who_was_offered_it(practice: Practice) -> None:
    made(practice)
    version = build.version(practice, steps=STEPS)
    for sex, offer in (("f", "spring"), ("f", "spring"), ("m", "")):
        patient = build.person(practice.id, sex=sex)
        enrolment = build.enrolment(practice.id, version, patient)
        insert(
            "touch", practice_id=practice.id, enrolment_id=enrolment, patient_id=patient, step=0, attempt=0, channel="call", verdict="send",
            decided_at=NOW, offer=offer,
        )  # fmt: skip
    last = db.value("SELECT max(id) FROM enrolment WHERE practice_id = %(p)s", p=practice.id)
    insert(
        "outcome",
        practice_id=practice.id,
        enrolment_id=last,
        kind="kept",
        at=NOW,
        evidence="appointment:1",
        recorded_at=NOW,
    )
    build.refresh(practice.id)
    by_sex = [row for row in offers.parity(practice.id, "spring") if row.trait == "sex"]
    assert by_sex == [offers.Parity("sex", "f", 2, 2, 0, 0), offers.Parity("sex", "m", 1, 0, 0, 1)]
