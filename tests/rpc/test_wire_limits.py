"""How much may come over one connection: metadata, messages, connections; and what gRPC says beyond."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, suppress

import grpc
import pytest

from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1.conferencing_service_pb2_grpc import ConferencingServiceStub
from conferencing_service.port import options_of
from conferencing_service.settings import Settings
from support.service import failure_of, serving
from support.waiting import until

pytestmark = pytest.mark.security

GUARD = 60.0
"""Seconds after which something hangs."""

QUESTION = s.CheckCompatibilityRequest(platform=1)
TOO_MUCH = "RESOURCE_EXHAUSTED"


@asynccontextmanager
async def calling(port, **options):
    """A stub on a connection of its own."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", own, **options) as channel:
        yield ConferencingServiceStub(channel)


async def ending(stub, request=QUESTION, **more):
    """How a call ends."""
    call = getattr(stub, type(request).__name__.removesuffix("Request"))
    try:
        await call(request, timeout=GUARD, **more)
    except grpc.aio.AioRpcError as error:
        return failure_of(error).reason or error.code().name
    return "OK"


@asynccontextmanager
async def good_caller(service):
    """Somebody who calls all the while, on another connection, and sees no error."""
    endings, over = Counter(), asyncio.Event()

    async def go_on(stub):
        while not over.is_set():
            endings[await ending(stub)] += 1
            await asyncio.sleep(0.01)

    async with calling(service.port) as stub:
        task = asyncio.create_task(go_on(stub))
        try:
            yield endings
        finally:
            over.set()
            await task
    assert set(endings) == {"OK"}


# ---- Metadata -------------------------------------------------------------------------------


def one_long(size):
    return (("x-long", "v" * size),)


def many_short(size):
    """gRPC counts 32 bytes more for each pair."""
    return tuple((f"x-{number:06}", "v") for number in range(size // 41))


@pytest.mark.parametrize("made", [one_long, many_short])
@pytest.mark.parametrize(
    ("size", "told"),
    [
        *((100, "OK"), (7000, "OK"), (9000, TOO_MUCH), (12_000, TOO_MUCH)),
        *((15_000, TOO_MUCH), (17_000, TOO_MUCH), (1_000_000, TOO_MUCH)),
    ],
)
async def test_metadata_above_8_kib_are_refused_and_never_those_below(service, made, size, told):
    """gRPC by itself refuses at random from 8 KiB on, and always from 16 KiB on."""
    endings = Counter()
    async with good_caller(service):
        for _ in range(10):
            async with calling(service.port) as stub:
                endings[await ending(stub, metadata=made(size))] += 1
                # The connection lives on, and so do its other calls.
                assert await ending(stub) == "OK"
    assert endings == {told: 10}


# ---- Messages -------------------------------------------------------------------------------


def text_of(size):
    """A request of so many bytes, which the service itself finds too long to read."""
    around = s.ExtractConferencingRequest(text="x" * size).ByteSize() - size
    return s.ExtractConferencingRequest(text="x" * (size - around))


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip, grpc.Compression.Deflate])
@pytest.mark.parametrize(
    ("size", "told"),
    [(1024 * 1024, "INVALID_FIELD"), (1024 * 1024 + 1, TOO_MUCH), (16 * 1024 * 1024, TOO_MUCH)],
)
async def test_a_message_above_1_mib_is_refused_and_counted_as_it_is_unpacked(
    service, compression, size, told
):
    request = text_of(size)
    assert request.ByteSize() == size
    async with good_caller(service), calling(service.port, compression=compression) as stub:
        assert await ending(stub, request) == told
        assert await ending(stub) == "OK"


# ---- Connections ----------------------------------------------------------------------------


async def is_kept(reader):
    """Whether the server keeps a connection; one that it does not want ends without a word."""
    try:
        async with asyncio.timeout(GUARD):
            return bool(await reader.read(9))
    except OSError:
        return False


async def test_connections_beyond_the_limit_are_closed_and_the_others_work_on(sandbox, tally):
    async with (
        serving(sandbox.url, max_connections=4) as service,
        good_caller(service) as endings,
    ):
        await until(lambda: endings["OK"])
        held = [await asyncio.open_connection("127.0.0.1", service.port) for _ in range(8)]
        kept = [await is_kept(reader) for reader, _ in held]
        assert kept == [True] * 3 + [False] * 5
        async with calling(service.port) as late:
            assert await ending(late) == "UNAVAILABLE"
        for _, writer in held:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        # Who leaves makes room.
        async with calling(service.port) as late:
            assert await ending(late, wait_for_ready=True) == "OK"
    tally["hostile connections closed"] += kept.count(False)


# ---- What gRPC is told ----------------------------------------------------------------------


def options(**settings):
    return dict(options_of(Settings(**settings), shared=False))


def test_both_limits_of_metadata_are_one():
    assert options()["grpc.max_metadata_size"] == 8192
    assert options()["grpc.absolute_max_metadata_size"] == 8192


def test_settings_say_how_many_connections_and_how_long_a_handshake():
    told = options(max_connections=7, handshake_timeout=1.5)
    assert told["grpc.max_allowed_incoming_connections"] == 7
    assert told["grpc.server_handshake_timeout_ms"] == 1500


def test_a_connection_has_more_streams_than_a_process_has_places_for_calls():
    """A caller above the limit of streams is told nothing but UNAVAILABLE."""
    places = Settings().max_calls + Settings().max_pending_calls
    assert options()["grpc.max_concurrent_streams"] >= 5 * places
