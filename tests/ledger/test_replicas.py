"""Several server processes on one ledger: killed, frozen past their lease, asked ten times over.

What counts is what the sandbox's log says was done.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import event_pb2 as e
from conferencing_service.core.ledger.entry import Key, Step
from conferencing_service.core.ledger.settling import CREATE
from conferencing_service.stores import open_store
from support.replica import Replica, Replicas, quiet, replicas
from support.sandbox import Grant, Sandbox
from support.service import autocreate, creation, details, failure_of

KEYS = int(os.environ.get("REPLICA_KEYS", "40"))
DUPLICATES = int(os.environ.get("REPLICA_DUPLICATES", "10"))

LEASE = 2.5
TIMES = {"write_timeout": 2, "lease_margin": 0.5, "settle_window": 1.5, "resume_interval": 0.3}
LATEST = 0.5
"""Seconds after which the vendor has committed whatever it received."""

FAULTS = (
    *("latency", "reset_before_commit", "reset_after_commit", "late_commit"),
    *("timeout_after_commit", "server_error_after_commit"),
)

AT_ONCE = 4
"""Keys that begin together."""
PACE = 1.5
"""Seconds between two such beginnings."""
PATIENCE = 4.0
"""Seconds that a caller waits before it asks somebody else."""

REPEATED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


@dataclass
class Wish:
    """One request, asked for many times over."""

    grant: Grant
    request: Any
    fault: dict[str, Any]
    event_ids: set[str] = field(default_factory=set)
    endings: Counter[str] = field(default_factory=Counter)

    def problems(self, step: Step | None, winner: str) -> list[str]:
        """What is not as promised, given where the ledger says it ended, and with which event."""
        effects, found = Counter(self.grant.effects()), list[str]()
        once = ("event_created", "invitation_sent", "conference_created")
        found += [f"{effects[kind]} times {kind}" for kind in once if effects[kind] > 1]
        if effects["event_deleted"]:
            found.append("the event was deleted")
        if len(self.event_ids) > 1:
            found.append("callers were told of different events")
        if self.event_ids:
            (event_id,) = self.event_ids
            if effects["event_created"] != 1 or self.grant.get(event_id).status_code != 200:
                found.append("an acknowledged event is not there")
            if (step, winner) != (Step.DONE, event_id):
                found.append(f"acknowledged, and in the ledger {step}")
        elif step is not Step.UNRESOLVED:
            found.append(f"nobody was told how it ended, and in the ledger it is {step}")
        if len(self.endings) != 1:
            found.append(f"different endings: {dict(self.endings)}")
        return [f"{self.request.request_id} ({self.fault or 'no fault'}): {each}" for each in found]


def drawn_fault(dice: random.Random) -> dict[str, Any]:
    """What goes wrong at the vendor's, if anything."""
    kind = dice.choice(["", "latency", *FAULTS])
    if not kind:
        return {}
    timed = {"latency", "late_commit", "timeout_after_commit"}
    return {"kind": kind, **({"value": dice.uniform(0, 1000 * LATEST)} if kind in timed else {})}


def wishes(sandbox: Sandbox, dice: random.Random, number: int) -> list[Wish]:
    """What is asked for, and what goes wrong at the vendor's when it is."""
    zoom = sandbox.grant("zoom")
    kinds = {
        "plain": lambda: None,
        "details": lambda: details(c.PROVIDER_ZOOM_MEETING, "https://zoom.us/j/1234567890"),
        "meet": autocreate,
        "zoom": lambda: autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id),
    }
    made = []
    for _ in range(number):
        grant, fault = sandbox.grant("google"), drawn_fault(dice)
        request = creation(
            grant.id,
            kinds[dice.choice([*kinds])](),
            participants=[e.Participant(email="guest@example.com")],
        )
        if fault:
            fault = {"grant_id": grant.id, "method": "POST", **fault}
        made.append(Wish(grant, request, fault))
    sandbox.arm(*(wish.fault for wish in made if wish.fault))
    return made


@dataclass
class Fleet:
    """The processes that run, each in its place, and the nemesis that befalls them."""

    starter: Replicas
    places: list[Replica] = field(default_factory=list)
    troubles: Counter[str] = field(default_factory=Counter)

    async def begin(self, number: int) -> None:
        self.places += await asyncio.gather(*(self.starter.start() for _ in range(number)))

    async def haunt(self, place: int, dice: random.Random, over: asyncio.Event) -> None:
        """Kill and freeze the process in a place, again and again."""
        # In any run, however short, one of them is killed first and another one frozen.
        kills = place % 2 == 0
        while not await _is_set_within(over, dice.uniform(0.5, 3.0)):
            victim = self.places[place]
            if kills:
                victim.kill()
                self.troubles["killed"] += 1
                self.places[place] = await self.starter.start()
            else:
                victim.freeze()
                self.troubles["frozen"] += 1
                await asyncio.sleep(LEASE * dice.uniform(1.1, 1.6))
                victim.thaw()
            kills = dice.random() < 0.5

    async def end(self) -> None:
        """End every process in its time, so that nothing is under way any more."""
        for replica in self.places:
            replica.terminate()
        assert [await replica.end() for replica in self.places] == [0] * len(self.places)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def ask(wish: Wish, fleet: Fleet, dice: random.Random) -> None:
    """Ask one process or another until one of them says how it ended."""
    while True:
        try:
            answer = await dice.choice(fleet.places).call(wish.request, timeout=PATIENCE)
        except grpc.aio.AioRpcError as error:
            if error.code() in REPEATED:
                await asyncio.sleep(dice.uniform(0.05, 0.3))
                continue
            wish.endings[failure_of(error).reason or f"{error.code()}: {error.details()}"] += 1
        else:
            wish.endings["OK"] += 1
            wish.event_ids.add(answer.event.id)
        return


async def ask_at_once(wish: Wish, fleet: Fleet, seed: int, number: int) -> None:
    """Ask for the same thing many times at once."""
    dice = random.Random(f"{seed} {wish.request.request_id}")
    askers = [random.Random(dice.random()) for _ in range(number)]
    await asyncio.gather(*(ask(wish, fleet, each) for each in askers))


@pytest.mark.timeout(240 + 4 * KEYS)
@pytest.mark.parametrize(
    ("kind", "processes", "keys", "duplicates"),
    [
        ("postgresql", 3, KEYS, DUPLICATES),
        ("sqlite", 2, max(4, KEYS // 2), max(2, DUPLICATES // 2)),
    ],
)
async def test_no_process_that_dies_or_stalls_makes_a_second_event_or_loses_one(
    sandbox, request, tmp_path, ledger_url, seed, kind, processes, keys, duplicates
):
    if kind == "postgresql":
        ledger_url = request.getfixturevalue("postgresql_server").fresh()
    began = time.monotonic()
    dice = random.Random(seed)
    asked = wishes(sandbox, dice, keys)
    over = asyncio.Event()
    async with AsyncExitStack() as stack:
        starter = replicas(tmp_path, sandbox.url, ledger_url, **TIMES)
        fleet = Fleet(await stack.enter_async_context(starter))
        await fleet.begin(processes)
        store = await open_store(ledger_url)
        stack.push_async_callback(store.aclose)
        async with asyncio.TaskGroup() as nemesis:
            for place in range(processes):
                nemesis.create_task(fleet.haunt(place, random.Random(dice.random()), over))
            async with asyncio.TaskGroup() as callers:
                for first in range(0, keys, AT_ONCE):
                    for wish in asked[first : first + AT_ONCE]:
                        callers.create_task(ask_at_once(wish, fleet, seed, duplicates))
                    await asyncio.sleep(PACE)
            over.set()
        await quiet(store)
        await fleet.end()
        await asyncio.sleep(LATEST)
        entries = [await store.get(Key("", CREATE, wish.request.request_id)) for wish in asked]
    problems = [
        problem
        for wish, entry in zip(asked, entries, strict=True)
        for problem in wish.problems(
            entry and entry.step, "" if entry is None else entry.target.event_id
        )
    ]
    endings = Counter(ending for wish in asked for ending in wish.endings)
    doubted = sum(entry is not None and entry.doubted for entry in entries)
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"{dict(endings)}, {doubted} in doubt; {dict(fleet.troubles)}; {seconds:.0f} s\n"
    )
    assert not problems, "\n".join(problems)
    assert set(endings) <= {"OK", "OUTCOME_UNRESOLVED"}
    # The run was one that could have gone wrong, and it did not end in nothing.
    assert fleet.troubles["killed"]
    assert fleet.troubles["frozen"]
    assert doubted
    assert endings["OK"] > keys / 4
