"""How calls end, in the words of the buttons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from recare.calls.outcomes import Outcome

CLASSES: Final = {
    "A": "about a visit",
    "R": "recall",
    "P": "with an offer",
    "T": "for somebody else's product",
    "S": "answer to the person",
}
BARRIERS: Final = (
    ("", "nothing named"), ("time", "time"), ("cost", "cost"), ("fear", "fear"), ("experience", "was unhappy here"),
    ("forgot", "forgot"), ("moved", "moved"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class End:
    """One button: the outcome, its key, its label, what follows (asked before it is done where it is grave), what is told afterwards."""

    outcome: Outcome
    key: str
    label: str
    noted: str
    ask: str = ""


_ALL: Final = (
    End("booked", "1", "Booked in our own schedule", "booked. The campaign stops for this patient."),
    End("left_message", "2", "Left a message", "left a message. The call comes back on another day."),
    End("no_answer", "3", "No answer", "no answer. The call comes back on another day."),
    End("call_later", "4", "Call again at ...", "call again."),
    End("not_interested", "5", "Not interested", "not interested. This campaign ends, the consent stays."),
    End(
        "do_not_call", "6", "Do not call", "no more calls or texts to this number.",
        "Take this number off every list? No more calls or texts go there.",
    ),
    End(
        "wrong_number", "7", "Wrong number", "wrong number. It rests for everybody who had it.",
        "Wrong number? It rests for everybody who had it.",
    ),
    End(
        "angry", "8", "Angry: owner rings", "angry. Nothing automatic goes to the household; the owner rings.",
        "Freeze everything for this household and ask the owner to ring?",
    ),
    End("moved", "9", "Moved away", "moved away. Nothing more is sent."),
    End("new_dentist", "", "Has another dentist", "has another dentist. Offer to send the records."),
    End(
        "deceased", "", "Has died", "has died. Nobody calls again.",
        "Note that this person has died? Nothing goes to them any more.",
    ),
    End(
        "withdrawn", "", "Take off the list", "taken off the list without a call.",
        "Take this call off the list without calling?",
    ),
)  # fmt: skip
ENDS: Final = {end.outcome: end for end in _ALL}
