"""Departures: noted before the first byte, by whoever has the right to, and asked again in time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from conferencing_service.core.errors import LedgerUnavailable, NotStarted
from conferencing_service.core.ledger.attempts import Attempt, Phase
from conferencing_service.core.ledger.departures import Departure
from conferencing_service.core.ledger.entry import Claim, Entry, Key, Step, Target
from conferencing_service.core.ledger.settling import LeaseLost, Times
from conferencing_service.core.ledger.store import Store
from conferencing_service.stores import open_store
from support.faulty_store import FaultyStore, Trouble

TIMES = Times(write=100.0, lease=130.0, settle=120.0, retention=600.0)
A_WHILE = 5.0
"""Seconds after which the store is asked again, and long before the lease is over."""


class Clock:
    """A clock in the hands of a test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FaultyStore]:
    store = await open_store(f"sqlite://{tmp_path}/ledger.sqlite")
    yield FaultyStore(store)
    await store.aclose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def entry(store: FaultyStore) -> Entry:
    return await claimed(store)


@pytest.fixture
async def attempt() -> Attempt:
    return Attempt("request")


async def claimed(store: FaultyStore, *, owner: str = "server-1") -> Entry:
    key = Key("", "CreateEvent", "request")
    claim = Claim(key, "operation", "f", owner, Target("g", "c"), "m", 130.0, 120.0, 600.0)
    entry, is_ours = await store.claim(claim)
    assert is_ours
    return cast("Entry", entry)


def departure(
    store: FaultyStore, entry: Entry, attempt: Attempt, clock: Clock, *, times: Times = TIMES
) -> Departure:
    return Departure(
        store=cast("Store", store),
        hold=entry.hold,
        attempt=attempt,
        times=times,
        clock=clock,
        event_id="event",
        expected={"title": "8f3a"},
    )


async def taken_over(store: FaultyStore, entry: Entry) -> None:
    """Let the lease end and another server have the operation."""
    assert await store.renew(entry.hold, lease=0.0)
    assert (await claimed(store, owner="server-2")).fence == entry.fence + 1


async def test_a_write_that_leaves_is_noted_first(
    store: FaultyStore, entry: Entry, attempt: Attempt, clock: Clock
) -> None:
    leaving = departure(store, entry, attempt, clock)
    assert not leaving.is_noted
    await leaving.leave()
    assert leaving.is_noted
    noted = await store.find(entry.operation_id)
    assert (noted.step, noted.target.event_id) == (Step.SENDING, "event")
    assert noted.expected == {"title": "8f3a"}
    assert noted.lease_left == pytest.approx(TIMES.lease, abs=20)
    assert attempt.phase is Phase.SENDING


async def test_right_after_the_note_nothing_is_asked_again(
    store: FaultyStore, entry: Entry, attempt: Attempt, clock: Clock
) -> None:
    # Another question would fail.
    store.step, store.times = "lease_left", 10**6
    await departure(store, entry, attempt, clock).leave()
    assert not store.struck.is_set()


async def test_a_note_that_took_its_time_is_not_relied_on(
    store: FaultyStore, entry: Entry, attempt: Attempt, clock: Clock
) -> None:
    async def freeze() -> None:
        clock.now += A_WHILE
        await taken_over(store, entry)

    store.step, store.after, store.trouble = "intend", True, Trouble.CALLBACK
    store.callback = freeze
    with pytest.raises(LeaseLost):
        await departure(store, entry, attempt, clock).leave()
    assert attempt.phase is not Phase.SENDING


async def test_a_write_that_is_kept_waiting_is_noted_once_and_asked_about_again(
    store: FaultyStore, entry: Entry, attempt: Attempt, clock: Clock
) -> None:
    leaving = departure(store, entry, attempt, clock)
    await leaving.leave()
    clock.now += A_WHILE
    await leaving.leave()
    clock.now += A_WHILE
    await taken_over(store, entry)
    with pytest.raises(LeaseLost):
        await leaving.leave()


async def test_a_lease_that_is_too_short_for_a_write_is_made_longer(
    store: FaultyStore, entry: Entry, attempt: Attempt, clock: Clock
) -> None:
    leaving = departure(store, entry, attempt, clock)
    await leaving.leave()
    assert await store.renew(entry.hold, lease=50.0)
    await leaving.leave()
    assert await store.lease_left(entry.hold) < 51
    clock.now += A_WHILE
    await leaving.leave()
    assert await store.lease_left(entry.hold) > TIMES.write


async def test_what_a_lease_has_beyond_a_write_is_not_used_up(
    store: FaultyStore, entry: Entry, attempt: Attempt, clock: Clock
) -> None:
    tight = Times(write=100.0, lease=100.2, settle=120.0, retention=600.0)
    leaving = departure(store, entry, attempt, clock, times=tight)
    await leaving.leave()
    store.step, store.times = "lease_left", 10**6
    clock.now += 0.05
    await leaving.leave()
    clock.now += 0.1
    with pytest.raises(LedgerUnavailable):
        await leaving.leave()


async def test_whoever_lost_the_lease_notes_nothing(
    store: FaultyStore, entry: Entry, attempt: Attempt, clock: Clock
) -> None:
    await taken_over(store, entry)
    leaving = departure(store, entry, attempt, clock)
    with pytest.raises(LeaseLost):
        await leaving.leave()
    assert not leaving.is_noted
    assert (await store.find(entry.operation_id)).step is Step.CLAIMED


async def test_without_the_store_nothing_leaves(
    store: FaultyStore, entry: Entry, attempt: Attempt, clock: Clock
) -> None:
    leaving = departure(store, entry, attempt, clock)
    store.step = "intend"
    with pytest.raises(LedgerUnavailable):
        await leaving.leave()
    assert not leaving.is_noted
    assert attempt.phase is Phase.NOTING


@pytest.mark.parametrize("is_late", [False, True])
async def test_for_a_caller_who_is_gone_or_late_nothing_is_noted(
    store: FaultyStore, entry: Entry, attempt: Attempt, clock: Clock, *, is_late: bool
) -> None:
    if is_late:
        attempt.enter(Phase.PREPARING)
        attempt.out_of_time()
        assert attempt.is_attended()
    else:
        attempt.waiter.cancel()
    with pytest.raises(NotStarted):
        await departure(store, entry, attempt, clock).leave()
    assert (await store.find(entry.operation_id)).step is Step.CLAIMED


async def test_for_a_caller_who_leaves_meanwhile_nothing_is_sent(
    store: FaultyStore, entry: Entry, attempt: Attempt, clock: Clock
) -> None:
    async def hang_up() -> None:
        attempt.waiter.cancel()

    store.step, store.after, store.trouble = "intend", True, Trouble.CALLBACK
    store.callback = hang_up
    leaving = departure(store, entry, attempt, clock)
    with pytest.raises(NotStarted):
        await leaving.leave()
    assert leaving.is_noted
    assert attempt.phase is not Phase.SENDING
