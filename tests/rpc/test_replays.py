"""A request that is repeated: the same answer, nothing sent again, and nobody else's business.

What was done is counted in the sandbox's log, never read off an answer.
"""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from conferencing_service.core.ledger.store import StoreUnavailable
from conferencing_service.interceptors import RpcInterceptor
from conferencing_service.stores import open_store
from support.callers import until_ended
from support.faulty_store import FaultyStore
from support.sandbox import Grant, Sandbox
from support.service import (
    START,
    Failure,
    Service,
    autocreate,
    creation,
    delete,
    details,
    failure_of,
    get,
    serving,
    timespan,
    update,
)

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
WRITES = frozenset({"POST", "PUT"})
ZOOM_URL = "https://us05web.zoom.us/j/98765432101?pwd=abc"
ZOOM = details(c.PROVIDER_ZOOM_MEETING, ZOOM_URL, meeting_code="98765432101", password="sesame")
GUESTS = [e.Participant(email="a@example.com", name="Ada"), e.Participant(email="b@example.com")]
FULL: dict[str, Any] = {
    "description": "Agenda",
    "location": "Room 1",
    "participants": GUESTS,
    "metadata": {"key1": "v", "case": "4711"},
    "recurrence": ["RRULE:FREQ=DAILY;COUNT=2"],
    "when": timespan(zone="Europe/Berlin"),
    "busy": False,
    "capacity": 3,
    "reminders": e.Reminders(overrides=[e.Reminder(minutes=5)]),
    "visibility": e.VISIBILITY_PRIVATE,
}


def writes(grant: Grant) -> int:
    """How many writes the vendor was sent."""
    return len([each for each in grant.requests() if each["method"] in WRITES])


def replay_of(answer: Any) -> Any:
    """What a repetition of a request with this answer has to answer."""
    repeated = type(answer)()
    repeated.CopyFrom(answer)
    repeated.replayed = True
    return repeated


def copy_of(request: Any, **changes: Any) -> Any:
    """The same request, some of its own fields changed."""
    copied = type(request)()
    copied.CopyFrom(request)
    for name, value in changes.items():
        setattr(copied, name, value)
    return copied


async def replayed_unasked(service: Service, request: Any, answer: Any, *grants: Grant) -> None:
    """Repeat a request: the same answer, and no vendor's call for it."""
    assert not answer.replayed
    before = [(grant.effects(), len(grant.requests())) for grant in grants]
    for _ in range(2):
        assert await service.call(request) == replay_of(answer)
    assert [(grant.effects(), len(grant.requests())) for grant in grants] == before


# ---- The same answer -----------------------------------------------------------------------


@pytest.mark.parametrize("conference", [None, ZOOM, autocreate(), "zoom"])
@pytest.mark.parametrize("platform", ["google", "microsoft"])
async def test_a_create_that_is_repeated_is_answered_again_and_not_sent_again(
    service: Service, sandbox: Sandbox, zoom: Grant, platform: str, conference: Any
) -> None:
    grant = sandbox.grant(platform)
    if conference == "zoom":
        conference = autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id, {"duration": 45})
    request = creation(grant.id, conference, **FULL)
    answer = await service.call(request)
    assert writes(grant) == 1
    assert grant.effects().count("event_created") == 1
    await replayed_unasked(service, request, answer, grant, zoom)


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "New"},
        {"description": "Other words.", "participants": GUESTS[:1]},
        {"conferencing": ZOOM},
        {"conferencing": autocreate()},
        {"metadata": {"key2": "w"}, "when": timespan(START + 60)},
    ],
)
async def test_an_update_that_is_repeated_is_answered_again_and_not_sent_again(
    service: Service, google: Grant, fields: dict[str, Any]
) -> None:
    event = (await service.call(creation(google.id, **FULL))).event
    request = update(google.id, event.id, **{**fields, "recurrence": []})
    answer = await service.call(request)
    assert writes(google) == 2
    await replayed_unasked(service, request, answer, google)


async def test_a_replay_warns_as_the_answer_did(service: Service, google: Grant) -> None:
    foreign = details(c.PROVIDER_ZOOM_MEETING, "https://meetings.example.org/j/1")
    request = creation(google.id, foreign)
    answer = await service.call(request)
    assert [each.reason for each in answer.warnings] == [s.WARNING_REASON_FOREIGN_HOST]
    await replayed_unasked(service, request, answer, google)


async def test_a_replay_is_what_was_answered_and_not_what_the_event_is_now(
    service: Service, google: Grant
) -> None:
    request = creation(google.id, title="First")
    answer = await service.call(request)
    await service.call(update(google.id, answer.event.id, title="Second"))
    await replayed_unasked(service, request, answer, google)
    await service.call(delete(google.id, answer.event.id))
    await replayed_unasked(service, request, answer, google)


async def test_an_update_that_put_a_conference_on_is_not_refused_because_there_is_one(
    service: Service, google: Grant
) -> None:
    event = (await service.call(creation(google.id))).event
    request = update(google.id, event.id, conferencing=autocreate())
    answer = await service.call(request)
    await replayed_unasked(service, request, answer, google)
    other = copy_of(request, request_id=str(uuid.uuid4()))
    assert (await service.failure(other)).reason == "CONFERENCE_ALREADY_PRESENT"
    assert google.effects().count("conference_created") == 1


async def test_a_replay_asks_neither_the_calendar_nor_the_grant(
    service: Service, sandbox: Sandbox, google: Grant, zoom: Grant
) -> None:
    requests = [
        creation(google.id, autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id)),
        creation(google.id),
    ]
    answers = [await service.call(each) for each in requests]
    requests.append(update(google.id, answers[1].event.id, conferencing=ZOOM))
    answers.append(await service.call(requests[2]))
    sandbox.arm(
        {"grant_id": google.id, "kind": "server_error", "times": None},
        {"grant_id": google.id, "kind": "server_error", "resource": "grant", "times": None},
    )
    for grant, provider in ((google, "google"), (zoom, "zoom")):
        sandbox.http.post(
            "/_sandbox/grants",
            json={"id": grant.id, "provider": provider, "grant_status": "invalid"},
        )
    assert (await service.failure(creation(google.id), timeout=3.0)).reason
    for request, answer in zip(requests, answers, strict=True):
        await replayed_unasked(service, request, answer, google, zoom)


async def test_another_server_with_the_same_ledger_gives_the_same_answer(
    sandbox: Sandbox, google: Grant, tmp_path: Path
) -> None:
    url = f"sqlite://{tmp_path}/ledger.sqlite"
    request = creation(google.id, autocreate(), **FULL)
    async with serving(sandbox.url, ledger_url=url) as first:
        answer = await first.call(request)
        async with serving(sandbox.url, ledger_url=url) as beside:
            await replayed_unasked(beside, request, answer, google)
    async with serving(sandbox.url, ledger_url=url) as after:
        await replayed_unasked(after, request, answer, google)


async def test_a_request_id_is_the_same_in_capitals(service: Service, google: Grant) -> None:
    request = creation(google.id)
    capitals = copy_of(request, request_id=request.request_id.upper())
    assert capitals.request_id != request.request_id
    answer = await service.call(request)
    await replayed_unasked(service, capitals, answer, google)
    first = creation(google.id, request_id=str(uuid.uuid4()).upper())
    answer = await service.call(first)
    small = copy_of(first, request_id=first.request_id.lower())
    await replayed_unasked(service, small, answer, google)


# ---- Another payload -----------------------------------------------------------------------


def set_in(path: str, value: Any) -> Callable[[Any], None]:
    """A change of one field, named by its path."""
    *around, last = path.split(".")

    def change(request: Any) -> None:
        for name in around:
            request = getattr(request, name)
        match value:
            case list():
                del getattr(request, last)[:]
                getattr(request, last).extend(value)
            case dict():
                getattr(request, last).clear()
                getattr(request, last).update(value)
            case str() | int() | float():
                setattr(request, last, value)
            case _:
                getattr(request, last).CopyFrom(value)

    return change


EVENT_CHANGES = {
    "title": set_in("event.title", "Another"),
    "description": set_in("event.description", "Another"),
    "location": set_in("event.location", ""),
    "when": set_in("event.when.timespan.end_time", Timestamp(seconds=START + 7200)),
    "zone": set_in("event.when", timespan(zone="Asia/Tokyo")),
    "guest": set_in("event.participants", GUESTS[:1]),
    "guests in another order": set_in("event.participants", GUESTS[::-1]),
    "guest's name": set_in("event.participants", [GUESTS[1], e.Participant(email="a@example.com")]),
    "recurrence": set_in("event.recurrence", ["RRULE:FREQ=DAILY;COUNT=3"]),
    "reminders": set_in("event.reminders", e.Reminders(overrides=[e.Reminder(minutes=6)])),
    "visibility": set_in("event.visibility", e.VISIBILITY_PUBLIC),
    "busy": set_in("event.busy", True),
    "unset busy": lambda request: request.event.ClearField("busy"),
    "metadata": set_in("event.metadata", {"key1": "v", "case": "4712"}),
    "less metadata": set_in("event.metadata", {"key1": "v"}),
    "resources": set_in("event.resources", [e.Resource(email="room@example.com")]),
    "hide_participants": set_in("event.hide_participants", True),
    "capacity": set_in("event.capacity", 4),
    "url": set_in("event.conferencing.details.url", "https://zoom.us/j/98765432109"),
    "meeting_code": set_in("event.conferencing.details.meeting_code", "98765432109"),
    "password": set_in("event.conferencing.details.password", ""),
    "provider": set_in("event.conferencing", details(c.PROVIDER_WEBEX, ZOOM_URL)),
    "autocreate": set_in("event.conferencing", autocreate()),
    "no conference": lambda request: request.event.ClearField("conferencing"),
    "notify": set_in("notify", s.NOTIFY_NONE),
    "calendar": set_in("calendar_id", "team"),
}


async def refused_as_reused(
    service: Service, request: Any, change: Callable[[Any], None], grant: Grant
) -> Failure:
    """Repeat a request that was changed: refused, and nothing asked of the vendor."""
    changed = copy_of(request)
    change(changed)
    assert changed != request
    before = grant.effects(), len(grant.requests())
    failure = await service.failure(changed)
    assert (failure.code, failure.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "REQUEST_ID_REUSED",
    )
    assert failure.retry_after is None
    assert (grant.effects(), len(grant.requests())) == before
    return failure


async def test_every_field_of_an_event_is_part_of_the_payload_of_a_create(
    service: Service, google: Grant
) -> None:
    request = creation(google.id, ZOOM, **FULL)
    answer = await service.call(request)
    for name, change in EVENT_CHANGES.items():
        assert (await refused_as_reused(service, request, change, google)).metadata == {}, name
    await replayed_unasked(service, request, answer, google)


async def test_every_named_field_is_part_of_the_payload_of_an_update(
    service: Service, google: Grant
) -> None:
    event, other = [(await service.call(creation(google.id))).event for _ in range(2)]
    request = update(
        google.id, event.id, "title", "resources", "hide_participants", *FULL, "conferencing"
    )
    request.event.MergeFrom(creation(google.id, ZOOM, **FULL).event)
    answer = await service.call(request)
    changes = {
        **EVENT_CHANGES,
        "event": set_in("event.id", other.id),
        "mask": set_in("update_mask.paths", ["title"]),
        "replace": set_in("replace_conferencing", True),
    }
    for change in changes.values():
        await refused_as_reused(service, request, change, google)
    await replayed_unasked(service, request, answer, google)


@pytest.mark.parametrize(
    "settings", [{"duration": 60, "password": "p"}, {"duration": 45}, {"duration": "45"}, {}, None]
)
async def test_settings_are_part_of_the_payload(
    service: Service, google: Grant, zoom: Grant, settings: dict[str, Any] | None
) -> None:
    order = autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id, {"duration": 45, "password": "p"})
    request = creation(google.id, order)
    await service.call(request)
    changed = autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id, settings)
    await refused_as_reused(service, request, set_in("event.conferencing", changed), google)


async def test_another_grant_is_another_payload(
    service: Service, sandbox: Sandbox, google: Grant
) -> None:
    request, other = creation(google.id), sandbox.grant("google")
    await service.call(request)
    await refused_as_reused(service, request, set_in("grant_id", other.id), google)
    assert other.requests() == []


async def test_another_payload_is_refused_also_while_the_first_is_under_way(
    sandbox: Sandbox, google: Grant, tmp_path: Path
) -> None:
    url = f"sqlite://{tmp_path}/ledger.sqlite"
    async with (
        serving(sandbox.url, ledger_url=url) as one,
        serving(sandbox.url, ledger_url=url) as other,
    ):
        await one.call(creation(google.id))
        google.fault("latency", method="POST", value=1500)
        request = creation(google.id)
        first = asyncio.create_task(one.call(request))
        await posted(google, 2)
        for service in (one, other):
            failure = await service.failure(copy_of(request, notify=s.NOTIFY_NONE))
            assert failure.reason == "REQUEST_ID_REUSED"
        assert not first.done()
        await first
    assert google.effects() == ["event_created"] * 2


# ---- The same payload, written differently -------------------------------------------------


async def test_the_same_create_may_be_written_differently(
    service: Service, google: Grant, zoom: Grant
) -> None:
    settings = {"duration": 60, "settings": {"waiting_room": True, "audio": "both"}}
    order = autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id, settings)
    request = creation(google.id, order, **FULL)
    answer = await service.call(request)

    again = copy_of(request, notify=s.NOTIFY_ALL)
    again.event.ClearField("metadata")
    again.event.metadata.update(dict(reversed(FULL["metadata"].items())))
    again.event.conferencing.autocreate.ClearField("conf_settings")
    again.event.conferencing.autocreate.conf_settings.update(
        {"settings": {"audio": "both", "waiting_room": True}, "duration": 60.0}
    )
    for name, value in {
        "id": "another",
        "grant_id": "another",
        "calendar_id": "another",
        "read_only": True,
        "html_link": "https://calendar.example/e",
        "ical_uid": "u",
        "text_description": "t",
        "status": e.EVENT_STATUS_CANCELLED,
    }.items():
        setattr(again.event, name, value)
    again.event.created_at.seconds = 1
    again.event.organizer.email = "host@example.com"
    again.event.participants[0].status = e.PARTICIPANT_STATUS_YES
    again.event.conferencing.state = c.CONFERENCE_STATE_READY
    again.event.conferencing.provider_label = "Zoom"
    assert again != request
    await replayed_unasked(service, again, answer, google, zoom)


async def test_the_same_update_may_be_written_differently(service: Service, google: Grant) -> None:
    event = (await service.call(creation(google.id))).event
    request = update(google.id, event.id, "title", "location", title="New", location="Room 2")
    answer = await service.call(request)
    again = update(
        google.id,
        event.id,
        *("location", "title", "location"),
        title="New",
        location="Room 2",
        description="not in the mask",
        conferencing=ZOOM,
        read_only=True,
        calendar_id="primary",
    )
    again.request_id, again.notify = request.request_id, s.NOTIFY_ALL
    await replayed_unasked(service, again, answer, google)


# ---- Other requests ------------------------------------------------------------------------


async def test_one_id_on_two_methods_names_two_requests(service: Service, google: Grant) -> None:
    created = creation(google.id)
    event = (await service.call(created)).event
    updated = copy_of(update(google.id, event.id, title="New"), request_id=created.request_id)
    answer = await service.call(updated)
    assert not answer.replayed
    assert answer.event.title == "New"
    assert google.effects() == ["event_created", "event_updated"]
    assert (await service.call(created)).event == event


async def test_two_ids_are_two_requests(service: Service, google: Grant) -> None:
    request = creation(google.id)
    one = await service.call(request)
    other = await service.call(copy_of(request, request_id=str(uuid.uuid4())))
    assert one.event.id != other.event.id
    assert google.effects() == ["event_created"] * 2


async def test_one_callers_id_says_nothing_to_another(
    service: Service, google: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = RpcInterceptor._begin

    def begin_for(interceptor: RpcInterceptor, context: Any) -> Any:
        call = begin(interceptor, context)
        call.principal = dict(context.invocation_metadata())["principal"]
        return call

    monkeypatch.setattr(RpcInterceptor, "_begin", begin_for)
    request = creation(google.id)
    another = copy_of(request)
    another.event.title = "Another payload"
    as_ada, as_bob = ((("principal", name),) for name in ("ada", "bob"))
    one = await service.call(request, metadata=as_ada)
    other = await service.call(another, metadata=as_bob)
    assert not other.replayed
    assert other.event.id != one.event.id
    assert google.effects() == ["event_created"] * 2
    assert await service.call(request, metadata=as_ada) == replay_of(one)
    assert await service.call(another, metadata=as_bob) == replay_of(other)
    failure = await service.failure(request, metadata=as_bob)
    assert failure.reason == "REQUEST_ID_REUSED"


async def test_validating_notes_nothing(service: Service, google: Grant) -> None:
    request = creation(google.id)
    for title in ("One", "Other"):
        checked = copy_of(request, validate_only=True)
        checked.event.title = title
        assert not (await service.call(checked)).replayed
    answer = await service.call(request)
    assert not answer.replayed
    assert google.effects() == ["event_created"]
    checked = copy_of(request, validate_only=True)
    checked.event.title = "Another"
    assert (await service.call(checked)).event.title == "Another"
    await replayed_unasked(service, request, answer, google)


# ---- What surely did nothing ---------------------------------------------------------------


async def refused_then_sent(
    service: Service, request: Any, grant: Grant, reason: str, mend: Callable[[], Any], sent: int
) -> None:
    """A request fails for certain, twice alike; once mended it is sent, under the same id."""
    for _ in range(2):
        assert (await service.failure(request)).reason == reason
    assert grant.effects() == []
    before = writes(grant)
    assert before == sent
    mend()
    answer = await service.call(request)
    assert not answer.replayed
    assert writes(grant) == before + 1
    assert grant.effects().count("event_created") == 1
    await replayed_unasked(service, request, answer, grant)


async def test_a_request_that_a_verdict_refused_is_sent_once_it_may_be(
    service: Service, sandbox: Sandbox
) -> None:
    grant = sandbox.grant("microsoft", scope=["Calendars.ReadWrite"])

    def mend() -> None:
        scopes = ["Calendars.ReadWrite", "OnlineMeetings.ReadWrite"]
        body = {"id": grant.id, "provider": "microsoft", "scope": scopes}
        assert sandbox.http.post("/_sandbox/grants", json=body).status_code == 200

    request = creation(grant.id, autocreate())
    await refused_then_sent(service, request, grant, "SCOPE_MISSING", mend, sent=0)


@pytest.mark.parametrize(
    ("kind", "more", "reason"),
    [
        ("grant_401", {}, "UPSTREAM_REJECTED"),
        ("rate_limit", {"value": 0}, "UPSTREAM_RATE_LIMITED"),
    ],
)
async def test_a_request_that_the_vendor_refused_is_sent_again_when_it_is_repeated(
    service: Service, google: Grant, kind: str, more: dict[str, Any], reason: str
) -> None:
    google.fault(kind, method="POST", times=2, **more)
    request = creation(google.id)
    await refused_then_sent(service, request, google, reason, lambda: None, sent=2)


async def test_a_request_that_found_no_connection_is_sent_by_the_next_server(
    sandbox: Sandbox, google: Grant, tmp_path: Path
) -> None:
    url = f"sqlite://{tmp_path}/ledger.sqlite"
    request = creation(google.id)
    async with serving("http://127.0.0.1:9", ledger_url=url) as service:
        assert (await service.failure(request)).reason == "UPSTREAM_UNAVAILABLE"
    async with serving(sandbox.url, ledger_url=url) as service:
        answer = await service.call(request)
        assert not answer.replayed
        await replayed_unasked(service, request, answer, google)
    assert writes(google) == 1
    assert google.effects() == ["event_created"]


async def test_a_request_that_was_not_started_is_sent_when_it_is_repeated(
    service: Service, google: Grant
) -> None:
    request = creation(google.id)
    assert (await service.failure(request, timeout=0.9)).reason == "NOT_STARTED"
    assert not (await service.call(request)).replayed
    assert google.effects() == ["event_created"]


async def test_the_id_of_what_surely_did_nothing_is_free_for_another_payload(
    service: Service, google: Grant
) -> None:
    refused = creation(google.id, autocreate(c.PROVIDER_WEBEX))
    assert (await service.failure(refused)).reason == "AUTOCREATE_UNSUPPORTED"
    mended = creation(google.id, request_id=refused.request_id)
    assert not (await service.call(mended)).replayed
    assert google.effects() == ["event_created"]


# ---- At once -------------------------------------------------------------------------------


async def posted(grant: Grant, number: int = 1) -> None:
    """Wait until the vendor has got so many writes."""
    for _ in range(500):
        if writes(grant) >= number:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("no write came")


async def test_thirty_creates_at_once_make_one_event_and_answer_alike(
    sandbox: Sandbox, google: Grant, tmp_path: Path
) -> None:
    url = f"sqlite://{tmp_path}/ledger.sqlite"
    google.fault("latency", method="POST", value=200)
    request = creation(google.id, autocreate(), **FULL)
    async with (
        serving(sandbox.url, ledger_url=url) as one,
        serving(sandbox.url, ledger_url=url) as other,
    ):
        answers = await asyncio.gather(*((one, other)[n % 2].call(request) for n in range(30)))
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 29
    assert len({replay_of(each).SerializeToString(deterministic=True) for each in answers}) == 1
    assert writes(google) == 1
    assert google.effects() == ["conference_created", "event_created", "invitation_sent"]


async def test_thirty_updates_at_once_are_sent_once_and_answer_alike(
    service: Service, google: Grant
) -> None:
    event = (await service.call(creation(google.id))).event
    request = update(google.id, event.id, conferencing=autocreate())
    answers = await asyncio.gather(*(service.call(request) for _ in range(30)))
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 29
    assert len({replay_of(each).SerializeToString(deterministic=True) for each in answers}) == 1
    assert writes(google) == 2
    assert google.effects() == ["event_created", "conference_created", "event_updated"]


async def test_whoever_has_no_time_for_the_first_to_end_is_told_that_it_is_under_way(
    sandbox: Sandbox, google: Grant, tmp_path: Path, seen_reasons: set[str]
) -> None:
    url = f"sqlite://{tmp_path}/ledger.sqlite"
    async with (
        serving(sandbox.url, ledger_url=url) as one,
        serving(sandbox.url, ledger_url=url, reasons=seen_reasons) as other,
    ):
        google.fault("latency", method="POST", value=2500)
        request = creation(google.id)
        first = asyncio.create_task(one.call(request))
        await posted(google)
        failures = await asyncio.gather(
            *(service.failure(request, timeout=1.0) for service in (one, other, one, other))
        )
        assert not first.done()
        for failure in failures:
            assert (failure.code, failure.reason) == (UNAVAILABLE, "REQUEST_IN_PROGRESS")
            assert failure.metadata == {}
            assert failure.retry_after == 1
            # Not in its time: gRPC is not to sleep into the deadline.
            assert failure.trailers["grpc-retry-pushback-ms"] == "-1"
        second = asyncio.create_task(other.call(request))
        answer = await first
        assert await second == replay_of(answer)
    assert writes(google) == 1
    assert google.effects() == ["event_created"]


async def test_whoever_waits_for_one_that_fails_sends_it_then(
    sandbox: Sandbox, google: Grant, tmp_path: Path
) -> None:
    url = f"sqlite://{tmp_path}/ledger.sqlite"
    async with (
        serving(sandbox.url, ledger_url=url) as one,
        serving(sandbox.url, ledger_url=url) as other,
    ):
        event = (await one.call(creation(google.id))).event
        refused = update(google.id, event.id, description="New words.")
        sandbox.arm(
            {"grant_id": google.id, "kind": "latency", "method": "GET", "value": 500},
            {"grant_id": google.id, "kind": "grant_401", "method": "PUT"},
        )
        calls = [asyncio.create_task(service.call(refused)) for service in (one, other, one)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
    failed = [each for each in ended if isinstance(each, grpc.aio.AioRpcError)]
    answers = [each for each in ended if isinstance(each, s.UpdateEventResponse)]
    assert [failure_of(each).reason for each in failed] == ["UPSTREAM_REJECTED"]
    assert sorted(each.replayed for each in answers) == [False, True]
    assert writes(google) == 3
    assert google.effects() == ["event_created", "event_updated"]


# ---- A ledger that cannot commit -----------------------------------------------------------


@pytest.mark.parametrize("step", ["claim", "intend", "lease_left"])
async def test_without_the_ledger_nothing_is_sent_and_the_request_may_be_repeated(
    sandbox: Sandbox, google: Grant, tmp_path: Path, seen_reasons: set[str], step: str
) -> None:
    store = FaultyStore(
        await open_store(f"sqlite://{tmp_path}/ledger.sqlite"), times=10**6, note_seconds=0.15
    )
    async with serving(sandbox.url, store=store, reasons=seen_reasons, lease_margin=0.2) as service:
        event = (await service.call(creation(google.id))).event
        before = google.effects(), writes(google)
        store.step = step
        requests = (creation(google.id), update(google.id, event.id, title="New"))
        for request in requests:
            failure = await service.failure(request)
            assert (failure.code, failure.reason) == (UNAVAILABLE, "LEDGER_UNAVAILABLE")
            assert failure.retry_after == 1
            assert failure.trailers["grpc-retry-pushback-ms"] == "1000"
        assert (google.effects(), writes(google)) == before
        assert (await service.call(get(google.id, event.id))).event.id == event.id
        await service.call(delete(google.id, (await made_elsewhere(google))))
        store.step = ""
        for request in requests:
            assert not (await service.call(request)).replayed
            assert (await service.call(request)).replayed
    await store.real.aclose()
    assert google.effects().count("event_created") == 3
    assert google.effects().count("event_updated") == 1


class DownStore:
    """A real store of which nothing can be reached while it is down."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.is_down = False

    def __getattr__(self, name: str) -> Any:
        if self.is_down:
            raise StoreUnavailable("as the test says")
        return getattr(self._real, name)


async def test_a_ledger_that_is_down_is_told_at_once_to_everybody_who_asks(
    sandbox: Sandbox, google: Grant, tmp_path: Path
) -> None:
    real = await open_store(f"sqlite://{tmp_path}/ledger.sqlite")
    store: Any = DownStore(real)
    async with serving(sandbox.url, store=store) as service:
        event = (await service.call(creation(google.id))).event
        store.is_down = True
        requests = [creation(google.id), update(google.id, event.id, title="New")]
        for request in (*requests, *requests):
            failure = await service.failure(request, timeout=600.0)
            assert failure.reason == "LEDGER_UNAVAILABLE"
        assert writes(google) == 1
        store.is_down = False
        for request in requests:
            ending = await until_ended([service], request)
            assert set(ending.heard) <= {"LEDGER_UNAVAILABLE", "OK"}
    await real.aclose()
    assert google.effects() == ["event_created", "event_created", "event_updated"]


async def made_elsewhere(grant: Grant) -> str:
    """An event that somebody else made."""
    event_id: str = grant.created()["id"]
    return event_id


async def test_a_write_that_was_sent_is_told_once_it_is_noted(
    sandbox: Sandbox, google: Grant, tmp_path: Path
) -> None:
    store = FaultyStore(
        await open_store(f"sqlite://{tmp_path}/ledger.sqlite"), step="finish", times=2
    )
    async with serving(sandbox.url, store=store) as service:
        request = creation(google.id)
        answer = await service.call(request)
        assert store.struck.is_set()
        await replayed_unasked(service, request, answer, google)
    await store.real.aclose()
    assert google.effects() == ["event_created"]


# ---- A conference that was not there yet ---------------------------------------------------


async def test_a_replay_looks_again_for_a_conference_that_was_still_being_made(
    service: Service, google: Grant
) -> None:
    await service.call(creation(google.id))
    google.fault("pending_conference", value=2000)
    request = creation(google.id, autocreate())
    pending = await service.call(request, timeout=1.4)
    assert pending.event.conferencing.state == c.CONFERENCE_STATE_PENDING
    ready = await service.call(request)
    assert ready.replayed
    assert ready.event.id == pending.event.id
    assert ready.event.conferencing.state == c.CONFERENCE_STATE_READY
    assert ready.event.conferencing.details.url.startswith("https://meet.google.com/")
    before = len(google.requests())
    assert await service.call(request) == ready
    assert len(google.requests()) == before
    assert writes(google) == 2
    assert google.effects().count("conference_created") == 1


async def test_a_conference_that_came_in_time_is_not_looked_up_again(
    service: Service, google: Grant
) -> None:
    google.fault("pending_conference", value=300)
    request = creation(google.id, autocreate())
    answer = await service.call(request)
    assert answer.event.conferencing.state == c.CONFERENCE_STATE_READY
    await replayed_unasked(service, request, answer, google)


async def test_a_replay_of_one_that_is_never_made_says_so_again_in_its_time(
    service: Service, google: Grant
) -> None:
    await service.call(creation(google.id))
    google.fault("pending_conference", value=None)
    request = creation(google.id, autocreate())
    pending = await service.call(request, timeout=1.4)
    again = await service.call(request, timeout=1.4)
    assert again == replay_of(pending)
    assert writes(google) == 2


async def test_without_its_kept_answer_a_replaced_conference_is_not_told_as_the_new_one(
    sandbox: Sandbox, google: Grant, tmp_path: Path
) -> None:
    """While the upstream still shows the old conference, the new one is being made."""
    file = tmp_path / "ledger.sqlite"
    async with serving(sandbox.url, ledger_url=f"sqlite://{file}") as service:
        event = (await service.call(creation(google.id, autocreate()))).event
        old = event.conferencing.details.url
        assert old
        google.fault("pending_conference", value=None)
        request = update(google.id, event.id, replace=True, conferencing=autocreate())
        pending = await service.call(request, timeout=1.4)
        assert pending.event.conferencing.state == c.CONFERENCE_STATE_PENDING
        google.put(event.id, {"conferencing": {"provider": "Google Meet", "details": {"url": old}}})
        with closing(sqlite3.connect(file)) as ledger, ledger:
            ledger.execute(
                "UPDATE operation SET reply = 'of another version' WHERE method = 'UpdateEvent'"
            )
        again = await service.call(request, timeout=1.4)
    assert again.replayed
    assert again.event.conferencing.state == c.CONFERENCE_STATE_PENDING
    assert not again.event.conferencing.HasField("details")
