"""Three replicas are restarted in turn under load, as a deployment does it, and no call fails.

The client is as it is shipped. What counts is what the sandbox says was done. ROLLS (rounds) and
ROLL_RATE (calls a second) make it longer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from conferencing import ConferencingClient, ConferencingError, Event, autocreate
from conferencing_service.stores import open_store
from python_client.both_clients import START, event_of
from support.replica import quiet, replicas

ROLLS = int(os.environ.get("ROLLS", "1"))
RATE = float(os.environ.get("ROLL_RATE", "40"))

REPLICAS = 3
GRANTS = 12
GUARD = 90.0
"""Seconds after which something hangs."""

TAKES = 150
"""Milliseconds that a write takes at the vendor's, so that some are under way at any time."""

KINDS = ("create", "read", "update", "create with a conference", "read", "update", "delete")


@dataclass
class Made:
    """An event that a caller was told to be there."""

    grant: object
    id: str


@dataclass
class Load:
    """Callers who want one thing or another done, at a steady pace, until it is over."""

    client: ConferencingClient
    grants: list
    dice: random.Random
    over: asyncio.Event = field(default_factory=asyncio.Event)
    there: dict = field(default_factory=dict)
    done: Counter = field(default_factory=Counter)
    failures: Counter = field(default_factory=Counter)

    async def go_on(self):
        """Make calls at their pace, whatever became of those before."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                if self.over.is_set():
                    return
                await asyncio.sleep(began + number / RATE - loop.time())
                group.create_task(self.call(number, KINDS[number % len(KINDS)]))

    async def call(self, number, kind):
        try:
            await self.calls[kind](self, str(number))
        except ConferencingError as error:
            self.failures[f"{kind}: {error}"] += 1
        else:
            self.done[kind] += 1

    async def create(self, title, conferencing=None):
        grant = self.dice.choice(self.grants)
        answer = await self.client.create_event(
            grant_id=grant.id,
            calendar_id="primary",
            event=event_of(title=title, conferencing=conferencing),
        )
        self.there[title] = Made(grant, answer.event.id)

    async def read(self, _title):
        if made := self.any_made():
            await self.client.get_event(
                grant_id=made.grant.id, calendar_id="primary", event_id=made.id
            )

    async def update(self, title):
        if made := self.any_made():
            await self.client.update_event(
                grant_id=made.grant.id,
                calendar_id="primary",
                event=Event(id=made.id, description=f"changed by {title}"),
                update_mask="description",
            )
            self.done["event_updated"] += 1

    async def delete(self, _title):
        # Nobody else may be at it.
        titles = [title for title in self.there if int(title) % 2]
        if not titles:
            return
        made = self.there.pop(self.dice.choice(titles))
        await self.client.delete_event(
            grant_id=made.grant.id, calendar_id="primary", event_id=made.id
        )
        self.done["event_deleted"] += 1

    def any_made(self):
        """An event that stays; None where there is none yet."""
        kept = [made for title, made in self.there.items() if int(title) % 2 == 0]
        return self.dice.choice(kept) if kept else None

    async def has_gone_on(self, calls):
        """Wait until so many more calls have ended well."""
        before = self.done.total()
        async with asyncio.timeout(GUARD):
            while True:
                if self.done.total() >= before + calls:
                    return
                await asyncio.sleep(0.05)

    calls = {  # noqa: RUF012 - a table
        "create": create,
        "create with a conference": lambda self, title: self.create(title, autocreate()),
        "read": read,
        "update": update,
        "delete": delete,
    }


async def is_ready(replica):
    """Wait until a replica says that it is ready."""
    asked = health_pb2.HealthCheckRequest(service="readiness")
    async with asyncio.timeout(GUARD):
        while True:
            # It has no such name before it has looked.
            with suppress(grpc.aio.AioRpcError):
                answer = await HealthStub(replica.channel).Check(asked)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            await asyncio.sleep(0.05)


def answered(replica):
    """How many calls of the service a replica has answered, as its log says."""
    lines = replica.errors.read_text().splitlines()
    ours = [json.loads(line) for line in lines if line.startswith("{")]
    return sum(line["logger"] == "conferencing_service.rpc" for line in ours)


def titles_of(grant):
    """The titles of the events that a grant's calendar holds, by the events' ids."""
    start, found = int(START.timestamp()), {}
    query = {"limit": 200, "start": start - 3600, "end": start + 7200}
    while True:
        answer = grant.listed(**query).json()
        found |= {event["id"]: event["title"] for event in answer["data"]}
        if not answer.get("next_cursor"):
            return found
        query["page_token"] = answer["next_cursor"]


@pytest.mark.timeout(180 + 120 * ROLLS)
@pytest.mark.parametrize("policy", ["round_robin", "pick_first"])
async def test_no_call_fails_while_each_replica_is_restarted_in_turn(
    sandbox, postgresql_server, tmp_path, seed, policy
):
    grants = [sandbox.grant("google") for _ in range(GRANTS)]
    slow = {"kind": "latency", "times": 10**6, "value": TAKES}
    sandbox.arm(
        *(
            {"grant_id": grant.id, "method": method, **slow}
            for grant in grants
            for method in ("POST", "PUT", "DELETE")
        )
    )
    ledger_url = postgresql_server.fresh()
    restarts, ended = 0, []
    async with replicas(tmp_path, sandbox.url, ledger_url, drain_wait=1) as starter:
        places = await asyncio.gather(*(starter.start() for _ in range(REPLICAS)))
        target = "ipv4:" + ",".join(replica.target for replica in places)
        options = [("grpc.lb_policy_name", policy)]
        async with (
            ConferencingClient(target, options=options) as client,
            asyncio.TaskGroup() as group,
        ):
            load = Load(client, grants, random.Random(seed))
            group.create_task(load.go_on())
            for place in [*range(REPLICAS)] * ROLLS:
                await load.has_gone_on(RATE)
                places[place].terminate()
                assert await places[place].end() == 0
                ended.append(places[place])
                places[place] = await starter.start(listen=places[place].target)
                await is_ready(places[place])
                restarts += 1
            await load.has_gone_on(RATE)
            load.over.set()
        store = await open_store(ledger_url)
        await quiet(store)
        await store.aclose()
        shares = [answered(replica) for replica in (*ended, *places)]
    effects = sum((Counter(grant.effects()) for grant in grants), Counter())
    held = {grant.id: titles_of(grant) for grant in grants}
    sandbox.arm()
    events = sum(map(len, held.values()))
    calls = {kind: load.done[kind] for kind in dict.fromkeys(KINDS)}
    sys.stdout.write(
        f"{policy}: {sum(calls.values())} calls {calls}, {restarts} restarts, "
        f"{load.failures.total()} failures, {events} events; answered by each: {shares}\n"
    )
    assert not load.failures, load.failures
    made = calls["create"] + calls["create with a conference"]
    # Each that was acknowledged is there once, and nothing else is.
    for grant in grants:
        told = {made.id: title for title, made in load.there.items() if made.grant is grant}
        assert held[grant.id] == told
    assert effects["event_created"] == made
    assert effects["conference_created"] == calls["create with a conference"]
    assert effects["event_updated"] == load.done["event_updated"]
    assert effects["event_deleted"] == load.done["event_deleted"]
    assert made - load.done["event_deleted"] == events
    # The run was one that could have gone wrong.
    assert restarts == REPLICAS * ROLLS
    assert policy == "pick_first" or all(shares[:REPLICAS])
