"""Callers who hang up, or whose time is up, at any moment: what they began ends all the same."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from pydantic import SecretStr

from conferencing.v1 import event_pb2 as e
from conferencing_service.core.ledger.entry import Step
from support.replica import quiet
from support.sandbox import Grant, Sandbox
from support.service import Service, autocreate, creation, get, serving

CANCELS = int(os.environ.get("CANCELS", "300"))

SETTLE = 2.0
GUARD = 60.0
"""Seconds beyond the settle window after which an operation hangs."""

PER_SECOND = 60
REPEATED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


@dataclass
class Wish:
    """One request, and when its caller is gone."""

    grant: Grant
    request: Any
    begins_at: float
    cancelled_after: float | None
    timeout: float

    def made(self) -> int:
        return Counter(self.grant.effects())["event_created"]


def wishes(sandbox: Sandbox, dice: random.Random, number: int) -> list[Wish]:
    """What is asked for, at a vendor that takes its time and loses some of its answers."""
    made: list[Wish] = []
    faults: list[dict[str, Any]] = []
    for _ in range(number):
        grant = sandbox.grant("google")
        guests = [e.Participant(email="guest@example.com")]
        request = creation(grant.id, dice.choice([None, autocreate()]), participants=guests)
        wish = Wish(grant, request, dice.uniform(0, number / PER_SECOND), None, 30.0)
        kind, latency = "latency", dice.uniform(0, 200)
        if dice.random() < 0.6:
            wish.cancelled_after = dice.uniform(0, 0.3)
            kind = dice.choice(["latency", "latency", "late_commit", "timeout_after_commit"])
        else:
            # Nothing is sent for a caller who has less than a second left; so for a deadline to
            # pass under way, the vendor has to take longer than that.
            wish.timeout = dice.uniform(0.2, 1.6)
            latency += dice.choice([0, 800, 1200])
        on_write = {"grant_id": grant.id, "method": "POST", "kind": kind, "value": latency}
        on_grant = {"method": "GET", "resource": "grant", "kind": "latency"}
        faults += [on_write, {"grant_id": grant.id, **on_grant, "value": dice.uniform(0, 100)}]
        made.append(wish)
    sandbox.arm(*faults)
    return made


async def begin(service: Service, wish: Wish) -> str:
    """Ask, and be gone; return how it ended for the caller."""
    await asyncio.sleep(wish.begins_at)
    call = service.stub.CreateEvent(wish.request, timeout=wish.timeout)
    if wish.cancelled_after is not None:
        await asyncio.wait({asyncio.ensure_future(call.code())}, timeout=wish.cancelled_after)
        call.cancel()
    with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
        await call
    return str((await call.code()).name)


async def repeated(service: Service, wish: Wish) -> Any:
    """Ask for the same until it is answered."""
    while True:
        try:
            return await service.call(wish.request)
        except grpc.aio.AioRpcError as error:
            if error.code() not in REPEATED:
                raise
        await asyncio.sleep(0.1)


@pytest.mark.timeout(300 + CANCELS)
async def test_what_a_caller_left_ends_and_is_told_to_whoever_asks_again(
    sandbox, ledger_url, ledger, seed
):
    asked = wishes(sandbox, random.Random(seed), CANCELS)
    async with serving(
        sandbox.url,
        ledger_url=SecretStr(ledger_url),
        write_timeout=5.0,
        lease_margin=1.0,
        settle_window=SETTLE,
        resume_interval=0.5,
    ) as service:
        heard = Counter(await asyncio.gather(*(begin(service, wish) for wish in asked)))
        await quiet(ledger, seconds=SETTLE + GUARD)
        done = await ledger.listing({Step.DONE}, limit=CANCELS + 1)
        doubted = sum(entry.doubted for entry in done)
        before = [wish.made() for wish in asked]
        sys.stdout.write(f"{dict(heard)}; {len(done)} done, {doubted} of them after doubt\n")
        assert not await ledger.listing({Step.UNRESOLVED, Step.RELEASED}, limit=1)
        assert max(before) == 1
        assert sum(before) == len(done)
        # Some were left before anything was sent, some while it was, some while it was looked for.
        assert {"CANCELLED", "DEADLINE_EXCEEDED"} <= set(heard)
        assert 0 < doubted < len(done) < CANCELS
        answers = await asyncio.gather(*(repeated(service, wish) for wish in asked))
        for wish, was_made, answer in zip(asked, before, answers, strict=True):
            assert answer.replayed == bool(was_made)
            there = await service.call(get(wish.grant.id, answer.event.id))
            assert answer.event == there.event
            effects = Counter(wish.grant.effects())
            assert effects["event_created"] == effects["invitation_sent"] == 1
            assert effects["conference_created"] == wish.request.event.HasField("conferencing")
