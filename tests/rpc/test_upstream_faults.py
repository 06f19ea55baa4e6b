"""What callers are told when the upstream misbehaves, and what really happened meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

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

UNKNOWN = grpc.StatusCode.UNKNOWN
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED

LOST_AFTER_THE_COMMIT = [
    ("reset_after_commit", {}),
    ("timeout_after_commit", {"value": 10}),
    ("server_error_after_commit", {}),
    ("malformed_body", {}),
    ("truncated_body", {}),
    ("oversized_body", {}),
]
LOST_BEFORE_THE_COMMIT = [("reset_before_commit", {}), ("server_error", {"value": 502})]


def times(grant: Grant, method: str) -> int:
    """How often the vendor was sent a write."""
    return [each["method"] for each in grant.requests()].count(method)


@pytest.mark.parametrize(("kind", "more"), LOST_AFTER_THE_COMMIT)
async def test_a_create_whose_answer_is_lost_is_found_and_answered_and_sent_once(
    service: Service, google: Grant, kind: str, more: dict[str, Any]
) -> None:
    google.fault(kind, method="POST", **more)
    answer = await service.call(creation(google.id, autocreate()))
    assert times(google, "POST") == 1
    assert google.effects() == ["conference_created", "event_created"]
    assert not answer.replayed
    assert answer.event == (await service.call(get(google.id, answer.event.id))).event
    assert answer.event.conferencing.state == c.CONFERENCE_STATE_READY


@pytest.mark.parametrize(("kind", "more"), LOST_BEFORE_THE_COMMIT)
async def test_a_create_that_was_lost_on_its_way_is_unresolved_and_sent_once_for_good(
    service: Service, google: Grant, kind: str, more: dict[str, Any]
) -> None:
    google.fault(kind, method="POST", **more)
    request = creation(google.id, autocreate())
    for _ in range(2):
        failure = await service.failure(request)
        assert (failure.code, failure.reason) == (UNKNOWN, "OUTCOME_UNRESOLVED")
        assert failure.metadata["request_id"] == request.request_id
        assert failure.retry_after is None
        assert "grpc-retry-pushback-ms" not in failure.trailers
    assert times(google, "POST") == 1
    assert google.effects() == []


async def test_a_late_commit_within_the_settle_window_is_found_and_happens_once(
    service: Service, google: Grant
) -> None:
    google.fault("late_commit", method="POST", value=300)
    answer = await service.call(creation(google.id))
    assert google.get(answer.event.id).status_code == 200
    assert times(google, "POST") == 1
    assert google.effects() == ["event_created"]


async def test_a_commit_after_the_settle_window_is_unresolved_and_happens_once(
    sandbox: Sandbox, google: Grant, seen_reasons: set[str]
) -> None:
    async with serving(sandbox.url, settle_window=0.2, reasons=seen_reasons) as service:
        google.fault("late_commit", method="POST", value=1000)
        request = creation(google.id)
        assert (await service.failure(request)).reason == "OUTCOME_UNRESOLVED"
        assert google.effects() == []
        for _ in range(100):
            if google.effects():
                break
            await asyncio.sleep(0.05)
        assert (await service.failure(request)).reason == "OUTCOME_UNRESOLVED"
    assert times(google, "POST") == 1
    assert google.effects() == ["event_created"]


async def test_while_it_looks_a_caller_without_time_is_told_when_to_repeat_the_request(
    sandbox: Sandbox, google: Grant, seen_reasons: set[str]
) -> None:
    async with serving(sandbox.url, settle_window=20.0, reasons=seen_reasons) as service:
        google.fault("late_commit", method="POST", value=2500)
        request = creation(google.id)
        failure = await service.failure(request, timeout=1.5)
        assert (failure.code, failure.reason) == (UNAVAILABLE, "OUTCOME_UNKNOWN")
        assert failure.metadata == {"request_id": request.request_id}
        assert failure.retry_after == 10
        # Not in its time: gRPC is not to sleep into the deadline.
        assert failure.trailers["grpc-retry-pushback-ms"] == "-1"
        assert google.effects() == []
        answer = await service.call(request)
    assert google.get(answer.event.id).status_code == 200
    assert times(google, "POST") == 1
    assert google.effects() == ["event_created"]


async def test_a_look_that_fails_tells_nothing_so_there_is_another_one(
    service: Service, sandbox: Sandbox, google: Grant
) -> None:
    await service.call(creation(google.id))
    sandbox.arm(
        {"grant_id": google.id, "kind": "reset_after_commit", "method": "POST"},
        {"grant_id": google.id, "kind": "server_error", "method": "GET", "times": 7},
    )
    answer = await service.call(creation(google.id))
    assert google.get(answer.event.id).status_code == 200
    assert times(google, "POST") == 2
    assert google.effects() == ["event_created", "event_created"]


@pytest.mark.parametrize("status", [400, 403, 429])
async def test_a_conference_made_but_not_inserted_is_no_plain_refusal(
    service: Service, google: Grant, status: int
) -> None:
    google.fault("insert_refused", value=status)
    request = creation(google.id, autocreate())
    failure = await service.failure(request)
    assert (failure.code, failure.reason) == (UNKNOWN, "OUTCOME_UNRESOLVED")
    assert failure.metadata["upstream_status"] == str(status)
    assert (await service.failure(request)).reason == "OUTCOME_UNRESOLVED"
    assert times(google, "POST") == 1
    assert google.effects() == ["conference_created"]


UPDATES: list[dict[str, Any]] = [
    {"title": "New"},
    {"description": "New words.", "location": "Room 2"},
    {"participants": [e.Participant(email="a@example.com", name="Ada", comment="c")]},
    {"participants": []},
    {"when": timespan(1_893_600_000)},
    {"metadata": {"key1": "new"}},
    {"busy": False, "capacity": 3, "hide_participants": True},
    {"visibility": e.VISIBILITY_PRIVATE},
    {"reminders": e.Reminders(overrides=[e.Reminder(minutes=7)])},
    {"resources": [e.Resource(email="room@example.com", name="Aquarium")]},
    {"conferencing": details(c.PROVIDER_ZOOM_MEETING, "https://zoom.us/j/98765432101")},
    {"conferencing": autocreate()},
]


def named(fields: dict[str, Any]) -> str:
    kinds = (value.WhichOneof("source") for key, value in fields.items() if key == "conferencing")
    return "-".join([*fields, *kinds])


@pytest.mark.parametrize("fields", UPDATES, ids=named)
@pytest.mark.parametrize("platform", ["google", "microsoft"])
async def test_an_update_whose_answer_is_lost_is_recognised_and_answered_and_sent_once(
    service: Service, sandbox: Sandbox, platform: str, fields: dict[str, Any]
) -> None:
    grant = sandbox.grant(platform)
    event = (await service.call(creation(grant.id))).event
    grant.fault("reset_after_commit", method="PUT")
    answer = await service.call(update(grant.id, event.id, **fields))
    assert answer.event == (await service.call(get(grant.id, event.id))).event
    assert times(grant, "PUT") == 1
    assert grant.effects().count("event_updated") == 1
    assert grant.effects().count("conference_created") == fields.get(
        "conferencing", c.Conferencing()
    ).HasField("autocreate")


@pytest.mark.parametrize("kind", ["timeout_after_commit", "malformed_body", "truncated_body"])
async def test_an_update_is_recognised_however_its_answer_was_lost(
    service: Service, google: Grant, kind: str
) -> None:
    event = (await service.call(creation(google.id))).event
    google.fault(kind, method="PUT")
    answer = await service.call(update(google.id, event.id, title="New"))
    assert answer.event.title == "New"
    assert times(google, "PUT") == 1
    assert google.effects() == ["event_created", "event_updated"]


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "New"},
        {"participants": [e.Participant(email="a@example.com", name="Another")]},
        {"participants": [e.Participant(email="a@example.com", name="Ada", comment="new")]},
        {
            "conferencing": details(
                c.PROVIDER_ZOOM_MEETING, "https://zoom.us/j/98765432101", password="new"
            )
        },
        {"conferencing": autocreate()},
    ],
    ids=named,
)
async def test_an_update_that_was_lost_on_its_way_is_unresolved_and_sent_once_for_good(
    service: Service, google: Grant, fields: dict[str, Any]
) -> None:
    """Also where the event shows nearly what was asked: who is invited, where to join."""
    zoom = details(c.PROVIDER_ZOOM_MEETING, "https://zoom.us/j/98765432101", password="old")
    guests = [e.Participant(email="a@example.com", name="Ada")]
    event = (await service.call(creation(google.id, zoom, participants=guests))).event
    before = google.effects()
    google.fault("reset_before_commit", method="PUT")
    request = update(google.id, event.id, replace=True, **fields)
    for _ in range(2):
        failure = await service.failure(request)
        assert (failure.code, failure.reason) == (UNKNOWN, "OUTCOME_UNRESOLVED")
    assert times(google, "PUT") == 1
    assert google.effects() == before


@pytest.mark.parametrize("kind", ["reset_after_commit", "reset_before_commit"])
async def test_a_deletion_whose_answer_is_lost_is_unresolved_and_sent_once(
    service: Service, google: Grant, kind: str
) -> None:
    event = (await service.call(creation(google.id))).event
    google.fault(kind, method="DELETE")
    assert (await service.failure(delete(google.id, event.id))).reason == "OUTCOME_UNRESOLVED"
    assert [each["method"] for each in google.requests()].count("DELETE") == 1


async def test_a_rate_limit_says_when_to_come_back_and_nothing_was_written(
    service: Service, google: Grant
) -> None:
    google.fault("rate_limit", method="POST", value=7)
    failure = await service.failure(creation(google.id))
    assert (failure.code, failure.reason) == (EXHAUSTED, "UPSTREAM_RATE_LIMITED")
    assert failure.retry_after == 7
    assert google.effects() == []


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("server_error", {"value": 503}),
        ("server_error", {"value": 502}),
        ("reset_before_commit", {}),
        ("truncated_body", {}),
        ("rate_limit", {"value": 0}),
    ],
)
async def test_a_read_that_fails_twice_is_made_a_third_time(
    service: Service, google: Grant, kind: str, more: dict[str, Any]
) -> None:
    event = (await service.call(creation(google.id))).event
    before = len(google.requests())
    google.fault(kind, method="GET", times=2, **more)
    assert (await service.call(get(google.id, event.id))).event.id == event.id
    assert len(google.requests()) == before + 3


async def test_a_read_that_keeps_failing_is_unavailable_and_may_be_repeated(
    service: Service, google: Grant
) -> None:
    event = (await service.call(creation(google.id))).event
    google.fault("server_error", method="GET", times=3)
    failure = await service.failure(get(google.id, event.id))
    assert (failure.code, failure.reason) == (UNAVAILABLE, "UPSTREAM_UNAVAILABLE")
    assert failure.retry_after is not None
    assert int(failure.trailers["grpc-retry-pushback-ms"]) == failure.retry_after * 1000
    assert (await service.call(get(google.id, event.id))).event.id == event.id


async def test_a_retry_after_beyond_the_deadline_is_told_at_once(
    service: Service, google: Grant
) -> None:
    event = (await service.call(creation(google.id))).event
    before = len(google.requests())
    google.fault("rate_limit", method="GET", times=3, value=60)
    failure = await service.failure(get(google.id, event.id), timeout=10.0)
    assert failure.reason == "UPSTREAM_RATE_LIMITED"
    assert failure.retry_after == 60
    assert len(google.requests()) == before + 1


@pytest.mark.parametrize("kind", ["malformed_body", "oversized_body"])
async def test_an_answer_to_a_read_that_cannot_be_read_is_malformed(
    service: Service, google: Grant, kind: str
) -> None:
    event = (await service.call(creation(google.id))).event
    google.fault(kind, method="GET", times=None)
    failure = await service.failure(get(google.id, event.id))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "UPSTREAM_MALFORMED")


async def test_a_refused_connection_means_that_nothing_was_written() -> None:
    async with serving("http://127.0.0.1:9") as service:
        failure = await service.failure(creation("some-grant"))
    assert (failure.code, failure.reason) == (UNAVAILABLE, "UPSTREAM_UNAVAILABLE")


async def test_a_key_that_opens_nothing_is_ours_to_mend(
    sandbox: Sandbox, google: Grant, seen_reasons: set[str]
) -> None:
    async with serving(sandbox.url, api_key="wrong", reasons=seen_reasons) as service:
        failure = await service.failure(creation(google.id))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "UPSTREAM_CREDENTIALS")


async def test_a_grant_is_expired_only_if_it_says_so(
    service: Service, sandbox: Sandbox, google: Grant
) -> None:
    event = (await service.call(creation(google.id))).event
    google.fault("grant_401", method="GET")
    once = await service.failure(get(google.id, event.id))
    assert once.reason == "UPSTREAM_REJECTED"
    assert once.metadata["upstream_status"] == "401"
    sandbox.http.post(
        "/_sandbox/grants",
        json={"id": google.id, "provider": "google", "grant_status": "invalid"},
    )
    for request in (get(google.id, event.id), creation(google.id), delete(google.id, event.id)):
        failure = await service.failure(request)
        assert (failure.reason, failure.metadata["grant_field"]) == ("GRANT_EXPIRED", "grant_id")


async def test_an_expired_grant_that_was_renewed_is_not_refused_from_memory(
    service: Service, sandbox: Sandbox
) -> None:
    grant = sandbox.grant("google", grant_status="invalid")
    assert (await service.failure(creation(grant.id))).reason == "GRANT_EXPIRED"
    sandbox.http.post("/_sandbox/grants", json={"id": grant.id, "provider": "google"})
    assert (await service.call(creation(grant.id))).event.id


async def test_the_conference_grant_that_fails_is_named(
    service: Service, sandbox: Sandbox, google: Grant
) -> None:
    field = "event.conferencing.autocreate.conf_grant_id"
    missing = await service.failure(
        creation(google.id, autocreate(c.PROVIDER_ZOOM_MEETING, "no-such-grant"))
    )
    assert (missing.reason, missing.metadata["grant_field"]) == ("GRANT_NOT_FOUND", field)
    expired = sandbox.grant("zoom", grant_status="invalid")
    failure = await service.failure(
        creation(google.id, autocreate(c.PROVIDER_ZOOM_MEETING, expired.id))
    )
    assert (failure.reason, failure.metadata["grant_field"]) == ("GRANT_EXPIRED", field)


async def test_what_is_missing_is_named(service: Service, google: Grant, icloud: Grant) -> None:
    no_grant = await service.failure(creation("no-such-grant"))
    assert (no_grant.code, no_grant.reason) == (grpc.StatusCode.NOT_FOUND, "GRANT_NOT_FOUND")
    no_calendar = await service.failure(creation(google.id, calendar_id="nowhere"))
    assert no_calendar.reason == "CALENDAR_NOT_FOUND"
    no_event = await service.failure(get(google.id, "no-such-event"))
    assert no_event.reason == "EVENT_NOT_FOUND"
    no_primary = await service.failure(creation(icloud.id))
    assert no_primary.reason == "CALENDAR_NOT_FOUND"


async def test_a_zoom_grant_has_no_calendar(service: Service, zoom: Grant) -> None:
    for request in (
        creation(zoom.id),
        get(zoom.id, "x"),
        update(zoom.id, "x", title="t"),
        delete(zoom.id, "x"),
        s.ListEventsRequest(grant_id=zoom.id, calendar_id="primary"),
    ):
        failure = await service.failure(request)
        assert (failure.reason, failure.metadata) == (
            "GRANT_HAS_NO_CALENDAR",
            {"platform": "ZOOM"},
        )


async def test_what_is_read_only_is_said_to_be(service: Service, google: Grant) -> None:
    calendar = await service.failure(creation(google.id, calendar_id="holidays"))
    assert calendar.reason == "CALENDAR_READ_ONLY"
    listed = await service.call(s.ListEventsRequest(grant_id=google.id, calendar_id="holidays"))
    (holiday,) = listed.events
    assert holiday.read_only
    for request in (
        update(google.id, holiday.id, title="mine", calendar_id="holidays"),
        update(google.id, holiday.id, description="mine", calendar_id="holidays"),
        delete(google.id, holiday.id, calendar_id="holidays"),
    ):
        assert (await service.failure(request)).reason == "EVENT_READ_ONLY"
    assert google.effects() == []


async def test_what_the_vendor_refuses_says_who_can_look_it_up(
    service: Service, google: Grant
) -> None:
    """A moment that our contract allows and the vendor does not: the year 1."""
    request = creation(google.id)
    request.event.when.timespan.start_time.seconds = -62_135_596_800
    failure = await service.failure(request)
    assert (failure.code, failure.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "UPSTREAM_REJECTED",
    )
    assert failure.metadata["upstream_status"] == "400"
    assert failure.metadata["upstream_type"] == "invalid_request_error"
    posts = [each["request_id"] for each in google.requests() if each["method"] == "POST"]
    assert [failure.metadata["upstream_request_id"]] == posts
    assert google.effects() == []


async def test_a_deadline_too_short_for_a_write_starts_none(
    service: Service, google: Grant
) -> None:
    event = (await service.call(creation(google.id))).event
    before = google.effects()
    for request in (
        creation(google.id),
        update(google.id, event.id, title="t"),
        delete(google.id, event.id),
    ):
        failure = await service.failure(request, timeout=0.9)
        assert (failure.code, failure.reason) == (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "NOT_STARTED",
        )
    assert google.effects() == before


async def test_a_caller_that_leaves_does_not_abort_the_write(
    service: Service, google: Grant
) -> None:
    await service.call(creation(google.id))
    google.fault("latency", method="POST", value=500)
    request = creation(google.id)
    call = service.stub.CreateEvent(request, timeout=30)
    for _ in range(100):
        if times(google, "POST") == 2:
            break
        await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    for _ in range(100):
        if google.effects().count("event_created") == 2:
            break
        await asyncio.sleep(0.05)
    answer = await service.call(request)
    assert google.get(answer.event.id).status_code == 200
    assert times(google, "POST") == 2
    assert google.effects().count("event_created") == 2


async def test_a_deadline_that_passes_during_a_write_is_told_as_such_and_the_write_ends(
    service: Service, google: Grant
) -> None:
    await service.call(creation(google.id))
    google.fault("latency", method="POST", value=1800)
    request = creation(google.id)
    failure = await service.failure(request, timeout=1.2)
    assert failure.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert failure.reason == ""
    answer = await service.call(request)
    assert google.get(answer.event.id).status_code == 200
    assert times(google, "POST") == 2
    assert google.effects().count("event_created") == 2


async def test_details_that_the_vendor_would_drop_are_refused_by_name(
    service: Service, google: Grant
) -> None:
    asked = details(
        c.PROVIDER_MICROSOFT_TEAMS,
        "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0",
        pin="1",
        meeting_code="2",
    )
    failure = await service.failure(creation(google.id, asked))
    assert set(failure.violations) == {
        "event.conferencing.details.pin",
        "event.conferencing.details.meeting_code",
    }
