"""The case study's third step carries an offer: complete terms, a true last day, only for whom the law allows it."""

from __future__ import annotations

from datetime import datetime, timedelta

from recare.campaigns import offers

SLUG = "welcome_back"


def make(practice_id: int, now: datetime) -> None:
    """Make and approve the demo's offer; it ends with the rehearsal's fourth month."""
    terms = {
        "what": "Examination and X-rays for patients who come back", "regular_fee_cents": 165_00, "price_cents": 89_00,
        "starts_on": now.date(), "ends_at": now + timedelta(days=120), "exclusions": "Other treatment is charged at our usual fees.",
        "extra_fees": "None for the examination and X-rays named here.", "license_name": "Iris Hollinbeck, DDS",
        "license_number": "IL 019-000000", "who": "Patients who have not been seen for two years or longer.",
        "predicate": None, "payer_classes": ["commercial", "self_pay", "membership"], "states": [],
    }  # fmt: skip
    offers.save(practice_id, SLUG, terms, "demo", now)
    offers.approve(practice_id, SLUG, "demo owner", now)
