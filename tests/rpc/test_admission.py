"""How many calls a server takes: the rest wait, then are refused with a reason, and no write begins at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import conferencing_service_pb2_grpc as service_grpc
from conferencing_service.admission import Admission
from conferencing_service.core.errors import Overloaded, ShuttingDown
from support.replica import Replica, replicas
from support.sandbox import Grant, Sandbox, running
from support.service import Service, creation, failure_of, get, serving
from support.waiting import until

OVERLOADED = (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")


async def arrived(grant: Grant, method: str, number: int = 1) -> None:
    """Wait until the sandbox has so many requests of that method."""
    await until(lambda: sum(each["method"] == method for each in grant.requests()) >= number)


async def waiting(service: Service, number: int) -> None:
    """Wait until so many calls wait for a place."""
    await until(lambda: service.server._admission.pending == number)


async def told(service: Service, name: str, status: str) -> None:
    """Wait until health says so of a name."""

    async def is_told() -> bool:
        return await service.health(name) == status

    await until(is_told)


# ---- Places --------------------------------------------------------------------------------


async def test_places_are_given_in_order_and_given_back() -> None:
    admission = Admission(2, 3)
    order: list[int] = []

    async def call(number: int) -> None:
        await admission.enter("m", is_write=False)
        order.append(number)
        await asyncio.sleep(0)
        admission.leave("m")

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(call(number))
    assert order == [0, 1, 2, 3, 4]
    assert admission.calls["m"] == admission.pending == 0
    # Both places are free again.
    await admission.enter("m", is_write=False)
    await admission.enter("m", is_write=False)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await admission.enter("m", is_write=False)


async def test_a_call_that_ends_while_it_waits_takes_no_place_along() -> None:
    admission = Admission(1, 10)
    await admission.enter("m", is_write=False)
    gone = [asyncio.create_task(admission.enter("m", is_write=False)) for _ in range(3)]
    kept = asyncio.create_task(admission.enter("m", is_write=False))
    await asyncio.sleep(0)
    for task in gone[:2]:
        task.cancel()
    # The third is cancelled in the turn in which it gets its place.
    admission.leave("m")
    gone[2].cancel()
    await asyncio.wait({*gone, kept}, timeout=1)
    assert all(task.cancelled() for task in gone)
    assert kept.done()
    assert kept.exception() is None
    assert (admission.calls["m"], admission.pending) == (1, 0)


async def test_the_last_place_in_line_is_the_last() -> None:
    admission = Admission(1, 1)
    await admission.enter("m", is_write=False)
    line = asyncio.create_task(admission.enter("m", is_write=True))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await admission.enter("m", is_write=False)
    admission.refuse_writes()
    with pytest.raises(ShuttingDown):
        await line
    with pytest.raises(ShuttingDown):
        await admission.enter("m", is_write=True)
    assert admission.pending == 0


async def test_no_write_gets_its_place_in_the_turn_in_which_writes_end() -> None:
    admission = Admission(1, 2)
    await admission.enter("m", is_write=False)
    write = asyncio.create_task(admission.enter("m", is_write=True))
    read = asyncio.create_task(admission.enter("m", is_write=False))
    await asyncio.sleep(0)
    admission.leave("m")
    admission.refuse_writes()
    with pytest.raises(ShuttingDown):
        await write
    # Its place went on to the next.
    await asyncio.wait_for(read, 1)
    assert admission.calls["m"] == 1


# ---- What callers see ----------------------------------------------------------------------


async def test_a_call_too_many_is_refused_and_does_nothing(
    sandbox: Sandbox, google: Grant, seen_reasons: set[str]
) -> None:
    limits: dict[str, Any] = {"max_calls": 1, "max_pending_calls": 1}
    async with serving(sandbox.url, reasons=seen_reasons, **limits) as service:
        google.fault("latency", method="POST", value=700)
        first = asyncio.create_task(service.call(creation(google.id)))
        await arrived(google, "POST")
        second = asyncio.create_task(service.call(creation(google.id)))
        await waiting(service, 1)
        failure = await service.failure(creation(google.id))
        assert (failure.code, failure.reason) == OVERLOADED
        assert failure.retry_after == 1.0
        # Others than those of the service are not counted.
        await service.health("")
        assert (await first).event.id
        assert (await second).event.id
    assert Counter(google.effects())["event_created"] == 2


async def test_whoever_waits_for_a_place_waits_no_longer_than_its_deadline(
    sandbox: Sandbox, google: Grant
) -> None:
    async with serving(sandbox.url, max_calls=1) as service:
        google.fault("latency", method="POST", value=1500)
        first = asyncio.create_task(service.call(creation(google.id)))
        await arrived(google, "POST")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.call(get(google.id, "any"), timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await first
        assert service.server._admission.pending == 0


async def test_at_the_end_no_write_begins_and_what_is_under_way_ends_well(
    sandbox: Sandbox, google: Grant, seen_reasons: set[str]
) -> None:
    async with serving(sandbox.url, reasons=seen_reasons, max_calls=1) as service:
        google.fault("latency", method="POST", value=1000)
        under_way = asyncio.create_task(service.call(creation(google.id)))
        await arrived(google, "POST")
        write = asyncio.create_task(service.failure(creation(google.id)))
        read = asyncio.create_task(service.call(s.CheckCompatibilityRequest(grant_id=google.id)))
        await waiting(service, 2)
        await service.server.stop(10.0)
        failure = await write
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        assert failure.retry_after is not None
        assert failure.trailers["grpc-retry-pushback-ms"] == str(round(failure.retry_after * 1000))
        assert (await under_way).event.id
        assert (await read).verdicts
    assert Counter(google.effects())["event_created"] == 1


async def test_a_call_that_no_handler_has_is_not_waited_for(sandbox: Sandbox) -> None:
    """It has sent no message, or gRPC has lost it on its way; its caller is to repeat it in time."""
    async with serving(sandbox.url) as service:
        begun = service.channel.stream_unary("/conferencing.v1.ConferencingService/DeleteEvent")()
        # On the same connection, so that it has arrived as well.
        await service.call(s.CheckCompatibilityRequest(platform=c.PLATFORM_GOOGLE))
        async with asyncio.timeout(20):
            await service.server.stop(120.0)
        assert await begun.code() is grpc.StatusCode.UNAVAILABLE


async def test_while_balancers_take_note_calls_are_still_taken(
    sandbox: Sandbox, google: Grant
) -> None:
    async with serving(sandbox.url) as service:
        stopping = asyncio.create_task(service.server.stop(10.0, wait=1.0))
        await told(service, "", "NOT_SERVING")
        assert (await service.call(creation(google.id))).event.id
        await stopping


# ---- Ten thousand at once ------------------------------------------------------------------

CALLS, GRANTS, CHANNELS = 10_000, 500, 20


async def test_ten_thousand_calls_at_once_are_answered_or_refused_with_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """gRPC by itself would end thousands of them as CANCELLED, which no client repeats."""
    with running("--events-per-second", "0", "--grants-per-second", "0") as sandbox:
        for number in range(GRANTS):
            body = {"id": f"crowd-{number}", "provider": "google"}
            sandbox.http.post("/_sandbox/grants", json=body).raise_for_status()
        sandbox.arm({"resource": "grant", "kind": "latency", "value": 8000, "times": None})
        ledger = f"sqlite://{tmp_path}/ledger/l.sqlite"
        async with replicas(tmp_path, sandbox.url, ledger, max_calls=500) as started:
            replica = await started.start()
            endings, memory = await crowd(replica)
            again, memory_then = await crowd(replica)
    with capsys.disabled():
        for told, peak in ((endings, memory), (again, memory_then)):
            print(f"\n{CALLS} calls at once: {dict(told)}, at most {peak >> 20} MiB", end="")  # noqa: T201
    assert set(endings) == {"OK", "OVERLOADED"}
    assert endings.total() == CALLS
    # As many as have a place or may wait for one, at least.
    assert endings["OK"] >= 1500
    assert set(again) <= {"OK", "OVERLOADED"}
    assert memory < 384 << 20
    # What a crowd took is there for the next.
    assert memory_then < 1.15 * memory


async def crowd(replica: Replica) -> tuple[Counter[str], int]:
    """Make the calls over several connections; return how they ended, and the server's peak memory."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(replica.target, options=own) for _ in range(CHANNELS)]
    stubs = [service_grpc.ConferencingServiceStub(channel) for channel in channels]
    endings: Counter[str] = Counter()

    async def one(number: int) -> None:
        request = s.CheckCompatibilityRequest(grant_id=f"crowd-{number % GRANTS}")
        try:
            await stubs[number % CHANNELS].CheckCompatibility(request, timeout=100)
        except grpc.aio.AioRpcError as error:
            endings[failure_of(error).reason or error.code().name] += 1
        else:
            endings["OK"] += 1

    async with asyncio.TaskGroup() as group:
        for number in range(CALLS):
            group.create_task(one(number))
    for channel in channels:
        await channel.close()
    return endings, peak_memory(replica.process.pid)


def peak_memory(pid: int) -> int:
    """The most bytes that a process ever had resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    (peak,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024
