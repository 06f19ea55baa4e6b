"""Whatever comes at the port as HTTP/2, the server lives, answers good callers, and lets go of the peer.

A real process is attacked by raw connections while a good caller goes on calling. What gRPC's own
core answers with INTERNAL or UNKNOWN is listed by its exact words: none of it is ours.
"""

from __future__ import annotations

import asyncio
import errno
import random
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

from conferencing.v1 import conferencing_pb2
from fuzz.frames import (
    ASKED,
    END_HEADERS,
    HEADERS,
    PREFACE,
    SETTINGS,
    answers_in,
    attack,
    block,
    frame,
)
from fuzz.rounds import CANARY, HANG, SECONDS, Memory, named, seeds
from support.replica import Replica, replicas
from support.sandbox import Sandbox

pytestmark = [pytest.mark.security, pytest.mark.timeout(SECONDS + HANG)]

CORES_OWN = tuple(
    re.compile(words, re.DOTALL)
    for words in (
        # The frame or the header block is no HTTP/2 (RFC 9113, RFC 7541).
        r"Failed parsing HTTP/2 \(.*\)",
        r"Illegal header key: .*",
        r"Metadata keys cannot be zero length",
        r"Duplicate '.*' header received",
        r"Error parsing '.*' metadata(: .*)?",
        r"Bad (:scheme|:te|te|method) header",
        # The message is not as its prefix and its encoding say.
        r"Bad GRPC frame type 0x[0-9a-f]{2}",
        r"Compression bit set but no encoding configured",
        r"Compression algorithm '.*' is disabled\.",
        r"Decompression failed due to (data error|zlib error|not all input consumed)",
    )
)
"""What gRPC's core answers as INTERNAL, before anything of ours is asked: its words, from the first to
the last. Where it names a header or a number of the peer's, anything stands."""

AT_ONCE = 32

QUIET = 0.15
"""Seconds without a byte after which a peer has heard enough."""

LETS_GO = 30.0
"""Seconds after which a connection should be closed that its peer has closed."""

GOOD_CALL_PAUSE = 0.02


async def heard(port: int, writes: list[bytes]) -> bytes:
    """Write on a connection of its own, close that side, and return all that came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    told = b""
    try:
        for data in writes:
            writer.write(data)
            await writer.drain()
            told += await _until_quiet(reader)
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()
        async with asyncio.timeout(LETS_GO):
            told += await reader.read()
    except ConnectionError:
        pass  # the server hung up first
    except OSError as error:
        if error.errno != errno.ENOTCONN:  # the same, said of the half that is to be closed
            raise
    finally:
        writer.close()
    return told


async def _until_quiet(reader: asyncio.StreamReader) -> bytes:
    told = b""
    while True:
        try:
            piece = await asyncio.wait_for(reader.read(65_536), QUIET)
        except TimeoutError:
            return told
        if not piece:
            return told
        told += piece


def statuses_in(told: bytes) -> list[tuple[str, str]]:
    """The statuses that a server sent, with their messages; each is one of the contract, or core's."""
    if told.startswith(b"HTTP/1"):
        return []
    found = []
    for headers in answers_in(told):
        if "grpc-status" in headers:
            code, words = headers["grpc-status"], unquote(headers.get("grpc-message", ""))
            if "grpc-status-details-bin" in headers:
                # Ours, about a request that was read: neither a fault of ours nor told of it.
                assert code not in {"2", "13"}, words
                assert CANARY not in unquote(str(headers))
            else:
                assert code != "2", words
                assert code != "13" or any(own.fullmatch(words) for own in CORES_OWN), words
            found.append((code, words))
    return found


class GoodCaller:
    """Calls all the time; every call must be answered."""

    def __init__(self, server: Replica) -> None:
        self._server = server
        self.calls = 0

    async def __call__(self) -> None:
        while True:
            answer = await self._server.call(ASKED)
            assert answer.platform == conferencing_pb2.PLATFORM_GOOGLE
            self.calls += 1
            await asyncio.sleep(GOOD_CALL_PAUSE)


async def attacked(server: Replica) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Attack a server for FUZZ_SECONDS; return the attacks and the statuses that they got."""
    port = int(server.target.rpartition(":")[2])
    memory = Memory(server.process.pid)
    attacks: Counter[str] = Counter()
    statuses: Counter[tuple[str, str]] = Counter()
    for number in seeds("HTTP/2 frames"):
        with named(number, "HTTP/2 frames"):
            drawn = [attack(random.Random(f"{number} {each}")) for each in range(AT_ONCE)]
            told = await asyncio.gather(*(heard(port, writes) for _, writes in drawn))
            assert server.process.returncode is None
            memory.look()
            attacks.update(name for name, _ in drawn)
            for each in told:
                statuses.update(statuses_in(each))
    return attacks, statuses


async def test_any_frames_leave_the_server_alive(
    sandbox: Sandbox, tmp_path: Path, tally: Counter[str]
) -> None:
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    async with replicas(tmp_path, sandbox.url, ledger, handshake_timeout=2) as started:
        server = await started.start()
        caller = GoodCaller(server)
        async with asyncio.TaskGroup() as tasks:
            # A call of it that fails ends both, with the reason.
            calling = tasks.create_task(caller())
            attacks, statuses = await attacked(server)
            calling.cancel()
    print(f"{dict(attacks)}\n{dict(statuses)}\n{caller.calls} good calls")  # noqa: T201
    assert statuses["0", ""] > 0
    assert caller.calls > 0
    tally["fuzz inputs"] += attacks.total()


# ---- That faults are seen -------------------------------------------------------------------


def answered(*headers: tuple[str, str]) -> bytes:
    """What a server sends that answers so."""
    head = frame(HEADERS, END_HEADERS, 1, block(list(headers)))
    return frame(SETTINGS) + head


@pytest.mark.parametrize(
    "headers",
    [
        [("grpc-status", "2"), ("grpc-message", "Unexpected <class 'ValueError'>: x")],
        [("grpc-status", "13"), ("grpc-message", "Internal error from Core")],
        [("grpc-status", "13"), ("grpc-message", "Bad GRPC frame type 0x02 in handler")],
        [("grpc-status", "13"), ("grpc-message", "A fault."), ("grpc-status-details-bin", "AA")],
        [("grpc-status", "3"), ("grpc-message", "Zq7 Canary"), ("grpc-status-details-bin", "AA")],
    ],
)
def test_a_status_that_should_not_be_is_seen(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(AssertionError):
        statuses_in(answered(*headers))


async def test_a_connection_that_is_never_let_go_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "LETS_GO", 0.2)

    enough = asyncio.Event()

    async def keep(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await enough.wait()
        writer.close()

    async with await asyncio.start_server(keep, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError):
            await heard(port, [PREFACE])
        enough.set()


def test_a_right_conversation_is_read() -> None:
    told = answered((":status", "200"), ("grpc-status", "0"))
    assert statuses_in(told) == [("0", "")]
