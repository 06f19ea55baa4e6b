"""A server under calls of every kind, a quarter of them cancelled, and broken connections: it grows by nothing.

SOAK_CALLS says how many. From 100,000 on, resident memory is held to a slope. Below that the
allocators' own steps are larger than what such a slope allows; what they have given out tells then, by
the block and by the byte, and resident memory is held to a wide bound alone.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field

import pytest

from conferencing_service.core.ledger.entry import Step
from conferencing_service.stores import open_store
from soak.asking import Asking
from soak.broken import STREAMS, break_a_connection
from soak.callers import CANCELLED, Callers
from soak.slope import growth_of, slope_of
from soak.soaked import Soaked, soaked
from support.replica import quiet
from support.sandbox import running

pytestmark = pytest.mark.security

FEWEST = 6000
"""Half of them fill what is bounded, the page cache of the ledger last; with fewer, that looks like a leak."""

CALLS = max(FEWEST, int(os.environ.get("SOAK_CALLS", "0")))
MANY = 100_000
"""From so many calls on, the slope of resident memory is held."""

ROUND = max(500, CALLS // 100)
"""Calls between two looks at memory."""

CALLS_A_BREAK = 200
"""On so many calls comes one connection that breaks, with ten streams."""

WARM_UP = 0.2
MOST_SLOPE = 1.0
"""MiB for each 10,000 calls."""

MOST_GROWTH = 8.0
"""MiB from the first third after the warm-up to the last, of a short soak."""

MOST = {"blocks": 1.0, "bytes": 400.0}
"""What the allocators, Python's and C's, may have given out more for each call, from the middle of a
soak to its end. gRPC itself keeps 96 bytes of a call that is cancelled (its issue 43360); the rest is noise."""

FILES = 2
"""Files that libraries may have opened at the first call, for good."""

THREADS_OF_POOLS = 8
"""Threads that gRPC and asyncio may have added to those of the warm-up; their pools are bounded."""


@dataclass
class Held:
    """What a server held over a soak."""

    tasks: int
    sockets: int
    descriptors: int
    threads: int = 0
    memory: list[tuple[int, float]] = field(default_factory=list)
    given_out: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    broken_streams: int = 0
    seconds: float = 0.0

    @property
    def warm(self):
        """The samples of resident memory after the warm-up."""
        calls = self.memory[-1][0]
        return [each for each in self.memory if each[0] >= calls * WARM_UP]

    def a_call(self, what):
        """The blocks or bytes that a call of the second half left given out."""
        (before, few), (after, many) = self.given_out
        return (many[what] - few[what]) / (after - before)

    def __str__(self):
        calls, end = self.memory[-1]
        return (
            f"{calls} calls, {calls / self.seconds:.0f} a second; resident MiB: start "
            f"{self.memory[0][1]:.1f}, warm {self.warm[0][1]:.1f}, end {end:.1f}; slope "
            f"{slope_of(self.warm):.2f} MiB, growth {growth_of(self.warm):.2f} MiB; "
            f"a call leaves {self.a_call('blocks'):.3f} blocks, {self.a_call('bytes'):.0f} bytes; {self.broken_streams} streams broken"
        )


@pytest.fixture
def vendor():
    """A sandbox of its own, whose memory and effects are this soak's alone."""
    with running("--events-per-second", "0", "--grants-per-second", "0") as started:
        yield started


@pytest.fixture
def asking(vendor):
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(2**32))
    sys.stdout.write(f"SOAK_SEED={seed}\n")
    return Asking(vendor, random.Random(seed))


def ledger_of(folder):
    return f"sqlite://{folder}/ledger.sqlite"


async def soak(server: Soaked, asking: Asking, callers: Callers, calls: int) -> Held:
    """Make the calls, round by round; after each the server comes to rest and is looked at."""
    held = Held(await server.tasks(), server.sockets, server.descriptors)
    held.memory.append((0, server.resident))
    await callers.fill_caches()
    while callers.calls < calls:
        started = time.monotonic()
        target = min(calls, callers.calls + ROUND)
        async with asyncio.TaskGroup() as group:
            group.create_task(callers.call_until(target))
            while held.broken_streams < target * STREAMS / CALLS_A_BREAK:
                await break_a_connection(server.target, asking, callers.doubtful)
                held.broken_streams += STREAMS
        held.seconds += time.monotonic() - started
        await server.quiet(held.tasks)
        held.memory.append((callers.calls, server.resident))
        tidy(asking)
        if not held.threads and callers.calls >= calls * WARM_UP:
            held.threads = server.threads
        if not held.given_out and callers.calls >= calls / 2:
            held.given_out.append((callers.calls, await server.told(signal.SIGUSR2)))
    held.given_out.append((callers.calls, await server.told(signal.SIGUSR2)))
    sys.stdout.write(f"{held}; {dict(callers.endings)}\n")
    return held


def tidy(asking):
    """Delete, at the vendor, the events whose callers hung up, so that calendars stay small."""
    for grant in asking.grants:
        while found := grant.listed(limit=200).json()["data"]:
            for event in found:
                grant.delete(event["id"])


def kept(held: Held, calls: int) -> set[str]:
    """By what a soak shows that something is kept of calls that have ended: nothing, where all is well."""
    is_long = calls >= MANY
    found = {
        **{what: held.a_call(what) >= most for what, most in MOST.items()},
        "slope": is_long and slope_of(held.warm) >= MOST_SLOPE,
        "growth": not is_long and growth_of(held.warm) >= MOST_GROWTH,
    }
    return {name for name, shows in found.items() if shows}


async def assert_at_rest(server: Soaked, held: Held) -> None:
    """Sockets, files, threads and calls are what they were; tasks were, after every round."""
    # Kept connections to the upstream are closed after 15 to 30 seconds.
    await server.until_no_more_than("sockets", held.sockets)
    await server.until_no_more_than("descriptors", held.descriptors + FILES)
    await server.until_no_more_than("threads", held.threads + THREADS_OF_POOLS)
    for name in ("conferencing_calls_active", "conferencing_calls_waiting"):
        samples = await server.metrics(name)
        assert samples
        assert not any(samples.values()), (name, samples)


async def assert_ended_rightly(server: Soaked, callers: Callers) -> None:
    """Callers heard what they may, the ones who hung up too, and nothing broke."""
    assert not callers.odd
    assert abs(callers.cancelled - callers.calls / 4) < callers.calls / 100
    counted = await server.metrics("rpc_server_call_duration_seconds_count")
    assert sum(counted.values()) > callers.calls / 2
    assert not [each for each in counted if '"UNKNOWN"' in each or '"INTERNAL"' in each]
    assert not faults_in(server.errors)[:5]


def faults_in(errors):
    """The log lines that are errors; one of gRPC's is none: a reply that found its connection broken."""
    with errors.open() as lines:
        faults = [line for line in lines if '"level": "error"' in line or "Traceback" in line]
    return [line for line in faults if '"exception": ["ExecuteBatchError"' not in line]


async def assert_once(ledger, asking: Asking, callers: Callers) -> None:
    """Each event that was made is that of one request, and each that a caller was told of is there."""
    await quiet(ledger)
    assert not await ledger.listing({Step.UNRESOLVED, Step.RELEASED}, limit=1)
    done = await ledger.listing({Step.DONE}, limit=10**7)
    noted = {
        each.key.request_id: each.target.event_id
        for each in done
        if each.key.method == "CreateEvent"
    }
    effects = [
        effect["event_id"]
        for grant in asking.grants
        for effect in effects_of(grant)
        if effect["kind"] == "event_created"
    ]
    assert len(effects) == len(set(effects)) == len(noted)
    assert set(effects) == set(noted.values())
    assert {request_id: {noted[request_id]} for request_id in callers.made} == callers.made
    assert set(noted) <= set(callers.made) | callers.doubtful


def effects_of(grant):
    answer = grant.http.get("/_sandbox/effects", params={"grant_id": grant.id})
    return answer.json()["effects"]


@pytest.mark.timeout(300 + CALLS / 20)
async def test_a_server_keeps_nothing_of_calls_that_ended_were_cancelled_or_broke_off(
    vendor, asking, tmp_path, tally
):
    async with soaked(tmp_path, vendor.url, ledger_url=ledger_of(tmp_path)) as server:
        callers = Callers(server.target, asking)
        held = await soak(server, asking, callers, CALLS)
        assert kept(held, CALLS) == set(), held
        await assert_ended_rightly(server, callers)
        ledger = await open_store(ledger_of(tmp_path))
        try:
            await assert_once(ledger, asking, callers)
        finally:
            await ledger.aclose()
        await assert_at_rest(server, held)
    tally["soak calls"] += callers.calls
    tally["soak calls cancelled"] += callers.endings[CANCELLED]
    tally["soak streams broken"] += held.broken_streams
    server.errors.unlink()


@pytest.mark.timeout(300)
async def test_a_leak_made_on_purpose_is_found(vendor, asking, tmp_path, tally):
    async with soaked(tmp_path, vendor.url, "--leaking", ledger_url=ledger_of(tmp_path)) as server:
        held = await soak(server, asking, Callers(server.target, asking), FEWEST)
        assert "bytes" in kept(held, FEWEST), held
    tally["soak leaks made on purpose, found"] += 1
