"""Server processes that share a ledger: children that can be killed, frozen, thawed and replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import sysconfig
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from conferencing.v1 import conferencing_service_pb2_grpc as service_grpc
from conferencing_service.core.ledger.entry import Entry, Step
from conferencing_service.core.ledger.store import Store
from conferencing_service.embedded import API_KEY

COMMAND = Path(sysconfig.get_path("scripts")) / "conferencing-service"
GUARD = 120.0
"""Seconds after which something hangs."""

UNFINISHED = (Step.CLAIMED, Step.SENDING, Step.IN_DOUBT)


@dataclass(frozen=True)
class Replica:
    """One server process, and a channel to it."""

    target: str
    process: asyncio.subprocess.Process
    channel: grpc.aio.Channel
    stub: Any
    errors: Path

    async def call(self, request: Any, *, timeout: float = 30.0) -> Any:
        """Make the call that a request is for; raises AioRpcError."""
        method = type(request).__name__.removesuffix("Request")
        return await getattr(self.stub, method)(request, timeout=timeout)

    def kill(self) -> None:
        """End it without a word, frozen or not."""
        self.process.kill()

    def freeze(self) -> None:
        """Let it do nothing, as a host does that is out of breath."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had been."""
        self.process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to end."""
        self.process.terminate()

    async def end(self) -> int:
        """Wait until it has ended; return its exit status."""
        async with asyncio.timeout(GUARD):
            return await self.process.wait()


class Replicas:
    """Starts server processes on one upstream and one ledger.

    Args:
        folder: where their standard errors go.
        upstream_url: a sandbox.
        ledger_url: the ledger that they share.
        settings: of each of them, unless `start` says otherwise.
    """

    def __init__(self, folder: Path, upstream_url: str, ledger_url: str, **settings: float) -> None:
        self._folder = folder
        self._upstream_url = upstream_url
        self._ledger_url = ledger_url
        self._settings = settings
        self._stack = AsyncExitStack()
        self._number = 0
        self._started: list[Replica] = []

    async def start(self, **settings: float) -> Replica:
        """Start one more and wait until it serves."""
        self._number += 1
        errors = self._folder / f"replica-{self._number}"
        with errors.open("xb") as file:
            process = await asyncio.create_subprocess_exec(
                *(COMMAND, "serve"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                env=self._environment(self._settings | settings),
            )
        self._stack.push_async_callback(_put_an_end_to, process)
        assert process.stdout is not None
        async with asyncio.timeout(GUARD):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("serving "), errors.read_text()
        target = line.split()[-1]
        channel = await self._stack.enter_async_context(grpc.aio.insecure_channel(target))
        stub = service_grpc.ConferencingServiceStub(channel)
        self._started.append(Replica(target, process, channel, stub, errors))
        return self._started[-1]

    async def aclose(self) -> None:
        """End them all; none of them may have met a fault of its own."""
        await self._stack.aclose()
        for replica in self._started:
            said = replica.errors.read_text()
            assert "Traceback" not in said, said

    def _environment(self, settings: dict[str, float]) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CONFERENCING_", "OTEL_"))
        }
        return {
            **inherited,
            "CONFERENCING_LISTEN": "127.0.0.1:0",
            "CONFERENCING_NYLAS_REGION": self._upstream_url,
            "CONFERENCING_NYLAS_API_KEY": API_KEY,
            "CONFERENCING_LEDGER_URL": self._ledger_url,
            **{f"CONFERENCING_{name.upper()}": str(value) for name, value in settings.items()},
        }


@asynccontextmanager
async def replicas(
    folder: Path, upstream_url: str, ledger_url: str, **settings: float
) -> AsyncIterator[Replicas]:
    """Replicas that end with the block."""
    home = folder / "replicas"
    home.mkdir()
    started = Replicas(home, upstream_url, ledger_url, **settings)
    try:
        yield started
    finally:
        await started.aclose()


async def quiet(store: Store, *, seconds: float = GUARD) -> None:
    """Wait until every operation of a ledger has ended."""
    left: Collection[Entry] = ()
    try:
        async with asyncio.timeout(seconds):
            while True:
                left = await store.listing(UNFINISHED, limit=1000)
                if not left:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"these never ended: {left}") from None


async def _put_an_end_to(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()
