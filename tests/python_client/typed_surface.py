"""What callers write, as mypy --strict sees it; read by a test, never run.

Where a mistake is made on purpose, mypy has to find it: an ignore that is not needed is an error.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterator
from typing import assert_type
from zoneinfo import ZoneInfo

import grpc

import conferencing
from conferencing import (
    Alternative,
    ConferencingClient,
    ConferencingError,
    Event,
    EventTime,
    IncompatibleProvider,
    InvalidRequest,
    Notify,
    OutcomeUnresolved,
    Platform,
    Provider,
    RateLimited,
    SyncConferencingClient,
    Tls,
    Unavailable,
    Verdict,
    Violation,
    autocreate,
    details,
    when,
)
from conferencing.testing import Received, ScriptedServer
from conferencing.v1.conferencing_service_pb2 import (
    CheckCompatibilityResponse,
    CreateEventRequest,
    CreateEventResponse,
    DeleteEventResponse,
    ExtractConferencingResponse,
    GetEventResponse,
    UpdateEventResponse,
)
from conferencing.v1.conferencing_service_pb2_grpc import (
    ConferencingServiceAsyncStub,
    ConferencingServiceStub,
)

BERLIN = ZoneInfo("Europe/Berlin")
MOMENT = dt.datetime(2030, 1, 7, 14, tzinfo=BERLIN)


def messages() -> None:
    assert_type(when(MOMENT), EventTime)
    assert_type(when(MOMENT, MOMENT), EventTime)
    assert_type(when(dt.date(2030, 1, 7), dt.date(2030, 1, 8)), EventTime)
    when("2030-01-07")  # type: ignore[call-overload]
    assert_type(autocreate(), conferencing.Conferencing)
    autocreate(Provider.PROVIDER_ZOOM_MEETING, conf_grant_id="zoom", agenda="Plan", duration=30)
    autocreate("zoom")  # type: ignore[arg-type]
    assert_type(
        details(url="https://zoom.us/j/1", provider=Provider.PROVIDER_ZOOM_MEETING, phone=["+1"]),
        conferencing.Conferencing,
    )
    details(url="https://zoom.us/j/1")  # type: ignore[call-arg]


async def from_asyncio(event: Event) -> None:
    async with ConferencingClient("conferencing:50051", tls=True, token="t") as client:
        assert_type(client, ConferencingClient)
        assert_type(client.raw, ConferencingServiceAsyncStub)
        created = await client.create_event(
            grant_id="g", calendar_id="c", event=event, notify=Notify.NOTIFY_NONE, timeout=5
        )
        assert_type(created, CreateEventResponse)
        assert_type(
            await client.get_event(grant_id="g", calendar_id="c", event_id="e"), GetEventResponse
        )
        events = client.list_events(grant_id="g", calendar_id="c", start_time=MOMENT)
        assert_type(events, AsyncIterator[Event])
        assert_type(
            await client.update_event(
                grant_id="g", calendar_id="c", event=event, update_mask=["title"]
            ),
            UpdateEventResponse,
        )
        assert_type(
            await client.delete_event(grant_id="g", calendar_id="c", event_id="e"),
            DeleteEventResponse,
        )
        assert_type(
            await client.check_compatibility(platform=Platform.PLATFORM_GOOGLE),
            CheckCompatibilityResponse,
        )
        assert_type(
            await client.extract_conferencing(google_event={"hangoutLink": "https://..."}),
            ExtractConferencingResponse,
        )
        await client.create_event("g", "c", event)  # type: ignore[call-arg]
        await client.get_event(grant_id="g", calendar_id="c")  # type: ignore[call-arg]
        await client.get_event(grant_id=1, calendar_id="c", event_id="e")  # type: ignore[arg-type]
        client.make_event()  # type: ignore[attr-defined]
        await client.raw.CreateEvent(CreateEventRequest(), timeout=5)


def blocking(event: Event) -> None:
    tls = Tls(ca=b"...", certificate=b"...", key=b"...")
    with SyncConferencingClient("conferencing:50051", tls=tls, token=lambda: "t") as client:
        assert_type(client.raw, ConferencingServiceStub)
        assert_type(
            client.create_event(grant_id="g", calendar_id="c", event=event), CreateEventResponse
        )
        assert_type(client.list_events(grant_id="g", calendar_id="c"), Iterator[Event])
        client.delete_event(grant_id="g", calendar_id="c", event_id="e", timeout="5")  # type: ignore[arg-type]


def told(error: ConferencingError) -> None:
    assert_type(error.code, grpc.StatusCode)
    assert_type(error.reason, str)
    assert_type(error.message, str)
    assert_type(error.metadata, dict[str, str])
    assert_type(error.request_id, str)
    match error:
        case IncompatibleProvider():
            assert_type(error.verdict, Verdict)
            assert_type(error.alternatives, tuple[Alternative, ...])
        case InvalidRequest():
            assert_type(error.violations, tuple[Violation, ...])
        case RateLimited() | Unavailable():
            assert_type(error.retry_after, float | None)
        case OutcomeUnresolved():
            error.retry_after  # type: ignore[attr-defined]  # noqa: B018


async def scripted() -> None:
    async with ScriptedServer() as server:
        assert_type(server, ScriptedServer)
        server.answers(GetEventResponse()).fails("GRANT_EXPIRED", rpc="GetEvent")
        assert_type(server.calls, tuple[Received, ...])
    with ScriptedServer() as server:
        assert_type(server.target, str)
