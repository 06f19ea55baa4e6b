"""What an RPC costs in vendor calls once the grant is known, counted by the sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from support.sandbox import Grant, Sandbox
from support.service import Service, autocreate, creation, delete, details, get, update

ZOOM = details(c.PROVIDER_ZOOM_MEETING, "https://zoom.us/j/98765432101")


async def calls_of(service: Service, grant: Grant, request: Any) -> list[str]:
    before = len(grant.requests())
    await service.call(request)
    return [each["method"] for each in grant.requests()[before:]]


async def test_create_get_list_and_delete_cost_one_call_each(
    service: Service, google: Grant, zoom: Grant
) -> None:
    event = (await service.call(creation(google.id))).event
    await service.call(creation(google.id, autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id)))
    for request, method in (
        (creation(google.id), "POST"),
        (creation(google.id, ZOOM), "POST"),
        (creation(google.id, autocreate()), "POST"),
        (creation(google.id, autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id)), "POST"),
        (get(google.id, event.id), "GET"),
        (s.ListEventsRequest(grant_id=google.id, calendar_id="primary"), "GET"),
        (delete(google.id, event.id), "DELETE"),
    ):
        assert await calls_of(service, google, request) == [method], request
    assert len(zoom.requests()) == 1


async def test_teams_with_its_scope_costs_one_call_too(service: Service, microsoft: Grant) -> None:
    await service.call(creation(microsoft.id, autocreate()))
    assert await calls_of(service, microsoft, creation(microsoft.id, autocreate())) == ["POST"]


@pytest.mark.parametrize(
    ("fields", "calls"),
    [
        ({"title": "New"}, ["PUT"]),
        ({"location": "Room", "busy": False}, ["PUT"]),
        ({"description": "New"}, ["GET", "PUT"]),
        ({"conferencing": ZOOM}, ["GET", "PUT"]),
    ],
)
async def test_an_update_costs_one_call_or_a_read_more(
    service: Service, google: Grant, fields: dict[str, Any], calls: list[str]
) -> None:
    event = (await service.call(creation(google.id))).event
    assert await calls_of(service, google, update(google.id, event.id, **fields)) == calls


async def test_the_grant_is_read_once_for_all_calls(service: Service, google: Grant) -> None:
    for _ in range(3):
        await service.call(creation(google.id))
    assert [each["method"] for each in google.requests()] == ["GET", "POST", "POST", "POST"]


async def test_a_check_and_an_extraction_cost_none_once_the_grant_is_known(
    service: Service, sandbox: Sandbox, google: Grant
) -> None:
    await service.call(creation(google.id))
    request = s.CheckCompatibilityRequest(grant_id=google.id)
    assert await calls_of(service, google, request) == []
    before = len(sandbox.http.get("/_sandbox/requests").json()["requests"])
    await service.call(s.ExtractConferencingRequest(text="https://zoom.us/j/98765432101"))
    assert len(sandbox.http.get("/_sandbox/requests").json()["requests"]) == before
