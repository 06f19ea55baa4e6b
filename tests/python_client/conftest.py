"""What the tests of the client share: either client at the real server, or at one with a script."""

from __future__ import annotations

import pytest

from conferencing.testing import ScriptedServer
from python_client.both_clients import KINDS, calling


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
async def caller(kind, service):
    """Either client at the real server."""
    async with calling(kind, f"127.0.0.1:{service.port}") as started:
        yield started


@pytest.fixture
def script():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
async def scripted(kind, script):
    """Either client at a server that has a script."""
    async with calling(kind, script.target) as started:
        yield started
