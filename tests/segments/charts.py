"""Random charts with every oddity facts must stand, and an oracle that computes facts the slow way, one patient at a time."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from recare.base import db
from tests.factories import insert, make_patient, make_point

CODES = (
    "D0120", "D0150", "D0210", "D0330", "D0999", "D1110", "D1120", "D1206", "D2392", "D3330", "D4341", "D4910", "D4211", "D5110", "D6010", "D7140",
    "D8080", "D9110", "D9986", "D9987", "N1234", "T1356",
)  # fmt: skip
BEGIN = date(2021, 1, 4)
_numbers = iter(range(1, 10_000_000))


def some_day(rng: random.Random) -> date:
    return BEGIN + timedelta(days=rng.randrange(2400))


def some_time(rng: random.Random, zone: ZoneInfo) -> datetime:
    """An instant of a practice's day; sometimes in the small hours, where UTC has another day."""
    hour = rng.choice((8, 11, 16, 20, 21, 22, 23, 0, 1, 2))
    return (
        datetime.combine(some_day(rng), datetime.min.time(), zone)
        .replace(hour=hour, minute=rng.randrange(60))
        .astimezone(UTC)
    )


def _key() -> dict[str, str]:
    return {"source": "random", "source_key": f"R{next(_numbers)}"}


def make_chart(practice_id: int, rng: random.Random, zone: ZoneInfo, people: int = 40) -> list[int]:
    """Write a random practice of patients and return their ids."""
    homes = [insert("household", practice_id=practice_id, key=f"h{next(_numbers)}") for _ in range(max(people // 3, 1))]
    patients: list[int] = []
    for _ in range(people):
        patients.append(make_patient(practice_id, **_person(rng, homes, patients), **_key()))
    for patient in patients:
        _care(practice_id, patient, rng, zone)
        _plans(practice_id, patient, rng)
        _points(practice_id, patient, rng)
        _contacts(practice_id, patient, rng)
    return patients


def _person(rng: random.Random, homes: list[int], before: list[int]) -> dict[str, Any]:
    maybe = rng.random
    return {
        "household_id": rng.choice((None, *homes)),
        "guarantor_id": rng.choice((None, *before[-3:])),
        "merged_into_id": rng.choice(before) if before and maybe() < 0.05 else None,
        "birthdate": None if maybe() < 0.1 else date(1935, 1, 1) + timedelta(days=rng.randrange(33_000)),
        "status": rng.choice(("active",) * 6 + ("inactive", "inactive", "archived", "deceased", "deleted", "unknown", "prospective")),
        "standing": rng.choice(("",) * 6 + ("lapsed", "moved", "dismissed")),
        "hold": rng.choice(("",) * 9 + ("complaint",)),
        "do_not_contact": maybe() < 0.05, "cannot_schedule": maybe() < 0.05,
        "deceased_on": some_day(rng) if maybe() < 0.03 else None, "dismissed_on": some_day(rng) if maybe() < 0.03 else None,
        "paused_until": some_day(rng) if maybe() < 0.05 else None,
        "banned_channels": rng.choice(([], [], [], ["sms"], ["call", "email"], ["letter"])),
        "preferred_channel": rng.choice(("", "sms", "email", "call")),
        "first_visit_on": some_day(rng) if maybe() < 0.5 else None,
        "last_visit_stated_on": some_day(rng) if maybe() < 0.4 else None,
        "street": rng.choice(("", "1 Elm St")), "sex": rng.choice(("", "f", "m")),
    }  # fmt: skip


def _care(practice_id: int, patient: int, rng: random.Random, zone: ZoneInfo) -> None:
    days = [some_day(rng) for _ in range(rng.randrange(6))]
    for _ in range(rng.randrange(9)):
        insert(
            "procedure", practice_id=practice_id, patient_id=patient, code=rng.choice(CODES), fee_cents=rng.randrange(200_000),
            status=rng.choice(("completed",) * 4 + ("planned", "planned", "existing", "referred", "condition", "deleted")),
            done_on=rng.choice((*days, some_day(rng), None)), **_key(),
        )  # fmt: skip
    for _ in range(rng.randrange(7)):
        at = some_time(rng, zone)
        if days and rng.random() < 0.5:
            at = datetime.combine(rng.choice(days), datetime.min.time(), zone).replace(hour=20).astimezone(UTC)
        insert(
            "appointment", practice_id=practice_id, patient_id=patient, starts_at=None if rng.random() < 0.1 else at,
            status=rng.choice(("completed", "completed", "scheduled", "missed", "cancelled", "broken", "unscheduled", "planned", "note")),
            is_hygiene=rng.random() < 0.5, codes=rng.sample(CODES, rng.randrange(3)),
            deleted_at=at if rng.random() < 0.1 else None, **_key(),
        )  # fmt: skip


def _plans(practice_id: int, patient: int, rng: random.Random) -> None:
    for _ in range(rng.randrange(4)):
        insert(
            "treatment_plan_item", practice_id=practice_id, patient_id=patient, code=rng.choice(CODES), fee_cents=rng.randrange(300_000),
            status=rng.choice(("proposed", "accepted", "scheduled", "completed", "rejected", "deleted")),
            planned_on=rng.choice((None, some_day(rng))), expires_on=rng.choice((None, some_day(rng))), **_key(),
        )  # fmt: skip
    for _ in range(rng.randrange(4)):
        insert(
            "recall", practice_id=practice_id, patient_id=patient, kind=rng.choice(("prophy", "perio", "child", "exam", "bitewing", "pano", "other")),
            interval_months=rng.choice((None, 3, 4, 6, 12)), interval_days=rng.choice((None, 0, 1)), due_on=rng.choice((None, some_day(rng))),
            disabled=rng.random() < 0.2, disabled_until=rng.choice((None, some_day(rng))), **_key(),
        )  # fmt: skip
    for ordinal in range(rng.randrange(3)):
        insert(
            "coverage", practice_id=practice_id, patient_id=patient, ordinal=ordinal + 1,
            payer_class=rng.choice(("commercial", "medicaid", "medicare", "self_pay", "membership", "unknown")),
            renews_month=rng.choice((None, 1, 7)), annual_max_cents=rng.choice((None, 100_000)), used_cents=rng.choice((None, 40_000, 120_000)),
            ends_on=rng.choice((None, some_day(rng))), **_key(),
        )  # fmt: skip


def _points(practice_id: int, patient: int, rng: random.Random) -> None:
    moment = datetime(2025, 3, 1, tzinfo=UTC)
    for _ in range(rng.randrange(4)):
        email = rng.random() < 0.4
        marks: dict[str, Any] = {name: moment for name in ("sms_out_at", "email_out_at", "call_out_at", "wrong_number_at", "complained_at", "hard_bounced_at",
                                           "sms_incapable_at") if rng.random() < 0.08}  # fmt: skip
        levels: dict[str, Any] = {f"{channel}_level": rng.randrange(4) for channel in ("sms", "email", "call")}
        point = make_point(
            practice_id, None, f"someone{next(_numbers)}@example.com" if email else "", reassigned=rng.choice(("", "", "yes", "no")), **marks, **levels,
        )  # fmt: skip
        insert(
            "patient_contact", practice_id=practice_id, patient_id=patient, contact_point_id=point, source="random", rank=rng.randrange(3),
            label="email" if email else rng.choice(("mobile", "home", "work", "other")), extension=rng.choice(("", "", "", "12")),
            ended_at=moment if rng.random() < 0.1 else None,
        )  # fmt: skip


def _contacts(practice_id: int, patient: int, rng: random.Random) -> None:
    if rng.random() < 0.4:
        event = insert(
            "inbound_event", practice_id=practice_id, provider="sandbox", provider_event_id=f"e{next(_numbers)}", channel="sms",
            sender="+16305550101", received_at=datetime(2026, 5, 1, tzinfo=UTC),
        )  # fmt: skip
        insert(
            "reply", practice_id=practice_id, inbound_event_id=event, patient_id=patient, intent="yes", detector="test", held=False,
            at=datetime(2026, 5, 1, 3, tzinfo=UTC) + timedelta(days=rng.randrange(200)),
        )  # fmt: skip


# --- the oracle -------------------------------------------------------------------------------------------------

STRICTEST = ("medicaid", "chip", "medicare", "tricare", "commercial", "membership", "self_pay", "unknown")
KINDS_OF_CARE = (
    ("D9986", "missed"), ("D9987", "cancelled"), ("D01", "exam"), ("D02", "images"), ("D03", "images"), ("D11", "cleaning"), ("D1", "prevention"),
    ("D2", "restorative"), ("D3", "root_canal"), ("D4", "perio"), ("D5", "dentures"), ("D6", "implants_bridges"), ("D7", "surgery"),
    ("D8", "orthodontics"),
)  # fmt: skip


def kind_of(code: str) -> str:
    return next((kind for prefix, kind in KINDS_OF_CARE if code.startswith(prefix)), "other")


def is_hygiene(code: str) -> bool:
    return code.startswith(("D11", "D434", "D4355", "D4910"))


def table(name: str, practice_id: int) -> dict[int, list[dict[str, Any]]]:
    """All rows of a table as dictionaries, by patient."""
    key = "id" if name == "patient" else "patient_id"
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    columns = db.values(
        "SELECT attname FROM pg_attribute WHERE attrelid = %(t)s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        t=name,
    )
    for row in db.tuples(
        f"SELECT {', '.join(columns)} FROM {name} WHERE practice_id = %(p)s ORDER BY id", p=practice_id
    ):
        record = dict(zip(columns, row, strict=True))
        found[record[key]].append(record)
    return found


def facts_by_hand(practice_id: int, zone: ZoneInfo) -> dict[int, dict[str, Any]]:
    """Compute the facts of all patients of a practice, column by column, in plain Python."""
    names = ("procedure", "appointment", "recall", "treatment_plan_item", "coverage", "patient_contact", "reply")
    rows = {name: table(name, practice_id) for name in names}
    people = {key: found[0] for key, found in table("patient", practice_id).items()}
    points = {
        row[0]: dict(zip(("kind", "sms_level", "email_level", "call_level", "sms_out_at", "email_out_at", "call_out_at", "wrong_number_at",
                          "complained_at", "hard_bounced_at", "sms_incapable_at", "reassigned"), row[1:], strict=True))
        for row in db.tuples("SELECT id, kind, sms_level, email_level, call_level, sms_out_at, email_out_at, call_out_at, wrong_number_at,"
                             " complained_at, hard_bounced_at, sms_incapable_at, reassigned FROM contact_point WHERE practice_id = %(p)s", p=practice_id)
    }  # fmt: skip
    homes: dict[int, int] = defaultdict(int)
    for person in people.values():
        if (
            person["household_id"]
            and not person["merged_into_id"]
            and person["status"] not in ("deceased", "deleted")
            and not person["deceased_on"]
        ):
            homes[person["household_id"]] += 1
    found = {}
    for patient, person in people.items():
        own = {name: rows[name][patient] for name in names}
        history = _history(own["procedure"], own["appointment"], zone)
        stated = person["last_visit_stated_on"] if history["last_visit_on"] is None else history["last_visit_on"]
        firsts = [day for day in (person["first_visit_on"], history.pop("first_on")) if day]
        found[patient] = {
            **history, "last_visit_on": stated, "first_visit_on": min(firsts, default=None), **_who(person), **_recall(own["recall"], person, history),
            **_plan(own), **_cover(own["coverage"]), **_reach(own["patient_contact"], points, person),
            "household_size": max(homes.get(person["household_id"], 1), 1),
            "last_reply_on": max((row["at"].astimezone(zone).date() for row in own["reply"]), default=None),
        }  # fmt: skip
    return found


def _history(procedures: list[dict[str, Any]], appointments: list[dict[str, Any]], zone: ZoneInfo) -> dict[str, Any]:
    kept: dict[date, int] = defaultdict(int)
    hygiene, missed, broken, kinds = set(), set(), set(), set()
    for row in procedures:
        if row["status"] != "completed" or row["done_on"] is None:
            continue
        kind = kind_of(row["code"])
        if kind in {"missed", "cancelled"}:
            broken.add(row["done_on"])
            missed |= {row["done_on"]} if kind == "missed" else set()
            continue
        kept[row["done_on"]] += row["fee_cents"]
        kinds.add(kind)
        hygiene |= {row["done_on"]} if is_hygiene(row["code"]) else set()
    for row in appointments:
        if row["deleted_at"] or row["starts_at"] is None:
            continue
        day = row["starts_at"].astimezone(zone).date()
        if row["status"] == "completed":
            kept[day] += 0
            hygiene |= {day} if row["is_hygiene"] else set()
        elif row["status"] in {"missed", "broken", "cancelled"}:
            broken.add(day)
            missed |= {day} if row["status"] != "cancelled" else set()
    last = max(kept, default=None)
    recent = {day: cents for day, cents in kept.items() if last and day > last - timedelta(days=730)}
    ahead = {
        row["starts_at"]
        for row in appointments
        if row["status"] == "scheduled" and not row["deleted_at"] and row["starts_at"]
    }
    return {
        "first_on": min(kept, default=None), "last_visit_on": last, "last_hygiene_on": max(hygiene, default=None), "visits": len(kept),
        "visits_24m": len(recent), "production_24m_cents": sum(recent.values()), "missed_visits": len(missed),
        "last_broken_on": max(broken, default=None), "care": kinds, "scheduled_at": sorted(ahead),
    }  # fmt: skip


def _who(person: dict[str, Any]) -> dict[str, Any]:
    born = person["birthdate"]
    fine = (
        not person["merged_into_id"] and person["status"] in {"active", "inactive", "unknown"} and person["standing"] in {"", "lapsed"}
        and not person["hold"] and not person["deceased_on"] and not person["dismissed_on"] and not person["do_not_contact"]
        and not person["cannot_schedule"]
    )  # fmt: skip
    return {
        "contactable": fine, "status": "merged" if person["merged_into_id"] else person["status"],
        "guardian_id": person["guarantor_id"] if person["guarantor_id"] != person["id"] else None,
        "adult_on": born and (born.replace(year=born.year + 18) if (born.month, born.day) != (2, 29) else date(born.year + 18, 2, 28)),
        "paused_until": person["paused_until"], "preferred_channel": person["preferred_channel"],
    }  # fmt: skip


def _recall(recalls: list[dict[str, Any]], person: dict[str, Any], history: dict[str, Any]) -> dict[str, Any]:
    adult_on, rank = _who(person)["adult_on"], {"perio": 1, "prophy": 2, "child": 3, "exam": 4}
    choices = []
    for row in recalls:
        if row["kind"] not in rank or row["due_on"] is None or (row["disabled"] and row["disabled_until"] is None):
            continue
        due = max(row["due_on"], row["disabled_until"]) if row["disabled"] else row["due_on"]
        if row["kind"] == "child" and adult_on and due >= adult_on:
            continue
        days = min(round((row["interval_months"] or 0) * 30.4375 + 1e-9) + (row["interval_days"] or 0), 32000)
        choices.append((rank[row["kind"]], due, days, row["kind"]))
    if not choices:
        return {"recall_kind": "", "recall_due_on": None, "recall_interval_days": None}
    _, due, days, kind = min(choices)
    if history["last_hygiene_on"] and history["last_hygiene_on"] >= due:
        due = history["last_hygiene_on"] + timedelta(days=days or 183)
    return {"recall_kind": kind, "recall_due_on": due, "recall_interval_days": days or None}


def _plan(own: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    booked = {
        code
        for row in own["appointment"]
        if row["status"] == "scheduled" and not row["deleted_at"]
        for code in row["codes"]
    }
    items = [
        row
        for row in own["treatment_plan_item"]
        if row["status"] in {"proposed", "accepted"} and row["code"] not in booked
    ]
    planned = [row for row in own["procedure"] if row["status"] == "planned" and row["code"] not in booked]
    days = [row["planned_on"] for row in items if row["planned_on"]] + [
        row["done_on"] for row in planned if row["done_on"]
    ]
    return {
        "unscheduled_cents": max(sum(row["fee_cents"] for row in items), sum(row["fee_cents"] for row in planned)),
        "unscheduled_items": max(len(items), len(planned)), "oldest_plan_on": min(days, default=None),
        "plan_expires_on": min((row["expires_on"] for row in items if row["expires_on"]), default=None),
    }  # fmt: skip


def _cover(coverage: list[dict[str, Any]]) -> dict[str, Any]:
    payer = min((STRICTEST.index(row["payer_class"]) for row in coverage), default=7)
    insured = [row for row in coverage if row["payer_class"] not in {"self_pay", "membership"}]
    best = min(
        insured, key=lambda row: (-(row["ends_on"] or date.max).toordinal(), row["ordinal"], row["id"]), default=None
    )
    left = (
        None
        if best is None or best["annual_max_cents"] is None
        else max(best["annual_max_cents"] - (best["used_cents"] or 0), 0)
    )
    return {
        "payer_class": STRICTEST[payer], "benefit_renews_month": best and best["renews_month"], "benefit_left_cents": left,
        "benefit_ends_on": best and best["ends_on"],
    }  # fmt: skip


def _reach(holds: list[dict[str, Any]], points: dict[int, dict[str, Any]], person: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "letter_ok": bool(person["street"] and person["zip"] and "letter" not in person["banned_channels"])
    }
    for channel, needed in (("sms", 2), ("email", 2), ("call", 0)):
        ways = []
        for hold in holds:
            point = points[hold["contact_point_id"]]
            if _suits(channel, hold, point):
                ways.append(
                    (
                        -point[f"{channel}_level"],
                        _label_rank(channel, hold["label"]),
                        hold["rank"],
                        hold["contact_point_id"],
                    )
                )
        best = min(ways, default=None) if channel not in person["banned_channels"] else None
        found[f"{channel}_point_id"] = best and best[3]
        found[f"{channel}_ok"] = best is not None and -best[0] >= needed
    return found


def _suits(channel: str, hold: dict[str, Any], point: dict[str, Any]) -> bool:
    if (
        hold["ended_at"]
        or point["wrong_number_at"]
        or point["complained_at"]
        or point["reassigned"] == "yes"
        or point[f"{channel}_out_at"]
    ):
        return False
    if channel == "email":
        return point["kind"] == "email" and not point["hard_bounced_at"]
    textable = hold["label"] in {"mobile", "other"} or point["sms_level"] > 0
    fit = channel == "call" or (not hold["extension"] and not point["sms_incapable_at"] and textable)
    return bool(point["kind"] == "phone" and fit)


def _label_rank(channel: str, label: str) -> int:
    if channel == "email":
        return 0
    return ("mobile", "home", "other", "work").index(label) if channel == "call" else int(label != "mobile")
