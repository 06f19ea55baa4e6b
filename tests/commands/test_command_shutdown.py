"""How it ends: calls are finished, watches end, and the sandbox ends with it."""

from __future__ import annotations

import asyncio
import signal
import uuid
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from conferencing.v1 import conferencing_service_pb2 as service_pb2
from conferencing.v1 import event_pb2
from conferencing.v1.conferencing_service_pb2_grpc import ConferencingServiceStub

GRACE = "60"
GUARD = 30.0
"""Far below the grace: a stop that takes the whole grace does not pass."""

NAMES = ("", "conferencing.v1.ConferencingService")
CREATE = service_pb2.CreateEventRequest(
    grant_id="google-demo",
    calendar_id="primary",
    request_id=str(uuid.UUID(int=1)),
    event=event_pb2.Event(
        title="Review",
        when=event_pb2.EventTime(time=event_pb2.TimePoint(time=Timestamp(seconds=1_893_492_000))),
    ),
)


async def is_gone(url):
    """Whether nothing listens there any more, waiting for it."""
    address = urlsplit(url)
    async with asyncio.timeout(GUARD):
        while True:
            try:
                _reader, writer = await asyncio.open_connection(address.hostname, address.port)
            except ConnectionRefusedError:
                return True
            writer.close()
            await asyncio.sleep(0.05)


async def is_there(url):
    async with httpx.AsyncClient(base_url=url) as http:
        return (await http.get("/_sandbox/effects")).status_code == 200


async def has_arrived(http, method):
    """Wait until the sandbox has received a call of this method."""
    async with asyncio.timeout(GUARD):
        while True:
            requests = (await http.get("/_sandbox/requests")).json()["requests"]
            if method in {request["method"] for request in requests}:
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_and_its_sandbox(start, number):
    command = await start("serve", "--sandbox")
    url = await command.sandbox()
    await command.serving()
    assert await is_there(url)
    command.process.send_signal(number)
    assert await command.end(GUARD) == 0
    assert await is_gone(url)


async def test_the_sandbox_does_not_outlive_a_server_that_is_killed(start):
    command = await start("serve", "--sandbox")
    url = await command.sandbox()
    await command.serving()
    assert await is_there(url)
    command.process.kill()
    assert await command.end(GUARD) == -signal.SIGKILL
    assert await is_gone(url)


async def test_open_health_watches_hear_not_serving_and_end(start):
    command = await start("serve", "--sandbox", CONFERENCING_SHUTDOWN_GRACE=GRACE)
    async with grpc.aio.insecure_channel(await command.serving()) as channel:
        watches = [
            HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=name)) for name in NAMES
        ]
        heard = [[(await watch.read()).status] for watch in watches]
        command.process.terminate()
        assert await command.end(GUARD) == 0
        for watch, statuses in zip(watches, heard, strict=True):
            while (answer := await watch.read()) is not grpc.aio.EOF:
                statuses.append(answer.status)
            assert statuses == [
                health_pb2.HealthCheckResponse.SERVING,
                health_pb2.HealthCheckResponse.NOT_SERVING,
            ]
            assert await watch.code() is grpc.StatusCode.OK


async def test_a_call_under_way_is_finished(start):
    command = await start("serve", "--sandbox", CONFERENCING_SHUTDOWN_GRACE=GRACE)
    slow = {"grant_id": "google-demo", "method": "POST", "kind": "latency", "value": 2000}
    async with (
        httpx.AsyncClient(base_url=await command.sandbox()) as http,
        grpc.aio.insecure_channel(await command.serving()) as channel,
    ):
        await http.put("/_sandbox/faults", json={"faults": [slow]})
        call = ConferencingServiceStub(channel).CreateEvent(CREATE, timeout=GUARD)
        await has_arrived(http, "POST")
        command.process.terminate()
        await command.line("stopping")
        assert not call.done()
        answer = await call
    assert answer.event.title == "Review"
    assert answer.event.id
    assert await command.end(GUARD) == 0


async def test_a_call_that_outlasts_the_grace_is_cut_off(start):
    command = await start("serve", "--sandbox", CONFERENCING_SHUTDOWN_GRACE="0.2")
    slow = {"grant_id": "google-demo", "method": "POST", "kind": "latency", "value": 120_000}
    async with (
        httpx.AsyncClient(base_url=await command.sandbox()) as http,
        grpc.aio.insecure_channel(await command.serving()) as channel,
    ):
        await http.put("/_sandbox/faults", json={"faults": [slow]})
        call = ConferencingServiceStub(channel).CreateEvent(CREATE, timeout=GUARD * 2)
        await has_arrived(http, "POST")
        command.process.terminate()
        with pytest.raises(grpc.aio.AioRpcError):
            await call
    assert await command.end(GUARD) == 0
    assert "writes under way were cut off" in command.stderr
