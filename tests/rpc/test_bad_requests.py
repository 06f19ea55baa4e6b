"""Requests that are wrong in themselves: the exact status, every fault at once, no vendor call."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from support.sandbox import Grant
from support.service import Service, autocreate, creation, details, failure_of, timespan

INVALID = grpc.StatusCode.INVALID_ARGUMENT
METHODS = [
    *("CreateEvent", "GetEvent", "ListEvents", "UpdateEvent", "DeleteEvent"),
    *("CheckCompatibility", "ExtractConferencing"),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "data",
    [b"\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe", b"\x1b" * 200, b"\x08"],
    ids=["tag", "truncated", "utf8", "groups", "varint"],
)
async def test_bytes_that_are_no_message_are_the_callers_fault(
    service: Service, method: str, data: bytes
) -> None:
    raw = service.channel.unary_unary(f"/conferencing.v1.ConferencingService/{method}")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await raw(data, timeout=10)
    failure = failure_of(raised.value)
    assert (failure.code, failure.reason) == (INVALID, "INVALID_FIELD")
    # Field 1 is unknown to ExtractConferencing, whose message then is well formed and empty.
    assert list(failure.violations) in (["request"], ["input"])


async def test_a_method_that_does_not_exist_is_unimplemented(service: Service) -> None:
    raw = service.channel.unary_unary("/conferencing.v1.ConferencingService/NoSuchMethod")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await raw(b"", timeout=10)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "grant_id",
    ["", ".", "..", "a/b", "a\\b", "a?b", "a#b", "a%2e", "a b", "ü", "a\r\nb", "x" * 257],
)
@pytest.mark.parametrize(
    "build",
    [
        lambda id_: s.GetEventRequest(grant_id=id_, calendar_id="primary", event_id="e"),
        lambda id_: s.ListEventsRequest(grant_id=id_, calendar_id="primary"),
        lambda id_: s.DeleteEventRequest(grant_id=id_, calendar_id="primary", event_id="e"),
        lambda id_: s.CheckCompatibilityRequest(grant_id=id_),
        creation,
    ],
)
async def test_ids_that_could_escape_their_place_are_refused(
    service: Service, build: Any, grant_id: str
) -> None:
    failure = await service.failure(build(grant_id))
    assert (failure.code, failure.reason) == (INVALID, "INVALID_FIELD")
    assert list(failure.violations) == ["grant_id"]


async def test_every_fault_is_named_at_once_and_no_value_is_echoed(
    service: Service, google: Grant
) -> None:
    canary = "canary-7f3a"
    request = s.CreateEventRequest(
        grant_id=f"{canary}/",
        calendar_id=f"{canary}é",
        request_id=canary,
        notify=42,
        event=e.Event(
            title=canary + "x" * 1024,
            location=f"{canary}\n",
            when=e.EventTime(
                timespan=e.Timespan(
                    start_time=Timestamp(seconds=10, nanos=1),
                    end_time=Timestamp(seconds=5),
                    start_timezone=f"{canary}/Nowhere",
                )
            ),
            participants=[e.Participant(email=canary)],
            recurrence=[canary],
            visibility=77,
            conferencing=details(
                c.PROVIDER_GOOGLE_MEET, f"http://{canary}", password=canary, meeting_code=canary
            ),
        ),
    )
    failure = await service.failure(request)
    assert set(failure.violations) == {
        "grant_id",
        "calendar_id",
        "request_id",
        "notify",
        "event.title",
        "event.location",
        "event.when.timespan.start_time",
        "event.when.timespan.end_time",
        "event.when.timespan.start_timezone",
        "event.when.timespan.end_timezone",
        "event.participants[0].email",
        "event.recurrence[0]",
        "event.recurrence",
        "event.visibility",
        "event.conferencing.details.url",
        "event.conferencing.details.password",
        "event.conferencing.details.meeting_code",
    }
    assert canary not in str(failure)
    assert google.requests() == []


async def test_many_faults_make_a_status_that_still_fits_a_trailer(
    service: Service, google: Grant
) -> None:
    guests = [e.Participant(email="no address") for _ in range(200)]
    failure = await service.failure(creation(google.id, participants=guests))
    assert len(failure.violations) == 20
    assert failure.size < 4096


@pytest.mark.parametrize(
    ("conferencing", "path"),
    [
        (c.Conferencing(provider=c.PROVIDER_ZOOM_MEETING), "event.conferencing"),
        (c.Conferencing(), "event.conferencing"),
        (details(0, "https://zoom.us/j/98765432101"), "event.conferencing.provider"),
        (details(c.PROVIDER_OTHER, "https://x.example/"), "event.conferencing.provider"),
        (details(99, "https://x.example/"), "event.conferencing.provider"),
        (details(c.PROVIDER_WEBEX, ""), "event.conferencing.details.url"),
        (
            details(c.PROVIDER_WEBEX, "javascript:alert(1)"),
            "event.conferencing.details.url",
        ),
        (autocreate(99), "event.conferencing.provider"),
        (autocreate(3, "a/b"), "event.conferencing.autocreate.conf_grant_id"),
        (
            autocreate(2, "z", {"n": float("nan")}),
            "event.conferencing.autocreate.conf_settings",
        ),
        (autocreate(2, "z", {"n": 2.0**60}), "event.conferencing.autocreate.conf_settings"),
        (
            autocreate(2, "z", {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {}}}}}}}}}),
            "event.conferencing.autocreate.conf_settings",
        ),
        (
            autocreate(2, "z", {"a": "x" * 17_000}),
            "event.conferencing.autocreate.conf_settings",
        ),
    ],
)
async def test_a_conference_that_is_not_well_formed_names_its_field(
    service: Service, google: Grant, conferencing: c.Conferencing, path: str
) -> None:
    failure = await service.failure(creation(google.id, conferencing))
    assert (failure.code, failure.reason) == (INVALID, "INVALID_FIELD")
    assert path in failure.violations
    assert google.requests() == []


async def test_recurrence_needs_a_time_zone(service: Service, google: Grant) -> None:
    weekly = ["RRULE:FREQ=WEEKLY"]
    failure = await service.failure(creation(google.id, recurrence=weekly))
    assert list(failure.violations) == ["event.when.timespan.start_timezone"]
    answer = await service.call(
        creation(google.id, recurrence=weekly, when=timespan(zone="Europe/Berlin"))
    )
    assert list(answer.event.recurrence) == weekly


async def test_a_default_visibility_is_for_google_only(
    service: Service, google: Grant, microsoft: Grant
) -> None:
    await service.call(creation(google.id, visibility=e.VISIBILITY_DEFAULT))
    failure = await service.failure(creation(microsoft.id, visibility=e.VISIBILITY_DEFAULT))
    assert list(failure.violations) == ["event.visibility"]


async def test_a_request_id_is_needed_unless_only_validating(
    service: Service, google: Grant
) -> None:
    failure = await service.failure(creation(google.id, request_id=""))
    assert list(failure.violations) == ["request_id"]
    await service.call(creation(google.id, request_id="", validate_only=True))
    wrong = await service.failure(creation(google.id, request_id="x", validate_only=True))
    assert list(wrong.violations) == ["request_id"]
