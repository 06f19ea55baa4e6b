"""Connections that say little, slowly, or too much: the server ends or bears them; good callers do not notice."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1.conferencing_service_pb2_grpc import ConferencingServiceStub
from support.authority import Authority
from support.replica import replicas
from support.service import serving
from support.waiting import until

pytestmark = pytest.mark.security

GUARD = 60.0
"""Seconds after which something hangs."""

QUESTION = s.CheckCompatibilityRequest(platform=1)
SHORT = {"handshake_timeout": 1.0, "max_connection_idle": 1.0}

# ---- HTTP/2, by hand ------------------------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    *(0, 1, 2, 3, 4, 6, 7, 8, 9),
)
ACK, END_HEADERS = 1, 4
CANCEL = 8
CALL = {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/conferencing.v1.ConferencingService/CheckCompatibility",
    ":authority": "localhost",
    "te": "trailers",
    "content-type": "application/grpc",
}


def frame(kind, payload=b"", flags=0, stream=0):
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
    return head + struct.pack(">I", stream) + payload


def headers(stream, flags=END_HEADERS, path=CALL[":path"]):
    """The beginning of a call; each header is a literal that enters no table."""
    told = CALL | {":path": path}
    pairs = ((name.encode(), value.encode()) for name, value in told.items())
    block = b"".join(
        b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in pairs
    )
    return frame(HEADERS, block, flags, stream)


def reset(stream):
    return frame(RST_STREAM, struct.pack(">I", CANCEL), stream=stream)


OPENED = PREFACE + frame(SETTINGS)
# The length of a message that never comes whole.
MESSAGE = b"\x00" + struct.pack(">I", 100_000)


@dataclass
class Connection:
    """One connection of a hostile peer; counts the kinds of frames that it was sent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answers_pings: bool = True
    kinds: Counter = field(default_factory=Counter)
    told: str = ""
    """In which words the server went away at last; none where it just ended."""

    async def drip(self, parts, seconds=0.2):
        """Send part after part, or byte after byte, until the connection ends."""
        with suppress(OSError):
            for part in parts:
                self.writer.write(part if isinstance(part, bytes) else bytes([part]))
                await self.writer.drain()
                await asyncio.sleep(seconds)

    async def send(self, parts):
        """Send without a pause, as far as the server takes it."""
        with suppress(OSError):
            for part in parts:
                self.writer.write(part)
                await self.writer.drain()

    async def end(self):
        """Read until the server ends the connection."""
        async with asyncio.timeout(GUARD):
            with suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    head = await self.reader.readexactly(9)
                    payload = await self.reader.readexactly(int.from_bytes(head[:3]))
                    kind, flags = head[3], head[4]
                    self.kinds[kind] += 1
                    if kind == GOAWAY:
                        self.told = payload[8:].decode()
                    if kind == PING and not flags & ACK and self.answers_pings:
                        self.writer.write(frame(PING, payload, ACK))


@asynccontextmanager
async def connected(port, **more):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer, **more)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def good_caller(target, ca=None):
    """Somebody who calls all the while, on another connection, and sees no error."""
    endings, over = Counter(), asyncio.Event()

    async def go_on(stub):
        while not over.is_set():
            try:
                await stub.CheckCompatibility(QUESTION, timeout=GUARD)
                endings["OK"] += 1
            except grpc.aio.AioRpcError as error:
                endings[f"{error.code().name}: {error.details()}"] += 1
            await asyncio.sleep(0.01)

    own = [("grpc.use_local_subchannel_pool", 1)]
    made = (
        grpc.aio.insecure_channel(target, own)
        if ca is None
        else grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(ca), own)
    )
    async with made as channel:
        task = asyncio.create_task(go_on(ConferencingServiceStub(channel)))
        try:
            yield endings
        finally:
            over.set()
            await task
    assert set(endings) == {"OK"}


async def outlast(connection, first, slowly=b""):
    """Say something, go on slowly, and wait for the end that the server makes."""
    connection.writer.write(first)
    dripping = asyncio.create_task(connection.drip(slowly))
    await connection.end()
    dripping.cancel()
    with suppress(asyncio.CancelledError):
        await dripping


# ---- Little, or slowly ----------------------------------------------------------------------

HANDSHAKES = {
    "nothing": (b"", b""),
    "half a preface": (PREFACE[:12], b""),
    "a preface, byte by byte": (b"", PREFACE),
    "a preface without settings": (PREFACE, b""),
    "half a frame of settings": (PREFACE + frame(SETTINGS)[:4], b""),
    "settings, byte by byte": (PREFACE, frame(SETTINGS)),
}
NO_HTTP2 = {
    "HTTP/1.1": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),
    "TLS, which is not spoken here": (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"",
    ),
}
IDLE = {
    "settings that are not acknowledged, and nothing more": (OPENED, b""),
    "settings that are acknowledged, and nothing more": (OPENED + frame(SETTINGS, flags=ACK), b""),
    "the first half of a call's headers": (OPENED + headers(1, flags=0), b""),
    "a call's headers, byte by byte": (OPENED, headers(1)),
    "half a frame": (OPENED + headers(1)[:40], b""),
    "pings, byte by byte": (OPENED, frame(PING, bytes(8)) * 3),
}


NO_SETTINGS = "Did not receive HTTP/2 settings before handshake timeout"
# The setting that ends each of them, and in which words; nobody is told anything but HTTP/2.
ENDED = {
    **{
        f"a handshake: {name}": (way, {"handshake_timeout": 1.0}, NO_SETTINGS)
        for name, way in HANDSHAKES.items()
    },
    **{f"no HTTP/2: {name}": (way, {}, None) for name, way in NO_HTTP2.items()},
    **{
        f"no call: {name}": (way, {"max_connection_idle": 1.0}, "connection idle")
        for name, way in IDLE.items()
    },
}


@pytest.mark.parametrize("name", ENDED)
async def test_a_connection_that_says_little_is_ended(sandbox, tally, name):
    way, short, told = ENDED[name]
    async with (
        serving(sandbox.url, **short) as service,
        good_caller(f"127.0.0.1:{service.port}") as endings,
        connected(service.port) as connection,
    ):
        await outlast(connection, *way)
        assert told in {None, connection.told}
        await until(lambda: endings["OK"] > 3)
    tally["hostile connections closed"] += 1


async def test_300_of_them_at_once_are_ended_and_a_good_caller_does_not_notice(sandbox, tally):
    ways = [*HANDSHAKES.values(), *NO_HTTP2.values(), *IDLE.values()]
    number = 300
    async with (
        serving(sandbox.url, **SHORT) as service,
        good_caller(f"127.0.0.1:{service.port}") as endings,
    ):

        async def one(first, slowly):
            async with connected(service.port) as connection:
                await outlast(connection, first, slowly)

        async with asyncio.timeout(GUARD), asyncio.TaskGroup() as group:
            for each in range(number):
                group.create_task(one(*ways[each % len(ways)]))
        await until(lambda: endings["OK"] > 10)
    tally["hostile connections closed"] += number


def client_hello():
    """The first bytes of a TLS handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("part", ["nothing", "half", "whole", "slow", "random"])
async def test_a_tls_handshake_that_is_never_finished_is_ended(sandbox, tmp_path, tally, part):
    authority, hello = Authority(), client_hello()
    pair = authority.issue("server")
    (tmp_path / "tls.crt").write_bytes(pair.certificate)
    (tmp_path / "tls.key").write_bytes(pair.key)
    files = {"tls_cert_file": tmp_path / "tls.crt", "tls_key_file": tmp_path / "tls.key"}
    first, slowly = {
        "nothing": (b"", b""),
        "half": (hello[: len(hello) // 2], b""),
        "whole": (hello, b""),
        "slow": (b"", hello),
        "random": (bytes(range(256)), b""),
    }[part]
    async with (
        serving(sandbox.url, handshake_timeout=1.0, **files) as service,
        good_caller(f"127.0.0.1:{service.port}", ca=authority.pem) as endings,
        connected(service.port) as connection,
    ):
        await outlast(connection, first, slowly)
        await until(lambda: endings["OK"] > 3)
    tally["hostile connections closed"] += 1


async def test_calls_that_never_say_what_they_ask_are_answered_in_time_and_their_connection_is_idle(
    sandbox, tally
):
    begun = OPENED + headers(1)
    ways = {
        "no data": (begun, b""),
        "the beginning of a message": (begun + frame(DATA, MESSAGE, stream=1), b""),
        "a message, byte by byte": (begun, [frame(DATA, b"\0", stream=1)] * 300),
    }
    async with (
        serving(sandbox.url, message_timeout=1.0, **SHORT) as service,
        good_caller(f"127.0.0.1:{service.port}") as endings,
    ):

        async def one(first, slowly):
            async with connected(service.port) as connection:
                await outlast(connection, first, slowly)
            return connection

        async with asyncio.timeout(GUARD), asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(*way)) for way in ways.values()]
        assert endings["OK"] > 10
    for task in tasks:
        connection = task.result()
        assert connection.kinds[HEADERS], "it was told how its call ended"
        assert connection.told in {"max_idle", "max connection idle", "connection idle"}
    tally["hostile connections closed"] += len(ways)


async def test_very_many_calls_without_a_message_keep_nobody_out(sandbox, tally):
    """Where as many wait for their message as the server takes calls, the next have to hurry."""
    crowd = 300
    limits = {"max_calls": 50, "max_pending_calls": 50, "message_timeout": 600.0}
    async with (
        serving(sandbox.url, **limits) as service,
        good_caller(f"127.0.0.1:{service.port}") as endings,
        connected(service.port) as connection,
    ):
        connection.writer.write(OPENED + b"".join(headers(n) for n in range(1, 2 * crowd, 2)))
        reading = asyncio.create_task(connection.end())
        await until(lambda: connection.kinds[HEADERS] >= crowd - 101)
        before = endings["OK"]
        await until(lambda: endings["OK"] > before + 10)
        reading.cancel()
    tally["hostile connections closed"] += 1


async def test_probes_without_a_message_are_not_waited_for_and_others_are_answered(sandbox, tally):
    """Health asks nobody who calls, so it is bounded by itself."""
    crowd = 3000
    path = "/grpc.health.v1.Health/Check"
    async with serving(sandbox.url) as service, connected(service.port) as connection:
        begun = b"".join(headers(n, path=path) for n in range(1, 2 * crowd, 2))
        connection.writer.write(OPENED + begun)
        reading = asyncio.create_task(connection.end())
        await until(lambda: connection.kinds[HEADERS] >= crowd)

        async def is_told():
            return await service.health("liveness") == "SERVING"

        await until(is_told)
        reading.cancel()
    tally["hostile connections closed"] += 1


# ---- Too much -------------------------------------------------------------------------------

FLOOD = 20_000
MOST_MEMORY = 256 << 20
"""Bytes by which one hostile connection may make the server grow."""


def peak_memory(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def streams(make):
    """What a peer sends for each of very many streams, a hundred at a time."""
    for first in range(1, 2 * FLOOD, 200):
        yield b"".join(make(stream) for stream in range(first, first + 200, 2))


def again(part):
    """The same, very often."""
    return [part * 100] * (FLOOD // 100)


ENDLESS = "streams that never end"
FLOODS = {
    "streams that are reset at once": lambda: streams(lambda n: headers(n) + reset(n)),
    ENDLESS: lambda: streams(headers),
    "pings": lambda: again(frame(PING, bytes(8))),
    "settings": lambda: again(frame(SETTINGS)),
    "window updates": lambda: again(frame(WINDOW_UPDATE, struct.pack(">I", 1))),
    "priorities": lambda: again(frame(PRIORITY, bytes(4) + b"\x10", stream=1)),
    "resets of streams that there are not": lambda: again(reset(1)),
    "frames that HTTP/2 does not know": lambda: again(frame(0x42, bytes(16))),
    "empty data": lambda: [headers(1), *again(frame(DATA, stream=1))],
    "headers without end": lambda: [
        headers(1, flags=0),
        *again(frame(CONTINUATION, b"\x00\x01k\x01v" * 20, stream=1)),
    ],
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_is_borne(sandbox, tmp_path, tally, name):
    ledger = f"sqlite://{tmp_path}/ledger/l.sqlite"
    async with replicas(tmp_path, sandbox.url, ledger, max_connection_idle=1.0) as started:
        replica = await started.start()
        pid = replica.process.pid
        async with good_caller(replica.target) as endings:
            await asyncio.sleep(0.5)
            before = peak_memory(pid)
            async with connected(int(replica.target.rpartition(":")[2])) as connection:
                reading = asyncio.create_task(connection.end())
                await connection.send([OPENED, *FLOODS[name]()])
                calls = endings["OK"]
                await until(lambda: endings["OK"] > calls + 10)
                if name == ENDLESS:
                    # One connection has 10,000 streams; the others are refused.
                    await until(lambda: connection.kinds[RST_STREAM] >= FLOOD - 10_000)
                    reading.cancel()
                else:
                    # What has no call is ended for its idleness at the latest.
                    await reading
                grown = peak_memory(pid) - before
            assert replica.process.returncode is None
    assert grown < MOST_MEMORY
    tally["hostile connections closed"] += name != ENDLESS
