"""What is repeated, for how long, and that it stays one request."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo

from conferencing import ConferencingError, NotFound, RateLimited, Unavailable, _repeats
from conferencing._repeats import Repeats
from conferencing.v1.conferencing_service_pb2 import (
    CreateEventResponse,
    DeleteEventResponse,
    GetEventResponse,
    ListEventsResponse,
    UpdateEventResponse,
)
from python_client.both_clients import calling, event_of
from support.service import creation, serving

Code = grpc.StatusCode
GUARD = 60.0
"""Seconds after which something hangs."""


def ids(script):
    return {request.request_id for request in script.requests}


# ---- One request, however often it is repeated ----------------------------------------------


@pytest.mark.parametrize(
    "reason", ["OUTCOME_UNKNOWN", "REQUEST_IN_PROGRESS", "LEDGER_UNAVAILABLE", "SHUTTING_DOWN"]
)
async def test_a_creation_is_repeated_beyond_grpcs_own_attempts(scripted, script, reason):
    script.fails(reason, times=9).answers(CreateEventResponse(event=event_of(id="made")))
    answer = await scripted.create()
    assert answer.event.id == "made"
    assert len(script.requests) == 10
    (request_id,) = ids(script)
    assert str(uuid.UUID(request_id)) == request_id
    assert len({request.SerializeToString(deterministic=True) for request in script.requests}) == 1


async def test_an_update_keeps_its_request_id_too(scripted, script):
    script.fails("OUTCOME_UNKNOWN", times=5).answers(UpdateEventResponse())
    await scripted(
        "update_event",
        grant_id="grant",
        calendar_id="primary",
        event=event_of(id="1"),
        update_mask=["title", "when"],
    )
    assert len(ids(script)) == 1
    assert {tuple(each.update_mask.paths) for each in script.requests} == {("title", "when")}


async def test_every_call_is_a_request_of_its_own(scripted, script):
    script.answers(CreateEventResponse())
    for _ in range(3):
        await scripted.create()
    assert len(ids(script)) == 3


async def test_the_callers_own_id_is_taken(scripted, script):
    script.fails("OUTCOME_UNKNOWN", times=5).answers(CreateEventResponse())
    mine = str(uuid.uuid4())
    await scripted.create(request_id=mine)
    assert ids(script) == {mine}


async def test_what_writes_nothing_has_no_id(scripted, script):
    script.answers(CreateEventResponse())
    await scripted.create(validate_only=True)
    assert ids(script) == {""}


async def test_a_broken_connection_is_repeated(scripted, script):
    script.fails(code=Code.UNAVAILABLE, message="Socket closed", times=5)
    script.answers(CreateEventResponse())
    await scripted.create()
    assert len(script.requests) == 6
    assert len(ids(script)) == 1


async def test_a_call_that_a_server_cancels_as_it_stops_is_repeated(scripted, script):
    script.fails(code=Code.CANCELLED, message="CANCELLED", times=5)
    script.answers(CreateEventResponse())
    await scripted.create()
    assert len(script.requests) == 6
    assert len(ids(script)) == 1


async def test_a_client_that_is_closed_repeats_nothing(script):
    script.answers(GetEventResponse(), delay=1.0)
    async with calling("blocking", script.target) as caller:
        call = asyncio.create_task(caller.get())
        async with asyncio.timeout(GUARD):
            while True:
                if script.calls:
                    break
                await asyncio.sleep(0.01)
        caller.client.close()
        with pytest.raises(ConferencingError) as caught:
            await call
    assert caught.value.code is Code.CANCELLED
    assert len(script.calls) == 1


@pytest.mark.parametrize(
    "code",
    [
        *(Code.UNKNOWN, Code.INTERNAL, Code.ABORTED, Code.DEADLINE_EXCEEDED),
        *(Code.RESOURCE_EXHAUSTED, Code.FAILED_PRECONDITION, Code.UNAUTHENTICATED),
    ],
)
async def test_nothing_else_is_repeated(scripted, script, code):
    script.fails(code=code)
    with pytest.raises(ConferencingError) as caught:
        await scripted.get()
    assert caught.value.code is code
    assert len(script.requests) == 1


async def test_a_limited_call_is_not_repeated(scripted, script):
    script.fails("UPSTREAM_RATE_LIMITED", retry_after=2.5)
    with pytest.raises(RateLimited) as caught:
        await scripted.create()
    assert caught.value.retry_after == 2.5
    assert caught.value.request_id in ids(script)
    assert len(script.requests) == 1


# ---- Deletions ------------------------------------------------------------------------------


async def test_a_deletion_that_may_have_arrived_is_repeated_so_that_it_may_be_gone(
    scripted, script
):
    script.fails(code=Code.UNAVAILABLE).fails(code=Code.CANCELLED).answers(DeleteEventResponse())
    await scripted.delete()
    assert [request.allow_missing for request in script.requests] == [False, True, True]


async def test_a_deletion_of_which_nothing_was_written_is_repeated_as_it_is(scripted, script):
    script.fails("UPSTREAM_UNAVAILABLE").fails("EVENT_NOT_FOUND")
    with pytest.raises(NotFound):
        await scripted.delete()
    assert [request.allow_missing for request in script.requests] == [False, False]


async def test_a_deletion_that_was_lost_on_the_way_back_succeeds(scripted, script, google, service):
    event = google.created()
    script.fails(code=Code.UNAVAILABLE).answers(DeleteEventResponse())
    await scripted.delete()
    second = script.requests[1]
    second.grant_id, second.event_id = google.id, event["id"]
    assert google.delete(event["id"]).status_code == 200
    await service.call(second)


# ---- The deadline ---------------------------------------------------------------------------


async def test_calls_have_the_clients_deadline_or_their_own(kind, script):
    script.answers(GetEventResponse())
    async with calling(kind, script.target) as caller:
        await caller.get()
        await caller.get(timeout=7)
    async with calling(kind, script.target, timeout=90) as caller:
        await caller.get()
    seconds = [call.seconds for call in script.calls]
    for left, most in zip(seconds, (30, 7, 90), strict=True):
        assert most / 2 < left < most + 1


async def test_a_repetition_has_what_is_left_of_the_deadline(scripted, script):
    script.fails("OUTCOME_UNKNOWN", retry_after=0.3, times=6).answers(CreateEventResponse())
    await scripted.create(timeout=20)
    seconds = [call.seconds for call in script.calls]
    assert len(seconds) == 7
    assert seconds[0] - seconds[-1] > 1.0
    assert all(earlier > later - 0.5 for earlier, later in itertools.pairwise(seconds))


async def test_the_deadline_ends_the_repeating(scripted, script):
    script.fails("REQUEST_IN_PROGRESS", retry_after=0.2)
    began = time.monotonic()
    with pytest.raises(ConferencingError) as caught:
        await scripted.create(timeout=2)
    assert time.monotonic() - began < GUARD
    # The last word is the service's, or gRPC's where the deadline falls into one of its pauses.
    assert caught.value.code in {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED}
    assert caught.value.request_id in ids(script)


async def test_a_pause_that_does_not_fit_is_not_begun(scripted, script):
    script.fails("UPSTREAM_UNAVAILABLE", retry_after=300)
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        await scripted.delete(timeout=200)
    assert caught.value.retry_after == 300
    assert time.monotonic() - began < GUARD
    assert len(script.requests) == 1


async def test_a_slow_server_ends_with_the_deadline_and_the_caller_can_go_on(scripted, script):
    script.answers(CreateEventResponse(), delay=30).answers(CreateEventResponse(replayed=True))
    with pytest.raises(ConferencingError) as caught:
        await scripted.create(timeout=0.5)
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    assert "connection" not in caught.value.message
    answer = await scripted.create(request_id=caught.value.request_id)
    assert answer.replayed
    assert len(ids(script)) == 1


async def test_a_server_that_is_not_there_is_named(kind):
    async with calling(kind, "127.0.0.1:1", timeout=1) as caller:
        with pytest.raises(ConferencingError, match=r"no connection to 127\.0\.0\.1:1") as caught:
            await caller.get()
    assert caught.value.code is Code.DEADLINE_EXCEEDED


# ---- The real server ------------------------------------------------------------------------


async def test_a_lost_answer_whose_event_appears_late_is_waited_for(caller, google):
    google.fault("late_commit", method="POST", value=600)
    answer = await caller.create(google.id)
    assert google.effects() == ["event_created"]
    assert google.get(answer.event.id).status_code == 200


async def test_an_outcome_that_the_deadline_leaves_open_is_told_to_the_same_request(
    kind, sandbox, google
):
    google.fault("late_commit", method="POST", value=2500)
    async with (
        serving(sandbox.url, settle_window=10.0) as service,
        calling(kind, f"127.0.0.1:{service.port}") as caller,
    ):
        with pytest.raises(ConferencingError) as caught:
            await caller.create(google.id, timeout=1.5)
        assert caught.value.code in {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED}
        answer = await caller.create(google.id, request_id=caught.value.request_id)
    assert google.effects() == ["event_created"]
    assert google.get(answer.event.id).status_code == 200


async def test_the_same_request_under_way_elsewhere_is_waited_for(caller, google, service):
    google.fault("latency", method="POST", value=1500)
    request = creation(google.id)
    request.event.CopyFrom(event_of())
    first = asyncio.create_task(service.call(request))
    await asyncio.sleep(0.3)
    answer = await caller.create(google.id, request_id=request.request_id)
    assert (await first).event.id == answer.event.id
    assert answer.replayed
    assert google.effects() == ["event_created"]


# ---- Pages ----------------------------------------------------------------------------------


async def test_all_pages_come_and_only_as_they_are_needed(scripted, script):
    pages = [(["a", "b"], "2"), ([], "3"), (["c"], "")]
    for names, token in pages:
        events = [event_of(id=name) for name in names]
        script.answers(ListEventsResponse(events=events, next_page_token=token))
    found = await scripted(
        "list_events",
        grant_id="grant",
        calendar_id="primary",
        start_time=event_of().when.timespan.start_time.ToDatetime(tzinfo=None).astimezone(),
        only_with_conferencing=True,
        page_size=2,
    )
    assert [event.id for event in found] == ["a", "b", "c"]
    assert [request.page_token for request in script.requests] == ["", "2", "3"]
    for request in script.requests:
        assert (request.only_with_conferencing, request.page_size) == (True, 2)
        assert request.HasField("start_time")
        assert not request.HasField("end_time")


async def test_a_page_that_nobody_asks_for_is_not_fetched(script):
    script.answers(ListEventsResponse(events=[event_of(id="a")], next_page_token="more"))
    async with calling("asyncio", script.target) as caller:
        async for _ in caller.client.list_events(grant_id="grant", calendar_id="primary"):
            break
    async with calling("blocking", script.target) as caller:
        next(caller.client.list_events(grant_id="grant", calendar_id="primary"))
    assert len(script.requests) == 2


async def test_a_page_is_repeated_like_any_read(scripted, script):
    script.answers(ListEventsResponse(events=[event_of(id="a")], next_page_token="2"))
    script.fails("UPSTREAM_UNAVAILABLE", times=5)
    script.answers(ListEventsResponse(events=[event_of(id="b")]))
    found = await scripted("list_events", grant_id="grant", calendar_id="primary")
    assert [event.id for event in found] == ["a", "b"]


async def test_the_events_of_a_real_calendar_come_in_pages(caller, google):
    made = {google.created(title=f"{number}")["id"] for number in range(7)}
    found = await caller("list_events", grant_id=google.id, calendar_id="primary", page_size=3)
    assert {event.id for event in found} == made


# ---- The rule itself ------------------------------------------------------------------------


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def unavailable(seconds=None):
    details = [] if seconds is None else [RetryInfo(retry_delay=Duration(seconds=seconds))]
    return Unavailable(Code.UNAVAILABLE, details=details)


def test_pauses_grow_to_five_seconds_and_are_drawn():
    clock, drawn = Clock(), []

    def most(low, high):
        drawn.append((low, high))
        return high

    repeats = Repeats(1000, clock=clock, jitter=most)
    pauses = [repeats.pause_after(unavailable()) for _ in range(7)]
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    assert all(low == pytest.approx(high / 2) for low, high in drawn)


def test_a_pause_that_the_service_asks_for_is_kept():
    repeats = Repeats(1000, clock=Clock(), jitter=lambda low, high: low)
    assert repeats.pause_after(unavailable(7)) == 7.0
    assert repeats.pause_after(unavailable(0)) == _repeats.SHORTEST_PAUSE


def test_no_pause_outlasts_the_deadline():
    clock = Clock()
    repeats = Repeats(10, clock=clock, jitter=lambda low, high: high)
    assert repeats.pause_after(unavailable(20)) is None
    clock.now += 9.9
    assert repeats.pause_after(unavailable()) is None
    clock.now += 1
    assert repeats.seconds_left() == 0.0
