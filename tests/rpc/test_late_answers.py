"""Answers that come late, or that were not final, and many callers who wait for one of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing_service.stores import open_store
from support.sandbox import Grant, Sandbox
from support.service import Service, autocreate, creation, delete, get, serving, update
from support.waiting import until

SHORT: dict[str, Any] = {"default_deadline": 1.0, "max_deadline": 1.0}
PENDING = c.CONFERENCE_STATE_PENDING


def writes(grant: Grant) -> list[str]:
    """The writes that the vendor was sent."""
    methods = [each["method"] for each in grant.requests()]
    return [method for method in methods if method in {"POST", "PUT"}]


def replay_of(answer: Any) -> Any:
    """What a repetition of a request with this answer has to answer."""
    repeated = type(answer)()
    repeated.CopyFrom(answer)
    repeated.replayed = True
    return repeated


# ---- A write that takes longer than reads may ----------------------------------------------


@pytest.mark.parametrize("timeout", [30.0, None])
async def test_a_write_that_takes_longer_than_a_read_may_is_answered(
    sandbox: Sandbox, google: Grant, timeout: float | None
) -> None:
    async with serving(sandbox.url, **SHORT) as service:
        google.fault("latency", method="POST", value=1800)
        request = creation(google.id)
        answer = await service.call(request, timeout=timeout)
        assert not answer.replayed
        assert await service.call(request, timeout=timeout) == replay_of(answer)
    assert google.effects() == ["event_created"]


@pytest.mark.parametrize("timeout", [30.0, None])
async def test_a_refusal_that_comes_late_is_told_as_one(
    sandbox: Sandbox, google: Grant, timeout: float | None
) -> None:
    async with serving(sandbox.url, **SHORT) as service:
        event = (await service.call(creation(google.id))).event
        google.fault("latency", method="PUT", value=1800)
        request = update(google.id, event.id, title="New")
        late = asyncio.create_task(service.failure(request, timeout=timeout))
        for _ in range(100):
            if "PUT" in writes(google):
                break
            await asyncio.sleep(0.02)
        # Gone when the write is handled, after the time that reads have.
        google.delete(event.id)
        failure = await late
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "EVENT_NOT_FOUND")
    assert writes(google) == ["POST", "PUT"]


# ---- An answer that was not final ----------------------------------------------------------


async def pending(service: Service, grant: Grant, request: Any) -> Any:
    """The answer to a request whose conference never comes about."""
    grant.fault("pending_conference", value=None)
    answer = await service.call(request, timeout=1.4)
    assert answer.event.conferencing.state == PENDING
    return answer


async def test_a_replay_does_not_take_the_replaced_conference_for_the_new_one(
    service: Service, google: Grant
) -> None:
    old = (await service.call(creation(google.id, autocreate()))).event
    request = update(google.id, old.id, conferencing=autocreate(), replace=True)
    answer = await pending(service, google, request)
    # A read that is behind still shows the one before.
    shown = {"provider": "Google Meet", "details": {"url": old.conferencing.details.url}}
    assert google.put(old.id, {"conferencing": shown}).status_code == 200
    assert await service.call(request, timeout=1.4) == replay_of(answer)


async def test_a_replay_that_cannot_look_again_says_what_was_said(
    service: Service, google: Grant
) -> None:
    await service.call(creation(google.id))
    request = creation(google.id, autocreate())
    answer = await pending(service, google, request)
    google.fault("server_error", method="GET", resource="events", times=None)
    assert await service.call(request) == replay_of(answer)
    google.fault("latency", value=0)
    assert await service.call(request, timeout=1.4) == replay_of(answer)


async def test_a_replay_of_what_was_deleted_since_says_what_was_said(
    service: Service, google: Grant
) -> None:
    await service.call(creation(google.id))
    request = creation(google.id, autocreate())
    answer = await pending(service, google, request)
    await service.call(delete(google.id, answer.event.id))
    assert await service.call(request) == replay_of(answer)
    assert writes(google) == ["POST", "POST"]


# ---- Many at once --------------------------------------------------------------------------


class CountingStore:
    """A real store that counts the steps it is asked to take."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.steps: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.steps[name] += 1
        return getattr(self.real, name)


async def test_two_hundred_at_once_make_one_event_and_ask_the_ledger_once(
    sandbox: Sandbox, google: Grant, tmp_path: Path
) -> None:
    store: Any = CountingStore(await open_store(f"sqlite://{tmp_path}/ledger.sqlite"))
    google.fault("latency", method="POST", value=3000)
    request = creation(google.id, autocreate())
    async with serving(sandbox.url, store=store) as service:
        answers = await asyncio.gather(*(service.call(request) for _ in range(200)))
    await store.real.aclose()
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 199
    assert len({replay_of(each).SerializeToString(deterministic=True) for each in answers}) == 1
    assert writes(google) == ["POST"]
    assert google.effects() == ["conference_created", "event_created"]
    assert store.steps["claim"] == 1


async def test_whoever_left_one_that_looks_leaves_no_task_behind(
    sandbox: Sandbox, google: Grant
) -> None:
    async with serving(sandbox.url, settle_window=60.0) as service:
        await service.call(creation(google.id))
        google.fault("reset_before_commit", method="POST")
        request = creation(google.id)
        first = asyncio.ensure_future(service.call(request))
        await until(lambda: writes(google) == ["POST", "POST"])
        first.cancel()
        await asyncio.sleep(0.5)
        before = len(asyncio.all_tasks())
        callers = [asyncio.ensure_future(service.call(request)) for _ in range(30)]
        # Each is a task, and so is what the server does for it.
        await until(lambda: len(asyncio.all_tasks()) - before >= 60)
        for caller in callers:
            caller.cancel()
        # The server's own come and go; thirty would be those of the callers.
        await until(lambda: len(asyncio.all_tasks()) - before < 5, seconds=20.0)
    assert writes(google) == ["POST", "POST"]


async def test_a_delete_that_nobody_waits_for_any_more_does_not_leave(
    service: Service, google: Grant
) -> None:
    """It is not in the ledger, so that nobody would ever be told of it."""
    kept = (await service.call(creation(google.id))).event
    others = [(await service.call(creation(google.id))).event for _ in range(16)]
    google.fault("latency", method="DELETE", times=16, value=1500)
    taken = [asyncio.ensure_future(service.call(delete(google.id, each.id))) for each in others]
    await until(lambda: _deletes(google) == 16)
    waits = asyncio.ensure_future(service.call(delete(google.id, kept.id)))
    await asyncio.sleep(0.3)
    waits.cancel()
    await asyncio.wait([waits])
    await asyncio.gather(*taken)
    # The line is empty once another one got through.
    assert (await service.failure(delete(google.id, others[0].id))).reason == "EVENT_NOT_FOUND"
    assert google.effects().count("event_deleted") == 16
    assert (await service.call(get(google.id, kept.id))).event.id == kept.id


def _deletes(grant: Grant) -> int:
    return [each["method"] for each in grant.requests()].count("DELETE")
