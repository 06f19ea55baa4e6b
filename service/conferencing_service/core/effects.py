"""Writes that outlive their callers: what was started is finished, whoever still waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from conferencing_service.core.errors import ConferencingError

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Effects:
    """Owns the tasks in which writes are sent.

    A caller that cancels, or whose deadline passes, stops waiting; the write goes on under its own
    time limit, because half a write cannot be taken back.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, write: Coroutine[Any, Any, T]) -> T:
        """Run a write to its end and return what it returns; cancelling only ends the wait."""
        task = asyncio.create_task(write)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                task.add_done_callback(_report_unattended)
            raise

    async def drain(self, seconds: float) -> int:
        """Wait for the writes under way, at most so long; return how many are left."""
        if not self._tasks:
            return 0
        _done, left = await asyncio.wait(set(self._tasks), timeout=seconds)
        return len(left)


def _report_unattended(task: asyncio.Task[Any]) -> None:
    """Log how a write ended that nobody waited for any more."""
    if task.cancelled():
        _log.warning("a write was cancelled at shutdown after its caller had left")
        return
    match task.exception():
        case None:
            _log.info("a write succeeded after its caller had left")
        case ConferencingError() as error:
            _log.warning(
                "a write failed after its caller had left", extra={"reason": error.reason.value}
            )
        case error:
            _log.error("a write broke after its caller had left", exc_info=error)
