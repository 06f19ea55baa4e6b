"""The embedded sandbox as a child process, started before the server and stopped with it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

from conferencing_service.settings import Settings, SettingsError

API_KEY = "sandbox"
"""The key that the sandbox takes."""

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


class SandboxProcess:
    """A sandbox that runs.

    It holds the other end of its standard input, so that it ends with this process however this
    process ends.
    """

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self._words = asyncio.create_task(_pass_on(process))
        self.url = url

    @classmethod
    async def start(cls, settings: Settings) -> SandboxProcess:
        """Start a sandbox and wait until it answers; raises SettingsError with its own line."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "conferencing_service.sandbox",
            "--listen",
            settings.sandbox_listen,
            "--database",
            settings.sandbox_database,
            "--until-stdin-closes",
            *(("--faults", settings.sandbox_faults) if settings.sandbox_faults else ()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Ctrl-C goes to the whole group; the sandbox is to outlive the last calls.
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101 - piped above
        assert process.stderr is not None  # noqa: S101 - piped above
        try:
            async with asyncio.timeout(_START_SECONDS):
                line = (await process.stdout.readline()).decode()
                url = line.strip().rpartition(" ")[2]
                if url.startswith("http://"):
                    return cls(process, url)
                said = (await process.stderr.read()).decode().strip().splitlines()
        except TimeoutError:
            said = ["it did not answer in time"]
        if process.returncode is None:
            process.kill()
        await process.wait()
        why = said[-1] if said else "no word from it"
        raise SettingsError(f"{', '.join(_set_by(settings))}: the sandbox did not start: {why}")

    async def stop(self) -> None:
        """End the sandbox and wait for it."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await self._words


async def _pass_on(process: asyncio.subprocess.Process) -> None:
    """Write what the sandbox says on its standard error on ours, so that its pipe never fills."""
    assert process.stderr is not None  # noqa: S101 - piped at the start
    async for line in process.stderr:
        sys.stderr.write(line.decode(errors="replace"))


def _set_by(settings: Settings) -> Iterator[str]:
    """Yield the variables that a sandbox which does not start may owe it to."""
    yield "CONFERENCING_SANDBOX_LISTEN"
    if settings.sandbox_database != Settings.model_fields["sandbox_database"].default:
        yield "CONFERENCING_SANDBOX_DATABASE"
    if settings.sandbox_faults:
        yield "CONFERENCING_SANDBOX_FAULTS"
