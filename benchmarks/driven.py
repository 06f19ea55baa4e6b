"""Callers that are no servers: each line on stdin is an order of load, each on stdout its outcome."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass
class Order:
    """So many calls at once, for so many seconds, longer until so many have begun, at most so long.

    Attributes:
        times: seconds that each call took.
        wrong: how many answers were not right.
    """

    in_flight: int
    seconds: float
    calls: int
    most: float
    began: float = field(default_factory=time.perf_counter)
    begun: int = 0
    times: list[float] = field(default_factory=list)
    wrong: int = 0

    def goes_on(self) -> bool:
        """Tell whether another call is to begin."""
        took = time.perf_counter() - self.began
        self.begun += 1
        return took < self.most and (took < self.seconds or self.begun <= self.calls)

    def note(self, start: float, *, right: bool) -> None:
        """Note a call that ended."""
        self.times.append(time.perf_counter() - start)
        self.wrong += not right

    def outcome(self) -> str:
        """Return the line that tells what came of it."""
        times = sorted(self.times)
        told = {
            "calls": len(times),
            "seconds": time.perf_counter() - self.began,
            "p50_us": times[len(times) // 2] * 1e6,
            "p99_us": times[len(times) * 99 // 100] * 1e6,
            "statuses": {"OK": len(times)},
            "unequal": self.wrong,
        }
        return json.dumps(told)


async def by_tasks(call: Callable[[], Awaitable[bool]]) -> None:
    """Make calls from tasks, until stdin closes; a call tells whether its answer was right."""
    tell("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = Order(**json.loads(line))

        async def work(order: Order = order) -> None:
            while order.goes_on():
                start = time.perf_counter()
                order.note(start, right=await call())

        await asyncio.gather(*(work() for _ in range(order.in_flight)))
        tell(order.outcome())


def by_threads(call: Callable[[], bool]) -> None:
    """Make calls from threads, until stdin closes."""
    tell("ready")
    for line in sys.stdin:
        order = Order(**json.loads(line))

        def work(order: Order = order) -> None:
            while order.goes_on():
                start = time.perf_counter()
                order.note(start, right=call())

        threads = [threading.Thread(target=work) for _ in range(order.in_flight)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tell(order.outcome())


def tell(line: str) -> None:
    """Say a line to whoever started this process."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
