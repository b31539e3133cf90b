"""A playbook is strict, and says in plain words what is wrong and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from recare.campaigns import playbook
from recare.segments import segment
from tests.campaigns import build

TEMPLATES = Path(playbook.__file__).parents[1] / "messages" / "shipped"


def problems(**changes: Any) -> list[str]:
    with pytest.raises(playbook.PlaybookError) as caught:
        playbook.read(build.text(**changes))
    return caught.value.problems


def step(**changes: Any) -> list[dict[str, Any]]:
    return [{"channel": "email", "template": "winback"} | changes]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"purpose": "sell"}, "purpose: must be one of 'check_up', 'hygiene', 'continued_treatment', 'elective' or 'closing', not 'sell'."),
        ({"hold_out": 0.9}, "hold_out: must be less than or equal to 0.5."),
        ({"colour": "red"}, "colour: is not a key of a playbook; check the spelling."),
        ({"segment": 7}, "segment: must be text."),
        ({"steps": []}, "steps: needs at least one entry."),
        ({"steps": step(channel="fax")},
         "step 1, channel: must be one of 'sms', 'email', 'call', 'letter', 'portal' or 'preferred', not 'fax'."),
        ({"steps": step(wait_days="soon")}, "step 1, wait_days: must be a whole number."),
        ({"steps": step(template="Win Back")},
         "step 1, template: must be a short name in small letters, digits and underscores, such as 'winback_text'."),
        ({"steps": step(channel="preferred")},
         "step 1: channel 'preferred' needs a template for each channel (email: ..., sms: ...) and no fallback."),
        ({"steps": step(template={"email": "winback"}, fallback="sms")}, "step 1: has no template for sms."),
        ({"steps": step(fallback=["sms", "sms"])}, "step 1, fallback: names the same thing twice."),
        ({"steps": step(without_offer="winback")}, "step 1: names a template without_offer but no offer."),
        ({"steps": step() + step()}, "The playbook: step 2 must wait at least 1 day after the step before it."),
        ({"steps": step() + step(wait_days=1) * 5},
         "The playbook: has 6 steps but allows 5 touches; drop a step or raise caps.touches."),
        ({"caps": {"touches": 6}}, "caps, touches: must be less than or equal to 5."),
        ({"stop": ["booked"]}, "The playbook: must stop when complaint, left, opted out: add it to 'stop' or leave 'stop' out."),
        ({"remuneration": None}, "remuneration: must be one of 'none', 'own' or 'third', not None."),
        ({"waves": {"count": 0}}, "waves, count: must be greater than or equal to 1."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(changes: dict[str, Any], said: str) -> None:
    assert problems(**changes) == [said]


def test_several_mistakes_are_told_at_once() -> None:
    assert len(problems(purpose="sell", hold_out=2, steps=step(channel="fax"))) == 3


@pytest.mark.parametrize("text", ["", "- a\n- b", "steps: [", "name: \tx"])
def test_what_is_no_playbook_at_all_is_one_sentence(text: str) -> None:
    with pytest.raises(playbook.PlaybookError) as caught:
        playbook.read(text)
    assert len(caught.value.problems) == 1


def test_left_out_settings_have_their_defaults() -> None:
    plan = playbook.parse({key: value for key, value in build.PLAN.items() if key != "hold_out"})
    assert (plan.hold_out, plan.waves.count, plan.unit, plan.measure_days, plan.stop) == (
        0.10,
        1,
        "household",
        90,
        playbook.STOP_RULES,
    )


def test_the_channel_a_patient_prefers_comes_first_where_the_step_asks() -> None:
    plan = playbook.read(
        build.text(steps=[{"channel": "preferred", "template": {"email": "a", "sms": "b", "call": "c"}}])
    )
    assert plan.steps[0].channels("call") == ("call", "email", "sms")
    assert plan.steps[0].channels("") == ("email", "sms", "call")


def test_what_may_go_runs_from_the_offer_to_the_neutral_text() -> None:
    rung = {"channel": "sms", "template": "a", "offer": "spring", "without_offer": "b", "neutral": "c"}
    first = playbook.read(build.text(steps=[rung])).steps[0]
    assert first.variants("sms") == (("a", "spring"), ("b", ""), ("c", ""))
    assert first.variants("email") == (("a", "spring"), ("b", ""))


@pytest.mark.parametrize("name", sorted(playbook.shipped()))
def test_a_shipped_playbook_names_only_what_ships(name: str) -> None:
    plan = playbook.read(playbook.shipped()[name])
    there = {
        (entry["slug"], entry["channel"])
        for path in TEMPLATES.glob("*.yaml")
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
    }
    assert set(plan.templates()) <= there
    assert plan.segment in {each.slug for each in segment.ready_made()}
    assert plan.hold_out > 0 or plan.waves.count > 1  # nobody is contacted without something to compare with
