"""A server as `make run` starts it, and what the quickstart in Python prints of it."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from commands.conftest import GUARD, environment, start  # noqa: F401 - fixtures

ROOT = Path(__file__).resolve().parents[2]
MEETING = re.compile(
    r"provider: PROVIDER_ZOOM_MEETING\n"
    r"url: https://[a-z0-9]+\.zoom\.us/j/(\d+)\?pwd=\w+\n"
    r"meeting_code: \1\n"
    r"password: demo42\n"
)
REFUSALS = [
    "code: FAILED_PRECONDITION",
    "reason: CROSS_PLATFORM_AUTOCREATE",
    "metadata: platform = GOOGLE",
    "metadata: provider = MICROSOFT_TEAMS",
    "metadata: way = AUTOCREATE",
    "decision: DECISION_REFUSED",
    "explanation: ",
    "alternative: PROVIDER_MICROSOFT_TEAMS WAY_DETAILS: ",
    "alternative: PROVIDER_ZOOM_MEETING WAY_AUTOCREATE: ",
    "alternative: PROVIDER_GOOGLE_MEET WAY_AUTOCREATE: ",
    "code: INVALID_ARGUMENT",
    "reason: INVALID_FIELD",
    "metadata: violations = 1",
    "violation: event.when: ",
]
"""How the lines of the two refusals begin."""


async def printed(*arguments, cwd=ROOT):
    """Run a program as a user would; return its stdout."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        cwd=cwd,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(GUARD):
        out, err = await process.communicate()
    assert process.returncode == 0, out.decode() + err.decode()
    return out.decode()


@dataclass(frozen=True)
class Server:
    """Where a server and its sandbox listen."""

    address: str
    sandbox: str

    async def effects(self):
        """What the sandbox's upstream did, in order."""
        async with httpx.AsyncClient(base_url=self.sandbox) as http:
            answer = await http.get("/_sandbox/effects", params={"grant_id": "google-demo"})
        return [each["kind"] for each in answer.json()["effects"]]

    async def prints_what_python_prints(self, *quickstart):
        """Run a quickstart and then Python's, with one request_id: one meeting, the same lines."""
        request_id = str(uuid.uuid4())
        theirs = await printed(*quickstart, self.address, request_id)
        meeting = MEETING.match(theirs)
        assert meeting, theirs
        lines = theirs[meeting.end() :].splitlines()
        for line, beginning in zip(lines, REFUSALS, strict=True):
            assert line.startswith(beginning)
        made = await self.effects()
        assert made.count("event_created") == 1
        python = ROOT / "clients/python/examples/quickstart.py"
        assert await printed(sys.executable, python, self.address, request_id) == theirs
        assert await self.effects() == made


@pytest.fixture
async def server(start):  # noqa: F811 - the fixture above
    command = await start("serve", "--sandbox")
    sandbox = await command.sandbox()
    return Server(await command.serving(), sandbox)


@pytest.fixture
def run():
    """Run a program; return its stdout."""
    return printed
