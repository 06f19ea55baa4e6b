"""What a process leaves behind when it ends, another one goes on with, though nobody asks."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from urllib.parse import parse_qs

import grpc
import pytest

from conferencing.v1 import event_pb2 as e
from conferencing_service.core.ledger.entry import Key, Step
from conferencing_service.core.ledger.settling import CREATE
from support.replica import GUARD, quiet, replicas
from support.service import creation, failure_of

SHORT = {"write_timeout": 1.5, "lease_margin": 0.5}
LONG = {"write_timeout": 600, "lease_margin": 1}
"""A lease that no test lives to see the end of."""
TIMES = {"settle_window": 2, "resume_interval": 0.2}
NEVER = 600_000
"""Milliseconds of a vendor who commits after the test."""

pytestmark = pytest.mark.timeout(600)


def wish(grant):
    return creation(grant.id, participants=[e.Participant(email="guest@example.com")])


def key_of(request):
    return Key("", CREATE, request.request_id)


def writes(grant):
    return [request for request in grant.requests() if request["method"] == "POST"]


def asked(replica, request, timeout=GUARD):
    """Ask in the background; whoever asked is not interested in what comes of it."""

    async def ask():
        try:
            await replica.call(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            return failure_of(error)

    return asyncio.create_task(ask())


async def until(is_so):
    """Wait for something that a thread can see."""
    async with asyncio.timeout(GUARD):
        while True:
            if await asyncio.to_thread(is_so):
                return
            await asyncio.sleep(0.02)


async def entry_when(ledger, request, is_so):
    """The entry of a request, as soon as it is so."""
    async with asyncio.timeout(GUARD):
        while True:
            entry = await ledger.get(key_of(request))
            if entry is not None and is_so(entry):
                return entry
            await asyncio.sleep(0.02)


async def test_what_a_killed_process_was_sending_is_settled_oldest_first_one_at_a_time(
    sandbox, google, tmp_path, ledger_url, ledger
):
    # Long after the kill; the second one after its lease's end, so that it is looked for the longest.
    commits = [4000, 7500, 4000, 4000]
    requests = [wish(google) for _ in commits]
    fault = {"grant_id": google.id, "method": "POST", "kind": "latency"}
    sandbox.arm(*({**fault, "value": value} for value in commits))
    times = {**TIMES, "write_timeout": 5, "lease_margin": 1, "settle_window": 60}
    async with replicas(tmp_path, sandbox.url, ledger_url, **times) as starter:
        owner, heir = await asyncio.gather(starter.start(), starter.start())
        calls = []
        for number, request in enumerate(requests, 1):
            calls.append(asked(owner, request))
            await until(lambda number=number: len(writes(google)) == number)
        owner.kill()
        await asyncio.gather(*calls)
        await quiet(ledger)
        entries = [await ledger.get(key_of(request)) for request in requests]
        assert {entry.step for entry in entries} == {Step.DONE}
        looked_for = [
            parse_qs(request["query"])["metadata_pair"][0].partition(":")[2]
            for request in google.requests()
            if "metadata_pair" in request["query"]
        ]
        # Each but the first is looked for once before its turn: what is there waits for nobody.
        markers = [entry.marker for entry in entries]
        for marker in markers[1:]:
            looked_for.remove(marker)
        in_turn = [marker for marker, _looks in itertools.groupby(looked_for)]
        assert in_turn == markers[:2]
        assert max(entries, key=lambda entry: entry.updated_at).marker == markers[1]
        for request, entry in zip(requests, entries, strict=True):
            answer = await heir.call(request)
            assert (answer.event.id, answer.replayed) == (entry.target.event_id, True)
            assert google.get(answer.event.id).status_code == 200
    assert Counter(google.effects()) == {"event_created": 4, "invitation_sent": 4}
    assert len(writes(google)) == len(commits)


async def test_what_a_killed_process_sent_and_nobody_can_find_is_left_to_an_operator(
    sandbox, google, tmp_path, ledger_url, ledger
):
    request = wish(google)
    google.fault("latency", method="POST", value=NEVER)
    async with replicas(tmp_path, sandbox.url, ledger_url, **SHORT, **TIMES) as starter:
        owner, heir = await asyncio.gather(starter.start(), starter.start())
        call = asked(owner, request)
        await until(lambda: writes(google))
        owner.kill()
        await call
        await quiet(ledger)
        failure = await asked(heir, request)
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNKNOWN, "OUTCOME_UNRESOLVED")
    assert len(writes(google)) == 1


async def test_what_a_killed_process_never_sent_is_free_again(
    sandbox, google, tmp_path, ledger_url, ledger
):
    request = wish(google)
    google.fault("latency", method="GET", resource="grant", value=NEVER)
    async with replicas(tmp_path, sandbox.url, ledger_url, **SHORT, **TIMES) as starter:
        owner, heir = await asyncio.gather(starter.start(), starter.start())
        call = asked(owner, request)
        await entry_when(ledger, request, lambda entry: entry.step is Step.CLAIMED)
        await until(google.requests)
        owner.kill()
        await call
        await quiet(ledger)
        assert await ledger.get(key_of(request)) is None
        assert not writes(google)
        assert not (await heir.call(request)).replayed
    assert google.effects() == ["event_created", "invitation_sent"]


async def test_a_process_that_ends_in_its_time_hands_over_what_it_looked_for(
    sandbox, google, tmp_path, ledger_url, ledger
):
    request = wish(google)
    google.fault("late_commit", method="POST", value=4000)
    times = {**LONG, **TIMES, "settle_window": 60}
    async with replicas(tmp_path, sandbox.url, ledger_url, **times) as starter:
        owner, heir = await asyncio.gather(starter.start(), starter.start())
        call = asked(owner, request)
        await entry_when(ledger, request, lambda entry: entry.step is Step.IN_DOUBT)
        owner.terminate()
        failure = await call
        assert (failure.code, failure.reason) == (
            grpc.StatusCode.UNAVAILABLE,
            "OUTCOME_UNKNOWN",
        )
        assert await owner.end() == 0
        # With a lease of ten minutes nobody could have waited for its end.
        entry = await entry_when(ledger, request, lambda entry: entry.step is Step.DONE)
        assert entry.fence == 2
        answer = await heir.call(request)
        assert (answer.event.id, answer.replayed) == (entry.target.event_id, True)
    assert google.effects() == ["event_created", "invitation_sent"]


async def test_a_process_that_had_taken_over_hands_over_as_well(
    sandbox, google, tmp_path, ledger_url, ledger
):
    request = wish(google)
    google.fault("latency", method="POST", value=NEVER)
    times = {**TIMES, "settle_window": 3600}
    async with replicas(tmp_path, sandbox.url, ledger_url, **times) as starter:
        first, second = await asyncio.gather(starter.start(**SHORT), starter.start(**LONG))
        call = asked(first, request)
        await until(lambda: writes(google))
        first.kill()
        await call
        await entry_when(ledger, request, lambda entry: entry.fence == 2)
        second.terminate()
        assert await second.end() == 0
        await starter.start(**LONG)
        entry = await entry_when(ledger, request, lambda entry: entry.fence == 3)
        assert entry.step is Step.IN_DOUBT


async def test_a_process_that_is_cut_off_while_it_sends_hands_over(
    sandbox, google, tmp_path, ledger_url, ledger
):
    request = wish(google)
    google.fault("latency", method="POST", value=NEVER)
    times = {**LONG, **TIMES, "settle_window": 3600, "shutdown_grace": 1}
    async with replicas(tmp_path, sandbox.url, ledger_url, **times) as starter:
        owner, _heir = await asyncio.gather(starter.start(), starter.start())
        call = asked(owner, request)
        await until(lambda: writes(google))
        owner.terminate()
        assert (await call).reason == "OUTCOME_UNKNOWN"
        assert await owner.end() == 0
        entry = await entry_when(ledger, request, lambda entry: entry.fence == 2)
        assert entry.step is Step.IN_DOUBT
