"""Endings that are easily told wrongly: shutdown, answers too large, checks without a write."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from support.sandbox import Grant, Sandbox
from support.service import (
    Service,
    autocreate,
    creation,
    delete,
    details,
    get,
    serving,
    timespan,
    update,
)


def written(grant: Grant) -> list[dict[str, Any]]:
    """The creates that the vendor got."""
    return [each for each in grant.requests() if each["method"] == "POST"]


def posts(grant: Grant) -> int:
    return len(written(grant))


async def under_way(grant: Grant, method: str) -> None:
    """Wait until the sandbox has a request of that method."""
    for _ in range(500):
        if any(each["method"] == method for each in grant.requests()):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"no {method} came")


async def test_a_write_that_the_shutdown_cuts_off_is_looked_for_by_the_next_server(
    sandbox: Sandbox, google: Grant, seen_reasons: set[str], tmp_path: Path
) -> None:
    shared: dict[str, Any] = {
        "ledger_url": f"sqlite://{tmp_path}/ledger.sqlite",
        "write_timeout": 3.0,
        "lease_margin": 0.5,
        "settle_window": 5.0,
    }
    request = creation(google.id)
    async with serving(sandbox.url, reasons=seen_reasons, **shared) as service:
        google.fault("latency", method="POST", value=2000)
        call = asyncio.create_task(service.failure(request))
        await under_way(google, "POST")
        await service.server.stop(1.0)
        failure = await call
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "OUTCOME_UNKNOWN")
    assert failure.metadata == {"request_id": request.request_id}
    assert failure.retry_after == 1
    assert failure.trailers["grpc-retry-pushback-ms"] == "1000"
    async with serving(sandbox.url, **shared) as service:
        answer = await service.call(request)
        assert answer.event == (await service.call(get(google.id, answer.event.id))).event
    assert posts(google) == 1
    assert google.effects() == ["event_created"]


async def test_a_shutdown_ends_the_wait_for_details_and_tells_what_is_there(
    sandbox: Sandbox, google: Grant
) -> None:
    async with serving(sandbox.url) as service:
        google.fault("pending_conference", value=None)
        call = asyncio.create_task(service.call(creation(google.id, autocreate())))
        await under_way(google, "POST")
        await asyncio.sleep(0.2)
        await service.server.stop(20.0)
        answer = await call
    assert answer.event.id
    assert answer.event.conferencing.state == c.CONFERENCE_STATE_PENDING


async def test_an_open_reflection_stream_does_not_hold_up_the_stop(sandbox: Sandbox) -> None:
    async with serving(sandbox.url) as service:
        stub = reflection_pb2_grpc.ServerReflectionStub(service.channel)
        stream = stub.ServerReflectionInfo()
        await stream.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        names = [each.name for each in (await stream.read()).list_services_response.service]
        assert "conferencing.v1.ConferencingService" in names
        async with asyncio.timeout(30):
            await service.server.stop(60.0)


def heavy(grant_id: str, **more: Any) -> s.CreateEventRequest:
    """An event of every field's largest size: about 260 kB."""
    guests = [
        e.Participant(email=f"g{index}@example.com", name="n" * 200, comment="c" * 1000)
        for index in range(200)
    ]
    return creation(grant_id, participants=guests, description="d" * 8000, **more)


async def test_a_page_too_large_for_an_answer_says_so(service: Service, google: Grant) -> None:
    for _ in range(36):
        await service.call(heavy(google.id))
    listing = s.ListEventsRequest(grant_id=google.id, calendar_id="primary", page_size=20)
    for size in (20, 36):
        listing.page_size = size
        failure = await service.failure(listing)
        assert (failure.reason, list(failure.violations)) == ("INVALID_FIELD", ["page_size"])
    listing.page_size = 10
    assert len((await service.call(listing)).events) == 10


async def test_validating_looks_at_the_calendar_as_a_write_would(
    service: Service, google: Grant, icloud: Grant
) -> None:
    for grant, calendar, reason in (
        (google, "holidays", "CALENDAR_READ_ONLY"),
        (google, "nowhere", "CALENDAR_NOT_FOUND"),
        (icloud, "primary", "CALENDAR_NOT_FOUND"),
    ):
        failure = await service.failure(
            creation(grant.id, calendar_id=calendar, validate_only=True)
        )
        assert failure.reason == reason
        assert grant.effects() == []


async def test_what_is_made_to_repeat_needs_a_zone_also_on_an_update(
    service: Service, google: Grant
) -> None:
    weekly = ["RRULE:FREQ=WEEKLY"]
    plain = (await service.call(creation(google.id))).event
    failure = await service.failure(update(google.id, plain.id, recurrence=weekly))
    assert list(failure.violations) == ["event.when.timespan.start_timezone"]
    assert google.effects() == ["event_created"]
    zoned = (await service.call(creation(google.id, when=timespan(zone="Asia/Tokyo")))).event
    updated = await service.call(update(google.id, zoned.id, recurrence=weekly))
    assert list(updated.event.recurrence) == weekly


async def test_a_kept_conference_and_a_long_text_do_not_fit_together(
    service: Service, microsoft: Grant
) -> None:
    link = details(c.PROVIDER_ZOOM_MEETING, "https://zoom.us/j/98765432101")
    event = (await service.call(creation(microsoft.id, link))).event
    failure = await service.failure(update(microsoft.id, event.id, description="x" * 8192))
    assert list(failure.violations) == ["event.description"]


async def test_waiting_for_details_uses_the_deadline_to_its_end(
    service: Service, google: Grant
) -> None:
    await service.call(creation(google.id))
    google.fault("pending_conference", value=1900)
    answer = await service.call(creation(google.id, autocreate()), timeout=3.0)
    assert answer.event.conferencing.state == c.CONFERENCE_STATE_READY


async def test_a_provider_that_cannot_autocreate_is_told_before_its_grant_is_looked_up(
    service: Service, google: Grant
) -> None:
    failure = await service.failure(
        creation(google.id, autocreate(c.PROVIDER_WEBEX, "no-such-grant"))
    )
    assert failure.reason == "AUTOCREATE_UNSUPPORTED"


async def test_a_conference_grant_that_expired_at_the_vendor_is_named_after_the_refusal(
    service: Service, sandbox: Sandbox, google: Grant, zoom: Grant
) -> None:
    order = autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id)
    await service.call(creation(google.id, order))
    sandbox.http.post(
        "/_sandbox/grants", json={"id": zoom.id, "provider": "zoom", "grant_status": "invalid"}
    )
    failure = await service.failure(creation(google.id, order))
    assert failure.reason == "GRANT_EXPIRED"
    assert failure.metadata["grant_field"] == "event.conferencing.autocreate.conf_grant_id"


@pytest.mark.parametrize("kind", ["truncated_body", "oversized_body", "malformed_body"])
async def test_the_vendors_write_is_named_though_its_answer_cannot_be_read(
    service: Service, google: Grant, kind: str
) -> None:
    await service.call(creation(google.id))
    google.fault(kind, method="POST")
    call = service.stub.CreateEvent(creation(google.id), timeout=30)
    assert (await call).event.id
    trailers = dict(await call.trailing_metadata())
    assert trailers["upstream-request-id"] == written(google)[-1]["request_id"]
    assert posts(google) == 2
    assert google.effects().count("event_created") == 2


async def test_the_vendors_write_is_named_when_nothing_of_it_can_be_found(
    service: Service, google: Grant
) -> None:
    await service.call(creation(google.id))
    google.fault("server_error", method="POST", value=500)
    failure = await service.failure(creation(google.id))
    assert failure.reason == "OUTCOME_UNRESOLVED"
    asked = written(google)[-1]["request_id"]
    assert failure.metadata["upstream_request_id"] == asked
    assert failure.metadata["upstream_status"] == "500"
    assert failure.trailers["upstream-request-id"] == asked
    assert posts(google) == 2
    assert google.effects().count("event_created") == 1


async def test_the_vendors_failed_request_is_named_and_not_the_reads_that_explain_it(
    service: Service, google: Grant
) -> None:
    await service.call(creation(google.id))
    failure = await service.failure(delete(google.id, "no-such-event"))
    deleted = [each for each in google.requests() if each["method"] == "DELETE"]
    assert failure.trailers["upstream-request-id"] == deleted[-1]["request_id"]


async def test_a_read_of_what_is_too_large_is_malformed(service: Service, google: Grant) -> None:
    event = (await service.call(creation(google.id))).event
    google.fault("oversized_body", method="GET", value=9_000_000)
    failure = await service.failure(get(google.id, event.id))
    assert failure.reason == "UPSTREAM_MALFORMED"
