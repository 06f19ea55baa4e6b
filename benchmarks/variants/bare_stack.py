"""The least that gRPC to REST costs in Python: grpc.aio, aiohttp, orjson and uvloop.

A mapping by hand one way, the message's constructor the other. It checks nothing: no validation, no verdict, no error mapping, no spans; a field that the contract
does not know, or a null, breaks it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvloop
from yarl import URL

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import messages
import peer_server

_READ = {"authorization": "Bearer bench", "accept": "application/json"}
_WRITE = {**_READ, "content-type": "application/json"}


def _body_of(event: Any) -> dict[str, Any]:
    when, details = event.when, event.conferencing.details
    return {
        "title": event.title,
        "description": event.description,
        "location": event.location,
        "when": {
            "start_time": when.start_time,
            "end_time": when.end_time,
            "start_timezone": when.start_timezone,
            "end_timezone": when.end_timezone,
        },
        "participants": [{"email": each.email, "name": each.name} for each in event.participants],
        "recurrence": list(event.recurrence),
        "reminders": {
            "use_default": event.reminders.use_default,
            "overrides": [
                {
                    "reminder_minutes": each.reminder_minutes,
                    "reminder_method": each.reminder_method,
                }
                for each in event.reminders.overrides
            ],
        },
        "visibility": event.visibility,
        "busy": event.busy,
        "metadata": dict(event.metadata),
        "resources": [{"email": each.email, "name": each.name} for each in event.resources],
        "conferencing": {
            "provider": event.conferencing.provider,
            "details": {
                "url": details.url,
                "meeting_code": details.meeting_code,
                "password": details.password,
            },
        },
        "hide_participants": event.hide_participants,
        "capacity": event.capacity,
    }


async def _serve() -> None:
    upstream = sys.argv[1]
    classes = messages.peers_messages()
    created, listed = classes["CreateEventResponse"], classes["ListEventsResponse"]
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def create_event(request: Any, _context: Any) -> Any:
            url = (
                f"{upstream}/v3/grants/{request.grant_id}/events?calendar_id={request.calendar_id}"
            )
            body = orjson.dumps(_body_of(request.event))
            async with session.post(URL(url, encoded=True), data=body, headers=_WRITE) as answer:
                return created(**orjson.loads(await answer.read()))

        async def list_events(request: Any, _context: Any) -> Any:
            url = (
                f"{upstream}/v3/grants/{request.grant_id}/events?calendar_id={request.calendar_id}"
            )
            url = f"{url}&limit={request.limit}"
            async with session.get(URL(url, encoded=True), headers=_READ) as answer:
                return listed(**orjson.loads(await answer.read()))

        await peer_server.serve({"CreateEvent": create_event, "ListEvents": list_events})


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
