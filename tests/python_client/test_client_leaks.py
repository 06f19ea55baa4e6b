"""Calls that are given up leave nothing behind: no task and no call."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

import grpc
import pytest

from conferencing import ConferencingClient, ConferencingError
from conferencing.v1.conferencing_service_pb2 import CreateEventResponse, GetEventResponse
from python_client.both_clients import calling, event_of
from support.waiting import until

GUARD = 20.0


def calls_alive():
    gc.collect()
    return sum(isinstance(each, grpc.aio.UnaryUnaryCall) for each in gc.get_objects())


async def test_calls_that_are_given_up_are_collected(script):
    script.answers(GetEventResponse(), delay=60)
    async with ConferencingClient(script.target) as client:
        before, tasks = calls_alive(), len(asyncio.all_tasks())
        for _ in range(20):
            call = asyncio.create_task(
                client.get_event(grant_id="g", calendar_id="c", event_id="e")
            )
            await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        del call
        await until(lambda: calls_alive() <= before)
        await until(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_a_call_that_is_dropped_in_the_middle_is_collected(script):
    script.answers(GetEventResponse(), delay=60)
    async with ConferencingClient(script.target) as client:
        before = calls_alive()
        for _ in range(5):
            # What is closed instead of cancelled hears nothing but that: no CancelledError.
            call = client.get_event(grant_id="g", calendar_id="c", event_id="e", timeout=600)
            call.send(None)
            await asyncio.sleep(0.05)
            call.close()
        del call
        await until(lambda: calls_alive() <= before)


async def test_a_call_that_is_given_up_between_two_attempts_ends_at_once(script):
    script.fails("UPSTREAM_UNAVAILABLE", rpc="DeleteEvent", retry_after=20)
    async with ConferencingClient(script.target) as client:
        call = asyncio.create_task(client.delete_event(grant_id="g", calendar_id="c", event_id="e"))
        await until(lambda: script.calls)
        await asyncio.sleep(0.1)
        call.cancel()
        async with asyncio.timeout(GUARD):
            with pytest.raises(asyncio.CancelledError):
                await call
    assert len(script.calls) == 1


async def test_calls_that_fail_or_succeed_are_collected(script):
    script.fails("UPSTREAM_UNAVAILABLE", times=8).fails("EVENT_NOT_FOUND", rpc="GetEvent")
    script.answers(CreateEventResponse())
    async with ConferencingClient(script.target) as client:
        before = calls_alive()
        for _ in range(10):
            await client.create_event(grant_id="g", calendar_id="c", event=event_of())
            with pytest.raises(ConferencingError):
                await client.get_event(grant_id="g", calendar_id="c", event_id="e")
        await until(lambda: calls_alive() <= before)


async def test_closing_ends_what_is_under_way(kind, script):
    script.answers(GetEventResponse(), delay=60)
    async with calling(kind, script.target) as caller:
        call = asyncio.create_task(caller.get())
        await until(lambda: script.calls)
    async with asyncio.timeout(GUARD):
        with pytest.raises((ConferencingError, asyncio.CancelledError)):
            await call


def test_a_client_that_nobody_closed_lets_the_interpreter_end():
    program = """
from conferencing import ConferencingError, SyncConferencingClient
client = SyncConferencingClient("127.0.0.1:1", timeout=1.0)
try:
    client.get_event(grant_id="google-demo", calendar_id="primary", event_id="x")
except ConferencingError as error:
    print(error)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "there is no connection to 127.0.0.1:1" in ended.stdout
