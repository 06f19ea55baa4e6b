"""The command as a user runs it: a process of its own, on free ports."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sysconfig
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores it, and so would every command that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)

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


@dataclass(frozen=True)
class Ran:
    """A run of the command that has ended."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture
def environment(tmp_path):
    """What a command is started with: no settings but free ports and a state of its own."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CONFERENCING_", "OTEL_"))
        and name not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}
    }
    return {
        **inherited,
        "CONFERENCING_LISTEN": "127.0.0.1:0",
        "CONFERENCING_SANDBOX_LISTEN": "127.0.0.1:0",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


@pytest.fixture
def run(environment):
    """Run the command to its end; with a terminal, stdout is one."""

    async def run(*arguments, given=b"", terminal=False, **settings):
        ours, theirs = pty.openpty() if terminal else (None, asyncio.subprocess.PIPE)
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=theirs,
            stderr=asyncio.subprocess.PIPE,
            env={**environment, "TERM": "xterm-256color", **settings},
        )
        shown = None
        if terminal:
            os.close(theirs)
            shown = asyncio.create_task(asyncio.to_thread(read_terminal, ours))
        try:
            async with asyncio.timeout(GUARD):
                stdout, stderr = await process.communicate(given)
        except TimeoutError:
            process.kill()
            raise
        if terminal:
            stdout = (await shown).replace(b"\r\n", b"\n")
        assert b"Traceback" not in stdout + stderr
        return Ran(process.returncode, stdout.decode(), stderr.decode())

    return run


def read_terminal(ours):
    """What was written to a terminal, until nobody holds its other end."""
    written = b""
    try:
        # At the end Linux says EIO.
        with suppress(OSError):
            while part := os.read(ours, 65_536):
                written += part
    finally:
        os.close(ours)
    return written


@pytest.fixture
async def start(tmp_path, environment):
    """Start the command with arguments and settings; nothing of it is left behind."""
    started = []

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
                env={**environment, **settings},
            )
        started.append(Command(process, errors))
        return started[-1]

    yield start
    for command in started:
        with suppress(ProcessLookupError):
            command.process.kill()
        await command.end()
        assert "Traceback" not in command.stdout + command.stderr
