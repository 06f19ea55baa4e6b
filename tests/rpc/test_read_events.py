"""GetEvent, ListEvents and DeleteEvent."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from support.sandbox import Grant
from support.service import START, Service, autocreate, creation, delete, get, timespan

HOUR = 3600


def listing(grant: Grant, **more: object) -> s.ListEventsRequest:
    return s.ListEventsRequest(grant_id=grant.id, calendar_id="primary", **more)


def at(hours: float) -> Timestamp:
    return Timestamp(seconds=START + int(hours * HOUR))


async def titles(service: Service, request: s.ListEventsRequest) -> list[str]:
    return [event.title for event in (await service.call(request)).events]


async def fill(service: Service, grant: Grant, count: int) -> None:
    for index in range(count):
        when = timespan(START + index * HOUR)
        await service.call(creation(grant.id, title=f"e{index}", when=when))


async def test_a_list_without_bounds_has_no_hidden_ones(service: Service, google: Grant) -> None:
    past, future = 1_000_000_000, 3_000_000_000
    for name, start in (("past", past), ("future", future)):
        await service.call(creation(google.id, title=name, when=timespan(start)))
    assert await titles(service, listing(google)) == ["past", "future"]


async def test_a_range_means_overlap(service: Service, google: Grant) -> None:
    await fill(service, google, 4)
    assert await titles(service, listing(google, start_time=at(1.5), end_time=at(2.5))) == [
        "e1",
        "e2",
    ]
    assert await titles(service, listing(google, start_time=at(1), end_time=at(2))) == ["e1"]
    assert await titles(service, listing(google, start_time=at(3))) == ["e3"]
    assert await titles(service, listing(google, end_time=at(1))) == ["e0"]


async def test_an_ical_uid_selects_one_event_also_with_a_range(
    service: Service, google: Grant
) -> None:
    await fill(service, google, 2)
    uid = (await service.call(listing(google))).events[1].ical_uid
    assert await titles(service, listing(google, ical_uid=uid)) == ["e1"]
    assert await titles(service, listing(google, ical_uid=uid, end_time=at(1))) == []


async def test_pages_hold_every_event_once(service: Service, google: Grant) -> None:
    await fill(service, google, 7)
    found: list[str] = []
    token, pages = "", 0
    while True:
        answer = await service.call(listing(google, page_size=3, page_token=token))
        found += [event.title for event in answer.events]
        token, pages = answer.next_page_token, pages + 1
        if not token:
            break
    assert found == [f"e{index}" for index in range(7)]
    assert pages == 3


async def test_only_events_with_a_conference_when_asked(service: Service, google: Grant) -> None:
    await fill(service, google, 3)
    await service.call(creation(google.id, autocreate(), title="with"))
    answer = await service.call(listing(google, only_with_conferencing=True, page_size=2))
    found = [event.title for event in answer.events]
    assert answer.next_page_token
    rest = await service.call(
        listing(
            google,
            only_with_conferencing=True,
            page_size=2,
            page_token=answer.next_page_token,
        )
    )
    assert found + [event.title for event in rest.events] == ["with"]


async def test_a_page_token_opens_its_own_request_only(service: Service, google: Grant) -> None:
    await fill(service, google, 3)
    token = (await service.call(listing(google, page_size=1))).next_page_token
    assert (await service.call(listing(google, page_size=2, page_token=token))).events
    flipped = ("A" if token[3] != "A" else "B").join((token[:3], token[4:]))
    for wrong in (
        listing(google, page_token=token, only_with_conferencing=True),
        listing(google, page_token=token, start_time=at(0)),
        listing(google, page_token=flipped),
        listing(google, page_token="é"),
        listing(google, page_token="AAAA"),
    ):
        failure = await service.failure(wrong)
        assert (failure.reason, list(failure.violations)) == ("INVALID_FIELD", ["page_token"])


async def test_a_large_page_size_is_taken_as_the_most(service: Service, google: Grant) -> None:
    await service.call(listing(google, page_size=100_000))
    assert "limit=200" in google.requests()[-1]["query"].split("&")
    failure = await service.failure(listing(google, page_size=-1))
    assert "page_size" in failure.violations


async def test_what_is_deleted_is_gone_and_its_conference_with_it(
    service: Service, google: Grant
) -> None:
    event = (await service.call(creation(google.id, autocreate()))).event
    await service.call(delete(google.id, event.id))
    assert sorted(google.effects())[:2] == ["conference_created", "conference_deleted"]
    assert (await service.failure(get(google.id, event.id))).reason == "EVENT_NOT_FOUND"
    assert (await service.failure(delete(google.id, event.id))).reason == "EVENT_NOT_FOUND"
    await service.call(delete(google.id, event.id, allow_missing=True))
    assert google.effects().count("event_deleted") == 1


async def test_allow_missing_forgives_a_missing_event_only(service: Service, google: Grant) -> None:
    failure = await service.failure(delete(google.id + "-not", "x", allow_missing=True))
    assert failure.reason == "GRANT_NOT_FOUND"
    other = await service.failure(
        delete(google.id, "x", allow_missing=True, calendar_id="no-such-calendar")
    )
    assert other.reason == "CALENDAR_NOT_FOUND"


async def test_notices_about_a_deletion_follow_the_request(
    service: Service, google: Grant, microsoft: Grant
) -> None:
    guests = [e.Participant(email="a@example.com")]
    event = (await service.call(creation(google.id, participants=guests))).event
    sent = google.effects().count("invitation_sent")
    await service.call(delete(google.id, event.id, notify=s.NOTIFY_NONE))
    assert google.effects().count("invitation_sent") == sent
    failure = await service.failure(delete(microsoft.id, "x", notify=s.NOTIFY_NONE))
    assert failure.reason == "NOTIFICATION_UNAVOIDABLE"


@pytest.mark.parametrize(
    "event_id", ["a@b:c+d=e", "x~y_z-1.2", "(1)[2]{3}", "a,b;c!d'e*f\"g<h>i^j`k|l$m&n"]
)
async def test_ids_arrive_at_the_vendor_as_one_encoded_segment(
    service: Service, google: Grant, event_id: str
) -> None:
    failure = await service.failure(get(google.id, event_id, calendar_id="a b#c&d=e?f%20"))
    assert failure.reason == "CALENDAR_NOT_FOUND"
    paths = [each["path"] for each in google.requests() if "/events/" in each["path"]]
    assert paths
    assert all(path.count("/") == 5 for path in paths)
    queries = [each["query"] for each in google.requests() if "/events/" in each["path"]]
    assert set(queries) == {"calendar_id=a%20b%23c%26d%3De%3Ff%2520"}


async def test_the_answer_says_that_the_sandbox_made_it_and_names_the_vendors_request(
    service: Service, google: Grant
) -> None:
    event = (await service.call(creation(google.id))).event
    call = service.stub.GetEvent(get(google.id, event.id))
    await call
    assert ("conferencing-upstream", "sandbox") in tuple(await call.initial_metadata())
    trailers = dict(await call.trailing_metadata())
    assert trailers["upstream-request-id"] == google.requests()[-1]["request_id"]
    assert c.Provider.Name(event.conferencing.provider) == "PROVIDER_UNSPECIFIED"
