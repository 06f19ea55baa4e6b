"""A server in a process of its own under a soak, and what it holds: memory, tasks, descriptors, threads."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from conferencing_service.embedded import API_KEY

GUARD = 60.0
"""Seconds after which something hangs."""

_PROGRAM = Path(__file__).with_name("soaked_server.py")
_SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_QUIET_LOOKS, _QUIET_PAUSE = 4, 0.1


@dataclass
class Soaked:
    """The server: where it listens, and what can be seen of it from outside."""

    process: asyncio.subprocess.Process
    target: str
    metrics_url: str
    errors: Path

    async def told(self, number=signal.SIGUSR1):
        """What it says of itself when it gets a signal."""
        self.process.send_signal(number)
        async with asyncio.timeout(GUARD):
            return json.loads(await self.process.stdout.readline())

    async def tasks(self):
        """How many tasks it has while nobody calls; some of its own come and go."""
        looks = []
        for _ in range(_QUIET_LOOKS):
            looks.append((await self.told())["tasks"])
            await asyncio.sleep(_QUIET_PAUSE)
        return min(looks)

    async def quiet(self, tasks):
        """Wait until it has no more tasks than that, for a moment: what callers left has ended."""
        looks = 0
        async with waiting_for(f"no more than {tasks} tasks", self.told):
            while looks < _QUIET_LOOKS:
                await asyncio.sleep(_QUIET_PAUSE)
                looks = looks + 1 if (await self.told())["tasks"] <= tasks else 0

    async def until_no_more_than(self, what, most):
        """Wait until sockets, descriptors or threads are as few as they were."""

        async def there():
            return getattr(self, what)

        async with waiting_for(f"no more than {most} {what}", there):
            while await there() > most:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.5)

    @property
    def resident(self):
        """Its resident memory in MiB."""
        return int(self._status("VmRSS")) / 1024

    @property
    def threads(self):
        return int(self._status("Threads"))

    @property
    def descriptors(self):
        return len(self._open())

    @property
    def sockets(self):
        return sum(name.startswith("socket:") for name in self._open())

    def _open(self):
        names = []
        for each in Path(f"/proc/{self.process.pid}/fd").iterdir():
            # It may be closed by now.
            with suppress(FileNotFoundError):
                names.append(str(each.readlink()))
        return names

    def _status(self, name):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1]

    async def metrics(self, name):
        """The samples of a metric: their labels as they are written, and their values."""
        async with httpx.AsyncClient() as http:
            text = (await http.get(self.metrics_url)).text
        samples = (_SAMPLE.fullmatch(line) for line in text.splitlines() if line[:1] != "#")
        return {each[2] or "": float(each[3]) for each in samples if each[1] == name}


@asynccontextmanager
async def waiting_for(what, there):
    """For the block, a guard against hanging that says what was there instead."""
    try:
        async with asyncio.timeout(GUARD):
            yield
    except TimeoutError:
        raise AssertionError(f"waited for {what}; there are {await there()}") from None


@asynccontextmanager
async def soaked(folder, upstream_url, *arguments, **settings):
    """A server on a fresh ledger, until the end of the block; then it has to end in good order."""
    errors, port = folder / "stderr", _free_port()
    chosen = {
        "listen": "127.0.0.1:0",
        "nylas_region": upstream_url,
        "nylas_api_key": API_KEY,
        "prometheus_listen": f"127.0.0.1:{port}",
        **settings,
    }
    with errors.open("xb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, _PROGRAM, *arguments, "serve"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
            env=_plain_environment()
            | {f"CONFERENCING_{name.upper()}": value for name, value in chosen.items()},
        )
    try:
        async with asyncio.timeout(GUARD):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("serving "), errors.read_text()
        yield Soaked(process, line.split()[-1], f"http://127.0.0.1:{port}/metrics", errors)
        process.terminate()
        async with asyncio.timeout(GUARD):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def _plain_environment():
    ours = ("CONFERENCING_", "OTEL_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
