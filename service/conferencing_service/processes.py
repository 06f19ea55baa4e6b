"""Several server processes on one port: started, started anew when one breaks, and stopped.

Spawned, never forked: gRPC does not survive a fork. The kernel gives each connection to one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from conferencing_service.port import check_free
from conferencing_service.server import Vendor
from conferencing_service.settings import Settings, SettingsError, environment_with

_log = logging.getLogger(__name__)

REFUSED = "refused: "
"""What a worker says before the line that tells why it does not start."""

_START_SECONDS = 60.0
_PAUSE = 1.0
# A worker's own end is bounded by its settings; this is for what comes after: spans, the store.
_STOP_MARGIN = 30.0


@asynccontextmanager
async def processes_listening(
    settings: Settings, vendor: Vendor, *, reflection_on: bool
) -> AsyncIterator[int]:
    """Run so many servers as the settings say for the block, told their port.

    Raises SettingsError when one cannot start.
    """
    await check_free(settings.listen, "CONFERENCING_LISTEN")
    async with _reserved(settings.listen) as listen:
        workers = [
            _Worker(_environment(settings, vendor, listen, number, reflection_on=reflection_on))
            for number in range(settings.processes)
        ]
        stop_seconds = settings.drain_wait + settings.shutdown_grace + _STOP_MARGIN
        try:
            await asyncio.gather(*(worker.start() for worker in workers))
            keeping = [asyncio.create_task(worker.keep()) for worker in workers]
            try:
                yield int(listen.rpartition(":")[2])
            finally:
                for task in keeping:
                    task.cancel()
                await asyncio.wait(keeping)
        finally:
            await asyncio.gather(*(worker.stop(stop_seconds) for worker in workers))


class _Worker:
    """One server process, and its successors.

    Args:
        environment: what it reads its settings from.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it serves; raises SettingsError with what it says otherwise."""
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "conferencing_service.worker"),
            env=dict(self._environment),
            # It ends when this closes, so that it does not outlive us however we end.
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C goes to the whole group; we are the one who stops it.
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101 - piped above
        try:
            async with asyncio.timeout(_START_SECONDS):
                said = (await process.stdout.readline()).decode().strip()
        except TimeoutError:
            said = REFUSED + "CONFERENCING_PROCESSES: a process did not answer in time"
        if said.startswith(REFUSED) or not said:
            await self.stop(0.0)
            raise SettingsError(
                said.removeprefix(REFUSED) or "CONFERENCING_PROCESSES: a process did not start"
            )

    async def keep(self) -> None:
        """Start it anew whenever it ends by itself, until this is cancelled."""
        while True:
            assert self._process is not None  # noqa: S101 - started before it is kept
            status = await self._process.wait()
            _log.error(
                "a server process ended by itself", extra={"alert": "process", "status": status}
            )
            await asyncio.sleep(_PAUSE)
            with contextlib.suppress(SettingsError):
                await self.start()

    async def stop(self, seconds: float) -> None:
        """End it: within so many seconds by its own doing, then at once."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            _log.error("a server process did not end in time", extra={"alert": "process"})
            process.kill()
            await process.wait()


def _environment(
    settings: Settings, vendor: Vendor, listen: str, number: int, *, reflection_on: bool
) -> dict[str, str]:
    """Return what a worker reads: what we read, but for what is decided here."""
    own = {
        "CONFERENCING_LISTEN": listen,
        "CONFERENCING_PROCESSES": "1",
        "CONFERENCING_NYLAS_REGION": vendor.base_url,
        "CONFERENCING_NYLAS_API_KEY": vendor.api_key.get_secret_value(),
        "CONFERENCING_NYLAS_API_KEY_FILE": "",
        "CONFERENCING_LEDGER_URL": settings.ledger(),
        "CONFERENCING_REFLECTION": str(reflection_on).lower(),
    }
    if settings.prometheus_listen is not None:
        host, _colon, port = settings.prometheus_listen.rpartition(":")
        own["CONFERENCING_PROMETHEUS_LISTEN"] = f"{host}:{int(port) + number if int(port) else 0}"
    return environment_with(own)


@asynccontextmanager
async def _reserved(listen: str) -> AsyncIterator[str]:
    """Hold a place without listening there, so that the workers can share it; told with its port."""
    host, _colon, port = listen.rpartition(":")
    found = await asyncio.get_running_loop().getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, _kind, _protocol, _name, address = found[0]
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(address)
        yield f"{host}:{holder.getsockname()[1]}"
