"""What the vendor answers, always the same: a grant, an event of 28 fields, a page of 200."""

from __future__ import annotations

import json
from typing import Any

START = 1_893_492_000
"""Unix seconds at which the event begins."""

REQUEST_ID = "1-5fa64c92-e84043578689b2aa364d35b8"
PAGE_OF = 200
TEXTS_CALENDAR = "texts"
"""The calendar whose events have no conference of their own, but a link in their description."""

CODE, PASSCODE = "85712345678", "mellon"
JOIN_URL = "https://us02web.zoom.us/j/85712345678?pwd=c2FsdGVkcGFzc3dvcmQ"
DESCRIPTION = "Figures of the quarter, open questions of the platform team, decisions for the next."
PEOPLE = (
    ("maria.lindqvist@example.com", "Maria Lindqvist", "yes"),
    ("tomas.okafor@example.com", "Tomas Okafor", "noreply"),
    ("planning@example.com", "Planning", "maybe"),
)
METADATA = {"key1": "planning", "team": "platform", "source": "scheduler"}

EVENT: dict[str, Any] = {
    "id": "bench7q2v0k1e9s4r8t6",
    "grant_id": "bench-grant-0",
    "calendar_id": "primary@example.com",
    "object": "event",
    "title": "Quarterly planning",
    "description": DESCRIPTION,
    "location": "Building 4, room 12",
    "when": {
        "object": "timespan",
        "start_time": START,
        "end_time": START + 3600,
        "start_timezone": "Europe/Stockholm",
        "end_timezone": "Europe/Stockholm",
    },
    "participants": [
        {"email": email, "name": name, "status": status} for email, name, status in PEOPLE
    ],
    "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=4"],
    "reminders": {
        "use_default": False,
        "overrides": [
            {"reminder_minutes": 10, "reminder_method": "popup"},
            {"reminder_minutes": 60, "reminder_method": "email"},
        ],
    },
    "visibility": "private",
    "busy": True,
    "metadata": METADATA,
    "resources": [{"email": "room-12@example.com", "name": "Room 12"}],
    "conferencing": {
        "provider": "Zoom Meeting",
        "details": {"url": JOIN_URL, "meeting_code": CODE, "password": PASSCODE},
    },
    "organizer": {"email": "maria.lindqvist@example.com", "name": "Maria Lindqvist"},
    "creator": {"email": "scheduler@example.com", "name": "Scheduler"},
    "read_only": False,
    "status": "confirmed",
    "html_link": "https://www.google.com/calendar/event?eid=YmVuY2g3cTJ2MGsxZTlzNHI4dDYgcHJpbWFyeQ",
    "ical_uid": "bench7q2v0k1e9s4r8t6@google.com",
    "master_event_id": "bench7q2v0k1e9s4r8t5",
    "original_start_time": START,
    "created_at": START - 86_400,
    "updated_at": START - 86_000,
    "hide_participants": True,
    "capacity": 25,
}

GRANT = {
    "id": "bench-grant-0",
    "provider": "google",
    "grant_status": "valid",
    "email": "maria.lindqvist@example.com",
    "scope": ["https://www.googleapis.com/auth/calendar"],
    "created_at": START - 864_000,
}


TEXT = f"{DESCRIPTION}\nJoin Zoom Meeting: {JOIN_URL}\nPasscode: {PASSCODE}"
_TEXT_EVENT = {k: v for k, v in EVENT.items() if k != "conferencing"} | {"description": TEXT}

CALENDAR = {"id": "primary@example.com", "name": "Maria", "read_only": False, "is_primary": True}


def _bytes(data: Any, **more: Any) -> bytes:
    return json.dumps({"request_id": REQUEST_ID, "data": data, **more}).encode()


GRANT_ANSWER = _bytes(GRANT)
EVENT_ANSWER = _bytes(EVENT)
CALENDAR_ANSWER = _bytes(CALENDAR)


def id_in_page(number: int) -> str:
    """Return the id of an event of a page."""
    return f"{EVENT['id']}{number:03}"


def page_answer(calendar_id: str) -> bytes:
    """Return a page of 200 events, each with an id of its own."""
    event = _TEXT_EVENT if calendar_id == TEXTS_CALENDAR else EVENT
    events = [event | {"id": id_in_page(number)} for number in range(PAGE_OF)]
    return _bytes(events, next_cursor="bench-next-page")
