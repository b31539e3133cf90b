"""What a practice writes: versions that are checked when saved, approved by a name, and never changed afterwards."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import urlsplit

import mrml
import yaml
from django.conf import settings

from recare.base import audit, db
from recare.compliance import clearance, message_class
from recare.compliance.finding import Finding
from recare.compliance.lint import LintContext, lint
from recare.practices import practice as practices

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from recare.practices.practice import Practice

SHIPPED: Final = Path(__file__).parent / "shipped"
_PURPOSES: Final = {
    "opt_out_confirmation": "opt_out",
    "help_reply": "help",
    "opt_in_prompt": "opt_in",
}
SHIPPED_BY: Final = "shipped"
_COMPILE: Final = mrml.RenderOptions(
    fonts={}
)  # the default loads its fonts from Google, which tells Google who reads (L22)
_CLASSES: Final = ("A", "R", "P", "T", "S")


class TemplateRefused(ValueError):  # noqa: N818  (reads as a sentence where it is caught)
    """A template that may not be saved or approved; ``findings`` say what, where, why, and words that pass."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(" ".join(f"{found.what} ({found.where})" for found in self.findings))


@dataclass(frozen=True, slots=True)
class Draft:
    """A template as its author gives it. ``reply_question`` names the question whose exact answer releases a hold, such as ``book``."""

    slug: str
    channel: Literal["sms", "email", "call", "letter", "portal"]
    body: str
    message_class: Literal["A", "R", "P", "T", "S"] = "R"
    language: str = "en"
    name: str = ""
    subject: str = ""
    mjml: str = ""
    reply_question: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A saved version, with the name of its template."""

    id: int
    template_id: int
    number: int
    slug: str
    channel: str
    language: str
    name: str
    subject: str
    body: str
    mjml: str
    html: str
    message_class: str
    reply_question: str
    fields: list[str]
    findings: list[dict[str, Any]]
    created_by: str
    created_at: datetime
    approved_by: str
    approved_at: datetime | None

    @property
    def draft(self) -> Draft:
        """The draft it was."""
        return Draft(
            self.slug, cast("Any", self.channel), self.body, cast("Any", self.message_class), self.language, self.name, self.subject,
            self.mjml, self.reply_question,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft after every check: compiled HTML, the class its words make it, the fields it reads, and what was found."""

    html: str
    message_class: str
    because: tuple[str, ...]
    fields: tuple[str, ...]
    findings: tuple[Finding, ...]


def check(draft: Draft, practice: Practice) -> Checked:
    """Check a draft without saving it: field clearance, lint, class by its words (CLS-01), MJML compiled once with its Liquid kept."""
    found = list(clearance.check(draft.body, draft.channel, draft.message_class))
    if draft.subject:
        found += clearance.check(draft.subject, "subject", draft.message_class)
    if draft.mjml:
        found += clearance.check(draft.mjml, draft.channel, draft.message_class)
    if any(finding.rule == "F01" for finding in found):  # what cannot be parsed cannot be read further
        return Checked("", draft.message_class, (), (), tuple(found))
    html, broken = _compiled(draft)
    classified = message_class.detect(f"{draft.subject}\n{draft.body}\n{draft.mjml}", draft.message_class)
    fields = frozenset().union(*(clearance.fields_of(source) for source in (draft.subject, draft.body, draft.mjml)))
    found += broken
    for markup in dict.fromkeys((draft.mjml, html)):  # as written, and as it will be seen
        more = {"subject": draft.subject, "html": markup, "rendered": False, "purpose": _purpose(draft)}
        found += lint(
            draft.body, lint_context(practice, draft.channel, classified.message_class, draft.language, **more)
        )
    if classified.message_class not in _CLASSES:
        found.append(_billing(classified.because))
    return Checked(
        html, classified.message_class, classified.because, tuple(sorted(fields)), tuple(dict.fromkeys(found))
    )


def _purpose(draft: Draft) -> str:
    """What an answer is for, by its slug: each has rules of its own (L21)."""
    if draft.slug == "portal_notice":
        return "portal_notice" if draft.channel == "sms" else ""
    return _PURPOSES.get(draft.slug, "")


def save_version(practice_id: int, draft: Draft, actor: str, now: datetime) -> Version:
    """Save the next version of a template. Raises TemplateRefused with the blocking findings; a discount word turns a recall into promo.

    Saving what the newest version already says returns that version.
    """
    checked = check(draft, practices.get(practice_id))
    blocking = [finding for finding in checked.findings if finding.severity == "E"]
    if blocking:
        raise TemplateRefused(blocking)
    template_id = _template(practice_id, draft, now)
    sha256 = hashlib.sha256(repr(draft).encode()).hexdigest()
    newest = db.tuples(
        "SELECT id, number, sha256 FROM template_version WHERE practice_id = %(practice)s AND template_id = %(template)s "
        "ORDER BY number DESC LIMIT 1",
        practice=practice_id, template=template_id,
    )  # fmt: skip
    if newest and newest[0][2] == sha256:
        return version(practice_id, newest[0][0])
    saved = _insert(practice_id, template_id, newest[0][1] + 1 if newest else 1, draft, checked, (sha256, actor, now))
    audit.record(
        practice_id, actor, "template.saved", f"template_version:{saved}", now, {"class": checked.message_class}
    )
    return version(practice_id, saved)


def _insert(
    practice_id: int, template_id: int, number: int, draft: Draft, checked: Checked, by: tuple[str, str, datetime]
) -> int:
    sha256, actor, now = by
    return int(
        db.value(
            "INSERT INTO template_version (practice_id, template_id, number, subject, body, mjml, html, message_class, reply_question, "
            "fields, findings, sha256, created_by, created_at) VALUES (%(practice)s, %(template)s, %(number)s, %(subject)s, %(body)s, "
            "%(mjml)s, %(html)s, %(cls)s, %(question)s, %(fields)s, %(findings)s, %(sha)s, %(actor)s, %(now)s) RETURNING id",
            practice=practice_id, template=template_id, number=number, subject=draft.subject, body=draft.body, mjml=draft.mjml,
            html=checked.html, cls=checked.message_class, question=draft.reply_question, fields=list(checked.fields),
            findings=db.json([asdict(finding) for finding in checked.findings]), sha=sha256, actor=actor, now=now,
        )
    )  # fmt: skip


def _template(practice_id: int, draft: Draft, now: datetime) -> int:
    return int(
        db.value(
            "INSERT INTO template (practice_id, slug, channel, language, name, created_at) VALUES (%(practice)s, %(slug)s, %(channel)s, "
            "%(language)s, %(name)s, %(now)s) ON CONFLICT (practice_id, slug, channel, language) DO UPDATE "
            "SET name = CASE WHEN excluded.name = '' THEN template.name ELSE excluded.name END RETURNING id",
            practice=practice_id, slug=draft.slug, channel=draft.channel, language=draft.language,
            name=draft.name or draft.slug.replace("_", " ").capitalize(), now=now,
        )
    )  # fmt: skip


def _compiled(draft: Draft) -> tuple[str, list[Finding]]:
    """MJML to HTML, once for each version; Liquid passes through untouched."""
    if not draft.mjml:
        return "", []
    try:
        html = mrml.to_html(draft.mjml, None, _COMPILE).content
        clearance.parse(html, html=True)
    except Exception as error:  # noqa: BLE001  # the compiler raises plain errors of several kinds
        why = "What cannot be compiled looks broken in every mailbox."
        return "", [Finding("F01", "E", f"The MJML cannot be compiled: {error}", "mjml", why, "<mj-text>...</mj-text>")]
    return html, []


def _billing(because: Sequence[str]) -> Finding:
    what = f"This is about a bill: {', '.join(because)}."
    return Finding("CLASS_BILLING", "E", what, "whole text", "Billing and collection never travel through here.", "Questions? Call us.")  # fmt: skip


def lint_context(practice: Practice, channel: str, cls: str, language: str, **more: Any) -> LintContext:
    """Return what the lint holds a text of this practice against; ``more`` are further fields of LintContext."""
    return LintContext(
        channel=cast("Any", channel),
        message_class=cls,
        language=language,
        practice_name=practice.name,
        practice_phone=practice.phone,
        postal_address=practice.postal_address,
        brand=str(practice.policy.get("brand", "")),
        state=practice.state,
        allowed_link_hosts=(urlsplit(public_address(practice)).hostname or "",),
        covered_hosts=tuple(practice.policy.get("covered_hosts", ())),
        **more,
    )


def public_address(practice: Practice) -> str:
    """What links begin with, as the lint shall read it: a rehearsal on this machine is judged as if it had its https address."""
    return settings.PUBLIC_URL.replace("http://", "https://", 1) if practice.is_rehearsal else settings.PUBLIC_URL


def approve(practice_id: int, version_id: int, actor: str, now: datetime) -> Version:
    """Approve a version under a person's name. Raises TemplateRefused when today's checks find something that blocks."""
    checked = check(version(practice_id, version_id).draft, practices.get(practice_id))
    blocking = [finding for finding in checked.findings if finding.severity == "E"]
    if blocking:
        raise TemplateRefused(blocking)
    done = db.run(
        "UPDATE template_version SET approved_by = %(actor)s, approved_at = %(now)s "
        "WHERE practice_id = %(practice)s AND id = %(version)s AND approved_at IS NULL",
        practice=practice_id, version=version_id, actor=actor, now=now,
    )  # fmt: skip
    if done:
        audit.record(practice_id, actor, "template.approved", f"template_version:{version_id}", now)
    return version(practice_id, version_id)


_VERSION = (
    "SELECT v.id, v.template_id, v.number, t.slug, t.channel, t.language, t.name, v.subject, v.body, v.mjml, v.html, v.message_class, "
    "v.reply_question, v.fields, v.findings, v.created_by, v.created_at, v.approved_by, v.approved_at "
    "FROM template_version v JOIN template t ON t.practice_id = v.practice_id AND t.id = v.template_id "
    "WHERE v.practice_id = %(practice)s "
)


def version(practice_id: int, version_id: int) -> Version:
    """Return one version. Raises LookupError when the practice has none with this id."""
    found = db.one(Version, _VERSION + "AND v.id = %(version)s", practice=practice_id, version=version_id)
    if found is None:
        raise LookupError(f"There is no template version {version_id}.")
    return found


def versions(practice_id: int, version_ids: Sequence[int]) -> dict[int, Version]:
    """Return many versions by id."""
    found = db.rows(Version, _VERSION + "AND v.id = ANY(%(ids)s)", practice=practice_id, ids=list(version_ids))
    return {each.id: each for each in found}


def history(practice_id: int, slug: str, channel: str, language: str) -> list[Version]:
    """Return the ten newest versions of a template, the newest first; none when it was never saved."""
    return db.rows(
        Version,
        _VERSION + "AND t.slug = %(slug)s AND t.channel = %(channel)s AND t.language = %(language)s ORDER BY v.number DESC LIMIT 10",
        practice=practice_id, slug=slug, channel=channel, language=language,
    )  # fmt: skip


def approved(practice_id: int, slug: str, channel: str, language: str = "en") -> Version | None:
    """Return the newest approved version in ``language``, else in English, else None."""
    found = db.rows(
        Version,
        _VERSION + "AND t.slug = %(slug)s AND t.channel = %(channel)s AND t.language IN (%(language)s, 'en') "
        "AND v.approved_at IS NOT NULL ORDER BY t.language = %(language)s DESC, v.number DESC LIMIT 1",
        practice=practice_id, slug=slug, channel=channel, language=language,
    )  # fmt: skip
    return found[0] if found else None


def install_batch(practice_id: int, now: datetime) -> int:
    """Give a practice that has no templates yet the shipped ones; return how many. Opens its own transaction."""
    with db.scope(practice_id):
        if db.value("SELECT EXISTS (SELECT FROM template WHERE practice_id = %(practice)s)", practice=practice_id):
            return 0
        return install_shipped(practice_id, now)


def install_shipped(practice_id: int, now: datetime) -> int:
    """Save and approve every shipped template this practice does not have yet; return how many versions are new."""
    installed = 0
    for path in sorted(SHIPPED.glob("*.yaml")):
        for draft in shipped(path):
            saved = save_version(practice_id, draft, SHIPPED_BY, now)
            if saved.approved_at is None:
                approve(practice_id, saved.id, SHIPPED_BY, now)
                installed += 1
    return installed


def shipped(path: Path) -> list[Draft]:
    """Read the templates of one shipped file. Raises ValueError naming the file when it has a key that a template does not."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    entries = data if isinstance(data, list) else [data]
    try:
        return [Draft(**entry) for entry in entries]
    except TypeError as error:
        raise ValueError(f"{path.name}: {error}") from error
