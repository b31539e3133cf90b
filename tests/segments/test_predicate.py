"""Predicates: everything wrong is refused with its place, everything right binds its values."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from recare.base import db
from recare.segments import bands, facts, predicate, segment
from recare.segments.fields import FIELDS, OPERATORS
from recare.segments.predicate import PredicateError, parse
from tests.factories import insert, make_patient, make_point

if TYPE_CHECKING:
    from recare.practices.practice import Practice

TODAY = date(2027, 1, 12)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ([], ""), ({}, ""), ("all", ""), (None, ""), ({"all": []}, "all"), ({"all": {}}, "all"), ({"any": "x"}, "any"),
        ({"all": [{"adult": {"is": True}}, {"last_visit": {"before": "yesterday"}}]}, "all[1].last_visit.before"),
        ({"not": {"any": [{"shoe_size": {"at_least": 4}}]}}, "not.any[0].shoe_size"),
        ({"last_visit": {"at_least": "today"}}, "last_visit.at_least"), ({"last_visit": "today"}, "last_visit"), ({"last_visit": {}}, "last_visit"),
        ({"last_visit": {"before": 20260101}}, "last_visit.before"), ({"last_visit": {"before": "2026-02-30"}}, "last_visit.before"),
        ({"last_visit": {"before": "900 years ago"}}, "last_visit.before"), ({"last_visit": {"known": "no"}}, "last_visit.known"),
        ({"visits": {"at_least": "4"}}, "visits.at_least"), ({"visits": {"at_least": True}}, "visits.at_least"),
        ({"visits": {"at_least": -1}}, "visits.at_least"), ({"visits": {"at_least": 1.5}}, "visits.at_least"),
        ({"unscheduled": {"at_least": 10.005}}, "unscheduled.at_least"), ({"unscheduled": {"at_least": float("nan")}}, "unscheduled.at_least"),
        ({"unscheduled": {"at_least": "100"}}, "unscheduled.at_least"), ({"band": {"is": "at_risk"}}, "band.is"), ({"band": {"in": "lapsed"}}, "band.in"),
        ({"band": {"in": ["lapsed", "asleep"]}}, "band.in[1]"), ({"care": {"any_of": ["D1110"]}}, "care.any_of[0]"), ({"care": {"any_of": []}}, "care.any_of"),
        ({"procedure_code": {"any_of": ["D1110'--"]}}, "procedure_code.any_of[0]"), ({"state": {"is": "I'L"}}, "state.is"),
        ({"birthday_month": {"is": 13}}, "birthday_month.is"), ({"birthday_month": {"is": "last"}}, "birthday_month.is"),
        ({"reach": {"any_of": ["fax"]}}, "reach.any_of[0]"), ({"adult": {"is": "yes"}}, "adult.is"), ({"adult": {"is": 1}}, "adult.is"),
        ({"all": [{"adult": {"is": True}, "visits": {"at_least": 1}}]}, "all[0]"), ({"practice_id": {"is": 1}}, "practice_id"), ({1: {"is": 1}}, "1"),
        ({"state": {"in": ["IL"] * 201}}, "state.in"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place(data: Any, place: str) -> None:
    with pytest.raises(PredicateError) as refused:
        parse(data)
    assert refused.value.place == place
    assert refused.value.problem


@pytest.mark.parametrize(
    "data", [{"all": [{"adult": {"is": True}}] * 250}, json.loads('{"not":' * 30 + '{"adult":{"is":true}}' + "}" * 30)]
)
def test_what_is_too_large_is_refused(data: Any) -> None:
    with pytest.raises(PredicateError, match="too large"):
        parse(data)


@pytest.mark.parametrize(
    ("written", "day"),
    [("today", TODAY), ("18 months ago", date(2025, 7, 12)), ("1 year ago", date(2026, 1, 12)), ("in 90 days", date(2027, 4, 12)),
     ("2 weeks ago", date(2026, 12, 29)), ("in 1 month", date(2027, 2, 12)), ("2026-03-31", date(2026, 3, 31)), (date(2026, 3, 31), date(2026, 3, 31))],
)  # fmt: skip
def test_days_may_be_relative_to_the_day_asked(written: Any, day: date) -> None:
    made = predicate.compile(parse({"last_visit": {"before": written}}), TODAY)
    assert made.params["p1"] == day


def _some(field: Any) -> dict[str, Any]:
    single: dict[str, Any] = {
        "date": "6 months ago",
        "number": 3,
        "money": 99.5,
        "flag": True,
        "word": "IL",
        "codes": "D1110",
        "month": "next",
    }
    value = single.get(field.kind) or (field.choices or bands.get().names)[0]
    listed = {"in", "not_in", "any_of", "all_of", "none_of"}
    return {
        operator: True if operator == "known" else [value] if operator in listed else value
        for operator in field.operators
    }


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_runs_with_every_operator_and_is_explained(practice: Practice, name: str) -> None:
    patient = make_patient(practice.id)
    facts.rebuild([practice.id])
    field = FIELDS[name]
    assert field.label
    assert field.help
    assert field.kind in OPERATORS
    for operator, value in _some(field).items():
        made = parse({name: {operator: value}})
        inside = segment.count(practice.id, made, TODAY).total
        outside = segment.count(practice.id, parse({"not": {name: {operator: value}}}), TODAY).total
        assert inside + outside == 1
        assert bool(segment.why_not(practice.id, patient, made, TODAY)) is not bool(inside)
        assert predicate.in_words(made.root, TODAY).startswith(field.label)


HOSTILE = ("'; DROP TABLE patient; --", "%(today)s", "%s", "\\'", "$$", "IL') OR (1=1", "{0}", "\x00", "\u2019", "🦷")


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30)),
    st.sampled_from(sorted(FIELDS)),
    st.sampled_from(sorted({each for some in OPERATORS.values() for each in some})),
)
def test_no_text_of_an_author_ever_reaches_the_sql(text: str, name: str, operator: str) -> None:
    for value in (text, [text]):
        try:
            made = predicate.compile(parse({name: {operator: value}}), TODAY)
        except PredicateError:
            continue
        known = (
            predicate.compile(parse({name: {operator: ["IL"] if isinstance(value, list) else "IL"}}), TODAY)
            if FIELDS[name].kind == "word"
            else None
        )
        if known:
            assert made.where == known.where
        assert set(made.params) >= {part.split(")")[0] for part in made.where.split("%(")[1:]}


def test_hostile_names_of_fields_and_operators_are_refused_and_kept_out_of_the_sql(practice: Practice) -> None:
    for text in HOSTILE:
        for data in ({text: {"is": True}}, {"adult": {text: True}}, {"any": [{"state": {"is": text}}]}):
            with pytest.raises(PredicateError):
                parse(data)


def test_and_or_not_hold_for_the_people_they_should(practice: Practice) -> None:
    ada = make_patient(practice.id, sex="f", state="IL", birthdate=date(1950, 1, 20))
    ben = make_patient(practice.id, sex="m", state="IN", birthdate=date(2001, 2, 20))
    cat = make_patient(practice.id, sex="", state="", birthdate=None)
    insert(
        "procedure",
        practice_id=practice.id,
        patient_id=ada,
        code="D4910",
        status="completed",
        done_on=date(2024, 5, 5),
        source="t",
        source_key="1",
    )
    make_point(practice.id, ben, sms_level=2)
    facts.rebuild([practice.id])

    def found(text: str) -> list[int]:
        return segment.patient_ids(practice.id, parse(yaml.safe_load(text)), TODAY)

    assert found("age: {at_least: 65}") == [ada]
    assert found("not: {age: {at_least: 65}}") == [ben, cat]
    assert found("any: [{sex: {is: m}}, {procedure_code: {any_of: [D4910]}}]") == [ada, ben]
    assert found("all: [{state: {in: [IL, IN]}}, {not: {sex: {is: f}}}]") == [ben]
    assert found("state: {not_in: [IL]}") == [ben]
    assert found("state: {known: false}") == [cat]
    assert found("birthday_month: {is: this}") == [ada]
    assert found("birthday_month: {is: next}") == [ben]
    assert found("reach: {any_of: [sms, email]}") == [ben]
    assert found("reach: {none_of: [sms]}") == [ada, cat]
    assert found("care: {all_of: [perio]}") == [ada]
    assert found("procedure_code: {none_of: [D4910]}") == [ben, cat]
    assert found("last_visit: {after: 2024-01-01, before: 2025-01-01}") == [ada]
    assert found("band: {is: never}") == [ben, cat]


def test_bands_of_a_predicate_are_those_of_its_definition(practice: Practice) -> None:
    ada = bands.get("ada")
    at_risk = parse({"band": {"is": "at_risk"}}, ada)
    with pytest.raises(PredicateError):
        parse({"band": {"is": "lapsed"}}, ada)
    patient = make_patient(practice.id, last_visit_stated_on=date(2025, 6, 1))
    facts.rebuild([practice.id])
    assert segment.patient_ids(practice.id, at_risk, TODAY, ada) == [patient]


def test_the_planner_sees_through_facts_on(practice: Practice) -> None:
    made = predicate.compile(parse({"last_visit": {"before": "18 months ago"}}), TODAY)
    plan = "\n".join(
        db.values(
            f"EXPLAIN SELECT f.patient_id FROM facts_on(%(today)s) f WHERE f.practice_id = %(p)s AND {made.where}",
            p=practice.id,
            **made.params,
        )
    )
    assert "Function Scan" not in plan
    assert "last_visit_on <" in plan
