"""Health by name: liveness to the end, readiness with the ledger, the upstream for those who watch."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

import grpc
import pytest

from conferencing_service.stores import open_store
from support.faulty_store import FaultyStore, Trouble
from support.sandbox import Sandbox
from support.service import Service, creation, serving

WHOLE = ("", "conferencing.v1.ConferencingService")
SERVING, NOT_SERVING = "SERVING", "NOT_SERVING"


async def told(service: Service, name: str, status: str) -> None:
    """Wait until health says so of a name."""
    async with asyncio.timeout(30):
        while True:
            # A name that nobody looked at yet is not found.
            with contextlib.suppress(grpc.aio.AioRpcError):
                if await service.health(name) == status:
                    return
            await asyncio.sleep(0.05)


async def test_a_server_that_is_well_says_so_by_every_name(service: Service) -> None:
    for name in (*WHOLE, "liveness", "readiness", "upstream/nylas"):
        await told(service, name, SERVING)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.health("upstream/unheard-of")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_ledger_that_cannot_commit_takes_readiness_and_nothing_else(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    real = await open_store(f"sqlite://{tmp_path}/ledger/ledger.sqlite")
    store = FaultyStore(real, step="probe", trouble=Trouble.REFUSAL, times=1)
    async with serving(sandbox.url, store=store) as service:
        with caplog.at_level(logging.INFO):
            await told(service, "readiness", NOT_SERVING)
            assert [await service.health(name) for name in (*WHOLE, "liveness")] == [SERVING] * 3
            await told(service, "readiness", SERVING)
    alerts = [getattr(record, "alert", None) for record in caplog.records]
    assert alerts.count("ledger") == 1
    assert "the ledger commits again" in caplog.messages
    await real.aclose()


async def test_a_probe_that_breaks_is_told_and_made_again(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> None:
        raise RuntimeError("as the test says")

    real = await open_store(f"sqlite://{tmp_path}/ledger/ledger.sqlite")
    store = FaultyStore(real, step="probe", trouble=Trouble.CALLBACK, callback=broken, times=1)
    async with serving(sandbox.url, store=store) as service:
        await told(service, "readiness", NOT_SERVING)
        await told(service, "readiness", SERVING)
    assert "the ledger's probe broke" in caplog.messages
    await real.aclose()


async def test_a_vendor_that_is_down_takes_its_own_name_and_nothing_else(
    unused_tcp_port: int,
) -> None:
    async with serving(f"http://127.0.0.1:{unused_tcp_port}") as service:
        await told(service, "upstream/nylas", SERVING)
        for number in range(10):
            failure = await service.failure(creation(f"grant-{number}"))
            assert failure.reason == "UPSTREAM_UNAVAILABLE"
        await told(service, "upstream/nylas", NOT_SERVING)
        for name in (*WHOLE, "liveness", "readiness"):
            assert await service.health(name) == SERVING


async def test_while_it_drains_only_liveness_serves(sandbox: Sandbox) -> None:
    async with serving(sandbox.url) as service:
        await told(service, "readiness", SERVING)
        await told(service, "upstream/nylas", SERVING)
        stopping = asyncio.create_task(service.server.stop(10.0, wait=2.5))
        for name in (*WHOLE, "readiness", "upstream/nylas"):
            await told(service, name, NOT_SERVING)
        assert await service.health("liveness") == SERVING
        # Longer than the server takes until it looks again.
        await asyncio.sleep(1.3)
        assert await service.health("readiness") == NOT_SERVING
        assert await service.health("upstream/nylas") == NOT_SERVING
        await stopping
