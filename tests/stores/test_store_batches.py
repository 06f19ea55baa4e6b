"""Batches: what comes together is done together, nobody waits for nothing, and nothing is left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from conferencing_service.stores.batches import MOST_AT_ONCE, Batches

GUARD = 10.0


@dataclass
class Desk:
    """Where batches end up, in the hands of a test: its thread and its clock."""

    now: float = 0.0
    batches: list[list[int]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    closed: bool = False
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_go_on.set()

    def work(self, jobs: Sequence[int]) -> None:
        self.batches.append(list(jobs))
        self.threads.add(threading.current_thread().name)
        assert self.may_go_on.wait(GUARD)

    def tell(self, jobs: Sequence[int]) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.told += jobs

    def close(self) -> None:
        self.closed = True

    async def until(self, told: int) -> None:
        async with asyncio.timeout(GUARD):
            while len(self.told) < told:  # noqa: ASYNC110 - another thread does it
                await asyncio.sleep(0.001)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def batches(desk: Desk) -> AsyncIterator[Batches[int]]:
    batches = Batches[int](work=desk.work, tell=desk.tell, close=desk.close, clock=lambda: desk.now)
    yield batches
    # Whatever a test found: neither the thread nor the loop's patience is to last.
    desk.may_go_on.set()
    desk.now += GUARD
    await batches.aclose()


async def busy_turns(desk: Desk, batches: Batches[int], number: int, seconds: float) -> None:
    """Let so many turns of the loop take so long each, a job coming in every one."""
    for job in range(number):
        batches.add(job)
        desk.now += seconds
        await asyncio.sleep(0)


async def test_what_comes_in_one_turn_is_one_batch(desk: Desk, batches: Batches[int]) -> None:
    for job in range(20):
        batches.add(job)
    await desk.until(told=20)
    assert desk.batches == [list(range(20))]
    assert desk.told == list(range(20))
    assert desk.threads == {"ledger"}


async def test_what_comes_while_a_batch_is_under_way_is_the_next_one(
    desk: Desk, batches: Batches[int]
) -> None:
    desk.may_go_on.clear()
    batches.add(0)
    async with asyncio.timeout(GUARD):
        while not desk.batches:  # noqa: ASYNC110 - another thread does it
            await asyncio.sleep(0.001)
    for job in range(1, 9):
        batches.add(job)
        await asyncio.sleep(0)
    assert batches.waiting == 8
    desk.may_go_on.set()
    await desk.until(told=9)
    assert desk.batches == [[0], list(range(1, 9))]


async def test_a_loop_that_has_nothing_else_to_do_hands_over_at_once(
    desk: Desk, batches: Batches[int]
) -> None:
    # The clock stands still: only that the loop is idle can have made it.
    for job in range(5):
        batches.add(job)
        await desk.until(told=job + 1)
    assert desk.batches == [[job] for job in range(5)]


async def test_a_busy_loop_hands_over_later_and_more(desk: Desk, batches: Batches[int]) -> None:
    await busy_turns(desk, batches, 10, 0.0004)
    await desk.until(told=10)
    assert desk.batches == [list(range(10))]


async def test_nobody_waits_for_long(desk: Desk, batches: Batches[int]) -> None:
    desk.may_go_on.clear()
    await busy_turns(desk, batches, 50, 0.001)
    desk.may_go_on.set()
    await desk.until(told=50)
    assert 2 <= len(desk.batches[0]) <= 10


async def test_a_batch_has_an_end(desk: Desk, batches: Batches[int]) -> None:
    for job in range(2 * MOST_AT_ONCE + 1):
        batches.add(job)
    await desk.until(told=2 * MOST_AT_ONCE + 1)
    assert [len(batch) for batch in desk.batches] == [MOST_AT_ONCE, MOST_AT_ONCE, 1]
    assert desk.told == list(range(2 * MOST_AT_ONCE + 1))


async def test_a_full_batch_waits_for_nobody(desk: Desk, batches: Batches[int]) -> None:
    for job in range(MOST_AT_ONCE):
        batches.add(job)
    # The loop is busy, and its patience not at an end.
    desk.now += 0.001
    await asyncio.sleep(0)
    assert batches.waiting == 0
    await desk.until(told=MOST_AT_ONCE)


@pytest.mark.parametrize("is_busy", [False, True])
async def test_what_is_waiting_is_done_before_the_end(
    desk: Desk, batches: Batches[int], *, is_busy: bool
) -> None:
    desk.may_go_on.clear()
    if is_busy:
        batches.add(0)
        async with asyncio.timeout(GUARD):
            while not desk.batches:  # noqa: ASYNC110 - another thread does it
                await asyncio.sleep(0.001)
    for job in range(1, 4):
        batches.add(job)
    closing = [asyncio.create_task(batches.aclose()) for _ in range(2)]
    await asyncio.sleep(0)
    desk.may_go_on.set()
    await asyncio.gather(*closing)
    assert desk.told == [0, 1, 2, 3][0 if is_busy else 1 :]
    assert desk.closed


async def test_the_end_of_nothing(desk: Desk, batches: Batches[int]) -> None:
    await batches.aclose()
    assert desk.closed
    assert desk.batches == []


async def test_a_loop_that_ends_first_leaves_a_thread_that_ends_as_well(desk: Desk) -> None:
    def elsewhere() -> None:
        async def add() -> None:
            batches = Batches[int](work=desk.work, tell=desk.tell, close=desk.close)
            desk.may_go_on.clear()
            batches.add(1)
            while not desk.batches:  # noqa: ASYNC110 - another thread does it
                await asyncio.sleep(0.001)

        asyncio.run(add())

    await asyncio.to_thread(elsewhere)
    (thread,) = [each for each in threading.enumerate() if each.name == "ledger"]
    desk.may_go_on.set()
    await asyncio.to_thread(thread.join, GUARD)
    assert not thread.is_alive()
    assert desk.closed
