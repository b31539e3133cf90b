"""From a decided touch to frozen words in the outbox: loaded in bulk, rendered, read by the lint, written in one statement.

Most people differ in nothing but a given name and their links. Each distinct text is rendered and read once, with placeholders where the
links' tokens go; a token is put in afterwards. Tokens are random bits, so the lint has nothing to read in them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from liquid.exceptions import LiquidError

from recare.base import db
from recare.campaigns import offers as campaign_offers
from recare.campaigns.offers import Offer
from recare.compliance import clearance, segments
from recare.compliance.lint import lint
from recare.messages import links, templates, values
from recare.messages.links import NewLink, Purpose
from recare.patients.tasks import open_task
from recare.practices import practice as practices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recare.compliance.finding import Finding
    from recare.messages.templates import Version
    from recare.messages.values import Person
    from recare.practices.practice import Practice

LATE_AFTER: Final = timedelta(days=3)
LETTERS_LATE_AFTER: Final = timedelta(days=21)
"""Paper waits for a person to print it. After three weeks the decision is too old, and the campaign has gone on."""
LOOK_BACK: Final = timedelta(
    days=30
)  # an older decision without words is dead; its message would have expired long ago
LINK_LIVES: Final = timedelta(days=60)
CONFIRMED_WITHIN: Final = timedelta(days=365)  # NUM-02
QUERIED_WITHIN: Final = timedelta(days=30)
PRINT_TASK: Final = "print_letters"
CHANNELS: Final = ("sms", "email", "letter", "portal")
# Millionths of a dollar: Twilio's list price of October 2026 and a usual carrier fee (SMS-02); e-mail, letter and portal are
# assumptions that a practice replaces in its policy under ``prices_micros``.
PRICES: Final = {"sms": 11_300, "email": 100, "letter": 1_000_000, "portal": 0}
LINK_FIELDS: Final[dict[str, Purpose]] = {
    "book_link": "book", "manage_link": "manage", "preferences_link": "preferences", "unsubscribe_link": "unsubscribe", "why_link": "why",
    "offer_terms_link": "offer", "portal_link": "portal",
}  # fmt: skip
FOREVER: Final = frozenset({"unsubscribe", "preferences", "why"})


@dataclass(frozen=True, slots=True)
class Touch:
    """A decision to send that has no message yet."""

    id: int
    patient_id: int
    channel: str
    message_class: str
    decided_at: datetime
    contact_point_id: int
    template_version_id: int | None
    offer: str
    is_family: bool
    number_is_fresh: bool


@dataclass(frozen=True, slots=True)
class Words:
    """One distinct text with placeholders for tokens, and what the lint found."""

    subject: str
    text: str
    html: str
    names_person: bool
    segments: int
    reasons: list[dict[str, str]]


def render_batch(practice_id: int, now: datetime, limit: int = 500) -> int:
    """Freeze the words of up to ``limit`` touches that are decided and have no message; return how many messages were made.

    A text with a blocking finding is kept as ``withheld`` with its reasons, and a person gets a task. One transaction: cut off anywhere,
    nothing has happened.
    """
    with db.scope(practice_id):
        touches = _waiting(practice_id, now, limit)
        if touches:
            _freeze(practices.get(practice_id), touches, now)
    return len(touches)


def _waiting(practice_id: int, now: datetime, limit: int) -> list[Touch]:
    """Touches to write for, locked so that a second worker takes others.

    Right after an import the planner has no statistics and would compare every touch with every message one by one; without nested loops
    it hashes.
    """
    db.run("SET LOCAL enable_nestloop = off")
    ids = db.values(
        "SELECT t.id FROM touch t WHERE t.practice_id = %(practice)s AND t.verdict = 'send' AND t.decided_at > %(since)s "
        "AND t.channel = ANY(%(channels)s) AND t.contact_point_id IS NOT NULL "
        "AND NOT EXISTS (SELECT FROM message m WHERE m.practice_id = %(practice)s AND m.touch_id = t.id) "
        "ORDER BY t.id LIMIT %(limit)s FOR NO KEY UPDATE OF t SKIP LOCKED",
        practice=practice_id, channels=list(CHANNELS), limit=limit, since=now - LOOK_BACK,
    )  # fmt: skip
    db.run("SET LOCAL enable_nestloop = on")
    return db.rows(
        Touch,
        "SELECT t.id, t.patient_id, t.channel, t.message_class, t.decided_at, t.contact_point_id, t.template_version_id, t.offer, "
        "cardinality(t.shared_with) > 0 AS is_family, "
        f"r.is_rehearsal OR {fresh('t.decided_at')} AS number_is_fresh "
        "FROM touch t JOIN practice r ON r.id = t.practice_id "
        "JOIN contact_point p ON p.practice_id = t.practice_id AND p.id = t.contact_point_id "
        "WHERE t.practice_id = %(practice)s AND t.id = ANY(%(ids)s::bigint[]) ORDER BY t.id",
        practice=practice_id, ids=ids, confirmed=CONFIRMED_WITHIN, queried=QUERIED_WITHIN,
    )  # fmt: skip


def fresh(at: str) -> str:
    """Return the condition under which contact point ``p`` may be written to by name at an instant of SQL (NUM-02)."""
    return (
        f"(coalesce(p.last_confirmed_on > ({at} - %(confirmed)s)::date, false) "
        f"OR p.reassigned = 'no' AND coalesce(p.reassigned_checked_on >= ({at} - %(queried)s)::date, false))"
    )


def _freeze(practice: Practice, touches: Sequence[Touch], now: datetime) -> None:
    """Write one message for each touch."""
    writer = Writer(practice, touches, now)
    found = [(touch, writer.words(touch)) for touch in touches]
    tokens = _tokens(practice.id, writer, touches, now)
    withheld = [touch.id for touch, words in found if words.reasons]
    _insert(practice, [Frozen(touch, words, tokens[touch.id]) for touch, words in found], writer, now)
    if any(touch.channel == "letter" and not words.reasons for touch, words in found):
        today = now.astimezone(practice.zone).date()
        open_task(practice.id, PRINT_TASK, 5, now, once_key=f"{PRINT_TASK}:{today}", subject_table="letters")
    if withheld:
        open_task(
            practice.id, "text_withheld", 4, now, once_key=f"text_withheld:{min(withheld)}", subject_table="touch",
            subject_id=min(withheld), detail={"messages": len(withheld)},
        )  # fmt: skip


def _tokens(practice_id: int, writer: Writer, touches: Sequence[Touch], now: datetime) -> dict[int, dict[Purpose, str]]:
    """Make every link of the batch in bulk: those its template mentions, and the way out of every e-mail."""
    wanted = [
        NewLink(purpose, touch.patient_id, touch.id, None if purpose in FOREVER else touch.decided_at + LINK_LIVES)
        for touch in touches
        for purpose in writer.purposes(touch)
    ]
    made: dict[int, dict[Purpose, str]] = {touch.id: {} for touch in touches}
    for link, token in zip(wanted, links.make_many(practice_id, wanted, now), strict=True):
        made[link.touch_id or 0][link.purpose] = token
    return made


@dataclass(frozen=True, slots=True)
class Frozen:
    """A touch with its words and its own tokens."""

    touch: Touch
    words: Words
    tokens: dict[Purpose, str]

    def filled(self, source: str) -> str:
        """Return a text with this person's tokens in place of the placeholders."""
        for purpose, token in self.tokens.items():
            source = source.replace(placeholder(purpose), token)
        return source


def placeholder(purpose: Purpose) -> str:
    """Return what stands for a token while words are written and read; as long as a token."""
    return f"zq{purpose}".ljust(22, "z")


def _insert(practice: Practice, frozen: Sequence[Frozen], writer: Writer, now: datetime) -> None:
    prices = PRICES | practice.policy.get("prices_micros", {})
    columns: dict[str, list[Any]] = {
        "touch_id::bigint": [f.touch.id for f in frozen],
        "patient_id::bigint": [f.touch.patient_id for f in frozen],
        "contact_point_id::bigint": [f.touch.contact_point_id for f in frozen],
        "channel::text": [f.touch.channel for f in frozen],
        "message_class::text": [f.touch.message_class for f in frozen],
        "subject::text": [f.words.subject for f in frozen],
        "body_text::text": [f.filled(f.words.text) for f in frozen],
        "body_html::text": [f.filled(f.words.html) if f.words.html else "" for f in frozen],
        "list_unsubscribe::text": [
            links.url(f.tokens["unsubscribe"], "unsubscribe") if f.touch.channel == "email" and "unsubscribe" in f.tokens else ""
            for f in frozen
        ],
        "reply_question::text": [writer.question(f.touch) for f in frozen],
        "names_person::boolean": [f.words.names_person for f in frozen],
        "state::text": ["withheld" if f.words.reasons else "queued" for f in frozen],
        "reasons::jsonb": [json.dumps(f.words.reasons) for f in frozen],
        "not_before::timestamptz": [f.touch.decided_at for f in frozen],
        "not_after::timestamptz": [
            f.touch.decided_at + (LETTERS_LATE_AFTER if f.touch.channel == "letter" else writer.late_after) for f in frozen
        ],
        "segments::smallint": [f.words.segments for f in frozen],
        "cost_micros::bigint": [prices[f.touch.channel] * max(1, f.words.segments) for f in frozen],
    }  # fmt: skip
    names = [name.partition("::")[0] for name in columns]
    arrays = ", ".join(f"%({name.partition('::')[0]})s::{name.partition('::')[2]}[]" for name in columns)
    db.run(
        f"INSERT INTO message (practice_id, created_at, settled_at, {', '.join(names)}) "
        f"SELECT %(practice)s, %(now)s, CASE WHEN w.state = 'withheld' THEN %(now)s END, {', '.join(f'w.{name}' for name in names)} "
        f"FROM unnest({arrays}) AS w ({', '.join(names)}) ON CONFLICT (practice_id, touch_id) DO NOTHING",
        practice=practice.id, now=now, **dict(zip(names, columns.values(), strict=True)),
    )  # fmt: skip


class Writer:
    """Renders one batch: knows the practice, its people, template versions and offers, and remembers each distinct text."""

    def __init__(self, practice: Practice, touches: Sequence[Touch], now: datetime) -> None:
        self._practice, self._now = practice, now
        self._today = now.astimezone(practice.zone).date()
        self._people = values.people(practice.id, [touch.patient_id for touch in touches])
        self._versions = templates.versions(
            practice.id, [t.template_version_id for t in touches if t.template_version_id]
        )
        self._offers: dict[str, Offer] = campaign_offers.by_slug(practice.id) if any(t.offer for t in touches) else {}
        self._shared: dict[tuple[str, str], dict[str, Any]] = {}
        self._written: dict[tuple[Any, ...], Words] = {}
        self._address = templates.public_address(practice)
        self.late_after = min(LATE_AFTER, timedelta(hours=float(practice.policy.get("late_after_hours", 72))))

    def words(self, touch: Touch) -> Words:
        """Return the words of one touch, without its tokens; ``reasons`` say why they may not go."""
        version = self._version(touch)
        if version is None or version.approved_at is None:
            return _refused("NO_TEMPLATE", "The step has no approved text.")
        person = self._people[touch.patient_id]
        given = values.of_person(person, self._today, is_family=touch.is_family)
        if touch.channel == "sms" and touch.message_class not in {"A", "S"} and not touch.number_is_fresh:
            given |= dict.fromkeys(values.PERSONAL & given.keys(), "") | {
                "is_child": False,
                "is_family": False,
            }  # NUM-02
        given = {name: value for name, value in given.items() if name in version.fields}
        key = (version.id, touch.offer, values.key(given))
        found = self._written.get(key)
        if found is None:
            found = self._written[key] = self._write(version, touch.offer, given)
        return self._read_for(person, version, touch.offer, found)

    def purposes(self, touch: Touch) -> list[Purpose]:
        """Return the links that a touch's template mentions; every e-mail has its way out."""
        version = self._version(touch)
        if version is None:
            return []
        named: list[Purpose] = [purpose for field, purpose in LINK_FIELDS.items() if field in version.fields]
        return named if touch.channel != "email" or "unsubscribe" in named else [*named, "unsubscribe"]

    def question(self, touch: Touch) -> str:
        """Return the question the text asks, whose exact answer releases a hold."""
        version = self._version(touch)
        return version.reply_question if version else ""

    def _version(self, touch: Touch) -> Version | None:
        return self._versions.get(touch.template_version_id or 0)

    def _write(self, version: Version, offer: str, given: dict[str, Any]) -> Words:
        fields = self._fields(version.language, offer) | given
        try:
            text = clearance.parse(version.body).render(**fields)
            subject = " ".join(clearance.parse(version.subject).render(**fields).split()) if version.subject else ""
            html = clearance.parse(version.html, html=True).render(**fields) if version.html else ""
            neutral = clearance.parse(version.body).render(**fields | dict.fromkeys(values.PERSONAL & given.keys(), ""))
        except LiquidError as error:
            return _refused("RENDER_FAILED", f"The text cannot be written: {error.message}")
        return Words(
            subject=subject, text=text, html=html, names_person=text != neutral,
            segments=segments.count(text).segments if version.channel == "sms" else 0,
            reasons=_reasons(self._lint(version, offer, (subject, text, html), ())),
        )  # fmt: skip

    def _fields(self, language: str, offer: str) -> dict[str, Any]:
        """Return the values that everybody of this batch shares, with placeholders for tokens."""
        found = self._shared.get((language, offer))
        if found is None:
            addresses = {field: links.url(placeholder(purpose), purpose) for field, purpose in LINK_FIELDS.items()}
            found = self._shared[language, offer] = (
                values.of_practice(self._practice, language, self._now)
                | addresses
                | values.of_offer(self._offers.get(offer), self._practice, language)
            )
        return found

    def _read_for(self, person: Person, version: Version, offer: str, words: Words) -> Words:
        """Read the words once more when one of this person's own private words stands in them (L03)."""
        if words.reasons or version.channel not in {"sms", "email"}:
            return words
        private = person.private_words()
        whole = f"{words.subject}\n{words.text}".casefold()
        if not any(word.casefold() in whole for word in private):
            return words
        again = self._lint(version, offer, (words.subject, words.text, words.html), private)
        return replace(words, reasons=_reasons(again))

    def _lint(
        self, version: Version, offer: str, said: tuple[str, str, str], private: tuple[str, ...]
    ) -> tuple[Finding, ...]:
        subject, text, html = (part.replace(settings.PUBLIC_URL, self._address) for part in said)
        terms = self._offers.get(offer)
        return lint(
            text,
            templates.lint_context(
                self._practice, version.channel, version.message_class, version.language, subject=subject, html=html,
                unsubscribe_link=f"{self._address}/p/unsubscribe/{placeholder('unsubscribe')}", has_unsubscribe=True,
                offer_ends_on=terms.ends_at.astimezone(self._practice.zone).date() if terms and terms.ends_at else None,
                today=self._today, private_words=private,
            ),
        )  # fmt: skip


def _refused(code: str, what: str) -> Words:
    return Words("", "", "", False, 0, [{"code": code, "rule": "ENG-01", "verdict": "deny", "detail": what}])


def _reasons(findings: tuple[Finding, ...]) -> list[dict[str, str]]:
    return [
        {"code": "LINT_FAIL", "rule": finding.rule, "verdict": "deny", "detail": finding.what}
        for finding in findings
        if finding.severity == "E"
    ]
