"""The command as a user runs it: a process of its own, on free ports."""

from __future__ import annotations

import asyncio
import os
import sysconfig
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

COMMAND = Path(sysconfig.get_path("scripts")) / "conferencing-service"
GUARD = 60.0
"""Seconds after which something hangs."""


@dataclass
class Command:
    """One run of the command."""

    process: asyncio.subprocess.Process
    errors: Path
    lines: list[str] = field(default_factory=list)

    async def line(self, start):
        """Read stdout until a line that starts like this; return the rest of that line."""
        async with asyncio.timeout(GUARD):
            while line := (await self.process.stdout.readline()).decode():
                self.lines.append(line)
                if line.startswith(start):
                    return line.removeprefix(start).strip()
        raise AssertionError(f"no line {start!r} in {self.lines}; stderr: {self.stderr}")

    async def serving(self):
        """The address of gRPC, once it serves."""
        return (await self.line("serving ")).rpartition(" ")[2]

    async def sandbox(self):
        """The URL of the sandbox, once it serves."""
        return (await self.line("sandbox ")).split()[0]

    async def end(self, seconds=GUARD):
        """Wait until it ends by itself; return its exit status."""
        async with asyncio.timeout(seconds):
            rest = (await self.process.stdout.read()).decode()
            self.lines += rest.splitlines(keepends=True)
            return await self.process.wait()

    @property
    def stdout(self):
        return "".join(self.lines)

    @property
    def stderr(self):
        return self.errors.read_text()


@pytest.fixture
async def start(tmp_path):
    """Start the command with arguments and settings; nothing of it is left behind."""
    started = []
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CONFERENCING_", "OTEL_"))
    }

    async def start(*arguments, **settings):
        errors = tmp_path / f"stderr-{len(started)}"
        with errors.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                COMMAND,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                limit=2**24,
                env={
                    **inherited,
                    "CONFERENCING_LISTEN": "127.0.0.1:0",
                    "CONFERENCING_SANDBOX_LISTEN": "127.0.0.1:0",
                    **settings,
                },
            )
        started.append(Command(process, errors))
        return started[-1]

    yield start
    for command in started:
        with suppress(ProcessLookupError):
            command.process.kill()
        await command.end()
        assert "Traceback" not in command.stdout + command.stderr
