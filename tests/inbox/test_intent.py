"""What rules make of what people write. No claim about real replies: these texts lay open while the rules were written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from recare.inbox import intent

_REPLIES = yaml.safe_load((Path(__file__).parents[2] / "recare" / "rehearsal" / "replies.yaml").read_text("utf-8"))
_HEARD = yaml.safe_load((Path(__file__).parent / "heard.yaml").read_text("utf-8"))
_ALL = [(text, name) for name, languages in _REPLIES.items() for texts in languages.values() for text in texts]
_FLOOR = (
    0.95  # of the simulated patients' texts; 58 fresh ones written afterwards came out at 0.79, every miss as "unclear"
)


def _is_right(text: str, name: str) -> bool:
    read = intent.read(text).name
    return read == name or (read == "help" and name == "unclear")  # "who's this" has no label of its own there


def test_the_simulated_patients_are_understood_well_enough_to_rehearse() -> None:
    wrong = [(text, name, intent.read(text).name) for text, name in _ALL if not _is_right(text, name)]
    assert len(wrong) <= (1 - _FLOOR) * len(_ALL), wrong


def test_every_stop_among_them_is_heard() -> None:
    assert [text for text, name in _ALL if name == "stop" and intent.read(text).stop != "stop"] == []


@pytest.mark.parametrize("name", sorted(_REPLIES))
def test_no_intent_is_lost_altogether(name: str) -> None:
    mine = [text for text, label in _ALL if label == name]
    assert sum(_is_right(text, name) for text in mine) >= 0.8 * len(mine)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Can you move my appointment to Friday?", "question"),
        ("We moved my appointment already", "unclear"),
        ("my phone died, what time was it?", "question"),
        ("mom passed her driving test", "unclear"),
        ("new phone who dis", "wrong_number"),
        ("who is this?", "help"),
        ("HELP", "help"),
        ("start", "start"),
        ("Unstop", "start"),
        ("ok gracias", "unclear"),
        ("No", "not_now"),
        ("My father passed last spring", "deceased"),
        ("We go to another dentist now", "other_dentist"),
        ("sorry wrong #", "wrong_number"),
        ("", "unclear"),
        ("\U0001f44d", "unclear"),
    ],
)
def test_lookalikes_are_told_apart(text: str, name: str) -> None:
    assert intent.read(text).name == name


@pytest.mark.parametrize(
    ("text", "question", "exact"),
    [
        ("YES!", "book", True), ("Sí", "book", True), ("1", "book", True), ("y", "opt_in", True),
        ("yes", "", False), ("yes but not on Monday", "book", False), ("no", "book", False), ("stop", "book", False),
        ("yes stop", "book", False), ("1", "opt_in", False), ("yes?", "book", False),
    ],
)  # fmt: skip
def test_only_the_exact_answer_to_a_question_we_asked_is_on_the_allow_list(
    text: str,
    question: str,
    exact: bool,  # noqa: FBT001
) -> None:
    assert intent.read(text, question).exact is exact


def test_anger_and_the_stop_in_it_are_both_heard() -> None:
    read = intent.read("I told your office twice to leave me alone. My lawyer will hear about this")
    assert (read.name, read.stop, read.everything) == ("angry", "stop", True)


@pytest.mark.parametrize(
    ("text", "everything"),
    [
        ("STOP", False),
        ("stop texting me", False),
        ("do not contact me again", True),
        ("leave me alone", True),
        ("no me molesten más", True),
    ],
)
def test_OPT_02_stop_contacting_me_means_every_channel(text: str, everything: bool) -> None:  # noqa: FBT001, N802
    read = intent.read(text)
    assert (read.stop, read.everything) == ("stop", everything)


@pytest.mark.parametrize("name", sorted(set(_HEARD) - {"not_deceased"}))
def test_PAT_01_OPT_01_many_ways_to_say_one_thing(name: str) -> None:  # noqa: N802
    assert [(text, intent.read(text).name) for text in _HEARD[name] if intent.read(text).name != name] == []


@pytest.mark.parametrize("text", _HEARD["not_deceased"])
def test_PAT_03_words_of_death_that_tell_of_none(text: str) -> None:  # noqa: N802
    assert intent.read(text).name != "deceased"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("can I bring my son?", "question"), ("I'm in pain now", "unclear"), ("new dentist hours?", "question"), ("I've never been to your new location", "unclear"),
        ("no appointment here", "unclear"), ("yes but not interested in whitening", "not_now"), ("widely known", "unclear"), ("they closed the old office", "unclear"),
    ],
)  # fmt: skip
def test_more_lookalikes_are_told_apart(text: str, name: str) -> None:
    assert intent.read(text).name == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("We moved to Denver, please take us off your list", "moved"), ("I have a new dentist. Stop texting me", "other_dentist"),
        ("Tengo otro dentista, no me escriban", "other_dentist"), ("she passed away, remove her number", "deceased"), ("wrong number stop", "wrong_number"),
    ],
)  # fmt: skip
def test_PAT_01_who_leaves_and_asks_to_stop_is_heard_in_both(text: str, name: str) -> None:  # noqa: N802
    read = intent.read(text)
    assert (read.name, read.stop) == (name, "stop")
