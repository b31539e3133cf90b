"""A campaign from draft to finish. Publishing freezes everything a later reader needs to know what was meant."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recare.base import audit, db
from recare.campaigns import audience, closing, offers, playbook
from recare.campaigns.problems import ProblemsError
from recare.practices import practice as practices
from recare.segments import priority

if TYPE_CHECKING:
    from recare.campaigns.playbook import Playbook


class CannotPublishError(ProblemsError):
    """A campaign that may not start."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """A row of ``campaign`` with its newest version, if any."""

    id: int
    name: str
    playbook: str
    state: str
    paused_at: datetime | None
    paused_reason: str
    version_id: int | None
    version: int | None


_SELECT = (
    "SELECT c.id, c.name, c.playbook, c.state, c.paused_at, c.paused_reason, v.id AS version_id, v.number AS version "
    "FROM campaign c LEFT JOIN LATERAL (SELECT id, number FROM campaign_version v WHERE v.practice_id = c.practice_id "
    "AND v.campaign_id = c.id ORDER BY number DESC LIMIT 1) v ON true WHERE c.practice_id = %(practice)s"
)


def get(practice_id: int, campaign_id: int) -> Campaign:
    """Return a campaign. Raises LookupError when the practice has none with this id."""
    found = db.one(Campaign, f"{_SELECT} AND c.id = %(campaign)s", practice=practice_id, campaign=campaign_id)
    if found is None:
        raise LookupError(f"There is no campaign {campaign_id}.")
    return found


def every(practice_id: int) -> list[Campaign]:
    """Return all campaigns of a practice, the newest first."""
    return db.rows(Campaign, f"{_SELECT} ORDER BY c.id DESC", practice=practice_id)


def create(practice_id: int, name: str, text: str, actor: str, now: datetime) -> int:
    """Make a draft from a playbook's YAML and return its id. Raises PlaybookError with a sentence for every problem."""
    playbook.read(text)
    campaign_id = int(
        db.value(
            "INSERT INTO campaign (practice_id, name, playbook, created_by, created_at) "
            "VALUES (%(practice)s, %(name)s, %(text)s, %(actor)s, %(now)s) RETURNING id",
            practice=practice_id,
            name=name,
            text=text,
            actor=actor,
            now=now,
        )
    )
    audit.record(practice_id, actor, "campaign.created", f"campaign:{campaign_id}", now)
    return campaign_id


def save(practice_id: int, campaign_id: int, text: str, actor: str, now: datetime) -> None:
    """Change the playbook for the next version; who is enrolled keeps the version they were enrolled under.

    Raises PlaybookError with a sentence for every problem, LookupError for a campaign that is finished or not there.
    """
    playbook.read(text)
    changed = db.run(
        "UPDATE campaign SET playbook = %(text)s WHERE practice_id = %(practice)s AND id = %(campaign)s AND state <> 'finished'",
        text=text, practice=practice_id, campaign=campaign_id,
    )  # fmt: skip
    if not changed:
        raise LookupError(f"There is no campaign {campaign_id} that could still be changed.")
    audit.record(practice_id, actor, "campaign.saved", f"campaign:{campaign_id}", now)


def publish(practice_id: int, campaign_id: int, actor: str, now: datetime) -> int:
    """Freeze the playbook with everything it names as a version, start the campaign and return the version's id.

    Publishing the same plan twice gives the version there is. Raises CannotPublishError with a sentence for everything that is missing or
    not approved, PlaybookError, or LookupError.
    """
    db.run("SELECT id FROM campaign WHERE practice_id = %(p)s AND id = %(c)s FOR UPDATE", p=practice_id, c=campaign_id)
    campaign = get(practice_id, campaign_id)
    if campaign.state == "finished":
        raise CannotPublishError([f"The campaign '{campaign.name}' is finished. Make a new one."])
    spec = frozen(practice_id, playbook.read(campaign.playbook), now)
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True, default=str).encode()).hexdigest()
    version_id = db.value(
        "INSERT INTO campaign_version (practice_id, campaign_id, number, spec, spec_sha256, salt, published_at, published_by) "
        "SELECT %(practice)s, %(campaign)s, %(number)s, %(spec)s, %(digest)s, %(salt)s, %(now)s, %(actor)s "
        "WHERE NOT EXISTS (SELECT FROM campaign_version WHERE practice_id = %(practice)s AND id = %(last)s AND spec_sha256 = %(digest)s) "
        "RETURNING id",
        practice=practice_id, campaign=campaign_id, number=(campaign.version or 0) + 1, spec=db.json(spec), digest=digest,
        salt=salt_of(practice_id, campaign), now=now, actor=actor, last=campaign.version_id,
    )  # fmt: skip
    db.run(
        "UPDATE campaign SET state = 'running' WHERE practice_id = %(practice)s AND id = %(campaign)s AND state = 'draft'",
        practice=practice_id, campaign=campaign_id,
    )  # fmt: skip
    if version_id is None:
        return int(campaign.version_id or 0)
    detail = {"version": version_id, "sha256": digest}
    audit.record(practice_id, actor, "campaign.published", f"campaign:{campaign_id}", now, detail)
    return int(version_id)


def salt_of(practice_id: int, campaign: Campaign) -> str:
    """Return the one salt of all versions, so that the members of a household draw alike whenever they come in; secret with the practice's."""
    ordinal = db.value(
        "SELECT count(*) FROM campaign WHERE practice_id = %(p)s AND id <= %(c)s", p=practice_id, c=campaign.id
    )
    secret = practices.get(practice_id).salt
    return hashlib.sha256(f"{secret}:{ordinal}:{campaign.name}".encode()).hexdigest()[:32]


def frozen(practice_id: int, plan: Playbook, now: datetime) -> dict[str, Any]:
    """Return the playbook with the segment, templates and offers it names, as plain data. Raises CannotPublishError."""
    templates, problems = _templates(practice_id, plan)
    problems += _offers(practice_id, plan, now) + _senders(practice_id, plan)
    segment: dict[str, Any] = {}
    try:
        segment = audience.frozen_segment(practice_id, plan.segment)
    except (LookupError, ValueError) as error:
        problems.append(str(error))
    if plan.offers:
        problems += offers.unfair(segment.get("predicate"))
    if problems:
        raise CannotPublishError(problems)
    known = offers.by_slug(practice_id)
    terms = {slug: known[slug].terms() for slug in plan.offers}
    return {
        "playbook": plan.model_dump(mode="json"), "segment": segment, "bands": segment["bands"],
        "priority": priority.coefficients().label, "templates": templates, "offers": terms,
    }  # fmt: skip


def _templates(practice_id: int, plan: Playbook) -> tuple[list[dict[str, Any]], list[str]]:
    """The newest approved version of each template the playbook names, in every language; and what is missing."""
    slugs = [slug for slug, _ in plan.templates()]
    rows = db.tuples(
        "SELECT t.slug, t.channel, t.language, v.id, v.number, v.message_class, v.sha256, v.fields "
        "FROM template t LEFT JOIN LATERAL (SELECT * FROM template_version v WHERE v.practice_id = t.practice_id "
        "AND v.template_id = t.id AND v.approved_at IS NOT NULL ORDER BY v.number DESC LIMIT 1) v ON true "
        "WHERE t.practice_id = %(practice)s AND t.slug = ANY(%(slugs)s) ORDER BY t.slug, t.channel, t.language",
        practice=practice_id, slugs=slugs,
    )  # fmt: skip
    names = ("slug", "channel", "language", "version_id", "number", "message_class", "sha256", "fields")
    approved = [dict(zip(names, row, strict=True)) for row in rows if row[3] is not None]
    exist = {(row[0], row[1]) for row in rows}
    usable = {(row["slug"], row["channel"]) for row in approved}
    problems = []
    for slug, channel in plan.templates():
        if (slug, channel) not in exist:
            problems.append(
                f"There is no {_WORDS[channel]} template '{slug}'. Make it under Templates, or name another in the playbook."
            )
        elif (slug, channel) not in usable:
            problems.append(
                f"The {_WORDS[channel]} template '{slug}' has no approved version. Have it approved under Templates first."
            )
    return [row for row in approved if (row["slug"], row["channel"]) in set(plan.templates())], problems


_WORDS = {"sms": "text message", "email": "e-mail", "call": "call script", "letter": "letter", "portal": "portal"}


def _offers(practice_id: int, plan: Playbook, now: datetime) -> list[str]:
    known = offers.by_slug(practice_id)
    problems = []
    for slug in plan.offers:
        offer = known.get(slug)
        if offer is None:
            problems.append(f"There is no offer '{slug}'. Write it down under Offers, or take it out of the playbook.")
        elif offer.approved_at is None or offer.withdrawn_at is not None:
            problems.append(
                f"The offer '{slug}' is not approved, or was withdrawn. Nobody is told an offer that is not approved."
            )
        else:
            problems += [f"Offer '{slug}': {problem}" for problem in offers.problems_of(offer, now)]
    return problems


def _senders(practice_id: int, plan: Playbook) -> list[str]:
    there = set(db.values("SELECT channel FROM sender WHERE practice_id = %(practice)s", practice=practice_id))
    needed = [channel for channel in plan.ladder_channels if channel in {"sms", "email"} and channel not in there]
    problems = [
        f"The practice has nothing to send from by {_WORDS[channel]}. Set up a sender first." for channel in needed
    ]
    by_portal = [str(number) for number, step in enumerate(plan.steps, 1) if "portal" in step.channels()]
    if by_portal:
        problems.append(
            f"Step {' and '.join(by_portal)} writes to the patient portal. Recare has no connection to a portal yet, so nobody would ever see "
            "it. Take e-mail, text, call or letter."
        )
    if "letter" in plan.ladder_channels and not practices.get(practice_id).postal_address:
        problems.append(
            "A letter needs the practice's own address as its sender. Fill in street, city, state and ZIP under Settings."
        )
    return problems


def pause(practice_id: int, campaign_id: int, reason: str, actor: str, now: datetime) -> bool:
    """Stop deciding and sending for this campaign until it is resumed; False when it was not running."""
    return _move(practice_id, campaign_id, ("running", "paused"), actor, now, reason)


def resume(practice_id: int, campaign_id: int, actor: str, now: datetime) -> bool:
    """Go on with a paused campaign; False when it was not paused."""
    return _move(practice_id, campaign_id, ("paused", "running"), actor, now, "")


def _move(practice_id: int, campaign_id: int, states: tuple[str, str], actor: str, now: datetime, reason: str) -> bool:
    before, after = states
    moved = db.run(
        "UPDATE campaign SET state = %(after)s, paused_at = CASE WHEN %(after)s = 'paused' THEN %(now)s::timestamptz END, "
        "paused_by = CASE WHEN %(after)s = 'paused' THEN %(actor)s ELSE '' END, paused_reason = %(reason)s "
        "WHERE practice_id = %(practice)s AND id = %(campaign)s AND state = %(before)s",
        after=after, before=before, now=now, actor=actor, reason=reason, practice=practice_id, campaign=campaign_id,
    )  # fmt: skip
    if moved:
        audit.record(practice_id, actor, f"campaign.{after}", f"campaign:{campaign_id}", now)
    return bool(moved)


def finish(practice_id: int, campaign_id: int, actor: str, now: datetime) -> int:
    """End a campaign: whoever still waits is stopped, controls are let go; return how many enrolments ended.

    Unfinished treatment is left to a person, as at every other end (D22).
    """
    ended = db.run(
        "UPDATE campaign SET state = 'finished', paused_at = NULL, paused_by = '', paused_reason = '' "
        "WHERE practice_id = %(practice)s AND id = %(campaign)s AND state IN ('running', 'paused')",
        practice=practice_id, campaign=campaign_id,
    )  # fmt: skip
    if not ended:
        return 0
    audit.record(practice_id, actor, "campaign.finished", f"campaign:{campaign_id}", now)
    let_go = db.values(
        "UPDATE enrolment SET state = CASE WHEN state = 'held_out' THEN 'finished' ELSE 'stopped' END, stop_reason = 'campaign_finished', "
        "ended_at = %(now)s, due_at = NULL WHERE practice_id = %(practice)s AND campaign_id = %(campaign)s "
        "AND state IN ('waiting', 'held_out') RETURNING id",
        practice=practice_id, campaign=campaign_id, now=now,
    )  # fmt: skip
    closing.guard(practice_id, let_go, now)
    return len(let_go)
