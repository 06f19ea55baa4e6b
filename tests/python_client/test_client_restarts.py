"""A caller's service goes on while the server is killed and restarted under its calls.

The client is as it is shipped: its service config, its own repetitions, its deadline of 30 seconds.
What counts is what the sandbox's calendars hold: no request made two events, and what a caller was
told to be there is there. RESTART_SECONDS, RESTART_RATE (calls a second) and RESTART_KILLS make it longer.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import uuid
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conferencing import (
    ConferencingClient,
    ConferencingError,
    OutcomeUnresolved,
    SyncConferencingClient,
    autocreate,
)
from conferencing_service.embedded import API_KEY
from python_client.both_clients import START, event_of

SECONDS = float(os.environ.get("RESTART_SECONDS", "10"))
RATE = float(os.environ.get("RESTART_RATE", "200"))
KILLS = int(os.environ.get("RESTART_KILLS", "2"))

COMMAND = Path(sys.executable).with_name("conferencing-service")
GUARD = 90.0
"""Seconds after which something hangs."""

GRANTS = 40
# Leases and windows that fit into a caller's 30 seconds: what a dead process had under way is
# taken over within 7 seconds, and looked for during 1.5; that happens to few thrice.
TIMES = {
    "CONFERENCING_WRITE_TIMEOUT": "6",
    "CONFERENCING_LEASE_MARGIN": "1",
    "CONFERENCING_SETTLE_WINDOW": "1.5",
    "CONFERENCING_RESUME_INTERVAL": "0.5",
}


def free_port() -> int:
    """A port that nobody gets by chance while the server is away: below those that are handed out."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@dataclass
class Server:
    """The server as a process, on a port and a ledger that outlast it."""

    port: int
    environment: dict[str, str]
    folder: Path
    process: asyncio.subprocess.Process | None = None
    starts: int = 0

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        with (self.folder / f"stderr-{self.starts}").open("wb") as errors:
            self.process = await asyncio.create_subprocess_exec(
                *(COMMAND, "serve"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=self.environment,
            )
        self.starts += 1
        async with asyncio.timeout(GUARD):
            line = (await self.process.stdout.readline()).decode()
        assert line.startswith("serving "), self.errors()

    async def end(self, number: int) -> None:
        """End it with a signal and wait for that."""
        self.process.send_signal(number)
        async with asyncio.timeout(GUARD):
            await self.process.communicate()

    def errors(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("stderr-*")))


@asynccontextmanager
async def served(sandbox, folder, **more):
    """A server that is started, and ends with the block however it stands then."""
    port = free_port()
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CONFERENCING_", "OTEL_"))
    }
    server = Server(
        port,
        {
            **inherited,
            "CONFERENCING_LISTEN": f"127.0.0.1:{port}",
            "CONFERENCING_NYLAS_REGION": sandbox.url,
            "CONFERENCING_NYLAS_API_KEY": API_KEY,
            "CONFERENCING_LEDGER_URL": f"sqlite://{folder}/ledger.sqlite",
            "CONFERENCING_LOG_LEVEL": "ERROR",
            **TIMES,
            **more,
        },
        folder,
    )
    try:
        await server.start()
        yield server
    finally:
        if server.process is not None and server.process.returncode is None:
            await server.end(signal.SIGKILL)


@dataclass
class Order:
    """What a caller's service wants done, and what it was told."""

    grant: object
    title: str
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    event_id: str = ""
    error: ConferencingError | None = None

    def has_conference(self) -> bool:
        """Whether a conference is asked for: for every fourth."""
        return int(self.title) % 4 == 0

    def ending(self) -> str:
        """How it ended, in short."""
        return "OK" if self.error is None else self.error.reason or str(self.error)


async def place(client: ConferencingClient, order: Order) -> None:
    """Make one call, as a caller's service does: no loop, no net of its own."""
    event = event_of(title=order.title)
    if order.has_conference():
        event.conferencing.CopyFrom(autocreate())
    try:
        answer = await client.create_event(
            grant_id=order.grant.id,
            calendar_id="primary",
            event=event,
            request_id=order.request_id,
        )
    except ConferencingError as error:
        order.error = error
    else:
        order.event_id = answer.event.id


async def at_a_rate(client: ConferencingClient, orders: list[Order]) -> None:
    """Place orders at their pace, whatever became of those before."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number, order in enumerate(orders):
            await asyncio.sleep(began + number / RATE - loop.time())
            group.create_task(place(client, order))


async def kills(server: Server, times: int, seconds: float) -> None:
    """Kill the server and start it again, spread over so many seconds."""
    for _ in range(times):
        await asyncio.sleep(seconds / (times + 1))
        await server.end(signal.SIGKILL)
        await server.start()


def made_for(grant) -> dict[str, list[str]]:
    """The events that a grant's calendar holds: their ids by title."""
    found: dict[str, list[str]] = {}
    start = int(START.timestamp())
    query = {"limit": 200, "start": start - 3600, "end": start + 7200}
    while True:
        answer = grant.listed(**query).json()
        for event in answer["data"]:
            found.setdefault(event["title"], []).append(event["id"])
        if not answer.get("next_cursor"):
            return found
        query["page_token"] = answer["next_cursor"]


@pytest.mark.timeout(300 + 3 * SECONDS)
async def test_no_duplicate_and_no_error_but_an_unresolved_outcome(sandbox, tmp_path):
    grants = [sandbox.grant("google") for _ in range(GRANTS)]
    number = int(SECONDS * RATE)
    orders = [Order(grants[each % GRANTS], str(each)) for each in range(number)]
    async with served(sandbox, tmp_path) as server, ConferencingClient(server.target) as client:
        await client.check_compatibility(grant_id=grants[0].id)
        async with asyncio.TaskGroup() as group:
            group.create_task(at_a_rate(client, orders))
            group.create_task(kills(server, KILLS, SECONDS))
        said = server.errors()
    made = {grant.id: made_for(grant) for grant in grants}
    events = {grant_id: len(by_title) for grant_id, by_title in made.items()}
    endings: Counter[str] = Counter()
    for order in orders:
        there = made[order.grant.id].pop(order.title, [])
        assert len(there) <= 1, f"{order.title} was made {len(there)} times"
        if order.error is None:
            assert there == [order.event_id]
        endings[order.ending() + (", made" if there else ", not made")] += 1
    sys.stdout.write(f"{number} calls, {KILLS} kills: {dict(endings)}\n")
    assert not any(made.values())
    assert server.starts == KILLS + 1
    assert "Traceback" not in said
    assert all(isinstance(order.error, OutcomeUnresolved | None) for order in orders), endings
    assert endings["OK, made"] > number / 4
    for grant in grants:
        effects = Counter(grant.effects())
        assert effects["event_created"] == events[grant.id]
        asked = sum(order.has_conference() for order in orders if order.grant is grant)
        assert effects["conference_created"] <= asked
        assert effects["event_deleted"] == effects["conference_deleted"] == 0


async def test_a_server_that_drains_hands_its_doubts_on_to_the_next(sandbox, tmp_path):
    google = sandbox.grant("google")
    google.fault("late_commit", method="POST", value=2500)
    more = {"CONFERENCING_SETTLE_WINDOW": "5", "CONFERENCING_SHUTDOWN_GRACE": "1"}
    async with (
        served(sandbox, tmp_path, **more) as server,
        ConferencingClient(server.target) as client,
    ):
        order = Order(google, "1")
        call = asyncio.create_task(place(client, order))
        await asyncio.sleep(1.0)
        await server.end(signal.SIGTERM)
        assert not call.done()
        await server.start()
        await call
    assert order.error is None
    assert google.effects() == ["event_created"]


async def test_the_blocking_client_goes_on_as_well(sandbox, tmp_path):
    google = sandbox.grant("google")
    async with served(sandbox, tmp_path) as server:
        await server.end(signal.SIGKILL)
        with SyncConferencingClient(server.target) as client:
            call = asyncio.create_task(
                asyncio.to_thread(
                    client.create_event,
                    grant_id=google.id,
                    calendar_id="primary",
                    event=event_of(),
                )
            )
            await asyncio.sleep(2.0)
            await server.start()
            answer = await call
    assert google.get(answer.event.id).status_code == 200
    assert google.effects() == ["event_created"]
