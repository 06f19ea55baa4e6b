"""Conferences that people typed into an event: read, listed, replaced and removed like any other."""

from __future__ import annotations

import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from support.sandbox import Grant, Sandbox
from support.service import Service, autocreate, creation, get, update

LINK = "https://us02web.zoom.us/j/85550133221?pwd=abc"
TYPED = f"Agenda first.\n\nJoin Zoom Meeting\n{LINK}\nMeeting ID: 855 5013 3221\nPasscode: 481902"


@pytest.mark.parametrize("platform", ["google", "microsoft", "virtual-calendar"])
async def test_a_typed_conference_is_read_with_the_field_that_it_stood_in(
    service: Service, sandbox: Sandbox, platform: str
) -> None:
    grant = sandbox.grant(platform)
    event = (await service.call(creation(grant.id, description=TYPED))).event
    found = (await service.call(get(grant.id, event.id))).event.conferencing
    assert found.provider == c.PROVIDER_ZOOM_MEETING
    assert (found.origin, found.source_field) == (c.ORIGIN_PARSED, "description")
    assert found.details.url == LINK
    assert found.details.meeting_code == "85550133221"
    assert found.details.password == "481902"


async def test_the_location_comes_before_the_description(service: Service, google: Grant) -> None:
    meet = "https://meet.google.com/abc-defg-hij"
    event = (await service.call(creation(google.id, location=meet, description=TYPED))).event
    found = (await service.call(get(google.id, event.id))).event.conferencing
    assert (found.details.url, found.source_field) == (meet, "location")


async def test_what_the_upstream_names_is_not_read_again(service: Service, google: Grant) -> None:
    request = creation(google.id, autocreate(), description=TYPED)
    event = (await service.call(request)).event
    found = (await service.call(get(google.id, event.id))).event.conferencing
    assert (found.provider, found.origin) == (c.PROVIDER_GOOGLE_MEET, c.ORIGIN_NATIVE)


async def test_a_list_of_conferences_holds_the_typed_ones(service: Service, google: Grant) -> None:
    for title, text in (("typed", TYPED), ("none", "https://zoom.us/pricing"), ("empty", "")):
        await service.call(creation(google.id, title=title, description=text))
    answer = await service.call(
        s.ListEventsRequest(grant_id=google.id, calendar_id="primary", only_with_conferencing=True)
    )
    assert [event.title for event in answer.events] == ["typed"]
    assert answer.events[0].conferencing.details.url == LINK


async def test_a_typed_conference_is_there_already(service: Service, google: Grant) -> None:
    event = (await service.call(creation(google.id, description=TYPED))).event
    failure = await service.failure(update(google.id, event.id, conferencing=autocreate()))
    assert failure.reason == "CONFERENCE_ALREADY_PRESENT"
    request = update(google.id, event.id, conferencing=autocreate(), replace=True)
    updated = (await service.call(request)).event
    assert updated.conferencing.provider == c.PROVIDER_GOOGLE_MEET
    assert updated.description == "Agenda first."


@pytest.mark.parametrize("field", ["description", "location"])
async def test_a_typed_conference_is_removed_where_it_stood(
    service: Service, google: Grant, field: str
) -> None:
    typed = {"description": TYPED} if field == "description" else {"location": f"Room 5, {LINK}"}
    event = (await service.call(creation(google.id, **typed))).event
    updated = (await service.call(update(google.id, event.id, "conferencing"))).event
    assert LINK not in updated.description + updated.location
    again = (await service.call(get(google.id, event.id))).event
    assert not again.HasField("conferencing")


async def test_a_callers_new_description_wins_over_a_typed_conference(
    service: Service, google: Grant
) -> None:
    event = (await service.call(creation(google.id, description=TYPED))).event
    updated = (await service.call(update(google.id, event.id, description="No meeting."))).event
    assert updated.description == "No meeting."
    again = (await service.call(get(google.id, event.id))).event
    assert not again.HasField("conferencing")
