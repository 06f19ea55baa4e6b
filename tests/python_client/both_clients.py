"""Both clients behind one face: what the tests of one are, the tests of the other are too."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from conferencing import ConferencingClient, Event, SyncConferencingClient, when

START = dt.datetime(2030, 1, 7, 14, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
KINDS = ("asyncio", "blocking")


class Caller:
    """Either client; what blocks does so in a thread."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def __call__(self, name: str, **arguments: Any) -> Any:
        """Call a method to its end; the events of an iteration come as a list."""
        method = getattr(self.client, name)
        if isinstance(self.client, SyncConferencingClient):
            answer = await asyncio.to_thread(method, **arguments)
            return await asyncio.to_thread(list, answer) if inspect.isgenerator(answer) else answer
        answer = method(**arguments)
        return [each async for each in answer] if inspect.isasyncgen(answer) else await answer

    async def create(self, grant_id: str = "grant", **more: Any) -> Any:
        """Create an event that is right unless the test says otherwise."""
        event = event_of(**more.pop("event", {}))
        return await self(
            "create_event", grant_id=grant_id, calendar_id="primary", event=event, **more
        )

    async def get(self, grant_id: str = "grant", event_id: str = "any", **more: Any) -> Any:
        return await self(
            "get_event", grant_id=grant_id, calendar_id="primary", event_id=event_id, **more
        )

    async def delete(self, grant_id: str = "grant", event_id: str = "any", **more: Any) -> Any:
        return await self(
            "delete_event", grant_id=grant_id, calendar_id="primary", event_id=event_id, **more
        )


def event_of(**fields: Any) -> Event:
    return Event(**{"title": "Review", "when": when(START, START + HOUR), **fields})


@asynccontextmanager
async def calling(kind: str, target: str, **arguments: Any) -> AsyncIterator[Caller]:
    """One of the two clients, connected to a target."""
    if kind == "asyncio":
        async with ConferencingClient(target, **arguments) as client:
            yield Caller(client)
    else:
        with SyncConferencingClient(target, **arguments) as client:
            yield Caller(client)
