"""A wrong or missing setting stops the start with one line that names it."""

from __future__ import annotations

import os
import socket

import pytest

SECRET = "canary-3f1c7a52"
REGION = {"CONFERENCING_NYLAS_REGION": "us"}
KEYLESS = {"CONFERENCING_NYLAS_API_KEY": ""}


async def refusal(start, arguments, settings):
    """Run a start that is refused; return its one line."""
    command = await start("serve", *arguments, **{"CONFERENCING_NYLAS_API_KEY": SECRET, **settings})
    assert await command.end() == 2, command.stdout
    assert command.stderr.count("\n") == 1, command.stderr
    assert command.stderr.startswith("conferencing-service: ")
    assert SECRET not in command.stdout + command.stderr
    return command.stderr


async def test_without_an_upstream_it_names_the_region_and_the_sandbox(start):
    command = await start("serve")
    assert await command.end() == 2
    assert command.stdout == ""
    assert command.stderr.count("\n") == 1
    assert "CONFERENCING_NYLAS_REGION" in command.stderr
    assert "--sandbox" in command.stderr


@pytest.mark.parametrize(
    ("variable", "value", "more"),
    [
        ("CONFERENCING_LISTEN", "nonsense", {}),
        ("CONFERENCING_LISTEN", "127.0.0.1:65536", {}),
        ("CONFERENCING_LISTEN", "192.0.2.1:0", REGION),
        ("CONFERENCING_NYLAS_REGION", "mars", {}),
        ("CONFERENCING_NYLAS_REGION", "http://nylas.example", {}),
        ("CONFERENCING_NYLAS_REGION", "https://nylas.example/v3", {}),
        ("CONFERENCING_NYLAS_REGION", f"https://user:{SECRET}@nylas.example", {}),
        ("CONFERENCING_NYLAS_API_KEY", "", REGION),
        ("CONFERENCING_NYLAS_API_KEY", f"{SECRET} {SECRET}", REGION),
        ("CONFERENCING_NYLAS_API_KEY_FILE", os.devnull, {**REGION, **KEYLESS}),
        ("CONFERENCING_NYLAS_API_KEY_FILE", "missing.key", {**REGION, **KEYLESS}),
        ("CONFERENCING_NYLAS_API_KEY_FILE", "missing.key", REGION),
        ("CONFERENCING_CROSS_PLATFORM_AUTOCREATE", "perhaps", {}),
        ("CONFERENCING_REFLECTION", "perhaps", {}),
        ("CONFERENCING_DEFAULT_DEADLINE", "0", {}),
        ("CONFERENCING_MAX_DEADLINE", "soon", {}),
        ("CONFERENCING_WRITE_TIMEOUT", "3601", {}),
        ("CONFERENCING_SHUTDOWN_GRACE", "-1", {}),
        ("CONFERENCING_LOG_LEVEL", "LOUD", {}),
        ("CONFERENCING_SANDBOX_LISTEN", "nonsense", {}),
        ("OTEL_TRACES_EXPORTER", "jaeger", {}),
        ("OTEL_SDK_DISABLED", "perhaps", {}),
    ],
)
async def test_a_wrong_setting_is_named(start, variable, value, more):
    assert variable in await refusal(start, (), {**more, variable: value})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CONFERENCING_SANDBOX_LISTEN", "0.0.0.0:0"),
        ("CONFERENCING_SANDBOX_DATABASE", "missing/folder/sandbox.db"),
        ("CONFERENCING_SANDBOX_FAULTS", "{"),
        ("CONFERENCING_SANDBOX_FAULTS", '[{"kind": "no-such-kind"}]'),
        ("CONFERENCING_NYLAS_REGION", "eu"),
    ],
)
async def test_a_wrong_setting_of_the_sandbox_is_named(start, variable, value):
    assert variable in await refusal(start, ("--sandbox",), {variable: value})


@pytest.mark.parametrize("variable", ["CONFERENCING_LISTEN", "CONFERENCING_SANDBOX_LISTEN"])
async def test_a_port_in_use_is_named_with_its_variable(start, variable):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = await refusal(start, ("--sandbox",), {variable: address})
    assert variable in line
    assert address in line


async def test_the_demo_runs_on_the_sandbox_only(start):
    command = await start("demo")
    assert await command.end() == 2
    assert "--sandbox" in command.stderr
