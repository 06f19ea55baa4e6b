"""`sandbox`: the embedded vendor alone, by its options or by the settings."""

from __future__ import annotations

import signal

import httpx
import pytest


async def listening(command):
    """Its URL, once it serves."""
    return await command.line("sandbox listening on ")


async def grants_at(url):
    async with httpx.AsyncClient(base_url=url) as http:
        answer = await http.get("/v3/grants", headers={"authorization": "Bearer sandbox"})
        return answer.status_code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_a_signal(start, number):
    command = await start("sandbox")
    assert await grants_at(await listening(command)) == 200
    command.process.send_signal(number)
    assert await command.end() == 0
    assert command.stderr == ""


async def test_a_server_uses_it(start):
    vendor = await start("sandbox", "--events-per-second", "0", "--grants-per-second=0")
    server = await start(
        "serve",
        CONFERENCING_NYLAS_REGION=await listening(vendor),
        CONFERENCING_NYLAS_API_KEY="sandbox",
    )
    asking = await start("check", "--grant", "google-demo", "--address", await server.serving())
    assert await asking.end() == 0


async def test_options_come_before_settings(start, tmp_path):
    database = tmp_path / "sandbox.sqlite"
    command = await start(
        "sandbox",
        "--database",
        str(database),
        "--faults",
        '[{"kind": "server_error", "resource": "grant", "value": 502}]',
        CONFERENCING_SANDBOX_DATABASE="missing/folder/sandbox.db",
        CONFERENCING_SANDBOX_FAULTS="{",
    )
    url = await listening(command)
    async with httpx.AsyncClient(base_url=url) as http:
        assert len((await http.get("/_sandbox/faults")).json()["faults"]) == 1
    assert database.exists()


@pytest.mark.parametrize(
    ("arguments", "settings", "named"),
    [
        (["--listen", "0.0.0.0:0"], {}, "--listen"),
        (["--listen", "nonsense"], {}, "--listen"),
        (["--faults", "{"], {}, "--faults"),
        (["--events-per-second", "-1"], {}, "--events-per-second"),
        ([], {"CONFERENCING_SANDBOX_LISTEN": "nonsense"}, "CONFERENCING_SANDBOX_LISTEN"),
    ],
)
async def test_a_start_that_is_refused_says_why_in_one_line(run, arguments, settings, named):
    ran = await run("sandbox", *arguments, **settings)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1
    assert named in ran.stderr
