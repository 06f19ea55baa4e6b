"""Writes that outlive their callers: what was started is finished, whoever still waits.

Nothing that happens to a write is told as less than it is: what nobody foresaw, and what is cut off
at shutdown, may have been written, and is told so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from conferencing_service.core.errors import ConferencingError, OutcomeUnresolved

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Effects:
    """Owns the tasks in which writes are sent.

    A caller that cancels, or whose deadline passes, stops waiting; the write goes on under its own
    time limit, because half a write cannot be taken back.
    """

    def __init__(self) -> None:
        self._waiters: dict[asyncio.Task[Any], asyncio.Future[Any]] = {}
        self.draining = False
        """The process is about to end: whoever only waits for more should come to an end."""

    async def run(self, write: Coroutine[Any, Any, T], facts: Mapping[str, str]) -> T:
        """Run a write to its end and return what it returns; cancelling only ends the wait.

        Raises what the write raises if that is an error of the core, else OutcomeUnresolved.

        Args:
            write: the write.
            facts: what names it in the log, where its caller is gone when it ends.
        """
        task = asyncio.create_task(write)
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiters[task] = waiter
        task.add_done_callback(lambda done: self._finished(done, facts))
        return await waiter

    async def drain(self, seconds: float) -> int:
        """Wait for the writes under way, at most so long; return how many are left."""
        if not self._waiters:
            return 0
        _done, left = await asyncio.wait(set(self._waiters), timeout=seconds)
        return len(left)

    def abandon(self) -> None:
        """Tell everybody who still waits that nobody will know."""
        for waiter in self._waiters.values():
            if not waiter.done():
                waiter.set_exception(OutcomeUnresolved())

    def _finished(self, task: asyncio.Task[Any], facts: Mapping[str, str]) -> None:
        waiter = self._waiters.pop(task)
        error = _told(task, facts)
        if waiter.done():
            _report_unattended(error, facts)
        elif error is None:
            waiter.set_result(task.result())
        else:
            waiter.set_exception(error)


def _told(task: asyncio.Task[Any], facts: Mapping[str, str]) -> ConferencingError | None:
    """Return how a write ended, in an error of the core."""
    if task.cancelled():
        return OutcomeUnresolved()
    match task.exception():
        case None:
            return None
        case ConferencingError() as error:
            return error
        case error:
            _log.error("a write broke", exc_info=error, extra=dict(facts))
            return OutcomeUnresolved()


def _report_unattended(error: ConferencingError | None, facts: Mapping[str, str]) -> None:
    """Log how a write ended that nobody waited for any more."""
    if error is None:
        _log.info("a write succeeded after its caller had left", extra=dict(facts))
        return
    extra = {**error.metadata, **facts, "reason": error.reason.value}
    _log.warning("a write failed after its caller had left", extra=extra)
