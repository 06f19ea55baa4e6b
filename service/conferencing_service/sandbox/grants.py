"""Grants and their calendars: which account is what, and what its platform can do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from conferencing_service.sandbox.errors import invalid, not_found


@dataclass(frozen=True)
class Platform:
    """What the vendor does differently for the calendars of one platform."""

    usual_scope: tuple[str, ...] | None = ()
    has_calendar: bool = True
    knows_primary: bool = True
    primary_is_email: bool = False
    always_notifies: bool = False
    checks_calendar_of_event: bool = True
    structured_conference: bool = False
    """Whether a conference has a place of its own on the event, and not in the description."""


MICROSOFT_MEETING_SCOPE = "OnlineMeetings.ReadWrite"

# Nylas v3 API description: the providers of a grant; `primary` except on iCloud; notices that
# cannot be suppressed on Microsoft and iCloud; the calendar id that Microsoft does not compare with
# the event's.
PLATFORMS: Mapping[str, Platform] = {
    "google": Platform(
        usual_scope=(
            "openid",
            "https://www.googleapis.com/auth/userinfo.email",
            "https://www.googleapis.com/auth/calendar",
        ),
        primary_is_email=True,
        structured_conference=True,
    ),
    "microsoft": Platform(
        usual_scope=("User.Read", "offline_access", "Calendars.ReadWrite", MICROSOFT_MEETING_SCOPE),
        primary_is_email=True,
        always_notifies=True,
        checks_calendar_of_event=False,
    ),
    "icloud": Platform(knows_primary=False, always_notifies=True),
    "ews": Platform(usual_scope=("ews.calendars",)),
    "yahoo": Platform(),
    "virtual-calendar": Platform(),
    "nylas": Platform(),
    "imap": Platform(usual_scope=None, has_calendar=False),
    "zoom": Platform(
        usual_scope=(
            "meeting:write:meeting",
            "meeting:update:meeting",
            "meeting:delete:meeting",
            "user:read:user",
        ),
        has_calendar=False,
    ),
}

_STATUSES = ("valid", "invalid")
_GRANT_KEYS = {
    "id",
    "provider",
    "scope",
    "email",
    "grant_status",
    "primary_calendar_id",
    "read_only_calendar",
}


@dataclass(frozen=True)
class Calendar:
    """One calendar of a grant."""

    id: str
    name: str
    is_primary: bool = False
    read_only: bool = False


@dataclass(frozen=True)
class Grant:
    """One connected account."""

    id: str
    provider: str
    scope: tuple[str, ...] | None
    email: str
    grant_status: str
    primary_calendar_id: str
    read_only_calendar_id: str | None
    created_at: int
    updated_at: int

    @property
    def platform(self) -> Platform:
        """What the vendor does differently for this grant."""
        return PLATFORMS[self.provider]

    def has_scope(self, scope: str) -> bool:
        """Whether it has the scope, short or as a full URI; a grant without a list is trusted."""
        if self.scope is None:
            return True
        return any(entry.rsplit("/", 1)[-1].lower() == scope.lower() for entry in self.scope)

    def calendars(self) -> tuple[Calendar, ...]:
        """The primary calendar, a second one and, as a rule, one that cannot be written."""
        if not self.platform.has_calendar:
            return ()
        calendars = [
            Calendar(self.primary_calendar_id, self.email, is_primary=True),
            Calendar("team", "Team"),
        ]
        if self.read_only_calendar_id is not None:
            calendars.append(Calendar(self.read_only_calendar_id, "Holidays", read_only=True))
        return tuple(calendars)

    def calendar(self, calendar_id: str) -> Calendar:
        """The calendar of this id, or of the alias ``primary``; 404 when there is none."""
        if calendar_id == "primary" and self.platform.knows_primary:
            calendar_id = self.primary_calendar_id
        for calendar in self.calendars():
            if calendar.id == calendar_id:
                return calendar
        raise not_found("Calendar")

    def document(self) -> dict[str, Any]:
        """The grant as it is stored."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Grant:
        """The grant as it was stored."""
        scope = document["scope"]
        return cls(**{**document, "scope": None if scope is None else tuple(scope)})


def read_grant(body: Mapping[str, Any], existing: Grant | None, now: float) -> Grant:
    """The grant that a body asks for; what it leaves out is the platform's usual."""
    unknown = set(body) - _GRANT_KEYS
    if unknown:
        raise invalid(f"unknown fields {sorted(unknown)}; known are {sorted(_GRANT_KEYS)}")
    grant_id, provider = body.get("id"), body.get("provider")
    if not isinstance(grant_id, str) or not grant_id:
        raise invalid("'id' must be a string that is not empty")
    if not isinstance(provider, str) or provider not in PLATFORMS:
        raise invalid(f"'provider' must be one of {sorted(PLATFORMS)}")
    platform = PLATFORMS[provider]
    status = body.get("grant_status", "valid")
    if status not in _STATUSES:
        raise invalid(f"'grant_status' must be one of {list(_STATUSES)}")
    email = _text(body, "email", existing.email if existing else _address(grant_id))
    primary = email if platform.primary_is_email else _opaque_calendar_id(grant_id)
    return Grant(
        id=grant_id,
        provider=provider,
        scope=_scope(body, platform),
        email=email,
        grant_status=status,
        # An existing grant keeps its calendars, or its events would have no place any more.
        primary_calendar_id=_text(
            body, "primary_calendar_id", existing.primary_calendar_id if existing else primary
        ),
        read_only_calendar_id=_read_only_calendar(body, existing),
        created_at=existing.created_at if existing else int(now),
        updated_at=int(now),
    )


def _scope(body: Mapping[str, Any], platform: Platform) -> tuple[str, ...] | None:
    if "scope" not in body:
        return platform.usual_scope
    scope = body["scope"]
    if scope is None:
        return None
    if not isinstance(scope, list) or not all(isinstance(entry, str) for entry in scope):
        raise invalid("'scope' must be a list of strings, or null")
    return tuple(scope)


def _text(body: Mapping[str, Any], name: str, default: str) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or not value:
        raise invalid(f"'{name}' must be a string that is not empty")
    return value


def _read_only_calendar(body: Mapping[str, Any], existing: Grant | None) -> str | None:
    if "read_only_calendar" in body and body["read_only_calendar"] is None:
        return None
    if "read_only_calendar" not in body and existing is not None:
        return existing.read_only_calendar_id
    return _text(body, "read_only_calendar", "holidays")


def _address(grant_id: str) -> str:
    return grant_id if "@" in grant_id else f"{grant_id}@example.com"


def _opaque_calendar_id(grant_id: str) -> str:
    return hashlib.sha256(grant_id.encode()).hexdigest()[:32]


def seeds(now: float) -> tuple[Grant, ...]:
    """The grants that every sandbox has."""
    bodies: tuple[dict[str, Any], ...] = (
        {"id": "google-demo", "provider": "google"},
        {"id": "microsoft-demo", "provider": "microsoft"},
        {"id": "icloud-demo", "provider": "icloud"},
        {"id": "virtual-demo", "provider": "virtual-calendar"},
        {"id": "zoom-demo", "provider": "zoom"},
        {"id": "expired-demo", "provider": "google", "grant_status": "invalid"},
        {
            "id": "microsoft-noscope-demo",
            "provider": "microsoft",
            "scope": ["User.Read", "offline_access", "Calendars.ReadWrite"],
        },
    )
    return tuple(read_grant(body, None, now) for body in bodies)


def render_grant(grant: Grant) -> dict[str, Any]:
    """The grant as the vendor answers it."""
    rendered: dict[str, Any] = {
        "id": grant.id,
        "provider": grant.provider,
        "grant_status": grant.grant_status,
        "email": grant.email,
        "name": grant.id,
        "provider_user_id": _opaque_calendar_id(grant.id),
        "settings": {},
        "state": "",
        "ip": "127.0.0.1",
        "user_agent": "",
        "blocked": False,
        "created_at": grant.created_at,
        "updated_at": grant.updated_at,
    }
    if grant.scope is not None:
        rendered["scope"] = list(grant.scope)
    return rendered


def render_calendar(grant: Grant, calendar: Calendar) -> dict[str, Any]:
    """The calendar as the vendor answers it."""
    return {
        "id": calendar.id,
        "grant_id": grant.id,
        "object": "calendar",
        "name": calendar.name,
        "description": "",
        "location": "",
        "timezone": "UTC",
        "read_only": calendar.read_only,
        "is_primary": calendar.is_primary,
        "is_owned_by_user": not calendar.read_only,
        "hex_color": "#039BE5",
        "hex_foreground_color": "#000000",
        "owner_email": grant.email,
        "metadata": {},
    }
