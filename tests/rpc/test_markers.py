"""The marker: the vendor's event carries it, and no caller ever sees or writes it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from conferencing.v1 import conferencing_service_pb2 as s
from support.sandbox import Grant, Sandbox
from support.service import Service, autocreate, creation, get, serving, update

MARKER = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{32}")


def kept(grant: Grant, event_id: str) -> dict[str, str]:
    """An event's metadata at the vendor."""
    metadata: dict[str, str] = grant.get(event_id).json()["data"].get("metadata") or {}
    return metadata


async def listed(service: Service, grant: Grant) -> dict[str, dict[str, str]]:
    request = s.ListEventsRequest(grant_id=grant.id, calendar_id="primary")
    events = (await service.call(request)).events
    return {event.id: dict(event.metadata) for event in events}


@pytest.mark.parametrize("metadata", [{}, {"key1": "v", "case": "4711"}])
@pytest.mark.parametrize("platform", ["google", "microsoft", "virtual-calendar"])
async def test_an_event_carries_its_marker_and_callers_do_not_see_it(
    service: Service, sandbox: Sandbox, platform: str, metadata: dict[str, str]
) -> None:
    grant = sandbox.grant(platform)
    request = creation(grant.id, metadata=metadata)
    event = (await service.call(request)).event
    at_vendor = kept(grant, event.id)
    assert MARKER.fullmatch(at_vendor.pop("key4"))
    assert at_vendor == metadata
    replayed = (await service.call(request)).event
    read = (await service.call(get(grant.id, event.id))).event
    for answer in (event, replayed, read):
        assert dict(answer.metadata) == metadata
    assert await listed(service, grant) == {event.id: metadata}


async def test_every_event_has_a_marker_of_its_own(service: Service, google: Grant) -> None:
    events = [(await service.call(creation(google.id))).event for _ in range(3)]
    assert len({kept(google, event.id)["key4"] for event in events}) == 3


async def test_an_event_can_be_found_by_its_marker(service: Service, google: Grant) -> None:
    event, _other = [(await service.call(creation(google.id))).event for _ in range(2)]
    marker = kept(google, event.id)["key4"]
    found = google.listed(metadata_pair=f"key4:{marker}").json()["data"]
    assert [each["id"] for each in found] == [event.id]


async def test_the_most_metadata_that_a_caller_may_write_fits_beside_the_marker(
    service: Service, google: Grant
) -> None:
    most = {f"pair{number}": "x" * 500 for number in range(49)}
    event = (await service.call(creation(google.id, metadata=most))).event
    assert dict(event.metadata) == most
    assert len(kept(google, event.id)) == 50
    updated = (await service.call(update(google.id, event.id, metadata=most))).event
    assert dict(updated.metadata) == most
    failure = await service.failure(creation(google.id, metadata={**most, "one": "more"}))
    assert list(failure.violations) == ["event.metadata"]


@pytest.mark.parametrize("metadata", [{"key1": "new"}, {}])
async def test_writing_metadata_keeps_the_marker(
    service: Service, google: Grant, metadata: dict[str, str]
) -> None:
    event = (await service.call(creation(google.id, metadata={"key1": "old", "a": "b"}))).event
    marker = kept(google, event.id)["key4"]
    updated = await service.call(update(google.id, event.id, "metadata", metadata=metadata))
    assert dict(updated.event.metadata) == metadata
    assert kept(google, event.id) == {**metadata, "key4": marker}


@pytest.mark.parametrize("changes", [{"title": "New"}, {"conferencing": autocreate()}])
async def test_other_updates_keep_the_marker_too(
    service: Service, google: Grant, changes: dict[str, Any]
) -> None:
    event = (await service.call(creation(google.id, metadata={"a": "b"}))).event
    before = kept(google, event.id)
    updated = await service.call(update(google.id, event.id, **changes))
    assert dict(updated.event.metadata) == {"a": "b"}
    assert kept(google, event.id) == before


async def test_an_event_that_somebody_else_made_gets_no_marker(
    service: Service, google: Grant
) -> None:
    event_id = google.created()["id"]
    answer = await service.call(update(google.id, event_id, metadata={"a": "b"}))
    assert dict(answer.event.metadata) == {"a": "b"}
    assert kept(google, event_id) == {"a": "b"}


@pytest.mark.parametrize("value", ["x", ""])
async def test_the_markers_key_cannot_be_written(
    service: Service, google: Grant, value: str
) -> None:
    event = (await service.call(creation(google.id))).event
    before = kept(google, event.id), len(google.requests())
    mine = {"key4": value, "key1": "v"}
    for request in (
        creation(google.id, metadata=mine),
        creation(google.id, metadata=mine, validate_only=True),
        update(google.id, event.id, metadata=mine),
    ):
        failure = await service.failure(request)
        assert failure.reason == "INVALID_FIELD"
        assert failure.violations == {"event.metadata": "key4 is reserved"}
    assert (kept(google, event.id), len(google.requests()) - 1) == before
    title_only = update(google.id, event.id, "title", title="New", metadata=mine)
    assert (await service.call(title_only)).event.title == "New"


async def test_the_markers_key_is_a_setting(sandbox: Sandbox, google: Grant) -> None:
    async with serving(sandbox.url, marker_key="key2") as service:
        event = (await service.call(creation(google.id, metadata={"key4": "mine"}))).event
        assert dict(event.metadata) == {"key4": "mine"}
        at_vendor = kept(google, event.id)
        assert at_vendor.pop("key4") == "mine"
        assert MARKER.fullmatch(at_vendor["key2"])
        failure = await service.failure(creation(google.id, metadata={"key2": "mine"}))
        assert failure.violations == {"event.metadata": "key2 is reserved"}
        google.fault("reset_after_commit", method="POST")
        found = (await service.call(creation(google.id, metadata={"key4": "mine"}))).event
        assert dict(found.metadata) == {"key4": "mine"}
        assert found.id != event.id
    assert google.effects() == ["event_created"] * 2
