"""What one caller may use up, and that it is not another's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import event_pb2 as e
from support.issuer import Issuer, bearing, settings_with
from support.sandbox import Grant, Sandbox
from support.service import Service, autocreate, creation, delete, get, serving, update
from support.waiting import until

pytestmark = pytest.mark.security

LIMITED = """
[principals.ada]
subjects = ["ada"]
rpcs = ["*"]
grants = ["*"]
conf_grants = ["*"]
{limits}

[principals.bob]
subjects = ["bob"]
rpcs = ["*"]
grants = ["*"]
"""
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


Limited = Callable[..., AbstractAsyncContextManager[tuple[Service, Any, Any]]]
"""Runs a server whose policy limits ada, and gives the tokens of ada and bob."""


@pytest.fixture
def limited(sandbox: Sandbox, tmp_path: Path, seen_reasons: set[str]) -> Limited:
    @asynccontextmanager
    async def serve(limits: str, **more: Any) -> AsyncIterator[tuple[Service, Any, Any]]:
        issuer = Issuer()
        settings = settings_with(tmp_path, LIMITED.format(limits=limits), issuer) | more
        async with serving(sandbox.url, reasons=seen_reasons, **settings) as service:
            yield service, bearing(issuer.token("ada")), bearing(issuer.token("bob"))

    return serve


async def test_so_much_is_made_in_a_minute_and_repetitions_do_not_count(
    limited: Limited, google: Grant, tally: Counter[str]
) -> None:
    async with limited("creates_per_minute = 3") as (service, ada, bob):
        requests = [creation(google.id) for _ in range(3)]
        for request in requests:
            await service.call(creation(google.id, validate_only=True), metadata=ada)
            await service.call(request, metadata=ada)
        for request in requests:
            assert (await service.call(request, metadata=ada)).replayed
        one_more = creation(google.id)
        failure = await service.failure(one_more, metadata=ada)
        assert (failure.code, failure.reason) == (EXHAUSTED, "QUOTA_EXCEEDED")
        assert failure.metadata == {"quota": "creates_per_minute", "limit": "3"}
        assert failure.retry_after is not None
        assert 0 < failure.retry_after <= 60
        assert Counter(google.effects())["event_created"] == 3
        # What was refused is not noted as done, and others have quotas of their own.
        assert not (await service.call(one_more, metadata=bob)).replayed
        event = (await service.call(requests[0], metadata=ada)).event
        await service.call(update(google.id, event.id, title="Another"), metadata=ada)
        await service.call(get(google.id, event.id), metadata=ada)
        await service.call(delete(google.id, event.id), metadata=ada)
        tally["quotas kept"] += 1


async def test_a_conference_on_an_event_counts_as_something_made(
    limited: Limited, google: Grant
) -> None:
    async with limited("creates_per_minute = 1") as (service, ada, _bob):
        event = (await service.call(creation(google.id), metadata=ada)).event
        request = update(google.id, event.id, conferencing=autocreate(c.PROVIDER_GOOGLE_MEET))
        failure = await service.failure(request, metadata=ada)
        assert failure.metadata == {"quota": "creates_per_minute", "limit": "1"}
        assert "conference_created" not in google.effects()


async def test_a_refused_creation_uses_nothing_up(limited: Limited, google: Grant) -> None:
    async with limited("creates_per_minute = 1") as (service, ada, _bob):
        for _ in range(3):
            refused = creation(google.id, autocreate(c.PROVIDER_WEBEX))
            assert (await service.failure(refused, metadata=ada)).reason == "AUTOCREATE_UNSUPPORTED"
        assert (await service.call(creation(google.id), metadata=ada)).event.id


async def test_so_many_are_invited_and_no_more(
    limited: Limited, google: Grant, tally: Counter[str]
) -> None:
    guests = [e.Participant(email=f"guest{n}@example.com") for n in range(3)]
    async with limited("participants_per_event = 2") as (service, ada, bob):
        event = (
            await service.call(creation(google.id, participants=guests[:2]), metadata=ada)
        ).event
        requests = (
            creation(google.id, participants=guests),
            creation(google.id, participants=guests, validate_only=True),
            update(google.id, event.id, participants=guests),
        )
        before = google.effects()
        for request in requests:
            failure = await service.failure(request, metadata=ada)
            assert (failure.code, failure.reason) == (EXHAUSTED, "QUOTA_EXCEEDED")
            assert failure.metadata == {"quota": "participants_per_event", "limit": "2"}
            assert failure.retry_after is None, "waiting does not help"
        assert google.effects() == before
        # A field that is not in the mask is not written, so it counts for nothing.
        await service.call(
            update(google.id, event.id, "title", title="x", participants=guests), metadata=ada
        )
        await service.call(requests[0], metadata=bob)
        tally["quotas kept"] += 1


async def test_so_many_calls_at_once_and_a_place_is_given_back(
    limited: Limited, google: Grant, tally: Counter[str]
) -> None:
    async with limited("concurrent_calls = 2") as (service, ada, bob):
        event = (await service.call(creation(google.id), metadata=ada)).event
        google.fault("latency", method="GET", resource="events", times=2, value=1000)
        slow = [
            asyncio.ensure_future(service.call(get(google.id, event.id), metadata=ada))
            for _ in range(2)
        ]
        await until(lambda: len(google.requests()) == 4)
        failure = await service.failure(get(google.id, event.id), metadata=ada)
        assert failure.metadata == {"quota": "concurrent_calls", "limit": "2"}
        assert failure.retry_after
        assert (await service.call(get(google.id, event.id), metadata=bob)).event.id
        slow[0].cancel()
        await asyncio.wait(slow)
        for _ in range(3):
            assert (await service.call(get(google.id, event.id), metadata=ada)).event.id
        tally["quotas kept"] += 1


def sent_since(grant: Grant, before: int) -> list[str]:
    """The methods of the vendor's requests after so many."""
    return [request["method"] for request in grant.requests()[before:]]


async def test_a_write_that_its_caller_left_counts_among_writes_until_it_has_ended(
    limited: Limited, google: Grant
) -> None:
    async with limited("concurrent_calls = 1") as (service, ada, _bob):
        event = (await service.call(creation(google.id), metadata=ada)).event
        another = delete(google.id, "none")
        for write, method in (
            (creation(google.id), "POST"),
            (update(google.id, event.id, title="Another"), "PUT"),
            (delete(google.id, event.id), "DELETE"),
        ):
            google.fault("latency", method=method, resource="events", times=1, value=1500)
            before = len(google.requests())
            left = asyncio.ensure_future(service.call(write, metadata=ada))
            await until(lambda: method in sent_since(google, before))  # noqa: B023 - asked in this round
            left.cancel()
            await asyncio.wait([left])
            failure = await service.failure(another, metadata=ada)
            assert failure.metadata == {"quota": "concurrent_calls", "limit": "1"}
            reading = await service.failure(get(google.id, "none"), metadata=ada)
            assert reading.reason == "EVENT_NOT_FOUND"

            async def is_let_in() -> bool:
                return (await service.failure(another, metadata=ada)).reason == "EVENT_NOT_FOUND"

            await until(is_let_in)


async def test_a_write_that_is_looked_for_when_its_call_has_ended_counts_among_writes(
    limited: Limited, google: Grant
) -> None:
    async with limited("concurrent_calls = 1", settle_window=60.0) as (service, ada, bob):
        google.fault("reset_before_commit", method="POST", resource="events", times=1)
        lost = await service.failure(creation(google.id), metadata=ada, timeout=3.0)
        assert lost.reason == "OUTCOME_UNKNOWN"
        failure = await service.failure(creation(google.id), metadata=ada)
        assert failure.metadata == {"quota": "concurrent_calls", "limit": "1"}
        reading = await service.failure(get(google.id, "none"), metadata=ada)
        assert reading.reason == "EVENT_NOT_FOUND"
        assert (await service.call(creation(google.id), metadata=bob)).event.id


async def test_whom_updates_invite_counts_as_something_made(
    limited: Limited, google: Grant
) -> None:
    async with limited("creates_per_minute = 2") as (service, ada, _bob):
        event = (await service.call(creation(google.id), metadata=ada)).event
        first, second = (
            update(google.id, event.id, participants=[e.Participant(email=f"guest{n}@example.com")])
            for n in range(2)
        )
        await service.call(first, metadata=ada)
        failure = await service.failure(second, metadata=ada)
        assert failure.metadata == {"quota": "creates_per_minute", "limit": "2"}
        await service.call(update(google.id, event.id, title="Another"), metadata=ada)
