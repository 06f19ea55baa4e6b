"""Requests that are wrong in themselves: every fault at once, and what is wrong only in places.

The single rules stand in the table of test_bad_input_table.py.
"""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from support.sandbox import Grant
from support.service import Service, creation, details, timespan


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
