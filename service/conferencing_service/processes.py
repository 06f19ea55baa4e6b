"""Several server processes on one port: started, started anew when one breaks, and stopped.

Spawned, never forked: gRPC does not survive a fork. The kernel gives each connection to one of them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from conferencing_service.port import check_free
from conferencing_service.settings import Settings, SettingsError, environment_with
from conferencing_service.vendor import Vendor

_log = logging.getLogger(__name__)

SERVING = "serving"
"""What a worker says once it serves."""

REFUSED = "refused: "
"""What a worker says before the line that tells why it does not start."""

_START_SECONDS = 60.0
_PAUSE = 1.0
# A worker's own end is bounded by its settings; this is for what comes after: spans, the store.
_STOP_MARGIN = 30.0
# One that does not start has nothing to finish.
_REFUSED_SECONDS = 10.0


@asynccontextmanager
async def processes_listening(
    settings: Settings, vendor: Vendor, *, reflection_on: bool
) -> AsyncIterator[int]:
    """Run so many servers as the settings say for the block, told their port.

    Raises SettingsError when one cannot start.
    """
    await check_free(settings.listen, "CONFERENCING_LISTEN")
    if settings.health_listen is not None:
        await check_free(settings.health_listen, "CONFERENCING_HEALTH_LISTEN")
    async with _reserved(settings.listen) as listen:
        workers = [
            _Worker(_environment(settings, vendor, listen, number, reflection_on=reflection_on))
            for number in range(settings.processes)
        ]
        stop_seconds = settings.drain_wait + settings.shutdown_grace + _STOP_MARGIN
        try:
            await _start(workers)
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
        self._words: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and wait until it serves; raises SettingsError with what it says otherwise."""
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "conferencing_service.worker"),
                env=dict(self._environment),
                # It ends when this closes, so that it does not outlive us however we end.
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                # Ctrl-C goes to the whole group; we are the one who stops it.
                start_new_session=True,
            )
        except OSError as error:
            raise SettingsError("CONFERENCING_PROCESSES: a process cannot be started") from error
        assert process.stdout is not None  # noqa: S101 - piped above
        try:
            async with asyncio.timeout(_START_SECONDS):
                said = (await process.stdout.readline()).decode().strip()
        except TimeoutError:
            said = REFUSED + "CONFERENCING_PROCESSES: a process did not answer in time"
        if said == SERVING:
            self._words = asyncio.create_task(_pass_on(process.stdout))
            return
        await self.stop(_REFUSED_SECONDS)
        raise SettingsError(
            said.removeprefix(REFUSED)
            if said.startswith(REFUSED)
            else "CONFERENCING_PROCESSES: a process did not start"
        )

    async def keep(self) -> None:
        """Start it anew whenever it ends by itself, until this is cancelled."""
        while True:
            assert self._process is not None  # noqa: S101 - started before it is kept
            status = await self._process.wait()
            _log.error(
                "a server process ended by itself", extra={"alert": "process", "status": status}
            )
            await self._start_anew()

    async def _start_anew(self) -> None:
        while True:
            await asyncio.sleep(_PAUSE)
            try:
                await self.start()
            except SettingsError as error:
                _log.error(
                    "a server process does not start",
                    extra={"alert": "process", "refusal": str(error)},
                )
            else:
                _log.info("a server process was started anew")
                return

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
        if self._words is not None:
            await self._words


async def _start(workers: list[_Worker]) -> None:
    """Start them all at once; raises what the first of those raises that cannot start."""
    # All are waited for: one that is still about to start could not be stopped.
    ends = await asyncio.gather(*(worker.start() for worker in workers), return_exceptions=True)
    for error in ends:
        if error is not None:
            raise error


async def _pass_on(words: asyncio.StreamReader) -> None:
    """Write what a worker says, such as spans, on our standard output, so that its pipe never fills."""
    while part := await words.read(65_536):
        sys.stdout.write(part.decode(errors="replace"))
        sys.stdout.flush()


def _environment(
    settings: Settings, vendor: Vendor, listen: str, number: int, *, reflection_on: bool
) -> dict[str, str]:
    """Return what a worker reads: what we read, but for what is decided here."""
    own = {
        "CONFERENCING_LISTEN": listen,
        "CONFERENCING_PROCESSES": "1",
        "CONFERENCING_LEDGER_URL": settings.ledger(),
        "CONFERENCING_REFLECTION": str(reflection_on).lower(),
    }
    if settings.nylas_region is None:
        # Otherwise a key that is in a file stays there: an environment can be looked at.
        own["CONFERENCING_NYLAS_REGION"] = vendor.base_url
        own["CONFERENCING_NYLAS_API_KEY"] = vendor.api_key.current().get_secret_value()
        own["CONFERENCING_NYLAS_API_KEY_FILE"] = ""
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
        try:
            holder.bind(address)
        except OSError as error:
            raise SettingsError(f"CONFERENCING_LISTEN: cannot listen on {listen}") from error
        yield f"{host}:{holder.getsockname()[1]}"
