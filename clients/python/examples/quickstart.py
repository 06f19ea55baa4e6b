"""Puts a new Zoom meeting on an event, reads the event back, and takes two refusals apart.

    .venv/bin/python clients/python/examples/quickstart.py [ADDRESS [REQUEST_ID]]

`make run` serves on the default address. The same request_id again is the same request: it makes no
second meeting, and its answer is the first one's.
"""
# ruff: noqa: INP001, S106, T201 - a program that prints; a passcode of the sandbox

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sys
import uuid

from conferencing import (
    ConferencingClient,
    ConferencingError,
    IncompatibleProvider,
    InvalidRequest,
    autocreate,
    when,
)
from conferencing.v1.conferencing_pb2 import Conferencing, Decision, Provider, Way
from conferencing.v1.event_pb2 import Event

GRANT_ID = "google-demo"
CALENDAR_ID = "primary"
START = dt.datetime(2030, 1, 7, 14, tzinfo=dt.UTC)
WHEN = when(START, START + dt.timedelta(hours=1))


async def main(address: str, request_id: str) -> None:
    """Make the calls."""
    async with ConferencingClient(address) as client:
        zoom = autocreate(
            Provider.PROVIDER_ZOOM_MEETING, conf_grant_id="zoom-demo", password="demo42"
        )
        created = await client.create_event(
            grant_id=GRANT_ID,
            calendar_id=CALENDAR_ID,
            request_id=request_id,
            event=Event(title="Planning", when=WHEN, conferencing=zoom),
        )
        read = await client.get_event(
            grant_id=GRANT_ID, calendar_id=CALENDAR_ID, event_id=created.event.id
        )
        print_details(read.event.conferencing)

        # Microsoft Teams cannot be autocreated on a Google calendar.
        teams = autocreate(Provider.PROVIDER_MICROSOFT_TEAMS)
        await refused(client, Event(title="Planning", when=WHEN, conferencing=teams))
        # An event needs a when.
        await refused(client, Event(title="Planning"))


def print_details(conferencing: Conferencing) -> None:
    """Print how to join."""
    details = conferencing.details
    print("provider:", Provider.Name(conferencing.provider))
    print("url:", details.url)
    print("meeting_code:", details.meeting_code)
    print("password:", details.password)


async def refused(client: ConferencingClient, event: Event) -> None:
    """Ask for what cannot be had, and print why and what can."""
    try:
        await client.create_event(grant_id=GRANT_ID, calendar_id=CALENDAR_ID, event=event)
    except (IncompatibleProvider, InvalidRequest) as error:
        print_refusal(error)
    else:
        raise RuntimeError("the request was not refused")


def print_refusal(error: ConferencingError) -> None:
    """Print what the error says."""
    print("code:", error.code.name)
    print("reason:", error.reason)
    for key, value in sorted(error.metadata.items()):
        print(f"metadata: {key} = {value}")
    if isinstance(error, InvalidRequest):
        for violation in error.violations:
            print(f"violation: {violation.field}: {violation.description}")
    if isinstance(error, IncompatibleProvider):
        print("decision:", Decision.Name(error.verdict.decision))
        print("explanation:", error.verdict.explanation)
        for other in error.alternatives:
            names = f"{Provider.Name(other.provider)} {Way.Name(other.way)}"
            print(f"alternative: {names}: {other.explanation}")


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv))
    default = os.environ.get("CONFERENCING_ADDRESS", "127.0.0.1:50051")
    asyncio.run(main(arguments.get(1, default), arguments.get(2, str(uuid.uuid4()))))
