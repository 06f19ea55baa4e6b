"""How long a connection lives, and that no call notices its end."""

from __future__ import annotations

import asyncio
import struct
import sys
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from conferencing import ConferencingClient, ConferencingError, Platform, _channel
from conferencing_service.port import options_of
from conferencing_service.settings import Settings
from support.service import serving
from support.waiting import until

GUARD = 60.0
"""Seconds after which something hangs."""

RENEWALS = 4
"""Connections that a caller uses up while it is watched."""

MOST = 2**31 - 1
"""The largest number that an option of gRPC's can be."""


@dataclass
class Way:
    """What stands between a client and the server, and counts connections."""

    port: int
    made: int = 0
    open: int = 0

    async def carry(self, reader, writer):
        """Carry one connection to its end, whichever side makes it."""
        self.made += 1
        self.open += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.port)
            ways = [
                asyncio.create_task(flow(reader, back)),
                asyncio.create_task(flow(there, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            back.close()
            await asyncio.wait(ways)
        finally:
            writer.close()
            self.open -= 1


async def flow(reader, writer):
    """Carry bytes one way until either side ends."""
    with suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def way_to(port):
    """A way to the server's port, and its own target."""
    way = Way(port)
    async with await asyncio.start_server(way.carry, "127.0.0.1", 0) as server:
        yield way, "127.0.0.1:{1}".format(*server.sockets[0].getsockname())
        server.close()
        await until(lambda: way.open == 0)


@dataclass
class Load:
    """Calls of one kind, one after the other, until it is over."""

    endings: Counter
    over: asyncio.Event

    async def go_on(self, kind, call, pause):
        while not self.over.is_set():
            try:
                await call()
            except ConferencingError as error:
                self.endings[f"{kind}: {error}"] += 1
            else:
                self.endings[kind] += 1
            await asyncio.sleep(pause)


# ---- Age ------------------------------------------------------------------------------------


async def test_no_call_fails_while_connections_come_of_age(sandbox, google):
    quick, slow = google, sandbox.grant("google")
    events = {grant.id: grant.created()["id"] for grant in (quick, slow)}
    slow.fault("latency", method="GET", times=10_000, value=2000)
    load = Load(Counter(), asyncio.Event())
    async with (
        serving(sandbox.url, max_connection_age=1.0) as service,
        way_to(service.port) as (way, target),
        ConferencingClient(target) as client,
    ):

        def read(grant):
            return client.get_event(
                grant_id=grant.id, calendar_id="primary", event_id=events[grant.id]
            )

        async with asyncio.timeout(GUARD), asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(load.go_on("quick", lambda: read(quick), 0.02))
                group.create_task(load.go_on("slow", lambda: read(slow), 0.0))
            await until(lambda: way.made >= RENEWALS and load.endings["slow"] >= 2 * RENEWALS)
            load.over.set()
    sys.stdout.write(f"{way.made} connections: {dict(load.endings)}\n")
    assert set(load.endings) == {"quick", "slow"}


# ---- Idleness -------------------------------------------------------------------------------


async def test_an_idle_connection_is_closed_and_the_next_call_makes_another(sandbox):
    async with (
        serving(sandbox.url, max_connection_idle=1.0) as service,
        way_to(service.port) as (way, target),
        ConferencingClient(target) as client,
    ):
        for number in (1, 2):
            await client.check_compatibility(platform=Platform.PLATFORM_GOOGLE)
            assert way.made == number
            await until(lambda: way.open == 0)


async def test_a_call_is_no_idleness(sandbox, google):
    event = google.created()
    google.fault("latency", method="GET", value=3000)
    async with (
        serving(sandbox.url, max_connection_idle=1.0) as service,
        way_to(service.port) as (way, target),
        ConferencingClient(target) as client,
    ):
        answer = await client.get_event(
            grant_id=google.id, calendar_id="primary", event_id=event["id"]
        )
        assert answer.event.id == event["id"]
        assert way.made == 1


# ---- Numbers of both sides ------------------------------------------------------------------


def options(**settings):
    return dict(options_of(Settings(**settings), shared=False))


def test_the_clients_pings_are_welcome_at_the_server():
    ours, theirs = dict(_channel.channel_options()), options()
    least = theirs["grpc.http2.min_ping_interval_without_data_ms"]
    assert ours["grpc.keepalive_time_ms"] >= 3 * least
    assert ours["grpc.keepalive_permit_without_calls"] == 1
    assert theirs["grpc.keepalive_permit_without_calls"] == 1


@pytest.mark.parametrize(
    "settings",
    [{}, {"write_timeout": 3600.0}, {"max_deadline": 3600.0}, {"write_timeout": 0.1}],
)
def test_a_connection_that_comes_of_age_outlives_the_longest_call_on_it(settings):
    chosen = Settings(**settings)
    longest = 1000 * max(chosen.write_timeout, chosen.max_deadline)
    assert options(**settings)["grpc.max_connection_age_grace_ms"] > longest


def test_an_idle_connection_lives_for_more_than_a_ping():
    theirs = options()
    assert theirs["grpc.max_connection_idle_ms"] > theirs["grpc.keepalive_time_ms"]
    assert theirs["grpc.max_connection_age_ms"] > theirs["grpc.max_connection_idle_ms"]


def test_no_age_is_too_old_for_grpc():
    for option in options(max_connection_age=1e12, max_connection_idle=1e12).values():
        assert 0 <= option <= MOST


@pytest.mark.parametrize("shared", [True, False])
def test_a_port_is_shared_where_that_is_meant(shared):
    assert dict(options_of(Settings(), shared=shared))["grpc.so_reuseport"] == shared


# ---- A peer that pings too often ------------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
ENHANCE_YOUR_CALM = 11


def frame(kind, payload=b""):
    """An HTTP/2 frame of the connection itself."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, 0]) + bytes(4) + payload


async def goaway(reader):
    """Read frames until the server says that it goes away; return why, and in which words."""
    async with asyncio.timeout(GUARD):
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3]))
            if head[3] == GOAWAY:
                return int.from_bytes(payload[4:8]), payload[8:]


async def test_a_peer_that_pings_without_end_is_sent_away(service):
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(PREFACE + frame(SETTINGS) + frame(PING, bytes(8)) * 10)
    assert await goaway(reader) == (ENHANCE_YOUR_CALM, b"too_many_pings")
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
