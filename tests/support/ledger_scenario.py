"""One request, one fault of the vendor's, one trouble at one step of the ledger; then the count.

A scenario is drawn from a seed. Its caller asks one server until trouble strikes, and another one
that shares the ledger afterwards. What counts is what the sandbox's log says was done.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
from pydantic import SecretStr

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import event_pb2 as e
from conferencing_service.api_key import ApiKey
from conferencing_service.core.ledger.store import Store
from conferencing_service.embedded import API_KEY
from conferencing_service.settings import Settings
from conferencing_service.stores import open_store
from conferencing_service.telemetry import Telemetry
from conferencing_service.upstreams.aiohttp_transport import AiohttpTransport
from conferencing_service.vendor import Vendor, nylas_upstream
from support.callers import Ending, cancelled_at, until_ended
from support.faulty_store import STEPS, FaultyStore, Trouble
from support.sandbox import Grant, Sandbox
from support.service import Service, autocreate, creation, details, serving, update

TIMES: dict[str, float] = {
    "write_timeout": 1.5,
    "lease_margin": 0.5,
    "settle_window": 1.0,
    "resume_interval": 0.5,
}
LATE = 300
"""Milliseconds of a late commit: well within the settle window."""

VENDOR_FAULTS: dict[str, dict[str, Any]] = {
    "refused": {},
    "reset_before_commit": {},
    "reset_after_commit": {},
    "late_commit": {"value": LATE},
    "server_error_after_commit": {},
    "timeout_after_commit": {"value": 20},
    "insert_refused": {},
    "latency": {"value": 400},
    "truncated_body": {},
}
"""What the vendor does to a write; "refused" is a connection that does not come about."""

KINDS = ("create", "create details", "create meet", "create zoom", "update", "update zoom")

TROUBLES: dict[str, tuple[Trouble, float, int]] = {
    "kill": (Trouble.DEATH, 0.0, 1),
    "cancel": (Trouble.CALLBACK, 0.0, 1),
    "deadline": (Trouble.STALL, 1.4, 1),
    "stall past the lease": (Trouble.STALL, 2.6, 1),
    "disk full": (Trouble.REFUSAL, 0.0, 4),
}
"""What befalls the server at a step: the trouble, its seconds, and how often."""


@dataclass(frozen=True)
class Scenario:
    """What is asked, and what goes wrong."""

    seed: int
    kind: str
    vendor_fault: str
    trouble: str
    step: str
    after: bool

    def __str__(self) -> str:
        when = "after" if self.after else "before"
        return (
            f"seed {self.seed}: {self.kind}; vendor: {self.vendor_fault or 'well'};"
            f" {self.trouble or 'nothing'} {when} {self.step}"
        )


def drawn(seed: int) -> Scenario:
    """The scenario of a seed."""
    dice = random.Random(seed)
    return Scenario(
        seed=seed,
        kind=dice.choice(KINDS),
        vendor_fault=dice.choice(["", *VENDOR_FAULTS]),
        trouble=dice.choice(["", *TROUBLES]),
        step=dice.choice(STEPS),
        after=dice.random() < 0.5,
    )


def every_pair(seed: int) -> list[Scenario]:
    """Each step of the ledger with each fault once, what is asked drawn from the seed.

    A vendor's fault meets an owner that dies at the step; every other trouble meets a vendor that
    is well half of the time.
    """
    dice = random.Random(seed)
    pairs = []
    for step in STEPS:
        for after in (False, True):
            pairs += [
                Scenario(seed, _kind_for(fault, dice), fault, "kill", step, after)
                for fault in VENDOR_FAULTS
            ]
            for trouble in TROUBLES:
                fault = dice.choice(["", dice.choice([*VENDOR_FAULTS])])
                pairs.append(Scenario(seed, _kind_for(fault, dice), fault, trouble, step, after))
    for fault in VENDOR_FAULTS:
        pairs.append(Scenario(seed, _kind_for(fault, dice), fault, "", "claim", after=False))
    return pairs


def _kind_for(fault: str, dice: random.Random) -> str:
    kinds = [kind for kind in KINDS if "zoom" in kind or "meet" in kind]
    return dice.choice(kinds if fault == "insert_refused" else KINDS)


@dataclass
class Outcome:
    """What a scenario came to."""

    scenario: Scenario
    ending: Ending
    effects: Counter[str] = field(default_factory=Counter)

    def problems(self) -> list[str]:
        """What is not as promised."""
        made = self.effects[
            "event_updated" if self.scenario.kind.startswith("update") else "event_created"
        ]
        reason, found = self.ending.reason, []
        if made > 1:
            found.append(f"{made} events")
        if self.effects["invitation_sent"] > 1:
            found.append(f"{self.effects['invitation_sent']} invitations")
        if self.effects["conference_created"] > 1:
            found.append(f"{self.effects['conference_created']} conferences")
        if reason == "OK" and made != 1:
            found.append(f"OK and {made} events")
        if reason != "OK" and made:
            found.append(f"{reason} and {made} events")
        return found

    def __str__(self) -> str:
        return f"{self.scenario} -> {self.ending.heard} {dict(self.effects)}: {self.problems()}"


class Refusing(httpx.AsyncBaseTransport):
    """A way out on which the first writes find nobody who listens."""

    def __init__(self, times: int) -> None:
        self._times = times
        self._real = AiohttpTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET" and self._times > 0:
            self._times -= 1
            raise httpx.ConnectError("refused")
        return await self._real.handle_async_request(request)

    async def aclose(self) -> None:
        await self._real.aclose()


@dataclass
class Stage:
    """A scenario that is ready to be played: its grants, its event, its request, its fault."""

    scenario: Scenario
    grant: Grant
    host: Grant
    request: Any
    before: Counter[str]

    def fault(self) -> list[dict[str, Any]]:
        """What the sandbox has to be told."""
        kind = self.scenario.vendor_fault
        if kind in {"", "refused"}:
            return []
        method = "PUT" if self.scenario.kind.startswith("update") else "POST"
        return [{"grant_id": self.grant.id, "kind": kind, "method": method, **VENDOR_FAULTS[kind]}]

    def effects(self) -> Counter[str]:
        """What was done since the beginning."""
        return Counter(self.grant.effects()) + Counter(self.host.effects()) - self.before


def staged(sandbox: Sandbox, scenario: Scenario) -> Stage:
    """Make what a scenario needs."""
    grant, host = sandbox.grant("google"), sandbox.grant("zoom")
    guests = [e.Participant(email="guest@example.com")]
    zoom = autocreate(c.PROVIDER_ZOOM_MEETING, host.id)
    if scenario.kind.startswith("update"):
        event_id = grant.created()["id"]
        before = Counter(grant.effects())
        request: Any = (
            update(grant.id, event_id, conferencing=zoom)
            if scenario.kind == "update zoom"
            else update(grant.id, event_id, title="Review of the review", participants=guests)
        )
        return Stage(scenario, grant, host, request, before)
    conferencing = {
        "create": None,
        "create details": details(
            c.PROVIDER_ZOOM_MEETING, "https://zoom.us/j/1234567890", meeting_code="1234567890"
        ),
        "create meet": autocreate(),
        "create zoom": zoom,
    }[scenario.kind]
    request = creation(grant.id, conferencing, participants=guests)
    return Stage(scenario, grant, host, request, Counter())


def armed(sandbox: Sandbox, stages: list[Stage]) -> None:
    """Tell the sandbox every fault of many scenarios at once: a later word replaces an earlier."""
    sandbox.arm(*(fault for stage in stages for fault in stage.fault()))


@asynccontextmanager
async def replica(
    sandbox: Sandbox, store: FaultyStore, *, refusals: int = 0, **settings: Any
) -> AsyncIterator[Service]:
    """A server on a store that may be in trouble."""
    if not refusals:
        async with serving(
            sandbox.url, store=cast("Store", store), **(TIMES | settings)
        ) as service:
            yield service
        return
    chosen = Settings(**(TIMES | settings))
    vendor, tracing = Vendor(sandbox.url, ApiKey(SecretStr(API_KEY))), Telemetry.off()
    upstream = nylas_upstream(vendor, chosen, tracing, transport=Refusing(refusals))
    try:
        async with serving(
            sandbox.url, store=cast("Store", store), upstream=upstream, **(TIMES | settings)
        ) as service:
            yield service
    finally:
        await upstream.aclose()


async def played(sandbox: Sandbox, stage: Stage, folder: Path) -> Outcome:
    """Play a scenario to its end and count."""
    scenario = stage.scenario
    url = f"sqlite://{folder}/{uuid.uuid4().hex}/ledger.sqlite"
    first_store, second_store = (
        FaultyStore(await open_store(url)),
        FaultyStore(await open_store(url)),
    )
    if scenario.trouble:
        trouble, seconds, times = TROUBLES[scenario.trouble]
        first_store.step, first_store.after = scenario.step, scenario.after
        first_store.trouble, first_store.seconds, first_store.times = trouble, seconds, times
        if scenario.step == "lease_left":
            first_store.note_seconds = TIMES["lease_margin"] * 0.6
    async with AsyncExitStack() as stack:
        refusals = 5 if scenario.vendor_fault == "refused" else 0
        first = await stack.enter_async_context(replica(sandbox, first_store, refusals=refusals))
        second = await stack.enter_async_context(replica(sandbox, second_store))
        heard = await _troubled(stage, first, first_store)
        ending = await until_ended([second], stage.request)
        ending.heard[:0] = heard
        if ending.failure is not None and ending.reason != "OUTCOME_UNRESOLVED":
            await _quiet(stage)
            assert not Outcome(scenario, ending, stage.effects()).problems(), ending.reason
            ending = await until_ended([second], stage.request)
        await first_store.reap()
    await _quiet(stage)
    for store in (first_store, second_store):
        await store.real.aclose()
    return Outcome(scenario, ending, stage.effects())


async def _troubled(stage: Stage, service: Service, store: FaultyStore) -> list[str]:
    """Make the first call, at the server that is to be in trouble; return what was heard."""
    if stage.scenario.trouble == "cancel":
        store.callback = _let_it_arrive
        await asyncio.wait(
            {
                asyncio.create_task(cancelled_at(service, stage.request, store.struck)),
                asyncio.create_task(_hit(store)),
            },
            timeout=5.0,
        )
        store.struck.set()
        return ["cancelled"]
    try:
        ending = await until_ended([service], stage.request, timeout=1.3, most=1)
    except AssertionError:
        return ["repeated elsewhere"]
    return list(ending.heard)


async def _let_it_arrive() -> None:
    await asyncio.sleep(0.05)


async def _hit(store: FaultyStore) -> None:
    """Wait until trouble strikes; a step that is never taken strikes late."""
    try:
        async with asyncio.timeout(1.0):
            await store.struck.wait()
    except TimeoutError:
        store.struck.set()


async def _quiet(stage: Stage) -> None:
    """Wait until nothing more is done."""
    effects = None
    while effects != (effects := await asyncio.to_thread(stage.effects)):  # noqa: ASYNC110 - another process does it
        await asyncio.sleep((LATE + 100) / 1000)
