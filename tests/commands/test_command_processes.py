"""Several server processes on one port: they share it, are replaced, and end together."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import random
import signal
import socket
import sys
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from conferencing import ConferencingClient, ConferencingError, OutcomeUnresolved, Platform
from python_client.both_clients import event_of

GUARD = 60.0
"""Seconds after which something hangs."""

CONNECTIONS = 48
"""So many that by chance a process is left out once in a hundred million runs."""

KILLS = 2

CALENDAR = {"grant_id": "google-demo", "calendar_id": "primary"}

# Leases and windows that fit into a caller's 30 seconds.
TIMES = {
    "CONFERENCING_WRITE_TIMEOUT": "6",
    "CONFERENCING_LEASE_MARGIN": "1",
    "CONFERENCING_SETTLE_WINDOW": "1.5",
    "CONFERENCING_RESUME_INTERVAL": "0.5",
}


def free_ports(number):
    """The first of so many ports in a row, below those that are handed out."""
    while True:
        first = random.randrange(20_000, 30_000)
        with suppress(OSError):
            for port in range(first, first + number):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first


def read(path):
    """A file below /proc; empty where its process is gone meanwhile."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def processes(home):
    """The processes that run for a test, by the folder that stands in their environment."""
    mark = f"XDG_STATE_HOME={home}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if mark in read(folder / "environ").split(b"\0"):
            found[int(folder.name)] = read(folder / "cmdline")
    return found


def workers(home):
    return {pid for pid, line in processes(home).items() if b"conferencing_service.worker" in line}


@pytest.fixture
def home(environment):
    return environment["XDG_STATE_HOME"]


def alerts(command):
    lines = [json.loads(line) for line in command.stderr.splitlines()]
    return [line for line in lines if line.get("alert") == "process"]


async def until(condition, *arguments):
    """Wait until a condition holds, which may have to be waited for itself."""
    async with asyncio.timeout(GUARD):
        while True:
            given = condition(*arguments)
            if await given if inspect.isawaitable(given) else given:
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def clients(target, number):
    """So many clients as they are shipped, each with a connection of its own."""
    async with AsyncExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        yield [
            await stack.enter_async_context(ConferencingClient(target, options=options))
            for _ in range(number)
        ]


async def ask(client):
    answer = await client.check_compatibility(platform=Platform.PLATFORM_GOOGLE)
    assert answer.verdicts


async def calls_at(port):
    """How many calls the process with this port for Prometheus has answered."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    counts = [
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("rpc_server_call_duration_seconds_count{")
    ]
    return int(sum(counts))


async def is_metered(port):
    try:
        await calls_at(port)
    except httpx.TransportError:
        return False
    return True


# ---- Sharing --------------------------------------------------------------------------------


async def test_they_all_share_the_calls(start, home):
    first = free_ports(3)
    command = await start(
        *("serve", "--sandbox"),
        CONFERENCING_PROCESSES="3",
        CONFERENCING_PROMETHEUS_LISTEN=f"127.0.0.1:{first}",
    )
    target = await command.serving()
    assert len(workers(home)) == 3
    async with clients(target, CONNECTIONS) as callers:
        await asyncio.gather(*(ask(client) for client in callers for _ in range(3)))
    shares = [await calls_at(port) for port in range(first, first + 3)]
    sys.stdout.write(f"calls of each process: {shares}\n")
    assert sum(shares) == CONNECTIONS * 3
    assert all(shares)
    assert alerts(command) == []


async def test_what_they_say_is_passed_on(start):
    command = await start(
        *("serve", "--sandbox"), CONFERENCING_PROCESSES="2", OTEL_TRACES_EXPORTER="console"
    )
    target = await command.serving()
    heard = asyncio.create_task(command.end())
    async with clients(target, 4) as callers:
        for _ in range(100):
            await asyncio.gather(*(ask(client) for client in callers))
    command.process.terminate()
    assert await heard == 0
    # Far more than a pipe holds.
    assert command.stdout.count('"name": "conferencing.v1.ConferencingService/') == 400


# ---- One that is killed ---------------------------------------------------------------------


@dataclass
class Caller:
    """Somebody who makes events and reads them, one after the other, until it is over."""

    client: ConferencingClient
    grant_id: str
    over: asyncio.Event
    made: list = field(default_factory=list)
    unresolved: int = 0
    endings: Counter = field(default_factory=Counter)

    async def go_on(self):
        while not self.over.is_set():
            calendar = {"grant_id": self.grant_id, "calendar_id": "primary"}
            try:
                made = await self.client.create_event(**calendar, event=event_of())
                self.made.append(made.event.id)
                self.endings["created"] += 1
                await self.client.get_event(**calendar, event_id=made.event.id)
                self.endings["read"] += 1
            except OutcomeUnresolved:
                self.unresolved += 1
            except ConferencingError as error:
                self.endings[str(error)] += 1


async def have_gone_on(callers):
    """Wait until every caller has ended another call."""
    before = [caller.endings.total() for caller in callers]
    await until(lambda: all(c.endings.total() > n for c, n in zip(callers, before, strict=True)))


async def kill_one(command, home):
    """Kill the process that is there for the longest, and wait until another one serves."""
    before, said = workers(home), command.stderr.count("was started anew")
    os.kill(min(before), signal.SIGKILL)
    await until(lambda: command.stderr.count("was started anew") > said)
    assert len(workers(home)) == len(before)
    assert min(before) not in workers(home)


async def test_one_that_is_killed_is_replaced_and_no_caller_notices(start, home):
    command = await start("serve", "--sandbox", CONFERENCING_PROCESSES="2", **TIMES)
    url = await command.sandbox()
    target = await command.serving()
    over = asyncio.Event()
    async with httpx.AsyncClient(base_url=url) as http, clients(target, 12) as connected:
        callers = []
        for number, client in enumerate(connected):
            grant = {"id": f"google-{number}", "provider": "google"}
            assert (await http.post("/_sandbox/grants", json=grant)).status_code == 200
            callers.append(Caller(client, grant["id"], over))
        async with asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(caller.go_on())
            for _ in range(KILLS):
                await have_gone_on(callers)
                await kill_one(command, home)
            await have_gone_on(callers)
            over.set()
        effects = (await http.get("/_sandbox/effects")).json()["effects"]
    made = Counter(effect["grant_id"] for effect in effects if effect["kind"] == "event_created")
    ids = {effect["event_id"] for effect in effects}
    endings = sum((caller.endings for caller in callers), Counter())
    unresolved = sum(caller.unresolved for caller in callers)
    sys.stdout.write(f"{KILLS} kills: {dict(endings)}, {unresolved} unresolved\n")
    assert set(endings) == {"created", "read"}
    for caller in callers:
        assert set(caller.made) <= ids
        assert 0 <= made[caller.grant_id] - len(caller.made) <= caller.unresolved
        # Only what was on its way when its process died may be left open.
        assert caller.unresolved <= KILLS
    ended = [line for line in alerts(command) if "status" in line]
    assert [line["status"] for line in ended] == [-signal.SIGKILL] * KILLS
    assert {line["level"] for line in ended} == {"error"}


async def test_one_that_cannot_start_again_says_why_until_it_can(start, home):
    first = free_ports(2)
    command = await start(
        *("serve", "--sandbox"),
        CONFERENCING_PROCESSES="2",
        CONFERENCING_PROMETHEUS_LISTEN=f"127.0.0.1:{first}",
    )
    target = await command.serving()
    second = f"CONFERENCING_PROMETHEUS_LISTEN=127.0.0.1:{first + 1}".encode()
    (victim,) = (
        pid for pid in workers(home) if second in read(Path(f"/proc/{pid}/environ")).split(b"\0")
    )
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.kill(victim, signal.SIGKILL)
        await until(is_taken_by, taken, first + 1)
        await until(lambda: [line for line in alerts(command) if "refusal" in line])
        async with clients(target, 1) as (client,):
            await ask(client)
    await until(is_metered, first + 1)
    ended, *refused = alerts(command)
    assert ended["status"] == -signal.SIGKILL
    assert all(line["refusal"].startswith("CONFERENCING_PROMETHEUS_LISTEN") for line in refused)
    command.process.terminate()
    assert await command.end() == 0


def is_taken_by(place, port):
    """Whether a socket listens at a port now that it is free."""
    try:
        place.bind(("127.0.0.1", port))
    except OSError:
        return False
    place.listen()
    return True


# ---- The end --------------------------------------------------------------------------------


async def have_arrived(http, calls):
    """Whether the sandbox has received so many writes."""
    requests = (await http.get("/_sandbox/requests")).json()["requests"]
    return sum(request["method"] == "POST" for request in requests) == calls


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_them_all_and_finishes_the_calls_under_way(start, home, number):
    command = await start(
        *("serve", "--sandbox"), CONFERENCING_PROCESSES="3", CONFERENCING_SHUTDOWN_GRACE="60"
    )
    url = await command.sandbox()
    target = await command.serving()
    slow = {
        "grant_id": "google-demo",
        "method": "POST",
        "kind": "latency",
        "times": 1000,
        "value": 3000,
    }
    async with httpx.AsyncClient(base_url=url) as http, clients(target, 12) as callers:
        await http.put("/_sandbox/faults", json={"faults": [slow]})
        calls = [
            asyncio.create_task(client.create_event(**CALENDAR, event=event_of()))
            for client in callers
        ]
        await until(have_arrived, http, len(calls))
        command.process.send_signal(number)
        await command.line("stopping")
        assert not any(call.done() for call in calls)
        answers = await asyncio.gather(*calls)
    assert len({answer.event.id for answer in answers}) == len(calls)
    assert await command.end() == 0
    assert processes(home) == {}
    assert alerts(command) == []


async def test_none_outlives_a_parent_that_is_killed(start, home):
    command = await start("serve", "--sandbox", CONFERENCING_PROCESSES="3")
    await command.serving()
    # Themselves, the sandbox and the parent.
    assert len(processes(home)) == 5
    command.process.kill()
    assert await command.end() == -signal.SIGKILL
    await until(lambda: not processes(home))


# ---- What refuses the start -----------------------------------------------------------------


async def refusal(command):
    """The one line of a start that is refused."""
    assert await command.end() == 2, command.stdout
    assert command.stderr.count("\n") == 1, command.stderr
    assert "serving " not in command.stdout
    return command.stderr.removeprefix("conferencing-service: ")


@pytest.mark.parametrize("variable", ["LISTEN", "HEALTH_LISTEN", "PROMETHEUS_LISTEN"])
async def test_a_port_that_is_taken_refuses_the_start(start, home, variable):
    address = f"127.0.0.1:{free_ports(2)}"
    # Of Prometheus' ports, the one of the second process.
    port = int(address.rpartition(":")[2]) + (variable == "PROMETHEUS_LISTEN")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        command = await start(
            *("serve", "--sandbox"),
            **{"CONFERENCING_PROCESSES": "2", f"CONFERENCING_{variable}": address},
        )
        line = await refusal(command)
    assert line.startswith(f"CONFERENCING_{variable}: ")
    assert f"127.0.0.1:{port}" in line
    assert processes(home) == {}


async def test_a_port_that_other_servers_share_is_taken_as_well(start):
    first = await start("serve", "--sandbox", CONFERENCING_PROCESSES="2")
    address = await first.serving()
    for number in ("1", "2"):
        second = await start(
            *("serve", "--sandbox"), CONFERENCING_PROCESSES=number, CONFERENCING_LISTEN=address
        )
        assert (await refusal(second)).startswith("CONFERENCING_LISTEN: ")
    async with clients(address, 1) as (client,):
        await ask(client)


async def test_a_setting_that_only_they_notice_is_named(start, home, tmp_path):
    command = await start(
        *("serve", "--sandbox"),
        CONFERENCING_PROCESSES="2",
        CONFERENCING_TLS_CERT_FILE=str(tmp_path / "none.crt"),
        CONFERENCING_TLS_KEY_FILE=str(tmp_path / "none.key"),
    )
    assert "CONFERENCING_TLS_CERT_FILE" in await refusal(command)
    assert processes(home) == {}


async def test_a_key_that_is_in_a_file_is_in_no_environment(start, home, tmp_path):
    key = tmp_path / "api-key"
    key.write_text("canary-3f1c7a52")
    command = await start(
        "serve",
        CONFERENCING_PROCESSES="2",
        CONFERENCING_NYLAS_REGION="http://127.0.0.1:9",
        CONFERENCING_NYLAS_API_KEY_FILE=str(key),
    )
    await command.serving()
    assert len(workers(home)) == 2
    for pid in processes(home):
        assert b"canary" not in read(Path(f"/proc/{pid}/environ"))
