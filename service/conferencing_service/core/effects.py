"""Writes, owned by the server and not by the call that asked for them.

Nothing is ever said of a write that is less than it is: what nobody foresaw, and what is cut off
at shutdown, may have been written, and is told so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias, TypeVar

from conferencing_service.core.errors import ConferencingError, OutcomeUnresolved
from conferencing_service.core.upstream import Call

T = TypeVar("T")

LastWords: TypeAlias = Callable[[Exception | None], Exception]

_log = logging.getLogger(__name__)


def _nobody_knows(_broken_by: Exception | None) -> Exception:
    return OutcomeUnresolved()


class Effects:
    """Owns the tasks in which writes are sent.

    A caller that cancels, or whose deadline passes, stops waiting; the write goes on under its own
    time limit, because half a write cannot be taken back.
    """

    def __init__(self) -> None:
        self._waiters: dict[asyncio.Task[Any], asyncio.Future[Any]] = {}
        self._last_words: dict[asyncio.Future[Any], LastWords] = {}
        self.draining = False
        """The process is about to end: whoever only waits for more should come to an end."""

    async def run(
        self,
        write: Coroutine[Any, Any, T],
        facts: Mapping[str, str],
        *,
        call: Call | None = None,
        waiter: asyncio.Future[T] | None = None,
        last_words: LastWords = _nobody_knows,
    ) -> T:
        """Run a write to its end and return what it returns; cancelling only ends the wait.

        Raises what the write raises if that is an error of the core, else `last_words`.

        Args:
            write: the write.
            facts: what names it in the log, where its caller is gone when it ends.
            call: the call that asked for it, which is told of its task.
            waiter: what the caller waits for; the write may answer it before its own end.
            last_words: what a caller is told whose write was cut off (None) or broke (by what).
        """
        task = asyncio.create_task(write)
        if call is not None:
            call.effect = task
        if waiter is None:
            waiter = asyncio.get_running_loop().create_future()
        self._waiters[task] = waiter
        self._last_words[waiter] = last_words
        task.add_done_callback(lambda done: self._finished(done, facts))
        return await waiter

    async def drain(self, seconds: float) -> int:
        """Wait for the writes under way, at most so long; return how many are left."""
        if not self._waiters:
            return 0
        _done, left = await asyncio.wait(set(self._waiters), timeout=seconds)
        return len(left)

    def abandon(self) -> None:
        """Tell everybody who still waits that this process will not know."""
        for waiter in self._waiters.values():
            if not waiter.done():
                waiter.set_exception(self._last_words[waiter](None))

    async def cut_off(self, seconds: float) -> None:
        """Cancel the writes that are still under way; they get so long to note that they were."""
        left = set(self._waiters)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=seconds)

    def _finished(self, task: asyncio.Task[Any], facts: Mapping[str, str]) -> None:
        waiter = self._waiters.pop(task)
        last_words = self._last_words.pop(waiter)
        error = _told(task, facts, last_words)
        if waiter.done():
            _report_unattended(error, facts)
        elif error is None:
            waiter.set_result(task.result())
        else:
            waiter.set_exception(error)


def _told(
    task: asyncio.Task[Any],
    facts: Mapping[str, str],
    last_words: LastWords,
) -> Exception | None:
    """Return what a write's caller is told of its end, None where it ended well."""
    if task.cancelled():
        return last_words(None)
    match task.exception():
        case None:
            return None
        case ConferencingError() as error:
            return error
        case Exception() as error:
            _log.error("a write broke", exc_info=error, extra=dict(facts))
            return last_words(error)
        case error:
            raise error


def _report_unattended(error: Exception | None, facts: Mapping[str, str]) -> None:
    """Log how a write ended that nobody waited for any more."""
    if error is None:
        _log.info("a write succeeded after its caller had left", extra=dict(facts))
        return
    extra = dict(facts)
    if isinstance(error, ConferencingError):
        extra = {**error.metadata, **facts, "reason": error.reason.value}
    _log.warning("a write failed after its caller had left", extra=extra)
