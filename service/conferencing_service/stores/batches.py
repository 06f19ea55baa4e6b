"""Steps that come together are taken together: gathered on the event loop, taken in one thread.

A turn to the thread and back costs more than a step, and a commit more than both; so there is one
of each for many steps. A batch is not handed over while the loop has other work, within limits,
because what that work brings goes along. A loop that has nothing else to do waits for nobody.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

J = TypeVar("J")

MOST_AT_ONCE = 256
"""Jobs in a batch: what bounds how long it takes."""

_PATIENCE = 0.005
"""Seconds that a job waits at most for others to come, where no batch is under way."""

_IDLE_TURN = 0.0001
"""Seconds that a turn of a loop takes at most that has nothing to do."""


class Batches(Generic[J]):
    """Does jobs in a thread, one batch after the other.

    Args:
        work: does a batch; called in the thread, must not raise.
        tell: tells of a batch that was done; called on the loop.
        close: called in the thread after the last batch.
        clock: a clock that tells turns of the loop apart.
    """

    def __init__(
        self,
        *,
        work: Callable[[Sequence[J]], None],
        tell: Callable[[Sequence[J]], None],
        close: Callable[[], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._work = work
        self._tell = tell
        self._close = close
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._waiting: list[J] = []
        self._is_busy = False
        self._patient_until = self._turn_began = 0.0
        self._batches: SimpleQueue[Sequence[J]] = SimpleQueue()
        self._is_closing = False
        self._ended = asyncio.Event()
        # A daemon: whoever ends the process without closing must not wait for it for ever.
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many jobs wait for their batch."""
        return len(self._waiting)

    def add(self, job: J) -> None:
        """Have a job done."""
        self._waiting.append(job)
        if not self._is_busy:
            self._is_busy = True
            self._gather()

    async def aclose(self) -> None:
        """Do what is waiting, then end the thread."""
        if not self._is_closing:
            self._is_closing = True
            if not self._is_busy:
                self._hand_over()
        await self._ended.wait()
        self._thread.join()

    # ---- On the loop -------------------------------------------------------------------------

    def _gather(self) -> None:
        self._turn_began = self._clock()
        self._patient_until = self._turn_began + _PATIENCE
        self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Hand over, unless the loop's last turn shows that there is more to come."""
        now = self._clock()
        is_idle = now - self._turn_began <= _IDLE_TURN
        if is_idle or now >= self._patient_until or len(self._waiting) >= MOST_AT_ONCE:
            self._hand_over()
        else:
            self._turn_began = now
            self._loop.call_soon(self._turn)

    def _hand_over(self) -> None:
        """Give the thread the next batch; an empty one is the last."""
        self._batches.put(self._waiting[:MOST_AT_ONCE])
        del self._waiting[:MOST_AT_ONCE]

    def _done(self, jobs: Sequence[J]) -> None:
        self._tell(jobs)
        if self._waiting:
            self._gather()
        elif self._is_closing:
            self._hand_over()
        else:
            self._is_busy = False

    # ---- In the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        # Nobody waits any more when the loop is closed.
        with suppress(RuntimeError):
            while jobs := self._batches.get():
                self._work(jobs)
                self._loop.call_soon_threadsafe(self._done, jobs)
        self._close()
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended.set)
