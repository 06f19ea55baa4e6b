"""Events: what is stored of one, and how the vendor shows it."""

from __future__ import annotations

import base64
import re
import secrets
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from conferencing_service.sandbox.conferences import Conference, readable, render_conference, settle
from conferencing_service.sandbox.grants import Grant
from conferencing_service.sandbox.ids import draw


@dataclass(frozen=True)
class Event:
    """One event; ``fields`` are the checked fields that were written to it."""

    id: str
    grant_id: str
    calendar_id: str
    ical_uid: str
    created_at: int
    updated_at: int
    fields: Mapping[str, Any]
    conferences: tuple[Conference, ...] = field(default=())
    read_only: bool = False
    deleted: bool = False

    @property
    def description(self) -> str | None:
        """The text, the blocks of conferences included."""
        text: str | None = self.fields.get("description")
        return text

    @property
    def emails(self) -> list[str]:
        """Those who are told about the event."""
        return [participant["email"] for participant in self.fields.get("participants", ())]

    def conference(self, grant: Grant) -> Conference | None:
        """The conference that can be read from the event, if any."""
        return readable(self.description, self.conferences, grant.platform.structured_conference)

    def settled(self, grant: Grant, now: float) -> Event:
        """The event once whatever was pending at this time has come about."""
        if not any(conference.pending for conference in self.conferences):
            return self
        structured = grant.platform.structured_conference
        return self.with_conferences(*settle(self.description, self.conferences, structured, now))

    def with_conferences(
        self, description: str | None, conferences: tuple[Conference, ...]
    ) -> Event:
        """The event with another description and other conferences."""
        return replace(
            self, fields={**self.fields, "description": description}, conferences=conferences
        )


def new_event_id(provider: str) -> str:
    """An id in the shape of the platform's own."""
    if provider == "google":
        return draw("0123456789abcdefghijklmnopqrstuv", 26)
    if provider == "microsoft":
        return "AAMkAD" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return uuid.uuid4().hex


def new_ical_uid(event_id: str, provider: str) -> str:
    """The calendar-wide id that goes with it."""
    return f"{event_id}@google.com" if provider == "google" else uuid.uuid4().hex.upper()


def _text_only(description: str | None) -> str | None:
    return None if description is None else re.sub(r"<[^<>]+>", "", description)


def _html_link(event: Event, grant: Grant) -> str:
    links = {
        "google": f"https://www.google.com/calendar/event?eid={event.id}",
        "microsoft": f"https://outlook.office365.com/owa/?itemid={event.id}",
    }
    return links.get(grant.provider, "")


def render_event(
    event: Event, grant: Grant, select: Collection[str] | None = None
) -> dict[str, Any]:
    """The event as the vendor answers it; ``select`` names the only fields that are wanted."""
    fields = event.fields
    person = {"name": grant.id, "email": grant.email}
    rendered: dict[str, Any] = {
        "id": event.id,
        "object": "event",
        "grant_id": event.grant_id,
        "calendar_id": event.calendar_id,
        "title": fields.get("title"),
        "description": event.description,
        "text_description": _text_only(event.description),
        "location": fields.get("location"),
        "when": fields["when"],
        "busy": fields.get("busy", True),
        "status": "cancelled" if event.deleted else "confirmed",
        "visibility": fields.get("visibility")
        or ("default" if grant.provider == "google" else "public"),
        "read_only": event.read_only,
        "hide_participants": fields.get("hide_participants", False),
        "participants": fields.get("participants", []),
        "resources": fields.get("resources", []),
        "reminders": fields.get("reminders") or {"use_default": True, "overrides": []},
        "metadata": fields.get("metadata", {}),
        "organizer": person,
        "creator": person,
        "html_link": _html_link(event, grant),
        "ical_uid": event.ical_uid,
        "created_at": event.created_at,
        "updated_at": event.updated_at,
    }
    for name in ("capacity", "recurrence", "notetaker"):
        if fields.get(name) is not None:
            rendered[name] = fields[name]
    conference = event.conference(grant)
    if conference is not None:
        rendered["conferencing"] = render_conference(conference)
    if select is None:
        return rendered
    return {name: value for name, value in rendered.items() if name in select}
