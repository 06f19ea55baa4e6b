"""A vendor that is down, limits a grant or is slow for one: what reaches it, and who waits.

OUTAGE_SECONDS sets how long the vendor is down (5), OUTAGE_SEED which calls are made.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from opentelemetry.trace import SpanKind

from support.sandbox import Grant, Sandbox, running
from support.service import Service, creation, failure_of, get, serving

SECONDS = float(os.environ.get("OUTAGE_SECONDS", "5"))
SEED = int(os.environ.get("OUTAGE_SEED") or random.randrange(2**32))
PER_SECOND = 100

# What the retry budget promises: a tenth of the traffic, and ten that are saved up.
SHARE, FLOOR = 0.1, 10

GATE = "conferencing.upstream_gate"

pytestmark = pytest.mark.timeout(SECONDS + 120)


@pytest.fixture(scope="module")
def vendor() -> Iterator[Sandbox]:
    with running("--events-per-second", "0", "--grants-per-second", "0") as started:
        yield started


@pytest.fixture(autouse=True)
def whole(vendor: Sandbox) -> Iterator[None]:
    print(f"OUTAGE_SEED={SEED} OUTAGE_SECONDS={SECONDS:g}")  # noqa: T201 - for whoever repeats it
    yield
    vendor.arm()


@dataclass(frozen=True)
class Account:
    """A grant that the service knows, with an event on its calendar."""

    grant: Grant
    event_id: str

    def read(self) -> Any:
        return get(self.grant.id, self.event_id)

    def write(self) -> Any:
        return creation(self.grant.id)


async def accounts(service: Service, vendor: Sandbox, number: int) -> list[Account]:
    made = []
    for _ in range(number):
        grant = vendor.grant("google")
        event = (await service.call(creation(grant.id))).event
        made.append(Account(grant, event.id))
    return made


def gates(service: Service) -> set[Any]:
    """What kept requests from leaving."""
    return {(span.attributes or {}).get(GATE) for span in service.spans()} - {None}


# ---- A vendor that is down -----------------------------------------------------------------


class Gateway:
    """A listener before the vendor that counts connections, and when it is down resets them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_down = False
        self.accepted = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            await self.go_down()

    async def go_down(self) -> None:
        self.is_down = True
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*self._tasks)
        self.accepted = 0

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.is_down:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._open |= {writer, far_writer}
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            self._open.discard(sink)
            sink.transport.abort()


@dataclass
class Outage:
    """A service, a vendor that can be made to fail everybody, and how to count what reaches it."""

    service: Service
    vendor: Sandbox
    begin: Callable[[], Awaitable[None]]
    end: Callable[[], Awaitable[None]]
    attempts: Callable[[], int]
    failures: list[tuple[str, grpc.StatusCode, float | None]] = field(default_factory=list)

    async def offer(self, clients: Sequence[Account], kinds: Sequence[str]) -> int:
        """Make calls at a fixed rate, whatever becomes of them; return how many."""
        loop, chance, calls = asyncio.get_running_loop(), random.Random(SEED), []
        began, number = loop.time(), int(SECONDS * PER_SECOND)
        for position in range(number):
            await asyncio.sleep(began + position / PER_SECOND - loop.time())
            calls.append(self._fail(chance.choice(clients), chance.choice(kinds)))
            calls[-1] = asyncio.create_task(calls[-1])
        await asyncio.gather(*calls)
        return number

    async def _fail(self, account: Account, kind: str) -> None:
        request = account.read() if kind == "read" else account.write()
        try:
            # Whoever asks for a write whose answer was lost waits for word of it, until this is up.
            await self.service.call(request, timeout=5.0)
        except grpc.aio.AioRpcError as error:
            self.failures.append((kind, error.code(), failure_of(error).retry_after))

    async def recovered(self, account: Account) -> None:
        """Wait until a call succeeds again."""
        for _ in range(100):
            try:
                await self.service.call(account.read())
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.2)
            else:
                return
        raise AssertionError("the vendor is back, and no call reaches it")


@asynccontextmanager
async def answering_errors(vendor: Sandbox) -> AsyncIterator[Outage]:
    """A vendor that answers everything with 503."""
    seen: list[int] = []

    def received() -> list[int]:
        logged = vendor.http.get("/_sandbox/requests").json()["requests"]
        return [each["seq"] for each in logged]

    async def begin() -> None:
        vendor.arm({"grant_id": "*", "kind": "server_error", "times": None})
        seen.append(received()[-1])

    async def end() -> None:
        vendor.arm()

    async with serving(vendor.url) as service:
        yield Outage(service, vendor, begin, end, lambda: sum(seq > seen[-1] for seq in received()))


@asynccontextmanager
async def resetting(vendor: Sandbox) -> AsyncIterator[Outage]:
    """A vendor whose every connection is reset."""
    gateway = Gateway(int(vendor.url.rpartition(":")[2]))

    async def end() -> None:
        gateway.is_down = False

    async with gateway.listening() as url, serving(url) as service:
        yield Outage(service, vendor, gateway.go_down, end, lambda: gateway.accepted)


@pytest.mark.parametrize("down", [answering_errors, resetting], ids=lambda each: each.__name__)
async def test_an_outage_is_not_multiplied_and_soon_nothing_is_sent(
    vendor: Sandbox, down: Callable[[Sandbox], Any]
) -> None:
    async with down(vendor) as outage:
        clients = await accounts(outage.service, vendor, 8)
        await outage.begin()
        offered = await outage.offer(clients, ["read", "write"])
        attempts = outage.attempts()
        print(f"offered {offered}, attempts {attempts}")  # noqa: T201 - what the soak run reports
        assert 0 < attempts <= (1 + SHARE) * offered + FLOOR
        # The breaker opens as soon as most attempts fail, and then lets a probe go now and then.
        assert attempts < offered / 2
        assert gates(outage.service) == {"breaker_open"}
        assert len(outage.failures) == offered
        for kind, code, retry_after in outage.failures:
            if kind == "read":
                assert (code, retry_after is not None) == (grpc.StatusCode.UNAVAILABLE, True)
        await outage.end()
        await outage.recovered(clients[0])
        for account in clients:
            await outage.service.call(account.read())
            await outage.service.call(account.write())


async def test_where_the_breaker_sees_no_outage_the_budget_alone_bounds_the_retries(
    vendor: Sandbox,
) -> None:
    """Two grants whose provider is broken: the vendor itself is well, and says so to others."""
    async with answering_errors(vendor) as outage:
        clients = await accounts(outage.service, vendor, 2)
        await outage.begin()
        offered = await outage.offer(clients, ["read"])
        attempts = outage.attempts()
        print(f"offered {offered}, attempts {attempts}")  # noqa: T201 - what the soak run reports
        assert offered < attempts <= (1 + SHARE) * offered + FLOOR
        assert gates(outage.service) == set()
        assert {code for _kind, code, _after in outage.failures} == {grpc.StatusCode.UNAVAILABLE}


# ---- A grant that is limited ---------------------------------------------------------------


async def limit_noticed(service: Service) -> None:
    """Wait until the service has a 429; it closes the grant's lane before anything else runs."""
    for _ in range(500):
        for span in service.spans():
            if (span.attributes or {}).get("http.response.status_code") == 429:
                return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody was limited")


async def test_a_limited_grant_is_left_alone_until_its_time_and_nobody_waits_behind_it(
    vendor: Sandbox,
) -> None:
    async with serving(vendor.url) as service:
        limited, other = await accounts(service, vendor, 2)
        limited.grant.fault("rate_limit", method="GET", value=4)
        waiting = [asyncio.create_task(service.call(limited.read()))]
        await limit_noticed(service)
        refusal = limited.grant.requests()[-1]
        assert refusal["status"] == 429
        requests = [limited.read(), limited.write(), limited.read(), limited.write()]
        waiting += [asyncio.create_task(service.call(request)) for request in requests]
        hurried = await service.failure(limited.read(), timeout=1.0)
        assert hurried.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert hurried.reason == "UPSTREAM_RATE_LIMITED"
        assert hurried.retry_after is not None
        assert 0 < hurried.retry_after <= 4
        assert gates(service) == {"grant_limited"}
        for _ in range(5):
            await service.call(other.read())
            await service.call(other.write())
        assert not any(task.done() for task in waiting)
        await asyncio.gather(*waiting)
        log = vendor.http.get("/_sandbox/requests").json()["requests"]
        later = [each for each in log if each["seq"] > refusal["seq"]]
        first_of_limited = next(
            position for position, each in enumerate(later) if each["grant_id"] == limited.grant.id
        )
        assert [each["grant_id"] for each in later[:first_of_limited]] == [other.grant.id] * 10
        assert [each["status"] for each in later[:first_of_limited]] == [200] * 10
        assert [each["method"] for each in later[first_of_limited:]].count("POST") == 2
        assert len(later) == 10 + len(waiting)
        assert min(each["at"] for each in later[first_of_limited:]) >= refusal["at"] + 4
        assert limited.grant.effects().count("event_created") == 3


# ---- A grant that is slow ------------------------------------------------------------------


async def test_a_slow_grant_fills_its_own_lane_and_slows_nobody_else(vendor: Sandbox) -> None:
    async with serving(vendor.url) as service:
        slow, other = await accounts(service, vendor, 2)
        before = len(slow.grant.requests())
        slow.grant.fault("latency", method="GET", times=None, value=30_000)
        calls = [asyncio.create_task(service.call(slow.read(), timeout=60)) for _ in range(120)]
        # Sixteen are under way and sixty-four in line; there is no room for the others.
        over, inside = set(), set(calls)
        while len(over) < 40:
            done, inside = await asyncio.wait(inside, return_when=asyncio.FIRST_COMPLETED)
            over |= done
        for task in over:
            error = task.exception()
            assert isinstance(error, grpc.aio.AioRpcError)
            assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert gates(service) == {"bulkhead_full"}
        for _ in range(20):
            await service.call(other.read())
            await service.call(other.write())
        assert not any(task.done() for task in inside)
        assert len(slow.grant.requests()) == before + 16
        for task in inside:
            task.cancel()
        await asyncio.gather(*inside, return_exceptions=True)


async def test_a_request_that_was_kept_from_leaving_is_no_call_of_the_vendor(
    vendor: Sandbox,
) -> None:
    async with serving(vendor.url) as service:
        (account,) = await accounts(service, vendor, 1)
        account.grant.fault("rate_limit", method="POST", value=60)
        await service.failure(account.write())
        service.exporter.clear()
        failure = await service.failure(account.write())
        assert failure.reason == "UPSTREAM_RATE_LIMITED"
        assert {span.kind for span in service.spans()} & {SpanKind.CLIENT} == set()
        assert gates(service) == {"grant_limited"}
        assert [each["status"] for each in account.grant.requests()].count(429) == 1
