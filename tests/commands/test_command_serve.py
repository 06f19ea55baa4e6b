"""`serve`: what it prints, and what it answers."""

from __future__ import annotations

import asyncio
import json
import re

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from conferencing.v1 import conferencing_pb2
from conferencing.v1 import conferencing_service_pb2 as service_pb2
from conferencing.v1.conferencing_service_pb2_grpc import ConferencingServiceStub

SERVICE = "conferencing.v1.ConferencingService"
SERVING = health_pb2.HealthCheckResponse.SERVING
SECONDS = 30.0
NOWHERE = {
    "CONFERENCING_NYLAS_REGION": "http://127.0.0.1:9",
    "CONFERENCING_NYLAS_API_KEY": "key",
}
CHECK = service_pb2.CheckCompatibilityRequest(grant_id="google-demo")


def services_by_reflection(address):
    """The names of the services that the server tells of itself.

    With gRPC's blocking client: the other one says INTERNAL, not what the server said, where a
    stream ended before its first request was written.
    """
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    with grpc.insecure_channel(address) as channel:
        stub = ServerReflectionStub(channel)
        for answer in stub.ServerReflectionInfo(iter([ask]), timeout=SECONDS):
            return {each.name for each in answer.list_services_response.service}
    raise AssertionError("reflection ended without an answer")


async def test_the_sandbox_is_the_first_http_address_and_answers(start):
    command = await start("serve", "--sandbox")
    await command.serving()
    url = re.search(r"https?://[^\s)]+", command.stdout)[0]
    assert command.lines[0].startswith(f"sandbox  {url} ")
    async with httpx.AsyncClient(base_url=url) as http:
        effects = (await http.get("/_sandbox/effects")).json()["effects"]
    assert effects == []


async def test_health_serves_by_name(start):
    command = await start("serve", "--sandbox")
    async with grpc.aio.insecure_channel(await command.serving()) as channel:
        health = HealthStub(channel)
        for name in ("", SERVICE):
            ask = health_pb2.HealthCheckRequest(service=name)
            assert (await health.Check(ask, timeout=SECONDS)).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await health.Check(health_pb2.HealthCheckRequest(service="other"), timeout=SECONDS)
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [(("--sandbox",), {}), ((), {**NOWHERE, "CONFERENCING_REFLECTION": "true"})],
    ids=["with the sandbox", "when it is switched on"],
)
async def test_reflection_is_on(start, arguments, settings):
    command = await start("serve", *arguments, **settings)
    address = await command.serving()
    assert SERVICE in await asyncio.to_thread(services_by_reflection, address)


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [((), NOWHERE), (("--sandbox",), {"CONFERENCING_REFLECTION": "false"})],
    ids=["without the sandbox", "when it is switched off"],
)
async def test_reflection_is_off(start, arguments, settings):
    command = await start("serve", *arguments, **settings)
    address = await command.serving()
    with pytest.raises(grpc.RpcError) as refused:
        await asyncio.to_thread(services_by_reflection, address)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_upstream_and_its_key_come_from_the_settings(start, sandbox, tmp_path):
    key = tmp_path / "key"
    key.write_text("sandbox\n")
    command = await start(
        "serve",
        CONFERENCING_NYLAS_REGION=sandbox.url,
        CONFERENCING_NYLAS_API_KEY_FILE=str(key),
    )
    async with grpc.aio.insecure_channel(await command.serving()) as channel:
        call = ConferencingServiceStub(channel).CheckCompatibility(CHECK, timeout=SECONDS)
        assert (await call).platform == conferencing_pb2.PLATFORM_GOOGLE
        assert ("conferencing-upstream", "sandbox") in tuple(await call.initial_metadata())
    assert "sandbox" not in command.stdout


async def test_a_call_is_one_json_line_on_stderr(start):
    command = await start("serve", "--sandbox")
    async with grpc.aio.insecure_channel(await command.serving()) as channel:
        await ConferencingServiceStub(channel).CheckCompatibility(CHECK, timeout=SECONDS)
    command.process.terminate()
    assert await command.end() == 0
    (line,) = map(json.loads, command.stderr.splitlines())
    assert {"time", "level", "logger", "message", "trace_id", "span_id", "seconds"} <= line.keys()
    assert (line["method"], line["code"]) == (f"{SERVICE}/CheckCompatibility", "OK")


async def test_the_console_exporter_prints_the_spans(start):
    command = await start("serve", "--sandbox", OTEL_TRACES_EXPORTER="console")
    async with grpc.aio.insecure_channel(await command.serving()) as channel:
        await ConferencingServiceStub(channel).CheckCompatibility(CHECK, timeout=SECONDS)
    command.process.terminate()
    assert await command.end() == 0
    assert f'"name": "{SERVICE}/CheckCompatibility"' in command.stdout
