"""Texts before anybody gets them: a draft on a sample person, and a campaign's first messages on real patients. Writes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from liquid.exceptions import LiquidError

from recare.base import db
from recare.campaigns import campaign as campaigns
from recare.campaigns import material as materials
from recare.campaigns import playbook, versions
from recare.campaigns.contexts import Reader
from recare.campaigns.ladder import Due, Walker
from recare.compliance import clearance, segments
from recare.compliance.clearance import TemplateError
from recare.compliance.lint_script import Script, ScriptError, read_script
from recare.compliance.packs import load_packs
from recare.messages import links, render, templates, values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from recare.campaigns.ladder import Touch
    from recare.compliance.finding import Finding
    from recare.compliance.segments import Count
    from recare.messages.templates import Draft
    from recare.practices.practice import Practice

PEOPLE: Final = {
    "usual": "Dana, an adult", "child": "a child whose parent reads it", "family": "a family", "nameless": "nobody's name is known",
    "longest": "the longest name there is",
}  # fmt: skip
_POLICY: Final = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
_TOKEN: Final = re.compile(r"zq(\w+?)z+\b")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A draft as a sample person would get it. ``cost_micros`` are millionths of a dollar; ``script`` is a call's."""

    subject: str
    text: str
    html: str
    script: Script | None
    count: Count | None
    longest: Count | None
    cost_micros: int
    message_class: str
    because: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def blocked(self) -> bool:
        """Whether it could not be saved as it stands."""
        return any(finding.severity == "E" for finding in self.findings)

    @property
    def cents(self) -> float:
        """What one message costs."""
        return self.cost_micros / 10_000

    @property
    def framed(self) -> str:
        """The e-mail for a frame: whatever its author wrote, nothing in it loads or runs."""
        return f"{_POLICY}{self.html}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One patient's first message of a campaign. ``reasons`` say why it may not go as it stands, or what it waits for."""

    patient_id: int
    name: str
    channel: str
    template: str
    subject: str
    text: str
    html: str
    reasons: tuple[str, ...]


def draw(practice: Practice, draft: Draft, person: str, now: datetime) -> Drawn:
    """Check a draft and write it for one of PEOPLE."""
    checked = templates.check(draft, practice)
    broken = any(finding.rule == "F01" for finding in checked.findings)
    subject, text, html = (
        ("", "", "") if broken else _rendered(draft, checked.html, _fields(practice, draft, person, now))
    )
    prices = render.PRICES | practice.policy.get("prices_micros", {})
    count = longest = None
    if draft.channel == "sms" and text:
        count = segments.count(text)
        longest = segments.count(_rendered(draft, "", _fields(practice, draft, "longest", now))[1])
    return Drawn(
        subject, text, html, _script(text) if draft.channel == "call" else None, count, longest,
        int(prices.get(draft.channel, 0)) * (count.segments if count else 1), checked.message_class, checked.because, checked.findings,
    )  # fmt: skip


def _fields(practice: Practice, draft: Draft, person: str, now: datetime) -> dict[str, Any]:
    """Return a sample person's values in this practice; links are as long as real ones."""
    sample = clearance.samples(longest=person == "longest")
    own = values.of_practice(practice, draft.language, now)
    given = {
        name: own[name] for name in own if name.startswith("practice_") or name in {"caller_name", "today_greeting"}
    }
    given |= {field: links.url(render.placeholder(purpose), purpose) for field, purpose in render.LINK_FIELDS.items()}
    who: dict[str, Any] = {"is_child": person == "child", "is_family": person == "family"}
    if person == "nameless":
        who |= dict.fromkeys(("first_name", "greeting_name", "last_name", "full_name"), "")
    return sample | given | who


def _rendered(draft: Draft, html: str, fields: dict[str, Any]) -> tuple[str, str, str]:
    try:
        return (
            " ".join(clearance.parse(draft.subject).render(**fields).split()),
            readable(clearance.parse(draft.body).render(**fields), keep=draft.channel == "sms"),
            readable(clearance.parse(html, html=True).render(**fields)) if html else "",
        )
    except (LiquidError, TemplateError):
        return "", "", ""  # what is wrong stands among the findings


def _script(text: str) -> Script | None:
    try:
        return read_script(text)
    except ScriptError:
        return None


def readable(text: str, *, keep: bool = False) -> str:
    """Put dots where a real message has its token; with ``keep``, as many as the token has characters."""
    return _TOKEN.sub(lambda found: "x" * len(found.group()) if keep else "…", text)


def first_messages(practice: Practice, campaign_id: int, patient_ids: Sequence[int], now: datetime) -> list[Sample]:
    """Write the first message of a campaign for these patients, as the engine would now. Raises LookupError, CannotPublishError."""
    row = campaigns.get(practice.id, campaign_id)
    spec = campaigns.frozen(practice.id, playbook.read(row.playbook), now)
    version = versions.read(0, campaign_id, spec)
    walker = Walker(Reader(materials.gather(practice.id, list(patient_ids), now)), load_packs(), now)
    known = walker.reader.material.patients
    touches = {}
    for patient_id in patient_ids:
        if patient_id in known:
            due = Due(patient_id, 0, version.id, patient_id, now, 0, 0, 0, "", sent=False)
            touches[patient_id] = walker.walk(due, version).touches[-1]
    return _written(practice, touches, now)


def _written(practice: Practice, touches: dict[int, Touch], now: datetime) -> list[Sample]:
    fresh = _fresh(practice, [touch.contact_point_id for touch in touches.values() if touch.contact_point_id], now)
    wanted = {
        patient_id: render.Touch(
            patient_id, patient_id, touch.channel, touch.message_class, now, touch.contact_point_id or 0, touch.template_version_id,
            touch.offer, bool(touch.shared_with), touch.contact_point_id in fresh,
        )
        for patient_id, touch in touches.items()
    }  # fmt: skip
    writer = render.Writer(practice, list(wanted.values()), now)
    people = values.people(practice.id, list(wanted))
    slugs = {
        v.id: v.slug
        for v in templates.versions(
            practice.id, [t.template_version_id for t in wanted.values() if t.template_version_id]
        ).values()
    }
    return [
        _sample(
            people[patient_id],
            touches[patient_id],
            slugs.get(touch.template_version_id or 0, ""),
            _words(writer, touch),
        )
        for patient_id, touch in wanted.items()
    ]


def _words(writer: render.Writer, touch: render.Touch) -> render.Words | None:
    return None if touch.channel == "call" else writer.words(touch)


def _sample(person: values.Person, touch: Touch, slug: str, words: render.Words | None) -> Sample:
    reasons = (
        [str(reason.get("words") or reason["code"]) for reason in touch.reasons] if touch.verdict != "send" else []
    )
    if words is not None:
        reasons += [reason["detail"] for reason in words.reasons]
    return Sample(
        person.id, f"{person.first_name} {person.last_name}".strip(), touch.channel, slug, words.subject if words else "",
        readable(words.text) if words else "", readable(words.html) if words else "", tuple(dict.fromkeys(reasons)),
    )  # fmt: skip


def _fresh(practice: Practice, point_ids: Sequence[int], now: datetime) -> set[int]:
    """Return the contact points that may be written to by name now."""
    if practice.is_rehearsal:
        return set(point_ids)
    return set(
        db.values(
            f"SELECT p.id FROM contact_point p WHERE p.practice_id = %(practice)s AND p.id = ANY(%(ids)s::bigint[]) AND {render.fresh('%(now)s')}",
            practice=practice.id, ids=list(point_ids), now=now, confirmed=render.CONFIRMED_WITHIN, queried=render.QUERIED_WITHIN,
        )
    )  # fmt: skip
