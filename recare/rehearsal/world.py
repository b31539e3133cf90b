"""The made-up world around a practice: simulated patients who read, answer, book, come or stay away while a virtual clock runs.

It touches the product only through the doors that real patients, staff, providers and practice systems use (``doors``); what the
patients have decided stays hidden from it (``behaviour``).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from recare.base import db
from recare.practices.practice import Practice
from recare.rehearsal.behaviour import (
    Behaviour,
    Bounces,
    CallResult,
    Clicks,
    Complains,
    Contact,
    Ignores,
    Person,
    Phones,
    Reaction,
    Replies,
)


@dataclass(frozen=True, slots=True)
class Simulated:
    """A patient of the practice and who they are to the simulation. ``returns_on`` is when they would come back unasked."""

    patient_id: int
    person: Person
    returns_on: date | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A message in the sandbox: which touch it came from, to whose address."""

    delivery_id: int
    message_id: int
    patient_id: int
    touch_id: int | None
    contact_point_id: int
    channel: str
    address: str
    at: datetime
    template: str
    offer: bool


@dataclass(frozen=True, slots=True)
class Happening:
    """Something a simulated patient does at ``at``. ``heard`` is the message it answers, if any."""

    patient_id: int
    reaction: Reaction
    heard: Heard | None = None
    key: str = ""


@dataclass(slots=True)
class World:
    """Everybody, what they have been told, and what they will do next."""

    practice: Practice
    behaviour: Behaviour
    people: dict[int, Simulated]
    agenda: list[tuple[datetime, int, Happening]] = field(default_factory=list)
    told: dict[int, list[Contact]] = field(default_factory=dict)
    last_delivery: int = 0
    _count: int = 0

    def plan(self, at: datetime, happening: Happening) -> None:
        """Put something on the agenda."""
        self._count += 1
        heapq.heappush(self.agenda, (at, self._count, happening))

    def due(self, now: datetime) -> list[tuple[datetime, Happening]]:
        """Take what happens up to ``now`` off the agenda, in order."""
        found = []
        while self.agenda and self.agenda[0][0] <= now:
            at, _, happening = heapq.heappop(self.agenda)
            found.append((at, happening))
        return found

    def contact(
        self, patient_id: int, channel: Any, at: datetime, address: str, *, offer: bool, template: str
    ) -> Contact:
        """Note one more contact of a patient and return it with those before it."""
        before = self.told.setdefault(patient_id, [])
        earlier = tuple(Contact(c.channel, c.at, c.address, c.number, (), c.offer, c.template) for c in before)
        made = Contact(channel, at, address, len(before) + 1, earlier, offer, template)
        before.append(made)
        return made

    def listen(self) -> int:
        """Let the patients read what has newly arrived in the sandbox; return how much that was."""
        arrived = db.rows(Heard, _HEARD, practice=self.practice.id, last=self.last_delivery)
        for heard in arrived:
            self.last_delivery = heard.delivery_id
            someone = self.people.get(heard.patient_id)
            if someone is None:
                continue
            contact = self.contact(
                heard.patient_id, heard.channel, heard.at, heard.address, offer=heard.offer, template=heard.template
            )
            for number, reaction in enumerate(self.behaviour.react(someone.person, contact)):
                if not isinstance(reaction, Ignores):
                    self.plan(
                        reaction.at, Happening(heard.patient_id, reaction, heard, f"{heard.delivery_id}-{number}")
                    )
        return len(arrived)

    def ring(self, patient_id: int, address: str, at: datetime, *, offer: bool) -> CallResult:
        """Ring a patient; what a voicemail brings goes on the agenda."""
        someone = self.people[patient_id]
        contact = self.contact(patient_id, "call", at, address, offer=offer, template="")
        result = self.behaviour.answer_call(someone.person, contact)
        for number, reaction in enumerate(self.behaviour.after_call(someone.person, contact)):
            if not isinstance(reaction, Ignores):
                self.plan(
                    reaction.at, Happening(patient_id, reaction, None, f"call-{patient_id}-{contact.number}-{number}")
                )
        return result


_HEARD = """
WITH arrived AS MATERIALIZED (  -- under row-level security a computed key cannot be looked up in an index, a plain column can
    SELECT *, split_part(our_id, '-', 2)::bigint AS message_id FROM sandbox_delivery WHERE practice_id = %(practice)s AND id > %(last)s
)
SELECT d.id AS delivery_id, m.id AS message_id, m.patient_id, m.touch_id, m.contact_point_id, d.channel, d.recipient AS address,
       d.received_at AS at, coalesce(tp.slug, '') AS template, coalesce(t.offer, '') <> '' AS offer
FROM arrived d
JOIN message m ON m.practice_id = d.practice_id AND m.id = d.message_id
LEFT JOIN touch t ON t.practice_id = m.practice_id AND t.id = m.touch_id
LEFT JOIN template_version v ON v.practice_id = t.practice_id AND v.id = t.template_version_id
LEFT JOIN template tp ON tp.practice_id = v.practice_id AND tp.id = v.template_id
WHERE m.patient_id IS NOT NULL AND m.touch_id IS NOT NULL
ORDER BY d.id
"""


@dataclass(frozen=True, slots=True)
class _Row:
    patient_id: int
    source_key: str
    last_visit_on: date | None
    language: str
    missed_visits: int


def open_world(practice: Practice, seed: int, start: datetime) -> World:
    """Give every patient of the practice their hidden plans, counted from ``start``. Needs an open scope."""
    behaviour = Behaviour(seed, start.astimezone(practice.zone).date(), practice.tz)
    rows = db.rows(
        _Row,
        "SELECT f.patient_id, p.source_key, f.last_visit_on, p.language, f.missed_visits FROM patient_facts f "
        "JOIN patient p ON p.practice_id = f.practice_id AND p.id = f.patient_id "
        "WHERE f.practice_id = %(practice)s AND p.status NOT IN ('deceased', 'deleted') AND p.merged_into_id IS NULL ORDER BY 1",
        practice=practice.id,
    )
    people = {}
    for row in rows:
        person = Person(row.source_key, row.last_visit_on, row.language or "en", row.missed_visits > 0)
        people[row.patient_id] = Simulated(row.patient_id, person, behaviour.unprompted_return(person))
    return World(practice, behaviour, people)


__all__ = ["Bounces", "Clicks", "Complains", "Happening", "Heard", "Phones", "Replies", "World", "open_world"]
