"""Packs are read whole or not at all, and every reason and rule has its plain words."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from recare.compliance import checks, gates
from recare.compliance.decision import Reason
from recare.compliance.listing import in_words as listing
from recare.compliance.listing import rules
from recare.compliance.packs import FOLDER, PackError, load_from, load_packs
from recare.compliance.words import HOLDS, SENTENCES, STATES, in_words
from recare.compliance.zones import table, zips
from tests.compliance.questions import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

UNTIL = datetime(2026, 12, 1, 17, tzinfo=UTC)


def codes_of_gates() -> Iterator[str]:
    """Every code that a gate can give, read from the source."""
    folder = Path(checks.__file__).parent
    for path in [*folder.glob("*.py"), Path(gates.__file__), folder.parent / "windows.py"]:
        text = path.read_text(encoding="utf-8")
        yield from re.findall(r'(?:deny|review|Reason|return)\(?\s*"([A-Z][A-Z0-9_]{3,})"', text)
        yield from re.findall(r'\("([A-Z][A-Z0-9_]{3,})", "[A-Z]{3}-\d\d"\)', text)
        yield from re.findall(r'"(NO_CONSENT_[A-Z]+)"', text)


def test_every_reason_has_one_short_plain_sentence() -> None:
    known = set(codes_of_gates()) - {"LEGAL_HOLD"}
    assert len(known) > 60
    assert known == set(SENTENCES)
    for code in known:
        sentence = in_words(Reason(code, "ENG-01", "deny", until=UNTIL), ZoneInfo("America/Denver"))
        assert re.fullmatch(r"[A-Z][^_{}]*\.", sentence), sentence
        assert len(sentence) <= 125, sentence
        assert code not in sentence


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (Reason("HAS_APPT", "PAT-01", "deny", detail="2026-12-03"), "Has a visit on 3 Dec."),
        (Reason("NO_PEWC", "CON-01", "deny", detail="FL"), "Their number or address is in Florida; texts and calls there need signed consent."),
        (Reason("QUIET_HOURS", "TIM-01", "delay", until=UNTIL), "Not at this hour; next on 1 Dec at 17:00 UTC."),
        (Reason("STATE_SUNDAY", "TIM-02", "delay", detail="AL", until=UNTIL), "No Sundays in Alabama; next on 1 Dec at 17:00 UTC."),
        (Reason("STATE_DNC_UNCHECKED", "DNC-03", "review", detail="FL TX"), "The do-not-call list of Florida and Texas has not been checked for this number."),
        (Reason("LEGAL_HOLD", "PAT-01", "review", detail="complaint"), HOLDS["complaint"]),
    ],
)  # fmt: skip
def test_words_say_what_is_the_matter(reason: Reason, sentence: str) -> None:
    assert in_words(reason) == sentence


def test_words_show_the_local_hour() -> None:
    reason = Reason("FREQ_WEEK", "FRQ-01", "delay", until=UNTIL)
    assert in_words(reason, ZoneInfo("America/Denver")) == "Was contacted recently; next on 1 Dec at 10:00."


def test_words_of_a_real_decision() -> None:
    found = answer(address="+13055550101")
    assert (
        in_words(found.reasons[0])
        == "Their number or address is in Florida; texts and calls there need signed consent."
    )


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("us.yaml", 'weekday: "10:00-21:00"', 'weekday: "25:00-21:00"', r"us\.yaml: states\.\d+\.weekday"),
        (
            "us.yaml",
            'weekday: "10:00-21:00"',
            'weekday: "22:00-21:00"',
            r"us\.yaml: states\.\d+\.weekday: .*open before",
        ),
        ("us.yaml", "ends: 2026-10-17", "ends: 2026-10-20", r"us\.yaml: .*row PA from 2026-10-18: overlaps"),
        ("us.yaml", "state_list: true", "state_lists: true", r"us\.yaml: states\.\d+\.state_lists: Extra"),
        ("us.yaml", "confidence: H, cite", "confidence: Q, cite", r"us\.yaml: states\.\d+\.confidence"),
        ("us.yaml", "sms: {A: 1,", "sms: {", r"us\.yaml: .*floors\.sms"),
        ("gb.yaml", 'cite: "', 'site: "', r"gb\.yaml: cite: Field required"),
        ("gb.yaml", "GB: {", "US: {", r"us\.yaml: countries\.US: another pack"),
        ("ca.yaml", "floors:", "floors: [", r"ca\.yaml: is not YAML"),
        ("national.yaml", "margin_minutes: 5", "margin_minutes: -5", r"national\.yaml: margin_minutes"),
        ("us.yaml", 'cite: "KRS 367', 'weekday: "08:00-21:00", cite: "KRS 367', r"us\.yaml: .*weekday.*twice"),
        (
            "us.yaml",
            'sunday: "08:00-21:00"\n',
            'sunday: "08:00-21:00"\nsunday: "08:00-22:00"\n',
            r"us\.yaml: .*sunday.*twice",
        ),
        ("us.yaml", "starts: 2026-10-18", "starts: 2026-10-20", r"us\.yaml: .*row PA from 2026-10-20: .*no row"),
        ("us.yaml", "starts: 2026-10-18", "starts: 2026-13-18", r"us\.yaml: "),
        ("us.yaml", "ends: 2026-10-17", "ends: soon", r"us\.yaml: states\.\d+\.ends"),
        ("us.yaml", "recall_floor: 3", "recall_floor: yes", r"us\.yaml: states\.\d+\.recall_floor"),
        ("us.yaml", "recall_floor: 3", "recall_floor: 4", r"us\.yaml: states\.\d+\.recall_floor"),
        ("us.yaml", "ebr_months: 12", "ebr_months: -12", r"us\.yaml: states\.\d+\.ebr_months"),
        ("us.yaml", "ebr_months: 18", "ebr_months: '18'", r"us\.yaml: ebr_months"),
        ("us.yaml", "per_day: 1", "per_day: 0", r"us\.yaml: phone_caps\.per_day"),
        ("us.yaml", "per_day: 1", "per_dya: 1", r"us\.yaml: phone_caps\.per_dya"),
        ("us.yaml", "hours: 24, touches: 3", "hours: 24, touches: 0", r"us\.yaml: states\.\d+\.caps\.0\.touches"),
        (
            "us.yaml",
            "registry_channels: [sms, call]",
            "registry_channels: [text, call]",
            r"us\.yaml: registry_channels\.0",
        ),
        ("us.yaml", "federal_only:\n  [AK,", "federal_only:\n  [AK, CO,", r"us\.yaml: .*CO.*federal_only"),
        ("us.yaml", "federal_only:\n  [AK,", "federal_only:\n  [Alaska,", r"us\.yaml: federal_only\.0"),
        ("us.yaml", "holidays: closed", "holidays: no", r"us\.yaml: states\.\d+\.holidays"),
        ("us.yaml", "state_list: true", "state_list: 1", r"us\.yaml: states\.\d+\.state_list"),
        ("us.yaml", "{state: CO,", "{state: Colorado,", r"us\.yaml: states\.\d+\.state"),
        ("us.yaml", 'version: "2026.11.25"', "version: 2026.11", r"us\.yaml: version"),
        (
            "ca.yaml",
            "AB: [America/Edmonton]",
            "AB: [America/Edmontown]",
            r"ca\.yaml: countries\.CA\.regions\.AB.*America/Edmontown",
        ),
        ("ca.yaml", "implied_classes: [R]", "implied_classes: [Recall]", r"ca\.yaml: implied_classes\.0"),
        ("gb.yaml", "Europe/London", "Europe/Londres", r"gb\.yaml: countries\.GB\.zones.*Europe/Londres"),
        ("gb.yaml", 'calling_code: "44"', 'calling_code: "+44"', r"gb\.yaml: countries\.GB\.calling_code"),
        ("eu.yaml", "  AT: {", "  Austria: {", r"eu\.yaml: countries\.Austria"),
    ],
)
def test_a_malformed_pack_names_its_file_and_place(
    tmp_path: Path, name: str, old: str, new: str, complaint: str
) -> None:
    for path in FOLDER.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PackError, match=complaint):
        load_from(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("us.yaml", b"", r"us\.yaml"),
        ("us.yaml", b"- a\n- list\n", r"us\.yaml"),
        ("us.yaml", b"version: \xff\xfe", r"us\.yaml: is not UTF-8"),
        ("us.yaml", b"version: !!python/object:os.system x", r"us\.yaml: is not YAML"),
        ("us-2027.yaml", b"", r"us-2027\.yaml: no pack has such a name"),
        ("gb.yml", b"", r"gb\.yml: no pack has such a name"),
    ],
)
def test_what_is_no_pack_stops_loudly(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    for path in FOLDER.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PackError, match=complaint):
        load_from(tmp_path)


def test_ENG_03_a_day_for_which_a_state_has_no_row_goes_to_a_person(tmp_path: Path) -> None:  # noqa: N802
    for path in FOLDER.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    text = (tmp_path / "us.yaml").read_text(encoding="utf-8")
    old = "{state: KY, "
    assert old in text
    (tmp_path / "us.yaml").write_text(text.replace(old, "{state: KY, ends: 2026-11-23, "), encoding="utf-8")
    packs = load_from(tmp_path)
    assert "STATE_PACK_MISSING" in answer(packs=packs, zip="40202", address="+15025550101").codes
    before = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)
    assert "STATE_PACK_MISSING" not in answer(now=before, packs=packs, zip="40202", address="+15025550101").codes


def test_an_empty_folder_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"national\.yaml"):
        load_from(tmp_path)


def test_every_state_has_exactly_one_reading() -> None:
    us = load_packs().packs["US"]
    rows = {row.state for row in us.states}
    assert len(rows | set(us.federal_only)) == 51
    assert not rows & set(us.federal_only)
    assert {found.country for found in table().values()} == {"US", "CA"}
    assert rows <= set(STATES)


def test_every_zone_of_a_zip_is_a_zone() -> None:
    lost = {state for found in zips().values() for state in found.states if not found.zones}
    assert lost <= {"AA", "AE", "AP"}


def test_the_listing_says_every_rule_with_its_source() -> None:
    lines = "\n".join(listing())
    for rule in rules():
        assert f"{rule.id}  {rule.says}" in lines
        assert rule.source in lines
    for state in load_packs().packs["US"].states:
        assert state.cite in lines
    assert "counsel confirms" in lines


def test_every_rule_a_gate_names_is_listed() -> None:
    folder = Path(checks.__file__).parent
    named = {
        rule
        for path in folder.glob("*.py")
        for rule in re.findall(r'"([A-Z]{3}-\d\d)"', path.read_text(encoding="utf-8"))
    }
    assert named <= {rule.id for rule in rules()}
