"""An evidence pack as one flat timeline for a spreadsheet: a row a record, in order of time, each with the hash it has in the pack."""

from __future__ import annotations

from typing import Any, Final

from recare.base import spreadsheet

_HEAD: Final = (
    "at (UTC)", "what", "number", "channel", "address", "outcome", "words", "because", "rules", "rule packs", "consent event", "campaign",
    "template", "by", "sha256",
)  # fmt: skip
_OUTCOMES: Final = {
    "message": ("state",), "decision": ("verdict",), "consent_event": ("type", "level"), "inbound": ("understood_as", "decided_as"),
    "call": ("outcome",), "enrolment": ("arm", "state", "stop_reason"),
}  # fmt: skip
_WORDS: Final = {"message": "text", "consent_event": "exact_text", "inbound": "text", "call": "note"}
_BY: Final = {"message": "provider", "consent_event": "actor", "inbound": "decided_by", "call": "staff"}


def as_csv(pack: dict[str, Any]) -> bytes:
    """Return the timeline. Its last column leads to the record in the pack (JSON), which is what proves; a CSV proves nothing by itself."""
    return b"".join(spreadsheet.lines(_HEAD, [_row(record) for record in pack["records"]]))


def _row(record: dict[str, Any]) -> list[str]:
    kind, content = record["kind"], record["content"]
    reasons = [reason for reason in content.get("reasons") or [] if isinstance(reason, dict)]

    def of(name: str) -> str:
        value = content.get(name)
        return "" if value is None else str(value)

    def told(name: str) -> str:
        return "; ".join(dict.fromkeys(str(reason[name]) for reason in reasons if reason.get(name)))

    return [
        record["at"], kind.replace("_", " "), str(record["id"]), of("channel"), of("address") or of("sender"),
        " ".join(of(name) for name in _OUTCOMES[kind] if of(name)).replace("_", " "), of(_WORDS.get(kind, "")),
        told("words") or told("code"), told("rule"), told("pack"), of("consent_seq") or of("consent_event"), of("campaign"), of("template"),
        of(_BY.get(kind, "")), record["sha256"],
    ]  # fmt: skip
