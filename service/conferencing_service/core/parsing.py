"""Conferences that an upstream's event holds in its texts alone."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable

from conferencing_service.core import reading
from conferencing_service.core.model import Event


def with_parsed_conference(event: Event) -> Event:
    """Return an event with the conference of its location or description, if it has no other."""
    if event.conferencing is not None or not (event.location or event.description):
        return event
    texts = (("location", event.location), ("description", event.description))
    found = reading.first_in(texts)
    return event if found is None else dataclasses.replace(event, conferencing=found)


async def with_parsed_conferences(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return events with their parsed conferences; other calls get their turn between them."""
    parsed = []
    for event in events:
        read = with_parsed_conference(event)
        if read is not event:
            await asyncio.sleep(0)
        parsed.append(read)
    return tuple(parsed)
