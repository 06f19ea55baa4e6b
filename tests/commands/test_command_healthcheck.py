"""`healthcheck`: 0 says that a server serves, 1 that it does not, and it never takes long."""

from __future__ import annotations

import socket
import time
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

STATUS = health_pb2.HealthCheckResponse


@asynccontextmanager
async def answering(status):
    """A server that says so of itself; its port."""
    servicer = health.HealthServicer()
    await servicer.set("", status)
    server = grpc.aio.server()
    add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def test_a_server_that_serves_is_0_until_it_has_stopped(start, run):
    server = await start("serve", "--sandbox")
    address = await server.serving()
    for arguments in ((), ("--service", "conferencing.v1.ConferencingService")):
        ran = await run("healthcheck", *arguments, CONFERENCING_LISTEN=address)
        assert (ran.status, ran.stdout, ran.stderr) == (0, f"{address} is SERVING\n", "")
    ran = await run("healthcheck", "--service", "other", "--address", address)
    assert (ran.status, ran.stdout) == (1, "")
    assert ran.stderr == f"conferencing-service: the server at {address} has no service 'other'\n"
    server.process.terminate()
    assert await server.end() == 0
    ran = await run("healthcheck", "--address", address)
    assert ran.status == 1
    assert ran.stderr == f"conferencing-service: no server answers at {address}\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
async def test_a_server_that_listens_everywhere_is_asked_here(run, host):
    async with answering(STATUS.SERVING) as port:
        ran = await run("healthcheck", CONFERENCING_LISTEN=f"{host}:{port}")
        here = "127.0.0.1" if host == "0.0.0.0" else "[::1]"
        assert f"{here}:{port}" in ran.stdout + ran.stderr
        if here == "127.0.0.1":
            assert ran.status == 0


@pytest.mark.parametrize("status", [STATUS.NOT_SERVING, STATUS.UNKNOWN])
async def test_another_status_is_1(run, status):
    async with answering(status) as port:
        ran = await run("healthcheck", "--address", f"127.0.0.1:{port}")
    assert (ran.status, ran.stdout) == (1, "")
    assert ran.stderr.endswith(f" is {STATUS.ServingStatus.Name(status)}\n")


async def test_a_server_that_is_silent_is_given_up_in_time(run):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        ran = await run("healthcheck", "--timeout", "0.5", "--address", address)
        assert time.monotonic() - begun < 20
    assert (ran.status, ran.stdout) == (1, "")
    assert ran.stderr.startswith("conferencing-service: ")
    assert ran.stderr.count("\n") == 1


async def test_a_server_without_health_is_1(run):
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ran = await run("healthcheck", "--address", f"127.0.0.1:{port}")
    await server.stop(None)
    assert ran.status == 1
    assert "answered UNIMPLEMENTED" in ran.stderr


async def test_a_proxy_for_the_web_is_not_asked(run):
    async with answering(STATUS.SERVING) as port:
        proxies = {"http_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
        assert (await run("healthcheck", "--address", f"127.0.0.1:{port}", **proxies)).status == 0


@pytest.mark.parametrize(
    ("arguments", "settings", "named"),
    [
        (["--address", "nonsense"], {}, "--address"),
        (["--address", "127.0.0.1:0"], {}, "--address"),
        (["--timeout", "0"], {}, "--timeout"),
        (["--timeout", "soon"], {}, "--timeout"),
        ([], {"CONFERENCING_LISTEN": "nonsense"}, "CONFERENCING_LISTEN"),
        ([], {"CONFERENCING_LISTEN": "127.0.0.1:0"}, "CONFERENCING_LISTEN"),
    ],
)
async def test_what_cannot_be_asked_is_2(run, arguments, settings, named):
    ran = await run("healthcheck", *arguments, **settings)
    assert (ran.status, ran.stdout) == (2, "")
    assert named in ran.stderr
