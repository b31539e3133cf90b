"""A calendar entry for the patient: when and where, never why. Moved visits keep their identity, so calendars replace the entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from django.conf import settings
from icalendar import Calendar, Event

from recare.base import phones

if TYPE_CHECKING:
    from datetime import datetime

    from recare.bookings.booking import Booking
    from recare.practices.practice import Practice

_SUMMARY: Final = {"en": "Visit at {name}", "es": "Cita en {name}"}


def build(booking: Booking, practice: Practice, now: datetime, language: str = "en") -> bytes:
    """Return an ``.ics`` file with the visit in the practice's own time zone; a cancelled booking says so."""
    event = Event()
    host = urlsplit(settings.PUBLIC_URL).hostname or "recare"
    event.add("uid", f"{booking.calendar_uid}@{host}")
    event.add("sequence", booking.sequence + (booking.state == "cancelled"))
    event.add("dtstamp", now)
    event.add("dtstart", booking.starts_at.astimezone(practice.zone))
    event.add("dtend", booking.ends_at.astimezone(practice.zone))
    event.add("summary", _SUMMARY.get(language, _SUMMARY["en"]).format(name=practice.name))
    event.add("status", "CANCELLED" if booking.state == "cancelled" else "CONFIRMED")
    if practice.postal_address:
        event.add("location", practice.postal_address)
    if practice.phone:
        event.add("description", f"{practice.name}, {phones.shown(practice.phone)}")
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//Recare//Bookings//EN")
    calendar.add("method", "CANCEL" if booking.state == "cancelled" else "PUBLISH")
    calendar.add_component(event)
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())
