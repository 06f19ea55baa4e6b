"""Conferences: the providers, what is kept of their details, and where on an event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class ConferenceProvider:
    """What the vendor stores and makes for one conferencing provider."""

    detail_fields: tuple[str, ...] = ()
    """Kept beside the url when a caller writes details; the rest is dropped without a word."""

    host: str | None = None
    """The platform whose grants can host an autocreated conference; None: there is none."""

    phones_kept: int | None = None


# Nylas v3 API description, the request schema of a conference: the fields of each provider,
# `autocreate` for three of them, one phone number for Google Meet.
PROVIDERS: Mapping[str, ConferenceProvider] = {
    "Google Meet": ConferenceProvider(("phone", "pin"), host="google", phones_kept=1),
    "Zoom Meeting": ConferenceProvider(("meeting_code", "password"), host="zoom"),
    "Microsoft Teams": ConferenceProvider(host="microsoft"),
    "Teams for Business": ConferenceProvider(),
    "Skype for Business": ConferenceProvider(),
    "Skype for Consumer": ConferenceProvider(),
    "WebEx": ConferenceProvider(("password", "pin", "phone")),
    "GoToMeeting": ConferenceProvider(("meeting_code", "password", "phone")),
}


@dataclass(frozen=True)
class Conference:
    """One conference that was put on an event."""

    provider: str
    details: Mapping[str, Any] | None
    conference_id: str | None = None
    """Set when the vendor made the conference; None for details that the caller brought."""

    pending: bool = False
    ready_at: float | None = None
    """When a pending conference shows its details; None: never."""

    def document(self) -> dict[str, Any]:
        """The conference as it is stored with its event."""
        return {
            "provider": self.provider,
            "details": None if self.details is None else dict(self.details),
            "conference_id": self.conference_id,
            "pending": self.pending,
            "ready_at": self.ready_at,
        }


def storable(provider: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """What the vendor keeps of details that a caller writes."""
    known = PROVIDERS[provider]
    kept: dict[str, Any] = {"url": details["url"]}
    for name in known.detail_fields:
        value = details.get(name)
        if value:
            kept[name] = value[: known.phones_kept] if name == "phone" else value
    return kept


def put_on(
    description: str | None,
    conferences: tuple[Conference, ...],
    conference: Conference,
    structured: bool,
) -> tuple[str | None, tuple[Conference, ...]]:
    """The description and the conferences of an event after one more was put on it.

    Nylas v3 API description: except where the platform has a place for it, the conference is kept
    in the description. An older block stays there: only the caller's own text can remove it.
    """
    if structured:
        return description, (conference,)
    others = tuple(other for other in conferences if not other.pending)
    if conference.pending:
        return description, (*others, conference)
    return _with_block(description, conference), (*others, conference)


def settle(
    description: str | None, conferences: tuple[Conference, ...], structured: bool, now: float
) -> tuple[str | None, tuple[Conference, ...]]:
    """The same two, once a pending conference is ready."""
    for position, conference in enumerate(conferences):
        if conference.pending and conference.ready_at is not None and conference.ready_at <= now:
            ready = replace(conference, pending=False, ready_at=None)
            rest = conferences[:position] + conferences[position + 1 :]
            return put_on(description, rest, ready, structured)
    return description, conferences


def readable(
    description: str | None, conferences: tuple[Conference, ...], structured: bool
) -> Conference | None:
    """The newest conference that can be read from the event, if any."""
    for conference in reversed(conferences):
        if structured or conference.pending or stands_in(description, conference):
            return conference
    return None


def stands_in(description: str | None, conference: Conference) -> bool:
    """Whether the text has the join URL of the conference, and not just as part of a longer one."""
    if description is None or conference.details is None:
        return False
    url = re.escape(conference.details["url"])
    return re.search(url + r"(?![\w/%?&=#-])", description) is not None


def render_conference(conference: Conference) -> dict[str, Any]:
    """The conference as an event shows it: ``autocreate`` while it is pending, settings never."""
    if conference.pending or conference.details is None:
        return {"provider": conference.provider, "autocreate": {}}
    return {"provider": conference.provider, "details": dict(conference.details)}


_TEAMS_RULE = "_" * 80
_LABELS = {"meeting_code": "Meeting code", "password": "Password", "pin": "PIN", "phone": "Phone"}


def _with_block(description: str | None, conference: Conference) -> str:
    block = _block(conference.provider, conference.details or {})
    return f"{description}\n\n{block}" if description else block


def _block(provider: str, details: Mapping[str, Any]) -> str:
    if provider == "Microsoft Teams":
        return f"{_TEAMS_RULE}\nMicrosoft Teams meeting\nJoin: {details['url']}\n{_TEAMS_RULE}"
    if provider == "Zoom Meeting":
        lines = ["Join Zoom Meeting", details["url"]]
        if "meeting_code" in details:
            lines += ["", f"Meeting ID: {details['meeting_code']}"]
        if "password" in details:
            lines.append(f"Passcode: {details['password']}")
        return "\n".join(lines)
    lines = [f"Join: {details['url']}"]
    for name, label in _LABELS.items():
        if name in details:
            value = details[name]
            lines.append(f"{label}: {', '.join(value) if isinstance(value, list) else value}")
    return "\n".join(lines)
