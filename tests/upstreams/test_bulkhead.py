"""The bulkhead: how many of a grant are under way, who is next, and when nobody may leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.upstreams.bulkhead import Bulkhead
from conferencing_service.upstreams.exchange import Gate, Limited, Unsent


@dataclass
class Lanes:
    """A bulkhead on a clock that sleeping moves, and requests that leave when they are told to."""

    under_way: int = 16
    in_line: int = 64
    now: float = 1000.0
    sleeps: bool = True
    left: list[str] = field(default_factory=list)
    left_at: dict[str, float] = field(default_factory=dict)
    ends: dict[str, asyncio.Event] = field(default_factory=dict)
    bulkhead: Bulkhead = field(init=False)

    def __post_init__(self) -> None:
        self.bulkhead = Bulkhead(under_way=self.under_way, in_line=self.in_line, sleep=self._sleep)
        self._woken = asyncio.Event()

    async def _sleep(self, seconds: float) -> None:
        """Sleep at once, or until the test moves the clock that far."""
        until = self.now + seconds
        if self.sleeps:
            self.now = until
            return
        while self.now < until:
            await self._woken.wait()

    async def pass_time(self, seconds: float) -> None:
        """Move the clock, and let everybody notice."""
        self.now += seconds
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()
        await settled()

    def clock(self) -> float:
        return self.now

    async def request(self, name: str, grant_id: str, seconds: float) -> None:
        async with self.bulkhead.slot(grant_id, self.clock, self.now + seconds):
            self.left.append(name)
            self.left_at[name] = self.now
            await self.ends.setdefault(name, asyncio.Event()).wait()

    async def sent(
        self, *names: str, grant_id: str = "a", seconds: float = 30.0
    ) -> list[asyncio.Task[None]]:
        """Start requests one after the other, and wait until each is under way, in line or over."""
        tasks = []
        for name in names:
            tasks.append(asyncio.create_task(self.request(name, grant_id, seconds)))
            await settled()
        return tasks

    async def end(self, *names: str) -> None:
        for name in names:
            self.ends[name].set()
        await settled()


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def numbered(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


async def refusal(task: asyncio.Task[None]) -> Limited | Unsent:
    with pytest.raises((Limited, Unsent)) as raised:
        await task
    assert isinstance(raised.value, Limited | Unsent)
    return raised.value


async def cancelled(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# ---- Places --------------------------------------------------------------------------------


async def test_sixteen_are_under_way_and_sixty_four_in_line() -> None:
    lanes = Lanes()
    tasks = await lanes.sent(*numbered(1, 80))
    assert lanes.left == numbered(1, 16)
    assert not any(task.done() for task in tasks)
    (over,) = await lanes.sent("81")
    error = await refusal(over)
    assert isinstance(error, Unsent)
    assert error.gate is Gate.BULKHEAD_FULL
    await cancelled(*tasks)
    assert len(lanes.bulkhead) == 0


async def test_who_came_first_leaves_first() -> None:
    lanes = Lanes(under_way=2)
    tasks = await lanes.sent(*numbered(1, 6))
    for name in numbered(1, 6):
        await lanes.end(name)
    assert lanes.left == numbered(1, 6)
    await asyncio.gather(*tasks)


async def test_a_newcomer_does_not_get_ahead_of_the_line() -> None:
    lanes = Lanes(under_way=1)
    tasks = await lanes.sent("1", "2")
    lanes.ends["1"].set()
    tasks += [asyncio.create_task(lanes.request("3", "a", 30.0))]
    await settled()
    assert lanes.left == ["1", "2"]
    await cancelled(*tasks)


async def test_a_full_lane_is_nothing_to_another_grant() -> None:
    lanes = Lanes(under_way=1, in_line=1)
    tasks = await lanes.sent("a1", "a2", "a3")
    tasks += await lanes.sent("b1", grant_id="b")
    assert lanes.left == ["a1", "b1"]
    await cancelled(*tasks)


async def test_who_gets_no_place_in_time_is_unsent() -> None:
    lanes = Lanes(under_way=1)
    tasks = await lanes.sent("1")
    (late,) = await lanes.sent("2", seconds=0.01)
    error = await refusal(late)
    assert isinstance(error, Unsent)
    assert error.gate is Gate.BULKHEAD_FULL
    (third,) = await lanes.sent("3")
    await lanes.end("1")
    assert lanes.left == ["1", "3"]
    await cancelled(*tasks, third)


async def test_who_leaves_the_line_is_passed_over() -> None:
    lanes = Lanes(under_way=1)
    tasks = await lanes.sent("1", "2", "3")
    tasks[1].cancel()
    await lanes.end("1")
    assert lanes.left == ["1", "3"]
    await cancelled(*tasks)


async def test_a_place_handed_to_somebody_who_is_leaving_goes_on_to_the_next() -> None:
    lanes = Lanes(under_way=1)
    tasks = await lanes.sent("1", "2", "3")
    lanes.ends["1"].set()
    await asyncio.sleep(0)  # the first gives up its place to the second ...
    tasks[1].cancel()  # ... which is cancelled before it knows
    await settled()
    assert lanes.left == ["1", "3"]
    await cancelled(*tasks)
    assert len(lanes.bulkhead) == 0


async def test_who_leaves_the_line_as_the_lane_empties_leaves_nothing_behind() -> None:
    lanes = Lanes(under_way=1)
    tasks = await lanes.sent("1", "2")
    lanes.ends["1"].set()
    tasks[1].cancel()
    await settled()
    assert tasks[1].cancelled()
    assert len(lanes.bulkhead) == 0


# ---- Retry-After ---------------------------------------------------------------------------


async def test_nobody_leaves_before_the_time_and_everybody_at_it() -> None:
    lanes = Lanes(sleeps=False)
    lanes.bulkhead.limit("a", lanes.now, 7.0)
    tasks = await lanes.sent("1", "2", "3")
    await lanes.pass_time(6.9)
    assert lanes.left == []
    await lanes.pass_time(0.2)
    assert lanes.left == ["1", "2", "3"]
    await cancelled(*tasks)


async def test_another_grant_does_not_wait() -> None:
    lanes = Lanes(sleeps=False)
    lanes.bulkhead.limit("a", lanes.now, 7.0)
    tasks = [*await lanes.sent("a1"), *await lanes.sent("b1", grant_id="b")]
    assert lanes.left == ["b1"]
    await cancelled(*tasks)


@pytest.mark.parametrize("seconds", [1.0, 7.0])
async def test_who_has_not_the_time_is_told_at_once_how_long(seconds: float) -> None:
    lanes = Lanes(sleeps=False)
    lanes.bulkhead.limit("a", lanes.now - 2.0, 9.0)
    (task,) = await lanes.sent("1", seconds=seconds)
    assert task.done()
    error = await refusal(task)
    assert isinstance(error, Limited)
    assert error.seconds == 7.0


async def test_who_is_in_line_and_has_not_the_time_is_told_at_once_too() -> None:
    lanes = Lanes(under_way=1, sleeps=False)
    tasks = await lanes.sent("1")
    tasks += await lanes.sent("2", seconds=5.0)
    tasks += await lanes.sent("3", seconds=30.0)
    lanes.bulkhead.limit("a", lanes.now, 7.0)
    await settled()
    assert [task.done() for task in tasks] == [False, True, False]
    error = await refusal(tasks[1])
    assert isinstance(error, Limited)
    await lanes.end("1")
    assert lanes.left == ["1"]
    await lanes.pass_time(7.0)
    assert lanes.left == ["1", "3"]
    await cancelled(*tasks)


async def test_who_has_not_the_time_does_not_get_in_line() -> None:
    lanes = Lanes(under_way=1, sleeps=False)
    tasks = await lanes.sent("1")
    lanes.bulkhead.limit("a", lanes.now, 7.0)
    (hurried,) = await lanes.sent("2", seconds=5.0)
    assert isinstance(await refusal(hurried), Limited)
    await cancelled(*tasks)


async def test_no_room_in_a_closed_lane_is_told_as_the_limit_that_it_is() -> None:
    lanes = Lanes(under_way=1, in_line=0, sleeps=False)
    lanes.bulkhead.limit("a", lanes.now, 7.0)
    waiting, over = await lanes.sent("1", "2")
    error = await refusal(over)
    assert isinstance(error, Limited)
    await cancelled(waiting)


async def test_a_limit_that_grows_while_somebody_waits_holds() -> None:
    lanes = Lanes(sleeps=False)
    lanes.bulkhead.limit("a", lanes.now, 7.0)
    patient, hurried = [*await lanes.sent("1"), *await lanes.sent("2", seconds=8.0)]
    lanes.bulkhead.limit("a", lanes.now, 9.0)
    lanes.bulkhead.limit("a", lanes.now, 1.0)
    await lanes.pass_time(7.5)
    assert lanes.left == []
    error = await refusal(hurried)
    assert isinstance(error, Limited)
    assert error.seconds == 1.5
    await lanes.pass_time(1.5)
    assert lanes.left == ["1"]
    await cancelled(patient)


async def test_a_limit_of_no_time_is_none() -> None:
    lanes = Lanes(sleeps=False)
    lanes.bulkhead.limit("a", lanes.now, 0.0)
    assert len(lanes.bulkhead) == 0


async def test_a_limit_without_measure_is_believed_for_an_hour() -> None:
    lanes = Lanes(sleeps=False)
    lanes.bulkhead.limit("a", lanes.now, 1e9)
    tasks = await lanes.sent("1", seconds=4000.0)
    await lanes.pass_time(3599.0)
    assert lanes.left == []
    await lanes.pass_time(1.0)
    assert lanes.left == ["1"]
    await cancelled(*tasks)


# ---- What is kept --------------------------------------------------------------------------


async def test_a_grant_that_nobody_uses_is_forgotten() -> None:
    lanes = Lanes()
    for number in range(1000):
        (task,) = await lanes.sent("x", grant_id=str(number))
        task.cancel()
    await settled()
    assert len(lanes.bulkhead) == 0


async def test_a_limit_is_forgotten_when_its_time_has_passed() -> None:
    lanes = Lanes(sleeps=False)
    for number in range(1000):
        for seconds in (5.0, 1.0, 10.0):
            lanes.bulkhead.limit(str(number), lanes.now, seconds)
    assert len(lanes.bulkhead) == 1000
    lanes.now += 9.9
    await cancelled(*await lanes.sent("x", grant_id="somebody", seconds=1.0))
    assert len(lanes.bulkhead) == 1000
    lanes.now += 0.1
    await cancelled(*await lanes.sent("x", grant_id="somebody", seconds=1.0))
    assert len(lanes.bulkhead) == 0


# ---- Any order of events -------------------------------------------------------------------

Step = Callable[["Story"], Awaitable[None]]


@dataclass
class Story:
    """A bulkhead of two places and three in line, and what was asked of it."""

    lanes: Lanes = field(default_factory=lambda: Lanes(under_way=2, in_line=3, sleeps=False))
    asked: list[str] = field(default_factory=list)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    closed_until: dict[str, float] = field(default_factory=dict)

    def under_way(self, grant_id: str) -> int:
        """How many have left and not ended."""
        lanes = self.lanes
        return sum(
            name[0] == grant_id and not lanes.ends[name].is_set() and not self.tasks[name].done()
            for name in lanes.left
        )

    def check(self) -> None:
        lanes = self.lanes
        for grant_id in "ab":
            assert self.under_way(grant_id) <= 2
            left = [name for name in lanes.left if name[0] == grant_id]
            assert left == [name for name in self.asked if name in left], "nobody gets ahead"


def asking(grant_id: str, seconds: float) -> Step:
    async def step(story: Story) -> None:
        name = f"{grant_id}{len(story.asked)}"
        story.asked.append(name)
        (story.tasks[name],) = await story.lanes.sent(name, grant_id=grant_id, seconds=seconds)
        if name in story.lanes.left:
            assert story.lanes.now >= story.closed_until.get(grant_id, 0.0)

    return step


def ending(which: int) -> Step:
    async def step(story: Story) -> None:
        if story.lanes.left:
            await story.lanes.end(story.lanes.left[which % len(story.lanes.left)])

    return step


def cancelling(which: int) -> Step:
    async def step(story: Story) -> None:
        if story.asked:
            await cancelled(story.tasks[story.asked[which % len(story.asked)]])

    return step


def limiting(grant_id: str, seconds: float) -> Step:
    async def step(story: Story) -> None:
        now = story.lanes.now
        story.lanes.bulkhead.limit(grant_id, now, seconds)
        until = max(story.closed_until.get(grant_id, 0.0), now + seconds)
        story.closed_until[grant_id] = until
        await settled()

    return step


def waiting(seconds: float) -> Step:
    async def step(story: Story) -> None:
        before = len(story.lanes.left)
        await story.lanes.pass_time(seconds)
        for name in story.lanes.left[before:]:
            assert story.lanes.left_at[name] >= story.closed_until.get(name[0], 0.0)

    return step


grants, spans = st.sampled_from("ab"), st.integers(1, 20).map(float)
steps = st.one_of(
    st.builds(asking, grants, st.sampled_from([5.0, 60.0, 600.0])),
    st.builds(ending, st.integers(0, 50)),
    st.builds(cancelling, st.integers(0, 50)),
    st.builds(limiting, grants, spans),
    st.builds(waiting, spans),
)


@given(st.lists(steps, max_size=40))
def test_no_order_of_events_breaks_a_promise_or_leaves_anything_behind(story: list[Step]) -> None:
    async def play() -> None:
        played = Story()
        for step in story:
            await step(played)
            played.check()
        # A place that got lost would keep the last ones from leaving.
        await cancelled(*played.tasks.values())
        await played.lanes.pass_time(1000.0)
        for number in range(2):
            await asking("a", 600.0)(played)
            assert played.lanes.left[-1] == played.asked[-1], number
        await cancelled(*played.tasks.values())
        assert len(played.lanes.bulkhead) == 0

    asyncio.run(play())
