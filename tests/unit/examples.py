"""Requests that are right, for tests that make one thing wrong."""

from __future__ import annotations

from typing import Any

from conferencing_service.core.errors import InvalidField
from conferencing_service.core.model import (
    Autocreate,
    Conferencing,
    Details,
    Event,
    Provider,
    Timespan,
)
from conferencing_service.core.requests import CreateEvent, Rules, UpdateEvent
from conferencing_service.core.validation import TimeZones
from conferencing_service.upstreams.nylas.capabilities import NYLAS

START = 1_893_492_000
REQUEST_ID = "6f1c7a52-0c55-4d0e-9a53-3f5a8f6f0c11"
RULES = Rules(NYLAS, TimeZones())
MEET_URL = "https://meet.google.com/abc-defg-hij"


def event(**values: Any) -> Event:
    """An event that may be made unless the test says otherwise."""
    return Event(**{"title": "Review", "when": Timespan(START, START + 3600), **values})


def creation(**values: Any) -> CreateEvent:
    """A CreateEvent that is right; what names no field of it is a field of its event."""
    own = {name: values.pop(name) for name in set(values) & set(CreateEvent.__slots__)}
    given = {"grant_id": "g", "calendar_id": "primary", "request_id": REQUEST_ID, **own}
    return CreateEvent(**{"event": event(**values), **given})


def update(*mask: str, **values: Any) -> UpdateEvent:
    """An UpdateEvent that is right; what names no field of it is a field of its event."""
    own = {name: values.pop(name) for name in set(values) & set(UpdateEvent.__slots__)}
    given = {"grant_id": "g", "calendar_id": "primary", "request_id": REQUEST_ID, **own}
    return UpdateEvent(**{"event": Event(id="e", **values), "update_mask": mask, **given})


def details(provider: Provider | None = Provider.GOOGLE_MEET, **values: Any) -> Conferencing:
    """A conference with details."""
    return Conferencing(provider, Details(**{"url": MEET_URL, **values}))


def autocreate(provider: Provider | None = None, **values: Any) -> Conferencing:
    """A conference to be made."""
    return Conferencing(provider, Autocreate(**values))


def violations(request: Any) -> list[tuple[str, str]]:
    """The faults of a request as paths and descriptions, [] when it has none."""
    try:
        if isinstance(request, CreateEvent | UpdateEvent):
            request.validate(RULES)
        else:
            request.validate()
    except InvalidField as error:
        return [(each.field, each.description) for each in error.violations]
    return []


def faulty(request: Any) -> list[str]:
    """The paths of a request's faults."""
    return [path for path, _ in violations(request)]
