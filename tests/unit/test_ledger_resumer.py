"""The resumer, against a real store and an upstream that fails for some grants and not for others."""

from __future__ import annotations

import asyncio
import time

import pytest

from conferencing_service.core.errors import Unavailable
from conferencing_service.core.ledger.entry import Step, Target
from conferencing_service.core.ledger.resumer import Resumer
from conferencing_service.core.ledger.settling import Settling, Times
from conferencing_service.core.ledger.store import StoreUnavailable
from conferencing_service.core.model import Event
from conferencing_service.stores import open_store
from conferencing_service.upstreams.registry import SingleUpstream
from stores.entries import abandoned, wish

LEASE = 1.0
TIMES = Times(write=0.5, lease=LEASE, settle=0.2, retention=60.0)
ILL = Target("ill", "calendar")
HEALTHY = Target("healthy", "calendar")


class Calendars:
    """An upstream that cannot be read for one grant, and shows what was made for any other."""

    async def find_events(self, _call, grant_id, calendar_id, marker):
        if grant_id == ILL.grant_id:
            raise Unavailable
        return (Event(id="made", grant_id=grant_id, calendar_id=calendar_id, marker=marker),)

    async def get_event(self, _call, grant_id, calendar_id, event_id):
        if grant_id == ILL.grant_id:
            raise Unavailable
        return Event(id=event_id, grant_id=grant_id, calendar_id=calendar_id)


class NoSweeper:
    """What a test of taking over has no need of."""

    async def sweep(self, *, dry_run):
        del dry_run
        return []


@pytest.fixture
async def store(tmp_path):
    store = await open_store(f"sqlite://{tmp_path}/ledger.db")
    yield store
    await store.aclose()


@pytest.fixture
async def resumer(store):
    # Looks come often enough for a lease that is this short.
    settling = Settling(
        store=store,
        registry=SingleUpstream(Calendars()),
        times=TIMES,
        clock=time.monotonic,
        sleep=lambda seconds: asyncio.sleep(min(seconds, 0.1)),
    )
    resumer = Resumer(
        store=store,
        settling=settling,
        sweeper=NoSweeper(),
        times=TIMES,
        owner="us",
        interval=0.1,
    )
    yield resumer
    await resumer.stop()


async def orphans(store, number):
    """So many operations of the grant that cannot be read, their owners gone."""
    return [
        await abandoned(store, Step.SENDING, wish(f"ill-{each}", target=ILL))
        for each in range(number)
    ]


async def taken_over(store, *entries):
    """Wait, for a few leases, until operations are forgotten or done; return their steps."""
    for _ in range(60):
        found = [await store.find(entry.operation_id) for entry in entries]
        if all(each is None or each.step is Step.DONE for each in found):
            break
        await asyncio.sleep(LEASE / 20)
    return [each and each.step for each in found]


async def healthy_ones_end(store):
    """Two operations of a grant that can be read are left, and taken over in time."""
    unsent = await abandoned(store, Step.CLAIMED, wish("unsent", target=HEALTHY))
    sent = await abandoned(store, Step.SENDING, wish("sent", target=HEALTHY))
    # What was not sent can be sent anew, as if it had never been.
    assert await taken_over(store, unsent, sent) == [None, Step.DONE]
    assert (await store.find(sent.operation_id)).target.event_id == "made"


async def test_a_grant_that_cannot_be_read_keeps_no_other_waiting(store, resumer):
    left = await orphans(store, 8)
    resumer.start()
    # Long enough for whoever waits without a lease to be taken over again and again.
    await asyncio.sleep(5 * LEASE)
    assert len(resumer._under_way) == len(left)
    await healthy_ones_end(store)
    assert len(resumer._under_way) == len(left)


async def test_whoever_waits_for_its_grants_turn_keeps_its_lease(store, resumer):
    left = await orphans(store, 8)
    await resumer.resume()
    held = [await store.find(entry.operation_id) for entry in left]
    assert {entry.owner for entry in held} == {"us"}
    for _ in range(5):
        await asyncio.sleep(LEASE / 2)
        await resumer.resume()
    now = [await store.find(entry.operation_id) for entry in left]
    assert [entry.fence for entry in now] == [entry.fence for entry in held]
    assert all(entry.lease_left > 0 for entry in now)
    assert len(resumer._under_way) == len(left)


async def test_more_of_one_grant_than_are_worked_on_at_once_leave_room_for_others(store, resumer):
    await orphans(store, 40)
    resumer.start()
    await healthy_ones_end(store)


async def test_what_is_taken_over_while_the_process_ends_is_left_at_once(
    store, resumer, monkeypatch
):
    left = await orphans(store, 3)
    taken, take_over = asyncio.Event(), store.take_over

    async def slowly(*values, **named):
        entries = await take_over(*values, **named)
        taken.set()
        await asyncio.sleep(0.1)
        return entries

    monkeypatch.setattr(store, "take_over", slowly)
    resumer.start()
    await taken.wait()
    await resumer.stop()
    now = [await store.find(entry.operation_id) for entry in left]
    assert {entry.owner for entry in now} == {"us"}
    assert all(entry.lease_left <= 0 for entry in now)


class FailingAtTheEnd:
    """A store that is taken from and fails once it is stopped."""

    def __init__(self, real):
        self.real = real
        self.asked = asyncio.Event()
        self.fails = asyncio.Event()

    def __getattr__(self, name):
        return getattr(self.real, name)

    async def take_over(self, *_values, **_named):
        self.asked.set()
        await self.fails.wait()
        raise StoreUnavailable("gone")


async def test_it_ends_where_the_store_fails_meanwhile(store, resumer):
    failing = FailingAtTheEnd(store)
    resumer._store = failing
    resumer.start()
    await failing.asked.wait()
    stopping = asyncio.create_task(resumer.stop())
    await asyncio.sleep(0)
    failing.fails.set()
    async with asyncio.timeout(20):
        await stopping


async def test_what_was_taken_over_in_the_turn_of_its_end_is_left_at_once(store, resumer):
    left = await orphans(store, 3)
    await resumer.resume()
    await resumer.stop()
    assert [(await store.find(entry.operation_id)).lease_left for entry in left] == [0, 0, 0]
