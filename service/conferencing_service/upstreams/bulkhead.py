"""A bulkhead per grant: a slow or limited grant fills its own lane and nobody else's.

A lane has so many requests under way and so many in line; after a Retry-After it is closed until
then. Times are those of the calls' own clock. Lanes that nobody uses are forgotten.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from conferencing_service.core.clock import Clock
from conferencing_service.upstreams.exchange import Gate, Limited, Unsent


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """A request in line: when its time is up, and its turn, answered with what forbids it."""

    deadline: float
    turn: asyncio.Future[Limited | None]


@dataclass(slots=True)
class _Lane:
    """The requests of one grant.

    Attributes:
        under_way: how many have a place.
        line: the others, the first one first.
        opens_at: before this time none may leave.
        is_timed: whether the bulkhead looks at it again when it opens.
    """

    under_way: int = 0
    line: deque[_Waiter] = field(default_factory=deque)
    opens_at: float = -math.inf
    is_timed: bool = False

    def leave(self) -> None:
        """Hand a place on to the first in line, so that nobody gets ahead of it."""
        while self.line:
            waiter = self.line.popleft()
            if not waiter.turn.done():
                waiter.turn.set_result(None)
                return
        self.under_way -= 1

    def check(self, now: float, deadline: float) -> None:
        """Raise Limited when it opens too late for a deadline."""
        if self.opens_at > now and self.opens_at >= deadline:
            raise Limited(self.opens_at - now)

    def close(self, now: float, opens_at: float) -> None:
        """Close it until then; whoever is in line and has not the time for that ends now."""
        self.opens_at = max(self.opens_at, opens_at)
        for waiter in self.line:
            if waiter.deadline <= self.opens_at and not waiter.turn.done():
                waiter.turn.set_result(Limited(self.opens_at - now))
        self.line = deque(waiter for waiter in self.line if not waiter.turn.done())


class Bulkhead:
    """The lanes of an upstream's grants.

    Args:
        under_way: how many requests of one grant may be under way.
        in_line: how many more of them may wait for that.
        longest_pause: the longest Retry-After that is believed, in seconds.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        *,
        under_way: int = 16,
        in_line: int = 64,
        longest_pause: float = 3600.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._under_way = under_way
        self._in_line = in_line
        self._longest_pause = longest_pause
        self._sleep = sleep
        self._lanes: dict[str, _Lane] = {}
        # The lanes that a Retry-After closed, the one that opens first on top.
        self._timed: list[tuple[float, str]] = []

    def __len__(self) -> int:
        """Return how many grants it knows of."""
        return len(self._lanes)

    @asynccontextmanager
    async def slot(self, grant_id: str, clock: Clock, deadline: float) -> AsyncIterator[None]:
        """Hold a place of a grant for the block, once there is one and the lane is open.

        Raises Unsent when there is no room or no place in time, Limited when the lane opens too
        late.
        """
        self._forget_opened(clock())
        lane = self._lane(grant_id)
        try:
            await self._enter(lane, clock(), deadline)
            try:
                await self.opened(grant_id, clock, deadline)
                yield
            finally:
                lane.leave()
        finally:
            self._forget_idle(grant_id, lane)

    async def opened(self, grant_id: str, clock: Clock, deadline: float) -> bool:
        """Wait until a grant's lane is open, or raise Limited; tell whether it was closed.

        Only for the holder of a place, who keeps it: nobody else of the grant may leave either.
        """
        lane, waited = self._lanes[grant_id], False
        while (left := lane.opens_at - (now := clock())) > 0:
            lane.check(now, deadline)
            await self._sleep(left)
            waited = True
        return waited

    def limit(self, grant_id: str, now: float, seconds: float) -> None:
        """Let no request of a grant leave for so many seconds."""
        if seconds <= 0:
            return
        lane = self._lane(grant_id)
        lane.close(now, now + min(seconds, self._longest_pause))
        if not lane.is_timed:
            lane.is_timed = True
            heapq.heappush(self._timed, (lane.opens_at, grant_id))

    def _lane(self, grant_id: str) -> _Lane:
        lane = self._lanes.get(grant_id)
        if lane is None:
            lane = self._lanes[grant_id] = _Lane()
        return lane

    async def _enter(self, lane: _Lane, now: float, deadline: float) -> None:
        lane.check(now, deadline)
        if lane.under_way < self._under_way:
            lane.under_way += 1
            return
        if len(lane.line) >= self._in_line:
            if now < lane.opens_at:
                raise Limited(lane.opens_at - now)
            raise Unsent(gate=Gate.BULKHEAD_FULL)
        waiter = _Waiter(deadline, asyncio.get_running_loop().create_future())
        lane.line.append(waiter)
        try:
            async with asyncio.timeout(deadline - now):
                refusal = await waiter.turn
        except BaseException as error:
            _give_up(lane, waiter)
            if isinstance(error, TimeoutError):
                raise Unsent(gate=Gate.BULKHEAD_FULL) from error
            raise
        if refusal is not None:
            raise refusal

    def _forget_idle(self, grant_id: str, lane: _Lane) -> None:
        # One that is closed is still needed, and is looked at when it opens. One that was forgotten
        # before its last waiter noticed may have a successor, which is somebody else's.
        if not (lane.under_way or lane.line or lane.is_timed) and self._lanes.get(grant_id) is lane:
            del self._lanes[grant_id]

    def _forget_opened(self, now: float) -> None:
        while self._timed and self._timed[0][0] <= now:
            _opens_at, grant_id = heapq.heappop(self._timed)
            lane = self._lanes[grant_id]
            if lane.opens_at > now:
                heapq.heappush(self._timed, (lane.opens_at, grant_id))
            else:
                lane.is_timed = False
                self._forget_idle(grant_id, lane)


def _give_up(lane: _Lane, waiter: _Waiter) -> None:
    """Leave the line; a place that was just handed over goes on to the next one."""
    turn = waiter.turn
    if not turn.done() or turn.cancelled():
        if waiter in lane.line:
            lane.line.remove(waiter)
    elif turn.result() is None:
        lane.leave()
