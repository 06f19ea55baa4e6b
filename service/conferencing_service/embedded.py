"""The embedded sandbox as a child process, started before the server and stopped with it."""

from __future__ import annotations

import asyncio
import sys

from conferencing_service.settings import Settings, SettingsError

API_KEY = "sandbox"
"""The key that the sandbox takes."""

_VARIABLES = {
    "--listen": "CONFERENCING_SANDBOX_LISTEN",
    "--database": "CONFERENCING_SANDBOX_DATABASE",
    "--faults": "CONFERENCING_SANDBOX_FAULTS",
}
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
        raise SettingsError(_by_variable(said[-1] if said else "it said nothing"))

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


def _by_variable(said: str) -> str:
    """Return what a sandbox said that did not start, named by our setting instead of its flag."""
    said = said.removeprefix("sandbox: ")
    for flag, variable in _VARIABLES.items():
        if said.startswith(flag + ": "):
            return f"{variable}: the sandbox did not start: {said.removeprefix(flag + ': ')}"
    return f"CONFERENCING_SANDBOX_LISTEN: the sandbox did not start: {said}"
