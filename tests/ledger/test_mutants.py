"""Each part of the protocol is needed: without it something is done twice, and these tests see it.

Every story is told twice, with the protocol as it is and with one part taken out. What differs is
how much was done, by the sandbox's log; both versions end, and in time.
"""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import event_pb2 as e
from conferencing_service.api_key import ApiKey
from conferencing_service.core.effects import Effects
from conferencing_service.core.ledger.entry import Step
from conferencing_service.core.ledger.store import Store
from conferencing_service.embedded import API_KEY
from conferencing_service.ledger_parts import OpenStore, ledger_parts
from conferencing_service.settings import Settings
from conferencing_service.stores import open_store
from conferencing_service.telemetry import Telemetry
from conferencing_service.upstreams.nylas import upstream as nylas
from conferencing_service.upstreams.registry import SingleUpstream
from conferencing_service.vendor import Vendor, nylas_upstream
from support.callers import until_ended
from support.faulty_store import FaultyStore, Trouble
from support.ledger_scenario import TIMES
from support.sandbox import Grant, Sandbox
from support.service import Service, autocreate, creation, serving

pytestmark = pytest.mark.timeout(120)

INTACT, MUTANT = False, True
BOTH = pytest.mark.parametrize("is_mutant", [INTACT, MUTANT], ids=["intact", "mutant"])


def create(grant: Grant, conferencing: Any = None) -> Any:
    guests = [e.Participant(email="guest@example.com")]
    return creation(grant.id, conferencing, participants=guests)


@pytest.fixture
async def ledger_url(tmp_path: Path) -> str:
    return f"sqlite://{tmp_path}/{uuid.uuid4().hex}/ledger.sqlite"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    store = await open_store(url)
    try:
        yield store
    finally:
        await store.aclose()


async def until_settled(sandbox: Sandbox, store: Store, service: Service, request: Any) -> str:
    """Repeat a request; what stays unresolved is settled by an operator who trusts what is shown.

    He looks for the event by its marker; where there is one, that is the answer, and where there is
    none he declares that nothing was done. Then the caller repeats the request once more.
    """
    ending = await until_ended([service], request)
    if ending.reason != "OUTCOME_UNRESOLVED":
        return ending.reason
    [entry] = await store.listing([Step.UNRESOLVED], limit=10)
    vendor, tracing = Vendor(sandbox.url, ApiKey(SecretStr(API_KEY))), Telemetry.off()
    settings = Settings(**TIMES)
    upstream = nylas_upstream(vendor, settings, tracing)
    parts = ledger_parts(
        OpenStore(store, await store.secret()),
        settings,
        registry=SingleUpstream(upstream),
        settle=1.0,
        effects=Effects(),
        clock=asyncio.get_running_loop().time,
    )
    found = await parts.settling.look(entry)
    await upstream.aclose()
    assert await store.resolve(
        entry.operation_id,
        done=found is not None,
        event_id=found.id if found else "",
        owner="operator",
        retention=60.0,
    )
    return (await until_ended([service], request)).reason


async def quiet(grant: Grant) -> Counter[str]:
    """Wait until nothing more is done; return what was."""
    effects = None
    while effects != (effects := grant.effects()):  # noqa: ASYNC110 - another process does it
        await asyncio.sleep(0.8)
    return Counter(effects)


# ---- Without the note before the first byte, an owner that dies leaves nothing ------------------


class WithoutIntent(FaultyStore):
    async def intend(self, *_values: Any, **_named: Any) -> bool:
        return True


@BOTH
async def test_the_intent_is_written(
    sandbox: Sandbox, google: Grant, ledger_url: str, *, is_mutant: bool
) -> None:
    async with opened(ledger_url) as one, opened(ledger_url) as two:
        make = WithoutIntent if is_mutant else FaultyStore
        dying = make(one, step="finish", trouble=Trouble.DEATH)
        request = create(google)
        async with (
            serving(sandbox.url, store=dying, **TIMES) as first,
            serving(sandbox.url, store=two, **TIMES) as second,
        ):
            await until_ended([first, second], request, timeout=1.5)
            assert dying.struck.is_set()
            await dying.reap()
        assert (await quiet(google))["event_created"] == (2 if is_mutant else 1)


# ---- Without the check before the send, an owner that slept sends what was settled meanwhile -----


class WithoutCheck(FaultyStore):
    async def lease_left(self, _hold: Any) -> float:
        return 3600.0


async def slept(
    sandbox: Sandbox, google: Grant, sleeping: FaultyStore, two: Store, woken: asyncio.Event
) -> None:
    """Let an owner sleep between its note and its send until others have settled the request."""
    request = create(google)
    times = TIMES | {"write_timeout": 60.0}
    async with (
        serving(sandbox.url, store=sleeping, **times) as first,
        serving(sandbox.url, store=two, **times) as second,
    ):
        caller = asyncio.create_task(until_ended([first], request, timeout=60.0))
        await sleeping.struck.wait()
        # The machine that sleeps is suspended: its lease ends by the store's clock, and the
        # time-outs of its own do not come to pass.
        [entry] = await two.listing([Step.SENDING], limit=2)
        assert await two.renew(entry.hold, lease=0.0)
        assert await until_settled(sandbox, two, second, request) == "OK"
        woken.set()
        await caller


@BOTH
async def test_the_hold_is_checked_before_the_send(
    sandbox: Sandbox, google: Grant, ledger_url: str, *, is_mutant: bool
) -> None:
    async with opened(ledger_url) as one, opened(ledger_url) as two:
        woken = asyncio.Event()
        make = WithoutCheck if is_mutant else FaultyStore
        sleeping = make(
            one, step="intend", after=True, trouble=Trouble.CALLBACK, callback=woken.wait
        )
        await slept(sandbox, google, sleeping, two, woken)
        assert (await quiet(google))["event_created"] == (2 if is_mutant else 1)


# ---- Without a clock that goes on, an owner that slept does not know that it did -----------------


@BOTH
async def test_an_owner_that_slept_sees_that_it_did(
    sandbox: Sandbox, google: Grant, ledger_url: str, monkeypatch: Any, *, is_mutant: bool
) -> None:
    if is_mutant:
        monkeypatch.setattr("conferencing_service.ledger_parts._waking_clock", lambda: lambda: 0.0)
    async with opened(ledger_url) as one, opened(ledger_url) as two:
        woken = asyncio.Event()
        sleeping = FaultyStore(
            one, step="intend", after=True, trouble=Trouble.CALLBACK, callback=woken.wait
        )
        await slept(sandbox, google, sleeping, two, woken)
        assert (await quiet(google))["event_created"] == (2 if is_mutant else 1)


# ---- Without a settle window, what comes late is taken for never ---------------------------------


@BOTH
async def test_the_settle_window_is_waited_for(
    sandbox: Sandbox, google: Grant, ledger_url: str, *, is_mutant: bool
) -> None:
    times = TIMES | {"settle_window": 0.0 if is_mutant else 2.0}
    google.fault("late_commit", method="POST", value=700)
    async with opened(ledger_url) as store, serving(sandbox.url, store=store, **times) as service:
        assert await until_settled(sandbox, store, service, create(google)) == "OK"
        effects = await quiet(google)
    assert effects["event_created"] == (2 if is_mutant else 1)
    assert effects["invitation_sent"] == (2 if is_mutant else 1)


# ---- With a marker that nobody can know, what was done cannot be found ---------------------------


class RandomMarkers(nylas.NylasUpstream):
    async def create_event(self, call: Any, *place: Any) -> Any:
        grant_id, calendar_id, event, notify = place
        event = dataclasses.replace(event, marker=uuid.uuid4().hex)
        return await super().create_event(call, grant_id, calendar_id, event, notify)


@BOTH
async def test_the_event_carries_the_operations_own_marker(
    sandbox: Sandbox, google: Grant, ledger_url: str, monkeypatch: Any, *, is_mutant: bool
) -> None:
    google.fault("reset_after_commit", method="POST")
    if is_mutant:
        monkeypatch.setattr("conferencing_service.vendor.NylasUpstream", RandomMarkers)
    async with (
        opened(ledger_url) as store,
        serving(sandbox.url, store=store, **TIMES) as service,
    ):
        assert await until_settled(sandbox, store, service, create(google)) == "OK"
        effects = await quiet(google)
    assert effects["event_created"] == (2 if is_mutant else 1)
    assert effects["invitation_sent"] == (2 if is_mutant else 1)


# ---- With a provider's error taken for a refusal, a conference is made again ---------------------


@BOTH
async def test_a_providers_error_to_an_autocreate_is_a_doubt(
    sandbox: Sandbox,
    google: Grant,
    zoom: Grant,
    ledger_url: str,
    monkeypatch: Any,
    *,
    is_mutant: bool,
) -> None:
    google.fault("insert_refused", method="POST", times=1)
    if is_mutant:
        monkeypatch.setattr(
            nylas,
            "error_of_write",
            lambda answer, *, autocreate: nylas_error_of_write(answer, autocreate=False),
        )
    async with (
        opened(ledger_url) as store,
        serving(sandbox.url, store=store, **TIMES) as service,
    ):
        request = create(google, autocreate(c.PROVIDER_ZOOM_MEETING, zoom.id))
        ending = await until_ended([service], request)
        again = await until_ended([service], request)
        effects = await quiet(google) + await quiet(zoom)
    assert [ending.reason, again.reason] == (
        ["UPSTREAM_REJECTED", "OK"] if is_mutant else ["OUTCOME_UNRESOLVED", "OUTCOME_UNRESOLVED"]
    )
    assert effects["conference_created"] == (2 if is_mutant else 1)


nylas_error_of_write = nylas.error_of_write
